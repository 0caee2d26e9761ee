//! The table of the API says what there is: no more and no less.

use std::collections::BTreeSet;
use std::path::Path;

use hooks_events::EventBus;
use hooks_lua::api::{classes, functions, meta, reference};
use serde_json::Value;

use crate::globals::hosted;
use crate::kit::{order, run, run_with};

fn names(values: &Value) -> BTreeSet<String> {
    let values = values.as_array().unwrap().iter();
    values
        .map(|name| name.as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn the_table_has_every_function_of_the_globals_and_no_other() {
    // What Luau brings begins with a small letter; of those, only these two are the program's.
    let code = "
        assert(type(print) == 'function' and type(require) == 'function')
        local found = Json.array{'print', 'require'}
        for name, value in _G do
            if type(value) == 'table' and name:match('^%u') then
                for key, f in value do
                    if type(f) == 'function' then table.insert(found, name .. '.' .. key) end
                end
            end
        end
        return found";
    let ran = run_with(hosted().events(EventBus::new()), code).ok();
    let found = names(&ran.result.unwrap());
    let listed = functions().iter().map(|function| function.name);
    let listed: BTreeSet<_> = listed
        .filter(|name| !name.contains(':'))
        .map(str::to_owned)
        .collect();
    assert_eq!(found, listed);
}

#[test]
fn every_method_of_the_table_is_there() {
    for (receiver, made) in [
        ("handle", "Hook.register('shop.buy', print)"),
        ("subscription", "Event.subscribe('a.b')"),
        (
            "agent",
            "Agent.create{name = 'a', model = {script = {'x'}}}",
        ),
        (
            "wf",
            "Workflow.sequential{name = 'w', steps = {{name = 's', run = print}}}",
        ),
    ] {
        let of_receiver = functions()
            .iter()
            .filter_map(|function| function.name.strip_prefix(receiver)?.strip_prefix(':'));
        let mut checked = 0;
        for method in of_receiver {
            let code = format!("return type(({made}).{method})");
            let ran = run_with(hosted().events(EventBus::new()), &code).ok();
            assert_eq!(ran.result.unwrap(), "function", "{receiver}:{method}");
            checked += 1;
        }
        assert!(checked > 0, "{receiver}");
        assert!(classes().iter().any(|class| class.receiver == receiver));
    }
}

/// What a message lists after `there are:`.
fn known(message: &str) -> BTreeSet<String> {
    let (_, list) = message.split_once("(there are: ").expect(message);
    let list = list.split_once(')').expect(message).0;
    list.split(", ").map(str::to_owned).collect()
}

fn fields(class: &str) -> BTreeSet<String> {
    let class = classes().iter().find(|known| known.name == class).unwrap();
    let names = class
        .fields
        .iter()
        .map(|(name, _, _)| name.trim_end_matches('?').to_owned());
    let methods = functions()
        .iter()
        .filter_map(|function| function.name.split_once(':'))
        .filter(|(receiver, _)| *receiver == class.receiver)
        .map(|(_, method)| method.to_owned());
    names.chain(methods).collect()
}

#[test]
fn the_fields_of_tables_are_those_that_are_read() {
    for (class, code) in [
        (
            "HookOptions",
            "Hook.register('shop.buy', print, {nope = 1})",
        ),
        ("HookFilter", "Hook.list{nope = 1}"),
        ("EventPublishOptions", "Event.publish('a.b', 1, {nope = 1})"),
        (
            "EventSubscribeOptions",
            "Event.subscribe('a.b', print, {nope = 1})",
        ),
        ("AgentConfig", "Agent.create{nope = 1}"),
        ("WorkflowConfig", "Workflow.sequential{nope = 1}"),
    ] {
        let error = run_with(hosted().events(EventBus::new()), code).error();
        assert_eq!(known(&error), fields(class), "{class}");
    }
    let ran = run("Hook.register('shop.buy', function(ctx) return ctx.nope end)").ok();
    assert_eq!(known(&ran.refusal()), fields("HookContext"));
    let ran = run("Hook.register('shop.buy', function(ctx)
        said = select(2, pcall(function() return ctx.nope end))
        end, {role = 'observe', name = 'watch'})
        Hook.register('shop.fetch', function() return Result.cancel(said) end)")
    .ok();
    ran.buy(order("tea")).unwrap();
    let _entered = ran.registry.enter();
    let said = crate::kit::fetch("tea".into()).unwrap_err().to_string();
    assert_eq!(known(&said), fields("HookRecord"));
}

#[test]
fn the_reference_page_is_what_the_table_says() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/reference/lua-api.md");
    if std::env::var_os("UPDATE_REFERENCE").is_some() {
        std::fs::write(&page, reference()).unwrap();
    }
    let there = std::fs::read_to_string(&page).unwrap_or_default();
    assert!(
        there == reference(),
        "docs/reference/lua-api.md is stale: UPDATE_REFERENCE=1 cargo test -p hooks-lua reference_page"
    );
}

#[test]
fn the_types_for_editors_are_lua_and_have_every_point() {
    let text = meta();
    // Methods are declared on locals, so the file is a chunk of its own; running it defines nothing of use.
    let script = crate::kit::engine().build().load_source("meta.lua", &text);
    assert!(script.is_ok(), "{script:?}");
    for point in hooks_runtime::point::BUILTIN {
        let name = point.name();
        assert!(
            text.contains(&format!("---@class HookContext.{name}: HookContext\n")),
            "{name}"
        );
        assert!(text.contains(&format!("fun(point: \"{name}\", ")), "{name}");
    }
    // Its sites are linked into this test.
    assert!(text.contains("---@class HookContext.tool.execute.args\n---@field "));
    for function in functions() {
        assert!(
            text.contains(&format!("\nfunction {}(", function.name)),
            "{}",
            function.name
        );
    }
    let types: BTreeSet<&str> = classes().iter().map(|class| class.name).collect();
    let declared = text
        .lines()
        .filter_map(|line| line.strip_prefix("---@class "));
    let declared: BTreeSet<&str> = declared
        .filter(|name| !name.starts_with("HookContext."))
        .collect();
    assert_eq!(types, declared);
}
