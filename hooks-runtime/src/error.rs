//! The runtime's errors: failures of hooks, and refusals to register one.

pub(crate) mod json;

use std::time::Duration;

use crate::point::Phase;

/// Everything that can go wrong with a hook: when it is registered, and when it is asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HookError {
    /// A value that the hook asked for is not there, or is of another type.
    #[error(transparent)]
    Arg(#[from] ArgError),
    /// The answer cannot take effect at this site, in this phase, or from this kind of hook.
    #[error("the answer `{answer}` cannot take effect here: {why}")]
    Unsupported {
        /// The answer's word.
        answer: &'static str,
        /// What is missing, and what would make it possible.
        why: Box<str>,
    },
    /// A replacement of another type than the site's result.
    #[error("cannot replace the result: {0}")]
    Replacement(Box<str>),
    /// The hook did not answer in time.
    #[error("no answer within {0:?}")]
    Timeout(Duration),
    /// It has failed too often lately, and was not asked.
    #[error("it failed too often and is left alone for another {left:?}")]
    BreakerOpen {
        /// For how long it is not asked.
        left: Duration,
    },
    /// An asynchronous hook was not ready at a synchronous site.
    #[error(
        "an asynchronous hook had to wait at a synchronous site; make the site async or add `blocking` to its attribute"
    )]
    WouldBlock,
    /// The hook panicked.
    #[error("the hook panicked: {0}")]
    Panicked(Box<str>),
    /// A condition could not be evaluated.
    #[error("the condition `{condition}` failed: {cause}")]
    Condition {
        /// How the condition describes itself.
        condition: Box<str>,
        /// What went wrong.
        cause: Box<str>,
    },
    /// Hooks cause calls that ask hooks that cause calls, too deep or too many.
    #[error(
        "hooks caused {what}; a hook that calls hooked functions is probably calling itself through another"
    )]
    Depth {
        /// Which limit was reached, in words.
        what: Box<str>,
    },
    /// Built without the feature `enabled`: no hook can ever run.
    #[error(
        "hookpoint was built without its feature `enabled`: hooks never run; enable it in Cargo.toml"
    )]
    Disabled,
    /// No such built-in point.
    #[error("`{name}` is not a hook point{}", suggestion.as_deref().map(|s| format!("; did you mean `{s}`?")).unwrap_or_default())]
    UnknownPoint {
        /// What was written.
        name: Box<str>,
        /// What was probably meant.
        suggestion: Option<Box<str>>,
    },
    /// A pattern that can never match.
    #[error("the pattern `{pattern}` {why}")]
    BadPattern {
        /// What was written.
        pattern: Box<str>,
        /// What is wrong with it.
        why: Box<str>,
    },
    /// An id that is taken.
    #[error(
        "there already is a hook `{id}`, registered at {first}; the second one is at {second}: give one of them another id"
    )]
    Duplicate {
        /// The id.
        id: Box<str>,
        /// Where the first was registered.
        first: Box<str>,
        /// Where the second was.
        second: Box<str>,
    },
    /// `before` and `after` contradict each other.
    #[error("the order of hooks is a cycle: {}", edges.join(", "))]
    Cycle {
        /// The edges, as `a before b (because …)`.
        edges: Vec<String>,
    },
    /// A registration that can never do what it says.
    #[error("hook `{id}`: {why}")]
    Invalid {
        /// The hook.
        id: Box<str>,
        /// What is wrong and what to write instead.
        why: Box<str>,
    },
    /// A change that a required hook does not allow.
    #[error(
        "hook `{id}` is required by the configuration: it cannot be {action}; remove it from the required hooks first"
    )]
    Required {
        /// The hook.
        id: Box<str>,
        /// What was tried.
        action: &'static str,
    },
    /// A required hook is not there, so the system does not start.
    #[error("required hooks are missing: {}", missing.join(", "))]
    Missing {
        /// Their ids, each with a hint.
        missing: Vec<String>,
    },
    /// No hook of that id.
    #[error("there is no hook `{id}`{}", suggestion.as_deref().map(|s| format!("; did you mean `{s}`?")).unwrap_or_default())]
    UnknownHook {
        /// What was written.
        id: Box<str>,
        /// What was probably meant.
        suggestion: Option<Box<str>>,
    },
    /// Configuration or a script could not be used; the system does not serve.
    #[error("{what}: {cause}")]
    Configuration {
        /// File and place.
        what: Box<str>,
        /// What is wrong and what to write instead.
        cause: Box<str>,
    },
    /// Any other failure of a hook.
    #[error(transparent)]
    Other(Box<dyn std::error::Error + Send + Sync>),
}

impl HookError {
    /// Wraps an error for which there is no conversion.
    ///
    /// ```
    /// # use hooks_runtime::HookError;
    /// let parsed: Result<u8, HookError> = "x".parse::<u8>().map_err(HookError::other);
    /// assert!(parsed.is_err());
    /// ```
    pub fn other(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        HookError::Other(error.into())
    }

    /// One word for the kind of error, as it stands in records and tables.
    pub fn kind(&self) -> &'static str {
        match self {
            HookError::Arg(_) => "arg",
            HookError::Unsupported { .. } => "unsupported",
            HookError::Replacement(_) => "replacement",
            HookError::Timeout(_) => "timeout",
            HookError::BreakerOpen { .. } => "breaker_open",
            HookError::WouldBlock => "would_block",
            HookError::Panicked(_) => "panicked",
            HookError::Condition { .. } => "condition",
            HookError::Depth { .. } => "depth",
            HookError::Disabled => "disabled",
            HookError::UnknownPoint { .. } => "unknown_point",
            HookError::BadPattern { .. } => "bad_pattern",
            HookError::Duplicate { .. } => "duplicate",
            HookError::Cycle { .. } => "cycle",
            HookError::Invalid { .. } => "invalid",
            HookError::Required { .. } => "required",
            HookError::Missing { .. } => "missing",
            HookError::UnknownHook { .. } => "unknown_hook",
            HookError::Configuration { .. } => "configuration",
            HookError::Other(_) => "other",
        }
    }
}

macro_rules! from_error {
    ($($source:ty),* $(,)?) => {$(
        impl From<$source> for HookError {
            fn from(error: $source) -> Self {
                HookError::Other(error.into())
            }
        }
    )*};
}

// `?` in a hook works for what hooks commonly call; a blanket conversion would keep `HookError` from being an `Error`.
from_error!(
    String,
    &str,
    Box<dyn std::error::Error + Send + Sync>,
    std::io::Error,
    std::fmt::Error,
    std::num::ParseIntError,
    std::num::ParseFloatError,
    std::str::Utf8Error,
    std::string::FromUtf8Error,
    std::time::SystemTimeError,
    tokio::sync::AcquireError,
    tokio::sync::TryAcquireError,
    tokio::sync::oneshot::error::RecvError,
    tokio::task::JoinError,
    crate::refusal::HookRefusal,
);

/// Without the value that did not fit: it may be a secret.
impl From<serde_json::Error> for HookError {
    fn from(error: serde_json::Error) -> Self {
        HookError::from(json::cause(&error).into_string())
    }
}

/// Why a value of the call cannot be had as the hook wants it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ArgError {
    /// No argument of that name.
    #[error("{site} has no argument `{name}`{}; it has: {}", suggestion.as_deref().map(|s| format!(" (did you mean `{s}`?)")).unwrap_or_default(), list(available))]
    Unknown {
        /// The site's path.
        site: Box<str>,
        /// What was asked for.
        name: Box<str>,
        /// What was probably meant.
        suggestion: Option<Box<str>>,
        /// The site's arguments, as `name: type`.
        available: Vec<String>,
    },
    /// The value has another type.
    #[error("{name} is a `{actual}`, not a `{wanted}`")]
    Type {
        /// The value: an argument's name, `result` or `error`.
        name: Box<str>,
        /// Its type as written in the source.
        actual: Box<str>,
        /// The type that was asked for.
        wanted: Box<str>,
    },
    /// The body has consumed the value.
    #[error(
        "argument `{name}` was moved into the body; declare `args_after` on the hook to keep a copy (its type must be `Clone`)"
    )]
    Moved {
        /// The argument.
        name: Box<str>,
    },
    /// The value may only be looked at.
    #[error("{name} is read only here: {why}")]
    ReadOnly {
        /// The value.
        name: Box<str>,
        /// Why.
        why: Box<str>,
    },
    /// The value cannot be shown in that form.
    #[error("{name} (a `{actual}`) cannot be used {form}: {why}")]
    Opaque {
        /// The value.
        name: Box<str>,
        /// Its type.
        actual: Box<str>,
        /// `as JSON`, `typed`, …
        form: &'static str,
        /// What would make it possible.
        why: Box<str>,
    },
    /// An `Option<&T>` that is `None`.
    #[error("argument `{name}` is absent in this call")]
    Absent {
        /// The argument.
        name: Box<str>,
    },
    /// The call is replayed, and its record does not hold the value.
    #[error(
        "argument `{name}` is not in the record; write records with the level `redacted` or `full`"
    )]
    Unrecorded {
        /// The argument.
        name: Box<str>,
    },
    /// JSON that does not fit the type, or a value that does not serialise.
    #[error("{name}: {cause}")]
    Json {
        /// The value.
        name: Box<str>,
        /// serde's message.
        cause: Box<str>,
    },
    /// There is no such value in this phase.
    #[error("there is no {name} in phase {phase}")]
    Phase {
        /// `result`, `error`, …
        name: Box<str>,
        /// The phase.
        phase: Phase,
    },
}

fn list(items: &[String]) -> String {
    if items.is_empty() {
        "none".into()
    } else {
        items.join(", ")
    }
}
