//! The last events, in memory.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use super::{EventStore, Query, Retention, Snapshot, Usage};
use crate::error::EventError;
use crate::event::Event;
use crate::pattern::TopicPattern;

/// What an event takes beside its payload and its topic, roughly.
const EVENT_BYTES: usize = 256;

/// Keeps the last events in memory, as many as its [`Retention`] lets it. They end with the process.
///
/// ```
/// use hooks_events::store::{EventStore, MemoryStore, Retention};
/// use hooks_events::{Event, TopicPattern};
///
/// let store = MemoryStore::new(Retention { max_events: 100, ..Retention::default() });
/// store.append(Event::try_new("order.created", 17)?)?;
/// let snapshot = store.snapshot(&TopicPattern::new("order.>")?, 10)?;
/// assert_eq!((snapshot.events.len(), snapshot.up_to), (1, 1));
/// # Ok::<(), hooks_events::EventError>(())
/// ```
pub struct MemoryStore {
    retention: Retention,
    now: Box<dyn Fn() -> SystemTime + Send + Sync>,
    ring: Mutex<Ring>,
}

#[derive(Default)]
struct Ring {
    /// Without holes, so that the place of an event follows from its number.
    kept: VecDeque<Kept>,
    bytes: usize,
    last_sequence: u64,
}

struct Kept {
    event: Arc<Event>,
    bytes: usize,
}

impl MemoryStore {
    /// Empty.
    pub fn new(retention: Retention) -> Self {
        MemoryStore::with_clock(retention, SystemTime::now)
    }

    /// Goes by that clock, which tests move.
    pub fn with_clock(
        retention: Retention,
        now: impl Fn() -> SystemTime + Send + Sync + 'static,
    ) -> Self {
        MemoryStore {
            retention,
            now: Box::new(now),
            ring: Mutex::default(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Ring> {
        self.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether an event may still be shown.
    fn is_current(&self, event: &Event, now: SystemTime) -> bool {
        !event.is_expired_at(now) && !self.is_too_old(event, now)
    }

    fn is_too_old(&self, event: &Event, now: SystemTime) -> bool {
        let age = now.duration_since(event.time()).unwrap_or_default();
        self.retention.max_age.is_some_and(|most| age > most)
    }

    /// Takes out what passes the limits, for the caller to drop without the lock: a payload's drop may be anybody's
    /// code.
    fn evict(&self, ring: &mut Ring, now: SystemTime) -> Vec<Kept> {
        let mut evicted = Vec::new();
        while let Some(oldest) = ring.kept.front() {
            let has_room = ring.kept.len() <= self.retention.max_events
                && ring.bytes <= self.retention.max_bytes;
            if has_room && !self.is_too_old(&oldest.event, now) && !oldest.event.is_expired_at(now)
            {
                break;
            }
            ring.bytes -= oldest.bytes;
            evicted.extend(ring.kept.pop_front());
        }
        evicted
    }
}

impl Default for MemoryStore {
    fn default() -> Self {
        MemoryStore::new(Retention::default())
    }
}

impl fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryStore")
            .field("retention", &self.retention)
            .field("usage", &self.usage())
            .finish_non_exhaustive()
    }
}

impl EventStore for MemoryStore {
    fn append(&self, event: Event) -> Result<Arc<Event>, EventError> {
        let bytes = EVENT_BYTES + event.topic().as_str().len() + event.size_hint_bytes();
        if bytes > self.retention.max_bytes || self.retention.max_events == 0 {
            return Err(EventError::NotKept {
                topic: event.topic().as_str().into(),
                why: format!(
                    "it takes {bytes} bytes, and the store keeps {} events of {} bytes together; raise \
                     `Retention::max_bytes`, or publish a reference to the data",
                    self.retention.max_events, self.retention.max_bytes
                )
                .into(),
            });
        }
        // The time is made now if nobody has asked for it, so that age and order agree.
        event.time();
        let now = (self.now)();
        let mut ring = self.lock();
        ring.last_sequence += 1;
        let event = Arc::new(event.with_sequence(ring.last_sequence));
        ring.kept.push_back(Kept {
            event: event.clone(),
            bytes,
        });
        ring.bytes += bytes;
        let evicted = self.evict(&mut ring, now);
        drop(ring);
        drop(evicted);
        Ok(event)
    }

    fn read(&self, query: &Query) -> Result<Vec<Arc<Event>>, EventError> {
        let now = (self.now)();
        let ring = self.lock();
        let oldest = ring.last_sequence - ring.kept.len() as u64 + 1;
        let skipped = query.sequences().0.saturating_sub(oldest);
        let from = usize::try_from(skipped)
            .unwrap_or(usize::MAX)
            .min(ring.kept.len());
        let events = ring.kept.range(from..).map(|kept| &kept.event);
        let wanted = events
            .take_while(|event| event.sequence() <= Some(query.sequences().1))
            .filter(|event| self.is_current(event, now) && query.covers(event));
        Ok(wanted.take(query.max_events()).cloned().collect())
    }

    fn snapshot(&self, pattern: &TopicPattern, count: usize) -> Result<Snapshot, EventError> {
        let now = (self.now)();
        let ring = self.lock();
        let newest_first = ring.kept.iter().rev().map(|kept| &kept.event);
        let covered = newest_first
            .filter(|event| self.is_current(event, now) && pattern.matches(event.topic().as_str()));
        let mut events: Vec<_> = covered.take(count).cloned().collect();
        events.reverse();
        Ok(Snapshot::new(events, ring.last_sequence))
    }

    fn last_sequence(&self) -> u64 {
        self.lock().last_sequence
    }

    fn usage(&self) -> Usage {
        let ring = self.lock();
        Usage::new(ring.kept.len(), ring.bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::contract;

    #[test]
    fn the_contract_holds() {
        contract::check(|retention, clock| MemoryStore::with_clock(retention, move || clock.now()));
    }

    /// A payload whose drop looks at the store must not meet its lock.
    #[test]
    fn evicted_payloads_are_dropped_without_the_lock() {
        struct Looks(Arc<MemoryStore>);
        impl Drop for Looks {
            fn drop(&mut self) {
                self.0.usage();
            }
        }
        let store = Arc::new(MemoryStore::new(Retention {
            max_events: 1,
            ..Retention::default()
        }));
        let topic = crate::topic::Topic::new("a.b").unwrap();
        for _ in 0..3 {
            store
                .append(Event::opaque(&topic, Looks(store.clone())))
                .unwrap();
        }
        store.append(Event::without_data(&topic)).unwrap();
        assert_eq!((store.usage().events, Arc::strong_count(&store)), (1, 1));
    }
}
