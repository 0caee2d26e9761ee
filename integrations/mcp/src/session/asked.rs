//! The requests that were passed on to one side and wait for its answers.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, oneshot};

use super::outbox::Gone;
use super::turn::{Before, Turn};
use crate::message::{Answer, Extra, Id, Rejected};

/// An answer that came, or what came in its place.
#[derive(Debug)]
pub(super) struct Came {
    pub(super) answer: Result<(Answer, Extra), Rejected>,
    /// The reader of the answer's direction waits for its end.
    pub(super) turn: Turn,
    /// What came before the answer and is not through.
    pub(super) before: Before,
    /// The answer's bytes.
    pub(super) room: OwnedSemaphorePermit,
}

/// Who asked for what is waited for.
#[derive(Clone, Debug)]
pub(super) struct Asker {
    /// The asking party's own id of the request: another attempt has another one on its way.
    pub(super) id: Id,
    /// What progress of the request is told under.
    pub(super) token: Option<Id>,
}

#[derive(Debug)]
struct Entry {
    answer: oneshot::Sender<Came>,
    /// `None` for what the gateway asks itself.
    asker: Option<Asker>,
}

#[derive(Debug, Default)]
struct State {
    waiting: HashMap<Id, Entry>,
    gone: bool,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Asked(Arc<Mutex<State>>);

/// Waits for one answer. Dropped before, nobody waits any more.
#[derive(Debug)]
pub(super) struct Waiting {
    asked: Asked,
    id: Id,
    answer: oneshot::Receiver<Came>,
}

/// Why nobody may wait for the answer to that id.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum NotAsked {
    /// The side is gone.
    Gone,
    /// Somebody waits under this id already.
    Taken,
}

impl Asked {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From here on the answer to `id` is waited for.
    pub(super) fn begin(&self, id: &Id, asker: Option<Asker>) -> Result<Waiting, NotAsked> {
        let mut state = self.state();
        if state.gone {
            return Err(NotAsked::Gone);
        }
        if state.waiting.contains_key(id) {
            return Err(NotAsked::Taken);
        }
        let (sender, answer) = oneshot::channel();
        let entry = Entry {
            answer: sender,
            asker,
        };
        state.waiting.insert(id.clone(), entry);
        Ok(Waiting {
            asked: self.clone(),
            id: id.clone(),
            answer,
        })
    }

    /// Whether somebody waits for that answer.
    pub(super) fn is_waiting(&self, id: &Id) -> bool {
        self.state().waiting.contains_key(id)
    }

    /// Hands the answer to whoever waits for it; `None` if nobody does.
    pub(super) fn take(&self, id: &Id) -> Option<oneshot::Sender<Came>> {
        self.state().waiting.remove(id).map(|entry| entry.answer)
    }

    /// The asking party's own id of the request that is under way as `id`.
    pub(super) fn asker(&self, id: &Id) -> Option<Id> {
        let state = self.state();
        let asker = state.waiting.get(id)?.asker.as_ref();
        asker.map(|asker| asker.id.clone())
    }

    /// The id under which a request of the asking party is under way.
    pub(super) fn known_as(&self, asker: &Id) -> Option<Id> {
        let state = self.state();
        let is_asker = |entry: &Entry| entry.asker.as_ref().is_some_and(|of| of.id == *asker);
        let mut waiting = state.waiting.iter();
        let found = waiting.find(|(_, entry)| is_asker(entry));
        found.map(|(id, _)| id.clone())
    }

    /// The asking party's own id of the request whose progress is told under `token`.
    pub(super) fn asker_by_token(&self, token: &Id) -> Option<Id> {
        let state = self.state();
        let mut askers = state
            .waiting
            .values()
            .filter_map(|entry| entry.asker.as_ref());
        let asker = askers.find(|asker| asker.token.as_ref() == Some(token));
        asker.map(|asker| asker.id.clone())
    }

    /// The side is gone: nobody waits any more, now and later.
    pub(super) fn close(&self) {
        let mut state = self.state();
        state.gone = true;
        let waiting = std::mem::take(&mut state.waiting);
        drop(state);
        drop(waiting);
    }
}

impl Waiting {
    /// The answer.
    pub(super) async fn answered(&mut self) -> Result<Came, Gone> {
        (&mut self.answer).await.map_err(|_| Gone)
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.answer.close();
        let mut state = self.asked.state();
        // An answer that is on its way has taken the entry already, and the id may be somebody else's by now.
        if state
            .waiting
            .get(&self.id)
            .is_some_and(|entry| entry.answer.is_closed())
        {
            state.waiting.remove(&self.id);
        }
    }
}
