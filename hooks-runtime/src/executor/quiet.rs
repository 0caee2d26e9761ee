//! A call as long as no hook has anything to say.
//!
//! That is nearly every call: hooks watch, and once in a while one of them changes, refuses or answers. So a call
//! begins as a few words on the stack and goes through its steps with nothing but the hooks' answers looked at.
//! When one is not `Continue`, the call is opened ([`Call`]), with all that belongs to a decision, and goes on
//! from there. What a call means is written down once, in `run.rs` and what it calls.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::task::{Context, Poll};

use super::ask::ask_row;
use super::call::{Call, Can, Scope};
use super::run::{Frame, Resume, VALUE};
use crate::ambient;
use crate::context::{CallMeta, Locals, Plan};
use crate::hook::{Answer, Entry};
use crate::point::Phase;
use crate::private::{Facts, Parts};
use crate::registry::HookSet;
use crate::site::SiteInfo;
use crate::view::{Access, RawView};

/// A call that is opened, and where it goes on.
pub(super) type Opened<'s> = (Call<'s>, Resume);

/// A call in which nothing was said so far. Dropping it before it is finished means that its body panicked or
/// its future was dropped.
pub(super) struct Quiet<'s> {
    set: &'s HookSet,
    meta: CallMeta<'s>,
    can: Can,
    plan: Plan,
    locals: Locals,
    executed: bool,
    in_user_code: bool,
    inner_refusal: bool,
    finished: bool,
}

impl<'s> Quiet<'s> {
    /// `None`: what is asked at this site, or where the call is made, takes more than this. Then nothing has
    /// happened, and the facts are there still.
    #[inline]
    pub(super) fn begin(
        site: &'static SiteInfo,
        set: &'s HookSet,
        scope: &Scope,
        facts: &mut Facts,
        can: Can,
    ) -> Option<Self> {
        if !set.quiet || ambient::is_nested() || !set.is_serving() {
            return None;
        }
        let (parent, root) = ambient::call_and_root();
        let id = ambient::next_call_id();
        Some(Quiet {
            set,
            meta: CallMeta {
                site,
                id,
                parent,
                root: if root == 0 { id } else { root },
                link: scope.link.clone(),
                attempt: 1,
                facts: std::mem::take(facts),
                started: None,
                clock: &set.registry.clock,
                dirty: AtomicBool::new(false),
            },
            can,
            plan: Plan::Run,
            locals: Vec::new(),
            executed: false,
            in_user_code: false,
            inner_refusal: false,
            finished: false,
        })
    }

    /// The steps before the body. Afterwards the arguments may be moved.
    #[inline]
    pub(super) fn before(&mut self, args: &mut [RawView]) -> Option<Opened<'s>> {
        if !self.can.refuse {
            args.iter_mut().for_each(|view| view.restrict(Access::Read));
        }
        let set = self.set;
        if !set.pre.is_empty()
            && let Some((at, answer)) = self.ask(&set.pre, Phase::Pre, args, None)
        {
            return Some(self.speak(&set.pre[at], Phase::Pre, answer, Resume::Propose(at + 1)));
        }
        if !set.guards.is_empty()
            && let Some((at, vote)) = self.ask(&set.guards, Phase::Pre, args, None)
        {
            return Some(self.speak(&set.guards[at], Phase::Pre, vote, Resume::Decide(at + 1)));
        }
        for view in args.iter_mut().filter(|view| !view.outlives_body()) {
            view.restrict(Access::Moved);
        }
        None
    }

    /// Runs the body, or a part of it, as the current call.
    #[inline]
    pub(super) fn in_body<R>(&mut self, body: impl FnOnce() -> R) -> R {
        self.executed = true;
        self.in_user_code = true;
        let inside = ambient::enter_call(self.meta.id, self.meta.root);
        let result = body();
        self.inner_refusal |= ambient::inner_refusal();
        drop(inside);
        self.in_user_code = false;
        result
    }

    /// The steps after the body.
    #[inline]
    pub(super) fn after(
        &mut self,
        frame: &mut Frame<'_>,
        args: &mut [RawView],
    ) -> Option<Opened<'s>> {
        self.inner_refusal |= ambient::take_spawned_refusal(self.meta.id);
        let set = self.set;
        let mut parts = frame.values.parts();
        let parts = parts.as_mut().expect(VALUE);
        if !self.can.refuse {
            parts.view_mut().restrict(Access::Read);
        }
        let (phase, list) = match parts {
            Parts::Err(_) => (Phase::Error, &set.error),
            Parts::Plain(_) | Parts::Ok(_) => (Phase::Post, &set.post),
        };
        if !list.is_empty()
            && let Some((at, answer)) = self.ask(list, phase, args, Some(parts))
        {
            return Some(self.speak(&list[at], phase, answer, Resume::Settle(at + 1)));
        }
        let guards = &set.guards_post;
        if phase == Phase::Post
            && !guards.is_empty()
            && let Some((at, vote)) = self.ask(guards, phase, args, Some(parts))
        {
            return Some(self.speak(&guards[at], phase, vote, Resume::Release(at + 1)));
        }
        // A failure is told to the sinks, and what hooks kept is theirs to drop.
        let eventful = phase == Phase::Error && !set.sinks.is_empty();
        if eventful || !self.locals.is_empty() {
            self.open().deliver(parts);
        } else {
            self.finish(phase == Phase::Error);
        }
        None
    }

    #[inline]
    fn finish(&mut self, failed: bool) {
        self.finished = true;
        if failed && self.inner_refusal {
            ambient::note_inner_refusal();
        }
        if self.meta.id == self.meta.root {
            ambient::end_root(self.meta.id);
        }
    }

    #[inline]
    fn ask(
        &mut self,
        list: &'s [Arc<Entry>],
        phase: Phase,
        args: &mut [RawView],
        result: Option<&mut Parts>,
    ) -> Option<(usize, Answer)> {
        let (meta, plan, locals) = (&self.meta, &mut self.plan, &mut self.locals);
        let (at, said) = ask_row(meta, list, 0, phase, args, result, plan, locals);
        Some((at, said?))
    }

    /// A hook has something to say.
    #[cold]
    fn speak(
        &mut self,
        entry: &'s Arc<Entry>,
        phase: Phase,
        answer: Answer,
        resume: Resume,
    ) -> Opened<'s> {
        let mut call = self.open();
        call.take(entry, phase, answer, None);
        (call, resume)
    }

    /// The same call with all that belongs to a decision.
    #[cold]
    fn open(&mut self) -> Call<'s> {
        self.finished = true;
        let meta = &mut self.meta;
        let meta = CallMeta {
            site: meta.site,
            id: meta.id,
            parent: meta.parent,
            root: meta.root,
            link: meta.link.take(),
            attempt: meta.attempt,
            facts: std::mem::take(&mut meta.facts),
            started: None,
            clock: meta.clock,
            dirty: std::mem::take(&mut meta.dirty),
        };
        let mut call = Call::with(self.set, meta, self.can);
        call.locals = std::mem::take(&mut self.locals);
        call.executed = self.executed;
        call.in_user_code = self.in_user_code;
        call.inner_refusal = self.inner_refusal;
        call
    }
}

impl Drop for Quiet<'_> {
    #[inline]
    fn drop(&mut self) {
        if !self.finished {
            // Its body panicked, or its future was dropped: the opened call tells who wants to know.
            drop(self.open());
        }
    }
}

/// The body of an asynchronous site, started, in a call that is quiet.
pub(super) struct QuietBody<'a, 's, 'f> {
    pub(super) call: &'a mut Quiet<'s>,
    pub(super) frame: &'a mut Frame<'f>,
}

impl Future for QuietBody<'_, '_, '_> {
    type Output = ();
    #[inline]
    fn poll(mut self: std::pin::Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        this.call.in_body(|| this.frame.body.poll(cx))
    }
}

impl Drop for QuietBody<'_, '_, '_> {
    /// What the body holds is dropped as a part of the call.
    #[inline]
    fn drop(&mut self) {
        let inside = ambient::enter_call(self.call.meta.id, self.call.meta.root);
        self.frame.body.stop();
        drop(inside);
    }
}
