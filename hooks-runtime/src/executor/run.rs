//! One call from begin to end, at a synchronous and at an asynchronous site.
//!
//! Compiled once: what depends on the user's types is behind [`Frame`].

use std::task::{Context, Poll};

use super::act::InBody;
use super::call::{Act, Call, Can};
use super::settle::Settled;
use super::wait::Wait;
use crate::answer::{Replacement, Restriction};
use crate::error::HookError;
use crate::private::{Facts, Parts};
use crate::refusal::HookRefusal;
use crate::registry::HookSet;
use crate::site::SiteInfo;
use crate::view::RawView;

/// The arguments and the value of a call, whatever their types.
pub(crate) trait Values {
    /// New views of arguments that were given back.
    fn look(&mut self, seen: &mut [RawView]);
    /// Keeps a copy of the arguments for another attempt; `Err`: why there is none.
    fn keep(&mut self) -> Result<(), &'static str>;
    /// Whether there is one.
    fn has_kept(&self) -> bool;
    /// Puts the copy in the place of the arguments, and keeps another copy if it can.
    fn again(&mut self) -> bool;
    /// Makes the value from what a hook brings. On an error the old value, if any, stays.
    fn set(&mut self, replacement: Replacement) -> Result<(), HookError>;
    /// Makes the value from a refusal.
    fn refuse(&mut self, refusal: HookRefusal);
    /// Views of the value, if there is one.
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
    pub(crate) values: &'a mut (dyn Values + 'a),
    pub(crate) body: &'a mut (dyn Body + 'a),
}

// SAFETY: a future that holds a frame is the callee of a shell's future (`private/run.rs`), which holds what the
// frame refers to, with its types, across the same awaits. So the shell's future is `Send` only if these are, and
// the callee is nowhere but in it.
unsafe impl Send for Frame<'_> {}

impl<'a> Frame<'a> {
    pub(crate) fn new(values: &'a mut (dyn Values + 'a), body: &'a mut (dyn Body + 'a)) -> Self {
        Frame { values, body }
    }
}

const VALUE: &str = "the body has run, or a hook brought a value";

/// A call of a synchronous site; [`asynchronous`] is its twin with awaits.
pub(crate) fn sync(
    site: &'static SiteInfo,
    set: &HookSet,
    facts: Facts,
    can: Can,
    mut frame: Frame<'_>,
    seen: &mut [RawView],
) {
    let mut call = Call::new(site, set, facts, can);
    call.gate();
    call.prepare(seen);
    call.propose_sync(seen);
    let mut planned = call.plan_value(&mut frame);
    let mut redirected = None;
    loop {
        let mut parts = if planned { frame.values.parts() } else { None };
        call.decide_sync(seen, parts.as_mut());
        match call.act(seen) {
            Act::Refuse(refusal) => return frame.values.refuse(refusal),
            Act::Planned if planned => {
                call.cannot_repeat();
                break;
            }
            Act::Planned => call.plan_lost(),
            Act::Cached if call.cached(&mut frame) => {
                call.cannot_repeat();
                break;
            }
            Act::Redirect(to) => {
                call.keep(&mut frame);
                call.hand_over(seen);
                if call.in_redirect(|| frame.body.redirect(&to)) {
                    redirected = Some(to);
                    break;
                }
                frame.values.look(seen);
                call.prepare(seen);
                call.no_such_component(&to);
                planned = false;
            }
            Act::Run | Act::Cached => {
                call.keep(&mut frame);
                call.hand_over(seen);
                call.in_body(|| frame.body.start());
                break;
            }
        }
    }
    loop {
        // Views are used where they were made: moving one costs more than making it.
        let mut parts = frame.values.parts();
        let mut parts = parts.as_mut().expect(VALUE);
        if call.refused_elsewhere(parts, redirected.is_some()) {
            return;
        }
        call.hold(parts);
        let mut replaced;
        match call.settle_sync(seen, parts, frame.values.has_kept()) {
            Settled::Keep => {}
            Settled::Replace(replacement) => {
                call.replace(&mut frame, parts.phase(), replacement);
                replaced = frame.values.parts();
                parts = replaced.as_mut().expect(VALUE);
            }
            Settled::Retry(delay) => {
                if call.again(&mut frame) {
                    call.wait_sync_for(delay);
                    if call.refuse_if_halted() {
                        return frame.values.refuse(call.refuse());
                    }
                    match &redirected {
                        None => call.in_body(|| frame.body.start()),
                        // A component that is gone by now leaves the value as it was.
                        Some(to) => {
                            call.in_redirect(|| frame.body.redirect(to));
                        }
                    }
                    continue;
                }
            }
        }
        call.release_sync(seen, parts);
        call.store();
        if call.restriction > Restriction::None {
            return frame.values.refuse(call.refuse());
        }
        return call.deliver(parts);
    }
}

/// [`sync`] with awaits.
pub(crate) async fn asynchronous(
    site: &'static SiteInfo,
    set: &HookSet,
    facts: Facts,
    can: Can,
    mut frame: Frame<'_>,
    seen: &mut [RawView],
) {
    let mut call = Call::new(site, set, facts, can);
    call.gate();
    call.prepare(seen);
    call.propose(seen, Wait::Async).await;
    let mut planned = call.plan_value(&mut frame);
    let mut redirected = None;
    loop {
        let mut parts = if planned { frame.values.parts() } else { None };
        call.decide(seen, parts.as_mut(), Wait::Async).await;
        match call.act(seen) {
            Act::Refuse(refusal) => return frame.values.refuse(refusal),
            Act::Planned if planned => {
                call.cannot_repeat();
                break;
            }
            Act::Planned => call.plan_lost(),
            Act::Cached if call.cached(&mut frame) => {
                call.cannot_repeat();
                break;
            }
            Act::Redirect(to) => {
                call.keep(&mut frame);
                call.hand_over(seen);
                if frame.body.redirect(&to) {
                    InBody::new(&mut call, &mut frame, true).await;
                    redirected = Some(to);
                    break;
                }
                frame.values.look(seen);
                call.prepare(seen);
                call.no_such_component(&to);
                planned = false;
            }
            Act::Run | Act::Cached => {
                call.keep(&mut frame);
                call.hand_over(seen);
                frame.body.start();
                InBody::new(&mut call, &mut frame, false).await;
                break;
            }
        }
    }
    loop {
        // Views are used where they were made: moving one costs more than making it.
        let mut parts = frame.values.parts();
        let mut parts = parts.as_mut().expect(VALUE);
        if call.refused_elsewhere(parts, redirected.is_some()) {
            return;
        }
        call.hold(parts);
        let mut replaced;
        match call.settle(seen, parts, frame.values.has_kept()).await {
            Settled::Keep => {}
            Settled::Replace(replacement) => {
                call.replace(&mut frame, parts.phase(), replacement);
                replaced = frame.values.parts();
                parts = replaced.as_mut().expect(VALUE);
            }
            Settled::Retry(delay) => {
                if call.again(&mut frame) {
                    call.wait_for(delay).await;
                    if call.refuse_if_halted() {
                        return frame.values.refuse(call.refuse());
                    }
                    let started = match &redirected {
                        None => {
                            frame.body.start();
                            true
                        }
                        // A component that is gone by now leaves the value as it was.
                        Some(to) => frame.body.redirect(to),
                    };
                    if started {
                        InBody::new(&mut call, &mut frame, redirected.is_some()).await;
                    }
                    continue;
                }
            }
        }
        call.release(seen, parts).await;
        call.store();
        if call.restriction > Restriction::None {
            return frame.values.refuse(call.refuse());
        }
        return call.deliver(parts);
    }
}
