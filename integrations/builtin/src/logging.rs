//! Calls in the log.

use std::time::Duration;

use hooks_runtime::{DecisionRecord, Outcome, PreparedHook, Priority};
use serde::{Deserialize, Serialize};

use crate::error::BuiltinError;
use crate::kinds::{BuiltinHook, Needs, Replay};
use crate::placement::Placement;

/// How much a line of the log matters, as [`tracing::Level`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Level {
    /// The finest.
    Trace,
    /// For those who look for something.
    Debug,
    /// What happened.
    #[default]
    Info,
    /// What somebody should look at.
    Warn,
    /// What failed.
    Error,
}

/// Writes one line for each call that is done, through [`tracing`], with the target `hookpoint`: its point,
/// component, ids, outcome and time, and the reason of a refusal. Never arguments or results.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LoggingHook {
    level: Level,
    only: Vec<Outcome>,
    slow_ms: Option<u64>,
}

impl LoggingHook {
    /// Every call at [`Level::Info`].
    pub fn new() -> Self {
        LoggingHook::default()
    }
    /// The level of calls that returned. Refused, failed and cancelled ones are warnings, panics errors, if that
    /// is more. Default: info.
    pub fn level(mut self, level: Level) -> Self {
        self.level = level;
        self
    }
    /// Only calls that ended so; several add up. Default: all.
    pub fn only(mut self, outcome: Outcome) -> Self {
        self.only.push(outcome);
        self
    }
    /// Calls that took longer, in milliseconds, are warnings. Default: no time is too long.
    pub fn slow_ms(mut self, milliseconds: u64) -> Self {
        self.slow_ms = Some(milliseconds);
        self
    }

    fn log(&self, record: &DecisionRecord<'_>) {
        let outcome = record.outcome();
        if !self.only.is_empty() && !self.only.contains(&outcome) {
            return;
        }
        let elapsed = record.elapsed();
        let slow = self
            .slow_ms
            .is_some_and(|limit| elapsed > Duration::from_millis(limit));
        let level = match outcome {
            Outcome::Returned if slow => at_least(self.level, Level::Warn),
            Outcome::Returned => self.level,
            Outcome::Panicked => Level::Error,
            _ => at_least(self.level, Level::Warn),
        };
        // A macro for each level, because a level is part of what is registered once for a place in the source.
        macro_rules! line {
            ($macro:ident) => {
                tracing::$macro!(
                    target: "hookpoint",
                    point = record.point(),
                    component = record.component(),
                    call_id = record.call_id(),
                    parent_id = record.parent_id(),
                    outcome = outcome.as_str(),
                    elapsed_us = elapsed.as_micros() as u64,
                    slow,
                    refused_by = record.refusal().map(|refusal| refusal.hook()),
                    reason = record.refusal().map(|refusal| refusal.reason()),
                    "hooked call"
                )
            };
        }
        match level {
            Level::Trace => line!(trace),
            Level::Debug => line!(debug),
            Level::Info => line!(info),
            Level::Warn => line!(warn),
            Level::Error => line!(error),
        }
    }
}

fn at_least(level: Level, least: Level) -> Level {
    if (level as u8) < least as u8 {
        least
    } else {
        level
    }
}

impl BuiltinHook for LoggingHook {
    const KIND: &'static str = "logging";
    const REPLAY: Replay = Replay::Watches;

    fn needs(&self) -> Needs {
        Needs::nothing()
    }

    fn prepare(self, at: &Placement) -> Result<Vec<PreparedHook>, BuiltinError> {
        let meta = at.only(Priority::LOW).describe("logs calls that are done");
        Ok(vec![PreparedHook::observe(meta, move |record| {
            self.log(record)
        })])
    }
}
