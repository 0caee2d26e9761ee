//! The way of one event to all that want it.

use std::num::NonZeroU64;
use std::sync::Arc;

use hooks_runtime::panic::caught;

use super::deliver::DepthGuard;
use super::inner::Inner;
use super::published::Published;
use super::target::{Group, Queued, Target};
use crate::error::EventError;
use crate::event::{Event, Origin};
use crate::overflow::{GapReason, Overflow};
use crate::store::EventStore;
use crate::topic::Topic;

/// An event as its publisher has it. It is put into an [`Arc`] only if a queue or a store wants it.
pub(crate) enum Outgoing<'e> {
    Lent(&'e Event),
    Owned(Event),
    Shared(Arc<Event>),
}

impl Outgoing<'_> {
    #[inline]
    pub(crate) fn event(&self) -> &Event {
        match self {
            Outgoing::Lent(event) => event,
            Outgoing::Owned(event) => event,
            Outgoing::Shared(event) => event,
        }
    }

    #[inline]
    pub(crate) fn into_shared(self) -> Arc<Event> {
        match self {
            Outgoing::Lent(event) => Arc::new(event.clone()),
            Outgoing::Owned(event) => Arc::new(event),
            Outgoing::Shared(event) => event,
        }
    }

    pub(crate) fn into_owned(self) -> Event {
        match self {
            Outgoing::Lent(event) => event.clone(),
            Outgoing::Owned(event) => event,
            Outgoing::Shared(event) => Arc::unwrap_or_clone(event),
        }
    }
}

/// What a publisher does about queues that are full.
#[derive(Clone, Copy)]
pub(crate) enum IfFull<'m> {
    /// It waits; those that it has waited for long enough miss the event.
    Wait { missing: &'m [Arc<Queued>] },
    /// Publishing fails.
    Fail,
    /// They miss the event.
    Miss,
}

impl IfFull<'_> {
    /// Whether that queue misses the event if it is full, and why.
    fn misses(self, queued: &Arc<Queued>) -> Option<GapReason> {
        match self {
            IfFull::Wait { missing } => {
                let waited = missing.iter().any(|m| Arc::ptr_eq(m, queued));
                waited.then_some(GapReason::TimedOut)
            }
            IfFull::Fail => None,
            IfFull::Miss => Some(GapReason::Full),
        }
    }
}

/// Why an event went nowhere yet.
pub(crate) enum Stopped<'e> {
    /// It is given back; there has to be room first, in one of these.
    Full(Outgoing<'e>, Vec<Arc<Queued>>),
    Failed(EventError),
}

impl From<EventError> for Stopped<'_> {
    fn from(error: EventError) -> Self {
        Stopped::Failed(error)
    }
}

impl Inner {
    /// Whether the bus takes that event, whoever wants it.
    #[inline]
    pub(crate) fn admit(&self, event: &Event) -> Result<(), EventError> {
        if self.is_closed() {
            return Err(closed(event));
        }
        let limit_bytes = self.settings.max_payload_bytes;
        if !event.is_within_bytes(limit_bytes) {
            return Err(EventError::TooLarge {
                topic: event.topic().as_str().into(),
                bytes: event.size_hint_bytes(),
                limit_bytes,
            });
        }
        if event.origin() != Origin::Hooks && is_reserved(event.topic()) {
            return Err(EventError::ReservedTopic {
                topic: event.topic().as_str().into(),
            });
        }
        match &self.settings.flow {
            None => Ok(()),
            Some(flow) => flow.admit(event.topic()),
        }
    }

    /// Whether `admit` takes that event, which is not one of hooks, if no rate is limited.
    #[inline]
    pub(crate) fn takes(&self, event: &Event) -> bool {
        !self.is_closed() && event.is_within_bytes(self.settings.max_payload_bytes)
    }

    /// Counts that so many queues were closed while an event was on its way to them.
    #[cold]
    pub(crate) fn closed_during(&self, queues: usize, topic: &Topic) -> EventError {
        self.roster.add_abandoned(queues as u64);
        EventError::Closed {
            what: format!("an event of `{topic}`").into(),
        }
    }

    /// Gives an event to all targets, or to none of them. It does not wait.
    pub(crate) fn attempt<'e>(
        &self,
        targets: &[Target],
        event: Outgoing<'e>,
        if_full: IfFull<'_>,
    ) -> Result<Published, Stopped<'e>> {
        let has_queue = targets
            .iter()
            .any(|target| matches!(target, Target::Queued(_)));
        let has_inline = targets.iter().any(Target::is_inline);
        // Before anything is done, so that all or nothing is.
        let _depth = match has_inline {
            true => Some(self.enter(event.event())?),
            false => None,
        };
        let mut published = Published::default();
        if !has_queue && self.store_of(event.event().topic()).is_none() {
            self.call_inline(targets, event.event(), &mut published);
            return Ok(published);
        }
        let members = match self.room(targets, event.event(), if_full) {
            Ok(members) => members,
            Err(Stop::Failed(error)) => return Err(error.into()),
            Err(Stop::Full(queues)) => return Err(Stopped::Full(event, queues)),
        };
        let Some(store) = self.store_of(event.event().topic()) else {
            let event = event.into_shared();
            self.give(targets, targets, &members, event, if_full, &mut published);
            return Ok(published);
        };
        let event = store.append(event.into_owned())?;
        published.sequence = event.sequence().and_then(NonZeroU64::new);
        // Looked up again, after the store has it: a subscription that asked the store just before, and does not
        // have it from there, is found now.
        let now = self.router.route(event.topic());
        self.give(&now, targets, &members, event, if_full, &mut published);
        Ok(published)
    }

    #[inline]
    pub(crate) fn enter(&self, event: &Event) -> Result<DepthGuard, EventError> {
        DepthGuard::enter(self.settings.max_inline_depth).map_err(|depth| EventError::TooDeep {
            topic: event.topic().as_str().into(),
            depth,
        })
    }

    /// The store, if it keeps events of that topic.
    pub(crate) fn store_of(&self, topic: &Topic) -> Option<&Arc<dyn EventStore>> {
        self.settings
            .store
            .as_ref()
            .filter(|store| store.wants(topic))
    }

    /// Puts the event into the queues of some targets and the chosen members of groups, and calls the inline
    /// handlers of others.
    fn give(
        &self,
        queues: &[Target],
        handlers: &[Target],
        members: &[&Arc<Queued>],
        event: Arc<Event>,
        if_full: IfFull<'_>,
        published: &mut Published,
    ) {
        if !handlers.iter().any(Target::is_inline) {
            return self.queue(queues, members, event, if_full, published);
        }
        // Queues first: what a handler publishes is an effect of this event and comes after it everywhere.
        self.queue(queues, members, Arc::clone(&event), if_full, published);
        self.call_inline(handlers, &event, published);
    }

    /// Looks for room wherever publishers have to wait or fail, and chooses a member of each group.
    fn room<'t>(
        &self,
        targets: &'t [Target],
        event: &Event,
        if_full: IfFull<'_>,
    ) -> Result<Vec<&'t Arc<Queued>>, Stop> {
        let mut chosen = Vec::new();
        let mut groups: Vec<&Arc<Group>> = Vec::new();
        for target in targets {
            let Target::Queued(queued) = target else {
                continue;
            };
            if let Some(group) = queued.group() {
                if !groups.iter().any(|known| Arc::ptr_eq(known, group)) {
                    groups.push(group);
                    chosen.extend(self.choose(targets, group, event, if_full)?);
                }
                continue;
            }
            if queued.lane.has_room()
                || if_full.misses(queued).is_some()
                || !may_want(queued, event)
            {
                continue;
            }
            self.full(std::slice::from_ref(&queued), event, if_full)?;
        }
        Ok(chosen)
    }

    /// The member of a group that gets the event; none, if no filter lets it pass.
    fn choose<'t>(
        &self,
        targets: &'t [Target],
        group: &Arc<Group>,
        event: &Event,
        if_full: IfFull<'_>,
    ) -> Result<Option<&'t Arc<Queued>>, Stop> {
        let members = self.members(targets, group, event);
        let turns: Vec<&Arc<Queued>> = group.turns(&members).collect();
        let free = turns.iter().find(|member| member.lane.has_room());
        if let Some(member) =
            free.or_else(|| turns.iter().find(|member| if_full.misses(member).is_some()))
        {
            return Ok(Some(member));
        }
        self.full(&turns, event, if_full)?;
        Ok(turns.first().copied())
    }

    /// The members of a group among the targets whose filters let the event pass.
    pub(super) fn members<'t>(
        &self,
        targets: &'t [Target],
        group: &Arc<Group>,
        event: &Event,
    ) -> Vec<&'t Arc<Queued>> {
        let of = |target: &'t Target| match target {
            Target::Queued(queued) if queued.group().is_some_and(|g| Arc::ptr_eq(g, group)) => {
                Some(queued)
            }
            _ => None,
        };
        targets
            .iter()
            .filter_map(of)
            .filter(|queued| may_want(queued, event))
            .collect()
    }

    /// All of these are said to be full: whether they are, and what that means. Nothing: there is room after all.
    #[cold]
    fn full(
        &self,
        queues: &[&Arc<Queued>],
        event: &Event,
        if_full: IfFull<'_>,
    ) -> Result<(), Stop> {
        let mut waits = Vec::new();
        let mut failing = None;
        for queued in queues {
            let Some((id, overflow)) = queued.lane.first_full() else {
                return Ok(());
            };
            if overflow == Overflow::Error || matches!(if_full, IfFull::Fail) {
                failing = failing.or(Some(id));
            } else {
                waits.push(Arc::clone(queued));
            }
        }
        match failing {
            _ if !waits.is_empty() => Err(Stop::Full(waits)),
            Some(id) => Err(Stop::Failed(self.is_full(id, event))),
            None => Ok(()),
        }
    }

    fn is_full(&self, id: u64, event: &Event) -> EventError {
        let record = self.roster.record(id);
        EventError::Full {
            topic: event.topic().as_str().into(),
            subscription: record
                .as_ref()
                .map_or("?".into(), |record| record.name.clone()),
            capacity: record.map_or(0, |record| record.capacity),
        }
    }

    /// Puts the event into all queues that want it.
    fn queue(
        &self,
        targets: &[Target],
        members: &[&Arc<Queued>],
        event: Arc<Event>,
        if_full: IfFull<'_>,
        published: &mut Published,
    ) {
        let plain = targets.iter().filter_map(|target| match target {
            Target::Queued(queued) if queued.group().is_none() => Some(queued),
            _ => None,
        });
        let mut queues = plain.chain(members.iter().copied()).peekable();
        let mut event = Some(event);
        while let Some(queued) = queues.next() {
            // The last one gets the reference itself.
            let next = if queues.peek().is_some() {
                event.clone()
            } else {
                event.take()
            };
            let Some(next) = next.filter(|event| self.is_wanted(queued, event)) else {
                continue;
            };
            let pushed = queued.push(next, if_full.misses(queued));
            published.queued += pushed.queued as u32;
            published.lost += pushed.lost as u32;
            if pushed.closed > 0 {
                self.roster.add_abandoned(pushed.closed as u64);
            }
        }
    }

    fn is_wanted(&self, queued: &Queued, event: &Event) -> bool {
        match &queued.special {
            None => true,
            Some(special) => self.wants(special.filter.as_ref(), &special.record, event),
        }
    }

    /// Calls the inline handlers among the targets.
    pub(crate) fn call_inline(&self, targets: &[Target], event: &Event, published: &mut Published) {
        let asks = !event.is_of_hooks();
        for target in targets {
            if let Target::Inline(inline) = target
                && inline.deliver(self, event, asks)
            {
                inline.record.counters.delivered.add(1);
                published.handled += 1;
            }
        }
    }
}

enum Stop {
    Full(Vec<Arc<Queued>>),
    Failed(EventError),
}

/// Whether the filter lets it pass, without counting; a panic is looked at where it counts.
fn may_want(queued: &Queued, event: &Event) -> bool {
    let filter = queued.special.as_ref().and_then(|s| s.filter.as_ref());
    filter.is_none_or(|filter| caught(|| filter(event)).unwrap_or(false))
}

pub(crate) fn closed(event: &Event) -> EventError {
    EventError::Closed {
        what: format!("an event of `{}`", event.topic()).into(),
    }
}

/// Whether only hooks and the system publish under that topic: whoever acts on these events must be able to rely
/// on them.
fn is_reserved(topic: &Topic) -> bool {
    let topic = topic.as_str();
    ["hook.", "system.", "performance."]
        .iter()
        .any(|group| topic.starts_with(group))
}

impl Event {
    /// Whether it is a record of hooks by its topic. No hooks are asked about its delivery, because that would
    /// make further records.
    #[inline]
    pub(crate) fn is_of_hooks(&self) -> bool {
        self.topic().as_str().starts_with("hook.")
    }

    /// Whether it tells of hooks or comes from the system: what its handlers make hooks do is not told again.
    #[inline]
    pub(crate) fn is_unheard(&self) -> bool {
        self.origin() == Origin::Hooks || self.is_of_hooks()
    }
}
