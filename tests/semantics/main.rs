//! What hooks may do and what happens when several do, through really annotated functions.

mod bad_input;
mod batch;
mod breakers;
mod decisions;
mod dynamic;
mod failures;
mod faults;
mod laws;
mod life;
mod limits;
mod monitor;
mod nesting;
mod pairing;
mod quiet;
mod random;
mod records;
mod reentry;
mod registry;
mod retries;
mod scopes;
mod seal;
mod sites;
mod steps;
mod stream_life;
mod streams;
mod void;
