//! Re-entrance, and calls from other threads.

use std::sync::{Arc, Barrier};
use std::time::Duration;

use hooks_lua::LuaEngine;
use hooks_lua::host::{BoxFuture, HostError, ToolHost};
use hooks_runtime::test::registry;
use serde_json::{Value, json};

use crate::kit::{buy, engine, order};

/// A tool host whose tools buy: synchronously, or on other threads.
struct Shop;

impl ToolHost for Shop {
    fn list(&self) -> Vec<Value> {
        vec![json!({"name": "buy"})]
    }
    fn get(&self, name: &str) -> Result<Value, HostError> {
        Ok(json!({"name": name}))
    }
    fn call<'a>(&'a self, name: &'a str, _: Value) -> BoxFuture<'a, Result<Value, HostError>> {
        Box::pin(async move {
            match name {
                "here" => Ok(buy("corner", order("tea"))?),
                "yielding" => {
                    tokio::task::yield_now().await;
                    Ok(buy("corner", order("tea"))?)
                }
                _ => {
                    let tasks: Vec<_> = (0..8)
                        .map(|_| {
                            hooks_runtime::spawn(async {
                                tokio::task::yield_now().await;
                                buy("corner", order("tea")).map(|_| ())
                            })
                        })
                        .collect();
                    for task in tasks {
                        task.await??;
                    }
                    Ok(Value::Null)
                }
            }
        })
    }
}

const CODE: &str = "
    local asked = 0
    Hook.register('shop.buy', function(ctx) asked += 1 ctx.args.order.count = asked end)
    Tool.invoke('here')
    Tool.invoke('yielding')
    Tool.invoke('elsewhere')
    return asked";

#[test]
fn hooks_are_asked_while_the_script_waits_for_what_asks_them() {
    for threads in [1, 4] {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(threads)
            .build()
            .unwrap();
        let registry = registry();
        let script = engine()
            .tools(Shop)
            .build()
            .load_source("shop.lua", CODE)
            .unwrap();
        let asked = runtime.block_on(registry.wrap(script.execute())).unwrap();
        assert_eq!(asked, 10, "{threads} threads");
    }
}

#[test]
fn threads_take_turns_in_one_state() {
    let registry = registry();
    let script = engine()
        .build()
        .load_source("shop.lua", "local n = 0 Hook.register('shop.buy', function(ctx) n += 1 ctx.args.order.count = n end)")
        .unwrap();
    crate::kit::block_on(registry.wrap(script.execute())).unwrap();
    let mut counts: Vec<u64> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4)
            .map(|_| {
                scope.spawn(|| {
                    let _entered = registry.enter();
                    let count = |_| buy("corner", order("tea")).unwrap()["order"]["count"].as_u64();
                    (0..50).filter_map(count).collect::<Vec<_>>()
                })
            })
            .collect();
        threads
            .into_iter()
            .flat_map(|thread| thread.join().unwrap())
            .collect()
    });
    counts.sort_unstable();
    assert_eq!(counts, (1..=200).collect::<Vec<_>>());
}

#[test]
fn a_busy_state_is_waited_for_no_longer_than_the_limit() {
    // The script is in its own endless loop: its hooks can't be asked, so calls are refused at the deadline.
    let registry = registry();
    let started = Arc::new(Barrier::new(2));
    let barrier = started.clone();
    let engine = LuaEngine::builder()
        .hook_time_limit(Duration::from_millis(40))
        .log(move |_| {
            barrier.wait();
        })
        .build();
    let code =
        "Hook.register('shop.buy', function() end, {name = 'h'}) Log.info('in') while true do end";
    let script = engine.load_source("shop.lua", code).unwrap();
    let stopper = script.stopper();
    std::thread::scope(|scope| {
        let running = scope.spawn(|| crate::kit::block_on(registry.wrap(script.execute())));
        started.wait();
        let entered = registry.enter();
        let refused = buy("corner", order("tea")).unwrap_err().to_string();
        assert!(
            refused.contains("in use by another call for 40ms"),
            "{refused}"
        );
        drop(entered);
        stopper.stop();
        let error = running.join().unwrap().unwrap_err().to_string();
        assert_eq!(error, "script `shop.lua` was stopped: the host stopped it");
    });
}

#[test]
fn scripts_that_ask_each_other_from_two_threads_go_on() {
    // Each script's log calls a function that the other one hooks, while it is inside of its own state.
    let registry = registry();
    let both = Arc::new(Barrier::new(2));
    let make = |name: &str, other: &'static str| {
        let barrier = both.clone();
        let log = move |_: &hooks_lua::LogLine| {
            barrier.wait();
            // Either waits for the other's state until the deadline, and then fails.
            drop(buy(other, order("tea")));
        };
        let engine = LuaEngine::builder()
            .hook_time_limit(Duration::from_millis(40))
            .log(log)
            .build();
        let code = format!(
            "Hook.register('shop.buy', function() end, {{name = '{name}'}}) Log.info('x') return 'done'"
        );
        engine.load_source(&format!("{name}.lua"), &code).unwrap()
    };
    let (a, b) = (make("a", "b"), make("b", "a"));
    std::thread::scope(|scope| {
        let other = scope.spawn(|| crate::kit::block_on(registry.wrap(b.execute())));
        assert_eq!(
            crate::kit::block_on(registry.wrap(a.execute())).unwrap(),
            "done"
        );
        assert_eq!(other.join().unwrap().unwrap(), "done");
    });
}

#[tokio::test]
async fn a_dropped_run_drops_what_it_waits_for() {
    struct Never(tokio::sync::mpsc::UnboundedSender<()>);
    impl ToolHost for Never {
        fn list(&self) -> Vec<Value> {
            Vec::new()
        }
        fn get(&self, name: &str) -> Result<Value, HostError> {
            Err(HostError::message(format!("no tool is called `{name}`")))
        }
        fn call<'a>(&'a self, _: &'a str, _: Value) -> BoxFuture<'a, Result<Value, HostError>> {
            let sender = self.0.clone();
            Box::pin(async move {
                sender
                    .send(())
                    .map_err(|_| HostError::message("the test is over"))?;
                std::future::pending().await
            })
        }
    }
    let (sender, mut begun) = tokio::sync::mpsc::unbounded_channel();
    let engine = engine().tools(Never(sender.clone())).build();
    drop(sender);
    let script = engine
        .load_source("shop.lua", "Tool.invoke('never')")
        .unwrap();
    tokio::select! {
        ended = script.execute() => panic!("{ended:?}"),
        _ = begun.recv() => {}
    }
    drop((script, engine));
    assert!(begun.recv().await.is_none());
}

#[test]
fn registering_and_calling_from_all_sides_ends() {
    let registry = registry();
    let code = "for i = 1, 200 do
            local h = Hook.register('shop.buy', function(ctx) ctx.args.order.count = i end)
            if i % 2 == 0 then h:unregister() end
        end";
    let script = engine().build().load_source("shop.lua", code).unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| crate::kit::block_on(registry.wrap(script.execute())).unwrap());
        for _ in 0..2 {
            scope.spawn(|| {
                let _entered = registry.enter();
                for _ in 0..100 {
                    buy("corner", order("tea")).unwrap();
                }
            });
        }
        scope.spawn(|| {
            for _ in 0..200 {
                drop(registry.intercept("theirs", "shop.buy", |_| ()).unwrap());
            }
        });
    });
    assert_eq!(script.hooks().len(), 100);
}

#[test]
fn runs_can_be_spawned() {
    fn spawnable<T: Send>(_: &T) {}
    let script = engine()
        .build()
        .load_source("shop.lua", "return 1")
        .unwrap();
    spawnable(&script.execute());
}
