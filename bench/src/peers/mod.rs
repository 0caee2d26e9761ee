//! What others do for the same: each calls functions that do nothing around one call.

pub mod async_trait_loop;
pub mod classic;
pub mod dyn_loop;
pub mod layers;
