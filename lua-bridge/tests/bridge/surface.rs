//! `when`, groups, figures, `Time`, `Script.requires` and the smaller parts of the API.

use hooks_lua::LogLevel;
use hooks_lua::host::{ConditionHost, HostError};
use hooks_runtime::test::registry;
use hooks_runtime::{Condition, GuardContext};
use serde_json::json;

use crate::kit::{engine, order, run, run_with};

#[test]
fn a_function_says_in_which_calls_a_hook_takes_part() {
    let ran = run(
        "Hook.register('shop.buy', function() return Result.cancel('no tea') end,
        {role = 'guard', when = function(ctx) return ctx.args.order.item == 'tea' end})",
    )
    .ok();
    assert!(ran.refusal().contains("no tea"));
    assert!(ran.buy(order("coffee")).is_ok());
}

#[test]
fn a_condition_that_fails_is_a_failure_of_the_hook() {
    for (when, why) in [
        (
            "function() return 1 end",
            "shop.lua:1: `when` has to return true or false, and gave a",
        ),
        ("function() end", "and gave a nil"),
        ("function() error('broken') end", "shop.lua:1: broken"),
        ("function(ctx) return ctx.args.nope end", "nope"),
        (
            "function(ctx) ctx.args.shop = 'x' return true end",
            "can't be changed by a guard",
        ),
    ] {
        let ran = run(&format!(
            "Hook.register('shop.buy', print, {{when = {when}}})"
        ))
        .ok();
        let said = ran.refusal();
        assert!(said.contains(why), "{when}: {said}");
    }
    let error = run("Hook.register('shop.buy', print, {when = 7})").error();
    assert!(
        error.contains("`when` must be a function or a condition as text"),
        "{error}"
    );
}

/// Knows one word.
struct Words;

impl ConditionHost for Words {
    fn compile(&self, text: &str) -> Result<Box<dyn Condition>, HostError> {
        match text {
            "corner" => Ok(Box::new(|cx: &GuardContext<'_>| {
                Ok(cx.component() == Some("corner"))
            })),
            other => Err(HostError::message(format!("no word `{other}`"))),
        }
    }
}

#[test]
fn text_is_a_condition_in_the_language_of_the_host() {
    let code = "Hook.register('shop.buy', function() return Result.cancel('not there') end, {when = 'corner'})";
    let ran = run_with(engine().conditions(Words), code).ok();
    assert!(ran.refusal().contains("not there"));
    let error = run_with(
        engine().conditions(Words),
        &code.replace("corner", "elsewhere"),
    )
    .error();
    assert!(
        error.contains("`when = \"elsewhere\"`: no word `elsewhere`"),
        "{error}"
    );
    assert!(run(code).error().contains("no language for `when` as text"));
}

#[test]
fn a_group_of_hooks_goes_at_once_and_no_other() {
    let ran = run("
        local cancel = function() return Result.cancel('x') end
        Hook.register('shop.buy', cancel, {group = 'a', name = 'one'})
        Hook.register('shop.buy', cancel, {group = 'a', tags = {'t'}, name = 'two'})
        Hook.register('shop.buy', print, {group = 'b', name = 'three'})
        local first = Hook.clear{group = 'a'}
        assert(#Hook.list{own = true} == 1 and Hook.clear{group = 'a'} == 0)
        return first * 10 + Hook.clear()")
    .ok();
    assert_eq!(ran.result.as_ref().unwrap(), 21);
    assert!(ran.buy(order("tea")).is_ok());
    assert!(
        run("Hook.clear{grup = 'a'}")
            .error()
            .contains("did you mean `group`")
    );
}

#[test]
fn groups_of_others_stay() {
    let registry = registry();
    let _kept = registry
        .on("theirs")
        .point("shop.buy")
        .tag("group:a")
        .guard(|_| Ok(hooks_runtime::Vote::Pass))
        .unwrap();
    let script = engine()
        .build()
        .load_source("shop.lua", "return Hook.clear{group = 'a'} + Hook.clear()")
        .unwrap();
    let cleared = crate::kit::block_on(registry.wrap(script.execute())).unwrap();
    assert_eq!((cleared, registry.list().len()), (json!(0), 1));
}

#[test]
fn a_handle_shows_what_was_measured() {
    let ran = run("
        handle = Hook.register('shop.buy', function() end, {name = 'timed'})
        assert(handle:stats().enabled and handle:stats().time == nil)
        Hook.register('shop.fetch', function()
            handle:disable()
            local stats = handle:stats()
            return Result.replace(`{stats.enabled} {stats.time.count > 0}`)
        end)")
    .ok();
    let monitor = ran.registry.monitor();
    monitor.start(hooks_runtime::monitor::Thresholds::default().sample_every(1));
    for _ in 0..1000 {
        ran.buy(order("tea")).unwrap();
    }
    monitor.stop();
    let _entered = ran.registry.enter();
    assert_eq!(crate::kit::fetch("tea".into()).unwrap(), "false true");
}

#[tokio::test(start_paused = true)]
async fn sleeping_waits_and_lets_others_go_on() {
    let script = engine()
        .build()
        .load_source("shop.lua", "Time.sleep(60000) return 'awake'")
        .unwrap();
    let before = tokio::time::Instant::now();
    assert_eq!(script.execute().await.unwrap(), "awake");
    assert_eq!(before.elapsed().as_secs(), 60);
}

#[test]
fn times_are_milliseconds_in_utc() {
    let value = |code: &str| run(code).ok().result.unwrap();
    assert_eq!(
        value("return Time.iso(1767323045678)"),
        "2026-01-02T03:04:05.678Z"
    );
    assert_eq!(value("return Time.iso(0)"), "1970-01-01T00:00:00.000Z");
    assert_eq!(
        value("local now = Time.now() return now > 1.7e12 and now % 1 == 0 and #Time.iso() == 24"),
        true
    );
    for (code, why) in [
        ("Time.iso(0/0)", "is no time in milliseconds"),
        ("Time.iso(1e300)", "is no time in milliseconds"),
        ("Time.sleep(-1)", "from 0 to 86400000"),
        ("Time.sleep(0/0)", "from 0 to 86400000"),
        ("Time.sleep(1e12)", "from 0 to 86400000"),
    ] {
        let error = run(code).error();
        assert!(
            error.starts_with("shop.lua:1: ") && error.contains(why),
            "{code}: {error}"
        );
    }
    let ran = run("Hook.register('shop.buy', function() Time.sleep(1) end)").ok();
    assert!(
        ran.refusal()
            .contains("Time.sleep has to wait, and a hook can't")
    );
}

#[test]
fn a_script_says_what_it_requires() {
    let ran = run(
        "Json = nil return Script.requires{'Hook', 'Hook.register', 'Json'} and Script.requires('Log.debug')",
    );
    assert_eq!(ran.ok().result.unwrap(), true);
    for (code, why) in [
        ("Script.requires('State')", "this program has no `State`"),
        (
            "Script.requires('State')",
            "(it has: Approval, Env, Hook, Json, Log, Result, Script, Time)",
        ),
        (
            "Script.requires{'Hook', 'Event.replay'}",
            "no `Event.replay`",
        ),
        (
            "Script.requires('Hook.regster')",
            "did you mean `Hook.register`?",
        ),
        ("Script.requires(7)", "write a name or a list of names"),
        ("State = 1 Script.requires('State')", "no `State`"),
    ] {
        let error = run(code).error();
        assert!(
            error.starts_with("shop.lua:1: Script.requires: ") && error.contains(why),
            "{code}: {error}"
        );
    }
}

#[test]
fn a_question_may_be_a_table() {
    let ran = run("Hook.register('shop.buy', function() return Result.ask{question = 'may they?'} end, {role = 'guard'})").ok();
    assert!(ran.refusal().contains("may they?"));
    for (code, why) in [
        ("Result.ask{quest = 'x'}", "there is no option `quest`"),
        ("Result.ask{question = ' '}", "it needs `question"),
        ("Result.ask(' ')", "the question is empty"),
        ("Result.ask(print)", "Result.ask: "),
    ] {
        let error = run(code).error();
        assert!(error.contains(why), "{code}: {error}");
    }
}

#[test]
fn debugging_has_a_level_of_its_own() {
    let seen = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let sink = std::sync::Arc::clone(&seen);
    let engine = engine().log(move |line| {
        sink.lock()
            .unwrap()
            .push((line.level, line.message.clone()))
    });
    run_with(engine, "Log.debug('here')").ok();
    assert_eq!(
        *seen.lock().unwrap(),
        [(LogLevel::Debug, "here".to_owned())]
    );
    assert!(LogLevel::Debug < LogLevel::Info);
}

#[test]
fn a_version_that_is_being_loaded_clears_its_own_groups() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("shop.lua");
    std::fs::write(
        &path,
        "Hook.register('shop.buy', print, {group = 'a', name = 'old'})",
    )
    .unwrap();
    let registry = registry();
    let script = engine().build().load(&path).unwrap();
    let done = crate::kit::block_on(registry.wrap(async {
        script.execute().await.unwrap();
        let code = "Hook.register('shop.buy', print, {group = 'a', name = 'new'})
            Hook.register('shop.buy', print, {group = 'b', name = 'kept'})
            assert(Hook.clear{group = 'a'} == 1)";
        std::fs::write(&path, code).unwrap();
        script.reload().await
    }));
    assert!(done.is_ok(), "{done:?}");
    assert_eq!(script.hooks(), ["kept"]);
}
