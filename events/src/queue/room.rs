//! Writers that wait for room.

use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use super::lane::Lane;

/// The writers that wait. All of them are woken when there is room: who comes too late waits again.
#[derive(Default)]
pub(super) struct Waiters {
    wakers: Vec<(u64, Waker)>,
    last_key: u64,
}

impl Waiters {
    pub(super) fn is_empty(&self) -> bool {
        self.wakers.is_empty()
    }

    pub(super) fn take(&mut self) -> Vec<Waker> {
        let wakers = std::mem::take(&mut self.wakers);
        wakers.into_iter().map(|(_, waker)| waker).collect()
    }

    /// Notes that the writer with this key waits; gives one that has none a key.
    fn wait(&mut self, key: &mut Option<u64>, waker: &Waker) {
        if let Some(key) = *key
            && let Some((_, known)) = self.wakers.iter_mut().find(|(k, _)| *k == key)
        {
            known.clone_from(waker);
            return;
        }
        self.last_key += 1;
        *key = Some(self.last_key);
        self.wakers.push((self.last_key, waker.clone()));
    }

    fn forget(&mut self, key: u64) {
        self.wakers.retain(|(k, _)| *k != key);
    }
}

/// Waits until no queue of a lane is full, or it takes nothing any more. Dropping it changes nothing.
#[must_use = "a future does nothing unless it is awaited"]
pub struct Room<'l, T> {
    lane: &'l Lane<T>,
    key: Option<u64>,
}

impl<T> Lane<T> {
    /// Waits until there is room. Who waited is not sure to find it: all are woken for what is free.
    pub fn room(&self) -> Room<'_, T> {
        Room {
            lane: self,
            key: None,
        }
    }
}

impl<T> Future for Room<'_, T> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut state = self.lane.lock();
        if state.sealed {
            return Poll::Ready(());
        }
        let mut none_is_full = true;
        for slot in state.slots.iter_mut().filter(|slot| slot.is_full()) {
            slot.holds_up = true;
            none_is_full = false;
        }
        if none_is_full {
            return Poll::Ready(());
        }
        state.writers.wait(&mut self.key, cx.waker());
        Poll::Pending
    }
}

impl<T> Drop for Room<'_, T> {
    fn drop(&mut self) {
        if let Some(key) = self.key {
            self.lane.lock().writers.forget(key);
        }
    }
}
