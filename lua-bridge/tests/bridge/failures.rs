//! Errors, limits, and what they mean for calls.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use hooks_lua::{LuaEngine, ScriptError};
use hooks_runtime::{DecisionRecord, Signal, Sink, Wants};

use crate::kit::{engine, order, run, run_with};

fn guard(body: &str) -> String {
    format!("Hook.register('shop.buy', function(ctx)\n{body}\nend, {{role = 'guard', name = 'g'}})")
}

#[test]
fn a_raised_error_refuses_with_its_place() {
    for (body, message) in [
        ("error('boom')", "shop.lua:2: boom"),
        (
            "local x = nil\nreturn x.y",
            "shop.lua:3: attempt to index nil with 'y'",
        ),
        ("error({code = 1})", "shop.lua"),
        (
            "Hook.register(5)",
            "shop.lua:2: Hook.register: the first argument",
        ),
    ] {
        let ran = run(&guard(body)).ok();
        let refusal = ran.refusal();
        assert!(refusal.contains(message), "{body}: {refusal}");
        assert!(!refusal.contains("stack traceback"), "{refusal}");
    }
}

#[test]
fn on_failure_open_lets_the_call_pass() {
    let ran = run("Hook.register('shop.buy', function() error('boom') end, {role = 'guard', on_failure = 'open'})").ok();
    assert_eq!(ran.buy(order("tea")).unwrap()["body"], true);
}

#[test]
fn an_endless_hook_is_stopped_and_refuses_from_then_on() {
    for body in [
        "while true do end",
        "while true do pcall(function() while true do end end) end",
        "pcall(function() while true do end end)",
        "local s = string.rep('a', 28) return s:find(string.rep('a?', 28) .. s .. 'b')",
        "coroutine.wrap(function() while true do end end)()",
    ] {
        let engine = LuaEngine::builder().hook_time_limit(Duration::from_millis(60));
        let ran = run_with(engine, &guard(body)).ok();
        let refusal = ran.refusal();
        assert!(
            refusal.contains("ran longer than a hook call or"),
            "{body}: {refusal}"
        );
        assert!(ran.refusal().contains("the script was stopped"), "{body}");
        assert!(ran.script.stopped().is_some());
    }
}

#[test]
fn a_hook_has_its_own_shorter_limit() {
    let ran =
        run("Hook.register('shop.buy', function() while true do end end, {timeout_ms = 30})").ok();
    assert!(ran.refusal().contains("ran longer"), "{}", ran.refusal());
}

#[test]
fn a_memory_bomb_refuses_and_ends_the_state() {
    for body in [
        "local t = {} while true do t[#t + 1] = string.rep('x', 100000) .. #t end",
        "local s = 'x' while true do s = s .. s end",
    ] {
        let ran = run_with(engine().memory_limit(8 << 20), &guard(body)).ok();
        let refusal = ran.refusal();
        assert!(
            refusal.contains("more memory than it may"),
            "{body}: {refusal}"
        );
        assert!(ran.script.stopped().is_some());
        assert!(ran.refusal().contains("the script was stopped"));
    }
}

#[test]
fn a_missing_file_and_a_syntax_error_name_file_and_line() {
    let engine = engine().build();
    let missing = engine.load("no/such/file.lua").unwrap_err();
    assert!(matches!(missing, ScriptError::Read { .. }));
    assert!(
        missing.to_string().contains("no/such/file.lua"),
        "{missing}"
    );

    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("broken.lua");
    std::fs::write(&path, "local x = 1\nlocal = 2\n").unwrap();
    let broken = engine.load(&path).unwrap_err();
    assert!(matches!(broken, ScriptError::Syntax(_)));
    assert!(broken.to_string().contains("broken.lua:2:"), "{broken}");
}

#[test]
fn an_error_of_the_script_has_its_place_and_a_traceback() {
    let ran = run("local function inner()\n  error('deep')\nend\ninner()");
    let error = ran.result.unwrap_err();
    assert_eq!(error.to_string(), "shop.lua:2: deep");
    let traceback = error.traceback().unwrap();
    assert!(
        traceback.contains("shop.lua:2") && traceback.contains("shop.lua:4"),
        "{traceback}"
    );
    assert_eq!(
        run("Json.decode('{')")
            .result
            .unwrap_err()
            .to_string()
            .split(" EOF")
            .next(),
        Some("shop.lua:1: Json.decode:")
    );
}

#[test]
fn a_result_without_json_is_an_error_with_the_scripts_name() {
    let error = run("return print").error();
    assert!(
        error.starts_with("shop.lua: the value that it returned: "),
        "{error}"
    );
    assert!(
        error.ends_with("no JSON: a function has no JSON form"),
        "{error}"
    );
}

#[test]
fn the_sandbox_has_no_way_out() {
    let code = "for _, name in {'io', 'package', 'debug', 'loadstring', 'load', 'dofile', 'getfenv', 'setfenv', 'newproxy', 'collectgarbage'} do
            assert(_G[name] == nil, name)
        end
        assert(os.execute == nil and os.getenv == nil and os.exit == nil and os.remove == nil)
        assert(type(os.time()) == 'number' and type(os.clock()) == 'number' and type(os.date()) == 'string')
        assert(string.dump == nil)
        assert(not pcall(function() string.rep = 1 end))
        assert(not pcall(function() Hook.register = 1 end))
        assert(not pcall(function() getmetatable('').__index = {} end))
        mine = 1
        assert(mine == 1)
        assert(Tool == nil and Agent == nil and Workflow == nil)";
    run(code).ok();
    let bytecode = engine().build().load_source("b.lua", "\u{3}\u{1}bytecode");
    assert!(matches!(bytecode.unwrap_err(), ScriptError::Syntax(_)));
}

/// What the registry says of observers that failed.
#[derive(Default)]
struct Failed(Mutex<Vec<String>>);

impl Sink for Failed {
    fn wants(&self) -> Wants {
        Wants::signals_only()
    }
    fn record(&self, _: &DecisionRecord) {}
    fn signal(&self, signal: &Signal<'_>) {
        if let Signal::ObserverFailed { hook, message } = signal {
            self.0.lock().unwrap().push(format!("{hook}: {message}"));
        }
    }
}

#[test]
fn a_failing_observer_changes_nothing_and_is_reported() {
    let ran = run("Hook.register('shop.buy', function(ctx) return ctx.outcom end, {role = 'observe', name = 'o'})").ok();
    let failed = Arc::new(Failed::default());
    ran.registry.add_sink(failed.clone());
    assert_eq!(ran.buy(order("tea")).unwrap()["body"], true);
    let reports = failed.0.lock().unwrap();
    assert!(
        reports[0]
            .starts_with("o: shop.lua:1: ctx: there is no field `outcom`; did you mean `outcome`?"),
        "{reports:?}"
    );
}

#[test]
fn what_a_script_makes_of_its_globals_is_its_own_affair() {
    let quiet = engine().output(crate::kit::Printed::default());
    let ran = run_with(
        quiet,
        "next, tostring, error, coroutine = nil, nil, nil, nil
        Hook.register('shop.buy', function(ctx)
            for name, value in ctx.args do print(name) end
            return Result.cancel('done')
        end)",
    )
    .ok();
    assert!(ran.refusal().ends_with("done"), "{}", ran.refusal());
}

/// What a hook has seen of a call goes in the gate of its state, however the hook ends: a build with debug assertions
/// panics if it does not, which is another failure than the one that is expected here.
#[test]
fn what_was_seen_of_a_call_goes_with_the_hook() {
    for (options, body, expected) in [
        (
            "role = 'guard'",
            "local _ = ctx.args.order error('boom')",
            "boom",
        ),
        (
            "role = 'guard'",
            "ctx.args.order.count = 3",
            "can't be changed by a guard",
        ),
        (
            "role = 'guard'",
            "local _ = ctx.args.order return 5",
            "which is no answer",
        ),
        (
            "role = 'intercept'",
            "local _ = ctx.args.order return 'x'",
            "which is no answer",
        ),
        (
            "role = 'intercept'",
            "ctx.args.order.note = print",
            "has no JSON form",
        ),
        (
            "role = 'intercept'",
            "ctx.args.order = {} error('boom')",
            "boom",
        ),
        (
            "phase = 'post'",
            "local _ = ctx.result error('boom')",
            "boom",
        ),
        (
            "phase = 'post'",
            "ctx.result = {1, x = 2}",
            "both positions",
        ),
        ("args = {'order'}", "error(ctx.item)", "tea"),
        ("args = {'order'}", "ctx.count = print", "has no JSON form"),
        (
            "when = function(ctx) error(ctx.args.order.item) end",
            "",
            "tea",
        ),
        (
            "when = function(ctx) return ctx.args.order end",
            "",
            "has to return true or false, and gave a table",
        ),
        (
            "when = function(ctx) return ctx.args.order.item == 'tea' end",
            "return Result.cancel('no tea')",
            "no tea",
        ),
    ] {
        let code = format!("Hook.register('shop.buy', function(ctx) {body} end, {{{options}}})");
        let refusal = run(&code).ok().refusal();
        assert!(refusal.contains(expected), "{options}: {body}: {refusal}");
    }
}
