//! What a registry holds, and how a change of it reaches the sites.

use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, Weak};

use dashmap::DashMap;

use super::life::Life;
use super::order::order;
use crate::approve::Approver;
use crate::catalogue::{self, Forced};
use crate::clock::Clock;
use crate::digest::{Digest, SipDigest};
use crate::error::HookError;
use crate::executor::ResultCache;
use crate::hook::{Callee, Entry, HookMetadata, Mode, OnFailure, Role};
use crate::pattern::Pattern;
use crate::point::{BUILTIN, Phase, suggest};
use crate::registry::HookRegistry;
use crate::scope::ScopeInner;
use crate::sink::{Interest, Sink};

pub(crate) struct Inner {
    pub(super) hooks: DashMap<Box<str>, Arc<Entry>>,
    pub(super) by_point: DashMap<Box<str>, Arc<[Arc<Entry>]>>,
    /// One change at a time; never held while sites build their sets.
    pub(super) change: Mutex<()>,
    pub(super) life: AtomicU8,
    pub(super) forced: Mutex<Option<Forced>>,
    pub(super) closed: RwLock<Vec<Pattern>>,
    pub(super) approver: RwLock<Option<Arc<dyn Approver>>>,
    pub(super) digest: RwLock<Arc<dyn Digest>>,
    pub(super) sinks: RwLock<Vec<Arc<dyn Sink>>>,
    pub(super) scopes: Mutex<Vec<Weak<ScopeInner>>>,
    pub(super) problems: Mutex<Vec<String>>,
    pub(super) unmatched: AtomicBool,
    pub(crate) cache: ResultCache,
    pub(crate) clock: Clock,
    pub(crate) kind: Kind,
}

/// What a registry is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Global,
    Isolated,
    Layer,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Inner {
    pub(super) fn new(kind: Kind, clock: Clock) -> Self {
        Inner {
            hooks: DashMap::new(),
            by_point: DashMap::new(),
            change: Mutex::new(()),
            life: AtomicU8::new(Life::Serving as u8),
            forced: Mutex::new(None),
            closed: RwLock::default(),
            approver: RwLock::default(),
            digest: RwLock::new(Arc::new(SipDigest::default())),
            sinks: RwLock::default(),
            scopes: Mutex::default(),
            problems: Mutex::default(),
            unmatched: AtomicBool::new(false),
            cache: ResultCache::default(),
            clock,
            kind,
        }
    }

    pub(super) fn insert(
        self: &Arc<Self>,
        meta: HookMetadata,
        callee: Callee,
    ) -> Result<Arc<Entry>, HookError> {
        let mut entries = self.swap(&[], vec![(meta, callee)])?;
        entries.pop().ok_or(HookError::Disabled)
    }

    /// Takes hooks out and puts others in; checks everything before it changes anything.
    pub(super) fn swap(
        self: &Arc<Self>,
        out: &[&str],
        with: Vec<(HookMetadata, Callee)>,
    ) -> Result<Vec<Arc<Entry>>, HookError> {
        if !cfg!(feature = "enabled") {
            return Err(HookError::Disabled);
        }
        let _one_change = lock(&self.change);
        let mut removed = Vec::new();
        for id in out {
            let entry = self
                .hooks
                .get(*id)
                .ok_or_else(|| self.unknown(id))?
                .value()
                .clone();
            let replaced = with.iter().any(|(meta, _)| *meta.id == **id);
            if entry.required.load(Ordering::Acquire) && !replaced {
                return Err(HookError::Required {
                    id: (*id).into(),
                    action: "removed",
                });
            }
            removed.push(entry);
        }
        let mut added: Vec<Arc<Entry>> = Vec::with_capacity(with.len());
        for (meta, callee) in with {
            let taken = self.hooks.get(&meta.id).map(|e| e.value().clone());
            let taken = taken.filter(|e| !out.contains(&e.id()));
            if let Some(first) = taken
                .as_ref()
                .or_else(|| added.iter().find(|e| e.meta.id == meta.id))
            {
                return Err(HookError::Duplicate {
                    id: meta.id,
                    first: first.meta.source.to_string().into(),
                    second: meta.source.to_string().into(),
                });
            }
            let entry = super::verify::check(self, meta, callee)?;
            if let Some(old) = removed.iter().find(|e| e.id() == entry.id()) {
                entry
                    .required
                    .store(old.required.load(Ordering::Acquire), Ordering::Release);
            }
            added.push(Arc::new(entry));
        }
        let affected = self.affected(removed.iter().chain(&added));
        let changed = self.changed_points(&affected, &removed, &added)?;
        removed.iter().for_each(|e| drop(self.hooks.remove(e.id())));
        added
            .iter()
            .for_each(|e| drop(self.hooks.insert(e.meta.id.clone(), e.clone())));
        for (point, entries) in changed {
            self.by_point.insert(point, entries);
        }
        self.count_scoped(&removed, -1);
        self.count_scoped(&added, 1);
        affected.iter().for_each(|point| self.publish(Some(point)));
        Ok(added)
    }

    /// The new list of each affected point; an error if one of them has no order.
    #[allow(clippy::type_complexity)]
    fn changed_points(
        &self,
        affected: &[Box<str>],
        removed: &[Arc<Entry>],
        added: &[Arc<Entry>],
    ) -> Result<Vec<(Box<str>, Arc<[Arc<Entry>]>)>, HookError> {
        let mut changed = Vec::with_capacity(affected.len());
        for point in affected {
            let mut entries = self.entries_at(point).to_vec();
            entries.retain(|e| !removed.iter().any(|r| Arc::ptr_eq(r, e)));
            entries.extend(added.iter().filter(|e| e.matches(point)).cloned());
            let intercepts = entries.iter().filter(|e| e.role() == Role::Intercept);
            order(intercepts.cloned().collect())?;
            changed.push((point.clone(), entries.into()));
        }
        Ok(changed)
    }

    pub(crate) fn remove(
        self: &Arc<Self>,
        id: &str,
        only: Option<&Weak<Entry>>,
    ) -> Result<(), HookError> {
        let _one_change = lock(&self.change);
        let Some(entry) = self.hooks.get(id).map(|e| e.value().clone()) else {
            // A guard whose hook was replaced or removed by somebody else has nothing left to do.
            return if only.is_some() {
                Ok(())
            } else {
                Err(self.unknown(id))
            };
        };
        if only.is_some_and(|only| !std::ptr::eq(only.as_ptr(), Arc::as_ptr(&entry))) {
            return Ok(());
        }
        if entry.required.load(Ordering::Acquire) {
            return Err(HookError::Required {
                id: id.into(),
                action: "removed",
            });
        }
        let affected = self.affected([&entry]);
        let removed = [entry];
        let changed = self.changed_points(&affected, &removed, &[])?;
        self.hooks.remove(id);
        for (point, entries) in changed {
            self.by_point.insert(point, entries);
        }
        self.count_scoped(&removed, -1);
        affected.iter().for_each(|point| self.publish(Some(point)));
        Ok(())
    }

    pub(crate) fn set_enabled(self: &Arc<Self>, id: &str, enabled: bool) -> Result<(), HookError> {
        let _one_change = lock(&self.change);
        let entry = self
            .hooks
            .get(id)
            .map(|e| e.value().clone())
            .ok_or_else(|| self.unknown(id))?;
        if !enabled && entry.required.load(Ordering::Acquire) {
            return Err(HookError::Required {
                id: id.into(),
                action: "disabled",
            });
        }
        entry.enabled.store(enabled, Ordering::Release);
        self.affected([&entry])
            .iter()
            .for_each(|point| self.publish(Some(point)));
        Ok(())
    }

    pub(super) fn require(&self, ids: &[&str]) -> Result<(), HookError> {
        let _one_change = lock(&self.change);
        let mut missing = Vec::new();
        let mut found = Vec::new();
        for id in ids {
            let Some(entry) = self.hooks.get(*id).map(|e| e.value().clone()) else {
                missing.push(self.unknown(id).to_string());
                continue;
            };
            let unfit = match () {
                () if entry.meta.once => Some("runs only once"),
                () if entry.meta.mode == Mode::Shadow => Some("is in Shadow mode"),
                () if entry.role() != Role::Observe
                    && entry.on_failure(Phase::Pre) == OnFailure::Open =>
                {
                    Some("is Open on failure")
                }
                () if !entry.enabled.load(Ordering::Acquire) => Some("is disabled"),
                () => None,
            };
            match unfit {
                Some(why) => missing.push(format!("`{id}` {why} and cannot be relied on")),
                None => found.push(entry),
            }
        }
        if !missing.is_empty() {
            return Err(HookError::Missing { missing });
        }
        found
            .iter()
            .for_each(|e| e.required.store(true, Ordering::Release));
        Ok(())
    }

    pub(crate) fn unknown(&self, id: &str) -> HookError {
        let ids: Vec<_> = self.hooks.iter().map(|e| e.key().clone()).collect();
        let suggestion = suggest(id, ids.iter().map(|i| &**i)).map(Into::into);
        HookError::UnknownHook {
            id: id.into(),
            suggestion,
        }
    }

    /// Names of all points that these hooks match: built-in ones and those of linked sites.
    fn affected<'e>(&self, entries: impl IntoIterator<Item = &'e Arc<Entry>>) -> Vec<Box<str>> {
        let mut known: Vec<Box<str>> = BUILTIN.iter().map(|p| p.name().into()).collect();
        known.extend(catalogue::site_points().into_iter().map(Into::into));
        let entries: Vec<_> = entries.into_iter().collect();
        let literals = entries
            .iter()
            .flat_map(|e| &e.patterns)
            .filter(|p| p.is_literal());
        known.extend(literals.map(|p| p.as_str().into()));
        known.sort_unstable();
        known.dedup();
        known.retain(|name| entries.iter().any(|e| e.matches(name)));
        known
    }

    /// A layer's hooks count at the sites that they match, so that those are not idle.
    fn count_scoped(&self, entries: &[Arc<Entry>], by: isize) {
        if self.kind != Kind::Layer || entries.is_empty() {
            return;
        }
        for site in crate::catalogue::sites() {
            let matching = entries
                .iter()
                .filter(|e| e.matches(site.info().point))
                .count();
            site.add_scoped(by * matching as isize);
        }
        catalogue::refresh_states();
    }

    /// The hooks at a point, in no particular order.
    pub(crate) fn entries_at(&self, point: &str) -> Arc<[Arc<Entry>]> {
        if let Some(entries) = self.by_point.get(point) {
            return entries.value().clone();
        }
        // A site that was loaded after the last change: patterns may match it.
        self.hooks
            .iter()
            .filter(|e| e.value().matches(point))
            .map(|e| e.value().clone())
            .collect()
    }

    pub(crate) fn entries(&self) -> Vec<Arc<Entry>> {
        let mut entries: Vec<_> = self.hooks.iter().map(|e| e.value().clone()).collect();
        entries.sort_by(|a, b| a.id().cmp(b.id()));
        entries
    }

    /// Whether a site at that point must look for its set.
    pub(crate) fn has_listeners(&self, point: &str) -> bool {
        self.entries_at(point)
            .iter()
            .any(|e| e.enabled.load(Ordering::Acquire))
            || self
                .sinks_for(point)
                .iter()
                .any(|s| s.interest(point) == Interest::Always)
            || self.is_closed(point)
            || !self.is_serving()
    }

    pub(crate) fn sinks_for(&self, point: &str) -> Box<[Arc<dyn Sink>]> {
        let sinks = self.sinks.read().unwrap_or_else(PoisonError::into_inner);
        sinks
            .iter()
            .filter(|s| s.interest(point) > Interest::Never)
            .cloned()
            .collect()
    }

    pub(crate) fn all_sinks(&self) -> Vec<Arc<dyn Sink>> {
        self.sinks
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    pub(crate) fn is_closed(&self, point: &str) -> bool {
        self.closed
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .iter()
            .any(|p| p.matches(point))
    }

    pub(crate) fn approver(&self) -> Option<Arc<dyn Approver>> {
        self.approver
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    pub(crate) fn digest(&self) -> Arc<dyn Digest> {
        self.digest
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    pub(crate) fn allows_unmatched(&self) -> bool {
        self.unmatched.load(Ordering::Relaxed)
    }

    pub(crate) fn is_serving(&self) -> bool {
        self.life.load(Ordering::Acquire) == Life::Serving as u8
    }

    pub(crate) fn life(&self) -> Life {
        Life::from_u8(self.life.load(Ordering::Acquire))
    }

    pub(super) fn set_life(self: &Arc<Self>, life: Life) {
        self.life.store(life as u8, Ordering::Release);
        let forced = (life != Life::Serving && self.kind == Kind::Global).then(Forced::new);
        let before = std::mem::replace(&mut *lock(&self.forced), forced);
        drop(before);
        self.publish(None);
    }

    pub(crate) fn add_scope(&self, scope: &Arc<ScopeInner>) {
        let mut scopes = lock(&self.scopes);
        scopes.retain(|s| s.strong_count() > 0);
        scopes.push(Arc::downgrade(scope));
    }

    /// Makes a change visible to calls that begin from here on.
    pub(super) fn publish(self: &Arc<Self>, point: Option<&str>) {
        let scopes: Vec<_> = lock(&self.scopes)
            .iter()
            .filter_map(Weak::upgrade)
            .collect();
        scopes.iter().for_each(|scope| scope.forget(point));
        if self.kind == Kind::Global {
            // While it is being made nobody can have called anything yet.
            if let Some(global) = HookRegistry::try_global() {
                catalogue::refresh(&global, point);
            }
        }
    }
}

impl std::fmt::Debug for Inner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "HookRegistry({:?}, {} hooks)",
            self.kind,
            self.hooks.len()
        )
    }
}
