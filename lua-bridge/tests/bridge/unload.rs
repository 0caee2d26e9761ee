//! `Script.on_unload`: what a script does last.

use std::io::Write;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use hooks_events::EventBus;
use hooks_lua::{LuaEngineBuilder, Script};
use hooks_runtime::test::{TestRegistry, registry};

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

/// Tells of each line, and writes a line `stays` only when it may go on: a script that prints it stays in its state.
struct Holds {
    tells: Sender<String>,
    goes_on: Receiver<()>,
}

impl Write for Holds {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let line = String::from_utf8_lossy(bytes).trim().to_owned();
        let stays = line == "stays";
        self.tells.send(line).map_err(std::io::Error::other)?;
        if stays {
            self.goes_on.recv().map_err(std::io::Error::other)?;
        }
        Ok(bytes.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// A script with something to do last, whose state is in use until `goes_on` is told so.
struct InUse {
    runtime: tokio::runtime::Runtime,
    registry: Arc<TestRegistry>,
    script: Arc<Script>,
    said: Receiver<String>,
    goes_on: Sender<()>,
    log: Log,
}

/// Longer than anything here takes, if it ends at all.
const LONG: Duration = Duration::from_secs(30);

fn in_use(limit: Duration) -> InUse {
    let (tells, said) = channel();
    let (goes_on, waits) = channel();
    let log = Log::default();
    let to = log.clone();
    let engine = engine().hook_time_limit(limit).output(Holds {
        tells,
        goes_on: waits,
    });
    let engine = engine.log(move |line| to.lock().unwrap().push(line.message.clone()));
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    let runtime = builder.worker_threads(2).enable_all().build().unwrap();
    let registry = Arc::new(registry());
    let code = "Script.on_unload(function() print('goes') end)";
    let script = Arc::new(engine.build().load_source("shop.lua", code).unwrap());
    runtime.block_on(registry.wrap(script.execute())).unwrap();
    let user = script.clone();
    runtime.spawn(async move { user.evaluate("shop.lua", "print('stays')").await });
    assert_eq!(said.recv_timeout(LONG).as_deref(), Ok("stays"));
    InUse {
        runtime,
        registry,
        script,
        said,
        goes_on,
        log,
    }
}

const NEW: &str = "Hook.register('shop.buy', function() end, {name = 'new'})";

#[test]
fn a_reload_waits_for_the_old_state_for_the_time_of_a_hook() {
    let InUse {
        runtime,
        registry,
        script,
        goes_on,
        log,
        said,
    } = in_use(Duration::from_millis(50));
    let (ended, end) = channel();
    runtime.spawn(async move {
        let reloaded = registry.wrap(script.reload_source(NEW)).await;
        ended.send(reloaded).unwrap();
    });
    let reloaded = end.recv_timeout(LONG);
    goes_on.send(()).unwrap();
    let reloaded = reloaded.expect("it does not wait for ever").unwrap();
    assert_eq!(reloaded.hooks, ["new"]);
    let log = log.lock().unwrap();
    assert!(
        log.len() == 1 && log[0].contains("in use by another call for 50ms"),
        "{log:?}"
    );
    assert!(said.try_recv().is_err());
}

#[test]
fn it_runs_also_if_nobody_waits_for_the_reload() {
    let InUse {
        runtime,
        registry,
        script,
        goes_on,
        log,
        said,
    } = in_use(LONG);
    let (reloaded, within) = (script.clone(), registry.clone());
    let reload = async move { within.wrap(reloaded.reload_source(NEW)).await.map(|_| ()) };
    let reload = runtime.spawn(reload);
    let begun = Instant::now();
    while registry.list().is_empty() {
        assert!(begun.elapsed() < LONG, "the new version took over");
        std::thread::yield_now();
    }
    reload.abort();
    assert!(runtime.block_on(reload).unwrap_err().is_cancelled());
    goes_on.send(()).unwrap();
    assert_eq!(said.recv_timeout(LONG).as_deref(), Ok("goes"));
    drop(runtime);
    assert!(log.lock().unwrap().is_empty());
}
