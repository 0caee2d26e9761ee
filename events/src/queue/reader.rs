//! The reader's end of a queue.

use std::collections::VecDeque;
use std::num::NonZeroUsize;
use std::task::{Context, Poll};
use std::time::Duration;

use super::lane::{Ended, Lane};
use super::slot::{Batch, QueueCounts};
use super::sync::Arc;
use crate::overflow::Gap;

/// A reader tells its queue of each such part of the capacity that it has read.
const CHUNKS: usize = 32;
/// The most items after which it does.
const LARGEST_CHUNK: usize = 256;

/// Reads one queue of a lane. Dropping it takes the queue out.
pub struct Reader<T> {
    lane: Arc<Lane<T>>,
    key: u64,
    /// Where the queue was last.
    place: usize,
    batch: Batch<T>,
    /// How many items were read since the queue was told so.
    owed: usize,
    chunk: usize,
    /// It found nothing and came again at once, before it goes to sleep.
    lingered: bool,
}

/// What a reader gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entry<T> {
    /// An item with its number.
    Item(u64, T),
    /// Items that are missing here.
    Gap(Gap),
}

impl<T> Reader<T> {
    pub(super) fn new(lane: Arc<Lane<T>>, key: u64, capacity: NonZeroUsize) -> Self {
        Reader {
            lane,
            key,
            place: 0,
            batch: Batch {
                items: VecDeque::new(),
                gaps: VecDeque::new(),
                stamp: None,
                at: 0,
            },
            owed: 0,
            chunk: (capacity.get() / CHUNKS).clamp(1, LARGEST_CHUNK),
            lingered: false,
        }
    }

    /// The key of the queue in its lane.
    pub fn key(&self) -> u64 {
        self.key
    }

    /// The figures of the queue.
    pub fn counts(&self) -> QueueCounts {
        self.lane.counts(self.key)
    }

    /// The next entry; `None` at the end.
    ///
    /// A reader that finds nothing comes again once before it sleeps: what others do meanwhile often brings
    /// items, and then it takes more of them at once and nobody has to wake it.
    #[inline]
    pub fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Entry<T>>> {
        loop {
            if let Some(entry) = self.read() {
                self.settle();
                return Poll::Ready(Some(entry));
            }
            let waker = self.lingered.then_some(cx.waker());
            match self
                .lane
                .fill((self.key, &mut self.place), &mut self.batch, waker)
            {
                Err(Ended) => return Poll::Ready(None),
                Ok(true) => {
                    self.lingered = false;
                    let first = self.read();
                    self.owed = 0;
                    if first.is_some() {
                        return Poll::Ready(first);
                    }
                }
                Ok(false) => {
                    if !self.lingered {
                        self.lingered = true;
                        cx.waker().wake_by_ref();
                    }
                    return Poll::Pending;
                }
            }
        }
    }

    /// The next entry if there is one now. `Some(None)`: the end.
    pub fn try_next(&mut self) -> Option<Option<Entry<T>>> {
        loop {
            if let Some(entry) = self.read() {
                self.settle();
                return Some(Some(entry));
            }
            match self
                .lane
                .fill((self.key, &mut self.place), &mut self.batch, None)
            {
                Err(Ended) => return Some(None),
                Ok(false) => return None,
                Ok(true) => {
                    let first = self.read();
                    self.owed = 0;
                    if first.is_some() {
                        return Some(first);
                    }
                }
            }
        }
    }

    /// The next of what was taken.
    #[inline]
    fn read(&mut self) -> Option<Entry<T>> {
        let number = self.batch.at + 1;
        // Gaps are in order: if there is one at this number, it is the first.
        if !self.batch.gaps.is_empty()
            && let Some(gap) = self.batch.gaps.pop_front_if(|gap| gap.from == number)
        {
            self.batch.at = gap.to;
            return Some(Entry::Gap(gap));
        }
        let item = self.batch.items.pop_front()?;
        self.batch.at = number;
        self.owed += 1;
        Some(Entry::Item(number, item))
    }

    /// Tells the queue now and then what was read, so that writers that wait go on before the batch is read.
    #[inline]
    fn settle(&mut self) {
        if self.owed >= self.chunk || (self.batch.items.is_empty() && self.owed > 0) {
            self.lane.credit((self.key, &mut self.place), self.owed);
            self.owed = 0;
        }
    }

    /// How long the item that was read last had waited, if that was noted for it.
    #[inline]
    pub fn waited(&mut self) -> Option<Duration> {
        let (_, since) = self.batch.stamp.take_if(|(at, _)| *at <= self.batch.at)?;
        Some(since.elapsed())
    }

    /// Takes out what was taken and not read.
    pub fn unread(&mut self) -> VecDeque<T> {
        std::mem::take(&mut self.batch.items)
    }
}

impl<T> Drop for Reader<T> {
    fn drop(&mut self) {
        drop(self.lane.remove(self.key));
    }
}
