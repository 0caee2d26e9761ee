//! Events that are kept: for those who come late, and for looking back.

#[cfg(any(test, feature = "test"))]
pub mod contract;
mod memory;

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::error::EventError;
use crate::event::Event;
use crate::pattern::TopicPattern;
use crate::topic::Topic;

pub use memory::MemoryStore;

/// Keeps events in the order in which they came.
///
/// The store gives each event its sequence number, from 1 and without holes, when it takes it: so what a
/// [`snapshot`](EventStore::snapshot) has and what comes after it can be told apart, whoever publishes meanwhile.
///
/// Whoever writes a store runs `store::contract::check` on it (feature `test`).
pub trait EventStore: Send + Sync {
    /// Whether events of that topic are kept here; all are, if the store says nothing else.
    fn wants(&self, topic: &Topic) -> bool {
        let _ = topic;
        true
    }

    /// Takes an event and gives it the next sequence number. A sequence that it had is replaced.
    ///
    /// # Errors
    /// [`EventError::NotKept`]: the event does not fit, or the place where events are kept fails. The event has
    /// then no sequence number, and none is skipped.
    fn append(&self, event: Event) -> Result<Arc<Event>, EventError>;

    /// The events that the query asks for, oldest first, without those that have expired.
    ///
    /// # Errors
    /// [`EventError::NotRead`]: the place where events are kept fails.
    fn read(&self, query: &Query) -> Result<Vec<Arc<Event>>, EventError>;

    /// The last `count` events that the pattern covers and that have not expired, oldest first, and up to which
    /// event that is.
    ///
    /// # Errors
    /// [`EventError::NotRead`]: the place where events are kept fails.
    fn snapshot(&self, pattern: &TopicPattern, count: usize) -> Result<Snapshot, EventError>;

    /// The number of the last event that was taken; 0 before the first.
    fn last_sequence(&self) -> u64;

    /// What is kept now.
    fn usage(&self) -> Usage;
}

/// Events at one moment.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Snapshot {
    /// Oldest first.
    pub events: Vec<Arc<Event>>,
    /// Every event up to this number was looked at, and none after it.
    pub up_to: u64,
}

impl Snapshot {
    /// For stores: these events, of all up to that number.
    pub fn new(events: Vec<Arc<Event>>, up_to: u64) -> Self {
        Snapshot { events, up_to }
    }
}

/// How much a store holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
#[non_exhaustive]
pub struct Usage {
    /// How many events.
    pub events: usize,
    /// About how much they take, in bytes; see [`Event::size_hint_bytes`].
    pub bytes: usize,
}

impl Usage {
    /// For stores: so many events that take about so much.
    pub fn new(events: usize, bytes: usize) -> Self {
        Usage { events, bytes }
    }
}

/// How long events are kept: the oldest go first when one of the limits is passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// How many events at most. Default: 1,024.
    pub max_events: usize,
    /// How much they may take together, in bytes, by [`Event::size_hint_bytes`] and what an event takes beside
    /// its payload. Default: 16 MiB.
    pub max_bytes: usize,
    /// For how long after its time an event is kept; `None`, the default: as long as there is room.
    pub max_age: Option<Duration>,
}

impl Default for Retention {
    fn default() -> Self {
        Retention {
            max_events: 1_024,
            max_bytes: 16 << 20,
            max_age: None,
        }
    }
}

/// Which events to read.
///
/// ```
/// use hooks_events::TopicPattern;
/// use hooks_events::store::Query;
///
/// let query = Query::new(TopicPattern::new("order.>")?).from_sequence(17).limit(100);
/// # Ok::<(), hooks_events::EventError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Query {
    pattern: TopicPattern,
    sequences: (u64, u64),
    from_time: Option<SystemTime>,
    to_time: Option<SystemTime>,
    limit: usize,
}

impl Query {
    /// How many events are read at once if nothing else is said.
    pub const DEFAULT_LIMIT: usize = 1_000;

    /// The first [`DEFAULT_LIMIT`](Query::DEFAULT_LIMIT) events that the pattern covers.
    pub fn new(pattern: TopicPattern) -> Self {
        Query {
            pattern,
            sequences: (0, u64::MAX),
            from_time: None,
            to_time: None,
            limit: Query::DEFAULT_LIMIT,
        }
    }

    /// None before that one. To read on, give the number after that of the last event that came.
    #[must_use]
    pub fn from_sequence(mut self, sequence: u64) -> Self {
        self.sequences.0 = sequence;
        self
    }

    /// None after that one.
    #[must_use]
    pub fn to_sequence(mut self, sequence: u64) -> Self {
        self.sequences.1 = sequence;
        self
    }

    /// None that happened before that time.
    #[must_use]
    pub fn from_time(mut self, time: SystemTime) -> Self {
        self.from_time = Some(time);
        self
    }

    /// None that happened at that time or later.
    #[must_use]
    pub fn to_time(mut self, time: SystemTime) -> Self {
        self.to_time = Some(time);
        self
    }

    /// Not more events than that.
    #[must_use]
    pub fn limit(mut self, events: usize) -> Self {
        self.limit = events;
        self
    }

    /// For stores: the first and the last number that are asked for.
    pub fn sequences(&self) -> (u64, u64) {
        self.sequences
    }

    /// For stores: how many events are asked for.
    pub fn max_events(&self) -> usize {
        self.limit
    }

    /// For stores: whether it asks for that event, limit and expiry aside.
    pub fn covers(&self, event: &Event) -> bool {
        let sequence = event.sequence().unwrap_or_default();
        let (first, last) = self.sequences;
        (first..=last).contains(&sequence)
            && self.pattern.matches(event.topic().as_str())
            && self.from_time.is_none_or(|from| event.time() >= from)
            && self.to_time.is_none_or(|to| event.time() < to)
    }
}
