//! Every site of the process, and which of them are active.
//!
//! Nothing that a hook owns is dropped under a lock of this file: dropping it may run anybody's code, which may
//! call hooked functions and change registries.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, Weak};

use crate::registry::{Garbage, HookRegistry, Inner};
use crate::site::{self, HookSite};

static SITES: RwLock<Vec<&'static HookSite>> = RwLock::new(Vec::new());
/// Reasons for which every site must be looked at: an isolated scope, a halted run, a registry that does not serve.
static FORCED: AtomicUsize = AtomicUsize::new(0);
/// The layers that live: their hooks count at the sites that they match, entered or not.
static LAYERS: Mutex<Vec<Weak<Inner>>> = Mutex::new(Vec::new());
/// One change of states at a time, so that the last one knows everything.
static CHANGE: Mutex<()> = Mutex::new(());

/// Every annotated function that is linked into the program, called or not, sorted by point and place.
///
/// ```
/// for site in hooks_runtime::sites() {
///     println!("{} at {}:{}", site.info().point, site.info().file, site.info().line);
/// }
/// ```
pub fn sites() -> Vec<&'static HookSite> {
    let _discovered = HookRegistry::global();
    let mut sites = SITES.read().unwrap_or_else(PoisonError::into_inner).clone();
    sites.sort_by_key(|s| (s.info().point, s.info().file, s.info().line));
    sites
}

/// Sites whose point has that name.
pub(crate) fn sites_at(point: &str) -> Vec<&'static HookSite> {
    let sites = SITES.read().unwrap_or_else(PoisonError::into_inner);
    sites
        .iter()
        .filter(|s| s.info().point == point)
        .copied()
        .collect()
}

/// The names of all points that sites have.
pub(crate) fn site_points() -> Vec<&'static str> {
    let sites = SITES.read().unwrap_or_else(PoisonError::into_inner);
    let mut points: Vec<_> = sites.iter().map(|s| s.info().point).collect();
    points.sort_unstable();
    points.dedup();
    points
}

/// Takes the link-time catalogue in; called once, when the global registry is made.
pub(crate) fn collect() {
    let mut sites = SITES.write().unwrap_or_else(PoisonError::into_inner);
    sites.extend(site::linked());
}

/// The first active look at a site: it may come from a library that was loaded later.
#[cold]
pub(crate) fn register(site: &'static HookSite) {
    let global = HookRegistry::global();
    let mut sites = SITES.write().unwrap_or_else(PoisonError::into_inner);
    if !sites.iter().any(|s| std::ptr::eq(*s, site)) {
        sites.push(site);
    }
    drop(sites);
    let here = |point: &str| point == site.info().point;
    drop(refresh(&global, &here));
}

/// Publishes: sites at the points that `touched` names forget their sets and become idle or active.
#[must_use = "it may hold hooks: drop it when no lock is held"]
pub(crate) fn refresh(global: &HookRegistry, touched: &dyn Fn(&str) -> bool) -> Garbage {
    let mut stale = Garbage::default();
    let layers = set_states(global, touched, |site| {
        let set = site.invalidate();
        if !set.is_empty() {
            stale.push(Box::new(set));
        }
    });
    stale.extend(layers);
    stale
}

/// Idle or active again, without touching the sets.
#[must_use = "it may hold hooks: drop it when no lock is held"]
pub(crate) fn refresh_states(touched: &dyn Fn(&str) -> bool) -> Garbage {
    // While the global registry is being made there is nothing to refresh: it does so itself at the end.
    match HookRegistry::try_global() {
        Some(global) => set_states(&global, touched, |_| ()),
        None => Garbage::default(),
    }
}

fn set_states(
    global: &HookRegistry,
    touched: &dyn Fn(&str) -> bool,
    mut then: impl FnMut(&'static HookSite),
) -> Garbage {
    let _one_at_a_time = lock(&CHANGE);
    let forced = FORCED.load(Ordering::SeqCst) != 0;
    let layers: Vec<Arc<Inner>> = lock(&LAYERS).iter().filter_map(Weak::upgrade).collect();
    let sites = SITES.read().unwrap_or_else(PoisonError::into_inner);
    for site in sites.iter().filter(|s| touched(s.info().point)) {
        let point = site.info().point;
        let listened = forced
            || global.inner().has_listeners(point)
            || layers.iter().any(|layer| layer.has_listeners(point));
        site.set_state(listened);
        then(site);
    }
    // Some of these may be the last handles by now.
    vec![Box::new(layers)]
}

/// A layer is there: from now on it counts.
pub(crate) fn add_layer(layer: &Arc<Inner>) {
    lock(&LAYERS).push(Arc::downgrade(layer));
}

/// A layer is gone.
pub(crate) fn remove_layer(layer: &Inner) {
    lock(&LAYERS).retain(|known| !std::ptr::eq(known.as_ptr(), layer));
    drop(refresh_states(&|point| layer.has_listeners(point)));
}

/// Keeps every site active while it lives.
#[derive(Debug)]
pub(crate) struct Forced(());

impl Forced {
    pub(crate) fn new() -> Self {
        FORCED.fetch_add(1, Ordering::SeqCst);
        drop(refresh_states(&|_| true));
        Forced(())
    }
}

impl Drop for Forced {
    fn drop(&mut self) {
        FORCED.fetch_sub(1, Ordering::SeqCst);
        drop(refresh_states(&|_| true));
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Tests that add hooks to the one registry of the process: who publishes holds all layers for a moment, so a layer
/// that another test drops meanwhile ends a moment later than its last handle.
#[cfg(all(test, feature = "enabled"))]
pub(crate) static ONE_BY_ONE: Mutex<()> = Mutex::new(());

#[cfg(all(test, feature = "enabled"))]
mod tests {
    use super::*;
    use crate::answer::Vote;
    use crate::hook::HookMetadata;
    use crate::registry::PreparedHook;

    const fn site(point: &'static str) -> HookSite {
        HookSite::new(point, "late\0late.rs\x001\0\0\0()", 0)
    }

    fn guard(id: &str, pattern: &str) -> PreparedHook {
        PreparedHook::guard(HookMetadata::new(id).point(pattern), |_| Ok(Vote::Pass))
    }

    /// One test: a layer that does not serve wakes every site of the process.
    #[test]
    fn a_layer_wakes_sites_while_it_lives_also_those_that_come_later() {
        static LATE: HookSite = site("catalogue.late");
        static CLOSED: HookSite = site("catalogue_closed.site");
        let _one_by_one = lock(&ONE_BY_ONE);
        let layer = HookRegistry::layer();
        layer.allow_unmatched();
        let guards = layer.replace(&[], vec![guard("wakes", "catalogue.*")]);
        register(&LATE);
        register(&CLOSED);
        assert!(!LATE.is_idle() && CLOSED.is_idle());
        let handle = layer.clone();
        drop(layer);
        assert!(!LATE.is_idle(), "the layer lives as long as a handle on it");
        handle.close_point("catalogue_closed.*").unwrap();
        assert!(!CLOSED.is_idle());
        drop(handle);
        assert!(LATE.is_idle() && CLOSED.is_idle());
        drop(guards);
        let draining = HookRegistry::layer();
        draining.set_life(crate::registry::Life::Draining);
        assert!(!LATE.is_idle() && !CLOSED.is_idle());
        drop(draining);
        assert!(LATE.is_idle() && CLOSED.is_idle());
    }
}
