//! Which events of one handler may be handled at the same time.

use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasher, Hash, RandomState};
use std::num::NonZeroUsize;

use crate::event::Event;

/// For each event that may be handled at a time, so many may wait for their lane outside of the queue, so that one
/// busy key does not hold up the others.
const WAITING_PER_LANE: usize = 16;

/// How many events at a time a handler is given, and which of them stay in order.
///
/// Beyond the capacity of its queue, a handler of several events at a time holds those that wait for one with the
/// same key: up to 16 for each that it may handle at a time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Strategy {
    /// One after the other, in the order of the queue. The default.
    #[default]
    Sequential,
    /// So many at a time. Events with the same partition key stay in order, one after the other; those without
    /// one are in no order.
    Concurrent(NonZeroUsize),
    /// So many at a time, each event in one of so many lanes by its partition key, or by its topic if it has
    /// none; within a lane they stay in order.
    Partitioned(NonZeroUsize),
}

impl Strategy {
    /// `Concurrent`, or `Sequential` for 0 and 1.
    pub fn concurrent(count: usize) -> Strategy {
        match NonZeroUsize::new(count) {
            Some(count) if count.get() > 1 => Strategy::Concurrent(count),
            _ => Strategy::Sequential,
        }
    }

    /// `Partitioned`, or `Sequential` for 0 and 1.
    pub fn partitioned(count: usize) -> Strategy {
        match NonZeroUsize::new(count) {
            Some(count) if count.get() > 1 => Strategy::Partitioned(count),
            _ => Strategy::Sequential,
        }
    }

    /// The most events that are handled at a time.
    pub fn limit(self) -> usize {
        match self {
            Strategy::Sequential => 1,
            Strategy::Concurrent(count) | Strategy::Partitioned(count) => count.get(),
        }
    }
}

/// What waits for what.
pub(crate) struct Lanes<T> {
    strategy: Strategy,
    hasher: RandomState,
    /// The lanes in which an event is being handled, with those that wait for it.
    busy: HashMap<u64, VecDeque<T>>,
    waiting: usize,
}

/// Whether an event may be handled now.
pub(crate) enum Turn<T> {
    /// Now, in that lane, which is told when it is done; `None`: in none.
    Now(T, Option<u64>),
    /// When those before it in its lane are done.
    Later,
}

impl<T> Lanes<T> {
    pub(crate) fn new(strategy: Strategy) -> Self {
        Lanes {
            strategy,
            hasher: RandomState::new(),
            busy: HashMap::new(),
            waiting: 0,
        }
    }

    fn lane(&self, event: &Event) -> Option<u64> {
        let key = event.partition_key();
        match self.strategy {
            Strategy::Sequential => Some(0),
            Strategy::Concurrent(_) => key.map(|key| self.hash(key)),
            Strategy::Partitioned(count) => {
                let hash = self.hash(key.unwrap_or_else(|| event.topic().as_str()));
                Some(hash % count.get() as u64)
            }
        }
    }

    fn hash(&self, key: impl Hash) -> u64 {
        self.hasher.hash_one(key)
    }

    /// Whether `item`, which is that event, has its turn.
    pub(crate) fn enter(&mut self, event: &Event, item: T) -> Turn<T> {
        let Some(lane) = self.lane(event) else {
            return Turn::Now(item, None);
        };
        match self.busy.get_mut(&lane) {
            Some(line) => {
                line.push_back(item);
                self.waiting += 1;
                Turn::Later
            }
            None => {
                self.busy.insert(lane, VecDeque::new());
                Turn::Now(item, Some(lane))
            }
        }
    }

    /// The event in that lane is done: the next one that waited for it.
    pub(crate) fn leave(&mut self, lane: u64) -> Option<T> {
        let next = self.busy.get_mut(&lane).and_then(VecDeque::pop_front);
        match &next {
            Some(_) => self.waiting -= 1,
            None => drop(self.busy.remove(&lane)),
        }
        next
    }

    /// Whether so much waits for its lane that no more should be taken: further events would only move from one
    /// queue to another.
    pub(crate) fn is_crowded(&self) -> bool {
        self.waiting >= self.strategy.limit() * WAITING_PER_LANE
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::topic::Topic;

    fn event(topic: &str, key: &str) -> Event {
        Event::without_data(Topic::new(topic).unwrap()).with_partition_key(key)
    }

    #[test]
    fn events_with_one_key_wait_for_one_another() {
        let mut lanes = Lanes::new(Strategy::concurrent(3));
        let Turn::Now(1, Some(lane)) = lanes.enter(&event("t", "a"), 1) else {
            panic!("the first waits");
        };
        assert!(matches!(lanes.enter(&event("t", "a"), 2), Turn::Later));
        assert!(matches!(lanes.enter(&event("t", "a"), 3), Turn::Later));
        assert!(matches!(
            lanes.enter(&event("t", "b"), 4),
            Turn::Now(4, Some(_))
        ));
        assert!(matches!(
            lanes.enter(&event("t", ""), 5),
            Turn::Now(5, None)
        ));
        assert_eq!(lanes.leave(lane), Some(2));
        assert_eq!(lanes.leave(lane), Some(3));
        assert_eq!(lanes.leave(lane), None);
        assert!(matches!(lanes.enter(&event("t", "a"), 6), Turn::Now(6, _)));
    }

    #[test]
    fn there_are_as_many_lanes_as_were_asked_for() {
        let mut lanes = Lanes::new(Strategy::partitioned(4));
        let starts = (0..100)
            .filter(|n| {
                let event = event("t", &n.to_string());
                matches!(lanes.enter(&event, *n), Turn::Now(..))
            })
            .count();
        assert_eq!(starts, 4);
        assert!(lanes.is_crowded());
    }

    #[test]
    fn without_a_key_the_topic_decides() {
        let mut lanes = Lanes::new(Strategy::partitioned(1000));
        assert!(matches!(lanes.enter(&event("a", ""), 1), Turn::Now(..)));
        assert!(matches!(lanes.enter(&event("a", ""), 2), Turn::Later));
        assert_eq!(Strategy::partitioned(1), Strategy::Sequential);
        assert_eq!(Strategy::concurrent(0).limit(), 1);
    }
}
