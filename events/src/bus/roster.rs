//! The subscriptions that there are.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use super::target::{Group, Queued, Target};
use crate::error::EventError;
use crate::event::Event;
use crate::metrics::DeliveryMetrics;
use crate::pattern::TopicPattern;
use crate::queue::{Lane, QueueCounts};
use crate::route::{RouteKey, Router};
use crate::subscription::record::SubscriptionRecord;

/// The most queues behind one lock: it bounds for how long a writer holds it.
const READERS_PER_LANE: usize = 64;

/// All subscriptions of a bus, and how they are reached. Whoever changes the router holds its lock.
#[derive(Default)]
pub(crate) struct Roster {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    by_id: HashMap<u64, Seat>,
    /// Lanes of plain subscriptions, by pattern.
    shared: HashMap<TopicPattern, Vec<SharedLane>>,
    groups: HashMap<Box<str>, Weak<Group>>,
    last_id: u64,
    closed: bool,
    /// The sums of those that are gone.
    gone: DeliveryMetrics,
}

/// How a subscription is reached.
struct Seat {
    record: Arc<SubscriptionRecord>,
    queue: Option<Arc<Queued>>,
    /// Of its own entry in the router; `None`: it shares a lane's.
    key: Option<RouteKey>,
}

struct SharedLane {
    queued: Arc<Queued>,
    key: RouteKey,
    readers: usize,
}

/// What is left of a subscription that has ended.
pub(crate) struct Ended {
    pub(crate) record: Arc<SubscriptionRecord>,
    pub(crate) queue: Option<Arc<Queued>>,
    pub(crate) left: VecDeque<Arc<Event>>,
    /// Dropped without the lock: the user's closures are in it.
    _target: Option<Target>,
}

impl Roster {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A number for a new subscription.
    pub(crate) fn next_id(&self) -> u64 {
        let mut state = self.lock();
        state.last_id += 1;
        state.last_id
    }

    /// The group of that name, which is gone when no subscription has it.
    pub(crate) fn group(&self, name: &str) -> Arc<Group> {
        let mut state = self.lock();
        if let Some(group) = state.groups.get(name).and_then(Weak::upgrade) {
            return group;
        }
        state.groups.retain(|_, group| group.strong_count() > 0);
        let group = Arc::<Group>::default();
        state.groups.insert(name.into(), Arc::downgrade(&group));
        group
    }

    fn admit(state: &State, record: &SubscriptionRecord, limit: usize) -> Result<(), EventError> {
        if state.closed {
            let what = format!("the subscription to `{}`", record.pattern);
            return Err(EventError::Closed { what: what.into() });
        }
        if state.by_id.len() >= limit {
            return Err(EventError::TooManySubscriptions { limit });
        }
        Ok(())
    }

    /// Adds a subscription with an entry of its own.
    pub(crate) fn add(
        &self,
        router: &Router<Target>,
        record: &Arc<SubscriptionRecord>,
        target: Target,
        limit: usize,
    ) -> Result<(), EventError> {
        let mut state = self.lock();
        Roster::admit(&state, record, limit)?;
        let queue = match &target {
            Target::Queued(queued) => Some(Arc::clone(queued)),
            Target::Inline(_) => None,
        };
        let seat = Seat {
            record: Arc::clone(record),
            queue,
            key: Some(router.insert(&record.pattern, target)),
        };
        state.by_id.insert(record.id, seat);
        Ok(())
    }

    /// Adds a plain subscription to a lane of its pattern. `reader` adds its queue to the lane.
    pub(crate) fn add_plain<R>(
        &self,
        router: &Router<Target>,
        record: &Arc<SubscriptionRecord>,
        limit: usize,
        reader: impl FnOnce(&Arc<Lane<Arc<Event>>>) -> R,
    ) -> Result<R, EventError> {
        let mut state = self.lock();
        Roster::admit(&state, record, limit)?;
        let lanes = state.shared.entry(record.pattern.clone()).or_default();
        let at = lanes
            .iter()
            .position(|lane| lane.readers < READERS_PER_LANE);
        let lane = match at {
            Some(at) => &mut lanes[at],
            None => {
                let queued = Arc::new(Queued {
                    lane: Arc::default(),
                    special: None,
                });
                let key = router.insert(&record.pattern, Target::Queued(Arc::clone(&queued)));
                lanes.push(SharedLane {
                    queued,
                    key,
                    readers: 0,
                });
                lanes.last_mut().expect("one was added")
            }
        };
        lane.readers += 1;
        let queued = Arc::clone(&lane.queued);
        let reader = reader(&queued.lane);
        let seat = Seat {
            record: Arc::clone(record),
            queue: Some(queued),
            key: None,
        };
        state.by_id.insert(record.id, seat);
        Ok(reader)
    }

    /// Takes a subscription out, with what waits in its queue after `unread`.
    pub(crate) fn remove(
        &self,
        router: &Router<Target>,
        id: u64,
        mut unread: VecDeque<Arc<Event>>,
    ) -> Option<Ended> {
        let mut state = self.lock();
        let seat = state.by_id.remove(&id)?;
        let target = match &seat.key {
            Some(key) => router.remove(key),
            None => state.leave_shared(router, &seat),
        };
        let mut sums = DeliveryMetrics::default();
        if let Some(queued) = &seat.queue {
            let (left, counts) = queued.lane.remove(id);
            unread.extend(left);
            sums.dropped = counts.lost;
            sums.gaps = counts.gaps;
        }
        sums.add(&seat.record.counters.metrics());
        state.gone.add(&sums);
        Some(Ended {
            record: seat.record,
            queue: seat.queue,
            left: unread,
            _target: target,
        })
    }

    /// Counts deliveries that a publisher had not told of yet.
    pub(crate) fn add_delivered(&self, records: &[Arc<SubscriptionRecord>], count: u64) {
        let mut state = self.lock();
        for record in records {
            if state.by_id.contains_key(&record.id) {
                record.counters.delivered.add(count);
            } else {
                state.gone.delivered += count;
            }
        }
    }

    /// Counts events that a subscription left unread, which is gone.
    pub(crate) fn add_abandoned(&self, count: u64) {
        self.lock().gone.abandoned += count;
    }

    /// The figures of a queue.
    pub(crate) fn counts(&self, id: u64) -> QueueCounts {
        let queue = self
            .lock()
            .by_id
            .get(&id)
            .and_then(|seat| seat.queue.clone());
        queue.map_or_else(QueueCounts::default, |queued| queued.lane.counts(id))
    }

    pub(crate) fn record(&self, id: u64) -> Option<Arc<SubscriptionRecord>> {
        self.lock()
            .by_id
            .get(&id)
            .map(|seat| Arc::clone(&seat.record))
    }

    /// All that there are, in the order in which they came.
    pub(crate) fn records(&self) -> Vec<Arc<SubscriptionRecord>> {
        let mut records: Vec<_> = {
            let state = self.lock();
            state
                .by_id
                .values()
                .map(|seat| Arc::clone(&seat.record))
                .collect()
        };
        records.sort_unstable_by_key(|record| record.id);
        records
    }

    pub(crate) fn gone(&self) -> DeliveryMetrics {
        self.lock().gone
    }

    /// Takes no more subscriptions, and lets all queues come to their end.
    pub(crate) fn close(&self) {
        let queues: Vec<_> = {
            let mut state = self.lock();
            state.closed = true;
            state
                .by_id
                .values()
                .filter_map(|seat| seat.queue.clone())
                .collect()
        };
        queues.iter().for_each(|queued| queued.lane.seal());
    }
}

impl State {
    fn leave_shared(&mut self, router: &Router<Target>, seat: &Seat) -> Option<Target> {
        let lanes = self.shared.get_mut(&seat.record.pattern)?;
        let queue = seat.queue.as_ref()?;
        let at = lanes
            .iter()
            .position(|lane| Arc::ptr_eq(&lane.queued, queue))?;
        lanes[at].readers -= 1;
        if lanes[at].readers > 0 {
            return None;
        }
        let lane = lanes.swap_remove(at);
        if lanes.is_empty() {
            self.shared.remove(&seat.record.pattern);
        }
        router.remove(&lane.key)
    }
}
