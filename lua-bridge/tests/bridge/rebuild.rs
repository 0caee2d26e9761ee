//! A script that was stopped at a limit is built anew.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use hooks_events::{Delivery, EventBus, Subscription};
use hooks_lua::{LuaEngine, LuaEngineBuilder, Script};
use hooks_runtime::test::{TestRegistry, registry};
use hooks_runtime::{GuardContext, Vote};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::kit::{buy, engine, order};

/// Its guard runs for ever if somebody buys a trap.
const GUARD: &str = "
    local says = ...
    runs = (runs or 0) + 1
    Hook.register('shop.buy', function(ctx)
        if ctx.args.order.item == 'trap' then while true do end end
        return Result.cancel(says .. runs)
    end, {role = 'guard', name = 'g'})";
const BACKOFF: Duration = Duration::from_secs(30);
const CALM: Duration = Duration::from_secs(3600);

struct Shop {
    registry: TestRegistry,
    engine: LuaEngine,
    script: Script,
    told: Subscription,
}

fn limited(bus: &EventBus) -> LuaEngineBuilder {
    let engine = engine().events(bus.clone()).log(|_| ());
    engine.hook_time_limit(Duration::from_millis(50))
}

/// A script that ran with the arguments `"no "`.
async fn shop(times: u32, code: &str) -> Shop {
    let bus = EventBus::new();
    let told = bus.subscribe("script.reload").stream().unwrap();
    let engine = limited(&bus).rebuild(times, BACKOFF, CALM).build();
    let registry = registry();
    let script = engine.load_source("shop.lua", code).unwrap();
    let ran = registry.wrap(script.execute_with(vec![json!("no ")])).await;
    ran.unwrap();
    Shop {
        registry,
        engine,
        script,
        told,
    }
}

impl Shop {
    fn refusal(&self, item: &str) -> String {
        let _entered = self.registry.enter();
        buy("corner", order(item)).unwrap_err().to_string()
    }

    /// Has it hit its limit; until it is built anew, its guard refuses everything.
    fn trap(&self) {
        assert!(self.refusal("trap").contains("ran longer"));
        for _ in 0..3 {
            assert!(self.refusal("tea").contains("the script was stopped"));
        }
    }

    async fn told(&mut self) -> Value {
        match self.told.recv().await.unwrap() {
            Delivery::Event(event) => event.json().unwrap().clone(),
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn it_runs_anew_with_the_same_arguments_and_says_why() {
    let mut shop = shop(5, GUARD).await;
    assert!(shop.refusal("tea").ends_with("no 1"));
    let begun = Instant::now();
    shop.trap();
    let told = shop.told().await;
    assert_eq!(begun.elapsed(), Duration::ZERO, "the first time at once");
    assert_eq!((&told["ok"], &told["hooks"]), (&json!(true), &json!(["g"])));
    assert!(
        told["reason"].as_str().unwrap().contains("ran longer"),
        "{told}"
    );
    assert_eq!(shop.script.stopped(), None);
    assert!(
        shop.refusal("tea").ends_with("no 1"),
        "a state without a past"
    );
    assert_eq!((shop.engine.states(), shop.registry.list().len()), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn each_further_one_waits_longer_and_there_is_a_last() {
    let mut shop = shop(3, GUARD).await;
    for wait in [Duration::ZERO, BACKOFF, 2 * BACKOFF] {
        let begun = Instant::now();
        shop.trap();
        assert_eq!(shop.told().await["ok"], true);
        let took = begun.elapsed();
        assert!(
            took >= wait && took < wait + Duration::from_secs(1),
            "{took:?}"
        );
    }
    shop.trap();
    let told = shop.told().await;
    assert_eq!(told["ok"], false);
    assert!(
        told["error"].as_str().unwrap().contains("3 times in a row"),
        "{told}"
    );
    tokio::time::sleep(CALM * 2).await;
    assert!(shop.script.stopped().is_some(), "it stays stopped");

    // Its owner's reload begins a new row.
    shop.registry
        .wrap(shop.script.reload_source(GUARD))
        .await
        .unwrap();
    assert_eq!(shop.told().await["reason"], Value::Null);
    assert!(shop.refusal("tea").ends_with("no 1"));
    shop.trap();
    assert_eq!(shop.told().await["ok"], true);
}

#[tokio::test(start_paused = true)]
async fn a_row_ends_when_it_has_gone_on_for_a_while() {
    let mut shop = shop(1, GUARD).await;
    for _ in 0..3 {
        shop.trap();
        assert_eq!(shop.told().await["ok"], true);
        tokio::time::sleep(CALM).await;
    }
    shop.trap();
    assert_eq!(shop.told().await["ok"], true);
    shop.trap();
    assert_eq!(shop.told().await["ok"], false);
}

#[tokio::test(start_paused = true)]
async fn one_that_fails_is_tried_again_and_the_guard_stays_closed() {
    let mut shop = shop(5, GUARD).await;
    let left = Arc::new(AtomicU32::new(2));
    let counted = left.clone();
    let guard = move |_: &GuardContext<'_>| {
        let before = counted.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| n.checked_sub(1));
        Ok(Vote::cancel_if(before.is_ok(), "not yet"))
    };
    let _guard = shop
        .registry
        .guard("later", "script.execute", guard)
        .unwrap();
    let begun = Instant::now();
    shop.trap();
    for _ in 0..2 {
        let told = shop.told().await;
        assert!(
            told["error"].as_str().unwrap().contains("not yet"),
            "{told}"
        );
        assert!(shop.refusal("tea").contains("the script was stopped"));
    }
    assert_eq!(shop.told().await["ok"], true);
    assert!(begun.elapsed() >= 3 * BACKOFF);
    assert!(shop.refusal("tea").ends_with("no 1"));
}

#[tokio::test(start_paused = true)]
async fn it_is_not_built_anew_if_nobody_wants_it() {
    // The owner stopped it.
    let stopped = shop(5, GUARD).await;
    stopped.script.stopper().stop();
    tokio::time::sleep(CALM).await;
    assert_eq!(
        stopped.script.stopped().as_deref(),
        Some("the host stopped it")
    );
    // Behind its limit, before it is built anew.
    let mut late = shop(5, GUARD).await;
    late.trap();
    late.script.stopper().stop();
    let told = tokio::time::timeout(CALM, late.told()).await;
    assert!(told.is_err(), "{told:?}");
    assert!(late.script.stopped().is_some());
    // There are to be none.
    let never = shop(0, GUARD).await;
    never.trap();
    tokio::time::sleep(CALM).await;
    assert!(never.script.stopped().is_some());
    // It is dropped.
    let gone = shop(5, GUARD).await;
    gone.trap();
    let Shop {
        registry,
        engine,
        script,
        ..
    } = gone;
    drop(script);
    tokio::time::sleep(CALM).await;
    assert_eq!((engine.states(), registry.list().len()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn one_that_dies_in_its_own_run_is_not_run_again() {
    let bus = EventBus::new();
    let engine = limited(&bus).memory_limit(16 << 20).build();
    let registry = registry();
    let runs = Arc::new(AtomicU32::new(0));
    let counted = runs.clone();
    let count = move |_: &mut hooks_runtime::HookContext<'_>| {
        counted.fetch_add(1, Ordering::SeqCst);
    };
    let _count = registry
        .intercept("count", "script.execute", count)
        .unwrap();
    let script = engine.load_source("bomb.lua", "local s = 'x' while true do s ..= s end");
    let script = script.unwrap();
    assert!(registry.wrap(script.execute()).await.is_err());
    tokio::time::sleep(CALM).await;
    assert_eq!(runs.load(Ordering::SeqCst), 1);
    assert!(script.stopped().is_some());
}

#[tokio::test(start_paused = true)]
async fn an_exhausted_memory_is_a_limit_too() {
    let bus = EventBus::new();
    let mut told = bus.subscribe("script.reload").stream().unwrap();
    let engine = limited(&bus).hook_time_limit(Duration::from_secs(20));
    let engine = engine.memory_limit(16 << 20).build();
    let registry = registry();
    let script = engine.load_source(
        "shop.lua",
        "local kept = {}
         Hook.register('shop.buy', function() while #kept < 1000 do table.insert(kept, table.create(10000, 1)) end end)",
    );
    let script = script.unwrap();
    registry.wrap(script.execute()).await.unwrap();
    for _ in 0..2 {
        let refused = {
            let _entered = registry.enter();
            buy("corner", order("tea")).unwrap_err().to_string()
        };
        assert!(refused.contains("more memory"), "{refused}");
        let event = told.recv().await.unwrap();
        let event = event.event().unwrap().json().unwrap().clone();
        assert!(
            event["ok"] == true && event["reason"].as_str().unwrap().contains("more memory"),
            "{event}"
        );
        tokio::time::sleep(Duration::from_secs(120)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn one_that_is_dropped_while_it_is_built_anew_leaves_nothing() {
    let Shop {
        registry,
        engine,
        script,
        mut told,
    } = shop(5, GUARD).await;
    let owned = Arc::new(std::sync::Mutex::new(Some(script)));
    let owner = owned.clone();
    let drops = move |_: &mut hooks_runtime::HookContext<'_>| drop(owner.lock().unwrap().take());
    let _drops = registry
        .intercept("drops", "script.execute", drops)
        .unwrap();
    {
        let _entered = registry.enter();
        buy("corner", order("trap")).unwrap_err();
    }
    tokio::time::sleep(CALM).await;
    assert!(owned.lock().unwrap().is_none(), "it was built anew");
    assert_eq!((engine.states(), registry.list().len()), (0, 1));
    // Nobody is told of a script that is gone, or that it failed.
    let event = tokio::time::timeout(CALM, told.recv()).await;
    if let Ok(Some(Delivery::Event(event))) = event {
        assert_eq!(event.json().unwrap()["ok"], false);
    }
}

#[tokio::test(start_paused = true)]
async fn a_limit_that_is_hit_at_once_counts_in_the_row() {
    let bus = EventBus::new();
    let mut told = bus.subscribe("script.reload").stream().unwrap();
    // Of the old state, which can't do what it does last, it is told when the new one is there, and nobody has seen
    // that yet.
    let trapped = Arc::new(AtomicU32::new(0));
    let counted = trapped.clone();
    let traps = move |line: &hooks_lua::LogLine| {
        let is_refused = || buy("corner", order("trap")).is_err();
        if line.message.contains("Script.on_unload") && is_refused() {
            counted.fetch_add(1, Ordering::SeqCst);
        }
    };
    let engine = limited(&bus).log(traps).rebuild(1, BACKOFF, CALM).build();
    let registry = registry();
    let code = format!("{GUARD} Script.on_unload(function() end)");
    let script = engine.load_source("shop.lua", &code).unwrap();
    let ran = registry.wrap(script.execute_with(vec![json!("no ")])).await;
    ran.unwrap();
    {
        let _entered = registry.enter();
        buy("corner", order("trap")).unwrap_err();
    }
    for ok in [true, false] {
        let event = told.recv().await.unwrap();
        let event = event.event().unwrap().json().unwrap().clone();
        assert_eq!(event["ok"], ok, "{event}");
    }
    assert_eq!(trapped.load(Ordering::SeqCst), 1);
    let more = tokio::time::timeout(CALM / 2, told.recv()).await;
    assert!(more.is_err(), "{more:?}");
    assert!(script.stopped().is_some(), "it stays stopped");
}
