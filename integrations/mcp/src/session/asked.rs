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

#[derive(Debug, Default)]
struct State {
    waiting: HashMap<Id, oneshot::Sender<Came>>,
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
    pub(super) fn begin(&self, id: &Id) -> Result<Waiting, NotAsked> {
        let mut state = self.state();
        if state.gone {
            return Err(NotAsked::Gone);
        }
        if state.waiting.contains_key(id) {
            return Err(NotAsked::Taken);
        }
        let (sender, answer) = oneshot::channel();
        state.waiting.insert(id.clone(), sender);
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
        self.state().waiting.remove(id)
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
            .is_some_and(oneshot::Sender::is_closed)
        {
            state.waiting.remove(&self.id);
        }
    }
}
