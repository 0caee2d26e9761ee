//! What hooks answer: [`HookResult`] from an intercept, [`Vote`] from a guard.

use std::any::Any;
use std::fmt;
use std::time::Duration;

use serde_json::Value;

use crate::error::HookError;

/// How far a [`HookResult::Halt`] reaches.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Reach {
    /// The innermost run.
    #[default]
    Run,
    /// Every run that encloses the call.
    Root,
}

/// A question for a human (or whatever stands in for one) that decides whether a call may go on.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
#[non_exhaustive]
pub struct AskRequest {
    /// The question, in words for a person.
    pub question: String,
}

/// The answer of an intercept.
///
/// Whether arguments or the result changed is seen from the values; there is no answer that says so.
#[derive(Debug, Default)]
#[non_exhaustive]
pub enum HookResult {
    /// Nothing to add.
    #[default]
    Continue,
    /// A grant, needed at closed points; it lowers no other hook's refusal. Pre only.
    Allow,
    /// Refused unless an approver allows this very call. Pre only.
    Ask(AskRequest),
    /// Refused (Pre), or the result withheld (Post).
    Cancel(String),
    /// Refused, and every later hooked call of the run with it.
    Halt {
        /// Why, in words for the caller.
        reason: String,
        /// Which runs end.
        reach: Reach,
    },
    /// This is the result.
    Replace(Replacement),
    /// Answer from the cache under this key; a miss runs the body and stores its `Ok`. Pre only.
    Cache {
        /// What identifies the answer, beside point, component, principal and hook.
        key: String,
        /// How long a stored answer is used.
        ttl: Duration,
    },
    /// Another component answers instead. Pre only.
    Redirect {
        /// Its name, as the site's resolver knows it.
        to: String,
    },
    /// Run the body again with the same sealed arguments. Post and Error, at repeatable sites.
    Retry {
        /// How long to wait before.
        delay: Duration,
        /// How many attempts the call may have in all, the first included.
        max_attempts: u32,
    },
}

impl HookResult {
    /// Refuse, with the reason that the caller gets.
    pub fn cancel(reason: impl Into<String>) -> Self {
        HookResult::Cancel(reason.into())
    }
    /// Ask before going on.
    pub fn ask(question: impl Into<String>) -> Self {
        HookResult::Ask(AskRequest {
            question: question.into(),
        })
    }
    /// Refuse and end the innermost run.
    pub fn halt(reason: impl Into<String>) -> Self {
        HookResult::Halt {
            reason: reason.into(),
            reach: Reach::Run,
        }
    }
    /// Answer with a value of the site's own result type (`T` of `Result<T, E>`).
    pub fn replace<T: Any + Send>(value: T) -> Self {
        HookResult::Replace(Replacement::typed(value))
    }
    /// Answer with a JSON value that the site's result type is read from.
    pub fn replace_json(value: impl Into<Value>) -> Self {
        HookResult::Replace(Replacement::Json(value.into()))
    }
    /// Answer from the cache under `key`.
    pub fn cache(key: impl Into<String>, ttl: Duration) -> Self {
        HookResult::Cache {
            key: key.into(),
            ttl,
        }
    }
    /// Let another component answer.
    pub fn redirect(to: impl Into<String>) -> Self {
        HookResult::Redirect { to: to.into() }
    }
    /// Run the body again.
    pub fn retry(delay: Duration, max_attempts: u32) -> Self {
        HookResult::Retry {
            delay,
            max_attempts,
        }
    }

    /// The word for this answer in records and tables.
    pub fn word(&self) -> &'static str {
        match self {
            HookResult::Continue => "continue",
            HookResult::Allow => "allow",
            HookResult::Ask(_) => "ask",
            HookResult::Cancel(_) => "cancel",
            HookResult::Halt { .. } => "halt",
            HookResult::Replace(_) => "replace",
            HookResult::Cache { .. } => "cache",
            HookResult::Redirect { .. } => "redirect",
            HookResult::Retry { .. } => "retry",
        }
    }
}

/// The answer of a guard, and what remains of an intercept's once its plan is taken out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Vote {
    /// No objection.
    #[default]
    Pass,
    /// A grant, needed at closed points; lowers nothing.
    Allow,
    /// Refused unless approved.
    Ask(AskRequest),
    /// Refused.
    Cancel(String),
    /// Refused, and the run with it.
    Halt {
        /// Why.
        reason: String,
        /// Which runs end.
        reach: Reach,
    },
}

impl Vote {
    /// Refuse, with the reason that the caller gets.
    pub fn cancel(reason: impl Into<String>) -> Self {
        Vote::Cancel(reason.into())
    }
    /// Refuse if `condition` holds.
    pub fn cancel_if(condition: bool, reason: impl Into<String>) -> Self {
        if condition {
            Vote::Cancel(reason.into())
        } else {
            Vote::Pass
        }
    }
    /// Ask before going on.
    pub fn ask(question: impl Into<String>) -> Self {
        Vote::Ask(AskRequest {
            question: question.into(),
        })
    }
    /// Refuse and end the innermost run.
    pub fn halt(reason: impl Into<String>) -> Self {
        Vote::Halt {
            reason: reason.into(),
            reach: Reach::Run,
        }
    }

    /// The word for this vote in records and tables.
    pub fn word(&self) -> &'static str {
        match self {
            Vote::Pass => "pass",
            Vote::Allow => "allow",
            Vote::Ask(_) => "ask",
            Vote::Cancel(_) => "cancel",
            Vote::Halt { .. } => "halt",
        }
    }

    /// How much it restricts: none, ask, cancel, halt.
    pub fn restriction(&self) -> Restriction {
        match self {
            Vote::Pass | Vote::Allow => Restriction::None,
            Vote::Ask(_) => Restriction::Ask,
            Vote::Cancel(_) => Restriction::Cancel,
            Vote::Halt { .. } => Restriction::Halt,
        }
    }

    /// The reason or question that it carries.
    pub fn reason(&self) -> Option<&str> {
        match self {
            Vote::Pass | Vote::Allow => None,
            Vote::Ask(request) => Some(&request.question),
            Vote::Cancel(reason) | Vote::Halt { reason, .. } => Some(reason),
        }
    }
}

impl From<Vote> for HookResult {
    fn from(vote: Vote) -> Self {
        match vote {
            Vote::Pass => HookResult::Continue,
            Vote::Allow => HookResult::Allow,
            Vote::Ask(request) => HookResult::Ask(request),
            Vote::Cancel(reason) => HookResult::Cancel(reason),
            Vote::Halt { reason, reach } => HookResult::Halt { reason, reach },
        }
    }
}

/// The scale on which votes are joined: the maximum wins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Restriction {
    /// Nobody objects.
    #[default]
    None,
    /// Somebody must be asked.
    Ask,
    /// Refused.
    Cancel,
    /// Refused, and the run ends.
    Halt,
}

/// A result that a hook brings.
#[non_exhaustive]
pub enum Replacement {
    /// A value of the site's result type.
    Typed {
        /// The value.
        value: Box<dyn Any + Send>,
        /// Its type, for messages.
        type_name: &'static str,
    },
    /// A JSON value that the site's result type is read from.
    Json(Value),
}

impl Replacement {
    /// A value of the site's own result type.
    pub fn typed<T: Any + Send>(value: T) -> Self {
        Replacement::Typed {
            value: Box::new(value),
            type_name: std::any::type_name::<T>(),
        }
    }
}

impl fmt::Debug for Replacement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Replacement::Typed { type_name, .. } => write!(f, "Typed({type_name})"),
            // Not the value: this stands in records and logs.
            Replacement::Json(value) => write!(f, "Json({})", kind(value)),
        }
    }
}

/// What a JSON value is, in a word.
fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "text",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

/// What an intercept may return: nothing, an answer, or a failure.
pub trait IntoAnswer {
    /// The answer, or why there is none.
    ///
    /// # Errors
    /// The failure of the hook; its `on_failure` decides what that means for the call.
    fn into_answer(self) -> Result<HookResult, HookError>;
}

impl IntoAnswer for () {
    fn into_answer(self) -> Result<HookResult, HookError> {
        Ok(HookResult::Continue)
    }
}

impl IntoAnswer for HookResult {
    fn into_answer(self) -> Result<HookResult, HookError> {
        Ok(self)
    }
}

impl IntoAnswer for Vote {
    fn into_answer(self) -> Result<HookResult, HookError> {
        Ok(self.into())
    }
}

// The only implementation for `Result`: so `?` in a closure needs no type annotation.
impl<T: IntoAnswer> IntoAnswer for Result<T, HookError> {
    fn into_answer(self) -> Result<HookResult, HookError> {
        self.and_then(IntoAnswer::into_answer)
    }
}
