//! Approvers that say what a test wrote down.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::Value;

use super::{Memory, TestRegistry, lock};
use crate::approve::{Approval, ApprovalRequest, Approver};
use crate::clock::Clock;
use crate::error::HookError;
use crate::hook::BoxFuture;

/// One answer of the scripted approver, see [`TestRegistry::script_approvals`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Scripted {
    /// Allow the call that is asked about.
    Allow,
    /// Deny it.
    Deny(String),
    /// Allow it with other arguments.
    Edit(Vec<(String, Value)>),
    /// Never answer.
    Silence,
    /// Allow it after that time: the kit's clock moves on by as much before the answer is there.
    Late(Duration),
    /// Allow a call with other arguments than those of the question.
    Forged,
    /// Fail with that message.
    Fail(String),
    /// Panic.
    Panic,
}

impl TestRegistry {
    /// Approvals to give, in order; when they are used up, everything is denied.
    ///
    /// ```
    /// use hooks_runtime::test::{Scripted, registry};
    /// use hooks_runtime::{HookRefusal, Vote, hooked};
    ///
    /// #[hooked(point = "shop.refund")]
    /// fn refund(cents: u64) -> Result<u64, HookRefusal> {
    ///     Ok(cents)
    /// }
    ///
    /// let t = registry();
    /// let _asks = t.guard("asks", "shop.refund", |_| Ok(Vote::ask("Refund it?")))?;
    /// t.script_approvals([Scripted::Allow, Scripted::Deny("not today".into())]);
    /// let _entered = t.enter();
    /// assert_eq!(refund(5).unwrap(), 5);
    /// assert_eq!(refund(6).unwrap_err().reason(), "not today");
    /// assert_eq!(t.approval_requests()[1].args, [("cents", 6.into())]);
    /// # Ok::<(), hooks_runtime::HookError>(())
    /// ```
    pub fn script_approvals(&self, answers: impl IntoIterator<Item = Scripted>) {
        self.registry.set_approver(ScriptedApprover {
            answers: Mutex::new(answers.into_iter().collect()),
            clock: self.clock.clone(),
            memory: self.memory.clone(),
        });
    }

    /// What the scripted approver was asked, in order.
    pub fn approval_requests(&self) -> Vec<ApprovalRequest> {
        lock(&self.memory.requests).clone()
    }
}

struct ScriptedApprover {
    answers: Mutex<VecDeque<Scripted>>,
    clock: Clock,
    memory: Arc<Memory>,
}

impl Approver for ScriptedApprover {
    fn approve<'a>(
        &'a self,
        request: &'a ApprovalRequest,
    ) -> BoxFuture<'a, Result<Approval, HookError>> {
        lock(&self.memory.requests).push(request.clone());
        let answer = lock(&self.answers).pop_front();
        let answer = match answer {
            Some(Scripted::Allow) => Ok(request.allow()),
            Some(Scripted::Deny(reason)) => Ok(request.deny(reason)),
            Some(Scripted::Edit(args)) => Ok(Approval::Edit { args }),
            Some(Scripted::Silence) => return Box::pin(std::future::pending()),
            Some(Scripted::Late(by)) => {
                self.clock.advance(by);
                Ok(request.allow())
            }
            Some(Scripted::Forged) => Ok(Approval::Allow {
                digest: format!("{}, but of another call", request.digest),
            }),
            Some(Scripted::Fail(message)) => Err(message.into()),
            Some(Scripted::Panic) => panic!("injected panic"),
            None => Ok(request.deny("no scripted answer is left")),
        };
        Box::pin(std::future::ready(answer))
    }
}
