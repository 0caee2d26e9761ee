//! What happens when a subscription's queue is full, and how its reader learns of it.

use std::fmt;
use std::num::NonZeroU32;

use serde::{Deserialize, Serialize};

/// What happens to an event when the queue of a subscription is full.
///
/// Each subscription has its own. Nothing is lost silently: what a subscription does not get stands as a [`Gap`]
/// in its place between the events, and in the counters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Overflow {
    /// The publisher waits until there is room. The default.
    ///
    /// A subscriber that does not read makes its publishers wait for as long as it does not, unless the
    /// subscription has a `block_timeout`; then the event is lost for this subscription when the time is up.
    #[default]
    Block,
    /// The event that has waited longest goes: the reader gets the newest.
    DropOldest,
    /// The new event is not queued: the reader gets the oldest.
    DropNewest,
    /// Publishing fails, and the event reaches no subscription at all.
    Error,
    /// From half full on, one event of so many is queued, and none when it is full: the reader gets a sample of
    /// what it cannot keep up with, instead of blocks with holes. With 1 it is `DropNewest`.
    Sample(NonZeroU32),
}

/// Events that a subscription did not get, in their place among those that it got.
///
/// The numbers are the subscription's own: it counts the events that were meant for it, from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Gap {
    /// The number of the first event that is missing.
    pub from: u64,
    /// The number of the last one.
    pub to: u64,
    /// Why they are missing.
    pub reason: GapReason,
}

/// Why events are missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum GapReason {
    /// The queue was full: by the strategy of the subscription. Read faster, or give it more capacity.
    Full,
    /// The publisher had waited for the subscription's `block_timeout`.
    TimedOut,
}

impl Gap {
    pub(crate) fn one(number: u64, reason: GapReason) -> Self {
        Gap {
            from: number,
            to: number,
            reason,
        }
    }

    /// How many events are missing.
    pub fn count(&self) -> u64 {
        self.to - self.from + 1
    }
}

impl fmt::Display for Gap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let why = match self.reason {
            GapReason::Full => "the queue was full",
            GapReason::TimedOut => "a publisher had waited long enough",
        };
        write!(
            f,
            "{} events are missing ({} to {}): {why}",
            self.count(),
            self.from,
            self.to
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gap_says_how_much_is_missing() {
        let gap = Gap {
            from: 3,
            to: 7,
            reason: GapReason::Full,
        };
        assert_eq!(gap.count(), 5);
        assert_eq!(
            gap.to_string(),
            "5 events are missing (3 to 7): the queue was full"
        );
        assert_eq!(Gap::one(1, GapReason::TimedOut).count(), 1);
    }

    #[test]
    fn strategies_have_names_in_configuration() {
        let json = serde_json::to_string(&[
            Overflow::Block,
            Overflow::DropOldest,
            Overflow::Sample(NonZeroU32::MIN),
        ]);
        assert_eq!(json.unwrap(), r#"["block","drop_oldest",{"sample":1}]"#);
    }
}
