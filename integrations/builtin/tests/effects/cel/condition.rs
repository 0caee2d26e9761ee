//! Expressions that decide whether a hook takes part.

use hooks_builtin::{
    BuiltinHook as _, CelCondition, CelLimits, LoggingHook, Placement, RateLimitHook, RetryHook,
};
use hooks_runtime::Vote;
use serde_json::json;

use super::refusal;
use crate::kit::{Runs, buy, isolated, order, with_fake_clock, write};

#[test]
fn any_hook_takes_part_only_if_it_holds() {
    let (registry, scope) = isolated();
    let _entered = scope.enter();
    let when = CelCondition::new("args.order.cents > 100 && component == 'corner'").unwrap();
    let _guard = registry
        .on("dear")
        .point("shop.buy")
        .when(when)
        .guard(|_| Ok(Vote::cancel("dear")))
        .unwrap();
    let runs = Runs::default();
    buy("corner", order("tea", 100), &runs).unwrap();
    buy("market", order("tea", 101), &runs).unwrap();
    assert_eq!(refusal(buy("corner", order("tea", 101), &runs)).0, "dear");
}

#[test]
fn a_built_in_hook_is_placed_with_it() {
    let (registry, scope, _clock) = with_fake_clock();
    let _entered = scope.enter();
    let at = Placement::new("limit")
        .point("shop.buy")
        .when(CelCondition::new("args.order.cents > 100").unwrap())
        .when(CelCondition::new("component != 'market'").unwrap());
    let _limit = RateLimitHook::new(1).register(&registry, at).unwrap();
    let runs = Runs::default();
    for _ in 0..3 {
        buy("corner", order("tea", 1), &runs).unwrap();
        buy("market", order("tea", 500), &runs).unwrap();
    }
    buy("corner", order("tea", 500), &runs).unwrap();
    refusal(buy("corner", order("tea", 500), &runs));
}

#[test]
fn after_the_body_it_sees_the_arguments_too() {
    let (registry, scope) = isolated();
    let _entered = scope.enter();
    let at = Placement::new("short").point("shop.write");
    let at = at.when(CelCondition::new("args.text != 'long'").unwrap());
    let short = hooks_builtin::SchemaHook::new().result(json!({
        "prefixItems": [{ "maxLength": 3 }]
    }));
    let _schema = short.register(&registry, at).unwrap();
    write("corner", "long".into(), json!(1), None).unwrap();
    assert!(refusal(write("corner", "longer".into(), json!(1), None)).1);
}

#[test]
fn one_that_fails_is_a_failure_of_the_hook() {
    let (registry, scope) = isolated();
    let _entered = scope.enter();
    let at = Placement::new("limit").point("shop.write");
    let at = at.when(CelCondition::new("args.data.missing == 'MARKER'").unwrap());
    let _limit = RateLimitHook::new(100).register(&registry, at).unwrap();
    let (why, executed) = refusal(write("corner", "a".into(), json!({ "a": "SECRET" }), None));
    assert!(why.contains("`args.data.missing == 'MARKER'`"), "{why}");
    assert!(
        why.contains("a key is not there") && !why.contains("SECRET") && !executed,
        "{why}"
    );
}

#[test]
fn mistakes_are_named() {
    let error = CelCondition::new("arg.x == 1").unwrap_err().to_string();
    assert!(
        error.contains("line 1, column 1") && error.contains("`args`"),
        "{error}"
    );
    let limits = CelLimits::new().max_cost(0);
    let error = CelCondition::with_limits("true", &limits).unwrap_err();
    assert!(error.to_string().contains("`max_cost`"), "{error}");
    let (registry, _scope) = isolated();
    let at = || Placement::new("it").point("shop.*");
    let at = || at().when(CelCondition::new("true").unwrap());
    let error = LoggingHook::new().register(&registry, at()).unwrap_err();
    assert!(
        error.to_string().contains("an observer has no conditions"),
        "{error}"
    );
    RetryHook::new().register(&registry, at()).unwrap().forget();
}
