//! An expression that decides whether a hook takes part.

use std::sync::Arc;

use hooks_runtime::{Condition, GuardContext, HookError};

use super::expression::Expression;
use super::facts::Facts;
use super::limits::CelLimits;
use crate::error::BuiltinError;

/// A condition in CEL, for the `when` of any hook: it takes part in calls for which the expression holds. The
/// variables are those of [`CelHook`](crate::CelHook).
///
/// ```
/// use hooks_builtin::CelCondition;
/// use hooks_runtime::{HookRegistry, Vote};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let registry = HookRegistry::new();
/// let _guard = registry
///     .on("no-shell")
///     .point("tool.execute")
///     .when(CelCondition::new("component == 'shell' && principal != 'root'")?)
///     .guard(|_| Ok(Vote::cancel("no shell here")))?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct CelCondition(Arc<Expression>);

impl CelCondition {
    /// The expression `when`, with the default limits.
    ///
    /// # Errors
    /// [`BuiltinError::Expression`]: it cannot be read, or names what there is not.
    pub fn new(when: &str) -> Result<Self, BuiltinError> {
        CelCondition::with_limits(when, &CelLimits::new())
    }

    /// The expression `when`, with those limits.
    ///
    /// # Errors
    /// As [`CelCondition::new`], and [`BuiltinError::BadOption`] for a limit that cannot be.
    pub fn with_limits(when: &str, limits: &CelLimits) -> Result<Self, BuiltinError> {
        limits.check()?;
        let compiled = Expression::compile(when, limits, "when")?;
        Ok(CelCondition(Arc::new(compiled)))
    }
}

impl Condition for CelCondition {
    fn holds(&self, cx: &GuardContext<'_>) -> Result<bool, HookError> {
        let mut facts = Facts::default();
        facts.read(cx, &self.0)?;
        self.0.holds(&facts).map_err(HookError::other)
    }

    fn describe(&self) -> String {
        self.0.shown()
    }

    fn text(&self) -> Option<&str> {
        self.0.text()
    }
}
