//! What scripts may do: the operator's grant, cut down by their manifest.

use hooks_events::EventBus;
use hooks_lua::{Rights, ScriptError};
use serde_json::json;

use crate::globals::hosted;
use crate::kit::{Ran, block_on, engine, order, run_with};

/// A script with tools, agents, workflows and events that is granted these capabilities only.
fn run_granted(granted: &[&str], code: &str) -> Ran {
    let rights = Rights::parse(granted).unwrap();
    run_with(hosted().events(EventBus::new()).grant(rights), code)
}

const CLERK: &str = "model = {script = {'done'}}";

#[test]
fn what_is_not_granted_fails_and_names_the_capability() {
    let agent = format!("Agent.create{{name = 'a', tools = {{'calculator'}}, {CLERK}}}");
    let all_tools = format!("Agent.create{{name = 'a', {CLERK}}}");
    for (granted, code, missing) in [
        (
            &[][..],
            "Hook.register('shop.buy', print)",
            "hook:shop.buy:intercept",
        ),
        (
            &["hook:shop.buy:observe"],
            "Hook.register('shop.buy', print, {role = 'guard'})",
            "hook:shop.buy:guard",
        ),
        (
            &["hook:shop.buy:*"],
            "Hook.register('shop.*', print)",
            "hook:shop.*:intercept",
        ),
        (
            &["hook:shop.*:*"],
            "Hook.register('shop.>', print)",
            "hook:shop.>:intercept",
        ),
        (
            &["hook:agent.*:*"],
            "Hook.register('BeforeToolExecution', print)",
            "hook:tool.execute:intercept",
        ),
        (
            &["event:publish:app.>"],
            "Event.publish('order.made', {})",
            "event:publish:order.made",
        ),
        (
            &["event:publish:app.>"],
            "Event.request('price.of', {}, 1)",
            "event:publish:price.of",
        ),
        (
            &["event:subscribe:order.*"],
            "Event.subscribe('>', print)",
            "event:subscribe:>",
        ),
        (
            &["event:subscribe:order.*"],
            "Event.subscribe('order.>', print)",
            "event:subscribe:order.>",
        ),
        (
            &["event:subscribe:order.*"],
            "Event.history('hook.>')",
            "event:subscribe:hook.>",
        ),
        (
            &["tool:reader"],
            "Tool.invoke('calculator', {expression = '1'})",
            "tool:calculator",
        ),
        (&["tool:calculator"], &agent, "agent"),
        (&["agent"], &agent, "tool:calculator"),
        (&["agent", "tool:calculator"], &all_tools, "tool:*"),
        (
            &["tool:*"],
            "Workflow.sequential{name = 'w', steps = {}}",
            "workflow",
        ),
        (
            &["workflow"],
            "Workflow.sequential{name = 'w', steps = {{name = 's', tool = 'calculator'}}}",
            "tool:calculator",
        ),
    ] {
        let ran = run_granted(granted, code);
        assert!(ran.registry.list().is_empty(), "{code}");
        let error = ran.error();
        let said = error.starts_with("shop.lua:1: ")
            && error.contains(&format!("`shop.lua` lacks the capability `{missing}`"))
            && error.contains(&format!("--allow {missing}"));
        assert!(said, "{granted:?} {code}: {error}");
    }
}

#[test]
fn what_is_granted_works() {
    let agent = format!("Agent.create{{name = 'a', tools = {{'calculator'}}, {CLERK}}}");
    for (granted, code) in [
        (
            &["hook:shop.*:guard"][..],
            "Hook.register('shop.buy', print, {role = 'control'})",
        ),
        (
            &["hook:BeforeToolExecution:*"],
            "Hook.register('tool.execute', print)",
        ),
        (
            &["event:publish:app.>"],
            "Event.publish('app.order.made', {})",
        ),
        (
            &["event:subscribe:order.>"],
            "Event.subscribe('order.*', print)",
        ),
        (
            &["tool:calculator"],
            "Tool.invoke('calculator', {expression = '1'})",
        ),
        (&["agent", "tool:calculator"], &agent),
        (
            &["workflow", "tool:*"],
            "Workflow.sequential{name = 'w', steps = {{name = 's', tool = 'calculator', params = {expression = '1'}}}}:run()",
        ),
        (
            &["standard"],
            "Hook.register('>', print) Event.subscribe('>')",
        ),
    ] {
        run_granted(granted, code).ok();
    }
}

#[test]
fn an_allow_that_is_not_granted_is_a_failure_of_the_hook() {
    let code = "Hook.register('shop.buy', function() return Result.allow() end, {role = 'guard', name = 'g'})";
    let ran = run_granted(&["standard"], code).ok();
    let said = ran.refusal();
    assert!(
        said.contains("lacks the capability `grant:shop.buy`"),
        "{said}"
    );
    let elsewhere = run_granted(&["standard", "grant:shop.fetch"], code).ok();
    assert!(elsewhere.refusal().contains("grant:shop.buy"));
    let ran = run_granted(&["hook:shop.buy:guard", "grant:shop.*"], code).ok();
    ran.registry.close_point("shop.buy").unwrap();
    assert!(ran.buy(order("tea")).is_ok());
}

#[test]
fn an_engine_that_was_not_told_grants_no_allow() {
    let builder = hooks_lua::LuaEngine::builder();
    let code = "Hook.register('shop.buy', function() return {type = 'allow'} end)";
    let ran = run_with(builder, code).ok();
    assert!(ran.refusal().contains("grant:shop.buy"));
}

#[test]
fn a_manifest_takes_and_never_gives() {
    let register = "Hook.register('shop.buy', print, {role = 'guard'})";
    let asks = |what: &str| format!("-- @capability {what}\n{register}");
    let error = run_granted(&["hook:shop.buy:observe"], &asks("hook:shop.buy:*")).error();
    assert!(
        error.contains("lacks the capability `hook:shop.buy:guard`"),
        "{error}"
    );
    let error = run_granted(&["standard"], &asks("hook:shop.buy:observe")).error();
    assert!(
        error.contains("does not ask for") && error.contains("-- @capability hook:shop.buy:guard"),
        "{error}"
    );
    run_granted(&["standard"], &asks("hook:shop.*:guard")).ok();
}

#[test]
fn a_wrong_manifest_keeps_the_script_from_loading() {
    let loaded = engine()
        .build()
        .load_source("shop.lua", "\n-- @capability hook:shop.buy");
    let error = loaded.unwrap_err();
    assert!(matches!(error, ScriptError::Manifest(_)));
    assert_eq!(
        error.to_string(),
        "in the manifest: shop.lua:2: `hook:shop.buy` is no capability: it names no role; write `hook:shop.buy:guard`, `:intercept`, `:observe` or `:*`"
    );
}

#[test]
fn hooks_of_others_are_out_of_reach_with_every_right() {
    let registry = hooks_runtime::test::registry();
    let _kept = registry
        .guard("rust-guard", "shop.buy", |_| Ok(hooks_runtime::Vote::Pass))
        .unwrap();
    let engine = engine().build();
    for code in [
        "Hook.unregister('rust-guard')",
        "Hook.register('shop.buy', print, {name = 'rust-guard'})",
    ] {
        let script = engine.load_source("shop.lua", code).unwrap();
        let error = block_on(registry.wrap(script.execute()))
            .unwrap_err()
            .to_string();
        assert!(error.contains("rust-guard"), "{code}: {error}");
    }
    let list = registry.list();
    assert!(list.len() == 1 && list[0].source.location.contains("rights.rs"));
}

#[test]
fn a_script_can_read_its_rights_and_not_change_them() {
    let code = "-- @capability hook:shop.*:guard\nScript.info().rights.granted[1] = 'grant:>'\nreturn Script.info().rights";
    let ran = run_granted(&["hook:>:*"], code).ok();
    let shown = ran.result.unwrap();
    assert_eq!(
        shown,
        json!({"asked": ["hook:shop.*:guard"], "granted": ["hook:>:*"]})
    );
}

#[test]
fn one_engine_serves_scripts_with_different_rights() {
    let code = "Hook.register('shop.buy', print)";
    let (registry, engine) = (hooks_runtime::test::registry(), engine().build());
    let wide = engine.load_source("wide.lua", code).unwrap();
    let narrow = engine
        .granting(Rights::none())
        .load_source("narrow.lua", code)
        .unwrap();
    assert!(block_on(registry.wrap(wide.execute())).is_ok());
    assert!(block_on(registry.wrap(narrow.execute())).is_err());
}
