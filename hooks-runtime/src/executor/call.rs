//! The state of one active call.

use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::verdict::Said;
use crate::ambient::{self, MAX_CAUSED, MAX_DEPTH};
use crate::answer::{Replacement, Restriction};
use crate::catalogue;
use crate::context::{CallMeta, Locals, Plan};
use crate::error::HookError;
use crate::hook::Entry;
use crate::private::Facts;
use crate::record::{ArgRecord, Outcome};
use crate::refusal::HookRefusal;
use crate::registry::{HookRegistry, HookSet, Snapshot};
use crate::site::{HookSite, SiteInfo};
use crate::view::{Access, Kept, RawView};

/// What a site can carry, tokens and types taken together.
#[derive(Clone, Copy)]
pub(crate) struct Can {
    pub(crate) refuse: bool,
    pub(crate) replace: bool,
    pub(crate) cache: bool,
    pub(crate) redirect: bool,
    /// `Err`: why the body cannot run again.
    pub(crate) repeat: Result<(), &'static str>,
}

/// The set of hooks that a call started with.
pub(crate) enum Loaded {
    Site(Snapshot<'static, HookSet>),
    Scope(Arc<HookSet>),
}

impl Deref for Loaded {
    type Target = HookSet;
    fn deref(&self) -> &HookSet {
        match self {
            Loaded::Site(set) => set,
            Loaded::Scope(set) => set,
        }
    }
}

impl Loaded {
    /// The set for a call that begins now; `None` if it would do nothing but run the body.
    pub(crate) fn of(site: &'static HookSite) -> Option<Loaded> {
        if !site.is_registered() {
            catalogue::register(site);
        }
        if let Some(link) = ambient::link() {
            let halted = link.is_halted();
            if let Some(set) = link.set(site.info()) {
                return (halted || !set.is_idle()).then_some(Loaded::Scope(set));
            }
            if halted {
                return Some(Loaded::global(site));
            }
        }
        let set = Loaded::global(site);
        (!set.is_idle()).then_some(set)
    }

    fn global(site: &'static HookSite) -> Loaded {
        let build = || HookSet::build(site.info(), HookRegistry::global().inner(), &[]);
        Loaded::Site(site.sets().load(build))
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
    pub(crate) said: Vec<Said<'s>>,
    /// Where in `said` the votes of this stage (before or after the body) begin.
    pub(crate) stage: usize,
    pub(crate) restriction: Restriction,
    pub(crate) granted: bool,
    pub(crate) plan: Plan,
    pub(crate) plan_by: Option<&'s Entry>,
    /// Whether that hook had changed a value when it proposed the plan.
    pub(crate) plan_dirty: bool,
    pub(crate) inner_refusal: bool,
    pub(crate) locals: Locals,
    pub(crate) outcome: Option<Outcome>,
    pub(crate) executed: bool,
    pub(crate) cache_hit: bool,
    pub(crate) recording: bool,
    /// Only hooks declared pure are asked, and nothing is recorded.
    pub(crate) rehearsal: bool,
    pub(crate) work: Duration,
    pub(crate) waited: Duration,
    /// The body is running on this thread: unwinding now is its panic.
    pub(crate) in_user_code: bool,
    pub(crate) gated: bool,
    pub(crate) rare: Option<Box<Rare<'s>>>,
}

/// What most calls never have. Apart, because a call is written and cleared each time.
#[derive(Default)]
pub(crate) struct Rare<'s> {
    /// A replacement proposed after the body: by whom, and whether that hook had changed a value.
    pub(crate) replacement: Option<(&'s Entry, Replacement, bool)>,
    /// Another attempt that was asked for: after how long, and of how many.
    pub(crate) retry: Option<(Duration, u32)>,
    /// What views of moved arguments point to.
    pub(crate) kept: Vec<Kept>,
    pub(crate) args: Vec<ArgRecord>,
    pub(crate) refusal: Option<HookRefusal>,
    /// A hook that runs once has run: it must be taken out.
    pub(crate) spent: Vec<&'s Arc<Entry>>,
    /// What a `Cache` plan keeps when the call is done.
    pub(crate) to_keep: Option<super::cache::Stored>,
}

impl<'s> Call<'s> {
    /// The call, before [`Call::gate`] was asked. Always inlined: it is large, and moving it costs more than
    /// writing it.
    #[inline(always)]
    pub(crate) fn new(site: &'static SiteInfo, set: &'s HookSet, facts: Facts, can: Can) -> Self {
        let current = ambient::around();
        let id = ambient::next_call_id();
        let recording = set.record_all;
        let clock = &set.registry.clock;
        Call {
            set,
            meta: CallMeta {
                site,
                id,
                parent: current.call,
                root: if current.root == 0 { id } else { current.root },
                link: ambient::link(),
                attempt: 1,
                facts,
                started: recording.then(|| clock.now()),
                clock,
                dirty: AtomicBool::new(false),
            },
            can,
            said: Vec::new(),
            stage: 0,
            restriction: Restriction::None,
            granted: false,
            plan: Plan::Run,
            plan_by: None,
            plan_dirty: false,
            inner_refusal: false,
            locals: Vec::new(),
            outcome: None,
            executed: false,
            cache_hit: false,
            recording,
            rehearsal: false,
            work: Duration::ZERO,
            waited: Duration::ZERO,
            in_user_code: false,
            gated: false,
            rare: None,
        }
    }

    /// Rules that refuse before any hook is asked: a halted run, and hooks that cause too many calls.
    pub(crate) fn gate(&mut self) {
        let current = ambient::around();
        // What goes wrong in a halted run must still be told.
        if self.meta.site.point != super::violation::POINT && self.refuse_if_halted() {
            self.gated = true;
            return;
        }
        let what = if usize::from(current.depth) >= MAX_DEPTH {
            format!("calls nested more than {MAX_DEPTH} deep")
        } else if usize::from(current.redirects) >= MAX_DEPTH {
            format!("redirects more than {MAX_DEPTH} deep")
        } else if current.depth > 0 && ambient::count_caused(self.meta.root) > MAX_CAUSED {
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
            .as_ref()
            .filter(|l| l.is_halted())
            .and_then(|l| l.halted());
        let Some(halted) = halted else { return false };
        let (run, hook, reason) = (halted.run, halted.hook, halted.reason);
        let reason = format!("the run `{run}` was halted by hook `{hook}`: {reason}");
        self.rule("hookpoint.halted", Restriction::Halt, reason, None);
        true
    }

    pub(crate) fn rare(&mut self) -> &mut Rare<'s> {
        self.rare.get_or_insert_default()
    }

    pub(crate) fn now(&self) -> Instant {
        self.meta.clock.now()
    }

    /// At a site that hooks may only watch nothing can be written.
    pub(crate) fn prepare(&self, args: &mut [RawView]) {
        if !self.can.refuse {
            args.iter_mut().for_each(|view| view.restrict(Access::Read));
        }
    }

    /// A planned replacement, to be made a return value before the guards decide on it.
    pub(crate) fn take_replacement(&mut self) -> Option<Replacement> {
        match &mut self.plan {
            Plan::Replace(value) => value.take(),
            _ => None,
        }
    }

    /// The plan turned out to be impossible: its hook has failed, and what was decided about the plan is void.
    pub(crate) fn plan_failed(&mut self, error: HookError) {
        self.plan = Plan::Run;
        self.reopen(true);
        if let Some(entry) = self.plan_by.take() {
            self.meta.dirty.store(self.plan_dirty, Ordering::Relaxed);
            self.fail(entry, crate::point::Phase::Pre, error, None);
        }
    }

    /// What was decided; the arguments are as sealed.
    pub(crate) fn act(&mut self, args: &[RawView]) -> Act {
        let refused = self.restriction > Restriction::None;
        if self.recording || refused || !matches!(self.plan, Plan::Run) {
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
    pub(crate) fn hand_over(&mut self, args: &mut [RawView]) {
        for view in args.iter_mut().filter(|v| !v.outlives_body()) {
            let kept = if self.set.args_after {
                view.clone_value().ok()
            } else {
                None
            };
            view.restrict(Access::Moved);
            if let Some(kept) = kept {
                // SAFETY: the copy is on the heap and lives in `rare.kept` until the call is dropped; the
                // views are used only in this call's steps.
                *view = unsafe { kept.view() };
                self.rare().kept.push(kept);
            }
        }
    }

    /// Runs the body (or what stands in for it) as the current call.
    pub(crate) fn in_body<R>(&mut self, body: impl FnOnce() -> R) -> R {
        let started = self.recording.then(|| self.now());
        self.executed = true;
        self.in_user_code = true;
        let inside = ambient::enter_call(self.meta.id, self.meta.root);
        let result = body();
        self.inner_refusal = ambient::inner_refusal();
        drop(inside);
        self.in_user_code = false;
        self.inner_refusal |= ambient::take_spawned_refusal(self.meta.id);
        if let Some(started) = started {
            self.work += self.now().saturating_duration_since(started);
        }
        result
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
