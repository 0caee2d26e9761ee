//! What calls cost, and what they may cost together.

mod budgets;
mod crowds;
mod outcomes;
mod prices;

use hooks_builtin::{
    Budget, BuiltinHook as _, CostHook, Ledger, Money, Placement, Price, Registered, Units,
};
use hooks_runtime::HookRegistry;

use crate::kit::{ShopError, price};

fn place(registry: &HookRegistry, hook: CostHook) -> Registered {
    let at = Placement::new("cost").point("shop.*");
    hook.register(registry, at).unwrap()
}

fn money(text: &str) -> Money {
    text.parse().unwrap()
}

/// One for each call, and a tenth for each unit of the result, of which there are ten at most.
fn metered() -> Price {
    let units = Units::result("", money("0.1")).max(10);
    Price::new().call(Money::units(1)).units(units)
}

fn hook(price: Price, limit: u32) -> CostHook {
    let budget = Budget::new(Money::units(limit));
    CostHook::new().prices([price]).budgets([budget])
}

/// A call that uses so many units.
fn using(shop: &str, count: u64) -> Result<u64, ShopError> {
    price(shop, "tea".into(), 1, &|| Ok(count))
}

/// What is spent and reserved of the first budget, by all together.
fn booked() -> (Money, Money) {
    let ledger = Ledger::of("cost").expect("it is registered");
    let reserved = ledger
        .entries()
        .iter()
        .map(|entry| entry.reserved.as_nanos())
        .sum::<u128>();
    (
        ledger.spent(0),
        Money::nanos(u64::try_from(reserved).unwrap()),
    )
}

fn refusal<T: std::fmt::Debug>(result: Result<T, ShopError>) -> (String, bool) {
    let Err(ShopError::Refused(refusal)) = result else {
        panic!("not refused: {result:?}");
    };
    (refusal.reason().to_owned(), refusal.executed())
}

/// The ledger is found by id, process-wide: tests take turns.
static TURN: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

fn turn() -> tokio::sync::MutexGuard<'static, ()> {
    TURN.blocking_lock()
}
