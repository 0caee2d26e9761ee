//! The requests of one side that are not answered yet.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, watch};

use crate::message::Id;

/// Why a request ends before it is answered by the other side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// Whoever asked does not want the answer any more.
    Cancelled,
    /// The other side is gone.
    Gone,
}

#[derive(Clone, Debug)]
pub(super) struct Flights {
    all: Arc<Mutex<HashMap<Id, watch::Sender<Option<End>>>>>,
    /// How many there are, until their answers are on the way.
    open: Arc<watch::Sender<usize>>,
    max: usize,
}

/// One request under way.
#[derive(Debug)]
pub(super) struct Flight {
    flights: Flights,
    id: Id,
    end: watch::Receiver<Option<End>>,
    landed: bool,
    _room: OwnedSemaphorePermit,
}

/// Why a request is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NotTaken {
    /// A request with this id is under way.
    Twice,
    /// Too many are.
    Full,
}

impl Flights {
    pub(super) fn new(max: usize) -> Self {
        Flights {
            all: Arc::default(),
            open: Arc::new(watch::Sender::new(0)),
            max,
        }
    }

    fn all(&self) -> MutexGuard<'_, HashMap<Id, watch::Sender<Option<End>>>> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn begin(&self, id: &Id, room: OwnedSemaphorePermit) -> Result<Flight, NotTaken> {
        let mut all = self.all();
        if all.contains_key(id) {
            return Err(NotTaken::Twice);
        }
        if all.len() >= self.max {
            return Err(NotTaken::Full);
        }
        let (sender, end) = watch::channel(None);
        all.insert(id.clone(), sender);
        self.open.send_modify(|open| *open += 1);
        Ok(Flight {
            flights: self.clone(),
            id: id.clone(),
            end,
            landed: false,
            _room: room,
        })
    }

    /// Whether a request with that id is not answered yet.
    pub(super) fn is_under_way(&self, id: &Id) -> bool {
        self.all().contains_key(id)
    }

    /// Ends the request with that id, if it is under way.
    pub(super) fn cancel(&self, id: &Id) {
        if let Some(flight) = self.all().get(id) {
            flight.send_replace(Some(End::Cancelled));
        }
    }

    /// Ends all that are under way.
    pub(super) fn end_all(&self) {
        for flight in self.all().values() {
            flight.send_replace(Some(End::Gone));
        }
    }

    /// Waits until none is under way, and all answers are on theirs.
    pub(super) async fn all_landed(&self) {
        // It holds the sender itself, so it cannot be gone.
        if self
            .open
            .subscribe()
            .wait_for(|open| *open == 0)
            .await
            .is_err()
        {
            tracing::debug!("nobody counts requests any more");
        }
    }
}

impl Flight {
    /// Waits until it is ended from outside.
    pub(super) async fn ended(&self) -> End {
        let mut end = self.end.clone();
        match end.wait_for(Option::is_some).await.map(|end| *end) {
            Ok(Some(end)) => end,
            // The sender is dropped when the flight has landed, and then nobody asks.
            Ok(None) | Err(_) => std::future::pending().await,
        }
    }

    /// The request is about to be answered.
    pub(super) fn land(&mut self) {
        if !self.landed {
            self.landed = true;
            self.flights.all().remove(&self.id);
        }
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        self.land();
        self.flights.open.send_modify(|open| *open -= 1);
    }
}
