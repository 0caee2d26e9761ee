//! What the current thread is doing: the call under way, the hooks that run for it, and the scope and run
//! that it belongs to. Set while a body or a hook runs (for futures: on each poll) and restored after.

use std::cell::{Cell, RefCell};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock};

use dashmap::DashMap;

use crate::scope::Link;

/// How deep hooks may cause calls that ask hooks.
pub(crate) const MAX_DEPTH: usize = 8;
/// How many calls hooks may cause within one root call.
pub(crate) const MAX_CAUSED: u32 = 256;

/// The scalar part: small, `Copy`, without a destructor, so that reading it is one move from thread memory.
#[derive(Clone, Copy, Default)]
pub(crate) struct Current {
    /// The innermost active call; 0 outside.
    pub(crate) call: u64,
    /// The outermost active call; 0 outside.
    pub(crate) root: u64,
    /// Serial numbers of the hooks that are running, outermost first.
    /// One place more than the limit: observers of a call that is refused for its depth still run.
    pub(crate) hooks: [u32; MAX_DEPTH + 1],
    pub(crate) depth: u8,
    /// How many redirects led here.
    pub(crate) redirects: u8,
    /// Whether a call made by the current body was refused.
    pub(crate) inner_refusal: bool,
}

impl Current {
    /// Whether that hook is running.
    pub(crate) fn runs(&self, serial: u32) -> bool {
        self.hooks[..usize::from(self.depth)].contains(&serial)
    }
}

thread_local! {
    static CURRENT: Cell<Current> = const { Cell::new(Current {
        call: 0, root: 0, hooks: [0; MAX_DEPTH + 1], depth: 0, redirects: 0, inner_refusal: false,
    }) };
    /// The scopes that are entered, each under the token of its guard; the last one counts.
    static LINKS: RefCell<Vec<(u64, Option<Arc<Link>>)>> = const { RefCell::new(Vec::new()) };
    /// Whether the last one is a scope: most threads have none, and need not look.
    static LINKED: Cell<bool> = const { Cell::new(false) };
    static IDS: Cell<(u64, u64)> = const { Cell::new((0, 0)) };
}

/// What the thread is doing now. During thread teardown: nothing.
pub(crate) fn current() -> Current {
    CURRENT.try_with(Cell::get).unwrap_or_default()
}

/// The scope and run that calls of this thread belong to now.
pub(crate) fn link() -> Option<Arc<Link>> {
    if !LINKED.try_with(Cell::get).unwrap_or(false) {
        return None;
    }
    LINKS
        .try_with(|links| links.borrow().last().and_then(|(_, link)| link.clone()))
        .ok()
        .flatten()
}

/// A process-wide unique call id: a block of ids per thread, so that no line of memory is shared.
pub(crate) fn next_call_id() -> u64 {
    const BLOCK: u64 = 1 << 16;
    static NEXT_BLOCK: AtomicU64 = AtomicU64::new(0);
    let take_block = || {
        let start = NEXT_BLOCK.fetch_add(1, Ordering::Relaxed) * BLOCK;
        (start + 1, start + BLOCK)
    };
    IDS.try_with(|ids| {
        let (mut next, mut end) = ids.get();
        if next == end {
            (next, end) = take_block();
        }
        ids.set((next + 1, end));
        next
    })
    .unwrap_or_else(|_| take_block().0)
}

/// Restores what was current before.
#[must_use]
pub(crate) struct Restore(Current);

impl Drop for Restore {
    fn drop(&mut self) {
        let _gone_with_the_thread = CURRENT.try_with(|current| current.set(self.0));
    }
}

/// Makes `call` the current one, for its body.
pub(crate) fn enter_call(call: u64, root: u64) -> Restore {
    let before = current();
    let inside = Current {
        call,
        root,
        inner_refusal: false,
        ..before
    };
    let _gone_with_the_thread = CURRENT.try_with(|current| current.set(inside));
    Restore(before)
}

/// Adds a running hook of `call`.
pub(crate) fn enter_hook(call: u64, root: u64, serial: u32) -> Restore {
    let before = current();
    let mut inside = Current {
        call,
        root,
        ..before
    };
    if let Some(slot) = inside.hooks.get_mut(usize::from(before.depth)) {
        *slot = serial;
        inside.depth += 1;
    }
    let _gone_with_the_thread = CURRENT.try_with(|current| current.set(inside));
    Restore(before)
}

/// Makes `call` the current one while another component answers for it.
pub(crate) fn enter_redirect() -> Restore {
    let before = current();
    let inside = Current {
        redirects: before.redirects.saturating_add(1),
        ..before
    };
    let _gone_with_the_thread = CURRENT.try_with(|current| current.set(inside));
    Restore(before)
}

/// Makes a remembered state current again.
pub(crate) fn enter(inside: Current) -> Restore {
    let before = current();
    let _gone_with_the_thread = CURRENT.try_with(|current| current.set(inside));
    Restore(before)
}

/// Tells the body that encloses the current call that a call of its own was refused.
pub(crate) fn note_inner_refusal() {
    let _gone_with_the_thread = CURRENT.try_with(|current| {
        current.set(Current {
            inner_refusal: true,
            ..current.get()
        });
    });
}

/// Calls that hooks caused, by root call; an entry lives until its root call ends. Tasks move between
/// threads, so this cannot be thread-local; only calls made by hooks come here.
static CAUSED: LazyLock<DashMap<u64, u32>> = LazyLock::new(DashMap::new);
static CAUSED_ROOTS: AtomicUsize = AtomicUsize::new(0);

/// Counts a call that a hook causes; how many there are now in this root call.
pub(crate) fn count_caused(root: u64) -> u32 {
    let mut count = CAUSED.entry(root).or_insert_with(|| {
        CAUSED_ROOTS.fetch_add(1, Ordering::Relaxed);
        0
    });
    *count += 1;
    *count
}

/// Forgets the count of a root call that ends.
pub(crate) fn end_root(root: u64) {
    if CAUSED_ROOTS.load(Ordering::Relaxed) != 0 && CAUSED.remove(&root).is_some() {
        CAUSED_ROOTS.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Calls in whose spawned work a call was refused: that work runs on other threads and after the body.
static SPAWNED_REFUSALS: LazyLock<DashMap<u64, ()>> = LazyLock::new(DashMap::new);
static SPAWNED_REFUSAL_COUNT: AtomicUsize = AtomicUsize::new(0);

/// Tells `call` that a call of work that was spawned in it was refused.
pub(crate) fn note_spawned_refusal(call: u64) {
    if call != 0 && SPAWNED_REFUSALS.insert(call, ()).is_none() {
        SPAWNED_REFUSAL_COUNT.fetch_add(1, Ordering::Release);
    }
}

/// Whether that happened; asked at the end of a body and of a call.
pub(crate) fn take_spawned_refusal(call: u64) -> bool {
    let noted = SPAWNED_REFUSAL_COUNT.load(Ordering::Acquire) != 0
        && SPAWNED_REFUSALS.remove(&call).is_some();
    if noted {
        SPAWNED_REFUSAL_COUNT.fetch_sub(1, Ordering::Release);
    }
    noted
}

/// Leaves a scope when it is dropped, whatever was entered or left meanwhile.
#[must_use]
pub(crate) struct LeaveLink(u64);

/// Enters a scope, or leaves all of them with `None`.
pub(crate) fn enter_link(link: Option<Arc<Link>>) -> LeaveLink {
    static TOKENS: AtomicU64 = AtomicU64::new(0);
    let token = TOKENS.fetch_add(1, Ordering::Relaxed);
    let linked = link.is_some();
    let _gone_with_the_thread = LINKS.try_with(|links| links.borrow_mut().push((token, link)));
    let _gone_with_the_thread = LINKED.try_with(|flag| flag.set(linked));
    LeaveLink(token)
}

impl Drop for LeaveLink {
    fn drop(&mut self) {
        let left = LINKS.try_with(|links| {
            let mut links = links.borrow_mut();
            let at = links.iter().rposition(|(token, _)| *token == self.0)?;
            let left = links.remove(at);
            let linked = links.last().is_some_and(|(_, link)| link.is_some());
            Some((left, linked))
        });
        if let Ok(Some((left, linked))) = left {
            let _gone_with_the_thread = LINKED.try_with(|flag| flag.set(linked));
            // Last: what a scope holds may be dropped with it, and that may look at the scopes.
            drop(left);
        }
    }
}
