//! Arguments that are plain values, which go to scripts and back without JSON.

use std::thread;

use hooks_lua::LuaEngine;
use hooks_runtime::hooked;
use serde_json::{Value, json};

use crate::kit::{Ran, ShopError, engine, run, run_with};

/// What the body gets.
#[hooked(point = "shop.label")]
fn label(
    text: String,
    word: &str,
    flag: bool,
    count: u64,
    below: i32,
    ratio: f64,
) -> Result<Value, ShopError> {
    Ok(json!([text, word, flag, count, below, ratio]))
}

fn labelled(ran: &Ran, text: &str) -> Result<Value, ShopError> {
    let _entered = ran.registry.enter();
    label(text.to_owned(), "word", true, 7, -1, 0.5)
}

fn hook(body: &str) -> Ran {
    run(&format!("Hook.register('shop.label', {body})")).ok()
}

#[test]
fn each_type_is_read_and_written() {
    let reads =
        "assert(a == 'text' and b == 'word' and c == true and d == 7 and e == -1 and f == 0.5)";
    let by_context = format!(
        "function(ctx)
            local a, b, c, d, e, f = ctx.args.text, ctx.args.word, ctx.args.flag, ctx.args.count, ctx.args.below, ctx.args.ratio
            {reads}
            ctx.args.text, ctx.args.flag, ctx.args.count = 'täxt', false, 8
            ctx.args.below, ctx.args.ratio = -2, 3
            assert(ctx.args.text == 'täxt' and ctx.args.flag == false and ctx.args.count == 8)
            ctx.args.text = ctx.args.text .. '!'
        end"
    );
    let wrote = labelled(&hook(&by_context), "text").unwrap();
    assert_eq!(wrote, json!(["täxt!", "word", false, 8, -2, 3.0]));

    let by_position = format!(
        "function(a, b, c, d, e, f) {reads} end, {{args = {{'text', 'word', 'flag', 'count', 'below', 'ratio'}}}}"
    );
    let same = labelled(&hook(&by_position), "text").unwrap();
    assert_eq!(same, json!(["text", "word", true, 7, -1, 0.5]));
}

#[test]
fn what_does_not_fit_refuses_and_says_which() {
    for (code, why) in [
        ("ctx.args.count = 'many'", "count: invalid type"),
        ("ctx.args.count = -1", "count: invalid value"),
        ("ctx.args.count = 1.5", "count: invalid type"),
        ("ctx.args.count = 0/0", "not finite"),
        ("ctx.args.ratio = 1/0", "not finite"),
        ("ctx.args.flag = 1", "flag: invalid type"),
        ("ctx.args.text = '\\255'", "not UTF-8"),
        ("ctx.args.text = nil", "text: invalid type"),
        ("ctx.args.word = 'other'", "word is read only here"),
        ("ctx.args.txt = 'x'", "did you mean `text`"),
        ("return ctx.args['te\\0xt']", "no argument"),
        ("return ctx.args['\\255']", "no argument"),
        (
            "return ctx.args[string.rep('x', 1000000)]",
            "at most 256 bytes",
        ),
        ("return ctx.args[1]", "names are strings, not a"),
        ("return ctx.args[nil]", "names are strings, not a"),
        ("ctx.args[{}] = 1", "names are strings, not a"),
    ] {
        let ran = hook(&format!("function(ctx) {code} end"));
        let refused = labelled(&ran, "text").unwrap_err().to_string();
        assert!(refused.contains(why), "{code}: {refused}");
        assert!(refused.contains("shop.lua:1"), "{code}: {refused}");
    }
}

#[test]
fn they_are_read_wherever_a_script_runs_code() {
    let ran = hook(
        "function(ctx)
            local args, seen = ctx.args, {}
            local function read() table.insert(seen, args.text) return args.count end
            coroutine.wrap(read)()
            pcall(read)
            xpcall(error, read)
            table.sort({2, 1}, function(a, b) read() return a < b end)
            string.gsub('x', 'x', function() read() end)
            local object = setmetatable({}, {__index = function() return read() end, __concat = read})
            local _ = object.field, object .. 'x'
            local ok, said = pcall(function() return args.nope end)
            assert(not ok and string.find(said, 'no argument'), said)
            coroutine.wrap(function() args.count = 9 end)()
            assert(#seen == 7 and args.count == 9, #seen)
        end",
    );
    assert_eq!(labelled(&ran, "text").unwrap()[3], 9);
}

#[test]
fn an_object_that_was_kept_is_about_no_call() {
    let ran = run("
        local kept
        Hook.register('shop.label', function(ctx) kept = ctx.args end)
        Hook.register('shop.count', function()
            local ok, said = pcall(function() return kept.text end)
            assert(not ok and string.find(said, 'no argument'), said)
            local ok, said = pcall(function() kept.text = 'x' end)
            assert(not ok and string.find(said, 'no argument'), said)
        end)")
    .ok();
    labelled(&ran, "text").unwrap();
    let _entered = ran.registry.enter();
    let counted = crate::kit::count("key".to_owned());
    assert!(counted.is_ok(), "{counted:?}");
}

#[test]
fn a_text_that_the_state_has_no_room_for_refuses() {
    let engine = || {
        let engine: hooks_lua::LuaEngineBuilder = LuaEngine::builder();
        engine.memory_limit(2 << 20)
    };
    for body in [
        "function(ctx) local text = ctx.args.text end",
        "function(ctx) pcall(function() return ctx.args.text end) end",
        "function(ctx) xpcall(function() return ctx.args.text end, function() return 1 end) end",
        "function(ctx) coroutine.resume(coroutine.create(function() return ctx.args.text end)) end",
        "function(ctx) pcall(coroutine.wrap(function() return ctx.args.text end)) end",
        "function(ctx) pcall(Json.encode, {ctx.args.count, string.rep('x', 1500000)}) end",
        "function(text) end, {args = {'text'}}",
    ] {
        let ran = run_with(engine(), &format!("Hook.register('shop.label', {body})")).ok();
        let refused = labelled(&ran, &"x".repeat(4 << 20));
        let refused = refused.map(|_| ()).expect_err(body).to_string();
        assert!(
            refused.contains("more memory than it may"),
            "{body}: {refused}"
        );
        // Until it is reloaded it refuses, whatever it is asked about.
        let refused = labelled(&ran, "text").unwrap_err().to_string();
        assert!(refused.contains("was stopped"), "{body}: {refused}");
    }
}

#[test]
fn threads_that_share_a_script_get_their_own_values() {
    let ran = run_with(
        engine(),
        "Hook.register('shop.label', function(ctx)
            local garbage = {}
            for i = 1, 20 do garbage[i] = ctx.args.text .. i end
            ctx.args.count = tonumber(ctx.args.text) + 1
            ctx.args.text = garbage[20]
        end)",
    )
    .ok();
    thread::scope(|scope| {
        for thread in 0..4_u64 {
            let ran = &ran;
            scope.spawn(move || {
                for turn in 0..500 {
                    let number = thread * 1000 + turn;
                    let got = labelled(ran, &number.to_string()).unwrap();
                    assert_eq!(got[0], format!("{number}20"));
                    assert_eq!(got[3], number + 1);
                }
            });
        }
    });
}

#[test]
fn a_text_has_the_length_that_any_string_may_have() {
    let bought = |body: &str, text: &str| {
        let engine = engine().json_string_bytes(2_000);
        let code = format!("Hook.register('shop.label', {body})");
        labelled(&run_with(engine, &code).ok(), text)
    };
    let assigns =
        |bytes: usize| format!("function(ctx) ctx.args.text = string.rep('x', {bytes}) end");
    let reads = "function(ctx) assert(#ctx.args.text == 2000) end";
    let takes = "function(text) assert(#text == 2000) end, {args = {'text'}}";
    let (fits, longer) = ("y".repeat(2_000), "y".repeat(2_001));
    assert_eq!(bought(&assigns(2_000), "").unwrap()[0], "x".repeat(2_000));
    for body in [reads, takes] {
        bought(body, &fits).unwrap();
    }
    for (body, text) in [(&*assigns(2_001), ""), (reads, &longer), (takes, &longer)] {
        let refused = bought(body, text).unwrap_err().to_string();
        let why = "a string of 2001 bytes is over the limit of 2000";
        assert!(refused.contains(why), "{body}: {refused}");
        assert!(refused.contains("shop.lua:1"), "{body}: {refused}");
    }
}
