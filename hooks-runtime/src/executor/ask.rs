//! Asking hooks, one after the other.
//!
//! [`Call::ask`] asks synchronous hooks in a plain loop and stops at the first asynchronous one; [`ask_all`]
//! awaits that one and goes on. So there is one executor, and a call without asynchronous hooks never sees
//! a future.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::call::Call;
use super::verdict::{is_its_own, plain};
use super::wait::{AskFuture, Wait};
use crate::ambient;
use crate::answer::{HookResult, Restriction, Vote};
use crate::breaker::Breaker;
use crate::context::{CallMeta, GuardContext, HookContext, Locals, Plan};
use crate::error::HookError;
use crate::hook::{Answer, Callee, Entry, Mode, Role};
use crate::panic::caught;
use crate::point::Phase;
use crate::private::Parts;
use crate::view::{Kept, RawView, take_unrecorded};

/// How long an asynchronous hook may take that sets no timeout of its own.
pub(crate) const DEFAULT_TIMEOUT: Duration = Duration::from_secs(30);

/// What a hook is said to answer that a rehearsal cannot run.
pub(crate) const UNDECIDABLE: &str = "undecidable";

/// Asks the hooks of a list, asynchronous ones included.
pub(crate) async fn ask_all<'s>(
    call: &mut Call<'s>,
    list: &'s [Arc<Entry>],
    from: usize,
    phase: Phase,
    args: &mut [RawView],
    mut result: Option<&mut Parts>,
    wait: Wait,
) {
    let mut from = from;
    while let Some(at) = call.ask(list, from, phase, args, result.as_deref_mut()) {
        ask_async(call, &list[at], phase, args, result.as_deref_mut(), wait).await;
        from = at + 1;
    }
}

/// An asynchronous question; dropped if its call is, in the middle of it.
struct Question<'e> {
    breaker: &'e Breaker,
    call: u64,
}

impl Drop for Question<'_> {
    fn drop(&mut self) {
        self.breaker.abandoned(self.call);
    }
}

async fn ask_async<'s>(
    call: &mut Call<'s>,
    entry: &'s Arc<Entry>,
    phase: Phase,
    args: &mut [RawView],
    mut result: Option<&mut Parts>,
    wait: Wait,
) {
    let limit = entry.meta.timeout.unwrap_or(DEFAULT_TIMEOUT);
    let clock = call.meta.clock;
    let (id, root, started) = (call.meta.id, call.meta.root, clock.now());
    let mut shadow = Shadow::of(entry, args, result.as_deref_mut(), &call.plan);
    let (args, result, plan) = match &mut shadow {
        None => (args, result, &mut call.plan),
        Some(copies) => (
            &mut copies.args[..],
            copies.result.as_mut(),
            &mut copies.plan,
        ),
    };
    let view = GuardContext {
        meta: &call.meta,
        entry,
        phase,
        args,
        result,
        plan,
    };
    let question = Question {
        breaker: &entry.breaker,
        call: id,
    };
    let answer = match &entry.callee {
        Callee::InterceptAsync(hook) => {
            let mut cx = HookContext {
                view,
                locals: &mut call.locals,
            };
            let cx = &mut cx;
            AskFuture::new(move || hook(cx), entry.serial, id, root, clock, limit, wait).await
        }
        Callee::GuardAsync(hook) => {
            let mut cx = view;
            let cx = &mut cx;
            let vote =
                AskFuture::new(move || hook(cx), entry.serial, id, root, clock, limit, wait).await;
            vote.map(Into::into)
        }
        Callee::Intercept(_) | Callee::Guard(_) | Callee::Observe(_) => Ok(HookResult::Continue),
    };
    // There is an answer, which says more.
    std::mem::forget(question);
    let elapsed = clock.now().saturating_duration_since(started);
    let answer = if elapsed > limit {
        Err(HookError::Timeout(limit))
    } else {
        answer
    };
    call.take(entry, phase, answer, Some(elapsed));
}

impl<'s> Call<'s> {
    /// Asks from `from` on; `Some(i)`: entry `i` is asynchronous and must be awaited by the caller.
    pub(crate) fn ask(
        &mut self,
        list: &'s [Arc<Entry>],
        from: usize,
        phase: Phase,
        args: &mut [RawView],
        mut result: Option<&mut Parts>,
    ) -> Option<usize> {
        let mut at = from;
        // When the hook before ended is when the next one began: a clock costs more than a hook.
        let mut mark = None;
        while let Some(entry) = list.get(at) {
            if self.gated {
                return None;
            }
            let each_timed = (self.recording && self.set.timed) || self.times_each();
            let over = entry.role() == Role::Guard && self.restriction == Restriction::Halt;
            let by_itself = over || self.rehearsal || each_timed;
            if entry.goes_in_a_row() && !by_itself {
                let row = at;
                let mut said = None;
                at = ask_row(
                    &self.meta,
                    list,
                    at,
                    phase,
                    args,
                    result.as_deref_mut(),
                    &mut self.plan,
                    &mut self.locals,
                    &mut said,
                    &ambient::enter_hooks(self.meta.id, self.meta.root),
                );
                if self.recording {
                    self.note_row(&list[row..at], phase);
                }
                if let Some(answer) = said {
                    self.take(&list[at], phase, answer, None);
                    at += 1;
                }
                continue;
            }
            at += 1;
            if over {
                if self.recording {
                    self.note(plain(entry, phase, "not asked", None));
                }
                continue;
            }
            if !self.takes_part(entry, phase, args, result.as_deref_mut()) {
                continue;
            }
            self.meta.dirty.store(false, Ordering::Relaxed);
            if !self.rehearsal
                && entry.breaker.is_tripped()
                && let Err(left) = entry.breaker.admit(self.now(), self.meta.id)
            {
                self.fail(entry, phase, HookError::BreakerOpen { left }, None);
                continue;
            }
            if entry.callee.is_async() {
                return Some(at - 1);
            }
            let timed =
                each_timed || entry.meta.timeout.is_some() || entry.breaker.slow().is_some();
            let started = timed.then(|| mark.unwrap_or_else(|| self.now()));
            let answer = self.ask_sync(entry, phase, args, result.as_deref_mut());
            let elapsed = started.map(|started| {
                let ended = self.now();
                mark = each_timed.then_some(ended);
                ended.saturating_duration_since(started)
            });
            self.take(entry, phase, late(entry, answer, elapsed), elapsed);
        }
        None
    }

    /// Whether the call is measured, and each hook by itself.
    fn times_each(&self) -> bool {
        self.sample.as_ref().is_some_and(|sample| sample.each)
    }

    /// Notes hooks that had nothing to say.
    fn note_row(&mut self, row: &'s [Arc<Entry>], phase: Phase) {
        for entry in row {
            let asked = entry.role() == Role::Guard || !ambient::runs(entry.serial);
            if asked {
                self.note(plain(entry, phase, "continue", None));
            }
        }
    }

    fn ask_sync(
        &mut self,
        entry: &'s Arc<Entry>,
        phase: Phase,
        args: &mut [RawView],
        mut result: Option<&mut Parts>,
    ) -> Answer {
        let mut shadow = Shadow::of(entry, args, result.as_deref_mut(), &self.plan);
        let (args, result, plan) = match &mut shadow {
            None => (args, result, &mut self.plan),
            Some(copies) => (
                &mut copies.args[..],
                copies.result.as_mut(),
                &mut copies.plan,
            ),
        };
        let _running = ambient::enter_hook(self.meta.id, self.meta.root, entry.serial);
        let view = GuardContext {
            meta: &self.meta,
            entry,
            phase,
            args,
            result,
            plan,
        };
        match &entry.callee {
            Callee::Intercept(hook) => {
                let mut cx = HookContext {
                    view,
                    locals: &mut self.locals,
                };
                answer_of(|| hook(&mut cx))
            }
            Callee::Guard(hook) => answer_of(|| hook(&view)).map(Into::into),
            Callee::InterceptAsync(_) | Callee::GuardAsync(_) | Callee::Observe(_) => {
                Ok(HookResult::Continue)
            }
        }
    }

    /// Whether it is asked at all: not in calls that it causes itself, not for other components, not if a
    /// condition does not hold, and only once if it says so.
    fn takes_part(
        &mut self,
        entry: &'s Arc<Entry>,
        phase: Phase,
        args: &mut [RawView],
        result: Option<&mut Parts>,
    ) -> bool {
        let meta = &entry.meta;
        if self.rehearsal && !meta.pure {
            self.note(plain(entry, phase, UNDECIDABLE, None));
            return false;
        }
        if entry.role() == Role::Intercept && ambient::runs(entry.serial) {
            return false;
        }
        if !meta.components.is_empty() {
            let component = self.meta.facts.named();
            if !component.is_some_and(|name| meta.components.iter().any(|c| **c == *name)) {
                return false;
            }
        }
        if !meta.conditions.is_empty() {
            let holds = self.conditions_hold(entry, phase, args, result);
            if self.is_undecidable(entry, phase) {
                return false;
            }
            match holds {
                Ok(true) => {}
                Ok(false) => {
                    if self.recording {
                        self.note(plain(entry, phase, "skip", None));
                    }
                    return false;
                }
                Err(failed) => {
                    self.meta.dirty.store(false, Ordering::Relaxed);
                    let counts = is_its_own(&failed.cause);
                    self.fail_counted(entry, phase, failed.into(), None, counts);
                    return false;
                }
            }
        }
        if meta.once && !self.rehearsal {
            // One hook may be asked in several phases of the one call that it claimed.
            if self.ledger().spent.iter().any(|e| e.serial == entry.serial) {
                return true;
            }
            if entry.claimed.swap(true, Ordering::AcqRel) {
                return false;
            }
            self.ledger().spent.push(entry);
        }
        true
    }

    /// Whether a replayed call does not have what the hook just looked at: then its answer says nothing.
    pub(super) fn is_undecidable(&mut self, entry: &'s Entry, phase: Phase) -> bool {
        let undecidable = self.rehearsal && take_unrecorded();
        if undecidable {
            let mut said = plain(entry, phase, UNDECIDABLE, None);
            said.reason = Some("the record does not hold the arguments that it looks at".into());
            self.note(said);
        }
        undecidable
    }

    fn conditions_hold(
        &mut self,
        entry: &'s Arc<Entry>,
        phase: Phase,
        args: &mut [RawView],
        mut result: Option<&mut Parts>,
    ) -> Result<bool, FailedCondition> {
        let _running = ambient::enter_hook(self.meta.id, self.meta.root, entry.serial);
        for condition in &entry.meta.conditions {
            let result = result.as_deref_mut();
            let view = GuardContext {
                meta: &self.meta,
                entry,
                phase,
                args,
                result,
                plan: &mut self.plan,
            };
            let holds = answer_of(|| condition.holds(&view)).map_err(|cause| FailedCondition {
                condition: condition.describe(),
                cause,
            });
            if !holds? {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// A condition that could not be evaluated, and why.
struct FailedCondition {
    condition: String,
    cause: HookError,
}

impl From<FailedCondition> for HookError {
    fn from(failed: FailedCondition) -> Self {
        HookError::Condition {
            condition: failed.condition.into(),
            cause: failed.cause.to_string().into(),
        }
    }
}

/// Asks the plain hooks from `from` on until one has something to say, or must be asked by itself: where it
/// stopped, with the answer in `said` if there is one.
///
/// Nearly every hook has nothing to say nearly always. So the context is made once for the row, catching panics
/// once is enough for it, and an answer is looked at where the hook put it: moving one costs more
/// than calling a hook.
#[allow(clippy::too_many_arguments)]
pub(super) fn ask_row(
    meta: &CallMeta<'_>,
    list: &[Arc<Entry>],
    from: usize,
    phase: Phase,
    args: &mut [RawView],
    result: Option<&mut Parts>,
    plan: &mut Plan,
    locals: &mut Locals,
    said: &mut Option<Answer>,
    hooks: &ambient::Restore,
) -> usize {
    let mut at = from;
    let mut cx = HookContext {
        view: GuardContext {
            meta,
            entry: &list[from],
            phase,
            args,
            result,
            plan,
        },
        locals,
    };
    let row = caught(|| {
        while let Some(entry) = list.get(at).filter(|entry| entry.goes_in_a_row()) {
            match &entry.callee {
                Callee::Intercept(hook) if !hooks.runs(entry.serial) => {
                    hooks.next(entry.serial);
                    meta.dirty.store(false, Ordering::Relaxed);
                    cx.view.entry = entry;
                    let answer = hook(&mut cx);
                    if !matches!(answer, Ok(HookResult::Continue)) {
                        *said = Some(answer);
                        return;
                    }
                    std::mem::forget(answer); // `Continue` owns nothing.
                }
                Callee::Guard(hook) => {
                    hooks.next(entry.serial);
                    meta.dirty.store(false, Ordering::Relaxed);
                    cx.view.entry = entry;
                    let vote = hook(&cx.view);
                    if !matches!(vote, Ok(Vote::Pass)) {
                        *said = Some(vote.map(Into::into));
                        return;
                    }
                    std::mem::forget(vote); // `Pass` owns nothing.
                }
                // An intercept is not asked about calls that it makes itself.
                _ => {}
            }
            at += 1;
        }
    });
    hooks.leave_row();
    if let Err(message) = row {
        *said = Some(Err(HookError::Panicked(message)));
    }
    at
}

/// A late answer of a blocking hook cannot be stopped, but it does not count.
fn late(entry: &Entry, answer: Answer, elapsed: Option<Duration>) -> Answer {
    match (entry.meta.timeout, elapsed) {
        (Some(limit), Some(elapsed)) if elapsed > limit => Err(HookError::Timeout(limit)),
        _ => answer,
    }
}

/// Runs a hook and turns its panic into a failure. The values of the call are checked by `dirty`.
pub(crate) fn answer_of<T>(hook: impl FnOnce() -> Result<T, HookError>) -> Result<T, HookError> {
    caught(hook).unwrap_or_else(|message| Err(HookError::Panicked(message)))
}

/// Copies of a call's values for a hook in Shadow mode, so that nothing it does can count.
struct Shadow {
    args: Vec<RawView>,
    result: Option<Parts>,
    plan: Plan,
    /// What the views point to; dropped after them.
    _kept: Vec<Kept>,
}

impl Shadow {
    fn of(
        entry: &Entry,
        args: &mut [RawView],
        result: Option<&mut Parts>,
        plan: &Plan,
    ) -> Option<Shadow> {
        if entry.meta.mode != Mode::Shadow {
            return None;
        }
        let mut kept = Vec::new();
        let args = args.iter().map(|view| copy(view, &mut kept)).collect();
        let result = result.map(|parts| match parts {
            Parts::Plain(view) => Parts::Plain(copy(view, &mut kept)),
            Parts::Ok(view) => Parts::Ok(copy(view, &mut kept)),
            Parts::Err(view) => Parts::Err(copy(view, &mut kept)),
        });
        Some(Shadow {
            args,
            result,
            plan: plan.shape(),
            _kept: kept,
        })
    }
}

/// A view of a copy; of nothing, if the value cannot be copied.
fn copy(view: &RawView, kept: &mut Vec<Kept>) -> RawView {
    match view.clone_value() {
        Ok(mut value) => {
            // SAFETY: the copy is on the heap, is kept in the same `Shadow` as the view, and nobody else uses it.
            let view = unsafe { value.view_mut() };
            kept.push(value);
            view
        }
        Err(_) => RawView::nothing(),
    }
}
