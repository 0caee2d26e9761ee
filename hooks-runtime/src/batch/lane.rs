//! The queue of one thread.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use super::{BatchMetrics, BatchedHookExecutorBuilder, WhenFull};
use crate::monitor::{Histogram, Timing};
use crate::panic::caught;

pub(super) type Handle<T> = dyn Fn(&'static str, Vec<T>) + Send + Sync;

thread_local! {
    /// The executor whose handlers this thread runs, by address; 0: none.
    static HANDLING: Cell<usize> = const { Cell::new(0) };
}

/// Whether this thread runs handlers of that executor. What they call is not observed again by it: it would go on
/// for ever.
pub(super) fn is_handling(executor: usize) -> bool {
    HANDLING.with(|handling| handling.get() == executor)
}

pub(super) struct Lane<T> {
    settings: BatchedHookExecutorBuilder,
    queue: Mutex<Queue<T>>,
    /// Told when a batch is due.
    due: Condvar,
    /// Told when there is room.
    room: Condvar,
    /// Told when what was taken is handled.
    handled: Condvar,
    figures: Figures,
}

struct Queue<T> {
    waiting: Vec<(&'static str, T)>,
    /// When the first of them came.
    oldest: Option<Instant>,
    /// How many were taken, and how many of those are handled.
    taken: u64,
    handled: u64,
    is_flushed: bool,
    is_closed: bool,
}

#[derive(Default)]
struct Figures {
    records: AtomicU64,
    batches: AtomicU64,
    largest: AtomicU64,
    dropped: AtomicU64,
    waited: AtomicU64,
    panicked: AtomicU64,
    handling: Histogram,
}

impl<T: Send> Lane<T> {
    pub(super) fn new(settings: BatchedHookExecutorBuilder) -> Self {
        Lane {
            settings,
            queue: Mutex::new(Queue {
                waiting: Vec::new(),
                oldest: None,
                taken: 0,
                handled: 0,
                is_flushed: false,
                is_closed: false,
            }),
            due: Condvar::new(),
            room: Condvar::new(),
            handled: Condvar::new(),
            figures: Figures::default(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Queue<T>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether there was room.
    pub(super) fn push(&self, point: &'static str, item: T) -> bool {
        let mut queue = self.lock();
        if queue.waiting.len() >= self.settings.capacity
            && self.settings.when_full == WhenFull::Wait
        {
            self.figures.waited.fetch_add(1, Ordering::Relaxed);
            while queue.waiting.len() >= self.settings.capacity && !queue.is_closed {
                queue = self
                    .room
                    .wait(queue)
                    .unwrap_or_else(PoisonError::into_inner);
            }
        }
        if queue.waiting.len() >= self.settings.capacity || queue.is_closed {
            self.figures.dropped.fetch_add(1, Ordering::Relaxed);
            drop(queue);
            // What was taken out of the record is dropped outside of the lock.
            drop(item);
            return false;
        }
        let is_first = queue.waiting.is_empty();
        if is_first {
            queue.oldest = Some(Instant::now());
        }
        queue.waiting.push((point, item));
        // The thread waits for the first record without end, and then for the time or the last of a batch.
        let wakes = is_first || queue.waiting.len() == self.settings.max_records;
        drop(queue);
        if wakes {
            self.due.notify_one();
        }
        true
    }

    pub(super) fn flush(&self) {
        self.lock().is_flushed = true;
        self.due.notify_one();
    }

    /// Flushes, and waits until what is there now is handled; `false`: it was not in that time.
    pub(super) fn settle(&self, until: Instant) -> bool {
        let mut queue = self.lock();
        let last = queue.taken + queue.waiting.len() as u64;
        queue.is_flushed = true;
        self.due.notify_one();
        while queue.handled < last {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            let waited = self.handled.wait_timeout(queue, left);
            queue = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        true
    }

    pub(super) fn close(&self) {
        self.lock().is_closed = true;
        self.due.notify_one();
        self.room.notify_all();
    }

    /// Hands batches on until the lane is closed and empty.
    pub(super) fn run(&self, executor: usize, handle: &Handle<T>) {
        HANDLING.with(|handling| handling.set(executor));
        while let Some(waiting) = self.next() {
            let mut points = BTreeMap::<&'static str, Vec<T>>::new();
            for (point, item) in waiting {
                points.entry(point).or_default().push(item);
            }
            for (point, items) in points {
                let mut items = items.into_iter();
                loop {
                    let batch: Vec<T> = items.by_ref().take(self.settings.max_records).collect();
                    if batch.is_empty() {
                        break;
                    }
                    self.hand_on(handle, point, batch);
                }
            }
        }
    }

    /// Waits until something is due, and takes all that is there; nothing at the end.
    fn next(&self) -> Option<Vec<(&'static str, T)>> {
        let mut queue = self.lock();
        queue.handled = queue.taken;
        self.handled.notify_all();
        loop {
            let is_due = queue.is_flushed || queue.is_closed;
            let age = queue.oldest.map(|oldest| oldest.elapsed());
            let left = age.map(|age| self.settings.max_age.saturating_sub(age));
            let is_late = left.is_some_and(|left| left.is_zero());
            if !queue.waiting.is_empty()
                && (is_due || is_late || queue.waiting.len() >= self.settings.max_records)
            {
                queue.is_flushed = false;
                queue.oldest = None;
                let waiting = std::mem::take(&mut queue.waiting);
                queue.taken += waiting.len() as u64;
                drop(queue);
                self.room.notify_all();
                return Some(waiting);
            }
            if queue.is_closed {
                return None;
            }
            queue.is_flushed = false;
            queue = match left {
                None => self.due.wait(queue).unwrap_or_else(PoisonError::into_inner),
                Some(left) => {
                    let waited = self.due.wait_timeout(queue, left);
                    waited.unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
    }

    fn hand_on(&self, handle: &Handle<T>, point: &'static str, batch: Vec<T>) {
        let figures = &self.figures;
        let size = batch.len() as u64;
        let started = Instant::now();
        if caught(|| handle(point, batch)).is_err() {
            figures.panicked.fetch_add(1, Ordering::Relaxed);
            tracing::error!(
                point,
                records = size,
                "the handler of a batch of records panicked"
            );
        }
        figures.handling.record(started.elapsed());
        figures.records.fetch_add(size, Ordering::Relaxed);
        figures.batches.fetch_add(1, Ordering::Relaxed);
        figures.largest.fetch_max(size, Ordering::Relaxed);
    }

    pub(super) fn add_to(&self, all: &mut BatchMetrics) {
        let of = |figure: &AtomicU64| figure.load(Ordering::Relaxed);
        let figures = &self.figures;
        all.records += of(&figures.records);
        all.batches += of(&figures.batches);
        all.largest = all.largest.max(of(&figures.largest));
        all.dropped += of(&figures.dropped);
        all.waited += of(&figures.waited);
        all.panicked += of(&figures.panicked);
        all.queued += self.lock().waiting.len() as u64;
    }
}

/// How long the handler took, in all lanes.
pub(super) fn timing<T>(lanes: &[Lane<T>]) -> Timing {
    Histogram::sum(lanes.iter().map(|lane| &lane.figures.handling))
}
