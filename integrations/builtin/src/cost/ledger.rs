//! What was spent, for those who ask.

use std::sync::Arc;

use serde::Serialize;
use serde_json::{Value, json};

use super::books::Books;
use super::money::Money;
use crate::live::Live;
use crate::rate_limit::Per;

/// The hooks of the process that count money.
static COUNTING: Live<Inner> = Live::new();

/// What a [`CostHook`](crate::CostHook) has counted.
#[derive(Clone)]
pub struct Ledger(Arc<Inner>);

struct Inner {
    currency: String,
    books: Arc<Books>,
}

/// What was spent of one budget, by those that it is counted by.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct LedgerEntry {
    /// Which of the budgets, from 0.
    pub budget: usize,
    /// What calls are counted by, in order, as pairs of the word and the name. What stands in arguments and fields
    /// is a digest.
    pub by: Vec<(String, String)>,
    /// What calls that are over have cost in this window.
    pub spent: Money,
    /// What calls under way may cost.
    pub reserved: Money,
    /// The most that may be spent, if there is a limit.
    pub limit: Option<Money>,
}

impl Ledger {
    pub(super) fn new(id: &str, currency: String, books: Arc<Books>) -> Self {
        let inner = Arc::new(Inner { currency, books });
        COUNTING.put(id, &inner);
        Ledger(inner)
    }

    /// The ledger of the hook of that id, for as long as it is registered.
    pub fn of(id: &str) -> Option<Ledger> {
        COUNTING.get(id).map(Ledger)
    }

    /// The label of the currency.
    pub fn currency(&self) -> &str {
        &self.0.currency
    }

    /// All accounts, by budget and by what they are counted by. An account is there after its first call; of a
    /// window that is over it goes when its place is needed, or when its next begins.
    pub fn entries(&self) -> Vec<LedgerEntry> {
        let state = self.0.books.lock();
        let budgets = state.accounts.budgets();
        let accounts = state.accounts.each().map(|account| LedgerEntry {
            budget: account.budget,
            by: account.labels.clone(),
            spent: account.spent,
            reserved: account.reserved,
            limit: budgets[account.budget].limit,
        });
        let mut entries: Vec<_> = accounts.collect();
        drop(state);
        entries.sort_by(|a, b| (a.budget, &a.by).cmp(&(b.budget, &b.by)));
        entries
    }

    /// What was spent of that budget by all together, from 0.
    pub fn spent(&self, budget: usize) -> Money {
        let state = self.0.books.lock();
        let accounts = state.accounts.each();
        let of = accounts.filter(|account| account.budget == budget);
        of.fold(Money::ZERO, |sum, account| sum.plus(account.spent))
    }

    /// As JSON: `currency`, and `entries` with `budget`, `by`, `spent`, `reserved` and `limit`; amounts are texts.
    pub fn snapshot(&self) -> Value {
        json!({ "currency": self.currency(), "entries": self.entries() })
    }
}

/// The word and the name of what calls are counted by.
pub(super) fn label(
    cx: &hooks_runtime::GuardContext<'_>,
    per: &Per,
    digest: &[u8; 32],
) -> (String, String) {
    let hidden = || blake3::Hash::from_bytes(*digest).to_hex()[..16].to_owned();
    let name = |name: &str| {
        if name.len() > 128 {
            hidden()
        } else {
            name.to_owned()
        }
    };
    let maybe = |named: Option<&str>| named.map_or(String::new(), name);
    match per {
        Per::Point => ("point".to_owned(), name(cx.point_name())),
        Per::Component => ("component".to_owned(), maybe(cx.component())),
        Per::Principal => ("principal".to_owned(), maybe(cx.principal())),
        Per::Correlation => ("correlation".to_owned(), name(&cx.correlation_id())),
        Per::Field(field) => (format!("field {field}"), hidden()),
        Per::Argument(argument) => (format!("argument {argument}"), hidden()),
    }
}
