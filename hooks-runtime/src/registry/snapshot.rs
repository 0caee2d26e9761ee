//! Publication and reclamation of hook sets.
//!
//! A call needs the current set of its site, must keep it alive until it is done (across awaits), and must
//! not share a written line of memory with other threads. A writer must be sure that a set which nobody uses
//! is dropped at once: it may hold a script's state.
//!
//! So each site keeps its set in a few *stripes*, each a pointer that owns one reference. A call takes the
//! pointer out of its thread's stripe (one swap), uses the set, and puts it back (one compare-exchange). A
//! writer raises the generation and empties all stripes; a call that puts a set of an old generation back
//! takes it out again. Nothing is ever looked at without being owned, so no set is freed under a reader.

#[cfg(not(feature = "shuttle"))]
mod sync {
    pub(super) use std::sync::atomic::{AtomicPtr, AtomicU64, Ordering};
    pub(super) use std::sync::{Arc, Mutex};
}
#[cfg(feature = "shuttle")]
mod sync {
    pub(super) use shuttle::sync::atomic::{AtomicPtr, AtomicU64, Ordering};
    pub(super) use shuttle::sync::{Arc, Mutex};
}

use std::ops::Deref;
use std::ptr;

use sync::{Arc, AtomicPtr, AtomicU64, Mutex, Ordering};

#[cfg(not(feature = "shuttle"))]
const STRIPES: usize = 8;
#[cfg(feature = "shuttle")]
const STRIPES: usize = 2;

/// A value and the generation that it was made for.
struct Versioned<T> {
    generation: u64,
    value: T,
}

/// One stripe, on a line of its own.
#[repr(align(64))]
struct Stripe<T>(AtomicPtr<Versioned<T>>);

/// Holds the current value of something that is read by every call and replaced rarely.
pub struct SnapshotCell<T> {
    generation: AtomicU64,
    current: Mutex<Option<Arc<Versioned<T>>>>,
    stripes: [Stripe<T>; STRIPES],
}

// SAFETY: the stripes own `Arc<Versioned<T>>`s, which may move between threads and be shared if `T` may.
unsafe impl<T: Send + Sync> Send for SnapshotCell<T> {}
// SAFETY: as above; all access to the pointers is atomic, and who takes one out owns it alone.
unsafe impl<T: Send + Sync> Sync for SnapshotCell<T> {}

impl<T> Default for SnapshotCell<T> {
    fn default() -> Self {
        SnapshotCell {
            generation: AtomicU64::new(0),
            current: Mutex::new(None),
            stripes: std::array::from_fn(|_| Stripe(AtomicPtr::new(ptr::null_mut()))),
        }
    }
}

impl<T> SnapshotCell<T> {
    /// The current value; `make` builds it if there is none since the last [`SnapshotCell::invalidate`].
    ///
    /// A value that was invalidated before this call began is never returned.
    pub fn load(&self, make: impl FnOnce() -> T) -> Snapshot<'_, T> {
        let stripe = stripe_of_thread();
        if let Some(value) = self.take(stripe)
            && value.generation == self.generation.load(Ordering::SeqCst)
        {
            return Snapshot {
                cell: self,
                stripe,
                value: Some(value),
            };
        }
        Snapshot {
            cell: self,
            stripe,
            value: Some(self.load_slow(make)),
        }
    }

    #[cold]
    fn load_slow(&self, make: impl FnOnce() -> T) -> Arc<Versioned<T>> {
        let mut current = lock(&self.current);
        let generation = self.generation.load(Ordering::SeqCst);
        if let Some(value) = current.as_ref().filter(|v| v.generation == generation) {
            return value.clone();
        }
        // The generation was read first: if the state changes while `make` looks at it, the value is
        // already out of date and the next call makes another one.
        let value = Arc::new(Versioned {
            generation,
            value: make(),
        });
        let stale = current.replace(value.clone());
        drop(current);
        drop(stale);
        value
    }

    /// Takes the current value out: it is dropped with what this returns, or when the last call that uses it
    /// is done. Dropping a hook may run anybody's code, so let go of every lock first.
    pub fn invalidate(&self) -> Stale<T> {
        self.generation.fetch_add(1, Ordering::SeqCst);
        let mut stale = Vec::from_iter(lock(&self.current).take());
        stale.extend((0..STRIPES).filter_map(|stripe| self.take(stripe)));
        Stale(stale)
    }

    fn take(&self, stripe: usize) -> Option<Arc<Versioned<T>>> {
        let pointer = self.stripes[stripe]
            .0
            .swap(ptr::null_mut(), Ordering::SeqCst);
        // SAFETY: a non-null pointer in a stripe came from `Arc::into_raw` in `put_back` and carries one
        // reference; the swap took it out, so nobody else can use that reference.
        (!pointer.is_null()).then(|| unsafe { Arc::from_raw(pointer) })
    }

    fn put_back(&self, stripe: usize, value: Arc<Versioned<T>>) {
        let generation = value.generation;
        if generation != self.generation.load(Ordering::SeqCst) {
            return;
        }
        let pointer = Arc::into_raw(value).cast_mut();
        let slot = &self.stripes[stripe].0;
        if slot
            .compare_exchange(ptr::null_mut(), pointer, Ordering::SeqCst, Ordering::SeqCst)
            .is_err()
        {
            // SAFETY: the pointer is ours still, it went nowhere.
            drop(unsafe { Arc::from_raw(pointer) });
        } else if generation != self.generation.load(Ordering::SeqCst) {
            // A writer may have emptied the stripe between our look and our entry.
            drop(self.take(stripe));
        }
    }
}

impl<T> Drop for SnapshotCell<T> {
    fn drop(&mut self) {
        for stripe in 0..STRIPES {
            drop(self.take(stripe));
        }
    }
}

/// What [`SnapshotCell::invalidate`] took out.
#[must_use = "it is dropped at once otherwise, also under a lock"]
pub struct Stale<T>(#[allow(dead_code, reason = "held for its drop")] Vec<Arc<Versioned<T>>>);

/// A value that a call uses; it goes back to its cell on drop.
pub struct Snapshot<'c, T> {
    cell: &'c SnapshotCell<T>,
    stripe: usize,
    value: Option<Arc<Versioned<T>>>,
}

impl<T> Deref for Snapshot<'_, T> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.value.as_ref().expect("taken only on drop").value
    }
}

impl<T> Drop for Snapshot<'_, T> {
    fn drop(&mut self) {
        if let Some(value) = self.value.take() {
            self.cell.put_back(self.stripe, value);
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> sync_guard::Guard<'_, T> {
    mutex
        .lock()
        .unwrap_or_else(|poisoned| poisoned.into_inner())
}

mod sync_guard {
    #[cfg(feature = "shuttle")]
    pub(super) type Guard<'a, T> = shuttle::sync::MutexGuard<'a, T>;
    #[cfg(not(feature = "shuttle"))]
    pub(super) type Guard<'a, T> = std::sync::MutexGuard<'a, T>;
}

#[cfg(not(feature = "shuttle"))]
fn stripe_of_thread() -> usize {
    use std::cell::Cell;
    use std::sync::atomic::AtomicUsize;
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local!(static STRIPE: Cell<usize> = const { Cell::new(usize::MAX) });
    STRIPE
        .try_with(|stripe| {
            if stripe.get() == usize::MAX {
                stripe.set(NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed) % STRIPES);
            }
            stripe.get()
        })
        .unwrap_or(0)
}

#[cfg(feature = "shuttle")]
fn stripe_of_thread() -> usize {
    let id: usize = shuttle::current::me().into();
    id % STRIPES
}
