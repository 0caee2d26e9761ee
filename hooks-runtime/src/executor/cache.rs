//! Answers kept for `Cache` plans.

use std::sync::{Arc, Mutex, Weak};
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
            // What is taken out is dropped here, without the map's lock.
            drop(registry.cache.entries.remove(&self.key));
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
    entries: DashMap<CacheKey, (Instant, Stored)>,
}

impl ResultCache {
    fn has(&self, key: &CacheKey, now: Instant) -> bool {
        self.entries.get(key).is_some_and(|entry| entry.0 > now)
    }

    /// A copy of the answer, if there is one that is not too old.
    pub(crate) fn get(&self, key: &CacheKey, now: Instant) -> Option<Replacement> {
        let entry = self.entries.get(key)?;
        let (until, stored) = entry.value();
        if *until <= now {
            drop(entry);
            self.entries.remove_if(key, |_, (until, _)| *until <= now);
            return None;
        }
        let kept = match stored {
            Stored::Json(value) => return Some(Replacement::Json(value.clone())),
            Stored::Typed(kept) => kept.clone(),
        };
        // Out of the map's lock: cloning runs code of the value's type.
        drop(entry);
        let kept = kept
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        // SAFETY: the view is used up in this statement, while the lock holds the value.
        let copy = unsafe { kept.view() }.clone_value().ok()?;
        Some(Replacement::Typed {
            type_name: "the cached value",
            value: copy.into_inner(),
        })
    }

    pub(crate) fn put(&self, key: CacheKey, stored: Stored, ttl: Duration, now: Instant) {
        if self.entries.len() >= MAX_ENTRIES && !self.entries.contains_key(&key) {
            self.entries.retain(|_, (until, _)| *until > now);
            let soonest = || {
                self.entries
                    .iter()
                    .min_by_key(|e| e.value().0)
                    .map(|e| e.key().clone())
            };
            if self.entries.len() >= MAX_ENTRIES
                && let Some(oldest) = soonest()
            {
                self.entries.remove(&oldest);
            }
        }
        // A time beyond what the clock can express is as good as for ever.
        let until = now
            .checked_add(ttl)
            .unwrap_or_else(|| now + Duration::from_secs(86_400 * 365));
        self.entries.insert(key, (until, stored));
    }
}
