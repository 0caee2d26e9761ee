//! A handle for one topic.

use std::sync::Arc;

use super::EventBus;
use super::deliver::Inline;
use super::dispatch::{IfFull, Outgoing, Stopped};
use super::published::Published;
use super::sites::{Sites, is_idle};
use super::tally::Tally;
use super::target::Target;
use crate::error::EventError;
use crate::event::Event;
use crate::route::RouteHandle;
use crate::subscription::record::SubscriptionRecord;
use crate::topic::Topic;

/// Publishes events of one topic, and knows where they go.
///
/// It finds out about new and dropped subscriptions when it publishes next; until then it may hold the closure
/// of an inline handler whose subscription is over.
pub struct Publisher {
    bus: EventBus,
    route: RouteHandle<Target>,
    /// The version of the route that the tally is for.
    version: u64,
    /// Nothing but inline handlers is there, and nothing keeps the event.
    only_inline: bool,
    /// The inline handlers, if nothing else is there and none of them has options.
    simple: Option<Box<[Arc<Inline>]>>,
    /// Only queues of plain subscriptions are there, behind one lock, and nothing keeps the event.
    has_lane: bool,
    /// Events of this topic need not go through the bus: no rate is limited, and it is not one of hooks.
    is_direct: bool,
    tally: Arc<Tally>,
    sites: Sites,
}

/// What can be published: an [`Event`], a reference to one, or an `Arc` of one.
#[expect(private_bounds, reason = "nothing else can be published")]
pub trait Publishable: Sealed {}

impl<P: Sealed> Publishable for P {}

trait Sealed: Sized {
    fn event(&self) -> &Event;
    fn outgoing<'e>(self) -> Outgoing<'e>
    where
        Self: 'e;
}

impl Sealed for Event {
    #[inline]
    fn event(&self) -> &Event {
        self
    }
    #[inline]
    fn outgoing<'e>(self) -> Outgoing<'e> {
        Outgoing::Owned(self)
    }
}

impl Sealed for &Event {
    #[inline]
    fn event(&self) -> &Event {
        self
    }
    #[inline]
    fn outgoing<'e>(self) -> Outgoing<'e>
    where
        Self: 'e,
    {
        Outgoing::Lent(self)
    }
}

impl Sealed for Arc<Event> {
    #[inline]
    fn event(&self) -> &Event {
        self
    }
    #[inline]
    fn outgoing<'e>(self) -> Outgoing<'e> {
        Outgoing::Shared(self)
    }
}

impl Publisher {
    pub(super) fn new(bus: EventBus, topic: Topic) -> Self {
        let inner = bus.inner();
        let is_direct = inner.settings.flow.is_none() && !topic.as_str().starts_with("hook.");
        let mut publisher = Publisher {
            route: inner.router.handle(topic),
            version: u64::MAX,
            only_inline: false,
            has_lane: false,
            is_direct,
            tally: inner.tallies.begin(),
            sites: Sites::get(),
            simple: None,
            bus,
        };
        publisher.renew();
        publisher
    }

    /// The topic.
    pub fn topic(&self) -> &Topic {
        self.route.topic()
    }

    /// As [`EventBus::publish`], for an event, a reference to one, or an `Arc` of one.
    ///
    /// # Errors
    /// As there.
    pub async fn publish(&mut self, event: impl Publishable) -> Result<Published, EventError> {
        if let Some(handlers) = self.simple_way_of(event.event()) {
            return self.call_simple(event.event(), handlers);
        }
        match self.publish_directly(event.outgoing()) {
            Ok(result) => result,
            Err(event) => self.bus.publish(event.into_owned()).await,
        }
    }

    /// As [`EventBus::try_publish`], for an event, a reference to one, or an `Arc` of one.
    ///
    /// An event that is lent is not cloned if only inline handlers want it: they get the event itself, and
    /// nothing is allocated. Otherwise cloning it shares the payload.
    ///
    /// # Errors
    /// As there.
    #[inline]
    pub fn try_publish(&mut self, event: impl Publishable) -> Result<Published, EventError> {
        if let Some(handlers) = self.simple_way_of(event.event()) {
            return self.call_simple(event.event(), handlers);
        }
        match self.publish_directly(event.outgoing()) {
            Ok(result) => result,
            Err(event) => self.bus.try_publish(event.into_owned()),
        }
    }

    /// The handlers, if nothing is to be done but to call them, all of them, with no question before.
    #[inline(always)]
    fn simple_way_of(&self, event: &Event) -> Option<&[Arc<Inline>]> {
        let simple = self.simple.as_deref()?;
        let unasked = is_idle(self.sites.call) && event.expires_at().is_none();
        (unasked && self.knows_the_way_of(event)).then_some(simple)
    }

    #[inline(always)]
    fn call_simple(
        &self,
        event: &Event,
        handlers: &[Arc<Inline>],
    ) -> Result<Published, EventError> {
        let inner = self.bus.inner();
        let _depth = inner.enter(event)?;
        for (called, inline) in handlers.iter().enumerate() {
            if !inline.call_simple(inner, event) {
                return Ok(self.call_rest(event, called));
            }
        }
        self.tally.count();
        Ok(Published {
            handled: handlers.len() as u32,
            ..Published::default()
        })
    }

    /// Whether the event goes where the last one went, no hook is to be asked about it, and the bus takes it.
    #[inline(always)]
    fn knows_the_way_of(&self, event: &Event) -> bool {
        self.is_direct
            && is_idle(self.sites.publish)
            && self.route.is_current()
            && event.topic() == self.route.topic()
            && self.bus.inner().takes(event)
    }

    /// Publishes by the route that is known. Gives the event back if the bus has to do it: if hooks are to be
    /// asked, the event is of another topic, or something has to be waited for.
    #[inline]
    fn publish_directly<'e>(
        &mut self,
        event: Outgoing<'e>,
    ) -> Result<Result<Published, EventError>, Outgoing<'e>> {
        if !self.knows_the_way_of(event.event()) {
            self.renew();
            if !self.knows_the_way_of(event.event()) {
                return Err(event);
            }
        }
        if self.only_inline {
            return Ok(self.call_all(event.event()));
        }
        if let [Target::Queued(queued)] = self.route.known()
            && queued.special.is_none()
            && self.has_lane
            && queued.lane.has_room()
        {
            let pushed = queued.lane.push(event.into_shared(), None);
            if pushed.closed == 0 {
                self.tally.count();
                return Ok(Ok(Published {
                    queued: pushed.queued as u32,
                    lost: pushed.lost as u32,
                    ..Published::default()
                }));
            }
            return Ok(Err(self
                .bus
                .inner()
                .closed_during(pushed.closed, self.topic())));
        }
        self.attempt(event)
    }

    #[inline]
    fn call_all(&self, event: &Event) -> Result<Published, EventError> {
        let inner = self.bus.inner();
        let _depth = inner.enter(event)?;
        let targets = self.route.known();
        for (called, target) in targets.iter().enumerate() {
            if let Target::Inline(inline) = target
                && !inline.deliver(inner, event, true)
            {
                return Ok(self.call_rest(event, called));
            }
        }
        self.tally.count();
        Ok(Published {
            handled: targets.len() as u32,
            ..Published::default()
        })
    }

    /// After a call that is not simply one more: the tally counts only calls of all, so the others are counted
    /// one by one. So many were called before it.
    #[cold]
    fn call_rest(&self, event: &Event, called: usize) -> Published {
        let inner = self.bus.inner();
        let (before, rest) = self.route.known().split_at(called);
        let mut published = Published::default();
        for target in before {
            if let Target::Inline(inline) = target {
                inline.record.counters.delivered.add(1);
                published.handled += 1;
            }
        }
        inner.call_inline(&rest[1..], event, &mut published);
        inner.published.add(1);
        published
    }

    fn attempt<'e>(
        &mut self,
        event: Outgoing<'e>,
    ) -> Result<Result<Published, EventError>, Outgoing<'e>> {
        let if_full = IfFull::Wait { missing: &[] };
        match self.bus.inner().attempt(self.route.known(), event, if_full) {
            Ok(published) => {
                // The tally is for no handler while there are queues: this counts the event.
                self.tally.count();
                Ok(Ok(published))
            }
            Err(Stopped::Failed(error)) => Ok(Err(error)),
            // Whoever may wait does it with the bus.
            Err(Stopped::Full(event, _)) => Err(event),
        }
    }

    #[cold]
    fn renew(&mut self) {
        let keeps_events = self.bus.inner().store_of(self.route.topic()).is_some();
        let targets = self.route.route();
        self.only_inline = !keeps_events && targets.iter().all(Target::is_inline);
        self.has_lane = !keeps_events;
        self.simple = match self.only_inline {
            true => targets.iter().map(Target::as_simple).collect(),
            false => None,
        };
        if self.route.version() == self.version {
            return;
        }
        let inline = self.route.known().iter().filter_map(|target| match target {
            Target::Inline(inline) if self.only_inline => Some(Arc::clone(&inline.record)),
            _ => None,
        });
        let records: Arc<[Arc<SubscriptionRecord>]> = inline.collect();
        self.tally.turn_to(self.bus.inner(), records);
        self.version = self.route.version();
    }
}

impl Drop for Publisher {
    fn drop(&mut self) {
        self.tally.turn_to(self.bus.inner(), Arc::default());
    }
}

impl std::fmt::Debug for Publisher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Publisher")
            .field("topic", self.topic())
            .finish_non_exhaustive()
    }
}
