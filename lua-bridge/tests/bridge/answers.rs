//! Every answer has its effect on a really hooked function.

use std::sync::atomic::AtomicU32;

use hooks_runtime::HookScope;
use hooks_runtime::test::Scripted;
use serde_json::json;

use crate::kit::{buy, count, fetch, order, restock, run};

fn hook(body: &str, options: &str) -> String {
    format!("Hook.register('shop.buy', function(ctx) {body} end, {{name = 'h', {options}}})")
}

#[test]
fn nothing_continue_and_skipped_let_the_body_run() {
    for body in [
        "",
        "return nil",
        "return 'continue'",
        "return 'skipped'",
        "return {type = 'skipped', reason = 'x'}",
    ] {
        for role in ["intercept", "guard", "transform", "control"] {
            let ran = run(&hook(body, &format!("role = '{role}'"))).ok();
            assert_eq!(
                ran.buy(order("tea")).unwrap()["body"],
                true,
                "{body} {role}"
            );
        }
    }
}

#[test]
fn cancel_and_halt_refuse_with_their_reason() {
    for (body, role) in [
        ("return Result.cancel('no tea')", "guard"),
        ("return Result.cancel('no tea')", "intercept"),
        ("return {type = 'cancel', reason = 'no tea'}", "guard"),
        ("return Result.halt('no tea')", "guard"),
    ] {
        let ran = run(&hook(body, &format!("role = '{role}'"))).ok();
        assert_eq!(
            ran.refusal(),
            "shop.buy refused by hook `h`: no tea",
            "{body}"
        );
    }
    let ran = run(&hook(
        "return Result.cancel('secret')",
        "role = 'guard', phase = 'post'",
    ))
    .ok();
    assert!(
        ran.refusal()
            .contains("result withheld by hook `h`: secret")
    );
}

#[test]
fn halt_ends_the_run() {
    let code = "if ctx.args.order.item == 'tea' then return Result.halt('enough') end";
    let ran = run(&hook(code, "role = 'guard'")).ok();
    let _entered = ran.registry.enter();
    let scope = HookScope::run("errand");
    let in_run = scope.enter();
    assert!(buy("corner", order("milk")).is_ok());
    assert!(buy("corner", order("tea")).is_err());
    let after = buy("corner", order("milk")).unwrap_err().to_string();
    assert!(after.contains("enough"), "{after}");
    drop(in_run);
    assert!(buy("corner", order("milk")).is_ok());
}

#[test]
fn ask_is_for_an_approver() {
    let ran = run(&hook("return Result.ask('sure?')", "role = 'guard'")).ok();
    ran.registry.script_approvals([Scripted::Allow]);
    assert_eq!(ran.buy(order("tea")).unwrap()["body"], true);
    assert!(ran.refusal().contains("no scripted answer is left"));
    let decided = ran.registry.call("shop.buy").decide();
    assert_eq!(json!(decided.record().hooks()[0])["reason"], "sure?");
}

#[test]
fn allow_grants_a_closed_point() {
    let ran = run("").ok();
    ran.registry.close_point("shop.buy").unwrap();
    assert!(ran.refusal().contains("shop.buy refused"));
    let ran = run(&hook("return Result.allow()", "role = 'guard'")).ok();
    ran.registry.close_point("shop.buy").unwrap();
    assert_eq!(ran.buy(order("tea")).unwrap()["body"], true);
}

#[test]
fn replace_is_the_result_in_pre_post_and_error() {
    let ran = run(&hook("return Result.replace({instead = {1, 2}})", "")).ok();
    assert_eq!(ran.buy(order("tea")).unwrap(), json!({"instead": [1, 2]}));
    let ran = run(&hook(
        "return {type = 'replace', data = 7}",
        "phase = 'post'",
    ))
    .ok();
    assert_eq!(ran.buy(order("tea")).unwrap(), 7);
    let ran = run("Hook.register('shop.restock', function(ctx) return Result.replace(99) end, {phase = 'error'})").ok();
    let _entered = ran.registry.enter();
    assert_eq!(restock("tea".into(), &AtomicU32::new(0), 5).unwrap(), 99);
}

#[test]
fn a_replacement_of_another_type_refuses() {
    let ran =
        run("Hook.register('shop.restock', function(ctx) return Result.replace('many') end)").ok();
    let _entered = ran.registry.enter();
    let refused = restock("tea".into(), &AtomicU32::new(0), 1).unwrap_err();
    assert!(
        refused.to_string().contains("refused by hook `shop.1`"),
        "{refused}"
    );
}

#[test]
fn cache_answers_the_second_call() {
    let ran = run("Hook.register('shop.count', function(ctx) return Result.cache{key = ctx.args.key, ttl_ms = 60000} end)").ok();
    let _entered = ran.registry.enter();
    let first = count("a".into()).unwrap();
    assert_eq!(count("a".into()).unwrap(), first);
    assert_ne!(count("b".into()).unwrap(), first);
}

#[test]
fn retry_runs_the_body_again() {
    let code = "Hook.register('shop.restock', function(ctx)
        return Result.retry{delay_ms = 0, max_attempts = 3}
    end, {phase = 'error', may_retry = true})";
    let ran = run(code).ok();
    let _entered = ran.registry.enter();
    assert_eq!(restock("tea".into(), &AtomicU32::new(0), 3).unwrap(), 3);
    let out = restock("tea".into(), &AtomicU32::new(0), 4).unwrap_err();
    assert_eq!(out.to_string(), "out of tea");
}

#[test]
fn redirect_lets_another_component_answer() {
    let code = "Hook.register('shop.fetch', function(ctx)
        if ctx.component == 'warehouse' then return Result.redirect(ctx.args.item == 'tea' and 'attic' or 'cellar') end
    end)";
    let ran = run(code).ok();
    let _entered = ran.registry.enter();
    assert_eq!(fetch("tea".into()).unwrap(), "tea from the attic");
    let refused = fetch("milk".into()).unwrap_err().to_string();
    assert!(refused.contains("cellar"), "{refused}");
}

#[test]
fn redirect_is_a_plan() {
    let ran = run("Hook.register('shop.buy', function(ctx) return Result.redirect('other') end, {name = 'h'})
        Hook.register('shop.count', function(ctx) return {type = 'redirect', target = 'other'} end)").ok();
    ran.registry
        .call("shop.buy")
        .decide()
        .assert_plan("redirect");
    ran.registry
        .call("shop.count")
        .decide()
        .assert_plan("redirect");
    // This site has no resolver: the hook fails, and so the call is refused.
    assert!(
        ran.refusal().contains("`redirect` cannot take effect"),
        "{}",
        ran.refusal()
    );
}

#[test]
fn the_predecessors_modified_changes_arguments_and_the_result() {
    let data = "{type = 'modified', data = {order = {item = 'milk', count = 2, tags = {}}}}";
    let ran = run(&hook(&format!("return {data}"), "")).ok();
    let bought = ran.buy(order("tea")).unwrap();
    assert_eq!(
        (&bought["order"]["item"], &bought["order"]["count"]),
        (&json!("milk"), &json!(2))
    );
    let ran = run(&hook(
        "return {type = 'modified', data = {done = true}}",
        "phase = 'post'",
    ))
    .ok();
    assert_eq!(ran.buy(order("tea")).unwrap(), json!({"done": true}));
    let ran = run(&hook("return {type = 'modified', data = {ordr = 1}}", "")).ok();
    assert!(
        ran.refusal().contains("did you mean `order`"),
        "{}",
        ran.refusal()
    );
}

#[test]
fn anything_else_refuses_and_says_what_was_returned() {
    for (body, role, why) in [
        (
            "return 'cancel'",
            "intercept",
            "the string \"cancel\", which is no answer",
        ),
        ("return true", "guard", "a boolean, which is no answer"),
        ("return {reason = 'x'}", "guard", "a table without `type`"),
        (
            "return {type = 'cancle', reason = 'x'}",
            "guard",
            "a table of type \"cancle\"",
        ),
        (
            "return {type = 'cancel', raeson = 'x'}",
            "guard",
            "did you mean `reason`",
        ),
        (
            "return {type = 'cancel'}",
            "guard",
            "it needs `reason = \"…\"`",
        ),
        ("return Result.cancel('')", "guard", "the reason is empty"),
        (
            "return Result.cache{key = 'k', ttl = 1}",
            "intercept",
            "there is no option `ttl`",
        ),
        ("return Result.replace(1)", "guard", "a guard votes"),
        (
            "return {type = 'modified', data = {}}",
            "guard",
            "a guard votes",
        ),
    ] {
        let ran = run(&hook(body, &format!("role = '{role}'"))).ok();
        let refusal = ran.refusal();
        assert!(refusal.contains(why), "{body}: {refusal}");
        assert!(refusal.contains("shop.lua:1"), "{body}: {refusal}");
    }
}
