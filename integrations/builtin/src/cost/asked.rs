//! What the hooks do when they are asked.

use std::sync::Arc;

use hooks_runtime::{Clock, GuardContext, HookContext, HookError, HookResult, Phase, Plan, Vote};

use super::accounts::{Accounts, Denied, Line, Reached};
use super::alert::Told;
use super::books::Books;
use super::ledger::{self, Ledger};
use super::price::Priced;
use super::{Budget, CostHook, Exceeded, Money, UnknownPrice};
use crate::keys::{Keys, text};

/// One hook, ready to be asked.
pub(super) struct Cost {
    pub(super) options: CostHook,
    pub(super) books: Arc<Books>,
    pub(super) ledger: Ledger,
    pub(super) keys: Keys,
    pub(super) id: String,
}

impl Cost {
    /// Before the body a call begins; after each attempt it is booked what that was.
    pub(super) fn account(&self, cx: &mut HookContext<'_>) -> Result<HookResult, HookError> {
        let (call, flags) = (cx.call_id(), cx.site().flags);
        match cx.phase() {
            Phase::Pre => {
                let ticket = self.books.begin(call, flags.is_stream, cx.clock());
                cx.local(ticket);
            }
            Phase::Post => {
                let Some(price) = self.books.price_of(call) else {
                    return Ok(HookResult::Continue);
                };
                let known = match price.kinds() {
                    0 => Ok(Vec::new()),
                    _ => cx.result_json().map(|result| price.usage(&result)),
                };
                let usage = known.unwrap_or_else(|_| vec![None; price.kinds()]);
                if !self.books.returned(call, &usage) {
                    tracing::warn!(target: "hookpoint", hook = self.id, point = cx.point_name(), "a result does not say what it cost: what was reserved is booked");
                }
            }
            _ => {
                let has_room = self.books.failed(call, flags.repeatable, cx.clock());
                if !has_room && self.options.on_exceed != Exceeded::Warn {
                    let why = "the attempt failed, and the budget has no room for another one";
                    return Ok(HookResult::cancel(why));
                }
            }
        }
        Ok(HookResult::Continue)
    }

    pub(super) fn vote(&self, cx: &GuardContext<'_>) -> Result<Vote, HookError> {
        if matches!(cx.plan(), Plan::Replace(_) | Plan::Redirect { .. }) {
            // The body does not run; another component's call is one of its own.
            return Ok(Vote::Pass);
        }
        let Some((price, priced)) = self.price(cx) else {
            return Ok(self.unknown(cx));
        };
        let quote = priced.quote(cx)?;
        let reserve = quote.reserve;
        let lines = self.lines(cx)?;
        let beyond = self.options.on_exceed != Exceeded::Refuse;
        let (call, clock) = (cx.call_id(), cx.clock());
        let answer = self.books.reserve(call, price, quote, lines, clock, beyond);
        let answer = answer.ok_or_else(|| {
            HookError::other("the call was not there when it began: nothing can be reserved")
        })?;
        Ok(match answer {
            Ok(None) => Vote::Pass,
            Ok(Some(denied)) => self.exceeded(cx, denied, reserve),
            Err(denied) => Vote::cancel(self.reason(denied, reserve)),
        })
    }

    /// What a hook in the shadow says: whether a call has a price, and may cost more than a whole budget.
    pub(super) fn rehearse(&self, cx: &GuardContext<'_>) -> Result<Vote, HookError> {
        let Some((_, priced)) = self.price(cx) else {
            return Ok(self.unknown(cx));
        };
        let reserve = priced.quote(cx)?.reserve;
        let lines = self.lines(cx)?;
        let mut accounts = Accounts::new(self.options.budgets.clone(), lines.len());
        let answer = accounts.reserve(&lines, reserve, Clock::now(cx.clock()), false);
        Ok(match answer {
            Ok(_) => Vote::Pass,
            Err(denied) => self.exceeded(cx, denied, reserve),
        })
    }

    fn price(&self, cx: &GuardContext<'_>) -> Option<(usize, &Priced)> {
        let prices = self.books.prices.iter().enumerate();
        let mut fitting = prices.filter(|(_, price)| price.fits(cx.point_name(), cx.component()));
        fitting.next()
    }

    fn unknown(&self, cx: &GuardContext<'_>) -> Vote {
        let (point, component) = (cx.point_name(), cx.component().unwrap_or_default());
        match self.options.unknown {
            UnknownPrice::Free => Vote::Pass,
            UnknownPrice::Warn => {
                tracing::warn!(target: "hookpoint", hook = self.id, point, component, "no price is known: the call costs nothing");
                Vote::Pass
            }
            UnknownPrice::Refuse => Vote::cancel(match cx.component() {
                Some(name) => format!("no price is known for `{name}` at {point}"),
                None => format!("no price is known for calls at {point}"),
            }),
        }
    }

    fn lines(&self, cx: &GuardContext<'_>) -> Result<Vec<Line>, HookError> {
        let budgets = self.options.budgets.iter().enumerate();
        let line = |(budget, of): (usize, &Budget)| {
            let mut hasher = self.keys.begin();
            text(&mut hasher, &budget.to_string());
            let key = Keys::counted(hasher, cx, &of.by)?;
            let labels = of.by.iter().map(|per| ledger::label(cx, per, &key));
            Ok(Line {
                key,
                budget,
                labels: labels.collect(),
            })
        };
        budgets.map(line).collect()
    }

    fn exceeded(&self, cx: &GuardContext<'_>, denied: Denied, reserve: Money) -> Vote {
        let reason = self.reason(denied, reserve);
        match self.options.on_exceed {
            Exceeded::Refuse => Vote::cancel(reason),
            Exceeded::Ask => Vote::ask(reason),
            Exceeded::Warn => {
                tracing::warn!(target: "hookpoint", hook = self.id, point = cx.point_name(), reason, "a budget is exceeded");
                Vote::Pass
            }
        }
    }

    fn reason(&self, denied: Denied, reserve: Money) -> String {
        let Denied::Budget {
            budget,
            spent,
            reserved,
        } = denied
        else {
            let most = self.options.max_keys;
            return format!("there are {most} accounts already, as many as may be");
        };
        let of = &self.options.budgets[budget];
        let limit = of.limit.unwrap_or_default();
        let currency = self.ledger.currency();
        let window = of.per_ms.map_or(String::new(), |ms| format!(" in {ms} ms"));
        let limit = format!("{limit} {currency}");
        format!(
            "the budget of {}{window} has no room for {reserve}: {spent} is spent, {reserved} is reserved",
            limit.trim_end()
        )
    }

    pub(super) fn tell(&self, reached: Vec<Reached>) {
        Told {
            hook: &self.id,
            currency: self.ledger.currency(),
            alarm: self.options.on_alert.as_ref(),
        }
        .all(reached);
    }
}
