//! What publishers with a handle count by themselves, so that an inline delivery writes to no shared memory.

use std::sync::{Arc, Mutex, Weak};

use super::inner::{Inner, lock};
use crate::metrics::Counter;
use crate::subscription::record::SubscriptionRecord;

/// How many events a publisher has given to all of some inline handlers. Only the publisher counts.
#[derive(Default)]
pub(crate) struct Tally {
    count: Counter,
    /// To whom; the lock is held to read the count together with it.
    records: Mutex<(Arc<[Arc<SubscriptionRecord>]>, u64)>,
}

/// The tallies of all publishers.
#[derive(Default)]
pub(crate) struct Tallies(Mutex<Vec<Weak<Tally>>>);

impl Tally {
    /// One more event for all of them.
    #[inline]
    pub(crate) fn count(&self) {
        self.count.add_owned(1);
    }

    /// Passes on what was counted, and counts for others from now on.
    pub(crate) fn turn_to(&self, inner: &Inner, next: Arc<[Arc<SubscriptionRecord>]>) {
        let mut records = lock(&self.records);
        let count = self.count.get();
        let new = count - records.1;
        inner.published.add(new);
        inner.roster.add_delivered(&records.0, new);
        *records = (next, count);
    }

    /// Events that were not passed on yet, and to how many of the handlers for which `is` holds they went.
    fn open(&self, is: impl Fn(&SubscriptionRecord) -> bool) -> (u64, u64) {
        let records = lock(&self.records);
        let new = self.count.get() - records.1;
        let to = records.0.iter().filter(|record| is(record)).count();
        (new, new * to as u64)
    }
}

impl Tallies {
    pub(crate) fn begin(&self) -> Arc<Tally> {
        let tally = Arc::default();
        let mut all = lock(&self.0);
        all.retain(|tally| tally.strong_count() > 0);
        all.push(Arc::downgrade(&tally));
        tally
    }

    fn live(&self) -> Vec<Arc<Tally>> {
        lock(&self.0).iter().filter_map(Weak::upgrade).collect()
    }

    /// Deliveries to that subscription that were not passed on.
    pub(crate) fn delivered(&self, record: &SubscriptionRecord) -> u64 {
        let of = |tally: &Arc<Tally>| tally.open(|other| other.id == record.id).1;
        self.live().iter().map(of).sum()
    }

    /// Events and deliveries that were not passed on.
    pub(crate) fn sums(&self) -> (u64, u64) {
        let open = self.live().into_iter().map(|tally| tally.open(|_| true));
        open.fold((0, 0), |(events, deliveries), (e, d)| {
            (events + e, deliveries + d)
        })
    }
}
