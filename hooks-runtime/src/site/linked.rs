//! The sites of the loaded code: a list that each one enters before `main`, when its library is loaded.
//!
//! The list runs through the sites themselves, because a node of its own would be one more static in every
//! hooked function, for the compiler to check and for the binary to carry.

use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicPtr, Ordering};

use super::HookSite;

static FIRST: AtomicPtr<HookSite> = AtomicPtr::new(ptr::null_mut());

/// A site's place in the list.
pub(super) struct Link {
    entered: AtomicBool,
    next: AtomicPtr<HookSite>,
}

impl Link {
    pub(super) const fn new() -> Self {
        Link {
            entered: AtomicBool::new(false),
            next: AtomicPtr::new(ptr::null_mut()),
        }
    }
}

/// Puts the site in front. On some platforms constructors run more than once; the first time counts.
pub(super) fn enter(site: &'static HookSite) {
    if site.link.entered.swap(true, Ordering::Relaxed) {
        return;
    }
    let node = ptr::from_ref(site).cast_mut();
    let mut first = FIRST.load(Ordering::Relaxed);
    loop {
        site.link.next.store(first, Ordering::Relaxed);
        match FIRST.compare_exchange_weak(first, node, Ordering::Release, Ordering::Relaxed) {
            Ok(_) => return,
            Err(now) => first = now,
        }
    }
}

/// The sites that have entered, in no particular order.
pub(crate) fn linked() -> impl Iterator<Item = &'static HookSite> {
    // SAFETY (both): the pointers are null or come from the `&'static HookSite` of `enter`, and nobody ever
    // writes through them. Acquire, here and for those behind the first by the chain of exchanges: the
    // sites' links are visible.
    let first = unsafe { FIRST.load(Ordering::Acquire).as_ref() };
    std::iter::successors(first, |site| unsafe {
        site.link.next.load(Ordering::Acquire).as_ref()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_site_enters_once() {
        static SITE: HookSite = HookSite::new("linked.once", "", 0);
        SITE.link();
        SITE.link();
        let times = linked().filter(|site| ptr::eq(*site, &SITE)).count();
        assert_eq!(times, 1);
    }

    #[test]
    fn sites_enter_from_many_threads() {
        static SITES: [HookSite; 8] = [const { HookSite::new("linked.many", "", 0) }; 8];
        std::thread::scope(|scope| {
            for site in &SITES {
                scope.spawn(|| site.link());
            }
        });
        for site in &SITES {
            assert_eq!(linked().filter(|other| ptr::eq(*other, site)).count(), 1);
        }
    }
}
