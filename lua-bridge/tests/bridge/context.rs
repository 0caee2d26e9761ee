//! What a hook reads of a call, and what it changes.

use serde_json::json;

use crate::kit::{engine, fetch, order, run, run_with};

fn buy_with(body: &str, options: &str) -> serde_json::Value {
    let code = format!("Hook.register('shop.buy', function(ctx) {body} end, {{{options}}})");
    run(&code).ok().buy(order("tea")).unwrap()
}

#[test]
fn assignment_and_nested_changes_take_effect() {
    for body in [
        "ctx.args.order = {item = 'milk', count = 3, tags = {'x'}}",
        "ctx.args.order.item = 'milk' ctx.args.order.count = 3 table.insert(ctx.args.order.tags, 'x')",
        "local o = ctx.args.order o.item, o.count, o.tags[1] = 'milk', 3, 'x'",
    ] {
        let bought = buy_with(body, "");
        assert_eq!(
            bought["order"],
            json!({"item": "milk", "count": 3, "note": null, "tags": ["x"]}),
            "{body}"
        );
    }
}

#[test]
fn the_result_changes_in_post_by_assignment_and_inside() {
    assert_eq!(
        buy_with("ctx.result = {mine = 1}", "phase = 'post'"),
        json!({"mine": 1})
    );
    let bought = buy_with("ctx.result.order.tags = {'seen'}", "phase = 'post'");
    assert_eq!(bought["order"]["tags"], json!(["seen"]));
    assert_eq!(bought["body"], true);
}

#[test]
fn reading_changes_nothing() {
    let body = "local seen = {} for name, value in ctx.args do table.insert(seen, name) end
        assert(#seen == 2 and ctx.args.order.note == nil and #ctx.args.order.tags == 0)";
    assert_eq!(
        buy_with(body, "role = 'guard'")["order"],
        json!(order("tea"))
    );
}

#[test]
fn the_facts_of_the_call_are_there() {
    let body = "assert(ctx.point == 'shop.buy' and ctx.phase == 'pre' and ctx.component == 'corner')
        assert(ctx.attempt == 1 and ctx.call_id > 0 and #ctx.correlation_id > 0 and ctx.elapsed_ms >= 0)
        assert(ctx.result == nil and ctx.error == nil)
        assert(ctx.metadata.hook == 'facts' and ctx.metadata.line > 0 and ctx.metadata.plan == 'run')";
    buy_with(body, "name = 'facts'");
    buy_with(
        "assert(ctx.phase == 'post' and ctx.args.order.item == 'tea')",
        "phase = 'post', args_after = true",
    );
}

#[test]
fn what_may_not_change_refuses() {
    for (body, options, why) in [
        (
            "ctx.args.order = nil",
            "role = 'guard'",
            "can't be changed by a guard",
        ),
        (
            "ctx.args.order.item = 'milk'",
            "role = 'guard'",
            "can't be changed by a guard",
        ),
        ("ctx.result = 1", "", "only in phase post"),
        (
            "ctx.args.order.item = 'milk'",
            "phase = 'post', args_after = true",
            "only in phase pre",
        ),
        ("ctx.args.ordr = 1", "", "did you mean `order`"),
        ("ctx.point = 'x'", "", "`ctx.point` can't be assigned"),
        (
            "ctx.args = {}",
            "",
            "assigns `ctx.args.<name>` in phase pre",
        ),
        ("ctx.args.order = 0/0", "", "not finite"),
        (
            "Log.info('x', ctx.args)",
            "",
            "copy what is needed into a plain table",
        ),
        ("return ctx.pont", "", "did you mean `point`"),
        ("ctx.args.order.count = 'many'", "", "order"),
        (
            "ctx.args.order.item = print",
            "",
            "a function has no JSON form",
        ),
    ] {
        let code = format!("Hook.register('shop.buy', function(ctx) {body} end, {{{options}}})");
        let refusal = run(&code).ok().refusal();
        assert!(refusal.contains(why), "{body}: {refusal}");
        assert!(refusal.contains("shop.lua:1"), "{body}: {refusal}");
    }
}

#[test]
fn a_typo_in_an_argument_name_refuses_and_lists_the_arguments() {
    let ran = run("Hook.register('shop.buy', function(ctx)\n  local x = ctx.args.ordre\nend, {role = 'guard'})").ok();
    let refusal = ran.refusal();
    assert!(refusal.contains("shop.lua:2: "), "{refusal}");
    assert!(
        refusal.contains(
            "no argument `ordre` (did you mean `order`?); it has: shop: &str, order: Order"
        ),
        "{refusal}"
    );
}

#[test]
fn the_context_is_of_no_use_after_the_call() {
    let ran = run("local kept
        Hook.register('shop.buy', function(ctx) kept = ctx end)
        Hook.register('shop.buy', function(shop)
            local ok, said = pcall(function() return kept.args.order end)
            return Result.cancel(said)
        end, {args = {'shop'}})")
    .ok();
    let refusal = ran.refusal();
    assert!(
        refusal.contains("shop.lua:4: `ctx` is of use only while its hook runs"),
        "{refusal}"
    );
}

#[test]
fn the_context_is_about_the_call_that_runs() {
    // One object: a call inside of a call has it for its time.
    let ran = run_with(
        engine().log(|_| drop(fetch("milk".into()))),
        "local seen = {}
        Hook.register('shop.fetch', function(ctx) table.insert(seen, ctx.args.item) end)
        Hook.register('shop.buy', function(ctx)
            table.insert(seen, ctx.args.order.item)
            Log.info('fetch')
            table.insert(seen, ctx.point)
            ctx.args.order.item = table.concat(seen, ' ')
            assert(not pcall(rawset, ctx, 'mine', 1) and not pcall(rawset, ctx.args, 'mine', 1))
        end)",
    )
    .ok();
    let bought = ran.buy(order("tea")).unwrap();
    assert_eq!(bought["order"]["item"], "tea milk shop.buy");
}

#[test]
fn named_arguments_come_in_their_order_and_may_be_changed_inside() {
    let ran = run("Hook.register('shop.buy', function(order, shop)
            assert(shop == 'corner')
            order.item, order.note = shop, nil
        end, {args = {'order', 'shop'}})
        Hook.register('shop.fetch', function(item) if #item > 300 then return Result.cancel(item:sub(1, 3)) end end, {args = {'item'}, role = 'guard'})")
    .ok();
    assert_eq!(
        ran.buy(order("tea")).unwrap()["order"]["item"],
        json!("corner")
    );
    let _entered = ran.registry.enter();
    for item in [
        "tea",
        "tea",
        "",
        "milk and tea, and more than sixteen bytes",
    ] {
        assert_eq!(
            fetch(item.into()).unwrap(),
            format!("{item} from the warehouse")
        );
    }
    let refused = fetch("abc".repeat(200)).unwrap_err().to_string();
    assert!(refused.ends_with("abc"), "{refused}");
}

#[test]
fn a_named_argument_that_is_not_there_refuses_and_lists_the_arguments() {
    let ran = run("Hook.register('shop.buy', function() end, {args = {'ordr'}})").ok();
    let refusal = ran.refusal();
    assert!(
        refusal.contains("shop.lua:1: ") && refusal.contains("did you mean `order`?"),
        "{refusal}"
    );
    let observer =
        run("Hook.register('shop.buy', function() end, {args = {'order'}, role = 'observe'})");
    let error = observer.error();
    assert!(
        error.contains("`args` is for guards and intercepts"),
        "{error}"
    );
}

#[test]
fn an_observer_is_told_how_it_ended() {
    let ran = run("local seen = {}
        Hook.register('shop.buy', function(ctx)
            table.insert(seen, ctx.phase .. ' ' .. ctx.outcome .. ' ' .. ctx.component .. ' ' .. ctx.args.order.item)
        end, {role = 'observe', record_args = 'full'})
        Hook.register('shop.count', function() return Result.replace(#seen) end)
        Hook.register('shop.restock', function() return Result.cancel(table.concat(seen, ', ')) end)").ok();
    ran.buy(order("tea")).unwrap();
    let _entered = ran.registry.enter();
    assert_eq!(crate::kit::count("k".into()).unwrap(), 1);
    let told = crate::kit::restock("x".into(), &Default::default(), 1).unwrap_err();
    assert!(
        told.to_string().ends_with("done returned corner tea"),
        "{told}"
    );
}

/// What a hook of the script does makes a call that asks further functions of the script, before it has answered.
#[test]
fn a_context_that_was_put_aside_is_not_about_a_call_around() {
    for inner in [
        "function(event) look() end, {args = {'event'}}",
        "function(event) look() end, {args = {'event'}, async = true}",
        "look, {role = 'observe'}",
        "function() look() end, {args = {}, role = 'guard'}",
    ] {
        let code = format!(
            "local kept, said, written
            local function look()
                local read, why = pcall(function() return kept.args.order end)
                written = pcall(function() kept.args.order = {{}} end)
                said = if read then 'it is about the call around' else why
            end
            Hook.register('shop.buy', function(ctx)
                kept = ctx
                Event.publish('shop.asked', {{}})
                -- It is about this call again.
                assert(ctx.args.order.item == 'tea' and not written)
                return Result.cancel(said)
            end)
            Hook.register('event.publish', {inner})"
        );
        let engine = engine().events(hooks_events::EventBus::new());
        let refusal = run_with(engine, &code).ok().refusal();
        let said = "`ctx` is of use only while its hook runs";
        assert!(refusal.contains(said), "{inner}: {refusal}");
    }
}
