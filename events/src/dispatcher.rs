//! Handlers that are subscribed in the same manner.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::bus::EventBus;
use crate::error::EventError;
pub use crate::handler::lanes::Strategy;
use crate::handler::{Backoff, DeliveryPolicy, EventHandler, HandlerGuard};
use crate::metrics::SubscriptionMetrics;

/// Gives events to handlers: with a strategy, a time limit and retries, and a dead letter after the last.
///
/// Each handler has its own queue and its own task. What one of them does, or does not do, reaches no other: not
/// a failure, not a panic, not a handler that never returns.
///
/// ```
/// use std::sync::Arc;
/// use std::time::Duration;
/// use hooks_events::{Backoff, Event, EventBus, EventDispatcher, Strategy};
///
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() -> Result<(), hooks_events::EventError> {
/// let bus = EventBus::new();
/// let dispatcher = EventDispatcher::builder(&bus)
///     .strategy(Strategy::partitioned(4))
///     .timeout(Duration::from_secs(1))
///     .retry(3, Backoff::default())
///     .build();
/// dispatcher.on("order.*", async |_: Arc<Event>| Err::<(), _>("the database is away"))?;
/// bus.publish(Event::try_new("order.created", 17)?).await?;
/// bus.drain(Duration::from_secs(60)).await;
/// assert_eq!(bus.dead_letters()[0].attempts, 3);
/// # Ok(())
/// # }
/// ```
pub struct EventDispatcher {
    settings: EventDispatcherBuilder,
    handlers: Mutex<Vec<HandlerGuard>>,
}

/// The settings of an [`EventDispatcher`].
#[derive(Clone)]
#[must_use = "a dispatcher is made by `build`"]
pub struct EventDispatcherBuilder {
    bus: EventBus,
    strategy: Strategy,
    policy: DeliveryPolicy,
    capacity: Option<usize>,
}

impl EventDispatcherBuilder {
    /// How many events at a time each handler gets, and which stay in order. Default [`Strategy::Sequential`].
    pub fn strategy(mut self, strategy: Strategy) -> Self {
        self.strategy = strategy;
        self
    }

    /// How long one attempt may take. By default for ever.
    pub fn timeout(mut self, limit: Duration) -> Self {
        self.policy.timeout = Some(limit);
        self
    }

    /// How often an event is attempted, the first time included, and how long it waits between. Default once.
    pub fn retry(mut self, max_attempts: u32, backoff: Backoff) -> Self {
        self.policy.max_attempts = max_attempts.max(1);
        self.policy.backoff = backoff;
        self
    }

    /// How many events the queue of each handler takes. Default that of the bus.
    pub fn capacity(mut self, events: usize) -> Self {
        self.capacity = Some(events);
        self
    }

    /// A dispatcher with these settings and no handlers.
    pub fn build(self) -> EventDispatcher {
        EventDispatcher {
            settings: self,
            handlers: Mutex::default(),
        }
    }
}

impl EventDispatcher {
    /// Settings for a dispatcher.
    pub fn builder(bus: &EventBus) -> EventDispatcherBuilder {
        EventDispatcherBuilder {
            bus: bus.clone(),
            strategy: Strategy::default(),
            policy: DeliveryPolicy::default(),
            capacity: None,
        }
    }

    /// Subscribes a handler, for as long as the dispatcher lives. Gives the number of the subscription.
    ///
    /// # Errors
    /// As [`SubscriptionBuilder::handler`](crate::SubscriptionBuilder::handler).
    pub fn on(&self, pattern: &str, handler: impl EventHandler) -> Result<u64, EventError> {
        let EventDispatcherBuilder {
            bus,
            strategy,
            policy,
            capacity,
        } = &self.settings;
        let mut subscription = bus
            .subscribe(pattern)
            .strategy(*strategy)
            .policy(policy.clone());
        if let Some(capacity) = capacity {
            subscription = subscription.capacity(*capacity);
        }
        let guard = subscription.handler(handler)?;
        let id = guard.id();
        self.lock().push(guard);
        Ok(id)
    }

    /// Ends the subscription with that number; `false`: it is none of this dispatcher.
    pub fn off(&self, id: u64) -> bool {
        let mut handlers = self.lock();
        let at = handlers.iter().position(|guard| guard.id() == id);
        let guard = at.map(|at| handlers.swap_remove(at));
        drop(handlers);
        guard.is_some()
    }

    /// The figures of its handlers.
    pub fn metrics(&self) -> Vec<SubscriptionMetrics> {
        self.lock().iter().map(HandlerGuard::metrics).collect()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<HandlerGuard>> {
        self.handlers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for EventDispatcher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EventDispatcher")
            .field("handlers", &self.lock().len())
            .finish_non_exhaustive()
    }
}
