//! What a registry holds, and how a change of it reaches the sites.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, Weak};
use std::time::Duration;

use super::life::Life;
use super::order::order;
use super::verify::{check, unfit, weaker};
use crate::approve::Approver;
use crate::catalogue;
use crate::clock::Clock;
use crate::digest::{Digest, SipDigest};
use crate::error::HookError;
use crate::executor::ResultCache;
use crate::hook::{Callee, Entry, HookMetadata, Role};
use crate::monitor::Meter;
use crate::panic::caught;
use crate::pattern::Pattern;
use crate::point::{BUILTIN, suggest};
use crate::record::{Redactor, ShapeOnly};
use crate::registry::HookRegistry;
use crate::scope::ScopeInner;
use crate::sink::Listener;

/// What was taken out under a lock, to be dropped when all locks are released: dropping a hook runs anybody's
/// code.
pub(crate) type Garbage = Vec<Box<dyn Send>>;

pub(crate) struct Inner {
    /// Read for moments only, and never held while anything but the map is touched.
    hooks: RwLock<BTreeMap<Box<str>, Arc<Entry>>>,
    /// One change at a time; never held while sites build their sets.
    change: Mutex<()>,
    life: AtomicU8,
    pub(super) closed: RwLock<Vec<Pattern>>,
    pub(super) approver: RwLock<Option<Arc<dyn Approver>>>,
    pub(super) digest: RwLock<Arc<dyn Digest>>,
    pub(super) redactor: RwLock<Arc<dyn Redactor>>,
    /// Whether it was given one: the one that it begins with leaves texts as they are.
    pub(super) redacts: AtomicBool,
    /// How long the hooks of a point may take, by pattern.
    pub(super) budgets: RwLock<Vec<(Pattern, Duration)>>,
    pub(super) listeners: RwLock<Vec<Listener>>,
    scopes: Mutex<Vec<Weak<ScopeInner>>>,
    pub(super) problems: Mutex<Vec<String>>,
    pub(super) unmatched: AtomicBool,
    pub(crate) cache: ResultCache,
    pub(crate) clock: Clock,
    pub(crate) meter: Meter,
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

fn read<T>(lock: &RwLock<T>) -> RwLockReadGuard<'_, T> {
    lock.read().unwrap_or_else(PoisonError::into_inner)
}

impl Inner {
    pub(super) fn new(kind: Kind, clock: Clock) -> Arc<Self> {
        let inner = Arc::new(Inner {
            hooks: RwLock::default(),
            change: Mutex::new(()),
            life: AtomicU8::new(Life::Serving as u8),
            closed: RwLock::default(),
            approver: RwLock::default(),
            digest: RwLock::new(Arc::new(SipDigest::default())),
            redactor: RwLock::new(Arc::new(ShapeOnly)),
            redacts: AtomicBool::new(false),
            budgets: RwLock::default(),
            listeners: RwLock::default(),
            scopes: Mutex::default(),
            problems: Mutex::default(),
            unmatched: AtomicBool::new(false),
            cache: ResultCache::default(),
            clock,
            meter: Meter::default(),
            kind,
        });
        if kind == Kind::Layer {
            catalogue::add_layer(&inner);
        }
        inner
    }

    pub(super) fn insert(
        self: &Arc<Self>,
        meta: HookMetadata,
        callee: Callee,
    ) -> Result<Arc<Entry>, HookError> {
        let mut entries = self.swap(&[], vec![(meta, callee)])?;
        entries.pop().ok_or(HookError::Disabled)
    }

    /// Takes hooks out and puts others in, in one step; checks everything before it changes anything.
    pub(super) fn swap(
        self: &Arc<Self>,
        out: &[&str],
        with: Vec<(HookMetadata, Callee)>,
    ) -> Result<Vec<Arc<Entry>>, HookError> {
        self.swap_found(|| self.find_all(out), with)
    }

    /// The same with the entries themselves; those that are not registered here any more are passed over.
    pub(super) fn swap_entries(
        self: &Arc<Self>,
        out: &[&Weak<Entry>],
        with: Vec<(HookMetadata, Callee)>,
    ) -> Result<Vec<Arc<Entry>>, HookError> {
        // Kept until the lock is released: one of them may be the last handle on its entry.
        let known: Vec<Arc<Entry>> = out.iter().filter_map(|entry| entry.upgrade()).collect();
        let registered = |entry: &&Arc<Entry>| {
            let found = self.find(entry.id());
            found.is_ok_and(|found| Arc::ptr_eq(&found, entry))
        };
        let find = || Ok(known.iter().filter(registered).cloned().collect());
        self.swap_found(find, with)
    }

    fn swap_found(
        self: &Arc<Self>,
        find: impl FnOnce() -> Result<Vec<Arc<Entry>>, HookError>,
        with: Vec<(HookMetadata, Callee)>,
    ) -> Result<Vec<Arc<Entry>>, HookError> {
        if !cfg!(feature = "enabled") {
            return Err(HookError::Disabled);
        }
        let checked = with
            .into_iter()
            .map(|(meta, callee)| check(self, meta, callee).map(Arc::new));
        let added = checked.collect::<Result<Vec<_>, _>>()?;
        let one_change = lock(&self.change);
        let swapped = find().and_then(|removed| self.exchange(&removed, &added));
        drop(one_change);
        swapped.map(|_garbage| added)
    }

    /// Takes one hook out; with `only`, no other that came to have its id meanwhile.
    pub(crate) fn remove(
        self: &Arc<Self>,
        id: &str,
        only: Option<&Weak<Entry>>,
    ) -> Result<(), HookError> {
        let one_change = lock(&self.change);
        let same = |entry: &Arc<Entry>| {
            only.is_none_or(|only| std::ptr::eq(only.as_ptr(), Arc::as_ptr(entry)))
        };
        let removed = match self.find(id) {
            Ok(entry) if same(&entry) => self.exchange(&[entry], &[]),
            // It was replaced or removed by somebody else: nothing is left to do.
            Ok(_) => Ok(Garbage::default()),
            Err(_) if only.is_some() => Ok(Garbage::default()),
            Err(unknown) => Err(unknown),
        };
        drop(one_change);
        removed.map(drop)
    }

    /// Under `change`. Nothing that is given may be the last handle on an entry that is in the map.
    fn exchange(
        self: &Arc<Self>,
        removed: &[Arc<Entry>],
        added: &[Arc<Entry>],
    ) -> Result<Garbage, HookError> {
        let mut successors = Vec::new();
        for old in removed
            .iter()
            .filter(|e| e.required.load(Ordering::Acquire))
        {
            let new = added.iter().find(|new| new.id() == old.id());
            let new = new.ok_or_else(|| HookError::Required {
                id: old.meta.id.clone(),
                action: "removed",
            })?;
            if let Some(how) = unfit(new).or_else(|| weaker(new, old)) {
                let why = format!("it is required, and what would replace it {how}");
                return Err(HookError::Invalid {
                    id: old.meta.id.clone(),
                    why: why.into(),
                });
            }
            successors.push(new);
        }
        for (i, entry) in added.iter().enumerate() {
            let stays = |e: &Arc<Entry>| !removed.iter().any(|r| Arc::ptr_eq(r, e));
            let first = self.find(entry.id()).ok().filter(stays);
            if let Some(first) = first
                .as_ref()
                .or_else(|| added[..i].iter().find(|e| e.id() == entry.id()))
            {
                return Err(HookError::Duplicate {
                    id: entry.meta.id.clone(),
                    first: first.meta.source.to_string().into(),
                    second: entry.meta.source.to_string().into(),
                });
            }
        }
        self.check_order(removed, added)?;
        successors
            .iter()
            .for_each(|new| new.required.store(true, Ordering::Release));
        let mut garbage = Garbage::default();
        let mut hooks = self.hooks.write().unwrap_or_else(PoisonError::into_inner);
        for entry in removed {
            garbage.push(Box::new(hooks.remove(entry.id())));
        }
        hooks.extend(added.iter().map(|e| (e.meta.id.clone(), e.clone())));
        drop(hooks);
        let touched = |point: &str| removed.iter().chain(added).any(|e| e.matches(point));
        garbage.extend(self.publish(&touched));
        Ok(garbage)
    }

    /// An error if the intercepts of a point would have no order.
    fn check_order(&self, removed: &[Arc<Entry>], added: &[Arc<Entry>]) -> Result<(), HookError> {
        let added: Vec<_> = added
            .iter()
            .filter(|e| e.role() == Role::Intercept)
            .collect();
        for point in known_points(&added) {
            let mut intercepts: Vec<_> = added
                .iter()
                .copied()
                .filter(|e| e.matches(&point))
                .cloned()
                .collect();
            if intercepts.is_empty() {
                continue;
            }
            let stay = |e: &&Arc<Entry>| {
                e.role() == Role::Intercept
                    && e.matches(&point)
                    && !removed.iter().any(|r| Arc::ptr_eq(r, e))
            };
            intercepts.extend(read(&self.hooks).values().filter(stay).cloned());
            order(intercepts)?;
        }
        Ok(())
    }

    fn find(&self, id: &str) -> Result<Arc<Entry>, HookError> {
        let found = read(&self.hooks).get(id).cloned();
        found.ok_or_else(|| self.unknown(id))
    }

    fn find_all(&self, ids: &[&str]) -> Result<Vec<Arc<Entry>>, HookError> {
        ids.iter().map(|id| self.find(id)).collect()
    }

    pub(crate) fn set_enabled(self: &Arc<Self>, id: &str, enabled: bool) -> Result<(), HookError> {
        let one_change = lock(&self.change);
        let entry = self.find(id)?;
        if !enabled && entry.required.load(Ordering::Acquire) {
            return Err(HookError::Required {
                id: id.into(),
                action: "disabled",
            });
        }
        entry.enabled.store(enabled, Ordering::Release);
        let garbage = self.publish(&|point| entry.matches(point));
        drop(one_change);
        drop((entry, garbage));
        Ok(())
    }

    pub(super) fn require(&self, ids: &[&str]) -> Result<(), HookError> {
        if !cfg!(feature = "enabled") {
            return Err(HookError::Disabled);
        }
        let _one_change = lock(&self.change);
        let mut missing = Vec::new();
        let mut found = Vec::new();
        for id in ids {
            match self.find(id) {
                Err(unknown) => missing.push(unknown.to_string()),
                Ok(entry) => match unfit(&entry) {
                    Some(why) => missing.push(format!("`{id}` {why} and cannot be relied on")),
                    None => found.push(entry),
                },
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
        let hooks = read(&self.hooks);
        let suggestion = suggest(id, hooks.keys().map(|known| &**known)).map(Into::into);
        HookError::UnknownHook {
            id: id.into(),
            suggestion,
        }
    }

    /// The hooks at a point that are asked, by id. Whoever asks for them keeps them all, or drops them only
    /// when no lock is held.
    pub(crate) fn entries_at(&self, point: &str) -> Vec<Arc<Entry>> {
        let hooks = read(&self.hooks);
        hooks
            .values()
            .filter(|e| is_asked(e, point))
            .cloned()
            .collect()
    }

    /// All hooks, by id.
    pub(crate) fn entries(&self) -> Vec<Arc<Entry>> {
        read(&self.hooks).values().cloned().collect()
    }

    /// Whether a site at that point must look for its set.
    pub(crate) fn has_listeners(&self, point: &str) -> bool {
        read(&self.hooks).values().any(|e| is_asked(e, point))
            || read(&self.listeners).iter().any(|l| l.takes_every(point))
            || self.is_closed(point)
            || self.life() != Life::Serving
    }

    pub(crate) fn listeners(&self) -> Vec<Listener> {
        read(&self.listeners).clone()
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

    pub(crate) fn redactor(&self) -> Arc<dyn Redactor> {
        read(&self.redactor).clone()
    }

    /// What somebody said, as it may be written.
    pub(crate) fn redacted(&self, text: Box<str>) -> Box<str> {
        if !self.redacts.load(Ordering::Acquire) {
            return text;
        }
        let redactor = self.redactor();
        let redacted = caught(|| {
            let mut text = text.into_string();
            redactor.redact_text(&mut text);
            text
        });
        redacted.map_or("(the redactor panicked)".into(), Into::into)
    }

    /// How long the hooks of the point may take in a call: the least of what was said.
    pub(crate) fn budget(&self, point: &str) -> Option<Duration> {
        let budgets = read(&self.budgets);
        let here = budgets.iter().filter(|(pattern, _)| pattern.matches(point));
        here.map(|(_, budget)| *budget).min()
    }

    pub(crate) fn allows_unmatched(&self) -> bool {
        self.unmatched.load(Ordering::Relaxed)
    }

    #[inline]
    pub(crate) fn life(&self) -> Life {
        Life::from_u8(self.life.load(Ordering::Acquire))
    }

    pub(super) fn set_life(self: &Arc<Self>, life: Life) {
        self.life.store(life as u8, Ordering::Release);
        drop(self.publish(&|_| true));
    }

    pub(crate) fn add_scope(&self, scope: &Arc<ScopeInner>) {
        let mut scopes = lock(&self.scopes);
        scopes.retain(|s| s.strong_count() > 0);
        scopes.push(Arc::downgrade(scope));
    }

    /// Makes a change visible to calls that begin from here on.
    #[must_use = "it may hold hooks: drop it when no lock is held"]
    pub(crate) fn publish(self: &Arc<Self>, touched: &dyn Fn(&str) -> bool) -> Garbage {
        let mut garbage = Garbage::default();
        let scopes: Vec<_> = lock(&self.scopes)
            .iter()
            .filter_map(Weak::upgrade)
            .collect();
        for scope in scopes {
            garbage.push(Box::new(scope.forget(touched)));
            garbage.push(Box::new(scope));
        }
        match self.kind {
            // While it is being made nobody can have called anything yet.
            Kind::Global => {
                if let Some(global) = HookRegistry::try_global() {
                    garbage.extend(catalogue::refresh(&global, touched));
                }
            }
            Kind::Layer => garbage.extend(catalogue::refresh_states(touched)),
            // Its scopes keep every site active.
            Kind::Isolated => {}
        }
        garbage
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        if self.kind == Kind::Layer {
            catalogue::remove_layer(self);
        }
    }
}

fn is_asked(entry: &Entry, point: &str) -> bool {
    entry.enabled.load(Ordering::Acquire) && entry.matches(point)
}

/// The points that there are: built-in ones, those of linked sites, and what these hooks name.
fn known_points(hooks: &[&Arc<Entry>]) -> Vec<Box<str>> {
    let mut known: Vec<Box<str>> = BUILTIN.iter().map(|p| p.name().into()).collect();
    known.extend(catalogue::site_points().into_iter().map(Into::into));
    let literals = hooks
        .iter()
        .flat_map(|e| &e.patterns)
        .filter(|p| p.is_literal());
    known.extend(literals.map(|p| p.as_str().into()));
    known.sort_unstable();
    known.dedup();
    known
}

impl std::fmt::Debug for Inner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "HookRegistry({:?}, {} hooks)",
            self.kind,
            read(&self.hooks).len()
        )
    }
}
