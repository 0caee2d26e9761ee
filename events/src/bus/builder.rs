//! Settings of a bus.

use std::sync::Arc;

use super::EventBus;
use crate::flow::FlowController;
use crate::store::{EventStore, MemoryStore, Retention};
use crate::route::{DEFAULT_CACHED_ENTRIES, DEFAULT_CACHED_TOPICS};

/// The settings of an [`EventBus`], each with a default.
#[derive(Clone)]
pub struct EventBusBuilder {
    pub(crate) max_payload_bytes: usize,
    pub(crate) max_subscriptions: usize,
    pub(crate) default_capacity: usize,
    pub(crate) max_capacity: usize,
    pub(crate) max_inline_depth: usize,
    pub(crate) dead_letters_kept: usize,
    pub(crate) cached_topics: usize,
    pub(crate) cached_entries: usize,
    pub(crate) store: Option<Arc<dyn EventStore>>,
    pub(crate) flow: Option<FlowController>,
}

impl Default for EventBusBuilder {
    fn default() -> Self {
        EventBusBuilder {
            max_payload_bytes: 1 << 20,
            max_subscriptions: 100_000,
            default_capacity: 1024,
            max_capacity: 1 << 20,
            max_inline_depth: 16,
            dead_letters_kept: 1000,
            cached_topics: DEFAULT_CACHED_TOPICS,
            cached_entries: DEFAULT_CACHED_ENTRIES,
            store: None,
            flow: None,
        }
    }
}

impl EventBusBuilder {
    /// How large a payload may be, in bytes, by [`Event::size_hint_bytes`](crate::Event::size_hint_bytes).
    /// Default 1 MiB.
    #[must_use]
    pub fn max_payload_bytes(mut self, bytes: usize) -> Self {
        self.max_payload_bytes = bytes;
        self
    }

    /// How many subscriptions there may be at a time. Default 100,000.
    #[must_use]
    pub fn max_subscriptions(mut self, count: usize) -> Self {
        self.max_subscriptions = count;
        self
    }

    /// How many events the queue of a subscription takes that does not say; at least 1. Default 1024.
    #[must_use]
    pub fn default_capacity(mut self, events: usize) -> Self {
        self.default_capacity = events.max(1);
        self
    }

    /// How many events a queue may be made to take. Default 1,048,576.
    #[must_use]
    pub fn max_capacity(mut self, events: usize) -> Self {
        self.max_capacity = events;
        self
    }

    /// How many inline handlers may wait for one another: a handler that publishes waits for those of what it
    /// publishes. 0: no inline handler is called. Default 16.
    #[must_use]
    pub fn max_inline_depth(mut self, depth: usize) -> Self {
        self.max_inline_depth = depth;
        self
    }

    /// How many dead letters are kept to be read; older ones go. Default 1000.
    #[must_use]
    pub fn dead_letters_kept(mut self, count: usize) -> Self {
        self.dead_letters_kept = count;
        self
    }

    /// For about how many topics it is kept where their events go, and how many places these may be together.
    /// Defaults: [`DEFAULT_CACHED_TOPICS`] and [`DEFAULT_CACHED_ENTRIES`].
    #[must_use]
    pub fn route_cache(mut self, topics: usize, entries: usize) -> Self {
        self.cached_topics = topics;
        self.cached_entries = entries;
        self
    }

    /// Keeps events there before they are delivered: for [`historic`](crate::SubscriptionBuilder::historic)
    /// subscriptions, and for looking back. An event that the store does not take is not published. By default no
    /// event is kept.
    #[must_use]
    pub fn store(mut self, store: Arc<dyn EventStore>) -> Self {
        self.store = Some(store);
        self
    }

    /// Keeps events in memory.
    #[must_use]
    pub fn keep(self, retention: Retention) -> Self {
        self.store(Arc::new(MemoryStore::new(retention)))
    }

    /// Limits how fast events are published. By default nothing does.
    #[must_use]
    pub fn flow(mut self, flow: FlowController) -> Self {
        self.flow = Some(flow);
        self
    }

    /// A bus with these settings.
    pub fn build(self) -> EventBus {
        EventBus::with_settings(self)
    }
}
