//! What hooks cost: measured on a few calls, as they are made.

mod histogram;
mod meter;
mod process;
mod sample;

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::Serialize;

pub use histogram::{Histogram, Timing};
pub(crate) use meter::{Meter, PointMeter};
pub(crate) use sample::Sample;

use crate::registry::{HookRegistry, Inner};

/// Measures what the hooks of a registry cost, one call in 64 while it runs.
///
/// A call that is measured looks at the clock four times; the others pay for a countdown. So the figures are those
/// of calls as they are made, and the monitor can stay on.
///
/// ```
/// use hooks_runtime::{HookRefusal, hooked, hooks, monitor::Thresholds};
///
/// #[hooked(point = "billing.charge")]
/// fn charge(cents: u64) -> Result<u64, HookRefusal> { Ok(cents) }
///
/// # fn main() -> Result<(), hooks_runtime::HookError> {
/// let monitor = hooks().monitor();
/// monitor.start(Thresholds::default().sample_every(1));
/// let _watch = hooks().intercept("watch", "billing.charge", |_| ())?;
/// for cents in 0..100 {
///     charge(cents).unwrap();
/// }
/// let measured = monitor.snapshot();
/// let charges = &measured.points[0];
/// assert_eq!(charges.point, "billing.charge");
/// assert!(charges.calls.count > 0 && charges.overhead > 0.0);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct PerformanceMonitor {
    registry: Arc<Inner>,
}

/// What the monitor measures, and when it raises its voice.
///
/// A point that takes more than its share asks the hooks of `performance.threshold` and gives a
/// [`Signal::Threshold`](crate::Signal::Threshold), at most once a second.
#[derive(Clone, Debug, PartialEq)]
pub struct Thresholds {
    pub(crate) sample_every: u32,
    pub(crate) overhead: f64,
    pub(crate) hook_time_per_second: Duration,
    pub(crate) memory_bytes: Option<u64>,
    pub(crate) cpu_cores: Option<f64>,
}

impl Default for Thresholds {
    fn default() -> Self {
        Thresholds {
            sample_every: 64,
            overhead: 0.05,
            hook_time_per_second: Duration::from_millis(1),
            memory_bytes: None,
            cpu_cores: None,
        }
    }
}

impl Thresholds {
    /// Measures one call in so many, on average; 1 is every call, 0 counts as 1. By default 64.
    pub fn sample_every(mut self, calls: u32) -> Self {
        self.sample_every = calls.max(1);
        self
    }
    /// The part of a point's calls that may go to hooks, from 0 to 1. By default 0.05.
    pub fn overhead(mut self, part: f64) -> Self {
        self.overhead = part;
        self
    }
    /// Points whose hooks take less than this in a second are left alone. By default 1 ms.
    pub fn hook_time_per_second(mut self, time: Duration) -> Self {
        self.hook_time_per_second = time;
        self
    }
    /// The memory that the process may have in use, in bytes; beyond it the hooks of `performance.memory` are
    /// asked. On Linux only. By default there is no limit.
    pub fn memory_bytes(mut self, bytes: u64) -> Self {
        self.memory_bytes = Some(bytes);
        self
    }
    /// How many cores the process may keep busy, over a second; beyond it the hooks of `performance.cpu` are
    /// asked. On Linux only. By default there is no limit.
    pub fn cpu_cores(mut self, cores: f64) -> Self {
        self.cpu_cores = Some(cores);
        self
    }
}

/// What was measured so far.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[non_exhaustive]
pub struct PerformanceSnapshot {
    /// By point, sorted by name.
    pub points: Vec<PointPerformance>,
    /// By hook, sorted by id.
    pub hooks: Vec<HookPerformance>,
    /// By section, see [`PerformanceMonitor::measure`], sorted by name.
    pub sections: Vec<SectionPerformance>,
}

/// The measured calls of one point.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct PointPerformance {
    /// The point.
    pub point: &'static str,
    /// From the first hook to the outcome, waiting left out.
    pub calls: Timing,
    /// The part of it that hooks took.
    pub hooks: Timing,
    /// Time in hooks over the time of the calls, from 0 to 1. Calls whose body did not run are left out.
    pub overhead: f64,
}

/// The measured questions to one hook.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct HookPerformance {
    /// Its id.
    pub hook: Box<str>,
    /// How long it took to answer.
    pub time: Timing,
}

/// A section of the program that was measured.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct SectionPerformance {
    /// Its name.
    pub name: &'static str,
    /// How long it took.
    pub time: Timing,
}

impl HookRegistry {
    /// What its hooks cost.
    pub fn monitor(&self) -> PerformanceMonitor {
        PerformanceMonitor {
            registry: self.inner().clone(),
        }
    }
}

impl PerformanceMonitor {
    /// Begins to measure, or goes on with other thresholds. What was measured before stays.
    pub fn start(&self, thresholds: Thresholds) {
        self.registry.meter.start(thresholds);
        drop(self.registry.publish(&|_| true));
    }

    /// Stops measuring; calls pay nothing from here on.
    pub fn stop(&self) {
        self.registry.meter.stop();
        drop(self.registry.publish(&|_| true));
    }

    /// Whether it measures.
    pub fn is_running(&self) -> bool {
        self.registry.meter.is_running()
    }

    /// Measures a section until what this gives is dropped, whether the monitor runs or not.
    pub fn measure(&self, section: &'static str) -> PerformanceGuard {
        PerformanceGuard {
            registry: self.registry.clone(),
            section,
            started: self.registry.clock.now(),
        }
    }

    /// What was measured so far. Hooks that are gone are not in it.
    pub fn snapshot(&self) -> PerformanceSnapshot {
        let (points, sections) = self.registry.meter.snapshot();
        let entries = self.registry.entries();
        let measured = entries.iter().filter_map(|entry| {
            let time = entry.time.get()?.timing();
            let hook = entry.id().into();
            (time.count > 0).then_some(HookPerformance { hook, time })
        });
        PerformanceSnapshot {
            points,
            hooks: measured.collect(),
            sections,
        }
    }
}

/// Measures a section of the program, see [`PerformanceMonitor::measure`].
#[must_use = "it measures until it is dropped"]
pub struct PerformanceGuard {
    registry: Arc<Inner>,
    section: &'static str,
    started: Instant,
}

impl PerformanceGuard {
    /// The time so far.
    pub fn elapsed(&self) -> Duration {
        let now = self.registry.clock.now();
        now.saturating_duration_since(self.started)
    }
}

impl Drop for PerformanceGuard {
    fn drop(&mut self) {
        self.registry.meter.section(self.section, self.elapsed());
    }
}
