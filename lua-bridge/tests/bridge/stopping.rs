//! A version of a script that is still to take over is stopped with it.

use std::io::Write;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use hooks_lua::{LuaEngine, LuaEngineBuilder, Script, ScriptError};
use hooks_runtime::test::{TestRegistry, registry};
use hooks_runtime::{HookGuard, HookResult};

use crate::kit::{buy, engine, order};

/// It says that it runs, and runs for ever.
const LOOP: &str = "print('runs') while true do end";
/// It says that it runs, and waits for ever.
const WAIT: &str = "print('runs') Time.sleep(8e7)";
const TRAP: &str = "Hook.register('shop.buy', function() while true do end end, {role = 'guard'})";
/// Longer than anything here takes, if it ends at all.
const LONG: Duration = Duration::from_secs(30);

/// Tells of each line that a script prints.
struct Tells(Sender<()>);

impl Write for Tells {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.send(()).map_err(std::io::Error::other)?;
        Ok(bytes.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn telling() -> (LuaEngineBuilder, Receiver<()>) {
    let (told, tells) = channel();
    (engine().log(|_| ()).output(Tells(told)), tells)
}

fn runtime() -> tokio::runtime::Runtime {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    builder.worker_threads(2).enable_all().build().unwrap()
}

/// The value that a worker sends, or nothing if it runs for ever.
fn within<T>(end: &Receiver<T>, runtime: tokio::runtime::Runtime) -> Option<T> {
    let ended = end.recv_timeout(LONG);
    runtime.shutdown_background();
    ended.ok()
}

#[test]
fn a_reload_that_does_not_end_is_stopped() {
    for code in [LOOP, WAIT] {
        let (engine, tells) = telling();
        let (runtime, registry) = (runtime(), registry());
        let script = engine.build().load_source("shop.lua", "").unwrap();
        runtime.block_on(registry.wrap(script.execute())).unwrap();
        let stopper = script.stopper();
        let (ended, end) = channel();
        let reloads = registry.wrap(async move {
            let reloaded = script.reload_source(code).await;
            ended.send((reloaded, script)).unwrap();
        });
        runtime.spawn(reloads);
        tells.recv_timeout(LONG).unwrap();
        stopper.stop();
        let (reloaded, script) = within(&end, runtime).expect("it was stopped");
        let stopped = matches!(&reloaded, Err(ScriptError::Stopped { why, .. }) if why == "the host stopped it");
        assert!(stopped, "{code}: {reloaded:?}");
        assert_eq!(script.stopped().as_deref(), Some("the host stopped it"));
    }
}

/// A script that hit its limit and is being built anew, of code that does not end.
struct Rebuilt {
    runtime: tokio::runtime::Runtime,
    engine: LuaEngine,
    script: Script,
    /// With the hook that changes the source.
    _registry: (TestRegistry, HookGuard),
}

fn rebuilt(code: &'static str) -> Rebuilt {
    let (engine, tells) = telling();
    let engine = engine.hook_time_limit(Duration::from_millis(50)).build();
    let (runtime, registry) = (runtime(), registry());
    let script = engine.load_source("shop.lua", TRAP).unwrap();
    runtime.block_on(registry.wrap(script.execute())).unwrap();
    let swaps = registry
        .intercept("swaps", "script.load", move |cx| {
            *cx.arg_mut::<String>("source")? = code.to_owned();
            Ok(HookResult::Continue)
        })
        .unwrap();
    {
        let _entered = registry.enter();
        buy("corner", order("tea")).unwrap_err();
    }
    tells.recv_timeout(LONG).unwrap();
    Rebuilt {
        runtime,
        engine,
        script,
        _registry: (registry, swaps),
    }
}

#[test]
fn building_anew_that_does_not_end_is_stopped() {
    let Rebuilt {
        runtime,
        engine,
        script,
        _registry,
    } = rebuilt(LOOP);
    script.stopper().stop();
    runtime.shutdown_timeout(LONG);
    assert_eq!(engine.states(), 1, "the one that was being built runs on");
    assert!(script.stopped().is_some());
}

#[test]
fn building_anew_that_does_not_end_goes_with_the_script() {
    for code in [LOOP, WAIT] {
        let Rebuilt {
            runtime,
            engine,
            script,
            _registry,
        } = rebuilt(code);
        drop(script);
        runtime.shutdown_timeout(LONG);
        assert_eq!(engine.states(), 0, "{code}: it runs on");
    }
}
