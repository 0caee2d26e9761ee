//! The hooks of one site, matched, ordered and immutable.

use std::sync::Arc;

use super::inner::Inner;
use super::order::order;
use crate::hook::{Entry, Role};
use crate::point::Phase;
use crate::sink::{Interest, Sink};
use crate::site::SiteInfo;

pub(crate) type Entries = Box<[Arc<Entry>]>;

/// What a call asks, by step.
pub(crate) struct HookSet {
    /// The registry that decides about life, approvers and the cache.
    pub(crate) registry: Arc<Inner>,
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
    pub(crate) sinks: Box<[Arc<dyn Sink>]>,
    /// Whether every call is recorded, not only exceptional ones.
    pub(crate) record_all: bool,
    /// Whether some hook before the body is asynchronous.
    pub(crate) async_before: bool,
    /// Whether some hook after the body is asynchronous.
    pub(crate) async_after: bool,
    pub(crate) args_after: bool,
    pub(crate) may_retry: bool,
    /// Closed by the attribute or by configuration.
    pub(crate) closed: bool,
}

impl HookSet {
    /// The set for a site: the hooks of `registry` and of the layers above it.
    pub(crate) fn build(site: &SiteInfo, registry: &Arc<Inner>, layers: &[Arc<Inner>]) -> HookSet {
        let base = registry.entries_at(site.point);
        let mut entries = base.to_vec();
        for layer in layers {
            entries.extend(layer.entries_at(site.point).iter().cloned());
        }
        entries.retain(|e| e.enabled.load(std::sync::atomic::Ordering::Acquire));
        let with = |role: Role, phase: Phase| -> Vec<Arc<Entry>> {
            entries
                .iter()
                .filter(|e| e.role() == role && e.phases.has(phase))
                .cloned()
                .collect()
        };
        let intercepts = |phase: Phase, reverse: bool| -> Entries {
            let mut sorted = sorted(with(Role::Intercept, phase));
            if reverse {
                sorted.reverse();
            }
            sorted.into()
        };
        let by_id = |mut list: Vec<Arc<Entry>>| -> Entries {
            list.sort_by(|a, b| a.id().cmp(b.id()));
            list.into()
        };
        let pre = intercepts(Phase::Pre, false);
        let post = intercepts(Phase::Post, true);
        let error = intercepts(Phase::Error, true);
        let guards = by_id(with(Role::Guard, Phase::Pre));
        let guards_post = by_id(with(Role::Guard, Phase::Post));
        let observers = by_id(with(Role::Observe, Phase::Done));
        let sinks: Box<[_]> = registry.sinks_for(site.point);
        let any_async =
            |lists: &[&Entries]| lists.iter().any(|l| l.iter().any(|e| e.callee.is_async()));
        HookSet {
            async_before: any_async(&[&pre, &guards]),
            async_after: any_async(&[&post, &error, &guards_post]),
            args_after: entries.iter().any(|e| e.meta.args_after),
            may_retry: post.iter().chain(error.iter()).any(|e| e.meta.may_retry),
            record_all: !observers.is_empty()
                || sinks
                    .iter()
                    .any(|s| s.interest(site.point) == Interest::Always),
            closed: site.flags.closed || registry.is_closed(site.point),
            registry: registry.clone(),
            pre,
            guards,
            post,
            error,
            guards_post,
            observers,
            sinks,
        }
    }

    /// Whether a call would do nothing but run its body.
    pub(crate) fn is_idle(&self) -> bool {
        self.pre.is_empty()
            && self.guards.is_empty()
            && self.post.is_empty()
            && self.error.is_empty()
            && self.guards_post.is_empty()
            && !self.record_all
            && !self.closed
            && self.registry.is_serving()
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

/// Each registry refuses a registration that would close a cycle among its own hooks, so one can only arise
/// between a registry and a scope above it; then the scope's wishes give way to priorities.
fn sorted(entries: Vec<Arc<Entry>>) -> Vec<Arc<Entry>> {
    order(entries.clone()).unwrap_or_else(|_cycle_across_scopes| {
        let mut entries = entries;
        entries.sort_by(|a, b| (a.meta.priority, a.id()).cmp(&(b.meta.priority, b.id())));
        entries
    })
}
