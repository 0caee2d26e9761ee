//! The figures, and the forms that they are given in.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use hooks_runtime::{DecisionRecord, Outcome};
use serde_json::{Value, json};

use crate::live::Live;

/// Stands for components that have no figures of their own.
const OTHER: &str = "_other";
/// A longer name of a component has no figures of its own, in bytes.
const MAX_NAME: usize = 128;

/// The figures of the process, by the id of their hook.
static COUNTING: Live<Inner> = Live::new();

/// What a [`MetricsHook`](crate::MetricsHook) has counted.
#[derive(Clone)]
pub struct Metrics(Arc<Inner>);

/// The options, checked.
pub(super) struct Shape {
    pub(super) prefix: String,
    pub(super) components: bool,
    pub(super) max_series: usize,
    pub(super) ends: Vec<Duration>,
}

struct Inner {
    shape: Shape,
    all: RwLock<All>,
}

#[derive(Default)]
struct All {
    count: usize,
    /// By component, `""` if there is none.
    series: HashMap<(&'static str, Outcome), HashMap<Box<str>, Series>>,
}

struct Series {
    /// One more than there are ends.
    buckets: Box<[AtomicU64]>,
    sum_ns: AtomicU64,
}

impl Series {
    fn new(shape: &Shape) -> Self {
        let buckets = (0..=shape.ends.len()).map(|_| AtomicU64::new(0));
        Series {
            buckets: buckets.collect(),
            sum_ns: AtomicU64::new(0),
        }
    }

    fn add(&self, shape: &Shape, elapsed: Duration) {
        let bucket = shape.ends.partition_point(|end| *end < elapsed);
        self.buckets[bucket].fetch_add(1, Ordering::Relaxed);
        let ns = u64::try_from(elapsed.as_nanos()).unwrap_or(u64::MAX);
        self.sum_ns.fetch_add(ns, Ordering::Relaxed);
    }

    /// How many took at most as long as each end, and at last how many there are.
    fn cumulated(&self) -> Vec<u64> {
        let counts = self.buckets.iter().map(|b| b.load(Ordering::Relaxed));
        let sum = |sum: &mut u64, count| {
            *sum += count;
            Some(*sum)
        };
        counts.scan(0, sum).collect()
    }

    fn sum_seconds(&self) -> f64 {
        Duration::from_nanos(self.sum_ns.load(Ordering::Relaxed)).as_secs_f64()
    }
}

impl Metrics {
    pub(super) fn new(id: &str, shape: Shape) -> Self {
        let inner = Arc::new(Inner {
            shape,
            all: RwLock::default(),
        });
        COUNTING.put(id, &inner);
        Metrics(inner)
    }

    /// The figures of the hook of that id, for as long as it is registered.
    pub fn of(id: &str) -> Option<Metrics> {
        COUNTING.get(id).map(Metrics)
    }

    pub(super) fn count(&self, record: &DecisionRecord<'_>) {
        let shape = &self.0.shape;
        let name = match record.component().filter(|_| shape.components) {
            Some(name) if name.len() > MAX_NAME => OTHER,
            name => name.unwrap_or_default(),
        };
        let (key, elapsed) = ((record.point(), record.outcome()), record.elapsed());
        {
            let all = self.0.all.read().unwrap_or_else(PoisonError::into_inner);
            if let Some(series) = all.series.get(&key).and_then(|of| of.get(name)) {
                return series.add(shape, elapsed);
            }
        }
        let mut all = self.0.all.write().unwrap_or_else(PoisonError::into_inner);
        let All { count, series } = &mut *all;
        let of = series.entry(key).or_default();
        let own = name.is_empty() || of.contains_key(name) || *count < shape.max_series;
        let name = if own { name } else { OTHER };
        let series = of.entry(name.into()).or_insert_with(|| {
            *count += 1;
            Series::new(shape)
        });
        series.add(shape, elapsed);
    }

    /// Goes through all series, sorted.
    fn each(&self, mut tell: impl FnMut(&str, Outcome, &str, &Series)) {
        let all = self.0.all.read().unwrap_or_else(PoisonError::into_inner);
        let mut sorted: Vec<_> = all.series.iter().collect();
        sorted.sort_by_key(|((point, outcome), _)| (*point, outcome.as_str()));
        for ((point, outcome), of) in sorted {
            let mut sorted: Vec<_> = of.iter().collect();
            sorted.sort_by_key(|(component, _)| *component);
            for (component, series) in sorted {
                tell(point, *outcome, component, series);
            }
        }
    }

    /// In the text format of Prometheus, version 0.0.4: the counter `<prefix>_calls_total` and the histogram
    /// `<prefix>_call_duration_seconds`, with the labels `point`, `component` and `outcome`.
    pub fn prometheus(&self) -> String {
        let shape = &self.0.shape;
        let (calls, times) = (
            format!("{}_calls_total", shape.prefix),
            format!("{}_call_duration_seconds", shape.prefix),
        );
        let mut counters = format!("# HELP {calls} Calls that are done.\n# TYPE {calls} counter\n");
        let mut histograms =
            format!("# HELP {times} How long they took.\n# TYPE {times} histogram\n");
        self.each(|point, outcome, component, series| {
            let mut labels = format!("point=\"{}\"", escaped(point));
            if !component.is_empty() {
                labels += &format!(",component=\"{}\"", escaped(component));
            }
            labels += &format!(",outcome=\"{}\"", outcome.as_str());
            let cumulated = series.cumulated();
            let total = cumulated.last().copied().unwrap_or_default();
            let ends = shape.ends.iter().map(|end| end.as_secs_f64().to_string());
            counters += &format!("{calls}{{{labels}}} {total}\n");
            for (end, count) in ends.chain(["+Inf".to_owned()]).zip(&cumulated) {
                histograms += &format!("{times}_bucket{{{labels},le=\"{end}\"}} {count}\n");
            }
            let sum = series.sum_seconds();
            histograms += &format!("{times}_sum{{{labels}}} {sum}\n");
            histograms += &format!("{times}_count{{{labels}}} {total}\n");
        });
        counters + &histograms
    }

    /// As JSON: a list of `point`, `component`, `outcome`, `count`, `sum_seconds` and `buckets`, pairs of an upper
    /// end in microseconds and how many calls took at most so long.
    pub fn snapshot(&self) -> Value {
        let mut list = Vec::new();
        self.each(|point, outcome, component, series| {
            let cumulated = series.cumulated();
            let ends = self.0.shape.ends.iter().map(Duration::as_micros);
            let buckets = ends.zip(&cumulated).map(|(end, n)| json!([end as u64, n]));
            list.push(json!({
                "point": point,
                "component": (!component.is_empty()).then_some(component),
                "outcome": outcome.as_str(),
                "count": cumulated.last(),
                "sum_seconds": series.sum_seconds(),
                "buckets": buckets.collect::<Vec<_>>(),
            }));
        });
        list.into()
    }
}

fn escaped(text: &str) -> String {
    text.replace('\\', r"\\")
        .replace('"', "\\\"")
        .replace('\n', r"\n")
}
