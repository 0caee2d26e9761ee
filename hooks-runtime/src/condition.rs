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

    /// The condition as a text, if it is all of it: conditions with the same text hold for the same calls. A required
    /// hook can be replaced by one with the same conditions.
    fn text(&self) -> Option<&str> {
        None
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

impl Condition for Box<dyn Condition> {
    fn holds(&self, cx: &GuardContext<'_>) -> Result<bool, HookError> {
        (**self).holds(cx)
    }
    fn describe(&self) -> String {
        (**self).describe()
    }
    fn text(&self) -> Option<&str> {
        (**self).text()
    }
}

/// Holds for calls of that component.
pub fn component(name: impl Into<Box<str>>) -> impl Condition {
    Component(name.into())
}

/// Holds if the condition does not. One that fails still fails.
pub fn not(condition: impl Condition) -> impl Condition {
    Not(condition)
}

/// Holds if all of them hold; the first that does not is the last that is looked at. Of none: holds.
pub fn all_of(conditions: impl IntoIterator<Item = Box<dyn Condition>>) -> impl Condition {
    Several {
        conditions: conditions.into_iter().collect(),
        decides: false,
        word: "all of",
    }
}

/// Holds if one of them holds; the first that does is the last that is looked at. Of none: does not hold.
pub fn first_of(conditions: impl IntoIterator<Item = Box<dyn Condition>>) -> impl Condition {
    Several {
        conditions: conditions.into_iter().collect(),
        decides: true,
        word: "one of",
    }
}

struct Component(Box<str>);

impl Condition for Component {
    fn holds(&self, cx: &GuardContext<'_>) -> Result<bool, HookError> {
        Ok(cx.component() == Some(&self.0))
    }
    fn describe(&self) -> String {
        format!("component is `{}`", self.0)
    }
}

struct Not<C>(C);

impl<C: Condition> Condition for Not<C> {
    fn holds(&self, cx: &GuardContext<'_>) -> Result<bool, HookError> {
        Ok(!self.0.holds(cx)?)
    }
    fn describe(&self) -> String {
        format!("not ({})", self.0.describe())
    }
}

/// Looked at in order, up to the first whose answer decides.
struct Several {
    conditions: Vec<Box<dyn Condition>>,
    decides: bool,
    word: &'static str,
}

impl Condition for Several {
    fn holds(&self, cx: &GuardContext<'_>) -> Result<bool, HookError> {
        for condition in &self.conditions {
            if condition.holds(cx)? == self.decides {
                return Ok(self.decides);
            }
        }
        Ok(!self.decides)
    }
    fn describe(&self) -> String {
        let all: Vec<_> = self.conditions.iter().map(|c| c.describe()).collect();
        format!("{} ({})", self.word, all.join(", "))
    }
}
