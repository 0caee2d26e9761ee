//! Records that are handled many at once, on threads of their own.

mod lane;

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde::Serialize;

use crate::monitor::Timing;
use crate::record::DecisionRecord;
use lane::{Handle, Lane};

/// Hands what an observer wants to know to a function, many calls at once: for what is dear for each single one,
/// such as writing to a file or to the network.
///
/// The observer takes what it needs out of each record, on the thread of the call, and puts it into a bounded
/// queue. What the function itself calls is not observed. Threads of the executor hand it on when enough is there, when the oldest has waited long enough, and
/// when the executor is closed. Each batch is of one point; batches of different points are handled in parallel,
/// those of one point in the order of the calls.
///
/// ```
/// use std::sync::{Arc, Mutex};
/// use hooks_runtime::batch::BatchedHookExecutor;
/// use hooks_runtime::{HookRefusal, hooked, hooks};
///
/// #[hooked(point = "billing.charge")]
/// fn charge(cents: u64) -> Result<u64, HookRefusal> { Ok(cents) }
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let lines = Arc::new(Mutex::new(Vec::new()));
/// let written = lines.clone();
/// let batches = BatchedHookExecutor::builder().max_records(100).start(
///     |record| (record.call_id(), record.outcome()),
///     move |point, calls| written.lock().unwrap().push((point, calls.len())),
/// )?;
/// let observer = hooks().observe("count", "billing.charge", batches.observer())?;
/// for cents in 0..250 {
///     charge(cents)?;
/// }
/// drop(observer);
/// let metrics = batches.close();
/// assert_eq!((metrics.records, metrics.dropped), (250, 0));
/// assert_eq!(lines.lock().unwrap().iter().map(|(_, calls)| calls).sum::<usize>(), 250);
/// # Ok(())
/// # }
/// ```
pub struct BatchedHookExecutor<T: Send + 'static = DecisionRecord<'static>> {
    lanes: Arc<Lanes<T>>,
    take: Arc<Take<T>>,
    threads: Vec<JoinHandle<()>>,
}

/// One for each thread, and which point has which.
struct Lanes<T> {
    all: Box<[Lane<T>]>,
    points: RwLock<HashMap<&'static str, usize>>,
}

impl<T: Send> Lanes<T> {
    /// A point always has the same one, so that its batches are in order; points get them in turns.
    fn of(&self, point: &'static str) -> &Lane<T> {
        let known = self.points.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(lane) = known.get(point) {
            return &self.all[*lane];
        }
        drop(known);
        let mut points = self.points.write().unwrap_or_else(PoisonError::into_inner);
        let next = points.len() % self.all.len();
        &self.all[*points.entry(point).or_insert(next)]
    }
}

/// Queues what is taken out of a record, unless it is of a call that the handler made.
fn offer<T: Send>(lanes: &Arc<Lanes<T>>, take: &Take<T>, record: &DecisionRecord<'_>) -> bool {
    if lane::is_handling(Arc::as_ptr(lanes).addr()) {
        return true;
    }
    let point = record.point();
    lanes.of(point).push(point, take(record))
}

const YEAR: Duration = Duration::from_secs(365 * 24 * 60 * 60);

type Take<T> = dyn Fn(&DecisionRecord<'_>) -> T + Send + Sync;

/// What happens to a record when the queue is full.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum WhenFull {
    /// It is not queued, and counted in [`BatchMetrics::dropped`]. The default: a call never waits.
    #[default]
    Drop,
    /// The call waits until there is room.
    Wait,
}

/// Settings of a [`BatchedHookExecutor`].
#[derive(Clone, Debug)]
#[must_use]
pub struct BatchedHookExecutorBuilder {
    max_records: usize,
    max_age: Duration,
    capacity: usize,
    threads: usize,
    when_full: WhenFull,
}

/// What an executor has done since it was started.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[non_exhaustive]
pub struct BatchMetrics {
    /// Records that were handed on.
    pub records: u64,
    /// In so many batches.
    pub batches: u64,
    /// The largest batch.
    pub largest: u64,
    /// Records that found the queue full, or the executor closed.
    pub dropped: u64,
    /// Calls that waited for room.
    pub waited: u64,
    /// Batches whose handler panicked; their records count as handed on.
    pub panicked: u64,
    /// In the queue now.
    pub queued: u64,
    /// How long the handler took for a batch.
    pub handling: Timing,
}

impl BatchMetrics {
    /// Records in a batch, on average; 0 before the first.
    pub fn mean_size(&self) -> f64 {
        if self.batches == 0 {
            return 0.0;
        }
        self.records as f64 / self.batches as f64
    }
}

impl Default for BatchedHookExecutorBuilder {
    fn default() -> Self {
        BatchedHookExecutorBuilder {
            max_records: 256,
            max_age: Duration::from_millis(100),
            capacity: 16_384,
            threads: 2,
            when_full: WhenFull::Drop,
        }
    }
}

impl BatchedHookExecutorBuilder {
    /// A batch has at most so many records, at least 1. Default 256.
    pub fn max_records(mut self, records: usize) -> Self {
        self.max_records = records.max(1);
        self
    }
    /// No record waits longer than this for others. Default 100 ms.
    pub fn max_age(mut self, age: Duration) -> Self {
        self.max_age = age;
        self
    }
    /// How many records wait at most, for each thread; at least 1. Default 16,384.
    pub fn capacity(mut self, records: usize) -> Self {
        self.capacity = records.max(1);
        self
    }
    /// On how many threads batches are handled, at least 1: each has some of the points. Default 2.
    pub fn threads(mut self, threads: usize) -> Self {
        self.threads = threads.max(1);
        self
    }
    /// What happens when the queue is full.
    pub fn when_full(mut self, when_full: WhenFull) -> Self {
        self.when_full = when_full;
        self
    }

    /// Starts the threads. `take` takes out of a record what `handle` gets, together with the point.
    ///
    /// # Errors
    /// The system starts no thread.
    pub fn start<T: Send + 'static>(
        self,
        take: impl Fn(&DecisionRecord<'_>) -> T + Send + Sync + 'static,
        handle: impl Fn(&'static str, Vec<T>) + Send + Sync + 'static,
    ) -> std::io::Result<BatchedHookExecutor<T>> {
        let mut settings = self.clone();
        // A batch that never fits would never be due.
        settings.max_records = self.max_records.min(self.capacity);
        let lanes = Arc::new(Lanes {
            all: (0..self.threads)
                .map(|_| Lane::new(settings.clone()))
                .collect(),
            points: RwLock::default(),
        });
        let handle: Arc<Handle<T>> = Arc::new(handle);
        let mut executor = BatchedHookExecutor {
            lanes,
            take: Arc::new(take),
            threads: Vec::new(),
        };
        for number in 0..self.threads {
            let (lanes, handle) = (executor.lanes.clone(), handle.clone());
            let thread = std::thread::Builder::new().name(format!("hookpoint-batch-{number}"));
            // If one does not start, the others end with `executor`.
            let thread = thread.spawn(move || {
                let executor = Arc::as_ptr(&lanes).addr();
                lanes.all[number].run(executor, &*handle);
            })?;
            executor.threads.push(thread);
        }
        Ok(executor)
    }
}

impl BatchedHookExecutor {
    /// Settings, each with a default.
    pub fn builder() -> BatchedHookExecutorBuilder {
        BatchedHookExecutorBuilder::default()
    }
}

impl<T: Send + 'static> BatchedHookExecutor<T> {
    /// The observer to register, at as many points as one likes.
    pub fn observer(&self) -> impl Fn(&DecisionRecord<'_>) + Send + Sync + 'static + use<T> {
        let (lanes, take) = (self.lanes.clone(), self.take.clone());
        move |record| {
            offer(&lanes, &*take, record);
        }
    }

    /// Queues one record, for observers that choose. `false`: it was dropped, and counted.
    pub fn offer(&self, record: &DecisionRecord<'_>) -> bool {
        offer(&self.lanes, &*self.take, record)
    }

    /// Hands on what is queued now, without waiting for it.
    pub fn flush(&self) {
        self.lanes.all.iter().for_each(Lane::flush);
    }

    /// Hands on what is queued now, and waits until that is done, for no longer than `timeout`; `false`: it was not, or
    /// this is called in the handler, which can't wait for itself.
    pub fn settle(&self, timeout: Duration) -> bool {
        if lane::is_handling(Arc::as_ptr(&self.lanes).addr()) {
            return false;
        }
        let now = Instant::now();
        // One that is too far away is in a year.
        let until = now.checked_add(timeout).unwrap_or(now + YEAR);
        // All begin at once, and each has the rest of the time, also behind one that took too long.
        self.flush();
        let late = self.lanes.all.iter().filter(|lane| !lane.settle(until));
        late.count() == 0
    }

    /// What was done so far.
    pub fn metrics(&self) -> BatchMetrics {
        let mut all = BatchMetrics::default();
        for lane in &self.lanes.all {
            lane.add_to(&mut all);
        }
        all.handling = lane::timing(&self.lanes.all);
        all
    }

    /// Takes no more records, hands on those that are queued, and waits until that is done. Dropping it does the
    /// same.
    pub fn close(mut self) -> BatchMetrics {
        self.end();
        self.metrics()
    }

    fn end(&mut self) {
        self.lanes.all.iter().for_each(Lane::close);
        for thread in self.threads.drain(..) {
            if thread.thread().id() == std::thread::current().id() {
                // Closed by its own handler: the thread ends when that returns.
                continue;
            }
            // Panics of the handler are caught in it.
            if thread.join().is_err() {
                tracing::error!("a thread for batches of records panicked");
            }
        }
    }
}

impl<T: Send + 'static> Drop for BatchedHookExecutor<T> {
    fn drop(&mut self) {
        self.end();
    }
}
