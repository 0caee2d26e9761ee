//! The registry: hooks by id and by point. Management only: calls read what is published to their sites.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock, RwLockWriteGuard};
use std::time::{Duration, Instant};

use serde::Serialize;

use super::builder::HookBuilder;
use super::guard::HookGuard;
use super::inner::{Inner, Kind};
use super::life::Life;
use super::prepared::{PreparedHook, parts};
use super::target::Target;
use crate::answer::{IntoAnswer, Vote};
use crate::approve::Approver;
use crate::breaker::BreakerState;
use crate::catalogue;
use crate::clock::Clock;
use crate::context::HookContext;
use crate::digest::Digest;
use crate::discovery::HookRegistration;
use crate::error::HookError;
use crate::hook::{
    Callee, Entry, Hook, HookMetadata, Mode, OnFailure, Priority, Role, Source, SyncHook,
};
use crate::pattern::Pattern;
use crate::point::Phase;
use crate::record::{DecisionRecord, Redactor};
use crate::sink::{Listener, Sink};

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
    /// Whether it is asked, if it has a breaker.
    pub breaker: Option<BreakerState>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn write<T>(lock: &RwLock<T>) -> RwLockWriteGuard<'_, T> {
    lock.write().unwrap_or_else(PoisonError::into_inner)
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
        let one_thread = lock(&MAKING);
        if let Some(global) = GLOBAL.get() {
            return global.clone();
        }
        catalogue::collect();
        let global = HookRegistry(Inner::new(Kind::Global, Clock::system()));
        if std::env::var_os(REQUIRE_POLICY).is_some_and(|v| !v.is_empty()) {
            global.set_life(Life::Starting);
        }
        let failed = crate::discovery::register_all(&global);
        let global = GLOBAL.get_or_init(|| global).clone();
        let garbage = catalogue::refresh(&global, &|_| true);
        drop(one_thread);
        drop(garbage);
        for (hook, error) in failed {
            tracing::error!(hook, %error, "a plugin's hook was not registered");
        }
        global
    }

    pub(crate) fn try_global() -> Option<HookRegistry> {
        GLOBAL.get().cloned()
    }

    /// An empty registry of its own, which serves at once. Tests enter it with `HookScope::isolated` (feature `test`).
    #[allow(clippy::new_without_default)] // two empty registries are not interchangeable
    pub fn new() -> HookRegistry {
        HookRegistry::with_clock(Clock::system())
    }

    /// The same with a clock that a test moves.
    pub fn with_clock(clock: Clock) -> HookRegistry {
        let _discovered = HookRegistry::global();
        HookRegistry(Inner::new(Kind::Isolated, clock))
    }

    pub(crate) fn layer() -> HookRegistry {
        let _discovered = HookRegistry::global();
        HookRegistry(Inner::new(Kind::Layer, Clock::system()))
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
        self.insert(
            meta,
            Callee::Intercept(Box::new(move |cx| Ok(hook.execute(cx)))),
        )
    }

    pub(crate) fn insert(
        &self,
        meta: HookMetadata,
        callee: Callee,
    ) -> Result<HookGuard, HookError> {
        let id = meta.id.clone();
        let entry = self.0.insert(meta, callee)?;
        Ok(HookGuard::new(
            Arc::downgrade(&self.0),
            &id,
            Arc::downgrade(&entry),
        ))
    }

    /// Registers what plugin crates submitted; used where a program must not rely on link-time discovery.
    ///
    /// # Errors
    /// As [`HookRegistry::register`].
    pub fn register_link_time(
        &self,
        registration: &HookRegistration,
    ) -> Result<HookGuard, HookError> {
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

    /// Replaces hooks by others in one step: no call sees both or neither.
    ///
    /// What replaces a required hook is required too. It must be fit for that (see
    /// [`HookRegistry::require`]), have the same role and phases, cover all of the old one's points and
    /// components, and have no condition that the old one did not have.
    ///
    /// # Errors
    /// As [`HookRegistry::register`], and [`HookError::Required`] or [`HookError::Invalid`] for a required hook
    /// that would be gone or do less; then nothing has changed.
    pub fn replace(
        &self,
        ids: &[&str],
        with: Vec<PreparedHook>,
    ) -> Result<Vec<HookGuard>, HookError> {
        let entries = self.0.swap(ids, parts(with))?;
        Ok(self.guards(&entries))
    }

    /// The same for those who hold the guards of their hooks: it replaces exactly these hooks, and no other that
    /// came to have the id of one. Hooks of `old` that are not registered here any more are passed over.
    ///
    /// # Errors
    /// As [`HookRegistry::replace`]; then nothing has changed.
    pub fn replace_own(
        &self,
        old: &[&HookGuard],
        with: Vec<PreparedHook>,
    ) -> Result<Vec<HookGuard>, HookError> {
        let old: Vec<_> = old.iter().map(|guard| guard.entry()).collect();
        let entries = self.0.swap_entries(&old, parts(with))?;
        Ok(self.guards(&entries))
    }

    fn guards(&self, entries: &[Arc<Entry>]) -> Vec<HookGuard> {
        let guard =
            |e: &Arc<Entry>| HookGuard::new(Arc::downgrade(&self.0), e.id(), Arc::downgrade(e));
        entries.iter().map(guard).collect()
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
        self.0.entries().iter().map(|e| info(e)).collect()
    }

    /// Has hooks finish what they put off, see [`PreparedHook::flushed_by`], one after the other and for no longer than
    /// `timeout` in all. Blocks the thread. The ids of those that did not finish.
    ///
    /// Hooks that are unregistered do it by themselves; required ones stay to the end of the program.
    pub fn flush(&self, timeout: Duration) -> Vec<Box<str>> {
        let begun = Instant::now();
        let entries = self.0.entries();
        let unfinished = entries.iter().filter(|entry| match &entry.meta.flush {
            Some(flush) => !flush(timeout.saturating_sub(begun.elapsed())),
            None => false,
        });
        unfinished.map(|entry| entry.id().into()).collect()
    }

    /// Where the registry is in its life.
    pub fn life(&self) -> Life {
        self.0.life()
    }

    /// Moves it on. Outside of [`Life::Serving`] calls pass only with a grant; those in a layer, unless the
    /// layer and the registry below it serve.
    pub fn set_life(&self, life: Life) {
        self.0.set_life(life);
    }

    /// Closes the points that match: calls there pass only with a grant. In the registry of a layer that is
    /// so for the calls in the layer; the grant still has to come from the registry below.
    ///
    /// # Errors
    /// The pattern can never match, or [`HookError::Disabled`]: built without the feature `enabled`.
    pub fn close_point(&self, pattern: &str) -> Result<(), HookError> {
        if !cfg!(feature = "enabled") {
            return Err(HookError::Disabled);
        }
        let (pattern, _) = Pattern::parse(pattern)?;
        write(&self.0.closed).push(pattern.clone());
        drop(self.0.publish(&|point| pattern.matches(point)));
        Ok(())
    }

    /// Makes hooks required: they cannot be removed or disabled any more, nor replaced by less.
    ///
    /// # Errors
    /// [`HookError::Missing`] names those that are not registered (with the nearest id that is), and those
    /// that are `once`, disabled, in Shadow or Open; none is required then. [`HookError::Disabled`]: built
    /// without the feature `enabled`.
    pub fn require(&self, ids: &[&str]) -> Result<(), HookError> {
        self.0.require(ids)
    }

    /// Who answers `Ask`. In a layer that is the approver of the registry below: scopes narrow, they do not
    /// approve, so one that is set on a layer's registry is never asked.
    pub fn set_approver(&self, approver: impl Approver + 'static) {
        let approver: Arc<dyn Approver> = Arc::new(approver);
        let before = write(&self.0.approver).replace(approver);
        drop(before);
    }

    /// How argument digests are made, instead of the built-in keyed one. In a layer that is the digest of the
    /// registry below.
    pub fn set_digest(&self, digest: impl Digest + 'static) {
        let digest: Arc<dyn Digest> = Arc::new(digest);
        let before = std::mem::replace(&mut *write(&self.0.digest), digest);
        drop(before);
    }

    /// What takes secrets out of the arguments in records at [`ArgLevel::Redacted`](crate::ArgLevel::Redacted),
    /// instead of [`ShapeOnly`](crate::record::ShapeOnly). In a layer that is the redactor of the registry below.
    pub fn set_redactor(&self, redactor: impl Redactor + 'static) {
        let redactor: Arc<dyn Redactor> = Arc::new(redactor);
        let before = std::mem::replace(&mut *write(&self.0.redactor), redactor);
        self.0.redacts.store(true, Ordering::Release);
        drop(before);
    }

    /// How long all hooks together may take in one call at the points that match; `None`: as long as they want. Of
    /// several patterns that match a point the least budget counts. In a call that is over it, observers that
    /// declared themselves `lossy` are not told, and its record counts them ([`DecisionRecord::shed`]); nobody
    /// else is affected. Calls at these points are timed, which costs about a microsecond each.
    ///
    /// ```
    /// # use hooks_runtime::hooks;
    /// # use std::time::Duration;
    /// hooks().set_budget("tool.*", Some(Duration::from_micros(200)))?;
    /// let _trace = hooks().on("trace").point("tool.*").lossy().observe(|record| println!("{record:?}"))?;
    /// # Ok::<(), hooks_runtime::HookError>(())
    /// ```
    ///
    /// # Errors
    /// The pattern can never match, or [`HookError::Disabled`]: built without the feature `enabled`.
    pub fn set_budget(&self, pattern: &str, budget: Option<Duration>) -> Result<(), HookError> {
        if !cfg!(feature = "enabled") {
            return Err(HookError::Disabled);
        }
        let (pattern, _) = Pattern::parse(pattern)?;
        let mut budgets = write(&self.0.budgets);
        budgets.retain(|(known, _)| known.as_str() != pattern.as_str());
        budgets.extend(budget.map(|budget| (pattern.clone(), budget)));
        drop(budgets);
        drop(self.0.publish(&|point| pattern.matches(point)));
        Ok(())
    }

    /// Adds a taker of records and signals, for as long as the registry lives or until
    /// [`HookRegistry::remove_sink`]. It is asked once, here, what it wants. In the registry of a layer it is told
    /// of the calls in the layer.
    pub fn add_sink(&self, sink: Arc<dyn Sink>) {
        let listener = Listener::new(sink);
        write(&self.0.listeners).push(listener.clone());
        drop(self.0.publish(&|point| listener.takes_some(point)));
    }

    /// Takes a sink out; `false`: it is not there. Calls that have begun may still tell it.
    pub fn remove_sink(&self, sink: &Arc<dyn Sink>) -> bool {
        let mut listeners = write(&self.0.listeners);
        let at = listeners.iter().position(|l| Arc::ptr_eq(&l.sink, sink));
        let removed = at.map(|at| listeners.remove(at));
        drop(listeners);
        let Some(removed) = removed else {
            return false;
        };
        drop(self.0.publish(&|point| removed.takes_some(point)));
        true
    }

    /// Accepts hooks on points that no linked site has; for tests of hooks apart from the sites they are for, and for
    /// replays of what another program recorded.
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
        breaker: entry.breaker.state(),
    }
}

/// Whether both are handles on one registry.
impl PartialEq for HookRegistry {
    fn eq(&self, other: &HookRegistry) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for HookRegistry {}

impl std::fmt::Debug for HookRegistry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// `cargo test -p hooks-runtime --no-default-features --lib`
#[cfg(all(test, not(feature = "enabled")))]
mod tests {
    use super::*;

    #[test]
    fn without_the_feature_enabled_policy_is_an_error() {
        let registry = HookRegistry::new();
        let pass = |_: &crate::GuardContext<'_>| Ok(Vote::Pass);
        let registered = registry.guard("g", "tool.*", pass).map(drop);
        for result in [
            registered,
            registry.replace(&[], Vec::new()).map(drop),
            registry.close_point("tool.*"),
            registry.require(&[]),
        ] {
            assert!(matches!(result, Err(HookError::Disabled)), "{result:?}");
        }
    }
}
