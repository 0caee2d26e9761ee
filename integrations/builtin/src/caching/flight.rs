//! A call whose answer others wait for.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};

/// Under way until [`Flight::land`].
#[derive(Default)]
pub(super) struct Flight(Mutex<State>);

#[derive(Default)]
struct State {
    has_landed: bool,
    next: u64,
    waiting: BTreeMap<u64, Waker>,
}

/// Ready when the flight has landed; one that is dropped leaves nothing behind.
pub(super) struct Landing {
    flight: Arc<Flight>,
    ticket: Option<u64>,
}

impl Flight {
    pub(super) fn land(&self) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.has_landed = true;
        let waiting = std::mem::take(&mut state.waiting);
        drop(state);
        waiting.into_values().for_each(Waker::wake);
    }

    pub(super) fn landing(self: Arc<Self>) -> Landing {
        Landing {
            flight: self,
            ticket: None,
        }
    }
}

impl Future for Landing {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        let mut state = this.flight.0.lock().unwrap_or_else(PoisonError::into_inner);
        if state.has_landed {
            return Poll::Ready(());
        }
        let ticket = *this.ticket.get_or_insert(state.next);
        state.next = state.next.max(ticket + 1);
        state.waiting.insert(ticket, cx.waker().clone());
        Poll::Pending
    }
}

impl Drop for Landing {
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket {
            let mut state = self.flight.0.lock().unwrap_or_else(PoisonError::into_inner);
            state.waiting.remove(&ticket);
        }
    }
}
