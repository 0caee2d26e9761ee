//! What hooks do at the seven tool points.

mod execute;
mod fixture;
mod stages;
