//! Tool, Agent, Workflow, Json, Log, print, Script.

use std::sync::{Arc, Mutex};

use hooks_lua::{LogLevel, LuaEngineBuilder, ScriptError};
use hooks_runtime::{HookMetadata, PreparedHook, Vote};
use hooks_tools::{ToolRegistry, util::Calculator};
use serde_json::json;

use crate::hosts::{Agents, Builtins, Tools, Workflows};
use crate::kit::{Printed, block_on, engine, run, run_with};

pub(crate) fn hosted() -> LuaEngineBuilder {
    let tools = Arc::new(ToolRegistry::new());
    tools.register(Calculator::new()).unwrap();
    engine()
        .tools(Tools(tools.clone()))
        .agents(Agents(tools.clone()))
        .workflows(Workflows(tools))
        .builtins(Builtins)
}

fn evaluate(code: &str) -> serde_json::Value {
    run_with(hosted(), code).ok().result.unwrap()
}

#[test]
fn tools_are_listed_found_and_called() {
    assert_eq!(evaluate("return Tool.list()[1].name"), "calculator");
    assert_eq!(
        evaluate("return Tool.get('calculator').parameters.type"),
        "object"
    );
    assert_eq!(
        evaluate("return Tool.invoke('calculator', {expression = '6 * 7'}).result"),
        42
    );
    for (code, why) in [
        ("Tool.get('calculatr')", "did you mean `calculator`"),
        ("Tool.invoke('calculatr', {})", "did you mean `calculator`"),
        ("Tool.invoke('calculator', {expresion = '1'})", "expresion"),
        (
            "Tool.invoke('calculator', {{expression = '1'}})",
            "write Tool.invoke(\"calculator\", {expression = \"1\"})",
        ),
        ("Tool.invoke('calculator', '1')", "a table, not a string"),
        (
            "Tool.invoke('calculator', {}, {})",
            "one table of parameters",
        ),
        ("Tool.invoke()", "Tool.invoke: "),
    ] {
        let error = run_with(hosted(), code).error();
        assert!(
            error.starts_with("shop.lua:1: ") && error.contains(why),
            "{code}: {error}"
        );
    }
}

#[test]
fn a_refusal_is_a_string_for_pcall() {
    let said = evaluate("
        Hook.register('tool.execute', function(ctx) return Result.cancel('no sums') end, {name = 'g', role = 'guard'})
        local ok, said = pcall(Tool.invoke, 'calculator', {expression = '1'})
        assert(ok == false and type(said) == 'string')
        return said");
    assert_eq!(
        said,
        "shop.lua:3: tool.execute refused by hook `g`: no sums"
    );
}

#[test]
fn an_agent_lives_its_life() {
    let code = "
        local agent = Agent.create{name = 'oracle', tools = {'calculator'}, model = {script = {
            {tool = 'calculator', params = {expression = '6 * 7'}}, 'The answer is {{1.result}}.'}}}
        assert(agent:state() == 'initializing' and agent:name() == 'oracle' and typeof(agent) == 'agent')
        agent:initialize()
        local output = agent:execute('What is six times seven?')
        assert(output.tool_calls[1].name == 'calculator')
        assert(agent:invokeTool('calculator', {expression = '2 + 2'}).result == 4)
        local ok, nested = pcall(function() return agent:invokeTool('calculator', {parameters = {expression = '2 + 2'}}) end)
        assert(not ok and nested:find('wrapped'), nested)
        ok, nested = pcall(function() return agent:invokeTool('calculator', {{expression = '2 + 2'}}) end)
        assert(not ok and nested:find('agent:invokeTool(\"calculator\", {expression = \"2 + 2\"})', 1, true), nested)
        assert(not pcall(function() agent:pause() end))
        agent:stop()
        assert(agent:state() == 'terminated')
        return output.text";
    assert_eq!(evaluate(code), "The answer is 42.0.");
    for (code, why) in [
        ("Agent.create{name = 'x'}", "it needs a model"),
        ("Agent.create{nam = 'x'}", "did you mean `name`"),
        (
            "Agent.create{name = 'x', model = {script = {{text = 'a', tool = 'b'}}}}",
            "exactly one of",
        ),
        (
            "Agent.create{name = '', model = {script = {'a'}}}",
            "it needs `name",
        ),
    ] {
        let error = run_with(hosted(), code).error();
        assert!(
            error.starts_with("shop.lua:1: ") && error.contains(why),
            "{code}: {error}"
        );
    }
}

#[test]
fn a_workflow_runs_tools_agents_and_functions_that_wait() {
    let code = "
        local agent = Agent.create{name = 'writer', model = {script = {'done: {{input}}'}}}
        agent:initialize()
        local wf = Workflow.sequential{name = 'invoice', steps = {
            {name = 'net', tool = 'calculator', params = {expression = '3 * 80'}, save_as = 'net'},
            {name = 'gross', run = function(state, input)
                assert(input.result == 240 and state.net.result == 240)
                state.seen = true
                state.net = nil
                return Tool.invoke('calculator', {expression = '240 * 1.5'}).result
            end},
            {name = 'write', agent = agent, input = '{{previous}} EUR'},
        }}
        local output = wf:run({})
        assert(output.state.seen == true and output.state.net == nil and #output.steps == 3)
        return output.value.text";
    assert_eq!(evaluate(code), "done: 360 EUR");
    let code = "
        local tries = 0
        local wf = Workflow.sequential{name = 'w', on_error = 'continue', steps = {
            {name = 'bad', run = function() error('broken') end},
            {name = 'flaky', on_error = {retry = {max_attempts = 3}}, run = function() tries += 1 if tries < 3 then error('again') end return tries end},
        }}
        local output = wf:run('in')
        return {output.steps[1].error, output.value}";
    assert_eq!(evaluate(code), json!(["shop.lua:4: broken", 3]));
    for (code, why) in [
        (
            "Workflow.sequential{name = 'w', steps = {{name = 'a', tol = 'x'}}}",
            "step 1: there is no option `tol`",
        ),
        (
            "Workflow.sequential{name = 'w', steps = {{name = 'a'}}}",
            "exactly one of tool",
        ),
        (
            "Workflow.sequential{name = 'w', steps = {{name = 'a', agent = 'x'}}}",
            "an agent that Agent.create returned",
        ),
        (
            "Workflow.sequential{name = 'w', steps = {{name = 'a', run = print, params = {}}}}",
            "`params` are for a tool",
        ),
        ("Workflow.sequential{name = 'w', steps = {}}", "no steps"),
    ] {
        let error = run_with(hosted(), code).error();
        assert!(
            error.starts_with("shop.lua:1: ") && error.contains(why),
            "{code}: {error}"
        );
    }
}

#[test]
fn waiting_is_refused_where_it_cannot_be() {
    for code in [
        "Hook.register('shop.buy', function() Tool.invoke('calculator', {expression = '1'}) end)",
        "Hook.register('shop.buy', function() pcall(Tool.invoke, 'calculator', {expression = '1'}) error('x') end)",
    ] {
        let ran = run_with(hosted(), code).ok();
        assert!(ran.refusal().contains("shop.lua:1"), "{}", ran.refusal());
    }
    let ran = run_with(
        hosted(),
        "Hook.register('shop.buy', function() Tool.invoke('calculator', {}) end)",
    )
    .ok();
    assert!(
        ran.refusal().contains("has to wait, and a hook can't"),
        "{}",
        ran.refusal()
    );
    let error = run_with(
        hosted(),
        "coroutine.wrap(function() Tool.invoke('calculator', {}) end)()",
    )
    .error();
    assert!(error.contains("outside of `coroutine.create`"), "{error}");
    let error = run_with(hosted(), "coroutine.yield(1)").error();
    assert!(error.contains("coroutine.yield"), "{error}");
    // A script's own coroutines work as they do in Lua.
    assert_eq!(
        evaluate(
            "local f = coroutine.wrap(function() coroutine.yield(1) return 2 end) return f() + f()"
        ),
        3
    );
}

#[test]
fn json_goes_both_ways() {
    let code = "
        assert(Json.encode({}) == '{}' and Json.encode(Json.array{}) == '[]' and Json.encode({1, 2.5, Json.null}) == '[1,2.5,null]')
        local t = Json.decode('{\"a\": [], \"b\": {\"n\": 1}, \"c\": null}')
        assert(t.b.n == 1 and t.c == nil and Json.encode(t) == '{\"a\":[],\"b\":{\"n\":1}}')
        local cyclic = {} cyclic.self = cyclic
        local ok, said = pcall(Json.encode, cyclic)
        assert(not ok and said:find('contains itself'))
        return Json.encode({a = 1}, {pretty = true})";
    assert_eq!(run(code).ok().result.unwrap(), "{\n  \"a\": 1\n}");
}

#[test]
fn print_log_and_info_reach_the_host() {
    let (printed, lines) = (Printed::default(), Arc::new(Mutex::new(Vec::new())));
    let sink = lines.clone();
    let engine = engine()
        .output(printed.clone())
        .log(move |line| sink.lock().unwrap().push(line.clone()));
    let ran = run_with(engine, "print('a', 1, nil, true)\nLog.warn('careful', {n = 1})\nlocal info = Script.info()
        assert(info.name == 'shop.lua' and info.memory_limit_bytes == 67108864 and info.memory_used_bytes > 0)").ok();
    drop(ran);
    assert_eq!(printed.text(), "a\t1\tnil\ttrue\n");
    let lines = lines.lock().unwrap();
    assert_eq!(
        (lines[0].level, lines[0].line, lines[0].message.as_str()),
        (LogLevel::Warn, 2, "careful")
    );
    assert_eq!(lines[0].fields, Some(json!({"n": 1})));
}

#[test]
fn loading_and_running_are_hook_points() {
    let registry = hooks_runtime::test::registry();
    registry.add(PreparedHook::guard(
        HookMetadata::new("reviewed").point("script.load"),
        |cx| {
            let source: &String = cx.arg("source")?;
            Ok(Vote::cancel_if(source.contains("evil"), "not reviewed"))
        },
    ));
    registry.add(PreparedHook::guard(
        HookMetadata::new("quiet").point("script.execute"),
        |cx| {
            Ok(Vote::cancel_if(
                cx.component() == Some("loud.lua"),
                "be quiet",
            ))
        },
    ));
    let engine = engine().build();
    let entered = registry.enter();
    let refused = engine.load_source("a.lua", "evil()").unwrap_err();
    assert!(
        matches!(&refused, ScriptError::Refused(r) if r.hook() == "reviewed"),
        "{refused}"
    );
    let loud = engine.load_source("loud.lua", "return 1").unwrap();
    let good = engine.load_source("good.lua", "return ...").unwrap();
    drop(entered);
    let refused = block_on(registry.wrap(loud.execute())).unwrap_err();
    assert!(
        matches!(&refused, ScriptError::Refused(r) if r.hook() == "quiet"),
        "{refused}"
    );
    let value = block_on(registry.wrap(good.execute_with(vec![json!({"n": 1})]))).unwrap();
    assert_eq!(value, json!({"n": 1}));
}

#[test]
fn the_limits_of_values_are_those_of_the_engine() {
    let limited = || {
        let engine = engine().json_elements(10).json_depth(3);
        engine.json_string_bytes(2_000)
    };
    let fits = "
        local text = string.rep('x', 2000)
        assert(#Json.decode(Json.encode(text)) == 2000)
        assert(#Json.decode(Json.encode({1, 2, 3, 4, 5, 6, 7, 8, 9})) == 9)
        assert(Json.decode(Json.encode({{{}}}))[1][1] ~= nil)
        Hook.register('shop.buy', function(ctx) return Result.replace({ctx.args.order.item}) end)";
    let ran = run_with(limited(), fits).ok();
    assert_eq!(ran.buy(crate::kit::order("tea")).unwrap(), json!(["tea"]));
    let long = "x".repeat(2_001);
    let refused = ran.buy(crate::kit::order(&long)).unwrap_err().to_string();
    assert!(
        refused.contains("2001 bytes is over the limit of 2000"),
        "{refused}"
    );
    for (code, why) in [
        (
            "Json.encode(string.rep('x', 2001))",
            "2001 bytes is over the limit of 2000",
        ),
        (
            "Json.decode('\"' .. string.rep('x', 2001) .. '\"')",
            "over the limit of 2000",
        ),
        (
            "Json.encode({1, 2, 3, 4, 5, 6, 7, 8, 9, 10})",
            "more than 10 values",
        ),
        ("Json.encode(table.create(11, 1))", "more than 10 values"),
        (
            "Json.decode('[1,2,3,4,5,6,7,8,9,10]')",
            "more than 10 values",
        ),
        ("Json.encode({{{{}}}})", "more than 3 tables deep"),
        ("Json.decode('[[[[]]]]')", "more than 3 tables deep"),
        ("return {{{{}}}}", "more than 3 tables deep"),
    ] {
        let error = run_with(limited(), code).error();
        assert!(error.contains(why), "{code}: {error}");
    }
    // Deeper than the stack of a thread is for.
    let deepest = engine().json_depth(usize::MAX);
    let error = run_with(
        deepest,
        "local t = {} for _ = 1, 1000 do t = {t} end Json.encode(t)",
    );
    assert!(error.error().contains("more than 256 tables deep"));
    run_with(
        engine().json_depth(256),
        "local t = {} for _ = 1, 255 do t = {t} end Json.encode(t)",
    )
    .ok();
}
