//! Conditions that `#[hook(when = …)]` writes down.

use crate::context::GuardContext;
use crate::error::HookError;

/// Gives a closure written in `when = …` its signature, so that `cx` needs no type.
pub const fn condition<F>(holds: F) -> F
where
    F: Fn(&GuardContext<'_>) -> Result<bool, HookError> + Send + Sync,
{
    holds
}
