//! Hooked functions to place built-in hooks at.

use std::sync::atomic::{AtomicUsize, Ordering};

use hooks_runtime::{HookRefusal, HookRegistry, HookScope, hooked};
use serde::{Deserialize, Serialize};

/// The error of the hooked functions.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ShopError {
    #[error(transparent)]
    Refused(#[from] HookRefusal),
    #[error("{0}")]
    Failed(String),
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Order {
    pub(crate) item: String,
    pub(crate) cents: u64,
}

pub(crate) fn order(item: &str, cents: u64) -> Order {
    Order {
        item: item.to_owned(),
        cents,
    }
}

/// How often a body has run.
#[derive(Default)]
pub(crate) struct Runs(AtomicUsize);

impl Runs {
    pub(crate) fn count(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
    fn add(&self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// A synchronous call; an order of nothing fails.
#[hooked(point = "shop.buy", component = shop)]
pub(crate) fn buy(shop: &str, order: Order, runs: &Runs) -> Result<Order, ShopError> {
    runs.add();
    if order.item.is_empty() {
        return Err(ShopError::Failed("an order of nothing".into()));
    }
    Ok(order)
}

/// An isolated registry that is entered until this is dropped.
pub(crate) fn isolated() -> (HookRegistry, HookScope) {
    let registry = HookRegistry::new();
    let scope = HookScope::isolated(&registry);
    (registry, scope)
}
