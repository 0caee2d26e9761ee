//! The calls under way, what they have reserved, and what they cost.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hooks_runtime::{Clock, DecisionRecord};

use super::StreamUsage;
use super::accounts::{Accounts, Denied, Line, Reached};
use super::call::{Call, End, Held};
use super::money::Money;
use super::price::{Priced, Quote};

/// How many calls may wait for the observer that tells whether their bodies ran. It comes at once, on the same
/// thread; only beyond the runtime's limit for calls that hooks cause it does not come at all.
const MAX_CLOSED: usize = 1024;

/// Accounts, prices and calls of one hook. One lock: a call gets what it needs of all budgets at once, or nothing.
pub(super) struct Books {
    pub(super) prices: Vec<Priced>,
    keep_failed: bool,
    stream_usage: StreamUsage,
    state: Mutex<State>,
}

pub(super) struct State {
    pub(super) accounts: Accounts,
    calls: HashMap<u64, Call>,
    /// Calls that are over, in the order in which they ended.
    closed: VecDeque<u64>,
}

/// Gives back what a call has reserved when the call is over, whatever becomes of it.
pub(super) struct Ticket {
    books: Arc<Books>,
    call: u64,
    clock: Clock,
}

impl Books {
    pub(super) fn new(
        prices: Vec<Priced>,
        accounts: Accounts,
        keep_failed: bool,
        stream_usage: StreamUsage,
    ) -> Self {
        Books {
            prices,
            keep_failed,
            stream_usage,
            state: Mutex::new(State {
                accounts,
                calls: HashMap::new(),
                closed: VecDeque::new(),
            }),
        }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A call begins.
    pub(super) fn begin(self: &Arc<Self>, call: u64, is_stream: bool, clock: &Clock) -> Ticket {
        let begun = Call {
            is_stream,
            ..Call::default()
        };
        self.lock().calls.insert(call, begun);
        Ticket {
            books: self.clone(),
            call,
            clock: clock.clone(),
        }
    }

    /// Reserves for a call; one that is decided once more gives back what it had. `None`: the call did not begin
    /// here.
    pub(super) fn reserve(
        &self,
        call: u64,
        price: usize,
        quote: Quote,
        lines: Vec<Line>,
        clock: &Clock,
        beyond: bool,
    ) -> Option<Result<Option<Denied>, Denied>> {
        let now = clock.now();
        let mut state = self.lock();
        let State {
            accounts, calls, ..
        } = &mut *state;
        let call = calls.get_mut(&call)?;
        if let Some(held) = call.held.take() {
            accounts.settle(&held.lines, held.reserved, Money::ZERO, now);
        }
        let answer = accounts.reserve(&lines, quote.reserve, now, beyond);
        if answer.is_ok() {
            call.usage = vec![None; self.prices[price].kinds()];
            call.held = Some(Held {
                price,
                lines,
                fixed: quote.fixed,
                reserve: quote.reserve,
                reserved: quote.reserve,
            });
        }
        Some(answer)
    }

    /// The price that a call was given.
    pub(super) fn price_of(&self, call: u64) -> Option<&Priced> {
        let state = self.lock();
        let held = state.calls.get(&call)?.held.as_ref()?;
        self.prices.get(held.price)
    }

    /// An attempt returned, or a stream gave an item, with so many units; whether the cost is known.
    pub(super) fn returned(&self, call: u64, usage: &[Option<u64>]) -> bool {
        let mut state = self.lock();
        let Some(call) = state.calls.get_mut(&call) else {
            return true;
        };
        let Some(held) = &call.held else {
            return true;
        };
        if call.is_stream {
            let both = call.usage.iter_mut().zip(usage);
            for (so_far, more) in both.filter(|(_, more)| more.is_some()) {
                *so_far = match self.stream_usage {
                    StreamUsage::Last => *more,
                    StreamUsage::Sum => {
                        let sum = so_far.unwrap_or_default();
                        more.map(|more| sum.saturating_add(more))
                    }
                };
            }
            call.returned = 1;
            return true;
        }
        let units = self.prices[held.price].cost(usage);
        let cost = units.map_or(held.reserve, |units| held.fixed.plus(units));
        call.settled = call.settled.plus(cost);
        call.returned += 1;
        units.is_some()
    }

    /// An attempt failed; whether there is room for another one. `again`: there may be one.
    pub(super) fn failed(&self, call: u64, again: bool, clock: &Clock) -> bool {
        let mut state = self.lock();
        let State {
            accounts, calls, ..
        } = &mut *state;
        let Some(call) = calls.get_mut(&call) else {
            return true;
        };
        call.failed += 1;
        let Some(held) = &mut call.held else {
            return true;
        };
        if !self.keep_failed || !again {
            return true;
        }
        let fee = self.prices[held.price].call();
        let has_room = accounts.extend(&held.lines, fee, clock.now());
        if has_room {
            held.reserved = held.reserved.plus(fee);
        }
        has_room
    }

    /// The call is over, and this is its record: the cost is corrected to what is known now.
    pub(super) fn done(&self, record: &DecisionRecord<'_>) -> Vec<Reached> {
        let mut state = self.lock();
        let Some(call) = state.calls.remove(&record.call_id()) else {
            return Vec::new();
        };
        state.closed.retain(|id| *id != record.call_id());
        let (Some(held), Some(booked)) = (&call.held, call.booked) else {
            return Vec::new();
        };
        // Where another component answers, it is the one that costs.
        let cost = if record.executed() && record.plan() != "redirect" {
            call.cost(
                held,
                &self.prices[held.price],
                End::of(record),
                self.keep_failed,
            )
        } else {
            Money::ZERO
        };
        state.accounts.correct(&held.lines, booked, cost)
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let now = self.clock.now();
        let mut state = self.books.lock();
        let State {
            accounts,
            calls,
            closed,
        } = &mut *state;
        let Some(call) = calls.get_mut(&self.call) else {
            return;
        };
        let Some(held) = &call.held else {
            calls.remove(&self.call);
            return;
        };
        // The most that it can have cost: whether the body ran is known to the observer, which comes next.
        let short = End::Short {
            attempts: call.returned + call.failed + 1,
        };
        let costs = [End::Whole, short].map(|end| {
            let price = &self.books.prices[held.price];
            call.cost(held, price, end, self.books.keep_failed)
        });
        let cost = costs[0].max(costs[1]).min(held.reserved.max(call.settled));
        accounts.settle(&held.lines, held.reserved, cost, now);
        call.booked = Some(cost);
        closed.push_back(self.call);
        if closed.len() > MAX_CLOSED
            && let Some(oldest) = closed.pop_front()
        {
            calls.remove(&oldest);
        }
    }
}
