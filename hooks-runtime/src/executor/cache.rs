//! Answers kept for `Cache` plans.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use dashmap::DashMap;
use serde_json::Value;

use crate::answer::Replacement;
use crate::context::CallMeta;
use crate::registry::Inner;
use crate::view::Kept;

/// At most this many answers are kept for one registry; then the one that is used up soonest goes.
pub(crate) const MAX_ENTRIES: usize = 4096;

/// What identifies an answer. Answers are never shared between principals, components or hooks.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct CacheKey {
    pub(crate) point: &'static str,
    pub(crate) path: &'static str,
    pub(crate) component: Option<Box<str>>,
    pub(crate) principal: Option<Arc<str>>,
    /// The hook's serial number: hooks of two scopes may have the same id.
    pub(crate) hook: u32,
    pub(crate) key: String,
}

impl CacheKey {
    pub(crate) fn new(meta: &CallMeta<'_>, hook: u32, key: &str) -> Self {
        CacheKey {
            point: meta.site.point,
            path: meta.site.path,
            component: meta.facts.named().map(Into::into),
            principal: meta.link.and_then(|l| l.principal.clone()),
            hook,
            key: key.to_owned(),
        }
    }
}

/// The place of an answer that a hook's `Cache` keeps; see [`crate::HookContext::kept_answer`].
#[derive(Clone, Debug)]
pub struct KeptAnswer {
    pub(crate) registry: Weak<Inner>,
    pub(crate) key: CacheKey,
}

impl KeptAnswer {
    /// How many answers one registry keeps at most, of all hooks together.
    pub const MAX: usize = MAX_ENTRIES;

    /// Whether there is an answer that is not too old.
    pub fn is_there(&self) -> bool {
        let registry = self.registry.upgrade();
        registry.is_some_and(|r| r.cache.has(&self.key, r.clock.now()))
    }

    /// Drops the answer, if there is one.
    pub fn forget(&self) {
        if let Some(registry) = self.registry.upgrade() {
            registry.cache.remove_if(&self.key, |_| true);
        }
    }
}

/// A kept answer: a clone of the value, or its JSON.
pub(crate) enum Stored {
    Typed(Arc<Mutex<Kept>>),
    Json(Value),
}

#[derive(Default)]
pub(crate) struct ResultCache {
    entries: DashMap<CacheKey, Entry>,
    /// The keys by when they are used up. Locked before a part of the map, never the other way round.
    ends: Mutex<BTreeMap<End, CacheKey>>,
}

/// When an answer is used up, and a number that tells those of one moment apart.
type End = (Instant, u64);

struct Entry {
    end: End,
    stored: Stored,
}

impl ResultCache {
    fn has(&self, key: &CacheKey, now: Instant) -> bool {
        self.entries.get(key).is_some_and(|entry| entry.end.0 > now)
    }

    /// A copy of the answer, if there is one that is not too old.
    pub(crate) fn get(&self, key: &CacheKey, now: Instant) -> Option<Replacement> {
        let entry = self.entries.get(key)?;
        if entry.end.0 <= now {
            drop(entry);
            self.remove_if(key, |entry| entry.end.0 <= now);
            return None;
        }
        let kept = match &entry.stored {
            Stored::Json(value) => return Some(Replacement::Json(value.clone())),
            Stored::Typed(kept) => kept.clone(),
        };
        // Out of the map's lock: cloning runs code of the value's type.
        drop(entry);
        let kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
        // SAFETY: the view is used up in this statement, while the lock holds the value.
        let copy = unsafe { kept.view() }.clone_value().ok()?;
        Some(Replacement::Typed {
            type_name: "the cached value",
            value: copy.into_inner(),
        })
    }

    /// Takes an answer out, and drops it when no lock is held: that runs code of its type.
    fn remove_if(&self, key: &CacheKey, unwanted: impl FnOnce(&Entry) -> bool) {
        let removed = self.entries.remove_if(key, |_, entry| unwanted(entry));
        if let Some((_, entry)) = removed {
            self.ends().remove(&entry.end);
        }
    }

    fn ends(&self) -> MutexGuard<'_, BTreeMap<End, CacheKey>> {
        self.ends.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn put(&self, key: CacheKey, stored: Stored, ttl: Duration, now: Instant) {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        // A time beyond what the clock can express is as good as for ever.
        let until = now.checked_add(ttl);
        let until = until.unwrap_or_else(|| now + Duration::from_secs(86_400 * 365));
        let end = (until, NUMBER.fetch_add(1, Ordering::Relaxed));
        let mut garbage = Vec::new();
        let mut ends = self.ends();
        while ends.len() >= MAX_ENTRIES && !self.entries.contains_key(&key) {
            let Some((soonest, key)) = ends.pop_first() else {
                break;
            };
            garbage.push(
                self.entries
                    .remove_if(&key, |_, entry| entry.end == soonest),
            );
        }
        ends.insert(end, key.clone());
        let before = self.entries.insert(key, Entry { end, stored });
        if let Some(before) = &before {
            ends.remove(&before.end);
        }
        drop(ends);
        drop((garbage, before));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(number: usize) -> CacheKey {
        CacheKey {
            point: "cache.test",
            path: "test",
            component: None,
            principal: None,
            hook: 1,
            key: number.to_string(),
        }
    }

    fn put(cache: &ResultCache, number: usize, seconds: u64, now: Instant) {
        let ttl = Duration::from_secs(seconds);
        cache.put(key(number), Stored::Json(number.into()), ttl, now);
    }

    /// Both sides know the same answers.
    fn check(cache: &ResultCache, wanted: usize) {
        let ends = cache.ends();
        assert_eq!((cache.entries.len(), ends.len()), (wanted, wanted));
        for (end, key) in &*ends {
            assert_eq!(cache.entries.get(key).map(|entry| entry.end), Some(*end));
        }
    }

    #[test]
    fn when_it_is_full_the_answer_goes_that_is_used_up_soonest() {
        let (cache, now) = (ResultCache::default(), Instant::now());
        for number in 0..MAX_ENTRIES {
            put(&cache, number, 1000 + number as u64, now);
        }
        put(&cache, 3, 9000, now);
        check(&cache, MAX_ENTRIES);
        put(&cache, MAX_ENTRIES, 5000, now);
        check(&cache, MAX_ENTRIES);
        assert!(!cache.has(&key(0), now), "the soonest");
        for kept in [1, 3, MAX_ENTRIES] {
            assert!(cache.has(&key(kept), now), "{kept}");
        }
    }

    #[test]
    fn what_is_used_up_or_forgotten_leaves_nothing() {
        let (cache, now) = (ResultCache::default(), Instant::now());
        put(&cache, 1, 10, now);
        put(&cache, 2, 10, now);
        cache.remove_if(&key(2), |_| true);
        check(&cache, 1);
        let later = now + Duration::from_secs(10);
        assert!(cache.get(&key(1), later).is_none());
        check(&cache, 0);
        put(&cache, 1, u64::MAX, now);
        assert!(cache.has(&key(1), later), "a time beyond the clock");
    }

    #[test]
    fn eight_threads_leave_both_sides_equal() {
        let (cache, now) = (ResultCache::default(), Instant::now());
        std::thread::scope(|threads| {
            for thread in 0..8 {
                let cache = &cache;
                threads.spawn(move || {
                    for number in 0..2000 {
                        put(cache, number * (thread % 3 + 1), number as u64 % 7, now);
                        cache.remove_if(&key(number / 2), |_| number % 5 == 0);
                        let _copy = cache.get(&key(number), now + Duration::from_secs(3));
                    }
                });
            }
        });
        let entries = cache.entries.len();
        assert!(entries <= MAX_ENTRIES);
        check(&cache, entries);
    }
}
