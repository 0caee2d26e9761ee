//! A route that is looked up only when it changes.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError};

use super::Shared;
use crate::topic::Topic;

/// Tells the handles of a topic that entries under just that topic came or went.
#[derive(Default)]
pub(super) struct Watch {
    changes: AtomicU64,
    /// How many handles there are; changes under the lock of the patterns, but for clones.
    handles: AtomicUsize,
}

impl Watch {
    /// Tells that entries under the topic came or went.
    pub(super) fn changed(&self) {
        self.changes.fetch_add(1, Ordering::Release);
    }
}

/// The entries that one topic leads to, found again only after a change: two loads otherwise.
///
/// It holds the entries that it found last until it is asked again or dropped, also those that were removed
/// meanwhile. [`Router::route`](super::Router::route) holds nothing.
pub struct RouteHandle<T> {
    shared: Arc<Shared<T>>,
    topic: Topic,
    watch: Arc<Watch>,
    seen: Seen,
    entries: Arc<[T]>,
    /// How often the entries were found again.
    version: u64,
}

/// Up to which changes a handle's entries are right.
#[derive(Clone, Copy, PartialEq)]
struct Seen {
    wildcards: u64,
    literals: u64,
}

impl Seen {
    #[inline]
    fn of<T>(shared: &Shared<T>, watch: &Watch) -> Seen {
        Seen {
            wildcards: shared.changes.load(Ordering::Acquire),
            literals: watch.changes.load(Ordering::Acquire),
        }
    }
}

impl<T: Clone> RouteHandle<T> {
    pub(super) fn new(shared: Arc<Shared<T>>, topic: Topic) -> Self {
        let watch = {
            let mut patterns = shared
                .patterns
                .write()
                .unwrap_or_else(PoisonError::into_inner);
            let literal = patterns.literals.entry(topic.clone()).or_default();
            let watch = literal.watch.get_or_insert_default().clone();
            watch.handles.fetch_add(1, Ordering::Relaxed);
            watch
        };
        // What changes after this was read is found again the next time.
        let seen = Seen::of(&shared, &watch);
        let entries = shared.route(&topic).to_shared();
        RouteHandle {
            shared,
            topic,
            watch,
            seen,
            entries,
            version: 0,
        }
    }

    /// The topic.
    pub fn topic(&self) -> &Topic {
        &self.topic
    }

    /// The entries whose patterns cover the topic, in the order in which they were inserted.
    #[inline]
    pub fn route(&mut self) -> &[T] {
        let seen = Seen::of(&self.shared, &self.watch);
        if seen != self.seen {
            self.renew(seen);
        }
        &self.entries
    }

    #[cold]
    fn renew(&mut self, seen: Seen) {
        // What changes after `seen` was read is found again the next time.
        self.entries = self.shared.route(&self.topic).to_shared();
        self.seen = seen;
        self.version += 1;
    }

    /// Whether the entries that were found last are still the right ones.
    #[inline]
    pub fn is_current(&self) -> bool {
        Seen::of(&self.shared, &self.watch) == self.seen
    }

    /// The entries that were found last, without a look for changes.
    #[inline]
    pub fn known(&self) -> &[T] {
        &self.entries
    }

    /// Grows when the entries are found again.
    #[inline]
    pub fn version(&self) -> u64 {
        self.version
    }
}

impl<T> Clone for RouteHandle<T> {
    fn clone(&self) -> Self {
        self.watch.handles.fetch_add(1, Ordering::Relaxed);
        RouteHandle {
            shared: self.shared.clone(),
            topic: self.topic.clone(),
            watch: self.watch.clone(),
            seen: self.seen,
            entries: self.entries.clone(),
            version: self.version,
        }
    }
}

impl<T> Drop for RouteHandle<T> {
    fn drop(&mut self) {
        // Under the lock, so that the router makes no further handle of a watch that goes.
        let mut patterns = self
            .shared
            .patterns
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        if self.watch.handles.fetch_sub(1, Ordering::Relaxed) == 1 {
            if let Some(literal) = patterns.literals.get_mut(&self.topic) {
                literal.watch = None;
            }
            patterns.tidy(&self.topic);
        }
    }
}
