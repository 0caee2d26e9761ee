//! Queues that get the same items, behind one lock.

use std::collections::VecDeque;
use std::num::NonZeroUsize;
use std::task::Waker;

use super::after_lock::AfterLock;
use super::reader::Reader;
use super::room::Waiters;
use super::slot::{Batch, Offered, QueueCounts, Slot};
use super::sync::{Arc, AtomicUsize, Mutex, MutexGuard, Ordering, PoisonError};
use crate::overflow::{GapReason, Overflow};

/// For so many queues a writer has copies of an item before it takes the lock.
const COPIES: usize = 10;

/// Queues that get the same items.
pub struct Lane<T> {
    /// How many of the queues are full and make writers wait or fail: a hint for those without the lock.
    full: AtomicUsize,
    /// How many queues there are: a hint too.
    readers: AtomicUsize,
    pub(super) state: Mutex<State<T>>,
}

pub(super) struct State<T> {
    pub(super) slots: Vec<Slot<T>>,
    pub(super) writers: Waiters,
    pub(super) sealed: bool,
}

/// What became of an item.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pushed {
    /// In how many queues it is.
    pub queued: usize,
    /// How many items were lost, this one or older ones.
    pub lost: usize,
    /// In so many queues it is not because nothing more is taken.
    pub closed: usize,
}

impl Pushed {
    /// Adds what became of it in another lane.
    pub fn add(&mut self, other: Pushed) {
        self.queued += other.queued;
        self.lost += other.lost;
        self.closed += other.closed;
    }
}

impl<T> Default for Lane<T> {
    fn default() -> Self {
        Lane {
            full: AtomicUsize::new(0),
            readers: AtomicUsize::new(0),
            state: Mutex::new(State {
                slots: Vec::new(),
                writers: Waiters::default(),
                sealed: false,
            }),
        }
    }
}

impl<T> State<T> {
    /// The queue with this key. A reader remembers where it was last.
    pub(super) fn slot(&mut self, key: u64, at: &mut usize) -> Option<&mut Slot<T>> {
        if self.slots.get(*at).is_none_or(|slot| slot.key != key) {
            *at = self.slots.iter().position(|slot| slot.key == key)?;
        }
        self.slots.get_mut(*at)
    }

    pub(super) fn full(&self) -> usize {
        if self.sealed {
            return 0;
        }
        self.slots.iter().filter(|slot| slot.is_full()).count()
    }
}

impl<T> Lane<T> {
    pub(super) fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a queue and gives its reader. No other queue of the lane has the key.
    pub fn reader(
        self: &Arc<Self>,
        key: u64,
        capacity: NonZeroUsize,
        overflow: Overflow,
    ) -> Reader<T> {
        let mut state = self.lock();
        state.slots.push(Slot::new(key, capacity, overflow));
        self.readers.store(state.slots.len(), Ordering::Relaxed);
        drop(state);
        Reader::new(Arc::clone(self), key, capacity)
    }

    /// Whether all queues have room, as far as one can tell without the lock.
    #[inline]
    pub fn has_room(&self) -> bool {
        self.full.load(Ordering::Relaxed) == 0
    }

    /// The strategy and key of a full queue that a writer has to wait for, or fail at.
    pub fn first_full(&self) -> Option<(u64, Overflow)> {
        let state = self.lock();
        let full = |slot: &&Slot<T>| slot.is_full() && !state.sealed;
        // One that fails is an answer; one that makes wait is none yet.
        let fails = |slot: &&Slot<T>| full(slot) && slot.overflow == Overflow::Error;
        let slots = || state.slots.iter();
        let slot = slots().find(fails).or_else(|| slots().find(full))?;
        Some((slot.key, slot.overflow))
    }

    /// Nothing more is taken. Readers get what is there, and then the end; writers do not wait any longer.
    pub fn seal(&self) {
        let mut state = self.lock();
        state.sealed = true;
        self.full.store(0, Ordering::Relaxed);
        let mut wakes = AfterLock::default();
        state
            .slots
            .iter_mut()
            .for_each(|slot| wakes.add(slot.wake()));
        let writers = state.writers.take();
        drop(state);
        wakes.each(Waker::wake);
        writers.into_iter().for_each(Waker::wake);
    }

    /// Takes a queue out: what is left in it, and its last figures. Its reader comes to its end.
    pub fn remove(&self, key: u64) -> (VecDeque<T>, QueueCounts) {
        let mut state = self.lock();
        let Some(at) = state.slots.iter().position(|slot| slot.key == key) else {
            return (VecDeque::new(), QueueCounts::default());
        };
        let mut slot = state.slots.swap_remove(at);
        self.readers.store(state.slots.len(), Ordering::Relaxed);
        let reader = slot.wake();
        self.let_writers_go_on(state);
        if let Some(reader) = reader {
            reader.wake();
        }
        let counts = slot.counts();
        (slot.into_items(), counts)
    }

    /// Gives a reader that has read its batch the next, or notes that it waits. `Ok(false)`: it is to ask again
    /// when woken. `Err`: there is nothing and there will be nothing.
    pub(super) fn fill(
        &self,
        (key, at): (u64, &mut usize),
        batch: &mut Batch<T>,
        waker: Option<&Waker>,
    ) -> Result<bool, Ended> {
        let mut state = self.lock();
        let sealed = state.sealed;
        let Some(slot) = state.slot(key, at) else {
            return Err(Ended);
        };
        let was_full = slot.is_full() || slot.holds_up;
        let filled = slot.fill(batch);
        if !filled
            && !sealed
            && let Some(waker) = waker
        {
            slot.sleep(waker);
        }
        if was_full {
            self.let_writers_go_on(state);
        }
        if filled || !sealed {
            Ok(filled)
        } else {
            Err(Ended)
        }
    }

    /// A reader has read `count` of the items that it took.
    pub(super) fn credit(&self, (key, at): (u64, &mut usize), count: usize) {
        let mut state = self.lock();
        let Some(slot) = state.slot(key, at) else {
            return;
        };
        let was_full = slot.is_full() || slot.holds_up;
        slot.credit(count);
        if was_full {
            self.let_writers_go_on(state);
        }
    }

    /// The figures of a queue; of one that is gone, zeros.
    pub fn counts(&self, key: u64) -> QueueCounts {
        let state = self.lock();
        let slot = state.slots.iter().find(|slot| slot.key == key);
        slot.map_or_else(QueueCounts::default, Slot::counts)
    }

    fn let_writers_go_on(&self, mut state: MutexGuard<'_, State<T>>) {
        self.full.store(state.full(), Ordering::Relaxed);
        for slot in &mut state.slots {
            slot.holds_up = slot.holds_up && !slot.lets_go_on();
        }
        if state.writers.is_empty() || state.slots.iter().any(|slot| slot.holds_up) {
            return;
        }
        let writers = state.writers.take();
        drop(state);
        writers.into_iter().for_each(Waker::wake);
    }
}

/// Nothing more will come.
pub(super) struct Ended;

impl<T: Clone> Lane<T> {
    /// Queues an item everywhere. A queue where writers wait or fail takes it even if it is full: a writer asks
    /// all lanes for room before it pushes to any, so that the item goes to all or none.
    /// Between the question and the push other threads may have taken the last place; a queue is then longer
    /// than its capacity, by at most the number of threads that push at that moment.
    ///
    /// With `misses`, one that is full misses the item instead: its reader will see a gap for that reason.
    #[inline]
    pub fn push(&self, item: T, misses: Option<GapReason>) -> Pushed {
        // Copies are made before the lock is taken, for as many queues as there seem to be.
        let copies = self.readers.load(Ordering::Relaxed).saturating_sub(1);
        let mut copies: [Option<T>; COPIES] =
            std::array::from_fn(|at| (at < copies).then(|| item.clone()));
        let mut state = self.lock();
        let count = state.slots.len();
        let mut pushed = Pushed::default();
        if state.sealed || count == 0 {
            pushed.closed = count;
            drop(state);
            return pushed;
        }
        let mut wakes = AfterLock::default();
        let mut garbage = AfterLock::default();
        let mut full = 0;
        let mut offer = |slot: &mut Slot<T>, item: T| {
            match slot.offer(item, misses) {
                Offered::Queued => pushed.queued += 1,
                Offered::InsteadOf(old) => {
                    pushed.queued += 1;
                    pushed.lost += 1;
                    garbage.add(Some(old));
                }
                Offered::Lost(item) => {
                    pushed.lost += 1;
                    garbage.add(Some(item));
                }
            }
            full += usize::from(slot.is_full());
            wakes.add(slot.wake());
        };
        // The last one gets the item itself.
        if let Some((last, others)) = state.slots.split_last_mut() {
            for (at, slot) in others.iter_mut().enumerate() {
                let copy = copies.get_mut(at).and_then(Option::take);
                offer(slot, copy.unwrap_or_else(|| item.clone()));
            }
            offer(last, item);
        }
        if full > 0 {
            self.full.store(full, Ordering::Relaxed);
        }
        drop(state);
        wakes.each(Waker::wake);
        drop(garbage);
        pushed
    }
}
