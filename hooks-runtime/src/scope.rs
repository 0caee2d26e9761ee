//! Scopes: which registry the calls of a task use, and which run they belong to.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use crate::ambient::{self, RestoreLink};
use crate::answer::Reach;
use crate::catalogue::Forced;
use crate::registry::{HookRegistry, HookSet, Inner};
use crate::site::SiteInfo;

/// What calls on this task belong to. Immutable: entering a scope makes a new one.
pub(crate) struct Link {
    sets: Arc<ScopeInner>,
    pub(crate) run: Option<Arc<Run>>,
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
    /// The innermost halted run that encloses the calls of this link.
    pub(crate) fn halted(&self) -> Option<Halted> {
        let mut run = self.run.as_ref();
        while let Some(this) = run {
            if this.is_halted.load(Ordering::Acquire) {
                return lock(&this.halted)
                    .as_ref()
                    .map(|(halted, _)| halted.clone());
            }
            run = this.parent.as_ref();
        }
        None
    }
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

    /// Forgets the sets of a point (or all): its hooks have changed.
    pub(crate) fn forget(&self, point: Option<&str>) {
        let forgotten: Vec<_> = lock(&self.sets)
            .extract_if(|_, (at, _)| point.is_none_or(|point| *at == point))
            .collect();
        drop(forgotten);
    }
}

/// One agent run, workflow run or other piece of work that can be halted as a whole.
pub(crate) struct Run {
    name: Arc<str>,
    parent: Option<Arc<Run>>,
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
    /// Sets the flag of this run, or of all that enclose it; the first reason stays.
    pub(crate) fn halt(self: &Arc<Self>, hook: &str, reason: &str, reach: Reach) {
        let mut run = Some(self);
        while let Some(this) = run {
            let mut halted = lock(&this.halted);
            if halted.is_none() {
                let why = Halted {
                    run: this.name.clone(),
                    hook: hook.into(),
                    reason: reason.into(),
                };
                *halted = Some((why, Forced::new()));
                this.is_halted.store(true, Ordering::Release);
            }
            drop(halted);
            run = if reach == Reach::Root {
                this.parent.as_ref()
            } else {
                None
            };
        }
    }
}

enum Kind {
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
/// use hooks_runtime::{HookRegistry, HookScope, hooks};
/// let registry = HookRegistry::new();
/// let scope = HookScope::isolated(&registry);
/// let entered = scope.enter();
/// assert!(hooks().list().is_empty()); // `hooks()` is the isolated registry now
/// drop(entered);
/// ```
#[derive(Clone)]
pub struct HookScope {
    kind: Arc<Kind>,
    principal: Option<Arc<str>>,
    correlation: Option<Arc<str>>,
    /// The last composition, so that entering again under the same parent costs nothing.
    composed: Composed,
}

/// The address of the scope outside, and what came of entering under it.
type Composed = Arc<Mutex<Option<(usize, Arc<ScopeInner>)>>>;

impl HookScope {
    fn new(kind: Kind) -> Self {
        HookScope {
            kind: Arc::new(kind),
            principal: None,
            correlation: None,
            composed: Arc::default(),
        }
    }

    /// Calls in it use that registry and no other. For tests, also under plain threads.
    pub fn isolated(registry: &HookRegistry) -> Self {
        HookScope::new(Kind::Isolated(registry.clone(), Forced::new()))
    }

    /// Calls in it ask the hooks of [`HookScope::registry`] besides those of the registry outside.
    /// `Allow` from these does not count: a scope narrows.
    pub fn layer() -> Self {
        HookScope::new(Kind::Layer(HookRegistry::layer()))
    }

    /// A run: what `Halt` ends.
    pub fn run(name: impl Into<Arc<str>>) -> Self {
        let parent = ambient::link().and_then(|link| link.run.clone());
        let run = Run {
            name: name.into(),
            parent,
            is_halted: AtomicBool::new(false),
            halted: Mutex::default(),
        };
        let mut scope = HookScope::new(Kind::Run(Arc::new(run)));
        scope.correlation = ambient::link().and_then(|l| l.correlation.clone());
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
            Kind::Isolated(registry, _) | Kind::Layer(registry) => registry.clone(),
            Kind::Run(_) => crate::hooks(),
        }
    }

    /// Why the run was halted, if it is one and was.
    pub fn halted(&self) -> Option<Halted> {
        match &*self.kind {
            Kind::Run(run) => lock(&run.halted).as_ref().map(|(halted, _)| halted.clone()),
            _ => None,
        }
    }

    /// Enters the scope on this thread until the guard is dropped. For futures use [`HookScope::wrap`].
    pub fn enter(&self) -> Entered<'_> {
        Entered {
            _restore: ambient::enter_link(Some(self.link())),
            _scope: self,
        }
    }

    /// Runs a future in the scope, on whatever threads it is polled.
    pub fn wrap<F: Future>(&self, future: F) -> Scoped<F> {
        Scoped {
            link: self.link(),
            _scope: self.clone(),
            future: Some(Box::pin(future)),
        }
    }

    fn link(&self) -> Arc<Link> {
        let outer = ambient::link();
        let sets = match &*self.kind {
            Kind::Run(_) => match &outer {
                Some(outer) => outer.sets.clone(),
                None => self.compose(None, || {
                    (HookRegistry::global().inner().clone(), Vec::new())
                }),
            },
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
        let run = match &*self.kind {
            Kind::Run(run) => Some(run.clone()),
            _ => outer.as_ref().and_then(|l| l.run.clone()),
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
        let under = outer.map_or(0, |l| Arc::as_ptr(&l.sets).addr());
        let mut composed = lock(&self.composed);
        match &*composed {
            Some((parent, sets)) if *parent == under => sets.clone(),
            _ => {
                let (base, layers) = parts();
                let sets = ScopeInner::new(base, layers);
                *composed = Some((under, sets.clone()));
                sets
            }
        }
    }
}

/// See [`HookScope::enter`]. Bound to its thread.
pub struct Entered<'s> {
    _restore: RestoreLink,
    _scope: &'s HookScope,
}

/// See [`HookScope::wrap`].
pub struct Scoped<F> {
    link: Arc<Link>,
    _scope: HookScope,
    /// Taken out to be dropped in the scope: what it drops may make hooked calls.
    future: Option<Pin<Box<F>>>,
}

impl<F: Future> Future for Scoped<F> {
    type Output = F::Output;
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let _entered = ambient::enter_link(Some(self.link.clone()));
        let future = self.future.as_mut().expect("taken only on drop");
        future.as_mut().poll(cx)
    }
}

impl<F> Drop for Scoped<F> {
    fn drop(&mut self) {
        let _entered = ambient::enter_link(Some(self.link.clone()));
        drop(self.future.take());
    }
}

/// A future that keeps the scope, the run and the current call of the place where it was made; spawn it, and
/// calls in it count as made from there.
pub fn inherit<F: Future>(future: F) -> Inherited<F> {
    Inherited {
        link: ambient::link(),
        current: ambient::current(),
        future: Some(Box::pin(future)),
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
    }
}

impl<F: Future> Future for Inherited<F> {
    type Output = F::Output;
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let _call = ambient::enter(self.current);
        let _link = ambient::enter_link(self.link.clone());
        let future = self.future.as_mut().expect("taken only on drop");
        future.as_mut().poll(cx)
    }
}
