//! The runtime of Hookpoint: hook points, sites, hooks, and the executor that joins them.

pub mod answer;
pub mod error;
pub mod point;
#[doc(hidden)]
pub mod private;
pub mod refusal;
pub mod site;
#[doc(hidden)]
pub mod view;

#[doc(hidden)]
pub use private as __private;

pub use answer::{AskRequest, HookResult, IntoAnswer, Reach, Replacement, Restriction, Vote};
pub use error::{ArgError, HookError};
pub use hooks_macros::runtime_hooked as hooked;
pub use point::{HookPoint, Phase};
pub use refusal::HookRefusal;
pub use site::{HookSite, SiteInfo};
