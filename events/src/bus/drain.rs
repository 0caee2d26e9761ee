//! Closing without losing what is on its way.

use std::time::Duration;

use super::inner::Inner;
use crate::subscription::record::SubscriptionRecord;

/// How a bus was drained.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct DrainReport {
    /// What was not read or handled when the time was up; empty if all was.
    pub undelivered: Vec<Undelivered>,
}

/// A subscription that was not done.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Undelivered {
    /// The name of the subscription.
    pub subscription: String,
    /// How many events waited in its queue. What its handler was busy with is not among them.
    pub events: usize,
    /// Whether a handler was stopped.
    pub was_stopped: bool,
}

impl DrainReport {
    /// Whether everything was read and handled.
    pub fn is_complete(&self) -> bool {
        self.undelivered.is_empty()
    }
}

pub(super) async fn drain(inner: &Inner, timeout: Duration) -> DrainReport {
    inner.close();
    let done = async {
        loop {
            // Asked for before looking, so that nothing that happens meanwhile is missed.
            let mut progress = std::pin::pin!(inner.progress.notified());
            progress.as_mut().enable();
            if inner
                .roster
                .records()
                .iter()
                .all(|record| is_done(inner, record))
            {
                return;
            }
            progress.await;
        }
    };
    let mut report = DrainReport::default();
    if tokio::time::timeout(timeout, done).await.is_ok() {
        return report;
    }
    for record in inner.roster.records() {
        if is_done(inner, &record) {
            continue;
        }
        let was_stopped = record.is_handled;
        report.undelivered.push(Undelivered {
            subscription: record.name.to_string(),
            events: inner.roster.counts(record.id).length,
            was_stopped,
        });
        if was_stopped {
            record.abort();
            inner.end(record.id);
        }
    }
    report
}

/// A handler is done when its task is, a stream when everything was taken out.
fn is_done(inner: &Inner, record: &SubscriptionRecord) -> bool {
    if record.is_finished() || record.capacity == 0 {
        return true;
    }
    !record.is_handled && inner.roster.counts(record.id).length == 0
}
