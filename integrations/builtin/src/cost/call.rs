//! A call under way, and what it costs.

use hooks_runtime::{DecisionRecord, Outcome};

use super::accounts::Line;
use super::money::Money;
use super::price::Priced;

/// A call that has asked for its amount, or will.
#[derive(Default)]
pub(super) struct Call {
    /// The price that fits, and what is reserved by it.
    pub(super) held: Option<Held>,
    /// What it cost so far.
    pub(super) settled: Money,
    /// How many attempts returned, and how many failed.
    pub(super) returned: u32,
    pub(super) failed: u32,
    /// Of the items of a stream.
    pub(super) usage: Vec<Option<u64>>,
    pub(super) is_stream: bool,
    /// What was booked when it ended.
    pub(super) booked: Option<Money>,
}

pub(super) struct Held {
    pub(super) price: usize,
    pub(super) lines: Vec<Line>,
    pub(super) fixed: Money,
    pub(super) reserve: Money,
    /// `reserve`, and what failed attempts were given on top.
    pub(super) reserved: Money,
}

impl Call {
    /// What a call costs that ended so.
    pub(super) fn cost(&self, held: &Held, price: &Priced, end: End, keep_failed: bool) -> Money {
        if self.is_stream {
            let known = price.cost(&self.usage).map(|units| held.fixed.plus(units));
            return match (known, end) {
                (Some(cost), _) if price.kinds() > 0 => cost,
                (Some(cost), End::Whole) => cost,
                (None, End::Whole) => held.reserve,
                (_, End::Short { .. }) if keep_failed => price.call(),
                (_, End::Short { .. }) => Money::ZERO,
            };
        }
        let ended = self.returned + self.failed;
        let lost = match end {
            // The attempt returned, and this hook was not asked.
            End::Whole if ended == 0 => return held.reserve,
            End::Whole => 0,
            End::Short { attempts } => attempts.saturating_sub(ended),
        };
        let failed = if keep_failed { self.failed + lost } else { 0 };
        self.settled.plus(price.call().times(u64::from(failed)))
    }
}

/// How a body ended.
#[derive(Clone, Copy)]
pub(super) enum End {
    /// It gave what it had to give.
    Whole,
    /// The last of so many attempts did not.
    Short { attempts: u32 },
}

impl End {
    pub(super) fn of(record: &DecisionRecord<'_>) -> End {
        match record.outcome() {
            Outcome::Returned | Outcome::Refused => End::Whole,
            _ => End::Short {
                attempts: record.attempts(),
            },
        }
    }
}
