//! An application's hooks: configuration, scripts, required hooks and an approver, in force together or not
//! at all.

mod builder;
mod config;
mod terminal;

pub use builder::{HookSystem, HookSystemBuilder};
pub use config::Config;
pub use terminal::TerminalApprover;
