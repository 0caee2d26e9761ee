//! Hooked functions to place built-in hooks at.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use hooks_builtin::Placement;
use hooks_runtime::{Clock, HookRefusal, HookRegistry, HookScope, hooked};
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
    pub(crate) fn add(&self) {
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

/// A call whose body does what the caller brings.
#[hooked(point = "shop.price", component = shop, skip(work), fields(letters = item.0.len()))]
pub(crate) fn price(
    shop: &str,
    item: Item,
    page: u32,
    work: &dyn Fn() -> Result<u64, String>,
) -> Result<u64, ShopError> {
    let _ = (item, page); // for hooks
    work().map_err(ShopError::Failed)
}

/// The same, asynchronous.
#[hooked(point = "shop.quote", component = shop, skip(work))]
pub(crate) async fn quote<F>(shop: &str, item: Item, work: F) -> Result<u64, ShopError>
where
    F: Future<Output = Result<u64, String>> + Send,
{
    let _ = item; // for hooks
    work.await.map_err(ShopError::Failed)
}

/// What the other side does with payments, and the keys that it saw.
#[derive(Default)]
pub(crate) struct Till {
    /// Errors of the attempts to come; afterwards they succeed.
    pub(crate) errors: Mutex<VecDeque<&'static str>>,
    pub(crate) keys: Mutex<Vec<Option<String>>>,
}

impl Till {
    pub(crate) fn failing(errors: &[&'static str]) -> Self {
        Till {
            errors: Mutex::new(errors.iter().copied().collect()),
            keys: Mutex::default(),
        }
    }

    pub(crate) fn attempts(&self) -> usize {
        self.keys.lock().unwrap().len()
    }

    fn take(&self, key: Option<String>) -> Result<usize, ShopError> {
        let mut keys = self.keys.lock().unwrap();
        keys.push(key);
        match self.errors.lock().unwrap().pop_front() {
            Some(error) => Err(ShopError::Failed(error.to_owned())),
            None => Ok(keys.len()),
        }
    }
}

/// A call that can be repeated; gives the number of the attempt.
#[hooked(point = "shop.pay", skip(till), fields(order = order_id))]
pub(crate) fn pay(order_id: &str, key: Option<String>, till: &Till) -> Result<usize, ShopError> {
    let _ = order_id; // for hooks
    till.take(key)
}

/// The same, asynchronous.
#[hooked(point = "shop.transfer", skip(till), retry)]
pub(crate) async fn transfer(key: Option<String>, till: &Till) -> Result<usize, ShopError> {
    till.take(key)
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Item(pub(crate) String);

impl From<&str> for Item {
    fn from(name: &str) -> Self {
        Item(name.to_owned())
    }
}

/// An isolated registry whose time stands still, entered until this is dropped.
pub(crate) fn with_fake_clock() -> (HookRegistry, HookScope, Clock) {
    let clock = Clock::fake();
    let registry = HookRegistry::with_clock(clock.clone());
    let scope = HookScope::isolated(&registry);
    (registry, scope, clock)
}

/// The error that a kind has for those options.
pub(crate) fn refused_options(kind: &str, options: serde_json::Value) -> String {
    let at = Placement::new("it").point("shop.*");
    match hooks_builtin::kind(kind).unwrap().prepare(options, &at) {
        Ok(_) => panic!("the options were taken"),
        Err(error) => error.to_string(),
    }
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

/// A stream of numbers, or of nothing in their place; an error ends it.
#[hooked(point = "shop.tokens", component = "meter", stream)]
pub(crate) fn tokens(
    counts: Vec<Result<Option<u64>, &'static str>>,
) -> impl futures_util::Stream<Item = Result<Option<u64>, ShopError>> {
    let item = |count: Result<_, &str>| count.map_err(|why| ShopError::Failed(why.to_owned()));
    futures_util::stream::iter(counts.into_iter().map(item))
}

/// A call that another shop can answer: gives what it uses.
#[hooked(point = "shop.order", component = "near", redirect = |to: &str| (to == "far").then_some(order_far))]
pub(crate) fn order_near(units: u64) -> Result<u64, ShopError> {
    Ok(units)
}

/// The other shop, which uses twice as much.
#[hooked(point = "shop.order", component = "far")]
pub(crate) fn order_far(units: u64) -> Result<u64, ShopError> {
    Ok(units * 2)
}

/// A call that hooks may only watch.
#[hooked(point = "shop.tick", observe)]
pub(crate) fn tick(n: u32) -> u32 {
    n + 1
}
