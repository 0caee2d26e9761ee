//! What a script has subscribed to, and may therefore end.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hooks_events::{EventError, HandlerGuard, Subscription};
use serde_json::{Value as Json, json};

use crate::bind::ApiResult;

/// The subscriptions of a script. Dropped with the script, and they end.
#[derive(Default)]
pub(crate) struct Subscriptions {
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    /// Functions wait until their version of the script takes the place of another one.
    is_staged: bool,
    last: u64,
    subscribed: BTreeMap<u64, Subscribed>,
}

struct Subscribed {
    pattern: String,
    place: String,
    kept: Kept,
}

/// How its events reach the script.
pub(crate) enum Kept {
    Handler(HandlerGuard),
    Queue(Queue),
    Staged(Start),
    /// It could not be subscribed.
    Over,
}

/// Subscribes a function of a script.
pub(crate) type Start = Box<dyn FnOnce() -> Result<HandlerGuard, EventError> + Send>;

/// Events that wait for `Event.receive`.
pub(crate) type Queue = Arc<tokio::sync::Mutex<Subscription>>;

impl Kept {
    pub(crate) fn queue(subscription: Subscription) -> Kept {
        Kept::Queue(Arc::new(tokio::sync::Mutex::new(subscription)))
    }

    /// Whether nothing comes any more.
    fn is_over(&self) -> bool {
        match self {
            Kept::Handler(guard) => guard.is_finished(),
            Kept::Queue(_) | Kept::Staged(_) => false,
            Kept::Over => true,
        }
    }
}

impl Subscriptions {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Of a version whose functions get no events before it takes the place of another one.
    pub(crate) fn staged() -> Self {
        let subscriptions = Subscriptions::default();
        subscriptions.lock().is_staged = true;
        subscriptions
    }

    /// Subscribes a function, now or when its version takes over.
    pub(crate) fn start(&self, start: Start) -> Result<Kept, EventError> {
        if self.lock().is_staged {
            return Ok(Kept::Staged(start));
        }
        start().map(Kept::Handler)
    }

    /// The functions get events from here on.
    pub(crate) fn go_live(&self) -> Result<(), EventError> {
        let mut inner = self.lock();
        inner.is_staged = false;
        for known in inner.subscribed.values_mut() {
            known.kept = match std::mem::replace(&mut known.kept, Kept::Over) {
                Kept::Staged(start) => Kept::Handler(start()?),
                kept => kept,
            };
        }
        Ok(())
    }

    /// Ends all of them. An event that is being handled is not handled to its end.
    pub(crate) fn end(&self) {
        let ended = std::mem::take(&mut self.lock().subscribed);
        drop(ended);
    }

    /// Keeps one; its id.
    pub(crate) fn add(&self, pattern: String, place: String, kept: Kept) -> u64 {
        let mut inner = self.lock();
        // Those for one event are over after it.
        let ended: Vec<_> = inner
            .subscribed
            .extract_if(.., |_, known| known.kept.is_over())
            .collect();
        inner.last += 1;
        let id = inner.last;
        let subscribed = Subscribed {
            pattern,
            place,
            kept,
        };
        inner.subscribed.insert(id, subscribed);
        drop(inner);
        drop(ended);
        id
    }

    /// Ends one; `false`: there is none of that id.
    pub(crate) fn remove(&self, id: u64) -> bool {
        let removed = self.lock().subscribed.remove(&id);
        // Dropped outside of the lock: events that were queued go with it.
        removed.is_some_and(|known| !known.kept.is_over())
    }

    /// Ends those whose events wait for `Event.receive`: nobody will ask for them any more.
    pub(crate) fn end_queues(&self) {
        let ended: Vec<_> = {
            let mut inner = self.lock();
            let queues = inner
                .subscribed
                .extract_if(.., |_, known| matches!(known.kept, Kept::Queue(_)));
            queues.collect()
        };
        drop(ended);
    }

    /// What `Event.receive` reads.
    pub(crate) fn queue(&self, id: u64) -> ApiResult<Queue> {
        match self.lock().subscribed.get(&id).map(|known| &known.kept) {
            Some(Kept::Queue(queue)) => Ok(queue.clone()),
            Some(Kept::Handler(_) | Kept::Staged(_)) => Err(format!(
                "Event.receive: the events of subscription {id} go to its function; subscribe without a function to receive them"
            )
            .into()),
            Some(Kept::Over) | None => Err(format!("Event.receive: there is no subscription {id}, or it has ended").into()),
        }
    }

    /// All of them, for the script.
    pub(crate) fn list(&self) -> Json {
        let inner = self.lock();
        let live = inner
            .subscribed
            .iter()
            .filter(|(_, known)| !known.kept.is_over());
        let listed = live.map(|(id, known)| {
            let receives = matches!(known.kept, Kept::Queue(_));
            json!({"id": id, "pattern": known.pattern, "location": known.place, "receives": receives})
        });
        Json::Array(listed.collect())
    }
}
