//! Hooked functions to try scripts on, and scripts that ran in an isolated registry.

use std::io::Write;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hooks_lua::{LuaEngine, LuaEngineBuilder, Rights, Script, ScriptError};
use hooks_runtime::test::{TestRegistry, registry};
use hooks_runtime::{HookRefusal, hooked};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// The error of the hooked functions.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ShopError {
    #[error(transparent)]
    Refused(#[from] HookRefusal),
    #[error("out of {0}")]
    Out(String),
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Order {
    pub(crate) item: String,
    pub(crate) count: u32,
    pub(crate) note: Option<String>,
    pub(crate) tags: Vec<String>,
}

pub(crate) fn order(item: &str) -> Order {
    Order {
        item: item.to_owned(),
        count: 1,
        note: None,
        tags: Vec::new(),
    }
}

static BODIES: AtomicU32 = AtomicU32::new(0);

/// What the body says of the order that it got.
#[hooked(point = "shop.buy", component = shop)]
pub(crate) fn buy(shop: &str, order: Order) -> Result<Value, ShopError> {
    Ok(json!({"shop": shop, "order": order, "body": true}))
}

/// The same at an asynchronous site; fails if it is of nothing.
#[hooked(point = "shop.ship", component = shop)]
pub(crate) async fn ship(shop: &str, order: Order) -> Result<Value, ShopError> {
    if order.count == 0 {
        return Err(ShopError::Out(order.item));
    }
    Ok(json!({"shop": shop, "order": order, "body": true}))
}

/// The same at a synchronous site that hooks may block.
#[hooked(point = "shop.reserve", component = shop, blocking)]
pub(crate) fn reserve(shop: &str, order: Order) -> Result<Value, ShopError> {
    Ok(json!({"shop": shop, "order": order, "body": true}))
}

/// Fails until the given attempt.
#[hooked(point = "shop.restock", retry)]
pub(crate) fn restock(item: String, attempts: &AtomicU32, until: u32) -> Result<u32, ShopError> {
    let attempt = attempts.fetch_add(1, Ordering::SeqCst) + 1;
    if attempt < until {
        return Err(ShopError::Out(item));
    }
    Ok(attempt)
}

/// Counts how often its body runs.
#[hooked(point = "shop.count")]
pub(crate) fn count(key: String) -> Result<u32, ShopError> {
    let _ = key;
    Ok(BODIES.fetch_add(1, Ordering::SeqCst) + 1)
}

/// Fetches it from the warehouse, or where a hook sends it.
#[hooked(point = "shop.fetch", component = "warehouse", redirect = |to: &str| (to == "attic").then_some(fetch_from_attic))]
pub(crate) fn fetch(item: String) -> Result<String, ShopError> {
    Ok(format!("{item} from the warehouse"))
}

#[hooked(point = "shop.fetch", component = "attic")]
fn fetch_from_attic(item: String) -> Result<String, ShopError> {
    Ok(format!("{item} from the attic"))
}

/// What a script printed.
#[derive(Clone, Default)]
pub(crate) struct Printed(Arc<Mutex<Vec<u8>>>);

impl Printed {
    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl Write for Printed {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Runs a future that needs no runtime of its own.
pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    runtime.unwrap().block_on(future)
}

pub(crate) fn engine() -> LuaEngineBuilder {
    let builder = LuaEngine::builder().hook_time_limit(Duration::from_secs(20));
    builder.grant(Rights::everything())
}

/// A registry with a script that ran in it.
pub(crate) struct Ran {
    pub(crate) registry: TestRegistry,
    pub(crate) script: Script,
    pub(crate) result: Result<Value, ScriptError>,
}

pub(crate) fn run(code: &str) -> Ran {
    run_with(engine(), code)
}

pub(crate) fn run_with(engine: LuaEngineBuilder, code: &str) -> Ran {
    let registry = registry();
    let script = engine.build().load_source("shop.lua", code).unwrap();
    let result = block_on(registry.wrap(script.execute()));
    Ran {
        registry,
        script,
        result,
    }
}

impl Ran {
    /// Fails the test if the script failed.
    #[track_caller]
    pub(crate) fn ok(self) -> Ran {
        if let Err(error) = &self.result {
            panic!("the script failed: {error:?}");
        }
        self
    }

    /// The error of the script.
    #[track_caller]
    pub(crate) fn error(self) -> String {
        self.result.unwrap_err().to_string()
    }

    pub(crate) fn buy(&self, order: Order) -> Result<Value, ShopError> {
        let _entered = self.registry.enter();
        buy("corner", order)
    }

    /// The reason for which buying was refused.
    #[track_caller]
    pub(crate) fn refusal(&self) -> String {
        self.buy(order("tea")).unwrap_err().to_string()
    }
}
