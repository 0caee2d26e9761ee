//! What a guard can be registered for: a name, or a typed point with its own view.

use crate::context::GuardContext;
use crate::error::HookError;
use crate::point::HookPoint;

/// A point, a pattern, or a typed point.
///
/// For a name the guard's closure gets the [`GuardContext`]; for a point declared with `point!` it gets a
/// struct with that point's arguments.
pub trait Target {
    /// What the closure gets.
    type View<'a>;
    /// The name or pattern.
    fn pattern(&self) -> &str;
    /// The view of one call.
    ///
    /// # Errors
    /// An argument of the typed point is missing at the site, or has another type.
    fn view<'a>(cx: &'a GuardContext<'a>) -> Result<Self::View<'a>, HookError>;
}

impl Target for &str {
    type View<'a> = &'a GuardContext<'a>;
    fn pattern(&self) -> &str {
        self
    }
    fn view<'a>(cx: &'a GuardContext<'a>) -> Result<Self::View<'a>, HookError> {
        Ok(cx)
    }
}

impl Target for HookPoint {
    type View<'a> = &'a GuardContext<'a>;
    fn pattern(&self) -> &str {
        self.name()
    }
    fn view<'a>(cx: &'a GuardContext<'a>) -> Result<Self::View<'a>, HookError> {
        Ok(cx)
    }
}
