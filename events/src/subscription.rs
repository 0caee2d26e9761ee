//! Subscriptions that are read as a stream.

pub(crate) mod builder;
pub(crate) mod feed;
pub(crate) mod record;

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use futures_core::Stream;
use hooks_runtime::HookSite;

use crate::bus::deliver::ask;
use crate::bus::sites::{Sites, is_idle};
use crate::error::EventError;
use crate::event::Event;
use crate::metrics::SubscriptionMetrics;
use crate::overflow::Gap;
use crate::queue::Entry;
pub use builder::SubscriptionBuilder;
use feed::Feed;

/// Events of some topics, in a queue of their own.
///
/// It is a [`Stream`] of [`Delivery`]s, and can be read with [`recv`](Subscription::recv). Events of one
/// publisher come in the order in which it published them. Hooks at `event.deliver` are asked when an event is
/// taken out; what they refuse is passed over and counted. Dropping it ends the subscription and frees what
/// waits. After the bus is closed it gives what was published before, and then ends.
#[must_use = "a subscription that is dropped gets nothing"]
pub struct Subscription {
    feed: Feed,
    is_once: bool,
    /// Where hooks are asked.
    site: Option<&'static HookSite>,
}

/// What a subscription gives.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Delivery {
    /// An event.
    Event(Arc<Event>),
    /// Events that are missing here.
    Gap(Gap),
}

impl Delivery {
    /// The event, if it is one.
    pub fn event(&self) -> Option<&Arc<Event>> {
        match self {
            Delivery::Event(event) => Some(event),
            Delivery::Gap(_) => None,
        }
    }

    /// The gap, if it is one.
    pub fn gap(&self) -> Option<Gap> {
        match self {
            Delivery::Event(_) => None,
            Delivery::Gap(gap) => Some(*gap),
        }
    }
}

impl Subscription {
    pub(crate) fn new(feed: Feed, is_once: bool) -> Self {
        Subscription {
            feed,
            is_once,
            site: Sites::get().read,
        }
    }

    /// The next event or gap; `None`: the bus is closed and everything is read.
    ///
    /// Dropping the future loses nothing.
    pub async fn recv(&mut self) -> Option<Delivery> {
        std::future::poll_fn(|cx| self.poll_delivery(cx)).await
    }

    /// The next event or gap if it is there; `Ok(None)`: nothing is now.
    ///
    /// # Errors
    /// [`EventError::Closed`] at the end.
    pub fn try_recv(&mut self) -> Result<Option<Delivery>, EventError> {
        loop {
            match self.feed.try_entry() {
                None => return Ok(None),
                Some(None) => {
                    let what = format!("reading `{}`", self.name());
                    return Err(EventError::Closed { what: what.into() });
                }
                Some(Some(entry)) => {
                    if let Some(delivery) = self.deliver(entry) {
                        return Ok(Some(delivery));
                    }
                }
            }
        }
    }

    /// Its number on the bus, from 1.
    pub fn id(&self) -> u64 {
        self.feed.record().id
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.feed.record().name
    }

    /// Its figures.
    pub fn metrics(&self) -> SubscriptionMetrics {
        self.feed.inner().metrics_of(self.feed.record())
    }

    #[inline]
    fn poll_delivery(&mut self, cx: &mut Context<'_>) -> Poll<Option<Delivery>> {
        loop {
            let Some(entry) = ready!(self.feed.poll_entry(cx)) else {
                return Poll::Ready(None);
            };
            if let Some(delivery) = self.deliver(entry) {
                return Poll::Ready(Some(delivery));
            }
        }
    }

    /// Asks hooks; `None`: they refused.
    #[inline]
    fn deliver(&mut self, entry: Entry<Arc<Event>>) -> Option<Delivery> {
        let event = match entry {
            Entry::Gap(gap) => return Some(Delivery::Gap(gap)),
            Entry::Item(_, event) => event,
        };
        let counters = &self.feed.record().counters;
        if !is_idle(self.site)
            && !event.is_of_hooks()
            && ask(&self.feed.record().name, &event).is_err()
        {
            counters.refused.add(1);
            return None;
        }
        // Only this reader writes it.
        counters.delivered.add_owned(1);
        if self.is_once {
            self.feed.end();
        }
        Some(Delivery::Event(event))
    }
}

impl Stream for Subscription {
    type Item = Delivery;

    #[inline]
    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Delivery>> {
        self.poll_delivery(cx)
    }
}

impl fmt::Debug for Subscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscription")
            .field("name", &self.name())
            .finish_non_exhaustive()
    }
}
