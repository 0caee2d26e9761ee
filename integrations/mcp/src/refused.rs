//! What a request is answered with that was not answered by the other side.

use hooks_runtime::HookRefusal;
use serde_json::{Value, json};

use crate::json::JsonText;
use crate::message::{
    Answer, INTERNAL_ERROR, INVALID_PARAMS, INVALID_REQUEST, METHOD_NOT_FOUND, Rejected,
};
use crate::methods::{CALL_TOOL, Party};

/// A hook refused the request, or withheld its result.
pub const REFUSED: i64 = -32050;
/// Too many requests, or too many bytes of them, are under way.
pub const BUSY: i64 = -32051;
/// The other side is gone.
pub const GONE: i64 = -32052;
/// The other side did not answer in time.
pub const TIMED_OUT: i64 = -32053;
/// The other side's answer was not passed on.
pub const BAD_ANSWER: i64 = -32054;

/// Why a request has no result.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CallError {
    /// A hook refused.
    #[error(transparent)]
    Refused(#[from] HookRefusal),
    /// The other side answered with an error; the error object.
    #[error("the {party} answered with an error: {error:?}")]
    Answered {
        /// Who.
        party: Party,
        /// The error object of JSON-RPC.
        error: JsonText,
    },
    /// The other side is gone.
    #[error("the {0} is gone")]
    Gone(Party),
    /// The other side did not answer in time.
    #[error("the {0} did not answer in time")]
    TimedOut(Party),
    /// The other side's answer cannot be passed on.
    #[error("the answer of the {party} is not passed on: {reason}")]
    BadAnswer {
        /// Who answered.
        party: Party,
        /// What is wrong with the answer.
        reason: String,
    },
    /// The method is none of the protocol, and only those are passed on.
    #[error(
        "the method is none that this gateway knows, and it passes no others on: start it without `--strict` and without closed points if the method is meant"
    )]
    UnknownMethod,
    /// The parameters are not those of the method.
    #[error("{0}")]
    BadParams(&'static str),
    /// Too much is under way.
    #[error("{0}")]
    Busy(String),
    /// The id is that of another request.
    #[error("the id is that of a request that is under way")]
    IdTaken,
    /// The gateway failed.
    #[error("the gateway failed, and the request was not decided")]
    Failed,
}

impl CallError {
    /// The code of JSON-RPC.
    pub fn code(&self) -> i64 {
        match self {
            CallError::Refused(_) => REFUSED,
            // The other side's own code stands in its error object.
            CallError::Answered { .. } | CallError::Failed => INTERNAL_ERROR,
            CallError::Gone(_) => GONE,
            CallError::TimedOut(_) => TIMED_OUT,
            CallError::BadAnswer { .. } => BAD_ANSWER,
            CallError::UnknownMethod => METHOD_NOT_FOUND,
            CallError::BadParams(_) => INVALID_PARAMS,
            CallError::Busy(_) => BUSY,
            CallError::IdTaken => INVALID_REQUEST,
        }
    }

    /// The answer for whoever made the request. A refused tool call is a result that says so, because a model reads
    /// results and not errors.
    pub fn into_answer(self, method: &str) -> Answer {
        match self {
            CallError::Answered { error, .. } => Answer::Error(error),
            CallError::Refused(refusal) if method == CALL_TOOL => {
                Answer::Result(JsonText::of(&tool_refused(&refusal)))
            }
            CallError::Refused(refusal) => {
                Answer::error(REFUSED, &refusal.to_string(), Some(facts(&refusal)))
            }
            error => Answer::error(error.code(), &error.to_string(), None),
        }
    }
}

/// A result of `tools/call` that tells the model why, and whether the tool ran.
fn tool_refused(refusal: &HookRefusal) -> Value {
    let mut text = refusal.to_string();
    if refusal.executed() {
        text += " (the tool ran; only its result is withheld)";
    }
    for (hook, reason) in refusal.others() {
        text += &format!("; hook `{hook}`: {reason}");
    }
    json!({
        "content": [{ "type": "text", "text": text }],
        "isError": true,
        "_meta": { "hookpoint/refusal": facts(refusal) },
    })
}

fn facts(refusal: &HookRefusal) -> Value {
    json!({
        "point": refusal.point(),
        "hook": refusal.hook(),
        "reason": refusal.reason(),
        "executed": refusal.executed(),
    })
}

impl From<Rejected> for Answer {
    fn from(rejected: Rejected) -> Self {
        let message = format!(
            "the gateway does not pass the message on: {}",
            rejected.reason
        );
        Answer::error(rejected.code, &message, None)
    }
}
