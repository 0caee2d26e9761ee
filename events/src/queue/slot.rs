//! The queue of one subscription, as it is behind the lock of its lane.

use std::collections::VecDeque;
use std::num::NonZeroUsize;
use std::task::Waker;
use std::time::Instant;

use crate::overflow::{Gap, GapReason, Overflow};

/// One item in so many has the time noted at which it came.
const STAMP_EVERY: u64 = 64;

/// The queue of one reader.
///
/// What a writer looks at for every item comes first and fits into one line of the cache: writers on several cores
/// hand that line to one another for every item.
#[repr(C, align(64))]
pub(super) struct Slot<T> {
    items: VecDeque<T>,
    /// The number of the last item that was queued or lost.
    last: u64,
    capacity: u32,
    /// How many items the reader has taken and not given back as read.
    handed: u32,
    pub(super) overflow: Overflow,
    /// The reader found nothing and sleeps.
    sleeps: bool,
    /// It was full when somebody asked for room, and is not half empty yet.
    pub(super) holds_up: bool,
    pub(super) key: u64,
    /// What was lost since the reader's last batch, in order.
    gaps: VecDeque<Gap>,
    lost: u64,
    gap_count: u64,
    /// An item with the time at which it came.
    stamp: Option<(u64, Instant)>,
    /// How to wake the reader.
    reader: Option<Waker>,
}

/// What there is to say of a queue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct QueueCounts {
    /// Items that wait, those that the reader has taken and not read included.
    pub length: usize,
    /// Items that were queued or lost.
    pub offered: u64,
    /// Items that were lost.
    pub lost: u64,
    /// Gaps that they make.
    pub gaps: u64,
}

/// What became of an item.
pub(super) enum Offered<T> {
    Queued,
    /// It is queued, and this one is not any more.
    InsteadOf(T),
    /// It is not.
    Lost(T),
}

/// What a reader takes with it.
pub(super) struct Batch<T> {
    pub(super) items: VecDeque<T>,
    pub(super) gaps: VecDeque<Gap>,
    pub(super) stamp: Option<(u64, Instant)>,
    /// The number of the last item or gap that was read.
    pub(super) at: u64,
}

impl<T> Slot<T> {
    pub(super) fn new(key: u64, capacity: NonZeroUsize, overflow: Overflow) -> Self {
        Slot {
            key,
            capacity: u32::try_from(capacity.get()).unwrap_or(u32::MAX),
            overflow,
            sleeps: false,
            items: VecDeque::new(),
            gaps: VecDeque::new(),
            last: 0,
            handed: 0,
            lost: 0,
            gap_count: 0,
            stamp: None,
            reader: None,
            holds_up: false,
        }
    }

    /// The reader sleeps until this is woken.
    pub(super) fn sleep(&mut self, waker: &Waker) {
        self.sleeps = true;
        match &mut self.reader {
            Some(known) => known.clone_from(waker),
            none => *none = Some(waker.clone()),
        }
    }

    /// Whom to wake, if the reader sleeps.
    #[inline]
    pub(super) fn wake(&mut self) -> Option<Waker> {
        if !self.sleeps {
            return None;
        }
        self.sleeps = false;
        self.reader.take()
    }

    /// What counts against the capacity.
    pub(super) fn length(&self) -> usize {
        self.items.len() + self.handed as usize
    }

    /// Whether a writer has to ask for room here.
    fn asks(&self) -> bool {
        matches!(self.overflow, Overflow::Block | Overflow::Error)
    }

    /// Whether it keeps writers from writing.
    #[inline]
    pub(super) fn is_full(&self) -> bool {
        self.length() >= self.capacity as usize && self.asks()
    }

    /// Whether writers that it kept waiting may go on. Not before half of it is free, so that a writer is woken
    /// once for many items.
    pub(super) fn lets_go_on(&self) -> bool {
        self.length() <= self.capacity as usize / 2
    }

    /// Queues an item or does what the strategy says. Where writers ask for room it is queued in any case, or,
    /// with `misses`, not if there is none.
    #[inline]
    pub(super) fn offer(&mut self, item: T, misses: Option<GapReason>) -> Offered<T> {
        let number = self.last + 1;
        self.last = number;
        let mut offered = Offered::Queued;
        if let Some(reason) = misses
            && self.is_full()
        {
            self.lose(number, reason);
            return Offered::Lost(item);
        }
        if !self.asks() && self.length() >= self.capacity as usize / 2 {
            match self.make_room(number) {
                Ok(None) => {}
                Ok(Some(oldest)) => offered = Offered::InsteadOf(oldest),
                Err(()) => return Offered::Lost(item),
            }
        }
        if number % STAMP_EVERY == 1 && self.stamp.is_none() {
            self.stamp = Some((number, Instant::now()));
        }
        self.items.push_back(item);
        offered
    }

    /// From half full on, under the strategies that lose something: what goes so that the item can come, or that
    /// it cannot.
    fn make_room(&mut self, number: u64) -> Result<Option<T>, ()> {
        let full = self.length() >= self.capacity as usize;
        let loses_new = match self.overflow {
            Overflow::DropNewest => full,
            Overflow::Sample(every) => full || !number.is_multiple_of(u64::from(every.get())),
            Overflow::DropOldest if full => {
                let oldest = number - self.items.len() as u64;
                self.lose(oldest, GapReason::Full);
                if self.stamp.is_some_and(|(at, _)| at == oldest) {
                    self.stamp = None;
                }
                return Ok(self.items.pop_front());
            }
            Overflow::DropOldest | Overflow::Block | Overflow::Error => false,
        };
        if loses_new {
            self.lose(number, GapReason::Full);
            return Err(());
        }
        Ok(None)
    }

    fn lose(&mut self, number: u64, reason: GapReason) {
        self.lost += 1;
        match self.gaps.back_mut() {
            Some(gap) if gap.to + 1 == number && gap.reason == reason => gap.to = number,
            _ => {
                self.gap_count += 1;
                self.gaps.push_back(Gap::one(number, reason));
            }
        }
    }

    /// Gives the reader what is there, in exchange for its batch, which it has read.
    pub(super) fn fill(&mut self, batch: &mut Batch<T>) -> bool {
        self.handed = 0;
        if self.items.is_empty() && self.gaps.is_empty() {
            return false;
        }
        if self.overflow == Overflow::DropOldest {
            // One by one: what the reader has not taken may still make place for what is newer.
            batch.items.extend(self.items.pop_front());
        } else {
            std::mem::swap(&mut self.items, &mut batch.items);
        }
        if !self.gaps.is_empty() {
            std::mem::swap(&mut self.gaps, &mut batch.gaps);
        }
        let taken = self.last - self.items.len() as u64;
        batch.stamp = self.stamp.take_if(|(at, _)| *at <= taken);
        // What is read at once needs no place any more: the first item, if no gap comes before it.
        let gap_first = batch
            .gaps
            .front()
            .is_some_and(|gap| gap.from == batch.at + 1);
        let at_once = usize::from(!gap_first);
        let handed = batch.items.len().saturating_sub(at_once);
        self.handed = u32::try_from(handed).unwrap_or(u32::MAX);
        true
    }

    /// The reader has read `count` of the items that it had taken.
    pub(super) fn credit(&mut self, count: usize) {
        let count = u32::try_from(count).unwrap_or(u32::MAX);
        self.handed = self.handed.saturating_sub(count);
    }

    pub(super) fn counts(&self) -> QueueCounts {
        QueueCounts {
            length: self.length(),
            offered: self.last,
            lost: self.lost,
            gaps: self.gap_count,
        }
    }

    pub(super) fn into_items(self) -> VecDeque<T> {
        self.items
    }
}
