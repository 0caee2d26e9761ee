//! Approval: who answers when a hook asks.

mod shown;

use std::time::Duration;

use serde::Serialize;
use serde_json::Value;

use crate::error::HookError;
use crate::hook::BoxFuture;

pub use shown::shown;

/// One call that waits for an answer. It is bound to this call, its plan and its sealed arguments.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct ApprovalRequest {
    /// The call.
    pub call_id: u64,
    /// The point.
    pub point: &'static str,
    /// The annotated function, as [`SiteInfo::path`](crate::SiteInfo::path).
    pub site: &'static str,
    /// The component, if the site names one.
    pub component: Option<Box<str>>,
    /// Whom the call is made for, if its scope says so.
    pub principal: Option<Box<str>>,
    /// Who asks what, as `(hook, question)`.
    pub questions: Vec<(Box<str>, Box<str>)>,
    /// What would happen: `run`, `replace`, `cache KEY`, `redirect to NAME`.
    pub plan: String,
    /// The value of a planned replacement, if it has a JSON view.
    pub planned: Option<Value>,
    /// The arguments that have a JSON view.
    pub args: Vec<(&'static str, Value)>,
    /// Keyed digest of the call id, the plan, its value and every argument; an approval names it.
    pub digest: String,
    /// Some argument, or the value of a planned replacement, has no JSON view: the digest does not cover it, and
    /// the approval is good for this process only.
    pub in_process_only: bool,
}

/// The answer to an [`ApprovalRequest`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Approval {
    /// This very call may go on; `digest` is the one of the request.
    Allow {
        /// The digest that was approved.
        digest: String,
    },
    /// It may not.
    Deny {
        /// Why.
        reason: String,
    },
    /// It may go on with other arguments; they are sealed and decided once more.
    Edit {
        /// New values by argument name.
        args: Vec<(String, Value)>,
    },
}

impl ApprovalRequest {
    /// Approves this call.
    pub fn allow(&self) -> Approval {
        Approval::Allow {
            digest: self.digest.clone(),
        }
    }
    /// Refuses it.
    pub fn deny(&self, reason: impl Into<String>) -> Approval {
        Approval::Deny {
            reason: reason.into(),
        }
    }
}

/// Somebody who can be asked.
///
/// No approver, an error, a late answer or a dropped call is a refusal.
pub trait Approver: Send + Sync {
    /// The answer for one call.
    ///
    /// # Errors
    /// Refuses the call.
    fn approve<'a>(
        &'a self,
        request: &'a ApprovalRequest,
    ) -> BoxFuture<'a, Result<Approval, HookError>>;

    /// How long to wait for an answer. Default: five minutes.
    fn patience(&self) -> Duration {
        Duration::from_secs(300)
    }

    /// The same, with another patience.
    fn with_patience(self, patience: Duration) -> Patient<Self>
    where
        Self: Sized,
    {
        Patient {
            approver: self,
            patience,
        }
    }
}

/// See [`Approver::with_patience`].
#[derive(Clone, Copy, Debug)]
pub struct Patient<A> {
    approver: A,
    patience: Duration,
}

impl<A: Approver> Approver for Patient<A> {
    fn approve<'a>(
        &'a self,
        request: &'a ApprovalRequest,
    ) -> BoxFuture<'a, Result<Approval, HookError>> {
        self.approver.approve(request)
    }
    fn patience(&self) -> Duration {
        self.patience
    }
}

/// A closure can approve, for programs that decide without waiting.
impl<F> Approver for F
where
    F: Fn(&ApprovalRequest) -> Approval + Send + Sync,
{
    fn approve<'a>(
        &'a self,
        request: &'a ApprovalRequest,
    ) -> BoxFuture<'a, Result<Approval, HookError>> {
        let answer = self(request);
        Box::pin(std::future::ready(Ok(answer)))
    }
}
