//! The hooks of one site, matched, ordered and immutable.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::inner::Inner;
use super::life::Life;
use super::order::order_layers;
use crate::hook::{Entry, Role};
use crate::monitor::{PointMeter, Sample};
use crate::point::Phase;
use crate::record::Levels;
use crate::sink::{Listener, Sink};
use crate::site::SiteInfo;

pub(crate) type Entries = Box<[Arc<Entry>]>;

/// What a call asks, by step.
pub(crate) struct HookSet {
    /// The registry that decides about life, approvers and the cache.
    pub(crate) registry: Arc<Inner>,
    /// The registries of scopes above it: they narrow.
    layers: Box<[Arc<Inner>]>,
    /// Intercepts before the body, in order.
    pub(crate) pre: Entries,
    /// Guards before the body, by id.
    pub(crate) guards: Entries,
    /// Intercepts after the body returned, in reverse order.
    pub(crate) post: Entries,
    /// Intercepts after the body failed, in reverse order.
    pub(crate) error: Entries,
    /// Guards of the result, by id.
    pub(crate) guards_post: Entries,
    pub(crate) observers: Entries,
    /// Who takes records of this point, of the registry and of the layers.
    pub(crate) sinks: Box<[Listener]>,
    /// Whether every call is recorded, not only exceptional ones.
    pub(crate) record_all: bool,
    /// Whether records say how long the body and each hook took: for sinks that take them all and for budgets, not
    /// for observers alone.
    pub(crate) timed: bool,
    /// Whether some hook before the body is asynchronous.
    pub(crate) async_before: bool,
    /// Whether some hook after the body is asynchronous.
    pub(crate) async_after: bool,
    /// Whether nobody is asked or told, and no grant is needed while the registry serves.
    idle: bool,
    /// Where calls that are measured are counted.
    pub(crate) meter: Option<Arc<PointMeter>>,
    /// There if nothing matters but what the hooks answer, until one of them has something to say.
    pub(crate) quiet: Option<Rows>,
    /// What the takers of records want of the arguments.
    pub(crate) levels: Levels,
    /// How long the hooks may take before lossy observers are not told, if there are any.
    pub(crate) budget: Option<Duration>,
    pub(crate) args_after: bool,
    pub(crate) may_retry: bool,
    /// Closed by the attribute or by configuration.
    pub(crate) closed: bool,
}

/// What is asked one after the other when nobody has anything to say: intercepts, and then guards.
pub(crate) struct Rows {
    pub(crate) before: Entries,
    /// After a body that returned.
    pub(crate) after: Entries,
}

impl HookSet {
    /// The set for a site: the hooks of `registry` and of the layers above it.
    pub(crate) fn build(site: &SiteInfo, registry: &Arc<Inner>, layers: &[Arc<Inner>]) -> HookSet {
        // Every entry goes into a list of the set: none may be dropped here, where locks are held.
        let registries = || std::iter::once(registry).chain(layers);
        let entries: Vec<Vec<_>> = registries().map(|r| r.entries_at(site.point)).collect();
        let with = |role: Role, phase: Phase| -> Vec<Vec<Arc<Entry>>> {
            let fits = |e: &&Arc<Entry>| e.role() == role && e.phases.has(phase);
            let of = |list: &Vec<Arc<Entry>>| list.iter().filter(fits).cloned().collect();
            entries.iter().map(of).collect()
        };
        let intercepts = |phase: Phase, reverse: bool| -> Entries {
            let mut sorted = order_layers(with(Role::Intercept, phase));
            if reverse {
                sorted.reverse();
            }
            sorted.into()
        };
        let by_id = |lists: Vec<Vec<Arc<Entry>>>| -> Entries {
            let mut list = lists.concat();
            list.sort_by(|a, b| a.id().cmp(b.id()));
            list.into()
        };
        let pre = intercepts(Phase::Pre, false);
        let post = intercepts(Phase::Post, true);
        let error = intercepts(Phase::Error, true);
        let guards = by_id(with(Role::Guard, Phase::Pre));
        let guards_post = by_id(with(Role::Guard, Phase::Post));
        let observers = by_id(with(Role::Observe, Phase::Done));
        let mut sinks: Vec<Listener> = registries().flat_map(|r| r.listeners()).collect();
        sinks.retain(|s| s.takes_some(site.point));
        let any_async =
            |lists: &[&Entries]| lists.iter().any(|l| l.iter().any(|e| e.callee.is_async()));
        let timed = sinks.iter().any(|s| s.takes_every(site.point));
        let budget = registries().filter_map(|r| r.budget(site.point)).min();
        let budget = budget.filter(|_| observers.iter().any(|e| e.meta.lossy));
        let timed = timed || budget.is_some();
        let observing = observers.iter().map(|e| e.meta.record_args);
        let levels = Levels::of(sinks.iter().map(Listener::args).chain(observing.clone()));
        let observers_want_values = Levels::of(observing).want_values();
        let record_all = timed || !observers.is_empty();
        let closed = site.flags.closed || registries().any(|r| r.is_closed(site.point));
        let args_after = entries.iter().flatten().any(|e| e.meta.args_after);
        let may_retry = post.iter().chain(error.iter()).any(|e| e.meta.may_retry);
        let asked = [&pre, &guards, &post, &error, &guards_post];
        let plain = asked.iter().all(|list| list.iter().all(|e| e.plain));
        let nobody = asked.iter().all(|list| list.is_empty());
        HookSet {
            idle: nobody && !record_all && !closed,
            quiet: (plain
                && !timed
                && !closed
                && !args_after
                && !may_retry
                && !observers_want_values)
                .then(|| Rows {
                    before: pre.iter().chain(&guards).cloned().collect(),
                    after: post.iter().chain(&guards_post).cloned().collect(),
                }),
            timed,
            meter: registry.meter.point(site.point),
            async_before: any_async(&[&pre, &guards]),
            async_after: any_async(&[&post, &error, &guards_post]),
            args_after,
            may_retry,
            record_all,
            closed,
            levels,
            budget,
            registry: registry.clone(),
            layers: layers.into(),
            pre,
            guards,
            post,
            error,
            guards_post,
            observers,
            sinks: sinks.into(),
        }
    }

    /// Whether a call would do nothing but run its body.
    #[inline]
    pub(crate) fn is_idle(&self) -> bool {
        self.idle && self.is_serving()
    }

    /// Whether its registry and those of the layers serve, so that only a closed point needs a grant.
    #[inline]
    pub(crate) fn is_serving(&self) -> bool {
        let serves = |registry: &Arc<Inner>| registry.life() == Life::Serving;
        serves(&self.registry) && self.layers.iter().all(serves)
    }

    /// When a call begins, if somebody may ask for it.
    #[inline]
    pub(crate) fn start(&self) -> Option<Instant> {
        self.record_all.then(|| self.registry.clock.now())
    }

    /// Whether the call that begins now is measured.
    #[inline]
    pub(crate) fn sample(&self) -> Option<Box<Sample>> {
        let meter = self.meter.as_ref()?;
        meter.sample(|| self.registry.clock.now())
    }

    /// Whether somebody wants to know of a call that failed, or on which a hook acted.
    pub(crate) fn is_told(&self) -> bool {
        self.record_all || !self.sinks.is_empty()
    }

    /// How many answers a call has at most that is not tried again.
    pub(crate) fn asked(&self) -> usize {
        let after = self.post.len() + self.guards_post.len();
        self.pre.len() + self.guards.len() + after.max(self.error.len())
    }

    /// The first life, of the registry and the layers, in which calls need a grant; `None`: all serve.
    pub(crate) fn serving(&self) -> Option<Life> {
        self.registries()
            .map(|r| r.life())
            .find(|life| *life != Life::Serving)
    }

    /// Who hears of signals.
    pub(crate) fn all_sinks(&self) -> Vec<Arc<dyn Sink>> {
        self.registries()
            .flat_map(|r| r.listeners())
            .map(|l| l.sink)
            .collect()
    }

    fn registries(&self) -> impl Iterator<Item = &Arc<Inner>> {
        std::iter::once(&self.registry).chain(&self.layers)
    }

    /// Every hook with each phase that it is asked in, in that order.
    pub(crate) fn all(&self) -> impl Iterator<Item = (Phase, &Arc<Entry>)> {
        self.pre
            .iter()
            .map(|e| (Phase::Pre, e))
            .chain(self.guards.iter().map(|e| (Phase::Pre, e)))
            .chain(self.post.iter().map(|e| (Phase::Post, e)))
            .chain(self.error.iter().map(|e| (Phase::Error, e)))
            .chain(self.guards_post.iter().map(|e| (Phase::Post, e)))
            .chain(self.observers.iter().map(|e| (Phase::Done, e)))
    }
}
