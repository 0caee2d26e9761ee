//! What the current thread is doing: the call under way, the hooks that run for it, and the scope and run
//! that it belongs to. Set while a body or a hook runs (for futures: on each poll) and restored after.

use std::cell::{Cell, RefCell};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock};

use dashmap::DashMap;

use crate::scope::Link;

mod spawned;

pub(crate) use spawned::{
    note_refusal as note_spawned_refusal, take_refusal as take_spawned_refusal,
};

/// How deep hooks may cause calls that ask hooks.
pub(crate) const MAX_DEPTH: usize = 8;
/// How many calls hooks may cause within one root call.
pub(crate) const MAX_CAUSED: u32 = 256;

/// The scalar part, remembered as a whole where work goes on elsewhere.
#[derive(Clone, Copy, Default)]
pub(crate) struct Current {
    /// The innermost active call; 0 outside.
    pub(crate) call: u64,
    /// The outermost active call; 0 outside.
    pub(crate) root: u64,
    /// Serial numbers of the hooks that are running, outermost first.
    /// One place more than the limit: observers of a call that is refused for its depth still run.
    hooks: [u32; MAX_DEPTH + 1],
    depth: u8,
    /// How many redirects led here.
    redirects: u8,
    /// Whether a call made by the current body was refused.
    inner_refusal: bool,
    /// The call whose spawned work runs, and which may be over; 0 outside of such work.
    inherited: u64,
}

impl Current {
    /// What work that is spawned here begins with: the call that it belongs to, and no running hooks.
    pub(crate) fn for_spawned(self) -> Current {
        if self.inherited == 0 {
            spawned::begin(self.root);
        }
        if self.inherited != self.call {
            spawned::begin(self.call);
        }
        Current {
            call: self.call,
            root: self.root,
            redirects: self.redirects,
            inherited: self.call,
            ..Current::default()
        }
    }

    /// Work that began with it has ended. If its root call is over, nobody else forgets what hooks of the work
    /// caused.
    pub(crate) fn end_spawned(self) {
        if CAUSED_ROOTS.load(Ordering::Relaxed) != 0 && !spawned::lasts(self.root) {
            forget_root(self.root);
        }
    }
}

/// The same as cells: a call and a hook each write a few of them and put them back.
struct Cells {
    call: Cell<u64>,
    root: Cell<u64>,
    hooks: [Cell<u32>; MAX_DEPTH + 1],
    depth: Cell<u8>,
    redirects: Cell<u8>,
    inner_refusal: Cell<bool>,
    inherited: Cell<u64>,
    /// Whether the innermost entered scope is one: most threads have none, and need not look.
    linked: Cell<bool>,
    /// The next call id of this thread, and the end of its block.
    ids: Cell<(u64, u64)>,
    /// How many calls pass before one is measured.
    unmeasured: Cell<u32>,
    /// For the choice of the call that is measured; 0: not begun.
    random: Cell<u32>,
}

thread_local! {
    // Without a destructor, so that reading it is one move from thread memory, also while the thread ends.
    static CELLS: Cells = const { Cells {
        call: Cell::new(0),
        root: Cell::new(0),
        hooks: [const { Cell::new(0) }; MAX_DEPTH + 1],
        depth: Cell::new(0),
        redirects: Cell::new(0),
        inner_refusal: Cell::new(false),
        inherited: Cell::new(0),
        linked: Cell::new(false),
        ids: Cell::new((0, 0)),
        unmeasured: Cell::new(0),
        random: Cell::new(0),
    } };
    /// The scopes that are entered, each under the token of its guard; the last one counts.
    static LINKS: RefCell<Vec<(u64, Option<Arc<Link>>)>> = const { RefCell::new(Vec::new()) };
}

/// What the thread is doing now.
pub(crate) fn current() -> Current {
    CELLS.with(|cells| Current {
        call: cells.call.get(),
        root: cells.root.get(),
        hooks: cells.hooks.each_ref().map(Cell::get),
        depth: cells.depth.get(),
        redirects: cells.redirects.get(),
        inner_refusal: cells.inner_refusal.get(),
        inherited: cells.inherited.get(),
    })
}

/// The innermost and the outermost active call; 0 outside.
#[inline]
pub(crate) fn call_and_root() -> (u64, u64) {
    CELLS.with(|cells| (cells.call.get(), cells.root.get()))
}

/// How deep in hooks and in redirects.
pub(crate) fn depths() -> (usize, usize) {
    CELLS.with(|cells| {
        (
            usize::from(cells.depth.get()),
            usize::from(cells.redirects.get()),
        )
    })
}

/// Whether a hook is running, or a component that a call was redirected to.
#[inline]
pub(crate) fn is_nested() -> bool {
    CELLS.with(|cells| cells.depth.get() != 0 || cells.redirects.get() != 0)
}

/// How many hooks are running, one inside the other.
pub(crate) fn depth() -> usize {
    CELLS.with(|cells| usize::from(cells.depth.get()))
}

/// Whether that hook is running.
#[inline]
pub(crate) fn runs(serial: u32) -> bool {
    CELLS.with(|cells| {
        let depth = usize::from(cells.depth.get());
        depth > 0 && cells.hooks[..depth].iter().any(|hook| hook.get() == serial)
    })
}

/// Whether a call made by the current body was refused.
#[inline]
pub(crate) fn inner_refusal() -> bool {
    CELLS.with(|cells| cells.inner_refusal.get())
}

/// Whether there is a scope or a run.
#[inline]
pub(crate) fn is_linked() -> bool {
    CELLS.with(|cells| cells.linked.get())
}

/// The scope and run that calls of this thread belong to now.
#[inline]
pub(crate) fn link() -> Option<Arc<Link>> {
    if !is_linked() {
        return None;
    }
    LINKS
        .try_with(|links| links.borrow().last().and_then(|(_, link)| link.clone()))
        .ok()
        .flatten()
}

/// A process-wide unique call id: a block of ids per thread, so that no line of memory is shared.
#[inline]
pub(crate) fn next_call_id() -> u64 {
    CELLS.with(|cells| {
        let (mut next, mut end) = cells.ids.get();
        if next == end {
            (next, end) = take_block();
        }
        cells.ids.set((next + 1, end));
        next
    })
}

#[cold]
fn take_block() -> (u64, u64) {
    const BLOCK: u64 = 1 << 16;
    static NEXT_BLOCK: AtomicU64 = AtomicU64::new(0);
    let start = NEXT_BLOCK.fetch_add(1, Ordering::Relaxed) * BLOCK;
    (start + 1, start + BLOCK)
}

/// Whether the call that begins now is measured, of which one in `every` is, on average; with a random number.
///
/// At random distances, because calls come in patterns: of two points that are called in turns, every 64th call
/// is always of the same one.
#[inline]
pub(crate) fn is_sampled(every: u32) -> Option<u32> {
    CELLS.with(|cells| {
        // What another registry, or other thresholds, have left on this thread is not more than one's own.
        let left = cells
            .unmeasured
            .get()
            .min(every.saturating_mul(2).saturating_sub(2));
        if left > 0 && every > 1 {
            cells.unmeasured.set(left - 1);
            return None;
        }
        Some(next_sample(cells, every))
    })
}

#[cold]
fn next_sample(cells: &Cells, every: u32) -> u32 {
    // Marsaglia's xorshift with 32 bits, "Xorshift RNGs", Journal of Statistical Software 8 (14), 2003; it
    // begins with the address, which differs from thread to thread.
    let mut random = match cells.random.get() {
        0 => std::ptr::from_ref(cells).addr() as u32 | 1,
        random => random,
    };
    random ^= random << 13;
    random ^= random >> 17;
    random ^= random << 5;
    cells.random.set(random);
    let every = every.min(1 << 30);
    cells.unmeasured.set(random % (2 * every - 1));
    random >> 16
}

/// Restores what was current before, but for the running hooks below: those are still there.
#[must_use]
pub(crate) struct Restore {
    call: u64,
    root: u64,
    depth: u8,
    redirects: u8,
    inner_refusal: bool,
}

impl Drop for Restore {
    #[inline]
    fn drop(&mut self) {
        CELLS.with(|cells| {
            cells.call.set(self.call);
            cells.root.set(self.root);
            cells.depth.set(self.depth);
            cells.redirects.set(self.redirects);
            cells.inner_refusal.set(self.inner_refusal);
        });
    }
}

impl Restore {
    #[inline]
    fn of(cells: &Cells) -> Restore {
        Restore {
            call: cells.call.get(),
            root: cells.root.get(),
            depth: cells.depth.get(),
            redirects: cells.redirects.get(),
            inner_refusal: cells.inner_refusal.get(),
        }
    }
}

/// Makes `call` the current one, for its body.
#[inline]
pub(crate) fn enter_call(call: u64, root: u64) -> Restore {
    CELLS.with(|cells| {
        let before = Restore::of(cells);
        cells.call.set(call);
        cells.root.set(root);
        cells.inner_refusal.set(false);
        before
    })
}

/// Adds a running hook of `call`.
#[inline]
pub(crate) fn enter_hook(call: u64, root: u64, serial: u32) -> Restore {
    let before = enter_hooks(call, root);
    before.next(serial);
    before
}

/// Makes place for the hooks of `call` that are about to run, one after the other: see [`Restore::next`].
#[inline]
pub(crate) fn enter_hooks(call: u64, root: u64) -> Restore {
    CELLS.with(|cells| {
        let before = Restore::of(cells);
        cells.call.set(call);
        cells.root.set(root);
        before
    })
}

impl Restore {
    /// Whether that hook was running already.
    #[inline]
    pub(crate) fn runs(&self, serial: u32) -> bool {
        self.depth > 0
            && CELLS.with(|cells| {
                let below = &cells.hooks[..usize::from(self.depth)];
                below.iter().any(|hook| hook.get() == serial)
            })
    }

    /// No hook of the row runs any more.
    #[inline]
    pub(crate) fn leave_row(&self) {
        CELLS.with(|cells| {
            cells.depth.set(self.depth);
            cells.inner_refusal.set(self.inner_refusal);
        });
    }

    /// The body runs now.
    #[inline]
    pub(crate) fn enter_body(&self) {
        CELLS.with(|cells| cells.inner_refusal.set(false));
    }

    /// The hook that runs now, in the place that [`enter_hooks`] made.
    #[inline]
    pub(crate) fn next(&self, serial: u32) {
        CELLS.with(|cells| {
            cells.inner_refusal.set(self.inner_refusal);
            if let Some(slot) = cells.hooks.get(usize::from(self.depth)) {
                slot.set(serial);
                cells.depth.set(self.depth + 1);
            }
        });
    }
}

/// Counts a redirect while another component answers for the current call.
pub(crate) fn enter_redirect() -> Restore {
    CELLS.with(|cells| {
        let before = Restore::of(cells);
        cells.redirects.set(before.redirects.saturating_add(1));
        before
    })
}

/// Restores all of it.
#[must_use]
pub(crate) struct RestoreAll(Current);

impl Drop for RestoreAll {
    fn drop(&mut self) {
        set(self.0);
    }
}

fn set(current: Current) {
    CELLS.with(|cells| {
        cells.call.set(current.call);
        cells.root.set(current.root);
        for (cell, hook) in cells.hooks.iter().zip(current.hooks) {
            cell.set(hook);
        }
        cells.depth.set(current.depth);
        cells.redirects.set(current.redirects);
        cells.inner_refusal.set(current.inner_refusal);
        cells.inherited.set(current.inherited);
    });
}

/// Makes a remembered state current again.
pub(crate) fn enter(inside: Current) -> RestoreAll {
    let before = current();
    set(inside);
    RestoreAll(before)
}

/// Tells the body that encloses the current call that a call of its own was refused.
pub(crate) fn note_inner_refusal() {
    CELLS.with(|cells| cells.inner_refusal.set(true));
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

/// Forgets what is known of a call that is over: nothing that belongs to it runs any more, observers included,
/// but for work that it spawned.
#[inline(always)]
pub(crate) fn end_call(call: u64, root: u64) {
    if call == root && CAUSED_ROOTS.load(Ordering::Relaxed) != 0 {
        forget_root(root);
    }
    spawned::end(call);
}

#[cold]
fn forget_root(root: u64) {
    if CAUSED.remove(&root).is_some() {
        CAUSED_ROOTS.fetch_sub(1, Ordering::Relaxed);
    }
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
    CELLS.with(|cells| cells.linked.set(linked));
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
            CELLS.with(|cells| cells.linked.set(linked));
            // Last: what a scope holds may be dropped with it, and that may look at the scopes.
            drop(left);
        }
    }
}

#[cfg(all(test, feature = "enabled"))]
mod tests;
