//! `Script.on_unload`: what a script does last.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use hooks_events::EventBus;
use hooks_lua::{LuaEngineBuilder, Script};
use hooks_runtime::test::TestRegistry;

use crate::kit::{Printed, Ran, block_on, engine, order, run, run_with};

type Log = Arc<Mutex<Vec<String>>>;

/// What scripts print, and what is logged about them.
fn heard() -> (LuaEngineBuilder, Printed, Log) {
    let (printed, log) = (Printed::default(), Log::default());
    let to = log.clone();
    let engine = engine().output(printed.clone()).log(move |line| {
        to.lock()
            .unwrap()
            .push(format!("{}: {}", line.script, line.message))
    });
    (engine, printed, log)
}

fn loaded(engine: LuaEngineBuilder, code: &str) -> (TestRegistry, Script) {
    let Ran {
        registry, script, ..
    } = run_with(engine, code).ok();
    (registry, script)
}

#[test]
fn it_runs_once_when_the_script_is_dropped_and_its_hooks_are_gone() {
    let (engine, printed, log) = heard();
    let code = "
        Hook.register('shop.buy', print)
        Script.on_unload(function() print('first', #Hook.list(), pcall(Hook.register, 'shop.buy', print)) end)
        Script.on_unload(function() print('last comes first', pcall(Script.on_unload, print)) end)";
    let (registry, script) = loaded(engine.events(EventBus::new()), code);
    assert_eq!((printed.text().as_str(), registry.list().len()), ("", 1));
    drop(script);
    let text = printed.text();
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(lines.len(), 2, "{text}");
    assert!(lines[0].starts_with("last comes first\tfalse\t"), "{text}");
    assert!(lines[0].ends_with("the script is being unloaded"), "{text}");
    assert!(lines[1].starts_with("first\t0\tfalse\t"), "{text}");
    assert!(log.lock().unwrap().is_empty());
}

#[test]
fn it_runs_when_another_version_takes_over_and_not_when_that_fails() {
    let (engine, printed, _) = heard();
    let version = |n: u32, more: &str| {
        format!(
            "Hook.register('shop.buy', function() end, {{name = 'h'}}) Script.on_unload(function() print('{n} goes', #Hook.list()) end) {more}"
        )
    };
    let (registry, script) = loaded(engine, &version(1, ""));
    block_on(registry.wrap(async {
        script
            .reload_source(&version(2, "error('late')"))
            .await
            .unwrap_err();
        assert_eq!(printed.text(), "");
        script.reload_source(&version(3, "")).await.unwrap();
        assert_eq!(printed.text(), "1 goes\t1\n", "the new hook is there");
        script.reload_source("").await.unwrap();
    }));
    drop(script);
    assert_eq!(printed.text(), "1 goes\t1\n3 goes\t0\n");
}

#[test]
fn an_error_is_logged_and_the_next_one_runs() {
    let (engine, printed, log) = heard();
    let code = "Script.on_unload(function() print('done') end)
        Script.on_unload(function() error('oh') end)
        Script.on_unload(function() Time.sleep(1) end)";
    drop(loaded(engine, code));
    assert_eq!(printed.text(), "done\n");
    let log = log.lock().unwrap();
    assert_eq!(log.len(), 2, "{log:?}");
    assert!(
        log[0].starts_with("shop.lua: Script.on_unload: shop.lua:3: Time.sleep has to wait"),
        "{log:?}"
    );
    assert!(
        log[1].starts_with("shop.lua: Script.on_unload: shop.lua:2: oh"),
        "{log:?}"
    );
}

#[test]
fn it_has_the_time_of_a_hook() {
    let (engine, printed, log) = heard();
    let engine = engine.hook_time_limit(Duration::from_millis(100));
    let code = "Script.on_unload(function() print('never') end)
        Script.on_unload(function() while true do end end)";
    let loaded = loaded(engine, code);
    let begun = Instant::now();
    drop(loaded);
    assert!(begun.elapsed() < Duration::from_secs(10));
    assert_eq!(printed.text(), "");
    let log = log.lock().unwrap();
    assert!(
        log.len() == 1 && log[0].contains("ran longer than"),
        "{log:?}"
    );
}

#[test]
fn a_stopped_script_does_not_run_it_and_says_so() {
    let (engine, printed, log) = heard();
    let engine = engine.hook_time_limit(Duration::from_millis(100));
    let code = "Script.on_unload(function() print('never') end)
        Hook.register('shop.buy', function() while true do end end)";
    let ran = run_with(engine, code).ok();
    ran.buy(order("tea")).unwrap_err();
    assert!(log.lock().unwrap().is_empty());
    drop(ran);
    assert_eq!(printed.text(), "");
    let log = log.lock().unwrap();
    assert!(
        log.len() == 1 && log[0].contains("Script.on_unload: shop.lua: the script was stopped"),
        "{log:?}"
    );
}

#[test]
fn what_it_takes_is_a_function_and_not_too_many() {
    let error = run("Script.on_unload('x')").error();
    assert!(
        error.ends_with("it takes a function, not a string"),
        "{error}"
    );
    let error = run("for _ = 1, 101 do Script.on_unload(function() end) end").error();
    assert!(
        error.ends_with("100 functions are the most; call several in one"),
        "{error}"
    );
}
