//! What all handles of a bus share.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use hooks_runtime::monitor::Histogram;
use hooks_runtime::panic::caught;
use tokio::sync::Notify;

use super::builder::EventBusBuilder;
use super::deliver::Filter;
use super::roster::Roster;
use super::tally::Tallies;
use super::target::{Queued, Target};
use crate::dead_letter::DeadLetters;
use crate::event::Event;
use crate::metrics::{BusMetrics, Counter, DeliveryMetrics, SubscriptionMetrics};
use crate::request::Requests;
use crate::route::Router;
use crate::subscription::record::SubscriptionRecord;
use crate::topic::Topic;

/// The state of a bus. Subscriptions hold it too, so it may outlive the last `EventBus`.
pub(crate) struct Inner {
    pub(crate) settings: EventBusBuilder,
    pub(crate) router: Router<Target>,
    pub(crate) roster: Roster,
    pub(crate) published: Counter,
    pub(crate) refused: Counter,
    pub(crate) tallies: Tallies,
    pub(crate) latency: Histogram,
    pub(crate) dead_letters: DeadLetters,
    pub(crate) requests: Requests,
    closed: AtomicBool,
    /// Told when something was read while the bus is closing.
    pub(super) progress: Notify,
}

impl Inner {
    pub(crate) fn new(settings: EventBusBuilder) -> Self {
        Inner {
            router: Router::with_cache(settings.cached_topics, settings.cached_entries),
            roster: Roster::default(),
            published: Counter::default(),
            refused: Counter::default(),
            tallies: Tallies::default(),
            latency: Histogram::default(),
            dead_letters: DeadLetters::new(settings.dead_letters_kept),
            requests: Requests::default(),
            closed: AtomicBool::new(false),
            progress: Notify::new(),
            settings,
        }
    }

    #[inline]
    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Relaxed)
    }

    /// Takes no more events and subscriptions; what is queued is still read.
    pub(crate) fn close(&self) {
        self.closed.store(true, Ordering::Release);
        self.roster.close();
        self.requests.close();
        self.tell_progress();
    }

    /// Whether somebody gets events of that topic, now or later.
    pub(crate) fn is_heard(&self, topic: &Topic) -> bool {
        self.store_of(topic).is_some() || self.router.with(topic, |targets| !targets.is_empty())
    }

    pub(crate) fn tell_progress(&self) {
        self.progress.notify_waiters();
    }

    /// Ends a subscription. What its queue had goes to other members of its group, or is counted as abandoned.
    pub(crate) fn end(&self, id: u64) {
        self.end_unread(id, VecDeque::new());
    }

    /// As `end`, where the reader had taken some events already.
    pub(crate) fn end_unread(&self, id: u64, unread: VecDeque<Arc<Event>>) {
        let unread_count = unread.len() as u64;
        let Some(ended) = self.roster.remove(&self.router, id, unread) else {
            // It was ended before its reader: these are all that is left.
            if unread_count > 0 {
                self.roster.add_abandoned(unread_count);
            }
            return;
        };
        ended.record.finish();
        let mut abandoned = 0;
        for event in ended.left {
            let heir = ended
                .queue
                .as_deref()
                .and_then(|queue| self.heir(queue, &event));
            match heir {
                Some(heir) if heir.push(Arc::clone(&event), None).queued > 0 => {}
                _ => abandoned += 1,
            }
        }
        ended.record.counters.abandoned.add(abandoned);
        if abandoned > 0 {
            self.roster.add_abandoned(abandoned);
        }
        self.tell_progress();
    }

    /// Another member of the group of that queue that takes the event.
    fn heir(&self, queue: &Queued, event: &Event) -> Option<Arc<Queued>> {
        let group = queue.group()?;
        let route = self.router.route(event.topic()).to_shared();
        let members: Vec<&Arc<Queued>> = self.members(&route, group, event);
        let mut turns = group.turns(&members);
        let first = turns.next()?;
        let with_room = std::iter::once(first)
            .chain(turns)
            .find(|m| m.lane.has_room());
        Some(Arc::clone(with_room.unwrap_or(first)))
    }

    /// Whether the filter lets it pass. A filter that panics does not.
    pub(crate) fn wants(
        &self,
        filter: Option<&Filter>,
        record: &SubscriptionRecord,
        event: &Event,
    ) -> bool {
        let Some(filter) = filter else { return true };
        let wanted = caught(|| filter(event));
        let counters = &record.counters;
        match wanted {
            Ok(true) => return true,
            Ok(false) => counters.filtered.add(1),
            Err(_) => counters.panicked.add(1),
        }
        false
    }

    pub(crate) fn metrics_of(&self, record: &SubscriptionRecord) -> SubscriptionMetrics {
        let mut deliveries = record.counters.metrics();
        deliveries.delivered += self.tallies.delivered(record);
        let counts = match record.last_counts.get() {
            Some(last) => *last,
            None => self.roster.counts(record.id),
        };
        deliveries.dropped = counts.lost;
        deliveries.gaps = counts.gaps;
        deliveries.lag = counts.length as u64;
        SubscriptionMetrics {
            id: record.id,
            name: record.name.to_string(),
            pattern: record.pattern.to_string(),
            deliveries,
        }
    }

    pub(crate) fn subscriptions(&self) -> Vec<SubscriptionMetrics> {
        let records = self.roster.records();
        records
            .iter()
            .map(|record| self.metrics_of(record))
            .collect()
    }

    pub(crate) fn metrics(&self) -> BusMetrics {
        let (tallied_events, tallied_deliveries) = self.tallies.sums();
        let records = self.roster.records();
        let mut totals: DeliveryMetrics = self.roster.gone();
        totals.delivered += tallied_deliveries;
        for record in &records {
            let counts = self.roster.counts(record.id);
            totals.add(&record.counters.metrics());
            totals.add(&DeliveryMetrics {
                dropped: counts.lost,
                gaps: counts.gaps,
                lag: counts.length as u64,
                ..DeliveryMetrics::default()
            });
        }
        BusMetrics {
            published: self.published.get() + tallied_events,
            refused: self.refused.get(),
            subscriptions: records.len() as u64,
            totals,
            dead_letters: self.dead_letters.count(),
            dead_letters_dropped: self.dead_letters.dropped(),
            latency: self.latency.timing(),
        }
    }
}

/// A lock whose holder never leaves anything half done.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
