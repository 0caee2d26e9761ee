//! What was spent and reserved, by key.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use super::budget::Budget;
use super::money::Money;

/// What is written on an account.
pub(super) type Key = [u8; 32];

/// One account of a call.
#[derive(Clone, Debug)]
pub(super) struct Line {
    pub(super) key: Key,
    /// Which of the budgets.
    pub(super) budget: usize,
    /// What calls are counted by, for those who read the ledger.
    pub(super) labels: Vec<(String, String)>,
}

/// Why a call cannot have its amount.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Denied {
    /// The budget of that number has no room for it.
    Budget {
        budget: usize,
        spent: Money,
        reserved: Money,
    },
    /// There are as many accounts as may be.
    Keys,
}

/// The accounts of one hook.
pub(super) struct Accounts {
    budgets: Vec<Budget>,
    max_keys: usize,
    by_key: HashMap<Key, Account>,
}

pub(super) struct Account {
    pub(super) budget: usize,
    pub(super) labels: Vec<(String, String)>,
    opened: Instant,
    pub(super) spent: Money,
    pub(super) reserved: Money,
    /// How many calls with it are under way.
    open: u32,
    /// How many of the alerts of this window were given.
    alerted: usize,
}

/// An account of which another part is spent.
pub(super) struct Reached {
    pub(super) budget: usize,
    pub(super) percent: u32,
    pub(super) spent: Money,
    pub(super) limit: Money,
    pub(super) labels: Vec<(String, String)>,
}

impl Account {
    fn is_over(&self, budget: &Budget, now: Instant) -> bool {
        budget.per_ms.is_some_and(|ms| {
            now.saturating_duration_since(self.opened) >= Duration::from_millis(ms)
        })
    }

    /// Begins another window, if this one is over. What calls under way have reserved goes on.
    fn roll(&mut self, budget: &Budget, now: Instant) {
        if self.is_over(budget, now) {
            self.opened = now;
            self.spent = Money::ZERO;
            self.alerted = 0;
        }
    }
}

impl Accounts {
    pub(super) fn new(budgets: Vec<Budget>, max_keys: usize) -> Self {
        Accounts {
            budgets,
            max_keys,
            by_key: HashMap::new(),
        }
    }

    pub(super) fn budgets(&self) -> &[Budget] {
        &self.budgets
    }

    pub(super) fn each(&self) -> impl Iterator<Item = &Account> {
        self.by_key.values()
    }

    /// Reserves the amount on all of the lines, or on none. `beyond`: also where there is no room for it, which is
    /// then said nevertheless.
    pub(super) fn reserve(
        &mut self,
        lines: &[Line],
        amount: Money,
        now: Instant,
        beyond: bool,
    ) -> Result<Option<Denied>, Denied> {
        self.open(lines, now)?;
        let full = lines.iter().find_map(|line| self.room(line, amount));
        if let Some(denied) = full
            && !beyond
        {
            return Err(denied);
        }
        for line in lines {
            if let Some(account) = self.by_key.get_mut(&line.key) {
                account.reserved = account.reserved.plus(amount);
                account.open += 1;
            }
        }
        Ok(full)
    }

    /// Reserves more for a call under way, on all of its lines or on none; whether there was room.
    pub(super) fn extend(&mut self, lines: &[Line], amount: Money, now: Instant) -> bool {
        for line in lines {
            if let Some(account) = self.by_key.get_mut(&line.key) {
                account.roll(&self.budgets[line.budget], now);
            }
        }
        if lines.iter().any(|line| self.room(line, amount).is_some()) {
            return false;
        }
        for line in lines {
            if let Some(account) = self.by_key.get_mut(&line.key) {
                account.reserved = account.reserved.plus(amount);
            }
        }
        true
    }

    /// Why there is no room for the amount, if there is none.
    fn room(&self, line: &Line, amount: Money) -> Option<Denied> {
        let account = self.by_key.get(&line.key)?;
        let limit = self.budgets[line.budget].limit?;
        let after = account.spent.plus(account.reserved).plus(amount);
        (after > limit).then_some(Denied::Budget {
            budget: line.budget,
            spent: account.spent,
            reserved: account.reserved,
        })
    }

    /// Makes the accounts that are not there yet.
    fn open(&mut self, lines: &[Line], now: Instant) -> Result<(), Denied> {
        let by_key = &self.by_key;
        let new = lines
            .iter()
            .filter(|line| !by_key.contains_key(&line.key))
            .count();
        if by_key.len() + new > self.max_keys {
            let budgets = &self.budgets;
            // An account of a window that is over is as good as none, and so is one with nothing on it.
            self.by_key.retain(|_, account| {
                let is_over = account.is_over(&budgets[account.budget], now);
                account.open > 0 || (!is_over && account.spent > Money::ZERO)
            });
            let by_key = &self.by_key;
            let new = lines
                .iter()
                .filter(|line| !by_key.contains_key(&line.key))
                .count();
            if by_key.len() + new > self.max_keys {
                return Err(Denied::Keys);
            }
        }
        for line in lines {
            let account = self.by_key.entry(line.key).or_insert_with(|| Account {
                budget: line.budget,
                labels: line.labels.clone(),
                opened: now,
                spent: Money::ZERO,
                reserved: Money::ZERO,
                open: 0,
                alerted: 0,
            });
            account.roll(&self.budgets[line.budget], now);
        }
        Ok(())
    }

    /// Gives back what was reserved, and books what it cost.
    pub(super) fn settle(&mut self, lines: &[Line], reserved: Money, cost: Money, now: Instant) {
        for line in lines {
            if let Some(account) = self.by_key.get_mut(&line.key) {
                account.roll(&self.budgets[line.budget], now);
                account.reserved = account.reserved.minus(reserved);
                account.spent = account.spent.plus(cost);
                account.open = account.open.saturating_sub(1);
            }
        }
    }

    /// Books another cost in the place of what was booked, and says of which parts more than that is spent now.
    pub(super) fn correct(&mut self, lines: &[Line], booked: Money, cost: Money) -> Vec<Reached> {
        let mut reached = Vec::new();
        for line in lines {
            let Some(account) = self.by_key.get_mut(&line.key) else {
                continue;
            };
            account.spent = account.spent.minus(booked).plus(cost);
            let budget = &self.budgets[line.budget];
            let Some(limit) = budget.limit else {
                continue;
            };
            for percent in budget.alerts.iter().skip(account.alerted) {
                if account.spent < limit.percent(*percent) {
                    break;
                }
                account.alerted += 1;
                reached.push(Reached {
                    budget: line.budget,
                    percent: *percent,
                    spent: account.spent,
                    limit,
                    labels: account.labels.clone(),
                });
            }
        }
        reached
    }
}
