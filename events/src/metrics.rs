//! What a bus counts, as plain numbers.
//!
//! Counting must not slow the bus: figures of one writer are written without locked instructions, others are added
//! up where something unusual happens. A snapshot is not one moment of the whole bus; each figure is exact.

use std::sync::atomic::{AtomicU64, Ordering};

use hooks_runtime::monitor::Timing;
use serde::Serialize;

/// The figures of a bus since it was built.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[non_exhaustive]
pub struct BusMetrics {
    /// Events that were published; those that hooks refused are not.
    pub published: u64,
    /// Events that hooks refused at `event.publish`.
    pub refused: u64,
    /// The subscriptions that there are now.
    pub subscriptions: u64,
    /// The sums over all subscriptions, those that are gone included; `lag` is that of those that there are.
    pub totals: DeliveryMetrics,
    /// Events that were put aside because they could not be handled.
    pub dead_letters: u64,
    /// Dead letters that were pushed out of the list by newer ones.
    pub dead_letters_dropped: u64,
    /// From publishing to the reader, of a sample of the queued deliveries.
    pub latency: Timing,
}

/// The figures of one subscription since it began.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct SubscriptionMetrics {
    /// Its number, from 1.
    pub id: u64,
    /// Its name.
    pub name: String,
    /// The pattern of the topics.
    pub pattern: String,
    /// Its figures.
    #[serde(flatten)]
    pub deliveries: DeliveryMetrics,
}

/// What became of the events that were meant for a subscription.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct DeliveryMetrics {
    /// Given to the reader, or to the handler, whatever that made of it.
    pub delivered: u64,
    /// Lost because the queue was full: the sum of all gaps.
    pub dropped: u64,
    /// Gaps that they make.
    pub gaps: u64,
    /// Waiting in the queue now.
    pub lag: u64,
    /// Not read when the subscription ended, or refused by a queue that was being closed.
    pub abandoned: u64,
    /// Not wanted by the filter of the subscription.
    pub filtered: u64,
    /// Expired before they were delivered.
    pub expired: u64,
    /// Refused by hooks at `event.deliver`.
    pub refused: u64,
    /// Attempts at which the handler failed.
    pub failed: u64,
    /// Attempts at which it panicked.
    pub panicked: u64,
    /// Attempts that took too long.
    pub timed_out: u64,
    /// Further attempts.
    pub retries: u64,
    /// Events that were put aside after the last attempt.
    pub dead_letters: u64,
}

impl DeliveryMetrics {
    pub(crate) fn add(&mut self, other: &DeliveryMetrics) {
        self.delivered += other.delivered;
        self.dropped += other.dropped;
        self.gaps += other.gaps;
        self.lag += other.lag;
        self.abandoned += other.abandoned;
        self.filtered += other.filtered;
        self.expired += other.expired;
        self.refused += other.refused;
        self.failed += other.failed;
        self.panicked += other.panicked;
        self.timed_out += other.timed_out;
        self.retries += other.retries;
        self.dead_letters += other.dead_letters;
    }
}

/// A number that grows.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    #[inline]
    pub(crate) fn add(&self, count: u64) {
        self.0.fetch_add(count, Ordering::Relaxed);
    }

    /// As `add`, for a counter that only one thread at a time writes to.
    #[inline]
    pub(crate) fn add_owned(&self, count: u64) {
        let sum = self.0.load(Ordering::Relaxed) + count;
        self.0.store(sum, Ordering::Relaxed);
    }

    #[inline]
    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// What a subscription counts outside of its queue.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) delivered: Counter,
    pub(crate) abandoned: Counter,
    pub(crate) filtered: Counter,
    pub(crate) expired: Counter,
    pub(crate) refused: Counter,
    pub(crate) failed: Counter,
    pub(crate) panicked: Counter,
    pub(crate) timed_out: Counter,
    pub(crate) retries: Counter,
    pub(crate) dead_letters: Counter,
}

impl Counters {
    pub(crate) fn metrics(&self) -> DeliveryMetrics {
        DeliveryMetrics {
            delivered: self.delivered.get(),
            dropped: 0,
            gaps: 0,
            lag: 0,
            abandoned: self.abandoned.get(),
            filtered: self.filtered.get(),
            expired: self.expired.get(),
            refused: self.refused.get(),
            failed: self.failed.get(),
            panicked: self.panicked.get(),
            timed_out: self.timed_out.get(),
            retries: self.retries.get(),
            dead_letters: self.dead_letters.get(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_become_metrics_and_metrics_add_up() {
        let counters = Counters::default();
        counters.delivered.add_owned(2);
        counters.delivered.add(1);
        counters.failed.add(1);
        let mut sum = counters.metrics();
        let lagging = DeliveryMetrics {
            lag: 4,
            dropped: 5,
            gaps: 1,
            ..counters.metrics()
        };
        sum.add(&lagging);
        assert_eq!((sum.delivered, sum.failed, sum.lag), (6, 2, 4));
        assert_eq!((sum.dropped, sum.gaps), (5, 1));
    }

    #[test]
    fn a_subscription_is_one_flat_object_in_json() {
        let metrics = SubscriptionMetrics {
            id: 1,
            name: "log".into(),
            pattern: ">".into(),
            deliveries: DeliveryMetrics::default(),
        };
        let json = serde_json::to_value(metrics).unwrap();
        assert_eq!((&json["name"], &json["lag"]), (&"log".into(), &0.into()));
    }
}
