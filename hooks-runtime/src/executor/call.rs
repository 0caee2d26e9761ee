//! The state of one active call.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use super::ledger::Ledger;
use super::verdict::Said;
use crate::ambient::{self, MAX_CAUSED, MAX_DEPTH};
use crate::answer::{Replacement, Restriction};
use crate::catalogue;
use crate::context::{CallMeta, Kept, Locals, Plan};
use crate::error::HookError;
use crate::monitor::Sample;
use crate::private::Facts;
use crate::record::{Outcome, Passed};
use crate::refusal::HookRefusal;
use crate::registry::HookSet;
use crate::scope::Link;
use crate::site::{HookSite, SiteInfo};
use crate::view::{Access, RawView};

/// What a site can carry, tokens and types taken together.
#[derive(Clone, Copy)]
pub(crate) struct Can(u8);

impl Can {
    const REFUSE: u8 = 1;
    const REPLACE: u8 = 2;
    const CACHE: u8 = 4;
    const REDIRECT: u8 = 8;

    #[inline]
    pub(crate) fn new(refuse: bool, replace: bool, cache: bool, redirect: bool) -> Self {
        let flag = |can: bool, flag: u8| if can { flag } else { 0 };
        Can(flag(refuse, Self::REFUSE)
            | flag(replace, Self::REPLACE)
            | flag(cache, Self::CACHE)
            | flag(redirect, Self::REDIRECT))
    }
    #[inline]
    pub(crate) fn refuse(self) -> bool {
        self.0 & Self::REFUSE != 0
    }
    pub(crate) fn replace(self) -> bool {
        self.0 & Self::REPLACE != 0
    }
    pub(crate) fn cache(self) -> bool {
        self.0 & Self::CACHE != 0
    }
    pub(crate) fn redirect(self) -> bool {
        self.0 & Self::REDIRECT != 0
    }
}

/// Where a call is made.
pub(crate) struct Scope {
    pub(crate) link: Option<Arc<Link>>,
    /// The hooks of the site there, if they are others than the site's own.
    pub(crate) own: Option<Arc<HookSet>>,
    /// A run that it belongs to was halted.
    pub(crate) halted: bool,
}

impl Scope {
    /// For a call that begins now on this thread.
    #[inline]
    pub(crate) fn of(site: &'static HookSite) -> Scope {
        if !site.is_registered() {
            catalogue::register(site);
        }
        let mut scope = Scope {
            link: None,
            own: None,
            halted: false,
        };
        if ambient::is_linked() {
            scope.enter(site);
        }
        scope
    }

    /// For a call of no site.
    pub(crate) fn here() -> Scope {
        Scope {
            link: ambient::link(),
            own: None,
            halted: false,
        }
    }

    fn enter(&mut self, site: &'static HookSite) {
        if let Some(link) = ambient::link() {
            self.halted = link.is_halted();
            self.own = link.set(site.info());
            self.link = Some(link);
        }
    }
}

/// What hooks are told of a call that begins now on this thread.
#[inline(always)]
pub(super) fn meta<'s>(
    site: &'static SiteInfo,
    set: &'s HookSet,
    scope: &'s Scope,
    facts: Facts,
    started: Option<Instant>,
) -> CallMeta<'s> {
    let (parent, root) = ambient::call_and_root();
    let id = ambient::next_call_id();
    CallMeta {
        site,
        id,
        parent,
        root: if root == 0 { id } else { root },
        link: scope.link.as_deref(),
        attempt: 1,
        items: 0,
        facts,
        started,
        clock: &set.registry.clock,
        dirty: AtomicBool::new(false),
        kept: Kept::new(),
    }
}

/// What to do with a call after the verdict.
pub(crate) enum Act {
    Run,
    Planned,
    Cached,
    Redirect(String),
    Refuse(HookRefusal),
}

/// One active call. Dropping it without an outcome means that its body panicked or its future was dropped.
pub(crate) struct Call<'s> {
    pub(crate) set: &'s HookSet,
    pub(crate) meta: CallMeta<'s>,
    pub(crate) can: Can,
    pub(crate) restriction: Restriction,
    pub(crate) granted: bool,
    pub(crate) plan: Plan,
    pub(crate) inner_refusal: bool,
    pub(crate) locals: Locals,
    pub(crate) outcome: Option<Outcome>,
    pub(crate) executed: bool,
    pub(crate) cache_hit: bool,
    /// Hooks that let it pass are noted too, because somebody may be told of it.
    pub(crate) recording: bool,
    /// Only hooks declared pure are asked, and nothing is recorded.
    pub(crate) rehearsal: bool,
    /// The body is running on this thread: unwinding now is its panic.
    pub(crate) in_user_code: bool,
    pub(crate) gated: bool,
    /// Who let the call pass before anything was said.
    pub(crate) passed: Passed<'s>,
    /// There if the call is measured.
    pub(crate) sample: Option<Box<Sample>>,
    /// Apart, because a call is written and cleared each time.
    pub(crate) ledger: Option<Box<Ledger<'s>>>,
}

impl<'s> Call<'s> {
    /// A call that begins now, and the rules that refuse it before any hook is asked.
    pub(crate) fn begin(
        site: &'static SiteInfo,
        set: &'s HookSet,
        scope: &'s Scope,
        facts: Facts,
        can: Can,
        sample: Option<Box<Sample>>,
    ) -> Self {
        let meta = meta(site, set, scope, facts, set.start());
        let mut call = Call::with(set, meta, can);
        call.sample = sample;
        call.gate();
        call
    }

    /// A call in which nothing was said so far.
    pub(super) fn with(set: &'s HookSet, meta: CallMeta<'s>, can: Can) -> Self {
        Call {
            set,
            meta,
            can,
            restriction: Restriction::None,
            granted: false,
            plan: Plan::Run,
            inner_refusal: false,
            locals: Locals::new(),
            outcome: None,
            executed: false,
            cache_hit: false,
            recording: set.is_told(),
            rehearsal: false,
            in_user_code: false,
            gated: false,
            passed: Passed::default(),
            sample: None,
            ledger: None,
        }
    }

    /// Rules that refuse before any hook is asked: a halted run, and hooks that cause too many calls.
    fn gate(&mut self) {
        let (depth, redirects) = ambient::depths();
        // What goes wrong in a halted run must still be told.
        if self.meta.site.point != super::violation::POINT && self.refuse_if_halted() {
            self.gated = true;
            return;
        }
        let what = if depth >= MAX_DEPTH {
            format!("calls nested more than {MAX_DEPTH} deep")
        } else if redirects >= MAX_DEPTH {
            format!("redirects more than {MAX_DEPTH} deep")
        } else if depth > 0 && ambient::count_caused(self.meta.root) > MAX_CAUSED {
            format!("more than {MAX_CAUSED} calls within one root call")
        } else {
            return;
        };
        let error = HookError::Depth { what: what.into() };
        self.gated = true;
        self.rule(
            "hookpoint.depth",
            Restriction::Cancel,
            error.to_string(),
            Some(error.kind()),
        );
    }

    /// Refuses if the run was halted: looked at when the call begins, and again after every wait.
    pub(crate) fn refuse_if_halted(&mut self) -> bool {
        let halted = self
            .meta
            .link
            .filter(|l| l.is_halted())
            .and_then(|l| l.halted());
        let Some(halted) = halted else { return false };
        let (run, hook, reason) = (halted.run, halted.hook, halted.reason);
        let reason = format!("the run `{run}` was halted by hook `{hook}`: {reason}");
        self.rule("hookpoint.halted", Restriction::Halt, reason, None);
        true
    }

    /// Whether the run that it belongs to was halted.
    pub(crate) fn is_halted(&self) -> bool {
        self.meta.link.is_some_and(|link| link.is_halted())
    }

    pub(crate) fn now(&self) -> Instant {
        self.meta.clock.now()
    }

    /// At a site that hooks may only watch nothing can be written.
    #[inline]
    pub(crate) fn prepare(&self, args: &mut [RawView]) {
        if !self.can.refuse() {
            args.iter_mut().for_each(|view| view.restrict(Access::Read));
        }
    }

    /// A planned replacement, to be made a return value before the guards decide on it.
    #[inline]
    pub(crate) fn take_replacement(&mut self) -> Option<Replacement> {
        match &mut self.plan {
            Plan::Replace(value) => value.take(),
            _ => None,
        }
    }

    /// The plan turned out to be impossible: its hook has failed, what was decided about the plan is void, and the
    /// next plan in order counts.
    pub(crate) fn plan_failed(&mut self, error: HookError) {
        self.plan = Plan::Run;
        self.reopen(true);
        self.proposal_failed(crate::point::Phase::Pre, error);
        if let Some(next) = self.ledger().plans.pop_front() {
            self.plan = next.what;
            self.is_planner(next.by, next.dirty);
        }
    }

    /// The hook whose plan or replacement counts has failed with it, though it had answered.
    pub(crate) fn proposal_failed(&mut self, phase: crate::point::Phase, error: HookError) {
        if let Some((entry, dirty)) = self.take_planner() {
            self.meta.dirty.store(dirty, Ordering::Relaxed);
            entry.breaker.retracted(self.meta.id);
            self.fail(entry, phase, error, None);
        }
    }

    /// What was decided; the arguments are as sealed.
    #[inline]
    pub(crate) fn act(&mut self, args: &[RawView]) -> Act {
        if self.ledger.is_none() && !self.set.record_all {
            // Nobody has said anything: there is no verdict and no plan.
            return Act::Run;
        }
        self.act_on_ledger(args)
    }

    fn act_on_ledger(&mut self, args: &[RawView]) -> Act {
        let refused = self.restriction > Restriction::None;
        if self.set.record_all || self.said().iter().any(Said::acted) {
            self.record_args(args);
        }
        if refused {
            return Act::Refuse(self.refuse());
        }
        match &self.plan {
            Plan::Run => Act::Run,
            Plan::Replace(_) => Act::Planned,
            Plan::Cache { .. } => Act::Cached,
            Plan::Redirect { to } => Act::Redirect(to.clone()),
        }
    }

    /// What hooks may see of the arguments once the body has them: what the caller lent, and copies of the
    /// rest if a hook declared that it wants them. Before the body gets them: afterwards there is nothing to
    /// copy.
    #[inline]
    pub(crate) fn hand_over(&mut self, args: &mut [RawView]) {
        if self.set.args_after {
            return self.hand_over_copies(args);
        }
        for view in args.iter_mut().filter(|v| !v.outlives_body()) {
            view.restrict(Access::Moved);
        }
    }

    fn hand_over_copies(&mut self, args: &mut [RawView]) {
        for view in args.iter_mut().filter(|v| !v.outlives_body()) {
            let kept = view.clone_value().ok();
            view.restrict(Access::Moved);
            if let Some(kept) = kept {
                // SAFETY: the copy is on the heap and lives in the ledger until the call is dropped; the
                // views are used only in this call's steps.
                *view = unsafe { kept.view() };
                self.ledger().kept.push(kept);
            }
        }
    }

    /// Runs the body (or what stands in for it) as the current call.
    #[inline]
    pub(crate) fn in_body<R>(&mut self, body: impl FnOnce() -> R) -> R {
        let started = self.work_begins();
        self.executed = true;
        self.in_user_code = true;
        let inside = ambient::enter_call(self.meta.id, self.meta.root);
        let result = body();
        self.inner_refusal = ambient::inner_refusal();
        drop(inside);
        self.in_user_code = false;
        self.inner_refusal |= ambient::take_spawned_refusal(self.meta.id);
        self.work_ends(started);
        result
    }

    /// The body begins, or goes on.
    pub(crate) fn work_begins(&mut self) -> Option<Instant> {
        Sample::work_begins(&mut self.sample, self.set);
        self.set.timed.then(|| self.now())
    }

    /// The body that began then has ended.
    pub(crate) fn work_ends(&mut self, started: Option<Instant>) {
        Sample::work_ends(&mut self.sample, self.set);
        if let Some(started) = started {
            let work = self.now().saturating_duration_since(started);
            self.ledger().work += work;
        }
    }

    /// Runs a redirected call: like a body, but counted, so that components that redirect to each other come
    /// to an end.
    pub(crate) fn in_redirect<R>(&mut self, call: impl FnOnce() -> R) -> R {
        let _deeper = ambient::enter_redirect();
        self.in_body(call)
    }

    pub(crate) fn finish(&mut self, outcome: Outcome) {
        self.outcome.get_or_insert(outcome);
    }
}
