//! The bus: who publishes, and how an event gets to all who subscribed.

mod builder;
pub(crate) mod deliver;
mod dispatch;
mod drain;
pub(crate) mod inner;
mod published;
mod publisher;
pub(crate) mod roster;
pub(crate) mod sites;
mod tally;
pub(crate) mod target;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use hooks_runtime::hooked;
use serde::Serialize;
use tokio::time::Instant;

use crate::dead_letter::DeadLetter;
use crate::error::EventError;
use crate::event::Event;
use crate::metrics::{BusMetrics, SubscriptionMetrics};
use crate::pattern::TopicPattern;
use crate::store::EventStore;
use crate::subscription::SubscriptionBuilder;
use crate::topic::Topic;
pub use builder::EventBusBuilder;
use deliver::Inline;
use dispatch::{IfFull, Outgoing, Stopped};
pub use drain::{DrainReport, Undelivered};
use inner::Inner;
pub use published::Published;
pub use publisher::{Publishable, Publisher};
use target::{Queued, Target};

/// Carries events from those who publish to those who subscribed to their topics, within this process.
///
/// A clone is the same bus. When the last one is gone, the bus is closed: subscriptions give what was published,
/// and end.
///
/// Every event that is published passes the hook point `event.publish`: hooks see it as the argument `event`, an
/// [`Event`], may change it and its topic, and may refuse it. Every delivery passes `event.deliver`.
///
/// ```
/// use hooks_events::{Delivery, Event, EventBus};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), hooks_events::EventError> {
/// let bus = EventBus::new();
/// let mut orders = bus.subscribe("order.*").stream()?;
/// bus.publish(Event::try_new("order.created", 17_u32)?).await?;
/// let Some(Delivery::Event(event)) = orders.recv().await else { panic!("nothing came") };
/// assert_eq!(event.data::<u32>(), Some(&17));
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct EventBus(Arc<Handle>);

/// While one lives, the bus is open unless it was closed.
pub(crate) struct Handle(Arc<Inner>);

impl Drop for Handle {
    fn drop(&mut self) {
        self.0.close();
    }
}

impl Default for EventBus {
    fn default() -> Self {
        EventBus::new()
    }
}

impl EventBus {
    /// A bus with the default settings.
    pub fn new() -> Self {
        EventBusBuilder::default().build()
    }

    /// Settings for a bus.
    pub fn builder() -> EventBusBuilder {
        EventBusBuilder::default()
    }

    fn with_settings(settings: EventBusBuilder) -> Self {
        EventBus(Arc::new(Handle(Arc::new(Inner::new(settings)))))
    }

    #[inline]
    pub(crate) fn inner(&self) -> &Arc<Inner> {
        &self.0.0
    }

    /// Publishes an event: asks hooks, and gives it to all subscriptions whose patterns cover its topic.
    ///
    /// It waits while a queue with [`Overflow::Block`](crate::Overflow) is full, and then gives the event to all
    /// at once: if the future is dropped while it waits, nobody has got the event.
    ///
    /// # Errors
    /// [`EventError::Refused`] by hooks; [`Full`](EventError::Full) if a queue with `Overflow::Error` is;
    /// [`TooLarge`](EventError::TooLarge), [`TooDeep`](EventError::TooDeep),
    /// [`ReservedTopic`](EventError::ReservedTopic), [`Closed`](EventError::Closed). Nobody has got the event.
    pub async fn publish(&self, event: Event) -> Result<Published, EventError> {
        let inner = self.inner();
        inner.count_refusals(inner.ask_and_send(event).await)
    }

    /// As [`publish`](EventBus::publish), without waiting. Hooks that are asynchronous have to answer at once.
    ///
    /// # Errors
    /// Those of [`publish`](EventBus::publish), and [`EventError::Full`], with the name of the subscription, if
    /// it would have had to wait.
    pub fn try_publish(&self, event: Event) -> Result<Published, EventError> {
        let inner = self.inner();
        inner.count_refusals(inner.ask_and_try_send(event))
    }

    /// Publishes what hooks did, or what the system itself has to say. Hooks are not asked, because
    /// that would make a further record; queues that are full miss it, because the hooked call does not wait.
    ///
    /// # Errors
    /// As [`try_publish`](EventBus::try_publish), but for `Full` and `Refused`.
    pub(crate) fn publish_record(&self, event: Event) -> Result<Published, EventError> {
        self.inner().send_or_miss(event.made_by_hooks())
    }

    /// A handle that knows where events of that topic go, for those who publish many.
    pub fn publisher(&self, topic: impl Into<Topic>) -> Publisher {
        Publisher::new(self.clone(), topic.into())
    }

    /// A subscription to all topics that the pattern covers; what it is to be is said next.
    pub fn subscribe(&self, pattern: &str) -> SubscriptionBuilder {
        SubscriptionBuilder::new(Arc::clone(self.inner()), pattern)
    }

    /// Publishes a request and waits for the first reply to it.
    ///
    /// Handlers answer with [`reply`](EventBus::reply). The reply passes the hook points `event.publish` and
    /// `event.deliver` as well; it goes to the one who asked, not to subscriptions.
    ///
    /// # Errors
    /// [`EventError::NoResponder`] at once, if nobody has got the request; [`NoReply`](EventError::NoReply) when
    /// the time is up; [`Closed`](EventError::Closed) if the bus is closed meanwhile; and those of
    /// [`publish`](EventBus::publish).
    pub async fn request(
        &self,
        request: Event,
        timeout: Duration,
    ) -> Result<Arc<Event>, EventError> {
        crate::request::request(self, request, timeout).await
    }

    /// Answers a request. The reply is an effect of the request: it has its correlation id, and the request's id
    /// as its cause.
    ///
    /// # Errors
    /// [`EventError::NotAwaited`]: `request` is no request, or nobody waits for its reply any more.
    /// [`Refused`](EventError::Refused) by hooks.
    pub fn reply<T>(&self, request: &Event, data: T) -> Result<(), EventError>
    where
        T: Serialize + Send + Sync + 'static,
    {
        let inner = self.inner();
        let replied = crate::request::reply(inner, request, data);
        inner.count_refusals(replied)
    }

    /// Answers a request with a failure: whoever asked gets [`EventError::RequestFailed`] with that message.
    ///
    /// # Errors
    /// As [`reply`](EventBus::reply).
    pub fn reply_error(&self, request: &Event, message: &str) -> Result<(), EventError> {
        let inner = self.inner();
        let replied = crate::request::reply_error(inner, request, message);
        inner.count_refusals(replied)
    }

    /// The figures of the bus.
    pub fn metrics(&self) -> BusMetrics {
        self.inner().metrics()
    }

    /// The figures of all subscriptions, in the order in which they began.
    pub fn subscriptions(&self) -> Vec<SubscriptionMetrics> {
        self.inner().subscriptions()
    }

    /// The events that could not be handled, oldest first; as many as are kept.
    pub fn dead_letters(&self) -> Vec<DeadLetter> {
        self.inner().dead_letters.list()
    }

    /// Takes the dead letters out, oldest first.
    pub fn take_dead_letters(&self) -> Vec<DeadLetter> {
        self.inner().dead_letters.take()
    }

    /// The last `count` events that are kept and that the pattern covers, oldest first. They pass the hook point
    /// `event.deliver`, as deliveries to a subscription named `reader`: those that hooks refuse are left out.
    ///
    /// # Errors
    /// [`EventError::BadPattern`]; [`EventError::NotRead`] if the bus keeps no events, or the place fails.
    pub fn history(
        &self,
        reader: &str,
        pattern: &str,
        count: usize,
    ) -> Result<Vec<Arc<Event>>, EventError> {
        let pattern = TopicPattern::new(pattern)?;
        let Some(store) = self.store() else {
            return Err(EventError::NotRead {
                why: "this bus keeps no events: build it with `EventBus::builder().keep(…)`".into(),
            });
        };
        let mut events = store.snapshot(&pattern, count)?.events;
        events.retain(|event| event.is_of_hooks() || deliver::ask(reader, event).is_ok());
        Ok(events)
    }

    /// Where events are kept, if they are.
    pub fn store(&self) -> Option<&Arc<dyn EventStore>> {
        self.inner().settings.store.as_ref()
    }

    /// Closes the bus: it takes no more events and subscriptions. What is queued is still read and handled; then
    /// subscriptions end. An event that is being published meanwhile may reach some and not others; what it did
    /// not reach is counted as abandoned.
    pub fn close(&self) {
        self.inner().close();
    }

    /// Whether it is closed.
    pub fn is_closed(&self) -> bool {
        self.inner().is_closed()
    }

    /// Closes the bus, and waits until everything that was published is read and handled. After `timeout`,
    /// handlers that are not done are stopped.
    pub async fn drain(&self, timeout: Duration) -> DrainReport {
        drain::drain(self.inner(), timeout).await
    }
}

impl fmt::Debug for EventBus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventBus")
            .field("patterns", &self.inner().router.len())
            .field("closed", &self.is_closed())
            .finish_non_exhaustive()
    }
}

impl Inner {
    #[hooked(point = "event.publish", component = event.topic().as_str())]
    async fn ask_and_send(&self, event: Event) -> Result<Published, EventError> {
        // Whatever hooks made of it: it is not theirs.
        self.send(event.made_by_program()).await
    }

    #[inline]
    #[hooked(point = "event.publish", component = event.topic().as_str())]
    fn ask_and_try_send(&self, event: Event) -> Result<Published, EventError> {
        self.try_send(event.made_by_program())
    }

    #[inline]
    fn count_refusals<T>(&self, result: Result<T, EventError>) -> Result<T, EventError> {
        if let Err(EventError::Refused(_)) = &result {
            self.refused.add(1);
        }
        result
    }

    /// Without asking hooks.
    #[inline]
    pub(crate) fn try_send(&self, event: Event) -> Result<Published, EventError> {
        self.admit(&event)?;
        self.send_now(event, IfFull::Fail)
    }

    /// As `try_send`; queues that are full miss the event.
    pub(crate) fn send_or_miss(&self, event: Event) -> Result<Published, EventError> {
        self.admit(&event)?;
        self.send_now(event, IfFull::Miss)
    }

    #[inline]
    fn send_now(&self, event: Event, if_full: IfFull<'_>) -> Result<Published, EventError> {
        // Not `with`, which would need a clone of the topic beside the event.
        let targets = self.router.route(event.topic());
        self.counted(self.attempt(&targets, Outgoing::Owned(event), if_full))
    }

    fn counted(&self, sent: Result<Published, Stopped<'_>>) -> Result<Published, EventError> {
        match sent {
            Ok(published) => {
                self.published.add(1);
                Ok(published)
            }
            Err(Stopped::Failed(error)) => Err(error),
            Err(Stopped::Full(event, _)) => unreachable!("{:?} was not to wait", event.event()),
        }
    }

    /// Without asking hooks. Waits for room.
    pub(crate) async fn send(&self, event: Event) -> Result<Published, EventError> {
        self.admit(&event)?;
        let mut event = Outgoing::Owned(event);
        let mut waits = Waits::default();
        loop {
            let (given_back, queues) = {
                // Found again each time: the route is not held while it waits.
                let targets = self.router.route(event.event().topic());
                let if_full = IfFull::Wait {
                    missing: &waits.missing,
                };
                match self.attempt(&targets, event, if_full) {
                    Err(Stopped::Full(event, queues)) => (event, queues),
                    sent => return self.counted(sent),
                }
            };
            waits.wait(&queues).await;
            if self.is_closed() {
                return Err(dispatch::closed(given_back.event()));
            }
            event = given_back;
        }
    }
}

/// What a publisher that waits has waited for.
#[derive(Default)]
struct Waits {
    /// Until when it waits for those queues that do not let it wait for ever.
    deadlines: Vec<(Arc<Queued>, Instant)>,
    /// Those it has waited for long enough.
    missing: Vec<Arc<Queued>>,
}

impl Waits {
    /// Until one of the queues may have room, or it was waited for one of them long enough.
    async fn wait(&mut self, queues: &[Arc<Queued>]) {
        for queued in queues {
            let limit = queued.special.as_ref().and_then(|s| s.block_timeout);
            let is_known = self
                .deadlines
                .iter()
                .any(|(known, _)| Arc::ptr_eq(known, queued));
            if let Some(limit) = limit.filter(|_| !is_known) {
                self.deadlines
                    .push((Arc::clone(queued), Instant::now() + limit));
            }
        }
        let room = any_room(queues);
        let of_these = self
            .deadlines
            .iter()
            .filter(|(queued, _)| queues.iter().any(|q| Arc::ptr_eq(q, queued)));
        let Some((first, until)) = of_these.min_by_key(|(_, until)| *until) else {
            return room.await;
        };
        if tokio::time::timeout_at(*until, room).await.is_err() {
            self.missing.push(Arc::clone(first));
        }
    }
}

async fn any_room(queues: &[Arc<Queued>]) {
    let mut rooms: Vec<_> = queues.iter().map(|queued| queued.lane.room()).collect();
    std::future::poll_fn(|cx| {
        let is_ready = rooms
            .iter_mut()
            .any(|room| std::pin::Pin::new(room).poll(cx).is_ready());
        if is_ready {
            std::task::Poll::Ready(())
        } else {
            std::task::Poll::Pending
        }
    })
    .await;
}

impl Target {
    fn is_inline(&self) -> bool {
        matches!(self, Target::Inline(_))
    }

    /// The inline handler, if it is one without options.
    fn as_simple(&self) -> Option<Arc<Inline>> {
        match self {
            Target::Inline(inline) if inline.filter.is_none() && inline.once.is_none() => {
                Some(Arc::clone(inline))
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use hooks_runtime::{HookError, HookResult, hooks};

    use super::*;

    /// By construction: what hooks did makes no further records.
    #[test]
    fn hooks_are_not_asked_about_records() {
        let asked = Arc::new(AtomicU32::new(0));
        let _hooks = ["event.publish", "event.deliver"].map(|point| {
            let asked = asked.clone();
            let hook = hooks().on(format!("records.{point}")).point(point);
            hook.intercept(move |cx| {
                let event = cx.arg::<Event>("event")?;
                if event.topic().as_str().starts_with("hook.") {
                    asked.fetch_add(1, Ordering::Relaxed);
                }
                Ok::<_, HookError>(HookResult::Continue)
            })
            .unwrap()
        });
        let bus = EventBus::new();
        let mut stream = bus.subscribe("hook.>").stream().unwrap();
        let _inline = bus.subscribe(">").inline(|_: &Event| ()).unwrap();
        let record = Event::try_new("hook.tool.execute.refused", 1).unwrap();
        let published = bus.publish_record(record.clone()).unwrap();
        assert_eq!((published.queued, published.handled), (1, 1));
        let Ok(Some(crate::Delivery::Event(got))) = stream.try_recv() else {
            panic!("no record");
        };
        assert_eq!(asked.load(Ordering::Relaxed), 0);
        // Whoever got a record cannot publish another one with it.
        let forged = Event::clone(&got).with_data("nothing was refused");
        let error = bus.try_publish(forged).unwrap_err();
        assert!(matches!(error, EventError::ReservedTopic { .. }), "{error}");
        assert_eq!(asked.load(Ordering::Relaxed), 1);
    }

    #[test]
    fn a_record_waits_for_nobody() {
        let bus = EventBus::new();
        let mut slow = bus.subscribe("hook.>").capacity(1).stream().unwrap();
        for n in 1..=3 {
            bus.publish_record(Event::try_new("hook.a", n).unwrap())
                .unwrap();
        }
        assert!(slow.try_recv().unwrap().unwrap().event().is_some());
        assert_eq!(slow.try_recv().unwrap().unwrap().gap().unwrap().count(), 2);
    }
}
