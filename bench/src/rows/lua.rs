//! Hooks and handlers in Lua, in the sandbox as scripts get it, against a call into a bare Luau state.

use std::hint::black_box;
use std::path::Path;

use hookpoint::events::{Delivery, Event, EventBus, Topic};
use hookpoint::lua::{LuaEngine, Script};
use hookpoint::prelude::*;
use mlua::chunk::Compiler;
use mlua::{Function, Lua};
use tokio::runtime::Runtime;

use super::{Group, Measured, Plan};
use crate::harness::{Samples, Variant, measure};
use crate::report::{Claim, Unit};
use crate::same_body;
use crate::sites::sync_calls;

same_body! {
    #[hooked(point = "bench.lua_idle")] fn idle;
    #[hooked(point = "bench.lua_rust")] fn rust;
    #[hooked(point = "bench.lua_positional")] fn positional;
    #[hooked(point = "bench.lua_proxy")] fn proxy;
    #[hooked(point = "bench.lua_loop")] fn looping;
}

/// Turns of the hot loop: it takes far longer than the call around it.
const TURNS: &str = "for i = 1, 50000 do n += i % 7 end";

const HOOKS: &str = r#"
Hook.register("bench.lua_positional", function(label, b) end, {args = {"label", "b"}})
Hook.register("bench.lua_proxy", function(ctx)
    local label, b = ctx.args.label, ctx.args.b
    ctx.args.a = b
end)
Hook.register("bench.lua_loop", function(label)
    local n = 0
    TURNS
    if n == 0 then error("unreachable") end
end)
"#;

const RELOADED: &str =
    r#"Hook.register("bench.lua_rust", function(label) end, {args = {"label"}})"#;
/// A reload takes far longer than a call, and differs less.
const RELOAD_ROUNDS: usize = 15;

const HANDLER: &str = r#"
Event.subscribe("bench.lua", function(event)
    if event.data == 0 then Event.publish("bench.lua_done", 0) end
end)
"#;

/// Whole hooked calls: the site, the wait for the script's state, its limits, the values, the function.
pub(super) const GROUP: Group = Group {
    claims: &[
        Claim::shown(
            "lua.idle.vs_bare",
            Unit::Ratio,
            "the hooked call of the rows below without a hook, over a call of an empty Lua function in a bare state",
        ),
        Claim::shown(
            "lua.rust.vs_bare",
            Unit::Ratio,
            "with a hook in Rust that does nothing: what hooks in Lua pay as well",
        ),
        Claim::at_most(
            "lua.positional.vs_bare",
            1.3,
            Unit::Ratio,
            "a hooked call with a Lua hook that gets a string and a number by position",
        ),
        Claim::at_most(
            "lua.proxy.vs_bare",
            7.0,
            Unit::Ratio,
            "with a Lua hook that reads two arguments of its context and writes one",
        ),
        Claim::at_most(
            "lua.guarded_loop",
            1.02,
            Unit::Ratio,
            "a hot loop in a Lua hook under its time limit, over the loop in a bare state",
        ),
        Claim::shown(
            "lua.event_ns",
            Unit::Ns,
            "an event, published to a handler in Lua and handled",
        ),
        Claim::shown(
            "lua.reload_ns",
            Unit::Ns,
            "a script with one hook, reloaded: read, compiled, run, and its hook swapped",
        ),
    ],
    measure: lua,
};

/// A function in a state without limits, compiled as scripts are.
fn bare(body: &str) -> Function {
    let state = Lua::new();
    state.set_compiler(Compiler::new().set_optimization_level(1).set_debug_level(1));
    state.enable_jit(true);
    state.sandbox(true).expect("a new state can be sandboxed");
    let code = format!("return function() {body} end");
    // The function keeps no state alive; the program does, as long as it measures.
    let function = state.load(code).eval().expect("the function compiles");
    std::mem::forget(state);
    function
}

fn bare_calls(body: &str) -> impl Fn(u64) {
    let function = bare(body);
    move |n| {
        for _ in 0..n {
            function.call::<()>(()).expect("it raises nothing");
        }
    }
}

fn runtime() -> Result<Runtime, HookError> {
    let builder = &mut tokio::runtime::Builder::new_current_thread();
    builder.enable_time().build().map_err(HookError::other)
}

/// Loads a script and runs it to its end.
fn run(runtime: &Runtime, engine: &LuaEngine, code: &str) -> Result<Script, HookError> {
    let script = engine
        .load_source("bench.lua", code)
        .map_err(HookError::other)?;
    runtime
        .block_on(script.execute())
        .map_err(HookError::other)?;
    Ok(script)
}

/// Publishes n events to the handler and waits until the last is handled.
fn deliveries<'r>(runtime: &'r Runtime, bus: &EventBus) -> Result<impl FnMut(u64) + 'r, HookError> {
    let topic = Topic::from_static("bench.lua").map_err(HookError::other)?;
    let done = bus.subscribe("bench.lua_done").stream();
    let mut done = done.map_err(HookError::other)?;
    let bus = bus.clone();
    Ok(move |n: u64| {
        runtime.block_on(async {
            let mut publisher = bus.publisher(&topic);
            for left in (0..n).rev() {
                let published = publisher.publish(Event::new(&topic, left)).await;
                published.expect("the handler takes every event");
            }
            let told = done.recv().await;
            assert!(matches!(told, Some(Delivery::Event(_))), "{told:?}");
        });
    })
}

fn lua(plan: &Plan) -> Result<Vec<Measured>, HookError> {
    let runtime = runtime()?;
    let bus = EventBus::new();
    let engine = LuaEngine::builder().events(bus.clone()).build();
    let _hooks = run(&runtime, &engine, &HOOKS.replace("TURNS", TURNS))?;
    let _handler = run(&runtime, &engine, HANDLER)?;
    let rust_hook = hooks().intercept("bench.rust", "bench.lua_rust", |_: &mut HookContext<'_>| {
        HookResult::Continue
    });
    let _rust_hook = rust_hook?;
    let loop_body = format!("local n = 0 {TURNS} if n == 0 then error('unreachable') end");
    let samples = measure(
        plan.rounds,
        vec![
            Variant::new("bare", bare_calls("")),
            Variant::new("idle", sync_calls(idle)),
            Variant::new("rust", sync_calls(rust)),
            Variant::new("positional", sync_calls(positional)),
            Variant::new("proxy", sync_calls(proxy)),
            Variant::new("bare loop", bare_calls(&loop_body)),
            Variant::new("loop", sync_calls(looping)),
            Variant::new("event", deliveries(&runtime, &bus)?),
        ],
    );
    assert!(black_box(proxy(1, 2, "label")).is_ok(), "no hook fails");
    let folder = tempfile::tempdir().map_err(HookError::other)?;
    let script = saved(&runtime, &engine, folder.path())?;
    let rounds = plan.rounds.min(RELOAD_ROUNDS);
    let reloaded = measure(
        rounds,
        vec![Variant::new("reload", reloads(&runtime, &script))],
    );
    let event = Measured::new("lua.event_ns", samples.ns("event"));
    Ok(vec![
        row("lua.idle.vs_bare", &samples, "idle", "bare"),
        row("lua.rust.vs_bare", &samples, "rust", "bare"),
        row("lua.positional.vs_bare", &samples, "positional", "bare"),
        row("lua.proxy.vs_bare", &samples, "proxy", "bare"),
        row("lua.guarded_loop", &samples, "loop", "bare loop"),
        event.allocations(samples.allocations("event")),
        Measured::new("lua.reload_ns", reloaded.ns("reload")),
    ])
}

/// A script in a file, run to its end.
fn saved(runtime: &Runtime, engine: &LuaEngine, folder: &Path) -> Result<Script, HookError> {
    let path = folder.join("reloaded.lua");
    std::fs::write(&path, RELOADED).map_err(HookError::other)?;
    let script = engine.load(&path).map_err(HookError::other)?;
    let ran = runtime.block_on(script.execute());
    ran.map(|_| script).map_err(HookError::other)
}

fn reloads<'r>(runtime: &'r Runtime, script: &'r Script) -> impl Fn(u64) + 'r {
    move |n| {
        for _ in 0..n {
            let reloaded = runtime.block_on(script.reload());
            assert_eq!(reloaded.expect("the script is as it was").hooks.len(), 1);
        }
    }
}

fn row(name: &'static str, samples: &Samples, ours: &str, bare: &str) -> Measured {
    let note = format!("{:.1} ns over {:.1} ns", samples.ns(ours), samples.ns(bare));
    Measured::new(name, samples.ratio(ours, bare))
        .allocations(samples.allocations(ours))
        .note(note)
}
