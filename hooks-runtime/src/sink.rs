//! Where records and signals go: what the runtime offers upwards without knowing who takes it.

use crate::record::{ArgLevel, DecisionRecord};

/// How much a sink wants to hear of a point.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Interest {
    /// Nothing.
    Never,
    /// Calls that did not plainly return, or that a plan or refusal acted on.
    #[default]
    Exceptional,
    /// Every call; the point's sites are active even if no hook is registered.
    Always,
}

/// Takes records and signals.
///
/// It is called on the caller's thread: it should hand over and return. A panic in it is caught.
pub trait Sink: Send + Sync {
    /// How much it wants to hear of that point; asked when hooks change, not per call.
    fn interest(&self, point: &str) -> Interest {
        let _ = point;
        Interest::Exceptional
    }
    /// How much of the arguments its records hold.
    fn args(&self) -> ArgLevel {
        ArgLevel::Digest
    }
    /// One call is done.
    fn record(&self, record: &DecisionRecord);
    /// Something that somebody should know happened.
    fn signal(&self, signal: &Signal<'_>) {
        let _ = signal;
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
