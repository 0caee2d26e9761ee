//! Every site of the process, and which of them are active.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError, RwLock};

use crate::private::SiteEntry;
use crate::registry::HookRegistry;
use crate::site::HookSite;

static SITES: RwLock<Vec<&'static HookSite>> = RwLock::new(Vec::new());
/// Reasons for which every site must be looked at: an isolated scope, a halted run, a registry that does not serve.
static FORCED: AtomicUsize = AtomicUsize::new(0);
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
    sites.extend(inventory::iter::<SiteEntry>().map(|entry| entry.0));
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
    refresh(&global, Some(site.info().point));
}

/// Publishes: sites at `point` (or all) forget their sets and become idle or active.
pub(crate) fn refresh(global: &HookRegistry, point: Option<&str>) {
    let _one_at_a_time = change();
    let forced = FORCED.load(Ordering::SeqCst) != 0;
    let sites = SITES.read().unwrap_or_else(PoisonError::into_inner);
    for site in sites
        .iter()
        .filter(|s| point.is_none_or(|p| s.info().point == p))
    {
        site.set_state(global.inner().has_listeners(site.info().point), forced);
        site.invalidate();
    }
}

/// Keeps every site active while it lives.
#[derive(Debug)]
pub(crate) struct Forced(());

impl Forced {
    pub(crate) fn new() -> Self {
        FORCED.fetch_add(1, Ordering::SeqCst);
        refresh_states();
        Forced(())
    }
}

impl Drop for Forced {
    fn drop(&mut self) {
        FORCED.fetch_sub(1, Ordering::SeqCst);
        refresh_states();
    }
}

/// Idle or active again, without touching the sets.
pub(crate) fn refresh_states() {
    // While the global registry is being made there is nothing to refresh: it does so itself at the end.
    let Some(global) = HookRegistry::try_global() else {
        return;
    };
    let _one_at_a_time = change();
    let forced = FORCED.load(Ordering::SeqCst) != 0;
    for site in SITES.read().unwrap_or_else(PoisonError::into_inner).iter() {
        site.set_state(global.inner().has_listeners(site.info().point), forced);
    }
}

fn change() -> MutexGuard<'static, ()> {
    CHANGE.lock().unwrap_or_else(PoisonError::into_inner)
}
