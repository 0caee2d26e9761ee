//! The figures of one registry.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::process::Process;
use super::sample::Sample;
use super::{Histogram, PointPerformance, SectionPerformance, Thresholds};
use crate::ambient;
use crate::executor::tell_sinks;
use crate::hooked;
use crate::registry::Inner;
use crate::sink::Signal;

/// Over how long a threshold is looked at.
const WINDOW: Duration = Duration::from_secs(1);

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What the monitor of a registry knows.
#[derive(Default)]
pub(crate) struct Meter {
    running: AtomicBool,
    thresholds: Mutex<Thresholds>,
    points: Mutex<BTreeMap<&'static str, Arc<PointMeter>>>,
    sections: Mutex<BTreeMap<&'static str, Histogram>>,
    process: Mutex<Process>,
}

/// The calls of one point.
pub(crate) struct PointMeter {
    point: &'static str,
    thresholds: Mutex<Thresholds>,
    sample_every: AtomicU32,
    calls: Histogram,
    hooks: Histogram,
    call_ns: AtomicU64,
    hook_ns: AtomicU64,
    window: Mutex<Option<Window>>,
}

/// What was measured since.
struct Window {
    since: Instant,
    hooks: Duration,
    calls: Duration,
}

impl Meter {
    pub(super) fn start(&self, thresholds: Thresholds) {
        for point in lock(&self.points).values() {
            point.set(&thresholds);
        }
        *lock(&self.thresholds) = thresholds;
        self.running.store(true, Ordering::Release);
    }

    pub(super) fn stop(&self) {
        self.running.store(false, Ordering::Release);
    }

    pub(crate) fn is_running(&self) -> bool {
        self.running.load(Ordering::Acquire)
    }

    /// Where calls of a point are counted; none while nothing is measured.
    pub(crate) fn point(&self, point: &'static str) -> Option<Arc<PointMeter>> {
        if !self.is_running() {
            return None;
        }
        let thresholds = lock(&self.thresholds).clone();
        let mut points = lock(&self.points);
        let meter = points.entry(point).or_insert_with(|| {
            let meter = PointMeter::new(point);
            meter.set(&thresholds);
            Arc::new(meter)
        });
        Some(meter.clone())
    }

    pub(super) fn section(&self, name: &'static str, time: Duration) {
        lock(&self.sections).entry(name).or_default().record(time);
    }

    pub(super) fn snapshot(&self) -> (Vec<PointPerformance>, Vec<SectionPerformance>) {
        let points = lock(&self.points);
        let measured = points.values().map(|point| point.performance());
        let points = measured.filter(|point| point.calls.count > 0).collect();
        let sections = lock(&self.sections);
        let time = |(name, time): (&&'static str, &Histogram)| SectionPerformance {
            name,
            time: time.timing(),
        };
        (points, sections.iter().map(time).collect())
    }
}

impl PointMeter {
    fn new(point: &'static str) -> Self {
        PointMeter {
            point,
            thresholds: Mutex::default(),
            sample_every: AtomicU32::new(1),
            calls: Histogram::default(),
            hooks: Histogram::default(),
            call_ns: AtomicU64::new(0),
            hook_ns: AtomicU64::new(0),
            window: Mutex::new(None),
        }
    }

    fn set(&self, thresholds: &Thresholds) {
        *lock(&self.thresholds) = thresholds.clone();
        self.sample_every
            .store(thresholds.sample_every, Ordering::Relaxed);
    }

    /// Whether the call that begins now is measured, and how.
    #[inline]
    pub(crate) fn sample(&self, now: impl FnOnce() -> Instant) -> Option<Box<Sample>> {
        let random = ambient::is_sampled(self.sample_every.load(Ordering::Relaxed))?;
        Some(Sample::begin(now(), random))
    }

    /// A measured call has ended, in which hooks took so long.
    pub(super) fn record(&self, registry: &Arc<Inner>, call: Duration, hooks: Duration) {
        let ns = |time: Duration| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        self.calls.record(call);
        self.hooks.record(hooks);
        self.call_ns.fetch_add(ns(call), Ordering::Relaxed);
        self.hook_ns.fetch_add(ns(hooks), Ordering::Relaxed);
        let now = registry.clock.now();
        if let Some((overhead, per_second)) = self.exceeded(now, call, hooks) {
            threshold_exceeded(registry, self.point, overhead, per_second);
        }
        let limits = lock(&self.thresholds).clone();
        let used = lock(&registry.meter.process).exceeded(now, &limits);
        if let Some((used, limit)) = used.memory_bytes {
            memory_exceeded(used, limit);
        }
        if let Some((used, limit)) = used.cpu_cores {
            cpu_exceeded(used, limit);
        }
    }

    /// Overhead and time in hooks for each second, if both are over their thresholds; looked at once a window.
    fn exceeded(&self, now: Instant, call: Duration, hooks: Duration) -> Option<(f64, Duration)> {
        let mut window = lock(&self.window);
        let counted = window.get_or_insert(Window {
            since: now,
            hooks: Duration::ZERO,
            calls: Duration::ZERO,
        });
        counted.hooks += hooks;
        counted.calls += call;
        let length = now.saturating_duration_since(counted.since);
        if length < WINDOW {
            return None;
        }
        let Window { hooks, calls, .. } = window.take()?;
        drop(window);
        let limits = lock(&self.thresholds).clone();
        let overhead = part(hooks, calls);
        // Only some of the calls were measured.
        let seconds = hooks.as_secs_f64() * f64::from(limits.sample_every) / length.as_secs_f64();
        let per_second = Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX);
        (overhead > limits.overhead && per_second >= limits.hook_time_per_second)
            .then_some((overhead, per_second))
    }

    fn performance(&self) -> PointPerformance {
        let of = |ns: &AtomicU64| Duration::from_nanos(ns.load(Ordering::Relaxed));
        PointPerformance {
            point: self.point,
            calls: self.calls.timing(),
            hooks: self.hooks.timing(),
            overhead: part(of(&self.hook_ns), of(&self.call_ns)),
        }
    }
}

fn part(some: Duration, all: Duration) -> f64 {
    if all.is_zero() {
        return 0.0;
    }
    some.as_secs_f64() / all.as_secs_f64()
}

#[cold]
fn threshold_exceeded(
    registry: &Arc<Inner>,
    point: &'static str,
    overhead: f64,
    per_second: Duration,
) {
    let signal = Signal::Threshold {
        point,
        overhead,
        hook_time_per_second: per_second,
    };
    let listeners = registry.listeners();
    let sinks: Vec<_> = listeners.into_iter().map(|l| l.sink).collect();
    tell_sinks(&sinks, &signal);
    if !point.starts_with("performance.") {
        report_threshold(point, overhead, per_second);
    }
}

/// Hooks of a point take more than their share: `overhead` is their part of the calls, from 0 to 1.
#[hooked(point = "performance.threshold", observe)]
fn report_threshold(point: &str, overhead: f64, hook_time_per_second: Duration) {
    let _for_hooks_only = (point, overhead, hook_time_per_second);
}

/// The process uses more memory than it should.
#[hooked(point = "performance.memory", observe)]
fn memory_exceeded(used_bytes: u64, limit_bytes: u64) {
    let _for_hooks_only = (used_bytes, limit_bytes);
}

/// The process keeps more cores busy than it should.
#[hooked(point = "performance.cpu", observe)]
fn cpu_exceeded(used_cores: f64, limit_cores: f64) {
    let _for_hooks_only = (used_cores, limit_cores);
}
