//! What the bus knows of a subscription.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use tokio::task::AbortHandle;

use crate::metrics::Counters;
use crate::pattern::TopicPattern;

/// A subscription as its reader, its publishers and the figures see it.
pub(crate) struct SubscriptionRecord {
    pub(crate) id: u64,
    pub(crate) name: Box<str>,
    pub(crate) pattern: TopicPattern,
    /// How many events its queue takes; 0 if it has none.
    pub(crate) capacity: usize,
    pub(crate) counters: Counters,
    /// Everything that it got is read, or handled, and nothing more comes.
    finished: AtomicBool,
    /// A handler's task reads its queue.
    pub(crate) is_handled: bool,
    /// That task, as soon as it is known.
    task: Mutex<Option<AbortHandle>>,
}

impl SubscriptionRecord {
    pub(crate) fn new(id: u64, name: Option<Box<str>>, pattern: TopicPattern, capacity: usize) -> Self {
        SubscriptionRecord {
            id,
            name: name.unwrap_or_else(|| format!("{pattern}#{id}").into()),
            pattern,
            capacity,
            counters: Counters::default(),
            finished: AtomicBool::new(false),
            is_handled: false,
            task: Mutex::new(None),
        }
    }

    pub(crate) fn has_task(&self, task: AbortHandle) {
        *self.task.lock().unwrap_or_else(PoisonError::into_inner) = Some(task);
    }

    pub(crate) fn abort(&self) {
        if let Some(task) = &*self.task.lock().unwrap_or_else(PoisonError::into_inner) {
            task.abort();
        }
    }

    pub(crate) fn finish(&self) {
        self.finished.store(true, Ordering::Release);
    }

    pub(crate) fn is_finished(&self) -> bool {
        self.finished.load(Ordering::Acquire)
    }
}
