//! Where an event can go.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::deliver::{Filter, Inline};
use crate::event::Event;
use crate::overflow::GapReason;
use crate::queue::{Lane, Pushed};
use crate::subscription::record::SubscriptionRecord;

/// What a pattern leads to.
#[derive(Clone)]
pub(crate) enum Target {
    Inline(Arc<Inline>),
    Queued(Arc<Queued>),
}

/// Queues that get the same events: those of several plain subscriptions to one pattern, or that of one with
/// options.
pub(crate) struct Queued {
    pub(crate) lane: Arc<Lane<Arc<Event>>>,
    /// `None`: of several subscriptions, without options.
    pub(crate) special: Option<Special>,
}

/// A queue of one subscription that has options.
pub(crate) struct Special {
    pub(crate) record: Arc<SubscriptionRecord>,
    pub(crate) filter: Option<Filter>,
    pub(crate) group: Option<Arc<Group>>,
    /// How long a publisher waits for room.
    pub(crate) block_timeout: Option<Duration>,
    /// For a subscription that also gets what was before it.
    pub(crate) since: Option<Mutex<Since>>,
}

/// From where on a subscription gets events as they are published; what was before comes from the store.
pub(crate) enum Since {
    /// The store has not been asked yet: these came meanwhile.
    Unknown(Vec<Arc<Event>>),
    /// Events up to that place came from the store.
    After(u64),
}

impl Queued {
    /// Queues an event, without asking for room. With `misses`, queues that are full miss it for that reason.
    #[inline]
    pub(crate) fn push(&self, event: Arc<Event>, misses: Option<GapReason>) -> Pushed {
        match self.special.as_ref().and_then(|s| s.since.as_ref()) {
            None => self.lane.push(event, misses),
            Some(since) => self.push_since(since, event, misses),
        }
    }

    fn push_since(
        &self,
        since: &Mutex<Since>,
        event: Arc<Event>,
        misses: Option<GapReason>,
    ) -> Pushed {
        let mut since = since.lock().unwrap_or_else(PoisonError::into_inner);
        match &mut *since {
            Since::Unknown(held) => {
                held.push(event);
                Pushed {
                    queued: 1,
                    ..Pushed::default()
                }
            }
            Since::After(last) => {
                let is_known = event.sequence().is_some_and(|at| at <= *last);
                drop(since);
                if is_known {
                    return Pushed::default();
                }
                self.lane.push(event, misses)
            }
        }
    }

    /// Says up to which place the events came from the store: those that came meanwhile and are not among them
    /// are queued.
    pub(crate) fn begin_after(&self, last: u64) {
        let Some(since) = self.special.as_ref().and_then(|s| s.since.as_ref()) else {
            return;
        };
        let mut since = since.lock().unwrap_or_else(PoisonError::into_inner);
        if let Since::Unknown(held) = std::mem::replace(&mut *since, Since::After(last)) {
            // Under the lock, so that what comes next is queued after these.
            for event in held {
                if event.sequence().is_none_or(|at| at > last) {
                    // The reader does not read yet, and is told of what is lost.
                    let _counted = self.lane.push(event, None);
                }
            }
        }
    }

    pub(crate) fn group(&self) -> Option<&Arc<Group>> {
        self.special.as_ref()?.group.as_ref()
    }
}

/// Subscriptions of which one gets each event.
#[derive(Default)]
pub(crate) struct Group {
    turn: AtomicUsize,
}

impl Group {
    /// The members in the order in which they are asked to take the next event.
    pub(crate) fn turns<'m>(
        &self,
        members: &[&'m Arc<Queued>],
    ) -> impl Iterator<Item = &'m Arc<Queued>> {
        let first = self.turn.fetch_add(1, Ordering::Relaxed) % members.len().max(1);
        let (before, from) = members.split_at(first);
        let turns: Vec<_> = from.iter().chain(before).copied().collect();
        turns.into_iter()
    }
}
