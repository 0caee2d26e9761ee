//! Registering, listing, explaining; options and rights.

use hooks_runtime::{HookMetadata, HookRegistry, PreparedHook, Priority, hooks};
use serde_json::json;

use crate::kit::{order, run};

#[test]
fn ids_sources_and_options_are_in_the_registry() {
    let ran = run("
Hook.register('shop.*', function() end, 'high')
Hook.register('shop.buy', function() end, {name = 'named', role = 'control', phase = {'pre', 'post'}, priority = -7,
    tags = {'a', 'b'}, desc = 'what for', on_failure = 'open', mode = 'shadow', pure = true, before = 'x', after = {'y'}})
Hook.register('BeforeToolExecution', function() end, 42)").ok();
    let list = ran.registry.list();
    let ids: Vec<_> = list.iter().map(|hook| &*hook.id).collect();
    assert_eq!(ids, ["named", "shop.1", "shop.2"]);
    assert_eq!(json!(list[0])["phases"], json!(["pre", "post"]));
    assert_eq!(list[0].source.location, "shop.lua:3");
    assert_eq!((&*list[0].description, list[0].tags.len()), ("what for", 2));
    assert_eq!(
        (list[0].priority, list[1].priority, list[2].priority),
        (Priority(-7), Priority::HIGH, Priority(42))
    );
    assert_eq!(&*list[2].points[0], "tool.execute");
    assert_eq!(ran.script.hooks(), ids);
    let registry: HookRegistry = (*ran.registry).clone();
    let script = ran.script;
    drop(script);
    assert!(registry.list().is_empty());
}

#[test]
fn wrong_options_are_named_with_a_suggestion() {
    for (code, why) in [
        (
            "Hook.register('shop.buy', function() end, {phse = 'post'})",
            "there is no option `phse`; did you mean `phase`?",
        ),
        (
            "Hook.register('shop.buy', function() end, {role = 'gaurd'})",
            "did you mean `guard`?",
        ),
        (
            "Hook.register('shop.buy', function() end, {priority = 'hihg'})",
            "did you mean `high`?",
        ),
        (
            "Hook.register('shop.buy', function() end, {phase = 'before'})",
            "`phase` is one of pre, post, error, done",
        ),
        (
            "Hook.register('shop.buy', function() end, {once = 1})",
            "`once` must be true or false",
        ),
        (
            "Hook.register('shop.buy', function() end, {timeout_ms = 0})",
            "leaves no time",
        ),
        (
            "Hook.register('shop.buy', function() end, {'post'})",
            "written as `name = value`",
        ),
        (
            "Hook.register('tool.exekute', function() end)",
            "did you mean `tool.execute`",
        ),
        (
            "Hook.register('shop.buy', 'x')",
            "the second argument is the function",
        ),
        (
            "Hook.register('shop.buy', function() end, {role = 'guard', phase = 'error'})",
            "a guard votes on arguments",
        ),
        ("Hook.list{pont = 'x'}", "did you mean `point`"),
        (
            "local h = Hook.register('shop.buy', function() end)  h.id()",
            "with a colon",
        ),
    ] {
        let error = run(code).error();
        assert!(error.contains(why), "{code}: {error}");
        assert!(error.starts_with("shop.lua:1: "), "{error}");
    }
}

#[test]
fn a_second_hook_of_one_id_names_both_places() {
    let error = run("Hook.register('shop.buy', function() end, {name = 'one'})\nHook.register('shop.buy', function() end, {name = 'one'})").error();
    assert!(
        error.contains("registered at shop.lua:1; the second one is at shop.lua:2"),
        "{error}"
    );
}

#[test]
fn handles_switch_and_end_hooks_and_a_collected_one_changes_nothing() {
    let ran = run("
local h = Hook.register('shop.buy', function() return Result.cancel('one') end, {name = 'one'})
assert(h:id() == 'one' and h:point() == 'shop.buy' and typeof(h) == 'hook handle')
h:disable()
assert(Hook.list{own = true}[1].enabled == false)
h:enable()
assert(h:unregister() == true and h:unregister() == false)
assert(Hook.unregister('one') == false)
Hook.register('shop.buy', function() return Result.cancel('two') end, {name = 'two'})
local garbage = {} for i = 1, 20000 do garbage[i] = {} end")
    .ok();
    assert!(ran.refusal().ends_with("two"));
    let ran =
        run("Hook.unregister(Hook.register('shop.buy', function() return Result.cancel('x') end))")
            .ok();
    assert!(ran.buy(order("tea")).is_ok());
}

#[test]
fn a_once_hook_is_asked_once() {
    let ran = run(
        "Hook.register('shop.buy', function() return Result.cancel('once') end, {once = true})",
    )
    .ok();
    assert!(ran.refusal().ends_with("once"));
    assert!(ran.buy(order("tea")).is_ok());
}

#[test]
fn a_script_manages_only_its_own_hooks() {
    let registry = hooks_runtime::test::registry();
    registry.add(PreparedHook::intercept(
        HookMetadata::new("theirs").point("shop.buy"),
        |_| (),
    ));
    let script = crate::kit::engine()
        .build()
        .load_source("shop.lua", "Hook.unregister('theirs')")
        .unwrap();
    let error = crate::kit::block_on(registry.wrap(script.execute()))
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("shop.lua:1: hook `theirs` was registered at"),
        "{error}"
    );
    assert!(error.contains("only its own"), "{error}");
    assert_eq!(registry.list().len(), 1);
    drop(hooks());
}

#[test]
fn lists_points_and_explanations_are_tables() {
    let ran = run("
Hook.register('shop.*', function(ctx) if ctx.args.order.count > 5 then return Result.cancel('too many') end end,
    {name = 'limit', role = 'guard', pure = true, tags = 't'})
assert(#Hook.list() == 1 and #Hook.list('shop.buy') == 1 and #Hook.list('tool.execute') == 0)
assert(#Hook.list{tag = 't', role = 'guard'} == 1 and #Hook.list{role = 'observe'} == 0)
local found
for _, point in Hook.points('shop.*') do if point.name == 'shop.buy' then found = point end end
assert(found.sites[1].args[2].name == 'order' and found.builtin == false)
assert(#Hook.points() >= 53)
local plan = Hook.explain('shop.buy')
assert(plan.hooks[1].hook == 'limit' and plan.rehearsal == nil)
return Hook.explain('shop.buy', {shop = 'x', order = {count = 6}}).rehearsal.verdict").ok();
    assert_eq!(ran.result.unwrap(), "cancel");
}
