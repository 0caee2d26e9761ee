//! How much may be spent.

use serde::Deserialize;

use super::bad;
use super::money::Money;
use crate::error::BuiltinError;
use crate::rate_limit::Per;

/// The longest window, in milliseconds.
const MAX_WINDOW: u64 = 366 * 24 * 3_600_000;

/// An amount that may be spent, in a time or for ever, by all calls together or by what they are counted by.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Budget {
    pub(super) limit: Option<Money>,
    pub(super) per_ms: Option<u64>,
    pub(super) by: Vec<Per>,
    pub(super) alerts: Vec<u32>,
}

impl Budget {
    /// So much, for ever, by all calls together.
    pub fn new(limit: Money) -> Self {
        Budget {
            limit: Some(limit),
            ..Budget::default()
        }
    }
    /// No limit: what is spent is only counted.
    pub fn counted() -> Self {
        Budget::default()
    }
    /// The most that may be spent. Default: no limit.
    pub fn limit(mut self, limit: Money) -> Self {
        self.limit = Some(limit);
        self
    }
    /// The time that the limit is for, in milliseconds from 1 to 366 days. It begins with the first call, and the
    /// next one with the first call after its end. Default: for ever.
    pub fn per_ms(mut self, milliseconds: u64) -> Self {
        self.per_ms = Some(milliseconds);
        self
    }
    /// What calls are counted by; several add up. Calls that differ in it have budgets of their own. Default:
    /// nothing, all calls share it.
    pub fn by(mut self, per: Per) -> Self {
        self.by.push(per);
        self
    }
    /// Parts of the limit, in percent from 1 to 1,000, rising, 16 at most: once in each window, when so much is
    /// spent, there is a warning in the log, and [`CostHook::on_alert`](crate::CostHook::on_alert) is called.
    /// Default: none.
    pub fn alerts(mut self, percents: impl IntoIterator<Item = u32>) -> Self {
        self.alerts = percents.into_iter().collect();
        self
    }

    pub(super) fn check(&self) -> Result<(), BuiltinError> {
        let wrong = |why: &str| Err(bad("budgets", why.to_owned()));
        if self.limit == Some(Money::ZERO) {
            return wrong("has the `limit` 0: write what may be spent");
        }
        if self
            .per_ms
            .is_some_and(|ms| !(1..=MAX_WINDOW).contains(&ms))
        {
            return wrong("has a `per_ms` that is not 1 to 31622400000 (366 days)");
        }
        let alerts = &self.alerts;
        let in_range = alerts.iter().all(|percent| (1..=1000).contains(percent));
        if alerts.len() > 16 || !in_range || !alerts.is_sorted_by(|a, b| a < b) {
            return wrong(
                "must have up to 16 `alerts`, from 1 to 1000, each more than the one before",
            );
        }
        if self.limit.is_none() && !alerts.is_empty() {
            return wrong("has `alerts`, which are parts of a `limit`: write one");
        }
        Ok(())
    }
}
