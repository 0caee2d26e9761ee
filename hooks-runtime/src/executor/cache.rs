//! Answers kept for `Cache` plans.

use std::sync::Arc;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use dashmap::DashMap;
use serde_json::Value;

use crate::answer::Replacement;
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
