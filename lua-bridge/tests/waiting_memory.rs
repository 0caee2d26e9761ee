//! What calls leave in memory whose hooks waited, however they ended: nothing.

#[path = "bridge/allocator.rs"]
mod allocator;

use std::task::{Context, Poll, Waker};
use std::time::Duration;

use allocator::live_bytes;
use hooks_lua::host::{BoxFuture, HostError, ToolHost};
use hooks_lua::{LuaEngine, Script};
use hooks_runtime::test::{TestRegistry, registry};
use hooks_runtime::{HookRefusal, hooked};
use serde_json::Value;

#[hooked(point = "memory.call")]
async fn call(text: String, numbers: Vec<u32>) -> Result<String, HookRefusal> {
    let _ = numbers;
    Ok(text)
}

/// `never` does not answer, others do at once.
struct Tools;

impl ToolHost for Tools {
    fn list(&self) -> Vec<Value> {
        Vec::new()
    }
    fn get(&self, _: &str) -> Result<Value, HostError> {
        Ok(Value::Null)
    }
    fn call<'a>(&'a self, name: &'a str, _: Value) -> BoxFuture<'a, Result<Value, HostError>> {
        Box::pin(async move {
            if name == "never" {
                std::future::pending::<()>().await;
            }
            Ok(Value::from(vec![0_u8; 1000]))
        })
    }
}

const CODE: &str = "Hook.register('memory.call', function(ctx)
        local held = string.rep('x', 100000) .. ctx.call_id
        local numbers = ctx.args.numbers
        ctx.args.text ..= '+'
        Tool.invoke(ctx.args.text:match('^%a+'))
        return held and numbers and nil
    end, {async = true, timeout_ms = 1000})";

struct Calls {
    runtime: tokio::runtime::Runtime,
    registry: TestRegistry,
    script: Script,
}

impl Calls {
    /// Begins a call, lets `meanwhile` happen, and lets it go on once more; nothing: it still waits, and is dropped.
    fn call(&self, tool: &str, meanwhile: impl FnOnce()) -> Option<Result<String, HookRefusal>> {
        let mut call = Box::pin(self.registry.wrap(call(tool.to_owned(), vec![7; 5_000])));
        let mut cx = Context::from_waker(Waker::noop());
        if let Poll::Ready(done) = call.as_mut().poll(&mut cx) {
            return Some(done);
        }
        meanwhile();
        match call.as_mut().poll(&mut cx) {
            Poll::Ready(done) => Some(done),
            Poll::Pending => None,
        }
    }

    fn reload(&self) {
        let reloaded = self.registry.wrap(self.script.reload_source(CODE));
        self.runtime.block_on(reloaded).unwrap();
    }

    fn cycle(&self) {
        // Dropped, answered, too late, and dropped after its script was reloaded.
        assert!(self.call("never", || ()).is_none());
        assert_eq!(self.call("ready", || ()).unwrap().unwrap(), "ready+");
        let late = self.call("never", || {
            self.registry.clock().advance(Duration::from_secs(1));
        });
        assert!(late.unwrap().is_err());
        assert!(self.call("never", || self.reload()).is_none());
    }
}

/// The only test of this program: nothing else allocates meanwhile.
#[test]
fn calls_whose_hooks_waited_leave_nothing() {
    // A debug build takes ten times as long for a cycle.
    let cycles = if cfg!(debug_assertions) { 150 } else { 2_000 };
    let registry = registry();
    registry.stop_recording();
    let engine = LuaEngine::builder()
        .memory_limit(16 << 20)
        .tools(Tools)
        .build();
    let script = engine.load_source("memory.lua", CODE).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    let runtime = runtime.unwrap();
    runtime.block_on(registry.wrap(script.execute())).unwrap();
    let calls = Calls {
        runtime,
        registry,
        script,
    };
    (0..50).for_each(|_| calls.cycle());
    let before = live_bytes();
    (0..cycles).for_each(|_| calls.cycle());
    let after = live_bytes();
    println!("{before} bytes before {cycles} cycles, {after} after");
    assert_eq!((engine.states(), calls.script.stopped()), (1, None));
    assert!(
        after <= before + before / 10,
        "{before} bytes before {cycles} cycles, {after} bytes after"
    );

    // Without a reload: more of them than the script may hold at once.
    for _ in 0..400 {
        assert!(calls.call("never", || ()).is_none());
    }
    assert_eq!(calls.script.stopped(), None);
    calls.reload();
    let after = live_bytes();
    assert!(
        after <= before + before / 10,
        "{before} bytes before 400 dropped calls, {after} bytes after"
    );
}
