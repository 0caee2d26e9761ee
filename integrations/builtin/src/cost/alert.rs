//! Warnings that a part of a budget is spent.

use std::fmt;
use std::sync::Arc;

use super::accounts::Reached;
use super::money::Money;

/// A part of a budget is spent: one of its [`alerts`](crate::Budget::alerts).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CostAlert {
    /// The id of the hook, as it was placed.
    pub hook: String,
    /// Which of its budgets, from 0.
    pub budget: usize,
    /// What calls are counted by, as in [`LedgerEntry`](crate::LedgerEntry).
    pub by: Vec<(String, String)>,
    /// The part that is reached, in percent of the limit.
    pub percent: u32,
    /// What is spent.
    pub spent: Money,
    /// The limit.
    pub limit: Money,
}

/// What is called for alerts.
#[derive(Clone)]
pub(super) struct Alarm(pub(super) Arc<dyn Fn(&CostAlert) + Send + Sync>);

impl fmt::Debug for Alarm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Alarm")
    }
}

/// The same closure.
impl PartialEq for Alarm {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

/// Who is told.
pub(super) struct Told<'t> {
    pub(super) hook: &'t str,
    pub(super) currency: &'t str,
    pub(super) alarm: Option<&'t Alarm>,
}

impl Told<'_> {
    pub(super) fn all(&self, reached: Vec<Reached>) {
        for reached in reached {
            let Reached {
                budget,
                percent,
                spent,
                limit,
                labels,
            } = reached;
            let (hook, currency) = (self.hook, self.currency);
            tracing::warn!(target: "hookpoint", hook, budget, percent, %spent, %limit, currency, by = ?labels, "a part of a budget is spent");
            if let Some(Alarm(alarm)) = self.alarm {
                alarm(&CostAlert {
                    hook: hook.to_owned(),
                    budget,
                    by: labels,
                    percent,
                    spent,
                    limit,
                });
            }
        }
    }
}
