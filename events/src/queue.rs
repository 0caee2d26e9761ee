//! Queues of subscriptions: many writers, and a reader for each that takes everything at once.
//!
//! Subscriptions that get the same events share a [`Lane`]: one lock, and behind it a queue for each of them. A
//! writer locks once for all. A reader swaps its whole list for an empty one, so it locks once for a batch, and
//! the two lists are used again and again. A writer wakes a reader only if that one found nothing and went to
//! sleep.
//!
//! All state is behind the one lock, so there is one order of things. What is outside of it is a hint for writers
//! that ask for room in several lanes before they write to any. `docs/internals/event-queue.md` has the argument,
//! `tests/shuttle.rs` the model.

mod after_lock;
mod lane;
mod reader;
mod room;
mod slot;

#[cfg(not(feature = "shuttle"))]
mod sync {
    pub(super) use std::sync::atomic::{AtomicUsize, Ordering};
    pub(super) use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
}
#[cfg(feature = "shuttle")]
mod sync {
    pub(super) use shuttle::sync::atomic::{AtomicUsize, Ordering};
    pub(super) use shuttle::sync::{Arc, Mutex, MutexGuard};
    pub(super) use std::sync::PoisonError;
}

pub use lane::{Lane, Pushed};
pub use reader::{Entry, Reader};
#[cfg(feature = "shuttle")]
pub use room::Room;
pub use slot::QueueCounts;
