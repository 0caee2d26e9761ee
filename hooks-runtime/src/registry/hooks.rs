//! The registry: hooks by id and by point. Management only: calls read what is published to their sites.

use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock, Weak};

use dashmap::DashMap;
use serde::Serialize;

use super::builder::HookBuilder;
use super::guard::HookGuard;
use super::life::Life;
use super::order::order;
use super::target::Target;
use crate::answer::{IntoAnswer, Vote};
use crate::approve::Approver;
use crate::catalogue::{self, Forced};
use crate::clock::Clock;
use crate::context::HookContext;
use crate::digest::{Digest, SipDigest};
use crate::discovery::HookRegistration;
use crate::error::HookError;
use crate::executor::ResultCache;
use crate::hook::{Callee, Entry, Hook, HookMetadata, Mode, OnFailure, Priority, Role, Source, SyncHook};
use crate::pattern::Pattern;
use crate::point::{BUILTIN, Phase, suggest};
use crate::record::DecisionRecord;
use crate::scope::ScopeInner;
use crate::sink::{Interest, Sink};

/// Environment variable: if set and not empty, the global registry starts without serving.
pub(crate) const REQUIRE_POLICY: &str = "HOOKPOINT_REQUIRE_POLICY";

/// A set of hooks, and what decides about them. Cloning gives another handle on the same registry.
#[derive(Clone)]
pub struct HookRegistry(Arc<Inner>);

/// What a registration looks like from outside.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct HookInfo {
    /// The id.
    pub id: Box<str>,
    /// A sentence, if the author gave one.
    pub description: Box<str>,
    /// Points and patterns.
    pub points: Vec<Box<str>>,
    /// What it may do.
    pub role: Role,
    /// When it is asked.
    pub phases: Vec<Phase>,
    /// Its place in the order.
    pub priority: Priority,
    /// What its failure means before the body.
    pub on_failure: OnFailure,
    /// Whether its answers count.
    pub mode: Mode,
    /// Labels.
    pub tags: Vec<Box<str>>,
    /// Whether it is asked at all.
    pub enabled: bool,
    /// Whether the configuration requires it.
    pub required: bool,
    /// Who wrote it, and where.
    pub source: Source,
}

pub(crate) struct Inner {
    hooks: DashMap<Box<str>, Arc<Entry>>,
    by_point: DashMap<Box<str>, Arc<[Arc<Entry>]>>,
    /// One change at a time; never held while sites build their sets.
    change: Mutex<()>,
    life: AtomicU8,
    forced: Mutex<Option<Forced>>,
    closed: RwLock<Vec<Pattern>>,
    approver: RwLock<Option<Arc<dyn Approver>>>,
    digest: RwLock<Arc<dyn Digest>>,
    sinks: RwLock<Vec<Arc<dyn Sink>>>,
    scopes: Mutex<Vec<Weak<ScopeInner>>>,
    problems: Mutex<Vec<String>>,
    unmatched: AtomicBool,
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

/// The registry of the current scope: the isolated one that is entered, or the global one.
///
/// ```
/// # use hooks_runtime::{hooks, Vote};
/// let guard = hooks().guard("read-only", "tool.execute", |_cx| Ok(Vote::cancel("read only")))?;
/// drop(guard); // unregistered again
/// # Ok::<(), hooks_runtime::HookError>(())
/// ```
pub fn hooks() -> HookRegistry {
    match crate::ambient::link() {
        Some(link) => HookRegistry(link.base().clone()),
        None => HookRegistry::global(),
    }
}

static GLOBAL: OnceLock<HookRegistry> = OnceLock::new();

impl HookRegistry {
    /// The registry that calls use outside of scopes. The first call finds all sites and plugin hooks.
    pub fn global() -> HookRegistry {
        static MAKING: Mutex<()> = Mutex::new(());
        if let Some(global) = GLOBAL.get() {
            return global.clone();
        }
        let _one_thread = lock(&MAKING);
        if let Some(global) = GLOBAL.get() {
            return global.clone();
        }
        catalogue::collect();
        let global = HookRegistry(Arc::new(Inner::new(Kind::Global, Clock::system())));
        if std::env::var_os(REQUIRE_POLICY).is_some_and(|v| !v.is_empty()) {
            global.set_life(Life::Starting);
        }
        crate::discovery::register_all(&global);
        let global = GLOBAL.get_or_init(|| global).clone();
        catalogue::refresh(&global, None);
        global
    }

    pub(crate) fn try_global() -> Option<HookRegistry> {
        GLOBAL.get().cloned()
    }

    /// An empty registry of its own, entered with [`crate::HookScope::isolated`]; it serves at once.
    #[allow(clippy::new_without_default)] // two empty registries are not interchangeable
    pub fn new() -> HookRegistry {
        HookRegistry::with_clock(Clock::system())
    }

    /// The same with a clock that a test moves.
    pub fn with_clock(clock: Clock) -> HookRegistry {
        let _discovered = HookRegistry::global();
        HookRegistry(Arc::new(Inner::new(Kind::Isolated, clock)))
    }

    pub(crate) fn layer() -> HookRegistry {
        let _discovered = HookRegistry::global();
        HookRegistry(Arc::new(Inner::new(Kind::Layer, Clock::system())))
    }

    pub(crate) fn inner(&self) -> &Arc<Inner> {
        &self.0
    }

    /// Starts a hook with options.
    #[track_caller]
    pub fn on(&self, id: impl Into<Box<str>>) -> HookBuilder {
        HookBuilder::new(self.clone(), HookMetadata::new(id))
    }

    /// Registers a synchronous intercept before the body.
    ///
    /// # Errors
    /// What [`HookRegistry::register`] refuses.
    #[track_caller]
    pub fn intercept<R: IntoAnswer>(
        &self,
        id: impl Into<Box<str>>,
        target: impl Target,
        hook: impl Fn(&mut HookContext<'_>) -> R + Send + Sync + 'static,
    ) -> Result<HookGuard, HookError> {
        self.on(id).point(target.pattern()).intercept(hook)
    }

    /// Registers a synchronous guard on the sealed arguments.
    ///
    /// # Errors
    /// What [`HookRegistry::register`] refuses.
    #[track_caller]
    pub fn guard<T: Target>(
        &self,
        id: impl Into<Box<str>>,
        target: T,
        hook: impl for<'a> Fn(T::View<'a>) -> Result<Vote, HookError> + Send + Sync + 'static,
    ) -> Result<HookGuard, HookError> {
        let builder = self.on(id).point(target.pattern());
        builder.guard(move |cx| hook(T::view(cx)?))
    }

    /// Registers an observer.
    ///
    /// # Errors
    /// What [`HookRegistry::register`] refuses.
    #[track_caller]
    pub fn observe(
        &self,
        id: impl Into<Box<str>>,
        target: impl Target,
        observer: impl Fn(&DecisionRecord) + Send + Sync + 'static,
    ) -> Result<HookGuard, HookError> {
        self.on(id).point(target.pattern()).observe(observer)
    }

    /// Registers a hook that is a type.
    ///
    /// # Errors
    /// - [`HookError::Duplicate`]: the id is taken; both places are named.
    /// - [`HookError::UnknownPoint`], [`HookError::BadPattern`]: it would never be asked.
    /// - [`HookError::Cycle`]: `before` and `after` contradict each other.
    /// - [`HookError::Invalid`]: the role, phase or an argument name does not fit the point.
    /// - [`HookError::Disabled`]: built without the feature `enabled`.
    pub fn register(&self, hook: impl Hook) -> Result<HookGuard, HookError> {
        let meta = hook.metadata();
        let hook = Arc::new(hook);
        let callee = Callee::InterceptAsync(Box::new(move |cx| {
            let hook = hook.clone();
            Box::pin(async move { Ok(hook.execute(cx).await) })
        }));
        self.insert(meta, callee)
    }

    /// Registers a synchronous hook that is a type.
    ///
    /// # Errors
    /// As [`HookRegistry::register`].
    pub fn register_sync(&self, hook: impl SyncHook) -> Result<HookGuard, HookError> {
        let meta = hook.metadata();
        self.insert(meta, Callee::Intercept(Box::new(move |cx| Ok(hook.execute(cx)))))
    }

    pub(crate) fn insert(&self, meta: HookMetadata, callee: Callee) -> Result<HookGuard, HookError> {
        let id = meta.id.clone();
        let entry = self.0.insert(meta, callee)?;
        Ok(HookGuard::new(Arc::downgrade(&self.0), &id, Arc::downgrade(&entry)))
    }

    /// Registers what plugin crates submitted; used where a program must not rely on link-time discovery.
    ///
    /// # Errors
    /// As [`HookRegistry::register`].
    pub fn register_link_time(&self, registration: &HookRegistration) -> Result<HookGuard, HookError> {
        let (meta, callee) = registration.parts();
        self.insert(meta, callee)
    }

    /// Removes the hook of that id; calls under way still ask it.
    ///
    /// # Errors
    /// [`HookError::UnknownHook`], or [`HookError::Required`] for a required hook.
    pub fn unregister(&self, id: &str) -> Result<(), HookError> {
        self.0.remove(id, None)
    }

    /// Replaces hooks by others in one step for each point: no call sees both or neither.
    ///
    /// # Errors
    /// As [`HookRegistry::register`]; then nothing has changed.
    pub fn replace(&self, ids: &[&str], with: Vec<PreparedHook>) -> Result<Vec<HookGuard>, HookError> {
        let entries = self.0.swap(ids, with.into_iter().map(|p| (p.meta, p.callee)).collect())?;
        let guard = |e: &Arc<Entry>| HookGuard::new(Arc::downgrade(&self.0), e.id(), Arc::downgrade(e));
        Ok(entries.iter().map(guard).collect())
    }

    /// Asks the hook again, or stops asking it.
    ///
    /// # Errors
    /// [`HookError::UnknownHook`], or [`HookError::Required`] when disabling a required hook.
    pub fn set_enabled(&self, id: &str, enabled: bool) -> Result<(), HookError> {
        self.0.set_enabled(id, enabled)
    }

    /// All hooks, by id.
    pub fn list(&self) -> Vec<HookInfo> {
        let mut list: Vec<_> = self.0.hooks.iter().map(|e| info(e.value())).collect();
        list.sort_by(|a, b| a.id.cmp(&b.id));
        list
    }

    /// Where the registry is in its life.
    pub fn life(&self) -> Life {
        self.0.life()
    }

    /// Moves it on. Outside of [`Life::Serving`] calls pass only with a grant.
    pub fn set_life(&self, life: Life) {
        self.0.set_life(life);
    }

    /// Closes the points that match: calls there pass only with a grant.
    ///
    /// # Errors
    /// The pattern can never match.
    pub fn close_point(&self, pattern: &str) -> Result<(), HookError> {
        let (pattern, _) = Pattern::parse(pattern)?;
        self.0.closed.write().unwrap_or_else(PoisonError::into_inner).push(pattern);
        self.0.publish(None);
        Ok(())
    }

    /// Makes hooks required: they cannot be removed or disabled any more.
    ///
    /// # Errors
    /// [`HookError::Missing`] names those that are not registered (with the nearest id that is), and those
    /// that are `once`, in Shadow or Open; none is required then.
    pub fn require(&self, ids: &[&str]) -> Result<(), HookError> {
        self.0.require(ids)
    }

    /// Who answers `Ask`.
    pub fn set_approver(&self, approver: impl Approver + 'static) {
        *self.0.approver.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(approver));
    }

    /// How argument digests are made, instead of the built-in keyed one.
    pub fn set_digest(&self, digest: impl Digest + 'static) {
        *self.0.digest.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(digest);
    }

    /// Adds a taker of records and signals, for as long as the registry lives.
    pub fn add_sink(&self, sink: Arc<dyn Sink>) {
        self.0.sinks.write().unwrap_or_else(PoisonError::into_inner).push(sink);
        self.0.publish(None);
    }

    /// Accepts hooks on points that no linked site has; for tests of hooks apart from the sites they are for.
    pub fn allow_unmatched(&self) {
        self.0.unmatched.store(true, Ordering::Relaxed);
    }

    /// What went wrong at discovery: plugin hooks that could not be registered.
    pub fn problems(&self) -> Vec<String> {
        lock(&self.0.problems).clone()
    }

    pub(crate) fn add_problem(&self, problem: String) {
        lock(&self.0.problems).push(problem);
    }
}

/// A hook that is ready to be registered, see [`HookRegistry::replace`].
pub struct PreparedHook {
    meta: HookMetadata,
    callee: Callee,
}

impl PreparedHook {
    /// A synchronous intercept.
    pub fn intercept<R: IntoAnswer>(
        meta: HookMetadata,
        hook: impl Fn(&mut HookContext<'_>) -> R + Send + Sync + 'static,
    ) -> Self {
        PreparedHook { meta, callee: Callee::Intercept(Box::new(move |cx| hook(cx).into_answer())) }
    }
    /// A synchronous guard.
    pub fn guard(
        meta: HookMetadata,
        hook: impl Fn(&crate::GuardContext<'_>) -> Result<Vote, HookError> + Send + Sync + 'static,
    ) -> Self {
        PreparedHook { meta, callee: Callee::Guard(Box::new(hook)) }
    }
    /// An observer.
    pub fn observe(meta: HookMetadata, hook: impl Fn(&DecisionRecord) + Send + Sync + 'static) -> Self {
        PreparedHook { meta, callee: Callee::Observe(Box::new(hook)) }
    }
}

fn info(entry: &Entry) -> HookInfo {
    HookInfo {
        id: entry.meta.id.clone(),
        description: entry.meta.description.clone(),
        points: entry.patterns.iter().map(|p| p.as_str().into()).collect(),
        role: entry.role(),
        phases: entry.phases.iter().collect(),
        priority: entry.meta.priority,
        on_failure: entry.on_failure(Phase::Pre),
        mode: entry.meta.mode,
        tags: entry.meta.tags.clone(),
        enabled: entry.enabled.load(Ordering::Acquire),
        required: entry.required.load(Ordering::Acquire),
        source: entry.meta.source.clone(),
    }
}

impl Inner {
    fn new(kind: Kind, clock: Clock) -> Self {
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

    fn insert(self: &Arc<Self>, meta: HookMetadata, callee: Callee) -> Result<Arc<Entry>, HookError> {
        let mut entries = self.swap(&[], vec![(meta, callee)])?;
        entries.pop().ok_or(HookError::Disabled)
    }

    /// Takes hooks out and puts others in; checks everything before it changes anything.
    fn swap(
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
            let entry = self.hooks.get(*id).ok_or_else(|| self.unknown(id))?.value().clone();
            let replaced = with.iter().any(|(meta, _)| *meta.id == **id);
            if entry.required.load(Ordering::Acquire) && !replaced {
                return Err(HookError::Required { id: (*id).into(), action: "removed" });
            }
            removed.push(entry);
        }
        let mut added: Vec<Arc<Entry>> = Vec::with_capacity(with.len());
        for (meta, callee) in with {
            let taken = self.hooks.get(&meta.id).map(|e| e.value().clone());
            let taken = taken.filter(|e| !out.contains(&e.id()));
            if let Some(first) = taken.as_ref().or_else(|| added.iter().find(|e| e.meta.id == meta.id)) {
                return Err(HookError::Duplicate {
                    id: meta.id,
                    first: first.meta.source.to_string().into(),
                    second: meta.source.to_string().into(),
                });
            }
            let entry = super::verify::check(self, meta, callee)?;
            if let Some(old) = removed.iter().find(|e| e.id() == entry.id()) {
                entry.required.store(old.required.load(Ordering::Acquire), Ordering::Release);
            }
            added.push(Arc::new(entry));
        }
        let affected = self.affected(removed.iter().chain(&added));
        let changed = self.changed_points(&affected, &removed, &added)?;
        removed.iter().for_each(|e| drop(self.hooks.remove(e.id())));
        added.iter().for_each(|e| drop(self.hooks.insert(e.meta.id.clone(), e.clone())));
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

    pub(crate) fn remove(self: &Arc<Self>, id: &str, only: Option<&Weak<Entry>>) -> Result<(), HookError> {
        let _one_change = lock(&self.change);
        let Some(entry) = self.hooks.get(id).map(|e| e.value().clone()) else {
            // A guard whose hook was replaced or removed by somebody else has nothing left to do.
            return if only.is_some() { Ok(()) } else { Err(self.unknown(id)) };
        };
        if only.is_some_and(|only| !std::ptr::eq(only.as_ptr(), Arc::as_ptr(&entry))) {
            return Ok(());
        }
        if entry.required.load(Ordering::Acquire) {
            return Err(HookError::Required { id: id.into(), action: "removed" });
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
        let entry = self.hooks.get(id).map(|e| e.value().clone()).ok_or_else(|| self.unknown(id))?;
        if !enabled && entry.required.load(Ordering::Acquire) {
            return Err(HookError::Required { id: id.into(), action: "disabled" });
        }
        entry.enabled.store(enabled, Ordering::Release);
        self.affected([&entry]).iter().for_each(|point| self.publish(Some(point)));
        Ok(())
    }

    fn require(&self, ids: &[&str]) -> Result<(), HookError> {
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
                () if entry.role() != Role::Observe && entry.on_failure(Phase::Pre) == OnFailure::Open => {
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
        found.iter().for_each(|e| e.required.store(true, Ordering::Release));
        Ok(())
    }

    pub(crate) fn unknown(&self, id: &str) -> HookError {
        let ids: Vec<_> = self.hooks.iter().map(|e| e.key().clone()).collect();
        let suggestion = suggest(id, ids.iter().map(|i| &**i)).map(Into::into);
        HookError::UnknownHook { id: id.into(), suggestion }
    }

    /// Names of all points that these hooks match: built-in ones and those of linked sites.
    fn affected<'e>(&self, entries: impl IntoIterator<Item = &'e Arc<Entry>>) -> Vec<Box<str>> {
        let mut known: Vec<Box<str>> = BUILTIN.iter().map(|p| p.name().into()).collect();
        known.extend(catalogue::site_points().into_iter().map(Into::into));
        let entries: Vec<_> = entries.into_iter().collect();
        let literals = entries.iter().flat_map(|e| &e.patterns).filter(|p| p.is_literal());
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
            let matching = entries.iter().filter(|e| e.matches(site.info().point)).count();
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
        self.hooks.iter().filter(|e| e.value().matches(point)).map(|e| e.value().clone()).collect()
    }

    pub(crate) fn entries(&self) -> Vec<Arc<Entry>> {
        let mut entries: Vec<_> = self.hooks.iter().map(|e| e.value().clone()).collect();
        entries.sort_by(|a, b| a.id().cmp(b.id()));
        entries
    }

    /// Whether a site at that point must look for its set.
    pub(crate) fn has_listeners(&self, point: &str) -> bool {
        self.entries_at(point).iter().any(|e| e.enabled.load(Ordering::Acquire))
            || self.sinks_for(point).iter().any(|s| s.interest(point) == Interest::Always)
            || self.is_closed(point)
            || !self.is_serving()
    }

    pub(crate) fn sinks_for(&self, point: &str) -> Box<[Arc<dyn Sink>]> {
        let sinks = self.sinks.read().unwrap_or_else(PoisonError::into_inner);
        sinks.iter().filter(|s| s.interest(point) > Interest::Never).cloned().collect()
    }

    pub(crate) fn all_sinks(&self) -> Vec<Arc<dyn Sink>> {
        self.sinks.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn is_closed(&self, point: &str) -> bool {
        self.closed.read().unwrap_or_else(PoisonError::into_inner).iter().any(|p| p.matches(point))
    }

    pub(crate) fn approver(&self) -> Option<Arc<dyn Approver>> {
        self.approver.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn digest(&self) -> Arc<dyn Digest> {
        self.digest.read().unwrap_or_else(PoisonError::into_inner).clone()
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

    fn set_life(self: &Arc<Self>, life: Life) {
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
    fn publish(self: &Arc<Self>, point: Option<&str>) {
        let scopes: Vec<_> = lock(&self.scopes).iter().filter_map(Weak::upgrade).collect();
        scopes.iter().for_each(|scope| scope.forget(point));
        if self.kind == Kind::Global {
            // Layers over the global registry are scopes of it and were told above.
            if GLOBAL.get().is_some() {
                catalogue::refresh(&HookRegistry(self.clone()), point);
            }
        }
    }
}

impl std::fmt::Debug for Inner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "HookRegistry({:?}, {} hooks)", self.kind, self.hooks.len())
    }
}

impl std::fmt::Debug for HookRegistry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}
