//! A handler while it is subscribed.

use std::fmt;
use std::sync::Arc;

use tokio::task::JoinHandle;

use crate::bus::inner::Inner;
use crate::metrics::SubscriptionMetrics;
use crate::subscription::record::SubscriptionRecord;

/// A handler's subscription. Dropping it ends the subscription at once: an event that is being handled on a task
/// is not handled to its end. [`detach`](HandlerGuard::detach) leaves it for as long as the bus is open.
#[must_use = "dropping the guard ends the subscription; `detach()` leaves it to the bus"]
pub struct HandlerGuard {
    inner: Arc<Inner>,
    record: Arc<SubscriptionRecord>,
    task: Option<JoinHandle<()>>,
    is_detached: bool,
}

impl HandlerGuard {
    pub(crate) fn new(
        inner: Arc<Inner>,
        record: Arc<SubscriptionRecord>,
        task: Option<JoinHandle<()>>,
    ) -> Self {
        HandlerGuard {
            inner,
            record,
            task,
            is_detached: false,
        }
    }

    /// The number of the subscription.
    pub fn id(&self) -> u64 {
        self.record.id
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.record.name
    }

    /// Whether nothing comes any more: it was for one event, which it got, or the bus is closed and everything is
    /// handled.
    pub fn is_finished(&self) -> bool {
        self.record.is_finished()
    }

    /// Its figures.
    pub fn metrics(&self) -> SubscriptionMetrics {
        self.inner.metrics_of(&self.record)
    }

    /// Leaves the handler subscribed until the bus is closed.
    pub fn detach(mut self) {
        self.is_detached = true;
    }

    /// Ends the subscription as dropping does, and waits until nothing of the handler is left.
    pub async fn stop(mut self) {
        self.inner.end(self.record.id);
        if let Some(task) = self.task.take() {
            task.abort();
            // It was stopped, or had ended, or had panicked, which ended it too.
            let _ended = task.await;
        }
    }
}

impl Drop for HandlerGuard {
    fn drop(&mut self) {
        if self.is_detached {
            return;
        }
        self.inner.end(self.record.id);
        if let Some(task) = &self.task {
            task.abort();
        }
    }
}

impl fmt::Debug for HandlerGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HandlerGuard")
            .field("subscription", &self.record.name)
            .finish_non_exhaustive()
    }
}
