//! Questions for the program itself.

use std::future::Future;
use std::pin::Pin;

use hooks_runtime::{Approval, ApprovalRequest, Approver, HookError};
use serde_json::Value;
use tokio::sync::{mpsc, oneshot};

use crate::error::BuiltinError;

/// How many questions may wait at most.
const MAX_CAPACITY: usize = 65_536;

/// Sends questions to the program, each with a handle for its answer.
///
/// A question that finds the queue full, or nobody who receives, and one whose handle is dropped, are refusals;
/// so is one that is not answered within the patience
/// ([`Approver::with_patience`]; five minutes). A synchronous site waits only with `blocking` in its attribute.
///
/// ```
/// use hooks_builtin::ChannelApprover;
/// use hooks_runtime::hooks;
///
/// # fn main() -> Result<(), hooks_builtin::BuiltinError> {
/// let (approver, mut questions) = ChannelApprover::new(16)?;
/// hooks().set_approver(approver);
/// let answering = async move {
///     while let Some(question) = questions.receive().await {
///         match question.request().component.as_deref() {
///             Some("corner shop") => question.allow(),
///             _ => question.deny("not there"),
///         };
///     }
/// };
/// # drop(answering);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct ChannelApprover(mpsc::Sender<Question>);

/// Where the questions of a [`ChannelApprover`] arrive. When it is dropped, all of them are refused.
#[derive(Debug)]
pub struct Questions(mpsc::Receiver<Question>);

/// A call that waits for an answer. Dropped without one, the call is refused.
///
/// The answers say whether the call still waited for them.
#[derive(Debug)]
pub struct Question {
    request: ApprovalRequest,
    answer: oneshot::Sender<Approval>,
}

impl ChannelApprover {
    /// Lets up to `capacity` questions wait until they are received, 1 to 65,536.
    ///
    /// # Errors
    /// [`BuiltinError::BadOption`]: another capacity.
    pub fn new(capacity: usize) -> Result<(ChannelApprover, Questions), BuiltinError> {
        if !(1..=MAX_CAPACITY).contains(&capacity) {
            return Err(BuiltinError::BadOption {
                kind: "approver",
                option: "capacity",
                why: format!("must be 1 to {MAX_CAPACITY}").into(),
            });
        }
        let (questions, received) = mpsc::channel(capacity);
        Ok((ChannelApprover(questions), Questions(received)))
    }
}

impl Approver for ChannelApprover {
    fn approve<'a>(
        &'a self,
        request: &'a ApprovalRequest,
    ) -> Pin<Box<dyn Future<Output = Result<Approval, HookError>> + Send + 'a>> {
        Box::pin(async move {
            let (answer, answered) = oneshot::channel();
            let question = Question {
                request: request.clone(),
                answer,
            };
            match self.0.try_send(question) {
                Ok(()) => {}
                Err(mpsc::error::TrySendError::Full(_)) => {
                    return Ok(request.deny("too many questions wait for an answer"));
                }
                Err(mpsc::error::TrySendError::Closed(_)) => {
                    return Ok(request.deny("nobody answers questions any more"));
                }
            }
            match answered.await {
                Ok(answer) => Ok(answer),
                Err(_) => Ok(request.deny("the question was dropped without an answer")),
            }
        })
    }
}

impl Questions {
    /// The next question whose call still waits; `None` when the approver is gone.
    pub async fn receive(&mut self) -> Option<Question> {
        loop {
            let question = self.0.recv().await?;
            if question.is_waiting() {
                return Some(question);
            }
        }
    }
}

impl Question {
    /// What it is about. Its values are as they are: neither redacted nor escaped
    /// ([`shown`](hooks_runtime::approve::shown)).
    pub fn request(&self) -> &ApprovalRequest {
        &self.request
    }
    /// Whether the call still waits: it may have been dropped, or lost its patience.
    pub fn is_waiting(&self) -> bool {
        !self.answer.is_closed()
    }
    /// This very call may go on.
    pub fn allow(self) -> bool {
        let approval = self.request.allow();
        self.answer.send(approval).is_ok()
    }
    /// It may not.
    pub fn deny(self, reason: impl Into<String>) -> bool {
        let approval = self.request.deny(reason);
        self.answer.send(approval).is_ok()
    }
    /// It may go on with other arguments: they are sealed, and decided once more.
    pub fn edit<N: Into<String>>(self, args: impl IntoIterator<Item = (N, Value)>) -> bool {
        let args = args.into_iter().map(|(name, value)| (name.into(), value));
        let approval = Approval::Edit {
            args: args.collect(),
        };
        self.answer.send(approval).is_ok()
    }
}
