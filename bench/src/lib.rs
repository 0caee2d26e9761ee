//! What a hook costs, and what others cost for the same: the rows that `hookpoint-bench` prints.
//!
//! Times of a shared machine say little, so every claim is a ratio of two things that were measured in the same
//! rounds; see [`harness`]. `docs/performance.md` has the claims, the method and the last figures.

pub mod harness;
pub mod peers;
pub mod registered;
pub mod report;
pub mod rows;
pub mod sites;
