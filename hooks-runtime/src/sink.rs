//! Where records and signals go: what the runtime offers upwards without knowing who takes it.

use std::sync::Arc;

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
    records: Records,
    args: ArgLevel,
}

#[derive(Clone, Debug)]
enum Records {
    None,
    Exceptional,
    Always,
    AlwaysAt(Pattern),
}

impl Wants {
    fn new(records: Records) -> Self {
        Wants {
            records,
            args: ArgLevel::Digest,
        }
    }

    /// Calls that did not plainly return, or that a plan, a refusal or a failing hook acted on.
    pub fn exceptional() -> Self {
        Wants::new(Records::Exceptional)
    }

    /// Every call at every point: all sites are active even if no hook is registered.
    pub fn always() -> Self {
        Wants::new(Records::Always)
    }

    /// Every call at the points that match, whose sites are active even if no hook is registered; nothing of
    /// other points.
    ///
    /// # Errors
    /// The pattern can never match, see [`Pattern::parse`].
    pub fn always_at(pattern: &str) -> Result<Self, HookError> {
        let (pattern, _) = Pattern::parse(pattern)?;
        Ok(Wants::new(Records::AlwaysAt(pattern)))
    }

    /// No records.
    pub fn signals_only() -> Self {
        Wants::new(Records::None)
    }

    /// How much of the arguments the records hold; [`ArgLevel::Digest`] if nothing is said. Sinks of one
    /// registry get the same record, so it may hold more.
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
        match &self.wants.records {
            Records::Always => true,
            Records::AlwaysAt(pattern) => pattern.matches(point),
            Records::None | Records::Exceptional => false,
        }
    }

    /// Whether it takes any record of that point.
    pub(crate) fn takes_some(&self, point: &str) -> bool {
        matches!(self.wants.records, Records::Exceptional) || self.takes_every(point)
    }

    /// How much of the arguments it wants.
    pub(crate) fn args(&self) -> ArgLevel {
        self.wants.args
    }
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
    /// An observer or sink panicked.
    ObserverFailed {
        /// The observer.
        hook: &'a str,
        /// What it said.
        message: &'a str,
    },
}
