//! Hookpoint: turn functions into hook points.

pub use hooks_macros::hooked;
#[doc(hidden)]
pub use hooks_runtime::__private;
pub use hooks_runtime::*;
