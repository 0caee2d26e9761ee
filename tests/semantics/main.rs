//! What hooks may do and what happens when several do, through really annotated functions.

mod decisions;
mod sites;
