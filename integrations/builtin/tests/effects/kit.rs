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

/// A text and what goes with it; a text that begins with `fail ` comes back as the error.
#[hooked(point = "shop.write", component = shop)]
pub(crate) fn write(
    shop: &str,
    text: String,
    data: serde_json::Value,
    password: Option<String>,
) -> Result<(String, serde_json::Value, Option<String>), ShopError> {
    match text.strip_prefix("fail ") {
        Some(why) => Err(ShopError::Failed(why.to_owned())),
        None => Ok((text, data, password)),
    }
}

/// An asynchronous call that gives back what it got.
#[hooked(point = "shop.echo")]
pub(crate) async fn echo(text: String) -> Result<String, ShopError> {
    tokio::task::yield_now().await;
    Ok(text)
}

/// A stream of texts.
#[hooked(point = "shop.chat", stream)]
pub(crate) fn chat(
    pieces: Vec<String>,
) -> impl futures_util::Stream<Item = Result<String, ShopError>> {
    futures_util::stream::iter(pieces.into_iter().map(Ok))
}

/// An item of [`answer`].
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Chunk {
    pub(crate) text: Option<String>,
    pub(crate) note: String,
    pub(crate) finish: Option<String>,
}

/// A stream whose last item says so.
#[hooked(point = "shop.answer", stream)]
pub(crate) fn answer(
    chunks: Vec<Chunk>,
) -> impl futures_util::Stream<Item = Result<Chunk, ShopError>> {
    futures_util::stream::iter(chunks.into_iter().map(Ok))
}
