//! What calls cost, and how much may be spent.

mod accounts;
mod alert;
mod asked;
mod books;
mod budget;
mod call;
mod ledger;
mod money;
mod price;

use std::sync::Arc;

use hooks_runtime::{PreparedHook, Priority};
use serde::Deserialize;

use crate::error::BuiltinError;
use crate::keys::Keys;
use crate::kinds::{BuiltinHook, Needs, Replay};
use crate::placement::Placement;
use crate::rate_limit::Per;
use accounts::Accounts;
use alert::Alarm;
pub use alert::CostAlert;
use asked::Cost;
use books::Books;
pub use budget::Budget;
pub use ledger::{Ledger, LedgerEntry};
pub use money::{BadMoney, Money};
use price::Priced;
pub use price::{Price, Units};

/// What becomes of a call for which a budget has no room.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Exceeded {
    /// It is refused.
    #[default]
    Refuse,
    /// It is refused unless an approver allows it; it is booked then, beyond the limit.
    Ask,
    /// It passes and is booked, beyond the limit, with a warning in the log.
    Warn,
}

/// What becomes of a call that no price fits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum UnknownPrice {
    /// It is refused.
    #[default]
    Refuse,
    /// It costs nothing.
    Free,
    /// It costs nothing, with a warning in the log.
    Warn,
}

/// How the units that several items of a stream name make its units.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StreamUsage {
    /// The last item that has the number says it.
    #[default]
    Last,
    /// The numbers of all items add up.
    Sum,
}

/// Counts what calls cost, and keeps to budgets.
///
/// Before the body, what the call may cost is reserved: of all budgets, or of none, in one step. After it, what it
/// did cost is booked. A call that another hook refuses, that fails, panics or is dropped gives back what it had
/// reserved. [`Ledger`] shows what was spent.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CostHook {
    prices: Vec<Price>,
    budgets: Vec<Budget>,
    currency: String,
    unknown: UnknownPrice,
    on_exceed: Exceeded,
    keep_failed: bool,
    stream_usage: StreamUsage,
    max_keys: usize,
    #[serde(skip)]
    on_alert: Option<Alarm>,
}

impl Default for CostHook {
    fn default() -> Self {
        CostHook {
            prices: Vec::new(),
            budgets: Vec::new(),
            currency: String::new(),
            unknown: UnknownPrice::Refuse,
            on_exceed: Exceeded::Refuse,
            keep_failed: false,
            stream_usage: StreamUsage::Last,
            max_keys: 10_000,
            on_alert: None,
        }
    }
}

impl CostHook {
    /// No price and no budget yet.
    pub fn new() -> Self {
        CostHook::default()
    }
    /// The prices; the first that fits a call counts. 1 to 1,000. They must be given.
    pub fn prices(mut self, prices: impl IntoIterator<Item = Price>) -> Self {
        self.prices = prices.into_iter().collect();
        self
    }
    /// The budgets, 1 to 16; a call must find room in all of them. They must be given.
    pub fn budgets(mut self, budgets: impl IntoIterator<Item = Budget>) -> Self {
        self.budgets = budgets.into_iter().collect();
        self
    }
    /// The label of the currency, 16 bytes at most. Nothing is converted. Default: none.
    pub fn currency(mut self, label: impl Into<String>) -> Self {
        self.currency = label.into();
        self
    }
    /// What becomes of a call that no price fits. Default: it is refused.
    pub fn unknown(mut self, unknown: UnknownPrice) -> Self {
        self.unknown = unknown;
        self
    }
    /// What becomes of a call for which a budget has no room. Default: it is refused.
    pub fn on_exceed(mut self, exceeded: Exceeded) -> Self {
        self.on_exceed = exceeded;
        self
    }
    /// Whether an attempt whose body ran and failed, panicked or was dropped costs the price of a call all the same.
    /// At a repeatable site, one that fails is refused then if there is no room for another attempt. Default: no.
    pub fn keep_failed(mut self, keep: bool) -> Self {
        self.keep_failed = keep;
        self
    }
    /// How the units of the items of a stream make its units. Default: the last counts.
    pub fn stream_usage(mut self, usage: StreamUsage) -> Self {
        self.stream_usage = usage;
        self
    }
    /// How many accounts are kept (one for each budget and each of what it is counted by), 1 to 1,000,000. Those of
    /// windows that are over make room; if there is none, the call is refused. Default: 10,000.
    pub fn max_keys(mut self, keys: usize) -> Self {
        self.max_keys = keys;
        self
    }
    /// Is called for each alert, on the thread of the call that brought it about, once that is over. Default:
    /// nothing but a warning in the log.
    pub fn on_alert(mut self, alarm: impl Fn(&CostAlert) + Send + Sync + 'static) -> Self {
        self.on_alert = Some(Alarm(Arc::new(alarm)));
        self
    }

    fn check(&self) -> Result<(), BuiltinError> {
        for (option, count, most) in [
            ("prices", self.prices.len(), 1000),
            ("budgets", self.budgets.len(), 16),
            ("max_keys", self.max_keys, 1_000_000),
        ] {
            if !(1..=most).contains(&count) {
                return Err(bad(option, format!("is {count}: 1 to {most} are possible")));
            }
        }
        if self.currency.len() > 16 {
            return Err(bad("currency", "is longer than 16 bytes".to_owned()));
        }
        self.budgets.iter().try_for_each(Budget::check)
    }
}

fn bad(option: &'static str, why: String) -> BuiltinError {
    BuiltinError::BadOption {
        kind: CostHook::KIND,
        option,
        why: why.into(),
    }
}

impl BuiltinHook for CostHook {
    const KIND: &'static str = "cost";
    const REPLAY: Replay = Replay::Undecidable;

    fn needs(&self) -> Needs {
        Needs::nothing()
    }

    fn prepare(self, at: &Placement) -> Result<Vec<PreparedHook>, BuiltinError> {
        self.check()?;
        let prices = self.prices.iter().map(Priced::read);
        let prices = prices.collect::<Result<Vec<_>, _>>()?;
        let meta = at.part("budget", Priority::NORMAL);
        let mut meta = meta.describe("reserves what calls may cost");
        let by = self.budgets.iter().flat_map(|budget| &budget.by);
        for name in by.filter_map(|per| match per {
            Per::Argument(name) => Some(&**name),
            _ => None,
        }) {
            meta = meta.uses(name);
        }
        for name in prices.iter().flat_map(Priced::names) {
            meta = meta.uses(name);
        }
        let accounts = Accounts::new(self.budgets.clone(), self.max_keys);
        let books = Books::new(prices, accounts, self.keep_failed, self.stream_usage);
        let books = Arc::new(books);
        let cost = Arc::new(Cost {
            ledger: Ledger::new(at.id(), self.currency.clone(), books.clone()),
            books,
            keys: Keys::new(),
            id: at.id().to_owned(),
            options: self,
        });
        if at.is_shadow() {
            // Nothing is booked for an answer that does not count.
            return Ok(vec![PreparedHook::guard(meta, move |cx| cost.rehearse(cx))]);
        }
        // The last before the body and the first after it: it sees what the body gave.
        let account = at.part("account", Priority::LOWEST).pre().post().error();
        let account = account.describe("books what calls cost");
        let done = at.unconditional().part("done", Priority::NORMAL);
        let done = done.describe("corrects what was booked once a call is over");
        let (begin, end) = (cost.clone(), cost.clone());
        Ok(vec![
            PreparedHook::intercept(account, move |cx| begin.account(cx)),
            PreparedHook::guard(meta, move |cx| cost.vote(cx)),
            PreparedHook::observe(done, move |record| end.tell(end.books.done(record))),
        ])
    }
}
