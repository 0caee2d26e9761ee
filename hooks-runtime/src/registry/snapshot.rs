//! Publication and reclamation of hook sets.
//!
//! A call needs the current set of its site, must keep it alive until it is done, and must not write to memory
//! that other threads read. A writer must be sure that a set which nobody uses is dropped at once: it may hold a
//! script's state.
//!
//! So a site has one pointer to its set. A synchronous call notes in a place of its thread's own that it uses the
//! set (`hazard.rs`); an asynchronous one, which may move between threads, takes a reference of its own. A writer
//! takes the pointer out and frees the set if nobody has noted it; otherwise the last call that did frees it.

#[cfg(not(feature = "shuttle"))]
mod sync {
    pub(super) use std::sync::atomic::{AtomicBool, AtomicPtr, Ordering};
    pub(super) use std::sync::{Mutex, MutexGuard};
}
#[cfg(feature = "shuttle")]
mod sync {
    pub(super) use shuttle::sync::atomic::{AtomicBool, AtomicPtr, Ordering};
    pub(super) use shuttle::sync::{Mutex, MutexGuard};
}

use std::marker::PhantomData;
use std::ops::Deref;
use std::ptr;
use std::sync::Arc;

use super::hazard::{self, Hazard};
use crate::panic::caught;
use sync::{AtomicBool, AtomicPtr, Mutex, MutexGuard, Ordering};

/// Holds the current value of something that is read by every call and replaced rarely.
pub struct SnapshotCell<T> {
    /// From `Arc::into_raw`, with one reference; null if there is none.
    current: AtomicPtr<T>,
    /// What was taken out of `current` while calls were using it, each with its reference.
    retired: Mutex<Vec<Retired<T>>>,
    /// Whether there is any: who lets go of a set looks here.
    retiring: AtomicBool,
    _owns: PhantomData<Arc<T>>,
}

struct Retired<T>(*mut T);

// SAFETY: it is an `Arc<T>` in another form.
unsafe impl<T: Send + Sync> Send for Retired<T> {}

impl<T> Default for SnapshotCell<T> {
    fn default() -> Self {
        SnapshotCell::new()
    }
}

impl<T> SnapshotCell<T> {
    /// Without a value.
    #[cfg(not(feature = "shuttle"))]
    pub const fn new() -> Self {
        SnapshotCell {
            current: AtomicPtr::new(ptr::null_mut()),
            retired: Mutex::new(Vec::new()),
            retiring: AtomicBool::new(false),
            _owns: PhantomData,
        }
    }

    /// Without a value.
    #[cfg(feature = "shuttle")]
    pub fn new() -> Self {
        SnapshotCell {
            current: AtomicPtr::new(ptr::null_mut()),
            retired: Mutex::new(Vec::new()),
            retiring: AtomicBool::new(false),
            _owns: PhantomData,
        }
    }

    /// The current value, for the time of a frame of this thread's stack; `make` builds it if there is none since
    /// the last [`SnapshotCell::invalidate`].
    ///
    /// A value that was invalidated before this call began is never returned.
    #[inline]
    pub fn load(&self, make: impl FnOnce() -> T) -> Snapshot<'_, T> {
        if let Some(hazard) = Hazard::claim() {
            let pointer = hazard.protect(&self.current, |used| self.let_go(used));
            if !pointer.is_null() {
                return Snapshot(Use::Noted {
                    pointer,
                    cell: self,
                    hazard,
                });
            }
        }
        Snapshot(Use::Shared(self.load_slow(make)))
    }

    /// The current value with a reference of its own, for a call that may move between threads.
    #[inline]
    pub fn load_shared(&self, make: impl FnOnce() -> T) -> Arc<T> {
        if let Some(hazard) = Hazard::claim() {
            let pointer = hazard.protect(&self.current, |used| self.let_go(used));
            if !pointer.is_null() {
                // SAFETY: it is from `Arc::into_raw`, and protected by the note: its reference is not given up
                // before the note is taken back.
                let value = unsafe {
                    Arc::increment_strong_count(pointer);
                    Arc::from_raw(pointer)
                };
                hazard.clear();
                self.let_go(pointer);
                return value;
            }
        }
        self.load_slow(make)
    }

    #[cold]
    fn load_slow(&self, make: impl FnOnce() -> T) -> Arc<T> {
        // Writers of `current` hold this lock.
        let _retired = self.lock();
        let pointer = self.current.load(Ordering::Acquire);
        if pointer.is_null() {
            hazard::decide();
            let value = Arc::new(make());
            let pointer = Arc::into_raw(value.clone()).cast_mut();
            self.current.store(pointer, Ordering::Release);
            return value;
        }
        // SAFETY: as in `load_shared`; the lock keeps the reference of `current` where it is.
        unsafe {
            Arc::increment_strong_count(pointer);
            Arc::from_raw(pointer)
        }
    }

    /// Takes the current value out: it is dropped with what this returns, or when the last call that uses it
    /// is done. Dropping a hook may run anybody's code, so let go of every lock first.
    ///
    /// Who changes what values are made from does that before: a value that is being made now is taken out too.
    pub fn invalidate(&self) -> Stale<T> {
        let mut retired = self.lock();
        let pointer = self.current.swap(ptr::null_mut(), Ordering::AcqRel);
        if !pointer.is_null() {
            retired.push(Retired(pointer));
        }
        Stale(self.free(&mut retired))
    }

    /// After the note of that value was taken back: if it is retired, it may be free now, and nobody else may
    /// come to see it. Only then: a call that used the current value has nothing to do with what is retired, and
    /// as long as some call uses that, looking would cost every other one a lock and a barrier.
    #[inline]
    fn let_go(&self, used: *const T) {
        // A writer takes a value out, then says that it is retiring, then looks at the notes.
        let current = self.current.load(Ordering::Relaxed).cast_const();
        if current != used && self.retiring.load(Ordering::Relaxed) {
            self.sweep();
        }
    }

    #[cold]
    fn sweep(&self) {
        let freed = {
            let mut retired = self.lock();
            self.free(&mut retired)
        };
        // Hooks are dropped with it, on the thread of a call that has nothing to do with them.
        for value in freed {
            if caught(|| drop(value)).is_err() {
                tracing::error!("a hook panicked when it was dropped");
            }
        }
    }

    /// Those of the retired values that no thread has noted.
    fn free(&self, retired: &mut Vec<Retired<T>>) -> Vec<Arc<T>> {
        if retired.is_empty() {
            return Vec::new();
        }
        // Before the notes are looked at: a call that takes its note back later sees this and comes here.
        self.retiring.store(true, Ordering::SeqCst);
        let Some(noted) = hazard::noted() else {
            return Vec::new();
        };
        let free = retired.extract_if(.., |value| !noted(value.0.cast()));
        // SAFETY: the reference that `current` had. Nobody has noted the pointer, and nobody can any more: it is
        // no longer in `current`, so a call that notes it now looks there once more and lets go of it unused.
        let free = free
            .map(|value| unsafe { Arc::from_raw(value.0) })
            .collect();
        self.retiring.store(!retired.is_empty(), Ordering::SeqCst);
        free
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Retired<T>>> {
        self.retired
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

impl<T> Drop for SnapshotCell<T> {
    fn drop(&mut self) {
        // Nobody else has the cell, so no snapshot of it is in use.
        let pointer = self.current.swap(ptr::null_mut(), Ordering::AcqRel);
        let mut retired = std::mem::take(&mut *self.lock());
        if !pointer.is_null() {
            retired.push(Retired(pointer));
        }
        for value in retired {
            // SAFETY: the reference that `current` had.
            drop(unsafe { Arc::from_raw(value.0) });
        }
    }
}

/// What [`SnapshotCell::invalidate`] took out.
#[must_use = "it is dropped at once otherwise, also under a lock"]
pub struct Stale<T>(Vec<Arc<T>>);

impl<T> Stale<T> {
    /// Whether there is nothing to drop here.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// A value that a call uses, bound to the thread of the call.
pub struct Snapshot<'c, T>(Use<'c, T>);

enum Use<'c, T> {
    Noted {
        pointer: *const T,
        cell: &'c SnapshotCell<T>,
        hazard: Hazard,
    },
    Shared(Arc<T>),
}

impl<T> Deref for Snapshot<'_, T> {
    type Target = T;
    #[inline]
    fn deref(&self) -> &T {
        match &self.0 {
            // SAFETY: the note keeps the value; it is taken back in `drop`.
            Use::Noted { pointer, .. } => unsafe { &**pointer },
            Use::Shared(value) => value,
        }
    }
}

impl<T> Drop for Snapshot<'_, T> {
    #[inline]
    fn drop(&mut self) {
        if let Use::Noted {
            cell,
            hazard,
            pointer,
        } = &self.0
        {
            hazard.clear();
            cell.let_go(*pointer);
        }
    }
}

#[cfg(all(test, not(feature = "shuttle")))]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use super::*;

    struct Counted<'a>(&'a AtomicUsize);

    impl Drop for Counted<'_> {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    #[test]
    fn snapshots_may_end_in_any_order() {
        let dropped = [const { AtomicUsize::new(0) }; 3];
        let cells = [const { SnapshotCell::new() }; 3];
        let load = |i: usize| cells[i].load(|| Counted(&dropped[i]));
        // The first load makes the value and holds a reference; from then on they are noted.
        (0..3).for_each(|i| drop(load(i)));
        let (first, second) = (load(0), load(1));
        drop(first);
        let third = load(2);
        (0..3).for_each(|i| drop(cells[i].invalidate()));
        let count = |i: usize| dropped[i].load(Ordering::SeqCst);
        assert_eq!([count(0), count(1), count(2)], [1, 0, 0]);
        assert!(std::ptr::eq((*second).0, &dropped[1]));
        drop(second);
        drop(third);
        assert_eq!([count(0), count(1), count(2)], [1, 1, 1]);
    }

    #[test]
    fn more_snapshots_than_places_hold_references() {
        let dropped = AtomicUsize::new(0);
        let cell = SnapshotCell::new();
        let many: Vec<_> = (0..40).map(|_| cell.load(|| Counted(&dropped))).collect();
        drop(cell.invalidate());
        assert_eq!(dropped.load(Ordering::SeqCst), 0);
        drop(many);
        assert_eq!(dropped.load(Ordering::SeqCst), 1);
    }

    /// A call that takes long with an old value costs those with the new one nothing.
    #[test]
    fn only_calls_that_used_an_old_value_look_for_what_is_retired() {
        let dropped = AtomicUsize::new(0);
        let cell = SnapshotCell::new();
        drop(cell.load(|| Counted(&dropped)));
        let long = cell.load(|| Counted(&dropped));
        drop(cell.invalidate());
        drop(cell.load(|| Counted(&dropped)));
        let looking = cell.lock();
        // Would wait for the lock if it looked.
        drop(cell.load(|| unreachable!("it is there")));
        drop(looking);
        assert_eq!(dropped.load(Ordering::SeqCst), 0);
        drop(long);
        assert_eq!(dropped.load(Ordering::SeqCst), 1);
    }

    #[test]
    fn a_value_that_panics_when_it_is_dropped_harms_no_call() {
        struct Bomb(bool);
        impl Drop for Bomb {
            fn drop(&mut self) {
                assert!(!self.0, "dropped");
            }
        }
        let cell = SnapshotCell::new();
        drop(cell.load(|| Bomb(true)));
        let last = cell.load(|| Bomb(false));
        drop(cell.invalidate());
        drop(last);
        drop(cell.load(|| Bomb(false)));
    }
}
