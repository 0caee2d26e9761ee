//! Scopes: which registry the calls of a task use, and which run they belong to.

use std::collections::HashMap;
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll};

use crate::ambient::{self, LeaveLink};
use crate::answer::Reach;
use crate::catalogue::Forced;
use crate::registry::{HookRegistry, HookSet, Inner};
use crate::site::SiteInfo;

/// What calls on this task belong to. Immutable: entering a scope makes a new one.
pub(crate) struct Link {
    sets: Arc<ScopeInner>,
    pub(crate) run: Option<Arc<RunLink>>,
    pub(crate) principal: Option<Arc<str>>,
    pub(crate) correlation: Option<Arc<str>>,
}

impl Link {
    pub(crate) fn base(&self) -> &Arc<Inner> {
        &self.sets.base
    }
    /// The hooks of a site in this scope; `None`: the registry is the global one without layers.
    pub(crate) fn set(&self, site: &'static SiteInfo) -> Option<Arc<HookSet>> {
        (!self.sets.is_plain()).then(|| self.sets.set(site))
    }
    /// Whether a run that encloses the calls of this link was halted.
    pub(crate) fn is_halted(&self) -> bool {
        self.runs().any(|run| run.is_halted.load(Ordering::Acquire))
    }
    /// Why, and by whom.
    pub(crate) fn halted(&self) -> Option<Halted> {
        self.runs().find_map(Run::halted)
    }
    /// The runs, innermost first.
    fn runs(&self) -> impl Iterator<Item = &Run> {
        std::iter::successors(self.run.as_deref(), |link| link.parent.as_deref())
            .map(|link| &*link.run)
    }
    /// Halts the innermost run, or all that enclose the call; `false`: there is none.
    pub(crate) fn halt(&self, hook: &str, reason: &str, reach: Reach) -> bool {
        let reached = if reach == Reach::Root { usize::MAX } else { 1 };
        self.runs()
            .take(reached)
            .for_each(|run| run.halt(hook, reason));
        self.run.is_some()
    }
}

/// A run as it was entered: inside of which others. A run that is entered in a halted one is halted, wherever
/// it was made.
pub(crate) struct RunLink {
    run: Arc<Run>,
    parent: Option<Arc<RunLink>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A registry with layers above it, and the sets of the sites that were called in it.
pub(crate) struct ScopeInner {
    base: Arc<Inner>,
    layers: Vec<Arc<Inner>>,
    sets: Mutex<HashMap<usize, (&'static str, Arc<HookSet>)>>,
}

impl ScopeInner {
    fn new(base: Arc<Inner>, layers: Vec<Arc<Inner>>) -> Arc<Self> {
        let inner = Arc::new(ScopeInner {
            base,
            layers,
            sets: Mutex::default(),
        });
        inner.base.add_scope(&inner);
        inner
            .layers
            .iter()
            .for_each(|layer| layer.add_scope(&inner));
        inner
    }

    fn is_plain(&self) -> bool {
        self.layers.is_empty() && self.base.kind == crate::registry::Kind::Global
    }

    fn set(&self, site: &'static SiteInfo) -> Arc<HookSet> {
        let mut sets = lock(&self.sets);
        let key = std::ptr::from_ref(site).addr();
        let (_, set) = sets.entry(key).or_insert_with(|| {
            (
                site.point,
                Arc::new(HookSet::build(site, &self.base, &self.layers)),
            )
        });
        set.clone()
    }

    /// Forgets the sets of the points that `touched` names: their hooks have changed.
    #[must_use = "it may hold hooks: drop it when no lock is held"]
    pub(crate) fn forget(&self, touched: &dyn Fn(&str) -> bool) -> Vec<Arc<HookSet>> {
        let mut sets = lock(&self.sets);
        let forgotten = sets.extract_if(|_, (point, _)| touched(point));
        forgotten.map(|(_, (_, set))| set).collect()
    }
}

/// One agent run, workflow run or other piece of work that can be halted as a whole.
pub(crate) struct Run {
    name: Arc<str>,
    is_halted: AtomicBool,
    /// With the reason: what keeps every site active, so that idle ones refuse too.
    halted: Mutex<Option<(Halted, Forced)>>,
}

/// Why a run was halted.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Halted {
    /// The run's name.
    pub run: Arc<str>,
    /// The hook that halted it.
    pub hook: Arc<str>,
    /// Its reason.
    pub reason: Arc<str>,
}

impl Run {
    /// The first reason stays.
    fn halt(&self, hook: &str, reason: &str) {
        let forced = Forced::new();
        let mut halted = lock(&self.halted);
        if halted.is_none() {
            let why = Halted {
                run: self.name.clone(),
                hook: hook.into(),
                reason: reason.into(),
            };
            *halted = Some((why, forced));
            self.is_halted.store(true, Ordering::Release);
        }
    }

    fn halted(&self) -> Option<Halted> {
        lock(&self.halted)
            .as_ref()
            .map(|(halted, _)| halted.clone())
    }
}

enum Kind {
    #[cfg(feature = "test")]
    Isolated(
        HookRegistry,
        #[allow(dead_code, reason = "held for its drop")] Forced,
    ),
    Layer(HookRegistry),
    Run(Arc<Run>),
}

/// A scope: other hooks, or a run, for the calls that are made in it.
///
/// ```
/// use hooks_runtime::{HookScope, Vote};
/// # fn main() -> Result<(), hooks_runtime::HookError> {
/// let session = HookScope::layer();
/// let _guard = session.registry().guard("read-only", "tool.execute", |_| Ok(Vote::cancel("read only")))?;
/// {
///     let _inside = session.enter();
///     // calls that are made here are asked about by `read-only`, besides the hooks of the registry
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct HookScope {
    kind: Arc<Kind>,
    principal: Option<Arc<str>>,
    correlation: Option<Arc<str>>,
    /// The last composition, so that entering again under the same scope costs nothing.
    composed: Composed,
}

/// The scope outside, and what came of entering under it. The weak reference keeps its address taken, so that
/// no other scope is mistaken for it.
type Composed = Arc<Mutex<Option<(Option<Weak<ScopeInner>>, Arc<ScopeInner>)>>>;

impl HookScope {
    fn new(kind: Kind) -> Self {
        HookScope {
            kind: Arc::new(kind),
            principal: None,
            correlation: None,
            composed: Arc::default(),
        }
    }

    /// Calls in it use that registry and no other. For tests, also under plain threads; only with the feature
    /// `test`, because calls in an empty registry are asked about by nobody.
    #[cfg(feature = "test")]
    pub fn isolated(registry: &HookRegistry) -> Self {
        HookScope::new(Kind::Isolated(registry.clone(), Forced::new()))
    }

    /// Calls in it ask the hooks of [`HookScope::registry`] besides those of the registry outside.
    /// `Allow` from these does not count: a scope narrows.
    pub fn layer() -> Self {
        HookScope::new(Kind::Layer(HookRegistry::layer()))
    }

    /// A run: what `Halt` ends. Its calls share a correlation id.
    pub fn run(name: impl Into<Arc<str>>) -> Self {
        static RUNS: AtomicU64 = AtomicU64::new(1);
        let run = Run {
            name: name.into(),
            is_halted: AtomicBool::new(false),
            halted: Mutex::default(),
        };
        let mut scope = HookScope::new(Kind::Run(Arc::new(run)));
        let outer = ambient::link().and_then(|link| link.correlation.clone());
        let own = || format!("run-{}", RUNS.fetch_add(1, Ordering::Relaxed)).into();
        scope.correlation = Some(outer.unwrap_or_else(own));
        scope
    }

    /// Whom the calls are made for; cached answers are not shared between principals.
    pub fn principal(mut self, principal: impl Into<Arc<str>>) -> Self {
        self.principal = Some(principal.into());
        self
    }

    /// The correlation id of the calls.
    pub fn correlation(mut self, id: impl Into<Arc<str>>) -> Self {
        self.correlation = Some(id.into());
        self
    }

    /// Where hooks of a layer are registered; for an isolated scope, its registry; for a run, the current one.
    pub fn registry(&self) -> HookRegistry {
        match &*self.kind {
            #[cfg(feature = "test")]
            Kind::Isolated(registry, _) => registry.clone(),
            Kind::Layer(registry) => registry.clone(),
            Kind::Run(_) => crate::hooks(),
        }
    }

    /// Why the run was halted, if it is one and was.
    pub fn halted(&self) -> Option<Halted> {
        match &*self.kind {
            Kind::Run(run) => run.halted(),
            _ => None,
        }
    }

    /// Enters the scope on this thread until the guard is dropped. For futures use [`HookScope::wrap`].
    ///
    /// The guard is bound to its thread: a future that holds one cannot be spawned.
    /// ```compile_fail
    /// # use hooks_runtime::HookScope;
    /// fn spawnable(_: impl Send) {}
    /// let scope = HookScope::run("work");
    /// spawnable(scope.enter());
    /// ```
    pub fn enter(&self) -> Entered<'_> {
        let link = self.link_under(ambient::link());
        Entered {
            _leave: ambient::enter_link(Some(link)),
            _scope: PhantomData,
            _thread: PhantomData,
        }
    }

    /// Runs a future in the scope, on whatever threads it is polled.
    ///
    /// The scope is entered inside the one that polls the future: `outer.wrap(inner.wrap(f))` is `f` in both.
    /// A future that is spawned out of every scope keeps the one that it was made in.
    pub fn wrap<F: Future>(&self, future: F) -> Scoped<F> {
        Scoped {
            scope: self.clone(),
            made_in: ambient::link(),
            link: None,
            future: Some(Box::pin(future)),
        }
    }

    fn link_under(&self, outer: Option<Arc<Link>>) -> Arc<Link> {
        let sets = match &*self.kind {
            Kind::Run(_) => match &outer {
                Some(outer) => outer.sets.clone(),
                None => self.compose(None, || {
                    (HookRegistry::global().inner().clone(), Vec::new())
                }),
            },
            #[cfg(feature = "test")]
            Kind::Isolated(registry, _) => {
                self.compose(None, || (registry.inner().clone(), Vec::new()))
            }
            Kind::Layer(registry) => self.compose(outer.as_deref(), || {
                let (base, mut layers) = match &outer {
                    Some(outer) => (outer.sets.base.clone(), outer.sets.layers.clone()),
                    None => (HookRegistry::global().inner().clone(), Vec::new()),
                };
                layers.push(registry.inner().clone());
                (base, layers)
            }),
        };
        let outer_run = outer.as_ref().and_then(|l| l.run.clone());
        let run = match &*self.kind {
            Kind::Run(run) => Some(Arc::new(RunLink {
                run: run.clone(),
                parent: outer_run,
            })),
            _ => outer_run,
        };
        let or_outer = |own: &Option<Arc<str>>, get: fn(&Link) -> Option<Arc<str>>| {
            own.clone().or_else(|| outer.as_deref().and_then(get))
        };
        Arc::new(Link {
            sets,
            run,
            principal: or_outer(&self.principal, |l| l.principal.clone()),
            correlation: or_outer(&self.correlation, |l| l.correlation.clone()),
        })
    }

    fn compose(
        &self,
        outer: Option<&Link>,
        parts: impl FnOnce() -> (Arc<Inner>, Vec<Arc<Inner>>),
    ) -> Arc<ScopeInner> {
        let under = outer.map(|l| Arc::downgrade(&l.sets));
        let same = |known: &Option<Weak<ScopeInner>>| match (known, &under) {
            (None, None) => true,
            (Some(known), Some(under)) => known.ptr_eq(under),
            _ => false,
        };
        let mut composed = lock(&self.composed);
        if let Some((known, sets)) = &*composed
            && same(known)
        {
            return sets.clone();
        }
        let (base, layers) = parts();
        let sets = ScopeInner::new(base, layers);
        let before = composed.replace((under, sets.clone()));
        drop(composed);
        // Out of the lock: it may hold the last handle on a layer, whose hooks are dropped with it.
        drop(before);
        sets
    }
}

/// See [`HookScope::enter`]. Bound to its thread.
pub struct Entered<'s> {
    _leave: LeaveLink,
    _scope: PhantomData<&'s HookScope>,
    _thread: PhantomData<*const ()>,
}

/// So that the scope has to live for as long as it is entered: a scope that is gone activates no site, and its hooks
/// would not be asked.
/// ```compile_fail
/// # use hooks_runtime::HookScope;
/// let _entered = HookScope::run("work").enter();
/// println!("the scope was dropped on the line before");
/// ```
impl Drop for Entered<'_> {
    fn drop(&mut self) {}
}

/// See [`HookScope::wrap`].
pub struct Scoped<F> {
    scope: HookScope,
    made_in: Option<Arc<Link>>,
    /// Made at the first poll.
    link: Option<Arc<Link>>,
    /// Taken out to be dropped in the scope: what it drops may make hooked calls.
    future: Option<Pin<Box<F>>>,
}

impl<F> Scoped<F> {
    fn link(&mut self) -> Arc<Link> {
        let outer = || ambient::link().or_else(|| self.made_in.clone());
        self.link
            .get_or_insert_with(|| self.scope.link_under(outer()))
            .clone()
    }
}

impl<F: Future> Future for Scoped<F> {
    type Output = F::Output;
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let _entered = ambient::enter_link(Some(self.link()));
        let future = self.future.as_mut().expect("taken only on drop");
        future.as_mut().poll(cx)
    }
}

impl<F> Drop for Scoped<F> {
    fn drop(&mut self) {
        let _entered = ambient::enter_link(Some(self.link()));
        drop(self.future.take());
    }
}

/// A future that keeps the scope, the run and the current call of the place where it was made; spawn it, and
/// calls in it count as made from there.
///
/// A hook that makes one is not running in it: the future goes on when the hook has answered.
pub fn inherit<F: Future>(future: F) -> Inherited<F> {
    Inherited {
        link: ambient::link(),
        current: ambient::current().for_spawned(),
        future: Some(Box::pin(future)),
    }
}

/// The scope that is entered where this is made, with its run, for what is done there later and elsewhere: handlers of
/// events, timers.
///
/// Unlike [`inherit`] it is not about the current call, which may be over by then: calls in the scope are made from where
/// they are made.
///
/// ```
/// use hooks_runtime::{HookScope, HookRegistry, SameScope, hooks};
///
/// # #[cfg(feature = "test")] {
/// let registry = HookRegistry::new();
/// let scope = HookScope::isolated(&registry);
/// let same = {
///     let _entered = scope.enter();
///     SameScope::here()
/// };
/// let later = same.wrap(async { hooks() });
/// # let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
/// assert!(runtime.block_on(later) == registry);
/// # }
/// ```
#[derive(Clone)]
pub struct SameScope(Option<Arc<Link>>);

impl SameScope {
    /// The scope of the place where it is called; outside of scopes, that is none.
    pub fn here() -> Self {
        SameScope(ambient::link())
    }

    /// Runs a future in the scope instead of the one that polls it, on whatever threads that is.
    pub fn wrap<F: Future>(&self, future: F) -> InSameScope<F> {
        InSameScope {
            link: self.0.clone(),
            future: Some(Box::pin(future)),
        }
    }
}

/// See [`SameScope::wrap`].
pub struct InSameScope<F> {
    link: Option<Arc<Link>>,
    /// Taken out to be dropped in the scope: what it drops may make hooked calls.
    future: Option<Pin<Box<F>>>,
}

impl<F: Future> Future for InSameScope<F> {
    type Output = F::Output;
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let _entered = ambient::enter_link(self.link.clone());
        let future = self.future.as_mut().expect("taken only on drop");
        future.as_mut().poll(cx)
    }
}

impl<F> Drop for InSameScope<F> {
    fn drop(&mut self) {
        let _entered = ambient::enter_link(self.link.clone());
        drop(self.future.take());
    }
}

/// `tokio::spawn` of [`inherit`]: halting a run reaches spawned work too.
///
/// # Panics
/// Outside of a tokio runtime, as `tokio::spawn` does.
pub fn spawn<F>(future: F) -> tokio::task::JoinHandle<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    tokio::spawn(inherit(future))
}

/// See [`inherit`].
pub struct Inherited<F> {
    link: Option<Arc<Link>>,
    current: ambient::Current,
    future: Option<Pin<Box<F>>>,
}

impl<F> Drop for Inherited<F> {
    fn drop(&mut self) {
        let _call = ambient::enter(self.current);
        let _link = ambient::enter_link(self.link.clone());
        drop(self.future.take());
        self.current.end_spawned();
    }
}

impl<F: Future> Future for Inherited<F> {
    type Output = F::Output;
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let _call = ambient::enter(self.current);
        let _link = ambient::enter_link(self.link.clone());
        let future = self.future.as_mut().expect("taken only on drop");
        let polled = future.as_mut().poll(cx);
        if ambient::inner_refusal() {
            ambient::note_spawned_refusal(self.current.call);
        }
        polled
    }
}
