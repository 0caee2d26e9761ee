//! Where records and signals go: what the runtime offers upwards without knowing who takes it.

use std::sync::Arc;
use std::time::Duration;

use crate::error::HookError;
use crate::pattern::Pattern;
use crate::record::{ArgLevel, DecisionRecord};

/// What a [`Sink`] wants to hear: which records, and how much of the arguments in them. Signals come always.
///
/// ```
/// use hooks_runtime::{ArgLevel, sink::Wants};
/// let audit = Wants::always_at("tool.*")?.args(ArgLevel::Full);
/// # Ok::<(), hooks_runtime::HookError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Wants {
    exceptional: bool,
    always: bool,
    always_at: Vec<Pattern>,
    except_at: Vec<Pattern>,
    args: ArgLevel,
}

impl Wants {
    /// No records.
    pub fn signals_only() -> Self {
        Wants {
            exceptional: false,
            always: false,
            always_at: Vec::new(),
            except_at: Vec::new(),
            args: ArgLevel::Digest,
        }
    }

    /// Calls that did not plainly return, or that a plan, a refusal or a failing hook acted on. Of calls about
    /// which no hook is asked nobody is told.
    pub fn exceptional() -> Self {
        Wants {
            exceptional: true,
            ..Wants::signals_only()
        }
    }

    /// Every call at every point: all sites are active even if no hook is registered.
    pub fn always() -> Self {
        Wants {
            always: true,
            ..Wants::signals_only()
        }
    }

    /// Every call at the points that match, whose sites are active even if no hook is registered; nothing of
    /// other points.
    ///
    /// # Errors
    /// The pattern can never match, see [`Pattern::parse`].
    pub fn always_at(pattern: &str) -> Result<Self, HookError> {
        Wants::signals_only().and_always_at(pattern)
    }

    /// And every call at the points that match.
    ///
    /// # Errors
    /// As [`Wants::always_at`].
    pub fn and_always_at(mut self, pattern: &str) -> Result<Self, HookError> {
        self.always_at.push(Pattern::parse(pattern)?.0);
        Ok(self)
    }

    /// But nothing of the points that match: for a sink that causes calls there itself.
    ///
    /// # Errors
    /// As [`Wants::always_at`].
    pub fn except_at(mut self, pattern: &str) -> Result<Self, HookError> {
        self.except_at.push(Pattern::parse(pattern)?.0);
        Ok(self)
    }

    /// How much of the arguments the records hold; [`ArgLevel::Digest`] if nothing is said.
    pub fn args(mut self, level: ArgLevel) -> Self {
        self.args = level;
        self
    }
}

impl Default for Wants {
    fn default() -> Self {
        Wants::exceptional()
    }
}

/// Takes records and signals.
///
/// It is called on the caller's thread: it should hand over and return. A panic in it is caught.
pub trait Sink: Send + Sync {
    /// What it wants to hear; asked once, when it is added to a registry.
    fn wants(&self) -> Wants {
        Wants::default()
    }
    /// One call is done.
    fn record(&self, record: &DecisionRecord);
    /// Something that somebody should know happened.
    fn signal(&self, signal: &Signal<'_>) {
        let _ = signal;
    }
}

/// A sink and what it said that it wants.
#[derive(Clone)]
pub(crate) struct Listener {
    pub(crate) sink: Arc<dyn Sink>,
    wants: Wants,
}

impl Listener {
    /// Asks the sink, so not under a lock.
    pub(crate) fn new(sink: Arc<dyn Sink>) -> Self {
        let wants = sink.wants();
        Listener { sink, wants }
    }

    /// Whether it takes the record of every call at that point.
    pub(crate) fn takes_every(&self, point: &str) -> bool {
        let wanted = self.wants.always || matches(&self.wants.always_at, point);
        wanted && !matches(&self.wants.except_at, point)
    }

    /// Whether it takes any record of that point.
    pub(crate) fn takes_some(&self, point: &str) -> bool {
        let wanted = self.wants.exceptional && !matches(&self.wants.except_at, point);
        wanted || self.takes_every(point)
    }

    /// How much of the arguments it wants.
    pub(crate) fn args(&self) -> ArgLevel {
        self.wants.args
    }
}

fn matches(patterns: &[Pattern], point: &str) -> bool {
    patterns.iter().any(|pattern| pattern.matches(point))
}

/// Something that somebody should know.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Signal<'a> {
    /// A rule could not be kept: a refusal without force, a halt outside a run, …
    Violation {
        /// In one word: `unenforceable`, `halt_outside_run`, `depth`.
        kind: &'a str,
        /// The point.
        point: &'a str,
        /// The hook.
        hook: &'a str,
        /// A sentence.
        detail: &'a str,
    },
    /// The hooks of a point take more than their share, see [`Thresholds`](crate::monitor::Thresholds).
    Threshold {
        /// The point.
        point: &'a str,
        /// Their part of its calls, from 0 to 1.
        overhead: f64,
        /// The time that they take in a second.
        hook_time_per_second: Duration,
    },
    /// A hook has failed too often and is left alone for a while.
    BreakerOpened {
        /// The hook.
        hook: &'a str,
        /// The point of the call in which it failed last.
        point: &'a str,
        /// For how long.
        open_for: Duration,
    },
    /// An observer or sink panicked.
    ObserverFailed {
        /// The observer.
        hook: &'a str,
        /// What it said.
        message: &'a str,
    },
}
