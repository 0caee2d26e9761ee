//! Points that are named at run time, and what sinks want.

use std::sync::{Arc, Mutex};

use hookpoint::test::registry;
use hookpoint::{
    DecisionRecord, DynamicSite, HookError, HookRefusal, HookResult, HookScope, Outcome, Sink,
    Vote, Wants, hooked, sites,
};
use serde::{Deserialize, Serialize};
use serde_json::json;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Order {
    cents: u64,
}

fn order(cents: u64) -> Order {
    Order { cents }
}

#[tokio::test]
async fn hooks_change_refuse_and_answer_a_call_that_was_named_at_run_time() {
    let kit = registry();
    let _entered = kit.enter();
    let accept = DynamicSite::named("dynamic.accept", "order").unwrap();
    assert_eq!(accept.call(order(1)).await.unwrap(), order(1));
    let _change = kit.intercept("discount", "dynamic.accept", |cx| {
        cx.arg_mut::<Order>("order")?.cents -= 5;
        Ok(())
    });
    let _refuse = kit.guard("limit", "dynamic.*", |cx| {
        let cents = cx.arg::<Order>("order")?.cents;
        Ok(Vote::cancel_if(
            cents > 1000 && cx.component() == Some("shop"),
            "over the limit",
        ))
    });
    assert_eq!(accept.call(order(100)).await.unwrap(), order(95));
    let refused = accept.call_for("shop", order(2000)).await.unwrap_err();
    assert_eq!(refused.reason(), "over the limit");
    assert_eq!(accept.call(order(2000)).await.unwrap(), order(1995));
    let _answer = kit
        .on("gift")
        .point("dynamic.accept")
        .post()
        .intercept(|cx| match cx.result::<Order>()?.cents {
            0 => Ok(HookResult::replace_json(json!({"cents": 7}))),
            _ => Ok(HookResult::Continue),
        });
    assert_eq!(accept.call(order(5)).await.unwrap(), order(7));
    let record = kit.last("dynamic.accept");
    assert_eq!(record.args()[0].name, "order");
    assert_eq!(record.outcome(), Outcome::Returned);
}

#[tokio::test]
async fn a_body_without_work_can_be_tried_again() {
    let kit = registry();
    let _entered = kit.enter();
    let again = DynamicSite::named("dynamic.again", "value").unwrap();
    let _retry = kit
        .on("again")
        .point("dynamic.again")
        .post()
        .may_retry()
        .intercept(|cx| match cx.attempt() {
            1 | 2 => HookResult::retry(std::time::Duration::ZERO, 3),
            _ => HookResult::Continue,
        });
    assert_eq!(again.call(3_u32).await.unwrap(), 3);
    assert_eq!(kit.last("dynamic.again").attempts(), 3);
}

#[test]
fn a_point_has_one_site_which_everybody_can_see() {
    let one = DynamicSite::named("dynamic.seen", "value").unwrap();
    let same = DynamicSite::named("dynamic.seen", "value").unwrap();
    assert!(std::ptr::eq(one.info(), same.info()));
    let listed = sites();
    let seen = listed.iter().filter(|s| s.info().point == "dynamic.seen");
    assert_eq!(seen.count(), 1);
    assert_eq!(one.info().file, "(named at run time)");
}

#[test]
fn bad_names_say_what_to_write() {
    for bad in [
        "tool.execute",
        "dynamic.*",
        "BeforeToolExecution",
        "tool.mine",
        "one",
        "a..b",
        "",
    ] {
        let error = DynamicSite::named(bad, "value").unwrap_err();
        let known = matches!(
            error,
            HookError::BadPattern { .. } | HookError::UnknownPoint { .. }
        );
        assert!(known, "{bad}: {error}");
    }
}

#[test]
fn an_argument_needs_a_name_of_one_word() {
    for bad in ["", "a b:c", "a\0vb:c"] {
        assert!(
            DynamicSite::named("dynamic.bad_argument", bad).is_err(),
            "{bad:?}"
        );
    }
}

#[hooked(point = "dynamic.some")]
fn some(fails: bool) -> Result<(), HookRefusal> {
    if fails { other(true) } else { Ok(()) }
}

#[hooked(point = "dynamic.other")]
fn other(fails: bool) -> Result<(), HookRefusal> {
    let _ = fails;
    Ok(())
}

struct Heard(Wants, Arc<Mutex<Vec<String>>>);

impl Sink for Heard {
    fn wants(&self) -> Wants {
        self.0.clone()
    }
    fn record(&self, record: &DecisionRecord) {
        let heard = format!("{} {}", record.point(), record.outcome().as_str());
        self.1.lock().unwrap().push(heard);
    }
}

#[test]
fn a_sink_hears_what_it_wants_each_call_once() {
    let heard_with = |wants: Wants| {
        let registry = hookpoint::HookRegistry::new();
        let scope = HookScope::isolated(&registry);
        let _entered = scope.enter();
        let heard = Arc::<Mutex<Vec<String>>>::default();
        registry.add_sink(Arc::new(Heard(wants, heard.clone())));
        let _refuses = registry.guard("refuses", "dynamic.other", |cx| {
            Ok(Vote::cancel_if(*cx.arg::<bool>("fails")?, "no"))
        });
        let _ = (some(false), other(false), some(true));
        let heard = heard.lock().unwrap();
        heard.join(", ")
    };
    let at = |pattern| Wants::exceptional().and_always_at(pattern).unwrap();
    // No hook is asked at `dynamic.some`, so nobody hears that it failed.
    assert_eq!(heard_with(Wants::exceptional()), "dynamic.other refused");
    assert_eq!(
        heard_with(at("dynamic.some")),
        "dynamic.some returned, dynamic.other refused, dynamic.some failed"
    );
    assert_eq!(
        heard_with(at("dynamic.some").except_at("dynamic.other").unwrap()),
        "dynamic.some returned, dynamic.some failed"
    );
    assert_eq!(heard_with(Wants::signals_only()), "");
    assert_eq!(
        heard_with(Wants::always().except_at("dynamic.some").unwrap()),
        "dynamic.other returned, dynamic.other refused"
    );
}

#[test]
fn a_sink_that_was_taken_out_hears_nothing_and_keeps_nothing_active() {
    let registry = hookpoint::HookRegistry::new();
    let scope = HookScope::isolated(&registry);
    let _entered = scope.enter();
    let heard = Arc::<Mutex<Vec<String>>>::default();
    let sink: Arc<dyn Sink> = Arc::new(Heard(Wants::always(), heard.clone()));
    registry.add_sink(sink.clone());
    let _ = other(false);
    assert!(registry.remove_sink(&sink) && !registry.remove_sink(&sink));
    let _ = other(false);
    assert_eq!(*heard.lock().unwrap(), ["dynamic.other returned"]);
}
