//! Conditions: whether a hook takes part in a call.

use crate::context::GuardContext;
use crate::error::HookError;

/// Decides, when it is the hook's turn, whether the hook takes part.
///
/// Closures implement it; expression languages plug in here.
pub trait Condition: Send + Sync {
    /// Whether the hook takes part in this call.
    ///
    /// # Errors
    /// Counts as a failure of the hook, never as "no match".
    fn holds(&self, cx: &GuardContext<'_>) -> Result<bool, HookError>;

    /// How the condition is shown in messages.
    fn describe(&self) -> String {
        "a closure".into()
    }
}

impl<F> Condition for F
where
    F: Fn(&GuardContext<'_>) -> Result<bool, HookError> + Send + Sync,
{
    fn holds(&self, cx: &GuardContext<'_>) -> Result<bool, HookError> {
        self(cx)
    }
}
