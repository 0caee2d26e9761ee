//! Scripts that want to stay, to grow, or to get out.
//!
//! Each is the body of a guard. Whatever it does, the call ends in time, is refused, and nobody else notices.

use std::sync::Arc;
use std::time::{Duration, Instant};

use hooks_lua::host::{BoxFuture, HostError, ToolHost};
use hooks_lua::{LuaEngine, LuaEngineBuilder};
use hooks_runtime::Clock;
use hooks_runtime::test::{TestRegistry, registry};
use serde_json::{Value, json};

use crate::hosts::Workflows;
use crate::kit::{Ran, ShopError, block_on, count, fetch, order, run_with, ship};

const LIMIT: Duration = Duration::from_millis(200);
/// The watchdog notices after at most a quarter of the limit; the rest is for its turn, and that of the thread it
/// stops, on a machine whose cores are all busy with other tests.
const SCHEDULING: Duration = Duration::from_millis(600);

/// What becomes of the state.
#[derive(Clone, Copy, Debug, PartialEq)]
enum State {
    /// It hit a limit and is of no more use.
    Ended,
    /// It raised an error and goes on.
    Stays,
    /// The one or the other, by what it meets first.
    Either,
}
use State::{Either, Ended, Stays};

const ENDLESS: &[&str] = &[
    "while true do end",
    "repeat until false",
    "for _ = 1, math.huge do end",
    "while true do pcall(function() while true do end end) end",
    "pcall(function() while true do end end)",
    "xpcall(function() while true do end end, function() while true do end end)",
    "xpcall(error, function() while true do end end)",
    "coroutine.wrap(function() while true do end end)()",
    "while true do coroutine.wrap(function() coroutine.yield() end)() end",
    "while true do pcall(coroutine.wrap(function() while true do end end)) end",
    "coroutine.close(coroutine.create(function() end)) while true do coroutine.create(function() end) end",
    "table.sort({3, 1, 2}, function() while true do end end)",
    "local t = {} for i = 1, 100 do t[i] = i end while true do table.sort(t, function(a, b) return a > b end) end",
    "string.gsub('x', '.', function() while true do end end)",
    "for _ in string.gmatch('xx', 'x') do while true do end end",
    "return setmetatable({}, {__index = function() while true do end end}).x",
    "return #setmetatable({}, {__len = function() while true do end end})",
    "local m = {__eq = function() while true do end end} return setmetatable({}, m) == setmetatable({}, m)",
    "for _ in setmetatable({}, {__iter = function() while true do end end}) do end",
    "return tostring(setmetatable({}, {__tostring = function() while true do end end}))",
    "local s = string.rep('a', 28) return s:find(string.rep('a?', 28) .. s .. 'b')",
    "return string.rep('a', 3000):find('.-.-.-.-b')",
    "return string.rep('a', 3000):match('.*.*.*.*b')",
    "return string.rep('a', 3000):gsub('.-.-.-.-b', '')",
    // In one function of the library, without a step in Lua.
    "local s = string.rep('a', 6000000) return s:find(string.rep('a', 3000000) .. 'b', 1, true)",
    "local s = string.rep('a', 6000000) return s:find(string.rep('a', 3000000) .. 'b')",
    "local s = string.rep('a', 6000000) return s:split(string.rep('a', 3000000) .. 'b')",
    "while true do string.rep('', 2147483647) end",
    "while true do pcall(table.move, {}, 1, 2147483646, 2) end",
    "local t = table.create(1200000, 0) while true do for i = 1, #t do t[i] = math.random() end table.sort(t) end",
];

const GREEDY: &[(&str, State)] = &[
    ("return #string.rep('x', 1000000000)", Ended),
    ("local s = 'x' while true do s = s .. s end", Ended),
    (
        "local t = {} while true do t[#t + 1] = string.rep('x', 100000) .. #t end",
        Ended,
    ),
    ("local t = {} for i = 1, 1e9 do t[i] = {i} end", Ended),
    // Caught: the state is ended all the same.
    (
        "pcall(function() local t = {} for i = 1, 1e9 do t[i] = {i} end end)",
        Ended,
    ),
    (
        "xpcall(function() local t = {} for i = 1, 1e9 do t[i] = {i} end end, function() return 1 end)",
        Ended,
    ),
    (
        "coroutine.resume(coroutine.create(function() local t = {} for i = 1, 1e9 do t[i] = {i} end end))",
        Ended,
    ),
    (
        "pcall(pcall, coroutine.wrap(function() local t = {} for i = 1, 1e9 do t[i] = {i} end end))",
        Ended,
    ),
    // Where a failure is looked at.
    (
        "xpcall(error, function() local t = {} for i = 1, 1e9 do t[i] = {i} end end)",
        Ended,
    ),
    (
        "coroutine.wrap(xpcall)(error, function() return string.rep('x', 1000000000) end)",
        Ended,
    ),
    (
        "xpcall(xpcall, function() end, error, function() return table.create(60000000, 1) end)",
        Ended,
    ),
    // Only words.
    (
        "local _, said = pcall(error, 'a tool: not enough memory') error(said)",
        Stays,
    ),
    ("error('not enough memory', 0)", Stays),
    ("error('not enough memory', 100)", Stays),
    (
        "local _, said = pcall(error, 'not enough memory', 0) error(said, 0)",
        Stays,
    ),
    (
        "local _, said = pcall(assert, false, 'not enough memory') assert(not said, said)",
        Stays,
    ),
    (
        "local _, said = pcall(coroutine.wrap(assert), false, 'not enough memory') error(said)",
        Stays,
    ),
    ("coroutine.wrap(error)('not enough memory')", Stays),
    (
        "xpcall(error, function(said) error(said, 0) end, 'not enough memory', 0) error('x')",
        Stays,
    ),
    (
        "while true do pcall(string.rep, 'x', 1000000000) end",
        Ended,
    ),
    ("return table.create(60000000, 1)", Ended),
    ("return buffer.create(1000000000)", Ended),
    (
        "return table.concat(table.create(1000000, string.rep('x', 1000)))",
        Ended,
    ),
    (
        "return string.format(string.rep('%s', 150), table.unpack(table.create(150, string.rep('x', 1000000))))",
        Ended,
    ),
    ("return string.format('%99999999d', 1)", Stays),
    ("return select('#', table.unpack({}, 1, 100000000))", Stays),
    (
        "return select('#', string.byte(string.rep('x', 10000000), 1, -1))",
        Either,
    ),
    ("local function f() return f() end return f()", Either),
    ("local function f() return 1 + f() end return f()", Either),
    (
        "local function f() return pcall(f) end f() error('out')",
        Either,
    ),
    (
        "local t = {} for _ = 1, 100000 do t = {t} end return Result.replace(t)",
        Stays,
    ),
    (
        "local t = setmetatable({}, {}) getmetatable(t).__index = t return t.x.y",
        Stays,
    ),
];

const INTRUDING: &[(&str, State)] = &[
    ("getmetatable('').__index = {} error('got in')", Stays),
    ("string.rep = nil", Stays),
    ("Hook.register = nil", Stays),
    ("setmetatable(string, {})", Stays),
    ("setmetatable(ctx, {})", Stays),
    ("rawset(ctx, 'args', {})", Stays),
    ("ctx.args = {}", Stays),
    ("return load('return 1')()", Stays),
    ("return loadstring('\\27Lua')()", Stays),
    ("return string.dump(function() end)", Stays),
    ("return require('../../etc/passwd')", Stays),
    ("return io.open('/etc/passwd')", Stays),
    ("return os.execute('id')", Stays),
    ("return debug.getregistry()", Stays),
    ("return getfenv(0)", Stays),
    ("return newproxy(true)", Stays),
    ("collectgarbage('stop')", Stays),
    ("coroutine.yield(1)", Stays),
    (
        "error(setmetatable({}, {__tostring = function() error('again') end}))",
        Stays,
    ),
    (
        "error(setmetatable({}, {__tostring = function() while true do end end}))",
        Either,
    ),
    (
        "return setmetatable({}, {__index = function() while true do end end})",
        Stays,
    ),
    ("local t = {} t.t = t return Result.replace(t)", Stays),
    ("local t = {} t[1] = t Log.info('x', t)", Stays),
    (
        "local t = {} for i = 1, 200000 do t[i] = i end return Json.encode(t)",
        Stays,
    ),
    ("return Json.decode(string.rep('[', 100000))", Stays),
    ("return Json.encode(0 / 0)", Stays),
    ("return Json.encode(string.rep('x', 17000000))", Stays),
    ("ctx.args.order = string.rep('x', 1000)", Stays),
    ("return {type = 'no such answer'}", Stays),
    ("return Result.cache{key = 'x', ttl_ms = -1}", Stays),
    ("return {type = 'replace', data = {1}}", Stays),
];

fn hostile_engine() -> LuaEngineBuilder {
    LuaEngine::builder()
        .hook_time_limit(LIMIT)
        .memory_limit(40 << 20)
        .log(|_| ())
}

/// What a guard does after, and instead of, waiting. `tick` takes a tenth of the limit and answers at once, `never`
/// does not answer.
const WAITING: &[(&str, State)] = &[
    ("Tool.invoke('never')", Stays),
    ("pcall(Tool.invoke, 'never')", Stays),
    ("Time.sleep(86400000)", Stays),
    ("while true do Time.sleep(1) end", Stays),
    ("while true do Time.sleep(0) Tool.invoke('tick') end", Stays),
    ("while true do pcall(Time.sleep, 1) end", Stays),
    ("while true do Tool.invoke('tick') end", Stays),
    ("while true do pcall(Tool.invoke, 'tick') end", Stays),
    (
        "while true do xpcall(Tool.invoke, function() Tool.invoke('tick') end, 'tick') end",
        Stays,
    ),
    (
        "while true do pcall(Tool.invoke, 'unknown') Tool.invoke('tick') end",
        Stays,
    ),
    ("Tool.invoke('tick') while true do end", Ended),
    (
        "pcall(Tool.invoke, 'tick') while true do pcall(function() while true do end end) end",
        Ended,
    ),
    (
        "Tool.invoke('tick') coroutine.wrap(function() while true do end end)()",
        Ended,
    ),
    (
        "Tool.invoke('tick') local t = {} while true do t[#t + 1] = string.rep('x', 100000) .. #t end",
        Ended,
    ),
    ("coroutine.yield(1)", Stays),
    ("coroutine.yield()", Stays),
    ("Tool.invoke('tick') coroutine.yield(ctx)", Stays),
    ("pcall(coroutine.yield, {}) Tool.invoke('never')", Stays),
    ("coroutine.wrap(function() Time.sleep(1) end)()", Stays),
    ("coroutine.wrap(coroutine.wrap(Time.sleep))(1)", Stays),
    ("coroutine.close(coroutine.running())", Stays),
    (
        "local me = coroutine.running() coroutine.wrap(function() assert(coroutine.resume(me)) end)()",
        Stays,
    ),
    (
        "table.sort({3, 1, 2}, function(a, b) Time.sleep(1) return a < b end)",
        Stays,
    ),
    ("('x'):gsub('.', function() Tool.invoke('tick') end)", Stays),
    (
        "return setmetatable({}, {__index = function() Time.sleep(1) end}).x",
        Stays,
    ),
    ("ctx.args.order.item = 'x' Tool.invoke('tick')", Stays),
    ("Tool.invoke('tick') ctx.args.order = nil", Stays),
    (
        "Tool.invoke('tick') return {type = 'no such answer'}",
        Stays,
    ),
    ("Tool.invoke('tick') return Result.replace(1)", Stays),
    ("run(function() while true do end end)", Ended),
    ("run(function() while true do Time.sleep(1) end end)", Stays),
    (
        "run(function() while true do Tool.invoke('tick') end end)",
        Stays,
    ),
    ("run(function() pcall(Tool.invoke, 'never') end)", Stays),
    (
        "for _ = 1, 20 do run(function() Tool.invoke('tick') end) end",
        Stays,
    ),
    (
        "while true do pcall(run, function() error('x') end) Tool.invoke('tick') end",
        Stays,
    ),
];

/// Runs a function as the step of a workflow.
const RUN: &str = "
    local function run(step)
        return Workflow.sequential{name = 'w', steps = {{name = 's', run = step}}}:run({})
    end ";

/// The tools `tick` and `never`.
struct Clockwork(Clock);

impl ToolHost for Clockwork {
    fn list(&self) -> Vec<Value> {
        Vec::new()
    }
    fn get(&self, name: &str) -> Result<Value, HostError> {
        Err(HostError::message(format!("no tool is called `{name}`")))
    }
    fn call<'a>(&'a self, name: &'a str, _: Value) -> BoxFuture<'a, Result<Value, HostError>> {
        Box::pin(async move {
            match name {
                "tick" => Ok(json!(self.0.advance(LIMIT / 10))),
                "never" => std::future::pending().await,
                name => self.get(name),
            }
        })
    }
}

fn guard(body: &str) -> String {
    guard_with(body, "")
}

fn guard_with(body: &str, options: &str) -> String {
    format!(
        "Hook.register('shop.buy', function(ctx)\n{body}\nend, {{role = 'guard', name = 'g'{options}}})"
    )
}

/// The script's guard refuses in time, now and the next time.
#[track_caller]
fn refuses(ran: &Ran, body: &str, state: State) {
    let begun = Instant::now();
    let refusal = match ran.buy(order("tea")) {
        Err(error @ ShopError::Refused(_)) => error.to_string(),
        other => panic!("{body}: {other:?}"),
    };
    let took = begun.elapsed();
    assert!(took < 2 * LIMIT + SCHEDULING, "{body}: {took:?}");
    let stopped = ran.script.stopped();
    match state {
        Ended => assert!(stopped.is_some(), "{body}: {refusal}"),
        Stays => assert!(stopped.is_none(), "{body}: {refusal}"),
        Either => {}
    }
    if stopped.is_some() {
        let again = ran.buy(order("tea")).unwrap_err().to_string();
        assert!(again.contains("the script was stopped"), "{body}: {again}");
    }
}

/// Another script's hook, and one in Rust, work as ever.
#[track_caller]
fn others_go_on(ran: &Ran, body: &str) {
    let _entered = ran.registry.enter();
    assert!(count("x".into()).unwrap() == 7, "{body}");
    let fetched = fetch("tea".into()).unwrap_err().to_string();
    assert!(fetched.contains("sold out"), "{body}: {fetched}");
}

fn corpus(cases: impl Iterator<Item = (&'static str, State)>) {
    corpus_with("", cases);
}

fn corpus_with(options: &str, cases: impl Iterator<Item = (&'static str, State)>) {
    for (body, state) in cases {
        let engine = hostile_engine();
        let ran = run_with(engine, &guard_with(body, options)).ok();
        let other = LuaEngine::builder().build();
        let other = other
            .load_source(
                "other.lua",
                "Hook.register('shop.count', function() return Result.replace(7) end)",
            )
            .unwrap();
        block_on(ran.registry.wrap(other.execute())).unwrap();
        let rust =
            |_: &hooks_runtime::GuardContext<'_>| Ok(hooks_runtime::Vote::cancel("sold out"));
        let _rust = ran.registry.guard("rust", "shop.fetch", rust).unwrap();
        refuses(&ran, body, state);
        others_go_on(&ran, body);

        // Loaded anew, the script has a state without a past.
        let Ran {
            registry, script, ..
        } = ran;
        drop(script);
        let again = hostile_engine().build();
        let again = again
            .load_source("shop.lua", &guard("return Result.cancel('as told')"))
            .unwrap();
        block_on(registry.wrap(again.execute())).unwrap();
        let _entered = registry.enter();
        let refusal = crate::kit::buy("corner", order("tea")).unwrap_err();
        assert!(refusal.to_string().contains("as told"), "{body}: {refusal}");
    }
}

#[test]
fn the_bounded_functions_of_the_library_do_the_same() {
    let code = "
        local text = 'x' .. string.rep('ab', 2000)
        local long = string.rep('ab', 5000)
        for _, s in {text, long .. text, long .. text .. long, text .. long .. text} do
            for _, init in {1, 2, 9000, 10001, 10002, -100, -5000, -20000, 1000000} do
                -- Escaped it is a pattern, which is Luau's own search.
                local pattern = text:gsub('x', '[x]')
                local a, b = s:find(text, init, true)
                local c, d = s:find(pattern, init)
                assert(a == c and b == d, `{#s} {init}: {a} {b}, {c} {d}`)
                local e, f = s:find(text, init)
                assert(a == e and b == f)
            end
        end
        local parts = (text .. long .. text .. 'y'):split(text)
        assert(#parts == 3 and parts[1] == '' and parts[2] == long and parts[3] == 'y')
        assert(#('a,b'):split() == 2 and ('abc'):find('b') == 2 and ('a.c'):find('.', 2, true) == 2)
        assert((''):rep(5) == '' and ('ab'):rep(2) == 'abab')
        local t = table.move({1, 2, 3}, 1, 3, 2)
        assert(t[2] == 1 and t[4] == 3)
        local far = table.move({1}, 1, 1, 1, {9, 9})
        assert(far[1] == 1 and far[2] == 9)
        local many = {}
        for i = 1, 120000 do many[i] = (i * 7919) % 120011 end
        table.sort(many)
        for i = 2, #many do assert(many[i - 1] <= many[i]) end
        local ok, said = pcall(table.move, {}, 1, 1000000, 2)
        assert(not ok and said:find('at most 100000 at a time'), said)";
    run_with(hostile_engine().memory_limit(256 << 20), code).ok();
    for (code, said) in [
        ("return ('x'):find('[')", "shop.lua:1: malformed pattern"),
        (
            "return string.rep()",
            "shop.lua:1: invalid argument #1 to 'rep'",
        ),
    ] {
        let error = run_with(hostile_engine(), code).error();
        assert!(error.starts_with(said), "{error}");
    }
}

#[test]
fn what_a_script_raises_is_said_as_ever() {
    let code = "
        local function said(...) return select(2, pcall(...)) end
        local function raise(...) error(...) end
        assert(said(raise, 'x') == 'shop.lua:3: x', said(raise, 'x'))
        assert(said(function() raise('x', 2) end) == 'shop.lua:5: x')
        assert(said(function()
            raise('x', 3)
        end) == 'x')
        assert(said(raise, 'x', 0) == 'x' and said(raise) == nil and said(error) == nil)
        local object = {}
        assert(said(raise, object) == object and said(raise, object, 2) == object)
        assert(said(function() assert(false) end) == 'shop.lua:12: assertion failed!')
        assert(said(function() assert(nil, 'no') end) == 'shop.lua:13: no')
        assert(said(function() assert(nil, 7) end) == 'shop.lua:14: 7')
        assert(said(assert, false, 'no') == 'no')
        assert(said(assert) == \"missing argument #1\", said(assert))
        assert(said(assert, false, {}):find(\"string expected, got table\"))
        assert(select('#', assert(1, nil, 3)) == 3 and select(3, assert(1, 2, 3)) == 3)
        local ok, why = pcall(raise, 'not enough memory', 0)
        assert(why == 'not enough memory (says the script)', why)
        assert(said(raise, 'not enough memory') == 'shop.lua:3: not enough memory (says the script)')";
    run_with(hostile_engine(), code).ok();
}

#[test]
fn what_wants_to_stay_is_stopped() {
    corpus(ENDLESS.iter().map(|body| (*body, Ended)));
}

#[test]
fn what_wants_to_grow_is_stopped() {
    corpus(GREEDY.iter().copied());
}

#[test]
fn what_wants_to_get_out_stays_in() {
    corpus(INTRUDING.iter().copied());
}

#[test]
fn what_wants_to_stay_is_stopped_where_it_may_wait() {
    corpus_with(", async = true", ENDLESS.iter().map(|body| (*body, Ended)));
}

#[test]
fn what_wants_to_get_out_stays_in_where_it_may_wait() {
    corpus_with(", async = true", INTRUDING.iter().copied());
}

/// Asks the guard at an asynchronous site, while the registry's clock goes with that of the timers.
async fn asked(registry: &TestRegistry) -> Result<Value, ShopError> {
    let clock = registry.clock();
    let ticking = async {
        loop {
            tokio::time::sleep(LIMIT / 20).await;
            clock.advance(LIMIT / 20);
        }
    };
    tokio::select! {
        () = ticking => unreachable!("it has no end"),
        asked = registry.wrap(ship("corner", order("tea"))) => asked,
    }
}

#[tokio::test(start_paused = true)]
async fn who_waits_too_long_or_for_nothing_is_stopped() {
    for (body, state) in WAITING {
        let registry = registry();
        let clock = registry.clock().clone();
        let tools = Arc::new(hooks_tools::ToolRegistry::new());
        let engine = hostile_engine()
            .tools(Clockwork(clock.clone()))
            .workflows(Workflows(tools));
        let code = guard_with(&format!("{RUN}{body}"), ", async = true");
        let script = engine.build();
        let script = script
            .load_source("shop.lua", &code.replace("shop.buy", "shop.ship"))
            .unwrap();
        registry.wrap(script.execute()).await.unwrap();
        let (begun, at) = (Instant::now(), clock.now());
        let refusal = match asked(&registry).await {
            Err(error @ ShopError::Refused(_)) => error.to_string(),
            other => panic!("{body}: {other:?}"),
        };
        let (took, passed) = (begun.elapsed(), clock.now() - at);
        assert!(took < 2 * LIMIT + SCHEDULING, "{body}: {took:?}");
        assert!(passed <= LIMIT + LIMIT / 10, "{body}: {passed:?}");
        let stopped = script.stopped();
        assert_eq!(stopped.is_some(), *state == Ended, "{body}: {refusal}");
        // It is asked again, and refuses again.
        let again = asked(&registry).await.unwrap_err().to_string();
        let expected = stopped.map_or("", |_| "the script was stopped");
        assert!(again.contains(expected), "{body}: {again}");
    }
}
