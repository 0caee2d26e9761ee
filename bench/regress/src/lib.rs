//! Calls whose instructions and allocations `scripts/regress` holds against committed budgets.
//!
//! Unlike times, both are nearly the same on every run and under any load, so a change that makes a call
//! dearer fails a test. The counting allocator is shared with `hookpoint-bench`.

pub mod allocations;
pub mod scenarios;
