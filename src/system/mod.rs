//! An application's hooks: configuration, scripts, required hooks and an approver, in force together or not
//! at all.

mod approver;
mod builder;
mod config;
#[cfg(feature = "builtin")]
mod entries;
mod files;
mod scripts;

pub use approver::ApproverEntry;
pub use builder::{HookSystem, HookSystemBuilder};
pub use config::Config;
#[cfg(feature = "builtin")]
pub use entries::{HookEntry, Problem};
#[cfg(feature = "lua")]
pub(crate) use files::FileCheck;
pub use scripts::ScriptEntry;
#[cfg(feature = "lua")]
pub(crate) use scripts::with_builtins;
