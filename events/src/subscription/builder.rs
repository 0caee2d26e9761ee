//! What a subscription is to be like.

use std::collections::VecDeque;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::runtime::Handle;

use super::Subscription;
use super::feed::Feed;
use super::record::SubscriptionRecord;
use crate::bus::deliver::{Filter, Inline, Once};
use crate::bus::inner::Inner;
use crate::bus::target::{Queued, Since, Special, Target};
use crate::error::EventError;
use crate::event::Event;
use crate::handler::attempt::Delivering;
use crate::handler::lanes::Strategy;
use crate::handler::worker::Worker;
use crate::handler::{Backoff, DeliveryPolicy, EventHandler, Handled, HandlerGuard};
use crate::overflow::Overflow;
use crate::pattern::TopicPattern;
use crate::queue::Reader;

/// The options of a subscription. It begins with [`stream`](SubscriptionBuilder::stream),
/// [`handler`](SubscriptionBuilder::handler) or [`inline`](SubscriptionBuilder::inline).
#[must_use = "a subscription begins with `stream`, `handler` or `inline`"]
pub struct SubscriptionBuilder {
    inner: Arc<Inner>,
    pattern: Box<str>,
    name: Option<Box<str>>,
    is_once: bool,
    filter: Option<Filter>,
    group: Option<Box<str>>,
    historic: Option<usize>,
    capacity: Option<usize>,
    overflow: Option<Overflow>,
    block_timeout: Option<Duration>,
    strategy: Option<Strategy>,
    policy: DeliveryPolicy,
}

impl SubscriptionBuilder {
    pub(crate) fn new(inner: Arc<Inner>, pattern: &str) -> Self {
        SubscriptionBuilder {
            inner,
            pattern: pattern.into(),
            name: None,
            is_once: false,
            filter: None,
            group: None,
            historic: None,
            capacity: None,
            overflow: None,
            block_timeout: None,
            strategy: None,
            policy: DeliveryPolicy::default(),
        }
    }

    /// Its name in errors, figures and hooks; by default the pattern and a number.
    pub fn name(mut self, name: &str) -> Self {
        self.name = Some(name.into());
        self
    }

    /// It ends after the first event that was delivered.
    pub fn once(mut self) -> Self {
        self.is_once = true;
        self
    }

    /// Only events for which it says yes. It runs where events are published, possibly more than once for one
    /// event, so it should be quick and only look; an event at which it panics is not wanted.
    pub fn filter(mut self, wants: impl Fn(&Event) -> bool + Send + Sync + 'static) -> Self {
        self.filter = Some(Box::new(wants));
        self
    }

    /// Each event goes to one of the subscriptions that are in the group and want it, in turn, to one that has
    /// room if there is one. What a member leaves in its queue when it ends goes to another one.
    pub fn group(mut self, name: &str) -> Self {
        self.group = Some(name.into());
        self
    }

    /// First the last `count` events that were published before and are still kept, then all that follow: none
    /// twice, and none left out between. Expired ones are not among them. The bus has to keep events, see
    /// [`EventBusBuilder::keep`](crate::EventBusBuilder::keep).
    pub fn historic(mut self, count: usize) -> Self {
        self.historic = Some(count);
        self
    }

    /// How many events its queue takes, at least 1. What the reader has taken and not read counts.
    pub fn capacity(mut self, events: usize) -> Self {
        self.capacity = Some(events);
        self
    }

    /// What happens when the queue is full. Default [`Overflow::Block`].
    pub fn overflow(mut self, overflow: Overflow) -> Self {
        self.overflow = Some(overflow);
        self
    }

    /// For how long a publisher waits for room in this queue, under [`Overflow::Block`]; after that the event is
    /// lost for this subscription, which sees a gap. By default for ever. Publishers need a runtime with timers.
    pub fn block_timeout(mut self, wait: Duration) -> Self {
        self.block_timeout = Some(wait);
        self
    }

    /// For a handler: how many events at a time. Those with the same partition key stay in order.
    pub fn concurrency(self, count: usize) -> Self {
        self.strategy(Strategy::concurrent(count))
    }

    /// For a handler: how many events at a time, and which stay in order.
    pub fn strategy(mut self, strategy: Strategy) -> Self {
        self.strategy = Some(strategy);
        self
    }

    /// For a handler: how long one attempt may take. Needs a runtime with timers.
    pub fn timeout(mut self, limit: Duration) -> Self {
        self.policy.timeout = Some(limit);
        self
    }

    /// For a handler: how often an event is attempted, the first time included, and how long it waits between.
    pub fn retry(mut self, max_attempts: u32, backoff: Backoff) -> Self {
        self.policy.max_attempts = max_attempts.max(1);
        self.policy.backoff = backoff;
        self
    }

    /// For a handler: all that there is to say of attempts.
    pub fn policy(mut self, policy: DeliveryPolicy) -> Self {
        self.policy = policy;
        self
    }

    /// Begins a subscription that is read.
    ///
    /// # Errors
    /// [`EventError::BadPattern`], [`BadOption`](EventError::BadOption) for options that do not go together,
    /// [`TooManySubscriptions`](EventError::TooManySubscriptions), [`Closed`](EventError::Closed).
    pub fn stream(self) -> Result<Subscription, EventError> {
        let pattern = TopicPattern::new(&self.pattern)?;
        if self.strategy.is_some() || self.policy != DeliveryPolicy::default() {
            return Err(self.bad("concurrency, timeout or retry", "they are for handlers; read the stream that way"));
        }
        let is_once = self.is_once;
        Ok(Subscription::new(self.begin(pattern, false)?, is_once))
    }

    /// Begins a subscription whose events a task of its own gives to the handler, or to the asynchronous closure.
    ///
    /// # Errors
    /// As [`stream`](SubscriptionBuilder::stream); and [`EventError::NoRuntime`] outside of a tokio runtime.
    pub fn handler(self, handler: impl EventHandler) -> Result<HandlerGuard, EventError> {
        self.handler_arc(Arc::new(handler))
    }

    pub(crate) fn handler_arc(mut self, handler: Arc<dyn EventHandler>) -> Result<HandlerGuard, EventError> {
        let pattern = TopicPattern::new(&self.pattern)?;
        let runtime = Handle::try_current().map_err(|_| EventError::NoRuntime {
            what: "a subscription with an asynchronous handler",
        })?;
        let strategy = self.strategy.take().unwrap_or_default();
        if self.is_once && strategy != Strategy::Sequential {
            return Err(self.bad("`once` with concurrency", "there is only one event; leave one of them out"));
        }
        let policy = DeliveryPolicy {
            max_attempts: self.policy.max_attempts.max(1),
            ..std::mem::take(&mut self.policy)
        };
        let (inner, is_once) = (Arc::clone(&self.inner), self.is_once);
        let feed = self.begin(pattern, true)?;
        let record = Arc::clone(feed.record());
        let worker = Worker {
            delivering: Arc::new(Delivering {
                inner: Arc::clone(&inner),
                record: Arc::clone(&record),
                handler,
                policy,
            }),
            feed,
            strategy,
            is_once,
        };
        let task = runtime.spawn(worker.run());
        record.has_task(task.abort_handle());
        Ok(HandlerGuard::new(inner, record, Some(task)))
    }

    /// Begins a subscription whose handler is called where the event is published, before publishing returns.
    ///
    /// It gets the event itself; no queue is between, and nothing is allocated. The publisher waits for it, so
    /// it has to be quick. If it fails or panics, the event becomes a dead letter; the publisher and others learn
    /// nothing of it. It may publish with [`try_publish`](crate::EventBus::try_publish).
    ///
    /// # Errors
    /// As [`stream`](SubscriptionBuilder::stream). Options of queues and of retries do not go with it.
    pub fn inline<R: Handled>(
        mut self,
        handler: impl Fn(&Event) -> R + Send + Sync + 'static,
    ) -> Result<HandlerGuard, EventError> {
        let pattern = TopicPattern::new(&self.pattern)?;
        let has_queue = self.historic.is_some() || self.group.is_some() || self.capacity.is_some() || self.overflow.is_some();
        if has_queue || self.block_timeout.is_some() || self.strategy.is_some() {
            let why = "an inline handler has no queue; use `handler` for `historic`, groups, capacity, overflow and concurrency";
            return Err(self.bad("options of a queue", why));
        }
        if self.policy != DeliveryPolicy::default() {
            let why = "an inline handler is called once, by the publisher; use `handler`";
            return Err(self.bad("a timeout or retries", why));
        }
        let inner = Arc::clone(&self.inner);
        let record = SubscriptionRecord::new(inner.roster.next_id(), self.name.take(), pattern, 0);
        let record = Arc::new(record);
        let target = Inline {
            record: Arc::clone(&record),
            handler: Box::new(move |event| handler(event).into_result()),
            filter: self.filter.take(),
            once: self.is_once.then(Once::default),
        };
        let limit = inner.settings.max_subscriptions;
        inner.roster.add(&inner.router, &record, Target::Inline(Arc::new(target)), limit)?;
        Ok(HandlerGuard::new(inner, record, None))
    }

    fn bad(&self, option: &'static str, why: &str) -> EventError {
        EventError::BadOption {
            pattern: self.pattern.clone(),
            option,
            why: why.into(),
        }
    }

    fn begin(mut self, pattern: TopicPattern, is_handled: bool) -> Result<Feed, EventError> {
        let inner = Arc::clone(&self.inner);
        let overflow = self.overflow.unwrap_or_default();
        let capacity = self.checked_capacity()?;
        if self.block_timeout.is_some() && overflow != Overflow::Block {
            return Err(self.bad("a `block_timeout`", "publishers wait only under `Overflow::Block`"));
        }
        if self.historic.is_some() && self.group.is_some() {
            return Err(self.bad("`historic` in a group", "every member would get the same; subscribe to the past apart"));
        }
        let id = inner.roster.next_id();
        let mut record = SubscriptionRecord::new(id, self.name.take(), pattern, capacity.get());
        record.is_handled = is_handled;
        let record = Arc::new(record);
        if self.is_plain() {
            let limit = inner.settings.max_subscriptions;
            let reader = inner.roster.add_plain(&inner.router, &record, limit, |lane| {
                lane.reader(id, capacity, overflow)
            })?;
            return Ok(Feed::new(inner, record, reader));
        }
        let (queued, reader) = self.begin_special(&record, capacity, overflow)?;
        // From here on, dropping the feed ends the subscription.
        let mut feed = Feed::new(Arc::clone(&inner), Arc::clone(&record), reader);
        if let Some(count) = self.historic {
            feed.begin_with(self.past(&record, &queued, count)?);
        }
        Ok(feed)
    }

    /// What was before. The subscription gets events already: those that are in the store's answer are left out
    /// when the answer is there.
    fn past(
        &self,
        record: &SubscriptionRecord,
        queued: &Queued,
        count: usize,
    ) -> Result<VecDeque<Arc<Event>>, EventError> {
        let Some(store) = &self.inner.settings.store else {
            let why = "the bus keeps no events; build it with `EventBusBuilder::keep` or `store`";
            return Err(self.bad("`historic`", why));
        };
        let snapshot = store.snapshot(&record.pattern, count)?;
        queued.begin_after(snapshot.up_to);
        let filter = queued.special.as_ref().and_then(|special| special.filter.as_ref());
        let wanted = |event: &Arc<Event>| self.inner.wants(filter, record, event);
        Ok(snapshot.events.into_iter().filter(wanted).collect())
    }

    fn is_plain(&self) -> bool {
        self.historic.is_none() && self.filter.is_none() && self.group.is_none() && self.block_timeout.is_none()
    }

    fn begin_special(
        &mut self,
        record: &Arc<SubscriptionRecord>,
        capacity: NonZeroUsize,
        overflow: Overflow,
    ) -> Result<(Arc<Queued>, Reader<Arc<Event>>), EventError> {
        let inner = &self.inner;
        let queued = Arc::new(Queued {
            lane: Arc::default(),
            special: Some(Special {
                record: Arc::clone(record),
                filter: self.filter.take(),
                group: self.group.as_deref().map(|name| inner.roster.group(name)),
                block_timeout: self.block_timeout,
                since: self.historic.map(|_| Mutex::new(Since::Unknown(Vec::new()))),
            }),
        });
        let reader = queued.lane.reader(record.id, capacity, overflow);
        let target = Target::Queued(Arc::clone(&queued));
        inner.roster.add(&inner.router, record, target, inner.settings.max_subscriptions)?;
        Ok((queued, reader))
    }

    fn checked_capacity(&self) -> Result<NonZeroUsize, EventError> {
        let settings = &self.inner.settings;
        let wanted = self.capacity.unwrap_or(settings.default_capacity.min(settings.max_capacity));
        let why = match NonZeroUsize::new(wanted) {
            None => "a queue takes at least one event".to_owned(),
            Some(capacity) if wanted <= settings.max_capacity => return Ok(capacity),
            Some(_) => format!(
                "the bus allows {} events; raise `EventBusBuilder::max_capacity`",
                settings.max_capacity
            ),
        };
        Err(self.bad("that capacity", &why))
    }
}
