//! Calls that have spawned work, while they last: that work runs on other threads, and may go on when the call is
//! over.

use std::sync::LazyLock;
use std::sync::atomic::{AtomicU32, Ordering};

use dashmap::DashMap;
use dashmap::mapref::entry::Entry;

/// By call, whether a call of its spawned work was refused.
static SPAWNING: LazyLock<DashMap<u64, bool>> = LazyLock::new(DashMap::new);

/// How many calls of the map share each mark. Every call asks twice whether it is in the map, and nearly none is:
/// most see that by their mark.
static MARKS: [AtomicU32; 256] = [const { AtomicU32::new(0) }; 256];

#[inline(always)]
fn mark(call: u64) -> &'static AtomicU32 {
    &MARKS[call as usize % MARKS.len()]
}

/// A call enters the map, in itself: so it sees its mark whatever thread it goes on in.
#[inline(always)]
fn may_spawn(call: u64) -> bool {
    mark(call).load(Ordering::Relaxed) != 0
}

/// Work is spawned in that call, which is not over.
pub(super) fn begin(call: u64) {
    if call != 0
        && let Entry::Vacant(place) = SPAWNING.entry(call)
    {
        place.insert(false);
        mark(call).fetch_add(1, Ordering::Relaxed);
    }
}

/// The call is over.
#[inline(always)]
pub(super) fn end(call: u64) {
    if may_spawn(call) {
        forget(call);
    }
}

#[cold]
fn forget(call: u64) {
    if SPAWNING.remove(&call).is_some() {
        mark(call).fetch_sub(1, Ordering::Relaxed);
    }
}

/// Whether the call has spawned work and is not over.
pub(super) fn lasts(call: u64) -> bool {
    may_spawn(call) && SPAWNING.contains_key(&call)
}

/// Tells `call` that a call of work that was spawned in it was refused, if it is not over.
pub(crate) fn note_refusal(call: u64) {
    if let Some(mut refused) = SPAWNING.get_mut(&call) {
        *refused = true;
    }
}

/// Whether that happened since this was asked last.
#[inline(always)]
pub(crate) fn take_refusal(call: u64) -> bool {
    may_spawn(call) && take_noted(call)
}

#[cold]
fn take_noted(call: u64) -> bool {
    SPAWNING
        .get_mut(&call)
        .is_some_and(|mut refused| std::mem::take(&mut *refused))
}

/// Whether a refusal is noted; nothing is changed.
#[cfg(all(test, feature = "enabled"))]
pub(super) fn is_noted(call: u64) -> bool {
    SPAWNING.get(&call).is_some_and(|refused| *refused)
}
