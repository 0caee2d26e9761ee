//! Calls, counted and timed.

mod figures;

use std::time::Duration;

use hooks_runtime::{PreparedHook, Priority};
use serde::Deserialize;

use crate::error::BuiltinError;
use crate::kinds::{BuiltinHook, Needs, Replay};
use crate::placement::Placement;
pub use figures::Metrics;
use figures::Shape;

/// Counts calls that are done, and how long they took, by point, component and outcome. [`Metrics`] gives the
/// figures, as Prometheus text and as JSON. Labels are names: never arguments or results.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MetricsHook {
    prefix: String,
    components: bool,
    max_series: usize,
    buckets_us: Vec<u64>,
}

impl Default for MetricsHook {
    fn default() -> Self {
        MetricsHook {
            prefix: "hookpoint".to_owned(),
            components: true,
            max_series: 1000,
            buckets_us: vec![
                10, 50, 100, 500, 1000, 5000, 10_000, 50_000, 100_000, 500_000, 1_000_000,
                5_000_000, 30_000_000,
            ],
        }
    }
}

impl MetricsHook {
    /// By point, component and outcome.
    pub fn new() -> Self {
        MetricsHook::default()
    }
    /// What the names of the figures begin with: letters, digits and `_`, not a digit first. Default:
    /// `hookpoint`.
    pub fn prefix(mut self, prefix: impl Into<String>) -> Self {
        self.prefix = prefix.into();
        self
    }
    /// Whether each component has figures of its own. Default: yes.
    pub fn components(mut self, components: bool) -> Self {
        self.components = components;
        self
    }
    /// How many combinations of point, outcome and component have figures of their own, 1 to 100,000. Beyond,
    /// components that are new, and always those with names longer than 128 bytes, are counted together, as
    /// `_other`, for each point and outcome. Default: 1,000.
    pub fn max_series(mut self, series: usize) -> Self {
        self.max_series = series;
        self
    }
    /// Upper ends of the buckets of durations, in microseconds, rising, 1 to 64 of them. Default: 10 µs to 30 s.
    pub fn buckets_us(mut self, ends: impl IntoIterator<Item = u64>) -> Self {
        self.buckets_us = ends.into_iter().collect();
        self
    }

    fn shape(self) -> Result<Shape, BuiltinError> {
        let bad = |option, why: &str| {
            Err(BuiltinError::BadOption {
                kind: MetricsHook::KIND,
                option,
                why: why.into(),
            })
        };
        let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let begins = |c: char| is_word(c) && !c.is_ascii_digit();
        if !self.prefix.starts_with(begins) || !self.prefix.chars().all(is_word) {
            return bad(
                "prefix",
                "must be letters, digits and `_`, not a digit first",
            );
        }
        if !(1..=100_000).contains(&self.max_series) {
            return bad("max_series", "must be 1 to 100000");
        }
        let ends = &self.buckets_us;
        if !(1..=64).contains(&ends.len()) || !ends.is_sorted_by(|a, b| a < b) {
            return bad(
                "buckets_us",
                "must be 1 to 64 numbers, each more than the one before",
            );
        }
        Ok(Shape {
            prefix: self.prefix,
            components: self.components,
            max_series: self.max_series,
            ends: ends.iter().copied().map(Duration::from_micros).collect(),
        })
    }
}

impl BuiltinHook for MetricsHook {
    const KIND: &'static str = "metrics";
    const REPLAY: Replay = Replay::Watches;

    fn needs(&self) -> Needs {
        Needs::nothing()
    }

    fn prepare(self, at: &Placement) -> Result<Vec<PreparedHook>, BuiltinError> {
        let metrics = Metrics::new(at.id(), self.shape()?);
        let meta = at.only(Priority::LOW).describe("counts and times calls");
        Ok(vec![PreparedHook::observe(meta, move |record| {
            metrics.count(record)
        })])
    }
}
