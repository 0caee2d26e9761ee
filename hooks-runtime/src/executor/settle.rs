//! The steps before the body, and those after it.

use std::mem::take;
use std::time::Duration;

use super::approval::approve;
use super::ask::ask_all;
use super::call::Call;
use super::wait::{Wait, block_on, poll_ready};
use crate::answer::{Replacement, Restriction};
use crate::error::HookError;
use crate::point::Phase;
use crate::private::Parts;
use crate::record::Outcome;
use crate::view::RawView;

/// What the intercepts after the body want.
pub(crate) enum Settled {
    Keep,
    Replace(Replacement),
    Retry(Duration),
}

impl<'s> Call<'s> {
    /// How a synchronous site waits.
    pub(crate) fn wait_sync(&self) -> Wait {
        if self.meta.site.flags.blocking {
            Wait::Block
        } else {
            Wait::Never
        }
    }

    /// Drives a step at a synchronous site; `false`: it did not end, which refuses. (With [`Wait::Never`] nothing
    /// in a step is ever pending.)
    #[must_use]
    fn drive(wait: Wait, step: impl Future<Output = ()>) -> bool {
        match wait {
            Wait::Block => block_on(step),
            Wait::Never | Wait::Async => return poll_ready(step).is_some(),
        }
        true
    }

    fn pending(&mut self) {
        let reason = HookError::WouldBlock.to_string();
        self.rule(
            "hookpoint.pending",
            Restriction::Cancel,
            reason,
            Some(HookError::WouldBlock.kind()),
        );
    }

    /// Step 1, synchronous hooks only.
    #[inline]
    pub(crate) fn propose_sync(&mut self, args: &mut [RawView], from: usize) {
        if self.set.async_before {
            let wait = self.wait_sync();
            if !Self::drive(wait, self.propose(args, from, wait)) {
                self.pending();
            }
            return;
        }
        self.ask(&self.set.pre, from, Phase::Pre, args, None);
    }

    /// Step 1: every intercept, in order.
    pub(crate) async fn propose(&mut self, args: &mut [RawView], from: usize, wait: Wait) {
        let list = &self.set.pre;
        ask_all(self, list, from, Phase::Pre, args, None, wait).await;
    }

    /// Step 3 at a synchronous site.
    #[inline]
    pub(crate) fn decide_sync(
        &mut self,
        args: &mut [RawView],
        mut planned: Option<&mut Parts>,
        from: usize,
    ) {
        let wait = self.wait_sync();
        if self.set.async_before {
            if !Self::drive(wait, self.decide(args, planned, from, wait)) {
                self.pending();
            }
            return;
        }
        let guards = &self.set.guards;
        self.ask(guards, from, Phase::Pre, args, planned.as_deref_mut());
        self.require_grant();
        if self.restriction == Restriction::Ask
            && !self.rehearsal
            && !Self::drive(wait, approve(self, args, planned, wait))
        {
            self.pending();
        }
    }

    /// Step 3: every guard sees the sealed arguments and the plan; closed points need a grant.
    pub(crate) async fn decide(
        &mut self,
        args: &mut [RawView],
        mut planned: Option<&mut Parts>,
        from: usize,
        wait: Wait,
    ) {
        let (list, result) = (&self.set.guards, planned.as_deref_mut());
        ask_all(self, list, from, Phase::Pre, args, result, wait).await;
        self.require_grant();
        if self.restriction == Restriction::Ask && !self.rehearsal {
            approve(self, args, planned, wait).await;
        }
    }

    #[inline]
    pub(crate) fn require_grant(&mut self) {
        let open = !self.set.closed && self.set.is_serving();
        if !open && !self.gated && !self.granted {
            self.refuse_without_grant();
        }
    }

    fn refuse_without_grant(&mut self) {
        if let Some(life) = self.set.serving() {
            let life = life.as_str();
            let reason = format!("the registry is {life}; calls need a grant until it serves");
            self.rule("hookpoint.life", Restriction::Ask, reason, None);
        } else if self.set.closed {
            let reason = "the point is closed and no hook granted the call".to_owned();
            self.rule("hookpoint.closed", Restriction::Ask, reason, None);
        }
    }

    /// Step 5, first half, at a synchronous site.
    #[inline]
    pub(crate) fn settle_sync(
        &mut self,
        args: &mut [RawView],
        parts: &mut Parts,
        from: usize,
        again: bool,
    ) -> Settled {
        let (phase, list) = self.begin_settle(parts, from);
        if self.set.async_after {
            let wait = self.wait_sync();
            if !Self::drive(
                wait,
                ask_all(self, list, from, phase, args, Some(parts), wait),
            ) {
                self.pending();
            }
        } else {
            self.ask(list, from, phase, args, Some(parts));
        }
        self.settled(again)
    }

    /// Step 5, first half: intercepts in reverse order.
    pub(crate) async fn settle(
        &mut self,
        args: &mut [RawView],
        parts: &mut Parts,
        from: usize,
        again: bool,
    ) -> Settled {
        let (phase, list) = self.begin_settle(parts, from);
        ask_all(self, list, from, phase, args, Some(parts), Wait::Async).await;
        self.settled(again)
    }

    #[inline]
    fn begin_settle(
        &mut self,
        parts: &mut Parts,
        from: usize,
    ) -> (Phase, &'s [std::sync::Arc<crate::hook::Entry>]) {
        // A call that was opened in this stage has the votes of this stage already.
        if from == 0 {
            self.next_stage();
            self.restriction = Restriction::None;
        }
        if !self.can.refuse() {
            parts.view_mut().restrict(crate::view::Access::Read);
        }
        match parts {
            Parts::Err(_) => (Phase::Error, &self.set.error),
            Parts::Plain(_) | Parts::Ok(_) => (Phase::Post, &self.set.post),
        }
    }

    /// All were asked: refusals first, then another attempt while there are any (`again`: the arguments for one
    /// are there), then a replacement.
    #[inline]
    fn settled(&mut self, again: bool) -> Settled {
        if self.ledger.is_none() {
            return Settled::Keep;
        }
        self.settled_by_ledger(again)
    }

    fn settled_by_ledger(&mut self, again: bool) -> Settled {
        let Some(ledger) = &mut self.ledger else {
            return Settled::Keep;
        };
        let (mut replacements, retry) = (take(&mut ledger.replacements), ledger.retry.take());
        if self.restriction > Restriction::None {
            return Settled::Keep;
        }
        if let Some((delay, max_attempts)) = retry
            && again
            && self.meta.attempt < max_attempts
        {
            return Settled::Retry(delay);
        }
        let Some(first) = replacements.pop_front() else {
            return Settled::Keep;
        };
        ledger.replacements = replacements;
        self.is_planner(first.by, first.dirty);
        Settled::Replace(first.what)
    }

    /// Step 5, second half, at a synchronous site.
    #[inline]
    pub(crate) fn release_sync(&mut self, args: &mut [RawView], parts: &mut Parts, from: usize) {
        if matches!(parts, Parts::Err(_)) {
            return;
        }
        if self.set.async_after {
            let wait = self.wait_sync();
            let guards = &self.set.guards_post;
            if !Self::drive(
                wait,
                ask_all(self, guards, from, Phase::Post, args, Some(parts), wait),
            ) {
                self.pending();
            }
            return;
        }
        let guards = &self.set.guards_post;
        self.ask(guards, from, Phase::Post, args, Some(parts));
    }

    /// Step 5, second half: guards vote on the sealed result that would be returned.
    pub(crate) async fn release(&mut self, args: &mut [RawView], parts: &mut Parts, from: usize) {
        if !matches!(parts, Parts::Err(_)) {
            ask_all(
                self,
                &self.set.guards_post,
                from,
                Phase::Post,
                args,
                Some(parts),
                Wait::Async,
            )
            .await;
        }
    }

    /// Whether the component that answered instead refused: that is this call's refusal, and no hook of this
    /// call gets to replace it.
    pub(crate) fn refused_elsewhere(&mut self, parts: &Parts, redirected: bool) -> bool {
        let refused = redirected && self.inner_refusal && matches!(parts, Parts::Err(_));
        if refused {
            self.finish(Outcome::Refused);
            crate::ambient::note_inner_refusal();
        }
        refused
    }

    /// The outcome of a call that was not refused.
    pub(crate) fn deliver(&mut self, parts: &Parts) {
        self.deliver_as(matches!(parts, Parts::Err(_)));
    }

    pub(crate) fn deliver_as(&mut self, failed: bool) {
        self.finish(if failed {
            Outcome::Failed
        } else {
            Outcome::Returned
        });
        if failed && self.inner_refusal {
            crate::ambient::note_inner_refusal();
        }
    }
}
