//! The rows that Lua can express, with a hook in Lua: the same effects as with one in Rust.

use std::sync::Arc;

use hookpoint::lua::{LuaEngine, Rights};
use hookpoint::test::TestRegistry;
use serde_json::json;

use super::{Kept, Row, Script, Seen, all_hold, futures_executor, rows};

/// Registers the hook of the row that it gets.
const CODE: &str = r#"
local row = ...
local function answer(ctx)
    if ctx.phase ~= row.phase or ctx.component ~= "main" then return end
    if row.changes and row.phase == "pre" then ctx.args.input ..= "!" end
    if row.changes and row.phase == "post" then ctx.result.text ..= "!" end
    local answers = {
        continue = function() return nil end,
        allow = Result.allow,
        ask = function() return Result.ask("may it?") end,
        cancel = function() return Result.cancel("no") end,
        halt = function() return Result.halt("no more") end,
        fail = function() error("the hook fails") end,
        replace_json = function() return Result.replace({text = "replaced"}) end,
        cache = function() return Result.cache({key = "key", ttl_ms = 60000}) end,
        redirect = function() return Result.redirect("other") end,
        retry = function() return Result.retry({max_attempts = 3}) end,
    }
    return answers[row.answer]()
end
local function observe(ctx)
    if ctx.component == "main" then Log.info(ctx.outcome) end
    if row.answer == "panic" then error("the observer fails") end
end
local options = {role = row.role, name = "hook", may_retry = true}
if row.on_failure == "open" then options.on_failure = "open" end
if row.role == "intercept" then options.phase = {"pre", "post", "error"} end
if row.role == "guard" then options.phase = {"pre", "post"} end
Hook.register(row.pattern, if row.role == "observe" then observe else answer, options)
"#;

/// What Lua has no word for: hooks that are futures, values of a Rust type, panics of who is asked, the reach of a
/// halt; and to change something and then fail, because what a script changed is written back when it has answered.
fn can_be_said(row: &Row) -> bool {
    let is_observer = row.get("role") == "observe";
    row.get("hook") == "sync"
        && match row.get("answer") {
            "replace" | "replace_wrong_type" | "halt_root" => false,
            "panic" => is_observer,
            "fail" => row.note("changed") != Some("yes"),
            _ => true,
        }
}

fn word(answer: &str) -> &str {
    match answer {
        "ask_approved" | "ask_denied" => "ask",
        "halt_in_run" => "halt",
        other => other,
    }
}

fn register(row: &Row, _: &TestRegistry, _: &Arc<Script>, seen: &Seen) -> Kept {
    let told = seen.clone();
    let engine = LuaEngine::builder().grant(Rights::everything());
    let engine = engine.log(move |line| {
        told.lock().unwrap().push(line.message.to_string());
    });
    let script = engine.build().load_source("row.lua", CODE).unwrap();
    let row = json!({
        "pattern": super::pattern(row),
        "role": row.get("role"),
        "phase": row.get("phase"),
        "answer": word(row.get("answer")),
        "on_failure": row.get("on_failure"),
        "changes": row.note("changed") == Some("yes"),
    });
    futures_executor(script.execute_with(vec![row])).unwrap();
    Box::new(script)
}

#[test]
fn every_row_that_lua_can_express_holds_through_lua() {
    crate::sites::quiet();
    let rows = rows();
    let said: Vec<&Row> = rows.iter().filter(|row| can_be_said(row)).collect();
    assert!(said.len() > 300, "only {} rows", said.len());
    all_hold(said.into_iter(), register);
}
