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

/// Every global, and every function of one, as code lists them.
const WALK: &str = "
    local found = {}
    for name, value in _G do
        if name ~= '_G' then table.insert(found, name) end
        if type(value) == 'table' and name ~= '_G' and name ~= 'Env' then
            for key, f in value do
                if type(f) == 'function' then table.insert(found, name .. '.' .. key) end
            end
        end
    end
    return found";

/// The names in the table: those with a colon, or those without.
fn listed(methods: bool) -> BTreeSet<String> {
    let names = functions().iter().map(|function| function.name);
    let names = names.filter(|name| name.contains(':') == methods);
    names.map(str::to_owned).collect()
}

#[test]
fn the_table_has_every_function_of_the_globals_and_no_other() {
    let luau = mlua::Lua::new();
    let luau: BTreeSet<String> = luau
        .load(WALK)
        .eval::<Vec<String>>()
        .unwrap()
        .into_iter()
        .collect();
    let ran = run_with(hosted().events(EventBus::new()), WALK).ok();
    let found = names(&ran.result.unwrap());
    // The program's own `print` and `require` have the names of Luau's.
    let own = |name: &String| !luau.contains(name) || name == "print" || name == "require";
    let (own, others): (BTreeSet<_>, BTreeSet<_>) = found.into_iter().partition(own);
    let functions = own.iter().filter_map(|name| name.split_once('.'));
    let globals: BTreeSet<String> = functions.map(|(global, _)| global.to_owned()).collect();
    let (tables, own): (BTreeSet<_>, BTreeSet<_>) =
        own.into_iter().partition(|name| globals.contains(name));
    assert_eq!(tables.len(), globals.len(), "{tables:?} {globals:?}");
    // The one table that has no functions.
    let mut expected = listed(false);
    expected.insert("Env".to_owned());
    assert_eq!(own, expected);
    assert!(
        others.contains("string.find") && others.contains("pcall"),
        "{others:?}"
    );
}

/// What `typeof` says of an object, its receiver in the table, and code that makes one.
const OBJECTS: &[(&str, &str, &str)] = &[
    ("hook handle", "handle", "Hook.register('shop.buy', print)"),
    (
        "event subscription",
        "subscription",
        "Event.subscribe('a.b')",
    ),
    (
        "agent",
        "agent",
        "Agent.create{name = 'a', model = {script = {'x'}}}",
    ),
    (
        "workflow",
        "wf",
        "Workflow.sequential{name = 'w', steps = {{name = 's', run = print}}}",
    ),
];

#[test]
fn the_table_has_every_method_of_the_objects_and_no_other() {
    let ran = run_with(hosted().events(EventBus::new()), "").ok();
    let methods = ran.script.methods().into_iter().map(|method| {
        let (kind, method) = method.split_once(':').unwrap();
        let known = OBJECTS.iter().find(|(known, _, _)| *known == kind);
        let (_, receiver, _) = known.unwrap_or_else(|| panic!("say here how to make a `{kind}`"));
        format!("{receiver}:{method}")
    });
    // Of `ctx`, the fields that are functions.
    let fields = fields("HookContext");
    let fields: Vec<_> = fields.iter().map(|name| format!("'{name}'")).collect();
    let code = format!(
        "Hook.register('shop.buy', function(ctx)
            local found = Json.array()
            for _, name in {{{}, 'deadline'}} do
                if type(ctx[name]) == 'function' then table.insert(found, 'ctx:' .. name) end
            end
            return Result.replace(found)
        end)",
        fields.join(", ")
    );
    let of_ctx = names(&run(&code).ok().buy(order("tea")).unwrap());
    let found: BTreeSet<String> = methods.chain(of_ctx).collect();
    assert_eq!(found, listed(true));
    for (kind, receiver, made) in OBJECTS {
        assert!(classes().iter().any(|class| class.receiver == *receiver));
        let of_receiver = listed(true).into_iter().filter_map(|name| {
            let method = name.strip_prefix(receiver)?.strip_prefix(':')?;
            Some(format!("'{method}'"))
        });
        let of_receiver: Vec<_> = of_receiver.collect();
        let code = format!(
            "local made = {made}
            assert(typeof(made) == '{kind}', typeof(made))
            for _, method in {{{}}} do assert(type(made[method]) == 'function', method) end",
            of_receiver.join(", ")
        );
        run_with(hosted().events(EventBus::new()), &code).ok();
    }
}

/// So that the test above sees every type of object.
#[test]
fn objects_have_their_methods_from_one_place() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Vec::new();
    let mut folders = vec![src];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let text = std::fs::read_to_string(&path).unwrap();
            for word in [
                "register_userdata_type",
                "impl UserData",
                "impl mlua::UserData",
            ] {
                let count = text.matches(word).count();
                let name = path.file_name().unwrap().to_string_lossy().into_owned();
                found.extend(std::iter::repeat_n((name, word), count));
            }
        }
    }
    assert_eq!(found, [("bind.rs".to_owned(), "register_userdata_type")]);
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
