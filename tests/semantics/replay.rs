//! What other hooks would have decided about calls that were recorded.

use std::sync::{Arc, Mutex};

use hookpoint::sink::Wants;
use hookpoint::*;
use serde_json::{Value, json};

#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Refused(#[from] HookRefusal);

#[hooked(point = "replay.pay", component = to, fields(currency = "EUR"))]
fn pay(to: &str, cents: u64, note: Option<String>) -> Result<u64, Refused> {
    let _ = (to, note); // for hooks
    Ok(cents)
}

/// Keeps records as they stand in a file.
struct Keeps(ArgLevel, Mutex<Vec<Value>>);

impl Sink for Keeps {
    fn wants(&self) -> Wants {
        Wants::always().args(self.0)
    }
    fn record(&self, record: &DecisionRecord) {
        self.1.lock().unwrap().push(record.to_json());
    }
}

/// Payments of 5, 50 and 500 under a limit of 100, as records.
fn recorded(level: ArgLevel) -> Vec<RecordedCall> {
    let registry = HookRegistry::new();
    let scope = HookScope::isolated(&registry).principal("ada");
    let _entered = scope.enter();
    let keeps = Arc::new(Keeps(level, Mutex::default()));
    registry.add_sink(keeps.clone());
    let _limit = registry.guard("limit", "replay.pay", |cx| {
        Ok(Vote::cancel_if(*cx.arg::<u64>("cents")? > 100, "over 100"))
    });
    for cents in [5, 50, 500] {
        let paid = pay("shop", cents, None);
        assert_eq!(paid.is_ok(), cents <= 100);
    }
    let kept = keeps.1.lock().unwrap();
    let calls = kept.iter().map(|json| serde_json::from_value(json.clone()));
    calls.collect::<Result<_, _>>().unwrap()
}

/// A registry that is never entered, so that nothing but replays asks it.
fn other() -> HookRegistry {
    HookRegistry::new()
}

fn limit(registry: &HookRegistry, id: &str, most: u64) {
    let hook = registry.on(id).point("replay.pay").pure();
    let hook = hook.guard(move |cx| {
        let cents = cx.arg_json("cents")?.as_u64().unwrap_or(u64::MAX);
        Ok(Vote::cancel_if(cents > most, format!("over {most}")))
    });
    hook.unwrap().forget();
}

fn changes(registry: &HookRegistry, calls: &[RecordedCall]) -> Vec<Change> {
    let replayed = calls.iter().map(|call| registry.replay(call));
    replayed.map(|replayed| replayed.unwrap().change).collect()
}

#[test]
fn each_change_says_because_of_whom() {
    let calls = recorded(ArgLevel::Full);
    let same = other();
    limit(&same, "limit", 100);
    assert_eq!(
        changes(&same, &calls),
        [Change::None, Change::None, Change::None]
    );

    let tighter = other();
    limit(&tighter, "tight", 10);
    let wanted = [
        Change::None,
        Change::Refused {
            by: "tight".into(),
            reason: "over 10".into(),
        },
        Change::RefusedBy {
            was_by: "limit".into(),
            by: "tight".into(),
            reason: "over 10".into(),
        },
    ];
    assert_eq!(changes(&tighter, &calls), wanted);

    let none = changes(&other(), &calls);
    let passes = Change::Passes {
        was_by: "limit".into(),
        reason: "over 100".into(),
    };
    assert_eq!(none, [Change::None, Change::None, passes]);
}

#[test]
fn hooks_see_everything_that_the_record_holds() {
    let registry = other();
    let hook = registry.on("sees").point("replay.*").pure();
    let hook = hook.guard(|cx| {
        assert_eq!(
            (cx.component(), cx.principal()),
            (Some("shop"), Some("ada"))
        );
        assert_eq!(cx.field("currency"), Some(&"EUR".into()));
        assert_eq!(cx.arg_json("note")?, Value::Null, "null is a value");
        Ok(Vote::cancel("seen"))
    });
    hook.unwrap().forget();
    let calls = recorded(ArgLevel::Full);
    let seen = Change::Refused {
        by: "sees".into(),
        reason: "seen".into(),
    };
    assert_eq!(changes(&registry, &calls)[0], seen);
}

#[test]
fn what_the_record_does_not_hold_is_undecidable_and_never_a_refusal() {
    for level in [ArgLevel::Names, ArgLevel::Digest] {
        let registry = other();
        limit(&registry, "limit", 10);
        let passes = registry.on("by-name").point("replay.pay").pure();
        let passes = passes.guard(|cx| Ok(Vote::cancel_if(cx.component() == Some("x"), "x")));
        passes.unwrap().forget();
        for change in changes(&registry, &recorded(level)) {
            let Change::Undecidable { hooks } = change else {
                panic!("{change:?}");
            };
            assert_eq!(hooks.len(), 1, "{hooks:?}");
            assert_eq!(hooks[0].0, "limit");
            assert!(hooks[0].1.contains("does not hold"), "{hooks:?}");
        }
    }
    // Also for who hides that it looked, and for conditions.
    let registry = other();
    let hides = registry.on("hides").point("replay.pay").pure();
    let hides = hides.guard(|cx| Ok(Vote::cancel_if(cx.arg_json("cents").is_err(), "none")));
    hides.unwrap().forget();
    let asks = registry.on("asks").point("replay.pay").pure();
    let asks = asks.when(|cx: &GuardContext<'_>| Ok(cx.arg_json("cents")? == 5));
    asks.guard(|_| Ok(Vote::Pass)).unwrap().forget();
    let Change::Undecidable { hooks } = &changes(&registry, &recorded(ArgLevel::Digest))[0] else {
        panic!("it is decided");
    };
    let ids: Vec<_> = hooks.iter().map(|(id, _)| id.as_str()).collect();
    assert_eq!(ids, ["asks", "hides"]);
}

#[test]
fn hooks_that_are_not_pure_are_not_run_and_a_refusal_stands_without_guards() {
    let calls = recorded(ArgLevel::Full);
    let impure = |registry: &HookRegistry| {
        let hook = registry.guard("impure", "replay.pay", |_| panic!("it is run"));
        hook.unwrap().forget();
    };
    let registry = other();
    impure(&registry);
    let unknown = Change::Undecidable {
        hooks: vec![("impure".into(), "it is not declared pure".into())],
    };
    assert_eq!(changes(&registry, &calls)[0], unknown);
    // Votes only add up: whatever it would say, this is refused.
    limit(&registry, "tight", 10);
    let refused = Change::Refused {
        by: "tight".into(),
        reason: "over 10".into(),
    };
    assert_eq!(changes(&registry, &calls)[1], refused);
    // An intercept could have changed what is refused.
    let hook = registry.intercept::<()>("changes", "replay.pay", |_| panic!("it is run"));
    hook.unwrap().forget();
    let change = &changes(&registry, &calls)[1];
    assert!(
        matches!(change, Change::Undecidable { hooks } if hooks.len() == 2),
        "{change:?}"
    );
}

#[test]
fn another_plan_is_a_change_and_shadows_are_none() {
    let registry = other();
    let shadow = registry.on("shadow").point("replay.pay").pure().shadow();
    let shadow = shadow.guard(|_| Ok(Vote::cancel("it would")));
    shadow.unwrap().forget();
    let replaces = registry.on("replaces").point("replay.pay").pure();
    let replaces = replaces.intercept(|_| HookResult::replace_json(1));
    replaces.unwrap().forget();
    let calls = recorded(ArgLevel::Full);
    let plan = Change::Plan {
        was: "run".into(),
        plan: "replace",
    };
    assert_eq!(changes(&registry, &calls)[0], plan);
    let said = registry.replay(&calls[0]).unwrap().rehearsal.said;
    let shadow = said.iter().find(|said| &*said.hook == "shadow").unwrap();
    assert_eq!((shadow.note, shadow.answer), (Some("shadow"), "cancel"));
}

#[test]
fn a_replay_is_told_to_nobody_and_counts_for_no_breaker() {
    let registry = other();
    let keeps = Arc::new(Keeps(ArgLevel::Full, Mutex::default()));
    registry.add_sink(keeps.clone());
    let fails = registry.on("fails").point("replay.pay").pure();
    let fails = fails.breaker(breaker::BreakerPolicy::default());
    let fails = fails.guard(|_| Err("it fails".into()));
    fails.unwrap().forget();
    let calls = recorded(ArgLevel::Full);
    for _ in 0..50 {
        let change = registry.replay(&calls[0]).unwrap().change;
        assert!(matches!(change, Change::Refused { .. }), "{change:?}");
    }
    assert!(keeps.1.lock().unwrap().is_empty());
    let state = registry.list()[0].breaker;
    assert!(
        matches!(state, Some(breaker::BreakerState::Closed)),
        "{state:?}"
    );
}

#[test]
fn a_record_that_says_things_twice_is_refused() {
    let record = json!({
        "call_id": 7, "point": "replay.pay", "component": null, "plan": "run", "refusal": null,
        "args": [{ "name": "cents", "value": 1 }, { "name": "cents", "value": 2 }],
    });
    let call: RecordedCall = serde_json::from_value(record).unwrap();
    let error = other().replay(&call).unwrap_err().to_string();
    assert!(
        error.contains("call 7") && error.contains("`cents` twice"),
        "{error}"
    );
}
