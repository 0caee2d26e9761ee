//! Which of many patterns cover a topic.

mod answer;
mod cache;
mod found;
mod handle;
mod patterns;
mod trie;

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use crate::pattern::TopicPattern;
use crate::topic::Topic;
pub use answer::Route;
use answer::{Answer, Own};
use cache::{Cache, Line};
pub use handle::RouteHandle;
use patterns::{Entry, Patterns};

/// For how many topics a router keeps its answers, if nothing else is said.
pub const DEFAULT_CACHED_TOPICS: usize = 4096;

/// How many entries a router's kept answers have together, if nothing else is said.
pub const DEFAULT_CACHED_ENTRIES: usize = 262_144;

/// Entries under patterns, found by topic.
///
/// A clone is the same router. What a topic leads to is kept, for a bounded number of topics, so that the number
/// of patterns does not matter to those who publish; readers write to nothing that they share.
///
/// ```
/// use hooks_events::{Topic, TopicPattern};
/// use hooks_events::route::Router;
///
/// let router = Router::new();
/// let all = router.insert(&TopicPattern::new("order.>")?, "all");
/// router.insert(&TopicPattern::new("order.created")?, "created");
/// let created = Topic::new("order.created")?;
/// assert_eq!(*router.route(&created), ["all", "created"]);
/// assert_eq!(router.remove(&all), Some("all"));
/// assert_eq!(*router.route(&created), ["created"]);
/// # Ok::<(), hooks_events::EventError>(())
/// ```
pub struct Router<T>(Arc<Shared<T>>);

struct Shared<T> {
    patterns: RwLock<Patterns<T>>,
    cache: Cache<T>,
    /// Grows when a pattern with wildcards comes: every kept answer may lack it.
    generation: AtomicU64,
    /// Grows when a pattern with wildcards comes or goes.
    changes: AtomicU64,
    /// How many entries there are.
    len: AtomicUsize,
}

/// Which entry to remove.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouteKey {
    pattern: TopicPattern,
    order: u64,
}

impl RouteKey {
    /// The pattern of the entry.
    pub fn pattern(&self) -> &TopicPattern {
        &self.pattern
    }
}

impl<T> Clone for Router<T> {
    fn clone(&self) -> Self {
        Router(self.0.clone())
    }
}

impl<T: Clone + Send + Sync + 'static> Default for Router<T> {
    fn default() -> Self {
        Router::new()
    }
}

impl<T: Clone + Send + Sync + 'static> Router<T> {
    /// Without entries.
    pub fn new() -> Self {
        Router::with_cache(DEFAULT_CACHED_TOPICS, DEFAULT_CACHED_ENTRIES)
    }

    /// Keeps answers for about `max_topics` topics (rounded up to four times a power of two; 0: for none), which
    /// have at most `max_entries` entries together.
    pub fn with_cache(max_topics: usize, max_entries: usize) -> Self {
        Router(Arc::new(Shared {
            patterns: RwLock::default(),
            cache: Cache::new(max_topics, max_entries),
            generation: AtomicU64::new(0),
            changes: AtomicU64::new(0),
            len: AtomicUsize::new(0),
        }))
    }

    /// Adds an entry under that pattern. Every [`route`](Router::route) that begins later finds it.
    pub fn insert(&self, pattern: &TopicPattern, value: T) -> RouteKey {
        let shared = &*self.0;
        let mut patterns = shared.write();
        patterns.last_order += 1;
        shared.len.fetch_add(1, Ordering::Relaxed);
        let order = patterns.last_order;
        let entry = Entry { order, value };
        let mut garbage = Vec::new();
        match pattern.as_topic() {
            Some(topic) => {
                garbage = shared.cache.forget_topic(&topic);
                let literal = patterns.literals.entry(topic.clone()).or_default();
                literal.entries.push(entry);
                patterns.tell_handles(&topic);
            }
            None => {
                patterns.wildcards.insert(pattern.as_str(), entry);
                shared.generation.fetch_add(1, Ordering::Release);
                shared.changes.fetch_add(1, Ordering::Release);
            }
        }
        drop(patterns);
        drop(garbage);
        RouteKey {
            pattern: pattern.clone(),
            order,
        }
    }

    /// Takes an entry out; `None`: it was taken out before. No [`route`](Router::route) that begins later finds
    /// it, and nothing of it is kept but by those who are using it.
    pub fn remove(&self, key: &RouteKey) -> Option<T> {
        let shared = &*self.0;
        let topic = key.pattern.as_topic();
        let removed = {
            let mut patterns = shared.write();
            match &topic {
                Some(topic) => patterns.remove_literal(topic, key.order),
                None => patterns.wildcards.remove(key.pattern.as_str(), key.order),
            }
        };
        let gone = usize::from(removed.is_some());
        shared.len.fetch_sub(gone, Ordering::Relaxed);
        // Without the lock, because there may be many answers to let go of. No new one has the entry: who makes one
        // holds the lock until it is kept, and finds the entry gone from now on.
        drop(shared.cache.forget(key.order));
        // Handles are told last: who is told looks into the cache, and takes what is there for news.
        match &topic {
            Some(topic) => shared.read().tell_handles(topic),
            None => {
                shared.changes.fetch_add(1, Ordering::Release);
            }
        }
        removed.map(|entry| entry.value)
    }

    /// The entries whose patterns cover the topic, in the order in which they were inserted.
    #[inline]
    pub fn route(&self, topic: &Topic) -> Route<'_, T> {
        self.0.route(topic)
    }

    /// Calls with the entries whose patterns cover the topic, in the order in which they were inserted.
    #[inline]
    pub fn with<R>(&self, topic: &Topic, call: impl FnOnce(&[T]) -> R) -> R {
        let shared = &*self.0;
        let generation = shared.generation.load(Ordering::Acquire);
        match shared.cache.with(topic, generation, call) {
            Ok(result) => result,
            Err(call) => call(&shared.walk(topic)),
        }
    }

    /// A handle for one topic, for those who publish to it again and again.
    pub fn handle(&self, topic: Topic) -> RouteHandle<T> {
        RouteHandle::new(self.0.clone(), topic)
    }

    /// How many entries there are.
    #[inline]
    pub fn len(&self) -> usize {
        self.0.len.load(Ordering::Relaxed)
    }

    /// Whether there are none.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl<T> Shared<T> {
    fn read(&self) -> RwLockReadGuard<'_, Patterns<T>> {
        self.patterns.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Patterns<T>> {
        self.patterns
            .write()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T: Clone> Shared<T> {
    #[inline(always)]
    fn route(&self, topic: &Topic) -> Route<'_, T> {
        match self
            .cache
            .get(topic, self.generation.load(Ordering::Acquire))
        {
            Some(line) => Route(Answer::Kept(line)),
            None => self.walk(topic),
        }
    }

    #[inline(never)]
    fn walk(&self, topic: &Topic) -> Route<'_, T> {
        // Held until the answer is kept, so that it is not kept after a change that it does not know of.
        let patterns = self.read();
        let found = patterns.find(topic);
        let generation = self.generation.load(Ordering::Acquire);
        if !self.cache.wants(topic, generation, found.len()) {
            return Route(Answer::Own(Own::of(&found)));
        }
        let line = Line {
            topic: topic.clone(),
            generation,
            entries: found.iter().map(|entry| entry.value.clone()).collect(),
            orders: found.iter().map(|entry| entry.order).collect(),
        };
        let (kept, garbage) = self.cache.put(line);
        drop(patterns);
        drop(garbage);
        Route(match kept {
            Ok(line) => Answer::Kept(line),
            Err(line) => Answer::Own(Own::Many(line.entries)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(text: &str) -> TopicPattern {
        TopicPattern::new(text).unwrap()
    }

    fn topic(text: &str) -> Topic {
        Topic::new(text).unwrap()
    }

    #[test]
    fn entries_come_in_the_order_of_insertion() {
        let router = Router::new();
        for (nth, text) in ["a.b", "a.*", ">", "a.b", "*.b", "a.>", "x"]
            .iter()
            .enumerate()
        {
            router.insert(&pattern(text), nth);
        }
        for _ in 0..3 {
            assert_eq!(*router.route(&topic("a.b")), [0, 1, 2, 3, 4, 5]);
            assert_eq!(*router.route(&topic("a")), [2]);
        }
        assert_eq!(router.len(), 7);
    }

    #[test]
    fn a_kept_answer_follows_changes() {
        let router = Router::new();
        let at = topic("a.b");
        let mut handle = router.handle(at.clone());
        let mut check = |expected: &[u32]| {
            assert_eq!(*router.route(&at), *expected);
            assert_eq!(*router.route(&at), *expected);
            assert_eq!(handle.route(), expected);
        };
        check(&[]);
        let one = router.insert(&pattern("a.b"), 1);
        check(&[1]);
        let two = router.insert(&pattern("a.>"), 2);
        check(&[1, 2]);
        router.insert(&pattern("a.c"), 3);
        check(&[1, 2]);
        assert_eq!((router.remove(&one), router.remove(&one)), (Some(1), None));
        check(&[2]);
        assert_eq!((router.remove(&two), router.remove(&two)), (Some(2), None));
        check(&[]);
    }

    #[test]
    fn what_is_removed_is_freed_and_its_branches_too() {
        let router = Router::new();
        let value = Arc::new(());
        let keys: Vec<RouteKey> = ["a.b", "a.*.c", ">", "a.b.>", "*.*.*"]
            .iter()
            .map(|text| router.insert(&pattern(text), value.clone()))
            .collect();
        for text in ["a.b", "a.b.c", "x"] {
            drop(router.route(&topic(text)));
            drop(router.route(&topic(text)));
        }
        let handle = router.handle(topic("a.b"));
        for key in &keys {
            assert!(router.remove(key).is_some());
        }
        // The handle holds what it found: `a.b` and `>`.
        assert_eq!(Arc::strong_count(&value), 3);
        drop(handle);
        assert_eq!(Arc::strong_count(&value), 1);
        let patterns = router.0.patterns.read().unwrap();
        assert!(patterns.wildcards.is_empty() && patterns.literals.is_empty());
        assert!(router.is_empty());
    }

    #[test]
    fn the_cache_is_bounded_and_stays_right_when_it_is_full() {
        for (topics, entries) in [(0, 100), (4, 100), (4, 0), (8, 3)] {
            let router = Router::with_cache(topics, entries);
            router.insert(&pattern("t.>"), 0);
            for n in (0..400_usize).chain(0..400) {
                assert_eq!(
                    *router.route(&topic(&format!("t.{n}"))),
                    [0],
                    "{topics} {entries}"
                );
            }
            router.insert(&pattern("t.*"), 1);
            for n in 0..400_usize {
                assert_eq!(*router.route(&topic(&format!("t.{n}"))), [0, 1]);
            }
        }
    }
}
