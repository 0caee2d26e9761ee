//! One call from begin to end, at a synchronous and at an asynchronous site.
//!
//! Compiled once: what depends on the user's types is behind [`Frame`].

use std::future::poll_fn;
use std::mem::take;
use std::task::{Context, Poll};
use std::time::Duration;

use super::act::InBody;
use super::call::{Act, Call, Can, Scope};
use super::quiet::{Quiet, QuietBody};
use super::settle::Settled;
use super::wait::Wait;
use crate::answer::{Replacement, Restriction};
use crate::error::HookError;
use crate::monitor::Sample;
use crate::private::{Facts, Parts};
use crate::refusal::HookRefusal;
use crate::registry::HookSet;
use crate::site::HookSite;
use crate::view::RawView;

/// The arguments of a call, whatever their types.
pub(crate) trait Args {
    /// Makes the views: of the arguments as they are at the beginning, or were given back.
    fn look(&mut self, seen: &mut [RawView]);
    /// Keeps a copy of them for another attempt; `Err`: why there is none.
    fn keep(&mut self) -> Result<(), &'static str>;
    /// Whether there is one.
    fn has_kept(&self) -> bool;
    /// Puts the copy in the place of the arguments, and keeps another copy if it can.
    fn again(&mut self) -> bool;
}

/// The value of a call, whatever its type.
pub(crate) trait Value {
    /// Makes it from what a hook brings. On an error the old value, if any, stays.
    fn set(&mut self, replacement: Replacement) -> Result<(), HookError>;
    /// Makes it from a refusal.
    fn refuse(&mut self, refusal: HookRefusal);
    /// Drops it.
    fn clear(&mut self);
    /// Views of it, if there is one.
    fn parts(&mut self) -> Option<Parts>;
}

/// The body of a call, or the component that it is redirected to.
pub(crate) trait Body {
    /// Takes the arguments. A synchronous one runs and leaves its value; an asynchronous one is polled.
    fn start(&mut self);
    /// The same of the component of that name; `false`: there is none, and the arguments are back.
    fn redirect(&mut self, to: &str) -> bool;
    /// Goes on; ready when the value is there.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()>;
    /// Drops what was started, in its place.
    fn stop(&mut self);
}

/// The typed half of a call.
pub(crate) struct Frame<'a> {
    pub(crate) args: &'a mut (dyn Args + 'a),
    pub(crate) value: &'a mut (dyn Value + 'a),
    pub(crate) body: &'a mut (dyn Body + 'a),
}

// SAFETY: a future that holds a frame is the callee of a shell's future (`private/{run,stream}.rs`), which holds what the
// frame refers to, with its types, across the same awaits. So the shell's future is `Send` only if these are, and
// the callee is nowhere but in it.
unsafe impl Send for Frame<'_> {}

impl<'a> Frame<'a> {
    pub(crate) fn new(
        args: &'a mut (dyn Args + 'a),
        value: &'a mut (dyn Value + 'a),
        body: &'a mut (dyn Body + 'a),
    ) -> Self {
        Frame { args, value, body }
    }

    /// For closures, which would capture the field alone.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.body.poll(cx)
    }
}

pub(super) const VALUE: &str = "the body has run, or a hook brought a value";

/// A step of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Intercepts before the body.
    Propose,
    /// Guards before the body, and then the body.
    Decide,
    /// Intercepts after the body.
    Settle,
    /// Guards of the result.
    Release,
}

/// From which hook on each step is done; `None`: it is over.
struct Steps {
    propose: Option<usize>,
    decide: Option<usize>,
    settle: Option<usize>,
    release: usize,
}

impl Steps {
    fn from(step: Step, hook: usize) -> Self {
        let (propose, decide, settle, release) = match step {
            Step::Propose => (Some(hook), Some(0), Some(0), 0),
            Step::Decide => (None, Some(hook), Some(0), 0),
            Step::Settle => (None, None, Some(hook), 0),
            Step::Release => (None, None, None, hook),
        };
        Steps {
            propose,
            decide,
            settle,
            release,
        }
    }
}

/// A call of a synchronous site that is not idle.
#[inline]
pub(crate) fn sync(
    site: &'static HookSite,
    facts: Facts,
    can: Can,
    mut frame: Frame<'_>,
    seen: &mut [RawView],
) {
    let scope = Scope::of(site);
    match &scope.own {
        Some(set) => sync_with(site, set, &scope, facts, can, &mut frame, seen),
        None => {
            let set = site.load();
            sync_with(site, &set, &scope, facts, can, &mut frame, seen);
        }
    }
}

#[inline]
fn sync_with(
    site: &'static HookSite,
    set: &HookSet,
    scope: &Scope,
    facts: Facts,
    can: Can,
    frame: &mut Frame<'_>,
    seen: &mut [RawView],
) {
    if !scope.halted && set.is_idle() {
        return frame.body.start();
    }
    frame.args.look(seen);
    let sample = set.sample();
    if scope.halted || !Quiet::fits(set, sample.as_deref()) {
        let call = Call::begin(site.info(), set, scope, facts, can, sample);
        return sync_opened(call, Step::Propose, 0, frame, seen);
    }
    let (mut call, mut sample) = (Quiet::new(site.info(), set, scope, facts, can), sample);
    let inside = call.enter();
    let mut said = None;
    let mut by = call.before(&inside, seen, &mut said);
    if by.is_none() {
        Sample::work_begins(&mut sample, set);
        call.in_body(&inside, || frame.body.start());
        Sample::work_ends(&mut sample, set);
        by = call.after(&inside, frame, seen, &mut said);
    }
    drop(inside);
    match by {
        None => {
            call.end();
            Sample::end(sample, set, Duration::ZERO);
        }
        Some(by) => {
            let opened = call.open(by, said, sample);
            sync_opened(opened, by.step, by.next, frame, seen);
        }
    }
}

/// A synchronous call from a hook of a step on; [`async_opened`] is its twin with awaits.
fn sync_opened(
    mut call: Call<'_>,
    step: Step,
    hook: usize,
    frame: &mut Frame<'_>,
    seen: &mut [RawView],
) {
    let mut steps = Steps::from(step, hook);
    call.prepare(seen);
    if let Some(from) = steps.propose {
        call.propose_sync(seen, from);
    }
    let mut planned = call.plan_value(frame);
    let mut redirected = None;
    while let Some(from) = steps.decide {
        steps.decide = Some(0);
        let mut parts = if planned { frame.value.parts() } else { None };
        call.decide_sync(seen, parts.as_mut(), from);
        match call.act(seen) {
            Act::Refuse(refusal) => return frame.value.refuse(refusal),
            Act::Planned if planned => {
                call.forbid_retry();
                break;
            }
            Act::Planned => {
                call.plan_lost();
                planned = call.plan_value(frame);
            }
            Act::Cached if call.cached(frame) => {
                call.forbid_retry();
                break;
            }
            Act::Redirect(to) => {
                call.keep(frame);
                call.hand_over(seen);
                if call.in_redirect(|| frame.body.redirect(&to)) {
                    redirected = Some(to);
                    break;
                }
                frame.args.look(seen);
                call.prepare(seen);
                call.no_such_component(&to);
                planned = call.plan_value(frame);
            }
            Act::Run | Act::Cached => {
                call.keep(frame);
                call.hand_over(seen);
                call.in_body(|| frame.body.start());
                break;
            }
        }
    }
    loop {
        // Views are used where they were made: moving one costs more than making it.
        let mut parts = frame.value.parts();
        let mut parts = parts.as_mut().expect(VALUE);
        let mut replaced;
        if let Some(from) = steps.settle.replace(0) {
            if call.refused_elsewhere(parts, redirected.is_some()) {
                return;
            }
            call.hold(parts);
            let again = frame.args.has_kept();
            match call.settle_sync(seen, parts, from, again) {
                Settled::Keep => {}
                Settled::Replace(replacement) => {
                    call.replace(frame, parts.phase(), replacement);
                    replaced = frame.value.parts();
                    parts = replaced.as_mut().expect(VALUE);
                }
                Settled::Retry(delay) => {
                    if call.again(frame) {
                        call.wait_sync_for(delay);
                        if call.refuse_if_halted() {
                            return frame.value.refuse(call.refuse());
                        }
                        match &redirected {
                            None => {
                                // What it drops is not the new attempt's.
                                frame.value.clear();
                                call.in_body(|| frame.body.start());
                            }
                            // A component that is gone by now leaves the value as it was.
                            Some(to) => {
                                call.in_redirect(|| frame.body.redirect(to));
                            }
                        }
                        continue;
                    }
                }
            }
        }
        call.release_sync(seen, parts, take(&mut steps.release));
        call.store();
        if call.restriction > Restriction::None {
            return frame.value.refuse(call.refuse());
        }
        return call.deliver(parts);
    }
}

/// A call of an asynchronous site that is not idle.
pub(crate) async fn asynchronous(
    site: &'static HookSite,
    facts: Facts,
    can: Can,
    mut frame: Frame<'_>,
    seen: &mut [RawView],
) {
    let scope = Scope::of(site);
    let set = match &scope.own {
        Some(set) => set.clone(),
        None => site.load_shared(),
    };
    if !scope.halted && set.is_idle() {
        frame.body.start();
        return poll_fn(|cx| frame.poll(cx)).await;
    }
    frame.args.look(seen);
    let sample = set.sample();
    if !scope.halted && Quiet::fits(&set, sample.as_deref()) {
        let mut sample = sample;
        let mut call = Quiet::new(site.info(), &set, &scope, facts, can);
        let mut said = None;
        let mut by = call.before(&call.enter(), seen, &mut said);
        if by.is_none() {
            Sample::work_begins(&mut sample, &set);
            frame.body.start();
            QuietBody {
                call: &mut call,
                frame: &mut frame,
            }
            .await;
            Sample::work_ends(&mut sample, &set);
            by = call.after_polls(&mut frame, seen, &mut said);
        }
        let Some(by) = by else {
            call.end();
            return Sample::end(sample, &set, Duration::ZERO);
        };
        let opened = call.open(by, said, sample);
        return Box::pin(async_opened(opened, by.step, by.next, &mut frame, seen)).await;
    }
    let call = Call::begin(site.info(), &set, &scope, facts, can, sample);
    Box::pin(async_opened(call, Step::Propose, 0, &mut frame, seen)).await;
}

/// [`sync_opened`] with awaits.
async fn async_opened(
    mut call: Call<'_>,
    step: Step,
    hook: usize,
    frame: &mut Frame<'_>,
    seen: &mut [RawView],
) {
    let mut steps = Steps::from(step, hook);
    call.prepare(seen);
    if let Some(from) = steps.propose {
        call.propose(seen, from, Wait::Async).await;
    }
    let mut planned = call.plan_value(frame);
    let mut redirected = None;
    while let Some(from) = steps.decide {
        steps.decide = Some(0);
        let mut parts = if planned { frame.value.parts() } else { None };
        call.decide(seen, parts.as_mut(), from, Wait::Async).await;
        match call.act(seen) {
            Act::Refuse(refusal) => return frame.value.refuse(refusal),
            Act::Planned if planned => {
                call.forbid_retry();
                break;
            }
            Act::Planned => {
                call.plan_lost();
                planned = call.plan_value(frame);
            }
            Act::Cached if call.cached(frame) => {
                call.forbid_retry();
                break;
            }
            Act::Redirect(to) => {
                call.keep(frame);
                call.hand_over(seen);
                if frame.body.redirect(&to) {
                    InBody::new(&mut call, frame, true).await;
                    redirected = Some(to);
                    break;
                }
                frame.args.look(seen);
                call.prepare(seen);
                call.no_such_component(&to);
                planned = call.plan_value(frame);
            }
            Act::Run | Act::Cached => {
                call.keep(frame);
                call.hand_over(seen);
                frame.body.start();
                InBody::new(&mut call, frame, false).await;
                break;
            }
        }
    }
    loop {
        // Views are used where they were made: moving one costs more than making it.
        let mut parts = frame.value.parts();
        let mut parts = parts.as_mut().expect(VALUE);
        let mut replaced;
        if let Some(from) = steps.settle.replace(0) {
            if call.refused_elsewhere(parts, redirected.is_some()) {
                return;
            }
            call.hold(parts);
            let again = frame.args.has_kept();
            match call.settle(seen, parts, from, again).await {
                Settled::Keep => {}
                Settled::Replace(replacement) => {
                    call.replace(frame, parts.phase(), replacement);
                    replaced = frame.value.parts();
                    parts = replaced.as_mut().expect(VALUE);
                }
                Settled::Retry(delay) => {
                    if call.again(frame) {
                        call.wait_for(delay).await;
                        if call.refuse_if_halted() {
                            return frame.value.refuse(call.refuse());
                        }
                        let started = match &redirected {
                            None => {
                                frame.value.clear();
                                frame.body.start();
                                true
                            }
                            // A component that is gone by now leaves the value as it was.
                            Some(to) => frame.body.redirect(to),
                        };
                        if started {
                            InBody::new(&mut call, frame, redirected.is_some()).await;
                        }
                        continue;
                    }
                }
            }
        }
        call.release(seen, parts, take(&mut steps.release)).await;
        call.store();
        if call.restriction > Restriction::None {
            return frame.value.refuse(call.refuse());
        }
        return call.deliver(parts);
    }
}
