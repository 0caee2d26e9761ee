//! `Hook.call`: calls at points that a script names.

use std::time::Duration;

use hooks_events::{EventBus, HookEventSystem};
use hooks_lua::{LuaEngineBuilder, Rights};
use hooks_runtime::{HookResult, Vote};
use serde_json::{Value, json};

use crate::globals::hosted;
use crate::kit::{Ran, block_on, engine, run, run_with};

fn result(code: &str) -> Value {
    run_with(hosted(), code).ok().result.unwrap()
}

#[test]
fn hooks_change_the_arguments_and_the_result() {
    let code = "
        Hook.register('calls.sum', function(ctx)
            assert(ctx.point == 'calls.sum' and ctx.args.b == 2)
            ctx.args.a = ctx.args.a * 10
        end)
        Hook.register('calls.sum', function(ctx) ctx.result += 0.5 end, {phase = 'post'})
        local seen
        local sum = Hook.call('calls.sum', {a = 4, b = 2}, function(args)
            seen = args
            return args.a + args.b
        end)
        return {sum = sum, seen = seen}";
    assert_eq!(
        result(code),
        json!({"sum": 42.5, "seen": {"a": 40, "b": 2}})
    );
}

#[test]
fn without_a_function_the_arguments_come_back() {
    let code = "
        local before = Hook.call('calls.plain', {order = {cents = 7}})
        Hook.register('calls.plain', function(ctx) ctx.args.order.cents += 1 end)
        local after = Hook.call('calls.plain', {order = {cents = 7}})
        local none = Hook.call('calls.none')
        return {before.order.cents, after.order.cents, next(none) == nil}";
    assert_eq!(result(code), json!([7, 8, true]));
}

#[test]
fn a_refusal_is_an_error_with_its_reason_and_the_function_does_not_run() {
    let code = "
        Hook.register('calls.pay', function(ctx)
            if ctx.args.cents > 100 then return Result.cancel('too much') end
        end, {role = 'guard', name = 'limit'})
        local paid = 0
        local function pay(cents)
            return pcall(Hook.call, 'calls.pay', {cents = cents}, function(args) paid += args.cents return 'paid' end)
        end
        local ok, said = pay(50)
        assert(ok and said == 'paid')
        local ok, said = pay(500)
        assert(not ok and paid == 50)
        return said";
    assert_eq!(
        result(code),
        "shop.lua:7: calls.pay refused by hook `limit`: too much"
    );
}

#[test]
fn hooks_answer_repeat_and_hear_of_failures() {
    let code = "
        Hook.register('calls.ask', function(ctx)
            if ctx.args.known then return Result.replace('known') end
        end)
        Hook.register('calls.ask', function(ctx)
            heard = ctx.error
            if ctx.attempt < 3 then return Result.retry{max_attempts = 3} end
        end, {phase = 'error', may_retry = true})
        local attempts = 0
        local function ask(known)
            return Hook.call('calls.ask', {known = known}, function(args)
                attempts += 1
                Time.sleep(1)
                if attempts < 3 then error('busy') end
                return attempts
            end)
        end
        assert(ask(true) == 'known' and attempts == 0)
        assert(ask(false) == 3, 'it was asked again')
        assert(heard:find('shop.lua:14: busy', 1, true), heard)
        attempts = -10
        local ok, said = pcall(ask, false)
        assert(not ok and attempts == -7)
        return said";
    let said = result(code);
    let said = said.as_str().unwrap();
    assert!(said.ends_with("shop.lua:14: busy"), "{said}");
}

#[test]
fn hooks_in_rust_are_asked_and_records_are_made() {
    let registry = hooks_runtime::test::registry();
    let guard = |cx: &hooks_runtime::GuardContext<'_>| {
        Ok(Vote::cancel_if(cx.arg_json("n")? == json!(13), "unlucky"))
    };
    let _guard = registry.guard("luck", "calls.*", guard).unwrap();
    let _answer = registry.intercept("one", "calls.number", |cx| {
        Ok(match cx.arg_json("n")? == json!(1) {
            true => HookResult::replace_json(json!("one")),
            false => HookResult::Continue,
        })
    });
    let script = hosted().build().load_source(
        "shop.lua",
        "local function number(n) return Hook.call('calls.number', {n = n}, function(args) return args.n end) end
         local ok, said = pcall(number, 13)
         return {number(1), number(2), said}",
    );
    let script = script.unwrap();
    let result = block_on(registry.wrap(script.execute())).unwrap();
    assert_eq!(result[0], "one");
    assert_eq!(result[1], 2);
    assert!(result[2].as_str().unwrap().ends_with("unlucky"), "{result}");
    let record = registry.last("calls.number");
    assert_eq!(record.args()[0].name, "n");
}

#[test]
fn what_is_wrong_is_said_with_the_line() {
    let many = "{a=1, b=1, c=1, d=1, e=1, f=1, g=1, h=1, i=1}";
    for (code, why) in [
        (
            "Hook.call()",
            "the first argument is the name of a point, not a nil",
        ),
        (
            "Hook.call('calls.x', true)",
            "a table of arguments, not a boolean",
        ),
        ("Hook.call('calls.x', {1})", "arguments have names"),
        (
            "Hook.call('calls.x', {}, 'f')",
            "the function to call, not a string",
        ),
        (
            "Hook.call('calls.x', {['a b'] = 1})",
            "has an argument whose name is none",
        ),
        (
            &format!("Hook.call('calls.x', {many})"),
            "is called with 9 arguments, and 8 are the most",
        ),
        ("Hook.call('calls.*')", "is no point of your own"),
        ("Hook.call('tool.execute')", "is no point of your own"),
        ("Hook.call('tool.exekute')", "did you mean `tool.execute`"),
        (
            "coroutine.wrap(function() Hook.call('calls.x') end)()",
            "has to wait",
        ),
    ] {
        let rights = Rights::parse(["standard", "call:tool.*", "call:calls.*"]).unwrap();
        let error = run_with(engine().grant(rights), code).error();
        assert!(
            error.starts_with("shop.lua:1: ") && error.contains(why),
            "{code}: {error}"
        );
    }
    let ran = run("Hook.register('shop.buy', function() Hook.call('calls.x') end)").ok();
    assert!(
        ran.refusal()
            .contains("Hook.call has to wait, and a hook can't unless")
    );
}

#[test]
fn calling_is_a_right_and_points_of_the_program_are_granted_by_name() {
    let call = |granted: &[&str], point: &str| -> Ran {
        let engine = engine().grant(Rights::parse(granted).unwrap());
        run_with(
            engine,
            &format!("return Hook.call('{point}', {{key = 'x'}})"),
        )
    };
    for (granted, point) in [
        (&[][..], "calls.free"),
        (&["call:other.*", "hook:>:*"], "calls.free"),
        (&["standard"], "shop.count"),
        (&["call:>", "call:shop.buy"], "shop.count"),
    ] {
        let error = call(granted, point).error();
        let lacks =
            format!("shop.lua:1: Hook.call: `shop.lua` lacks the capability `call:{point}`");
        assert!(error.starts_with(&lacks), "{granted:?}: {error}");
    }
    for (granted, point) in [
        (&["standard"][..], "calls.free"),
        (&["call:calls.free"], "calls.free"),
        (&["call:shop.*"], "shop.count"),
        (&["call:shop.count"], "shop.count"),
    ] {
        assert_eq!(
            call(granted, point).ok().result.unwrap(),
            json!({"key": "x"})
        );
    }
    let error = run("Hook.call('shop.count')").error();
    assert!(
        error.contains("lacks the capability `call:shop.count`"),
        "{error}"
    );
}

#[test]
fn scripts_name_no_more_points_than_they_may() {
    let code = "
        for i = 1, 3 do Hook.call('calls.many', {['a' .. i] = 1}) end
        for i = 1, 3 do Hook.call('calls.many', {['a' .. i] = 1}) end
        for i = 1, 20 do assert(not pcall(Hook.call, 'calls.many', {['a ' .. i] = 1})) end
        Hook.call('calls.one_more')";
    let error = run_with(engine().named_points_limit(3), code).error();
    assert!(
        error.contains("`calls.one_more()` is one too many"),
        "{error}"
    );
    run_with(engine().named_points_limit(4), code).ok();
}

#[test]
fn a_function_of_a_handler_has_the_limit_of_handlers() {
    let limited = |engine: LuaEngineBuilder| engine.hook_time_limit(Duration::from_millis(100));
    let bus = EventBus::new();
    let registry = hooks_runtime::test::registry();
    let engine = limited(hosted()).events(bus.clone()).build();
    let script = engine.load_source(
        "shop.lua",
        "Event.subscribe('go', function() Hook.call('calls.endless', {}, function() while true do end end) end)
         Event.publish('go', {})",
    );
    let script = script.unwrap();
    block_on(registry.wrap(async {
        let system = HookEventSystem::builder().registry((*registry).clone());
        let system = system.bus(bus).build().unwrap();
        script.execute().await.unwrap();
        system.shutdown(Duration::from_secs(20)).await;
    }));
    let why = script.stopped().expect("it was stopped");
    assert!(why.contains("ran longer"), "{why}");
}

#[test]
fn a_point_is_known_once_it_is_named() {
    let registry = hooks_runtime::HookRegistry::new();
    let scope = hooks_runtime::HookScope::isolated(&registry);
    let code = |name: &str| {
        format!(
            "{name} Hook.register('calls.declared', function(ctx) return Result.replace(ctx.args.n + 1) end)
             return Hook.call('calls.declared', {{n = 1}})"
        )
    };
    let run = |name: &str| {
        let script = engine()
            .build()
            .load_source("shop.lua", &code(name))
            .unwrap();
        block_on(scope.wrap(script.execute()))
    };
    let error = run("").unwrap_err().to_string();
    assert!(error.contains("matches no hook point"), "{error}");
    assert_eq!(run("Hook.point('calls.declared', {'n'})").unwrap(), 2);
    let error = run("Hook.point('calls.declared', {'n m'})")
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("has an argument whose name is none"),
        "{error}"
    );
}
