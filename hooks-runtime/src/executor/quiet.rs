//! A call as long as no hook has anything to say.
//!
//! That is nearly every call: hooks watch, and once in a while one of them changes, refuses or answers. So a call
//! begins as a few words on the stack and goes through its steps with nothing but the hooks' answers looked at.
//! When one is not `Continue`, the call is opened ([`Call`]), with all that belongs to a decision, and goes on
//! from there. What a call means is written down once, in `run.rs` and what it calls.

use std::mem::ManuallyDrop;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use super::ask::ask_row;
use super::call::{Call, Can, Scope, meta};
use super::done;
use super::run::{Frame, Step, VALUE};
use crate::ambient::{self, Restore};
use crate::context::{CallMeta, Locals, Plan};
use crate::hook::{Answer, Entry};
use crate::monitor::Sample;
use crate::point::Phase;
use crate::private::{Facts, Parts};
use crate::record::{Brief, DecisionRecord, Lent, Outcome, Passed};
use crate::registry::HookSet;
use crate::site::SiteInfo;
use crate::view::{Access, RawView};

/// Where a call is opened: after a hook in the list of a step.
#[derive(Clone, Copy)]
pub(super) struct By {
    pub(super) step: Step,
    pub(super) next: usize,
}

impl By {
    /// The hook at that place of a row: the intercepts, and then the guards.
    fn in_row(
        at: usize,
        spoke: bool,
        intercepts: &[Arc<Entry>],
        first: Step,
        second: Step,
    ) -> Self {
        let (step, at) = match at.checked_sub(intercepts.len()) {
            None => (first, at),
            Some(at) => (second, at),
        };
        // One that did not speak is still to be asked, by itself.
        let next = at + usize::from(spoke);
        By { step, next }
    }
}

/// A call in which nothing was said so far. Dropping it before its end means that its body panicked or its
/// future was dropped.
pub(super) struct Quiet<'s> {
    pub(super) set: &'s HookSet,
    meta: CallMeta<'s>,
    locals: Locals,
    can: Can,
    executed: bool,
    in_user_code: bool,
    inner_refusal: bool,
    failed: bool,
    over: bool,
}

impl<'s> Quiet<'s> {
    /// Whether a call of that set that begins now can be one.
    #[inline(always)]
    pub(super) fn fits(set: &HookSet, sample: Option<&Sample>) -> bool {
        let together = sample.is_none_or(|sample| !sample.each);
        set.quiet.is_some() && together && !ambient::is_nested() && set.is_serving()
    }

    #[inline(always)]
    pub(super) fn new(
        site: &'static SiteInfo,
        set: &'s HookSet,
        scope: &'s Scope,
        facts: Facts,
        can: Can,
    ) -> Self {
        Quiet {
            set,
            meta: meta(site, set, scope, facts, set.start()),
            locals: Locals::new(),
            can,
            executed: false,
            in_user_code: false,
            inner_refusal: false,
            failed: false,
            over: false,
        }
    }

    /// Who is asked before the body.
    #[inline(always)]
    fn before_body(&self) -> &'s [Arc<Entry>] {
        self.set.quiet.as_ref().map_or(&[], |rows| &rows.before)
    }

    /// Who is asked after it, by how it ended.
    #[inline(always)]
    fn after_body(&self) -> &'s [Arc<Entry>] {
        match &self.set.quiet {
            Some(_) if self.failed => &self.set.error,
            Some(rows) => &rows.after,
            None => &[],
        }
    }

    /// Makes it the current call until what this gives is dropped.
    #[inline(always)]
    pub(super) fn enter(&self) -> Restore {
        ambient::enter_hooks(self.meta.id, self.meta.root)
    }

    /// The steps before the body. Afterwards, if nobody spoke, the arguments may be moved.
    #[inline(always)]
    pub(super) fn before(
        &mut self,
        inside: &Restore,
        args: &mut [RawView],
        said: &mut Option<Answer>,
    ) -> Option<By> {
        if !self.can.refuse() {
            args.iter_mut().for_each(|view| view.restrict(Access::Read));
        }
        let list = self.before_body();
        if !list.is_empty() {
            let hook = self.ask(inside, list, Phase::Pre, args, None, said);
            if hook < list.len() {
                let (spoke, intercepts) = (said.is_some(), &self.set.pre);
                return Some(By::in_row(
                    hook,
                    spoke,
                    intercepts,
                    Step::Propose,
                    Step::Decide,
                ));
            }
        }
        if !self.set.is_serving() {
            // Since the call began: it needs a grant now, and nobody has given one.
            return Some(By {
                step: Step::Decide,
                next: self.set.guards.len(),
            });
        }
        for view in args.iter_mut().filter(|view| !view.outlives_body()) {
            view.restrict(Access::Moved);
        }
        None
    }

    /// Runs the body, or a part of it.
    #[inline(always)]
    pub(super) fn in_body<R>(&mut self, inside: &Restore, body: impl FnOnce() -> R) -> R {
        self.executed = true;
        self.in_user_code = true;
        inside.enter_body();
        let result = body();
        self.inner_refusal |= ambient::inner_refusal();
        self.in_user_code = false;
        result
    }

    /// The steps after the body.
    #[inline(always)]
    pub(super) fn after(
        &mut self,
        inside: &Restore,
        frame: &mut Frame<'_>,
        args: &mut [RawView],
        said: &mut Option<Answer>,
    ) -> Option<By> {
        let mut parts = self.take_result(frame);
        let parts = parts.as_mut().expect(VALUE);
        if !self.can.refuse() {
            parts.view_mut().restrict(Access::Read);
        }
        let list = self.after_body();
        if list.is_empty() {
            return None;
        }
        let phase = if self.failed {
            Phase::Error
        } else {
            Phase::Post
        };
        let hook = self.ask(inside, list, phase, args, Some(parts), said);
        (hook < list.len()).then(|| {
            let intercepts = if self.failed {
                &self.set.error
            } else {
                &self.set.post
            };
            let spoke = said.is_some();
            By::in_row(hook, spoke, intercepts, Step::Settle, Step::Release)
        })
    }

    /// The same at an asynchronous site, whose body may have been polled from anywhere.
    #[inline(always)]
    pub(super) fn after_polls(
        &mut self,
        frame: &mut Frame<'_>,
        args: &mut [RawView],
        said: &mut Option<Answer>,
    ) -> Option<By> {
        if ambient::is_nested() {
            // In a hook, which is not asked about the call that it makes go on: it matters who is asked.
            self.take_result(frame);
            return Some(By {
                step: Step::Settle,
                next: 0,
            });
        }
        self.after(&self.enter(), frame, args, said)
    }

    /// Looks at what the body gave.
    #[inline(always)]
    fn take_result(&mut self, frame: &mut Frame<'_>) -> Option<Parts> {
        self.inner_refusal |= ambient::take_spawned_refusal(self.meta.id);
        let parts = frame.value.parts();
        self.failed = matches!(parts, Some(Parts::Err(_)));
        parts
    }

    #[inline(always)]
    fn ask(
        &mut self,
        inside: &Restore,
        list: &'s [Arc<Entry>],
        phase: Phase,
        args: &mut [RawView],
        result: Option<&mut Parts>,
        said: &mut Option<Answer>,
    ) -> usize {
        let (meta, locals) = (&self.meta, &mut self.locals);
        // It stays `Run`, which owns nothing: hooks can only look at it.
        let plan = &mut *ManuallyDrop::new(Plan::Run);
        ask_row(
            meta, list, 0, phase, args, result, plan, locals, said, inside,
        )
    }

    /// The end: nobody spoke.
    #[inline(always)]
    pub(super) fn end(&mut self) {
        // A failure is told to who wants to know, and what hooks kept is theirs to drop.
        let eventful = self.failed && (self.inner_refusal || self.set.is_told());
        if eventful || self.locals.capacity() != 0 || self.meta.kept.get().is_some() {
            return self.end_opened();
        }
        if self.meta.started.is_some() {
            self.tell();
        }
        ambient::end_call(self.meta.id, self.meta.root);
        self.over = true;
    }

    /// The first hooks before the body had nothing to say.
    fn passed_before(&self, first: usize) -> Passed<'s> {
        Passed {
            before: &self.before_body()[..first],
            ..Passed::default()
        }
    }

    /// Tells the observers that it returned.
    #[inline(never)]
    fn tell(&self) {
        let meta = &self.meta;
        let brief = Brief {
            call_id: meta.id,
            parent: meta.parent,
            root: meta.root,
            attempts: 1,
            items: None,
            site: meta.site,
            notes_left_out: 0,
            plan: Plan::Run.word(),
            cache_hit: false,
            outcome: Outcome::Returned,
            executed: true,
            started: meta.started,
            work: None,
            waited: Duration::ZERO,
        };
        let lent = Lent {
            facts: &meta.facts,
            correlation: meta.correlation(),
            principal: meta.link.and_then(|link| link.principal.as_ref()),
            clock: meta.clock,
            passed: self.passed(self.after_body().len()),
            said: &[],
            args: &[],
            refusal: None,
        };
        done::tell(self.set, &mut DecisionRecord::new(brief, lent), false);
    }

    /// Who had nothing to say: of those before the body all, once it was started, and of those after it so many.
    fn passed(&self, after: usize) -> Passed<'s> {
        Passed {
            before: if self.executed {
                self.before_body()
            } else {
                &[]
            },
            after: &self.after_body()[..after],
            failed: self.failed,
        }
    }

    #[cold]
    fn end_opened(&mut self) {
        let mut call = self.take_call();
        call.passed = self.passed(self.after_body().len());
        call.deliver_as(self.failed);
    }

    /// The same call with all that belongs to a decision, and what a hook said in it.
    #[cold]
    pub(super) fn open(
        &mut self,
        by: By,
        said: Option<Answer>,
        sample: Option<Box<Sample>>,
    ) -> Call<'s> {
        let (list, phase) = match by.step {
            Step::Propose => (&self.set.pre, Phase::Pre),
            Step::Decide => (&self.set.guards, Phase::Pre),
            Step::Settle if self.failed => (&self.set.error, Phase::Error),
            Step::Settle => (&self.set.post, Phase::Post),
            Step::Release => (&self.set.guards_post, Phase::Post),
        };
        let mut call = self.take_call();
        call.sample = sample;
        let asked = by.next - usize::from(said.is_some());
        call.passed = match by.step {
            Step::Propose => self.passed_before(asked),
            Step::Decide => self.passed_before(self.set.pre.len() + asked),
            Step::Settle => self.passed(asked),
            Step::Release => self.passed(self.set.post.len() + asked),
        };
        if let Some(answer) = said {
            call.take(&list[by.next - 1], phase, answer, None);
        }
        call
    }

    #[cold]
    fn take_call(&mut self) -> Call<'s> {
        self.over = true;
        let meta = &mut self.meta;
        let meta = CallMeta {
            site: meta.site,
            id: meta.id,
            parent: meta.parent,
            root: meta.root,
            link: meta.link,
            attempt: meta.attempt,
            items: meta.items,
            facts: std::mem::take(&mut meta.facts),
            started: meta.started,
            clock: meta.clock,
            dirty: std::mem::take(&mut meta.dirty),
            kept: std::mem::take(&mut meta.kept),
        };
        let mut call = Call::with(self.set, meta, self.can);
        call.passed = self.passed(0);
        call.locals = std::mem::take(&mut self.locals);
        call.executed = self.executed;
        call.in_user_code = self.in_user_code;
        call.inner_refusal = self.inner_refusal;
        call
    }
}

impl Drop for Quiet<'_> {
    #[inline(always)]
    fn drop(&mut self) {
        if !self.over {
            // Its body panicked, or its future was dropped: the opened call tells who wants to know.
            drop(self.take_call());
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
        let inside = this.call.enter();
        this.call.in_body(&inside, || this.frame.body.poll(cx))
    }
}

impl Drop for QuietBody<'_, '_, '_> {
    /// What the body holds is dropped as a part of the call.
    #[inline]
    fn drop(&mut self) {
        let _inside = self.call.enter();
        self.frame.body.stop();
    }
}
