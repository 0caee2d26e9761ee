//! The last calls, what is kept of them, and how much.

mod bounds;
mod dumps;
mod stacks;

use std::task::Poll;
use std::time::Duration;

use futures_util::StreamExt as _;
use hooks_builtin::{
    BuiltinHook as _, CallFilter, CallRing, DebuggingHook, Placement, Registered, kind,
};
use hooks_runtime::{HookRegistry, Outcome, Vote};
use serde_json::{Value, json};

use crate::kit::{
    Order, Runs, buy, chat, echo, isolated, order, price, refused_options, tick, with_fake_clock,
    write,
};

const AWS: &str = "AKIAABCDEFGHIJKLMNOP";

fn place(registry: &HookRegistry, id: &str, hook: DebuggingHook) -> (Registered, CallRing) {
    let registered = hook.register(registry, Placement::new(id).point("shop.*"));
    (registered.unwrap(), DebuggingHook::ring(id).unwrap())
}

fn calls(ring: &CallRing) -> Vec<Value> {
    let json = ring.json(&CallFilter::new());
    json["calls"].as_array().unwrap().clone()
}

/// Makes a call that panics.
fn panics(shop: &str) {
    let work = || -> Result<u64, String> { panic!("MARKER of a panic") };
    let caught = std::panic::AssertUnwindSafe(|| price(shop, "tea".into(), 1, &work));
    std::panic::catch_unwind(caught).unwrap_err();
}

#[test]
fn a_call_is_kept_with_where_it_was_made_what_hooks_said_and_how_it_ended() {
    let (registry, scope, clock) = with_fake_clock();
    let _entered = scope.enter();
    let (_hook, ring) = place(&registry, "d-whole", DebuggingHook::new());
    let _limit = registry.guard("limit", "shop.buy", move |cx| {
        let dear = cx.arg::<Order>("order")?.cents > 100;
        clock.advance(Duration::from_millis(5));
        Ok(Vote::cancel_if(dear, format!("too dear for {AWS}")))
    });
    let runs = Runs::default();
    let work = || {
        buy("inner", order("MARKER", 1), &runs).unwrap();
        buy("inner", order("MARKER", 200), &runs).unwrap_err();
        Ok(1)
    };
    price("outer", "tea".into(), 1, &work).unwrap();
    buy("alone", order("", 1), &runs).unwrap_err();
    panics("corner");
    let found = calls(&ring);
    let outcomes: Vec<_> = found
        .iter()
        .map(|call| call["outcome"].as_str().unwrap())
        .collect();
    assert_eq!(
        outcomes,
        ["returned", "refused", "returned", "failed", "panicked"]
    );
    let [_, refused, outer, failed, _] = &found[..] else {
        panic!("{found:#?}");
    };
    assert_eq!(
        (&refused["point"], &refused["component"]),
        (&json!("shop.buy"), &json!("inner"))
    );
    let parents =
        json!([{ "call_id": outer["call_id"], "point": "shop.price", "component": "outer" }]);
    assert_eq!(refused["parents"], parents);
    assert_eq!(
        (&outer["parents"], &outer["fields"]),
        (&json!([]), &json!({ "letters": 3 }))
    );
    assert_eq!(refused["correlation_id"], outer["correlation_id"]);
    let said = refused["hooks"].as_array().unwrap();
    let limit = said.iter().find(|said| said["hook"] == "limit").unwrap();
    assert_eq!(
        (&limit["answer"], &limit["phase"]),
        (&json!("cancel"), &json!("pre"))
    );
    assert_eq!(limit["reason"], "too dear for [redacted:aws_key]");
    assert_eq!(refused["refusal"]["hook"], "limit");
    assert_eq!(
        (&refused["executed"], &refused["plan"]),
        (&json!(false), &json!("run"))
    );
    assert_eq!(
        (&refused["elapsed_ns"], &failed["elapsed_ns"]),
        (&json!(5_000_000), &json!(5_000_000))
    );
    assert_eq!(outer["elapsed_ns"], 10_000_000);
    assert_eq!(
        refused["arguments"][1],
        json!({ "name": "order", "type": "Order" })
    );
    assert!(
        refused["site"]["path"] == "effects::kit::buy"
            && refused["at"].as_str().unwrap().contains('T')
    );
    for name in ["args", "result", "error", "stack"] {
        assert!(found.iter().all(|call| call.get(name).is_none()), "{name}");
    }
    let text = format!("{found:?}");
    assert!(
        !text.contains("MARKER") && !text.contains(AWS) && !text.contains("an order of nothing")
    );
}

#[test]
fn values_are_kept_if_asked_for_and_redacted() {
    let (registry, scope) = isolated();
    let _entered = scope.enter();
    let keep = tempfile::tempdir().unwrap();
    let options = json!({
        "max_calls": 10, "max_calls_per_point": 5, "max_bytes": 1 << 20, "max_under_way": 10,
        "only": ["returned", "failed"],
        "values": true, "max_value_bytes": 60,
        "stacks": ["failed"], "max_stacks": 2, "max_stack_bytes": 2048,
        "dump_on": ["failed"], "dump_dir": keep.path().join("dumps"), "max_dumps": 1,
        "patterns": ["secrets"], "regexes": { "badge": "B-[0-9]{4}" }, "keys": ["password", "pin"],
    });
    let at = Placement::new("d-values").point("shop.*");
    let hooks = kind("debugging").unwrap().prepare(options, &at).unwrap();
    let _hooks = registry.replace(&[], hooks).unwrap();
    let _limit = registry.guard("limit", "shop.write", |cx| {
        Ok(Vote::cancel_if(
            cx.component() == Some("shut"),
            "it is shut",
        ))
    });
    let data = json!({ "pin": "4711", "badge": "B-1234", "key": AWS });
    write("back", "x".repeat(61), data.clone(), Some("hunter".into())).unwrap();
    write("back", format!("fail {AWS}"), json!(1), None).unwrap_err();
    write("shut", "x".into(), data, None).unwrap_err();
    let ring = DebuggingHook::ring("d-values").unwrap();
    let found = calls(&ring);
    assert_eq!(found.len(), 2, "the refused one was not wanted");
    let args = json!({
        "shop": "back",
        "text": { "bytes": 63 },
        "data": { "pin": "[redacted:key]", "badge": "[redacted:badge]", "key": "[redacted:aws_key]" },
        "password": "[redacted:key]",
    });
    assert_eq!(found[0]["args"], args);
    assert!(found[0]["result"]["bytes"].is_u64(), "{}", found[0]);
    assert_eq!(found[1]["error"], "Failed(\"[redacted:aws_key]\")");
    assert!(found[1]["stack"].is_string() && found[0].get("stack").is_none());
    let text = format!("{found:?}");
    for secret in [AWS, "4711", "hunter", "B-1234"] {
        assert!(!text.contains(secret), "{text}");
    }
    assert_eq!((ring.figures().dumps, ring.figures().under_way), (1, 0));
}

#[tokio::test]
async fn asynchronous_calls_streams_and_sites_that_are_only_watched_are_kept() {
    let (registry, scope) = isolated();
    let (_hook, ring) = place(&registry, "d-async", DebuggingHook::new().values(true));
    // A literal point whose functions hooks may only watch.
    let watched = DebuggingHook::new().values(true);
    let watched = watched.register(&registry, Placement::new("d-watched").point("shop.tick"));
    let _watched = watched.unwrap();
    let work = async {
        echo("one".into()).await.unwrap();
        let mut dropped = Box::pin(echo("two".into()));
        let begun = std::future::poll_fn(|cx| Poll::Ready(dropped.as_mut().poll(cx))).await;
        assert!(begun.is_pending());
        assert_eq!(ring.figures().under_way, 1);
        drop(dropped);
        chat(vec!["a".into(), "b".into()]).collect::<Vec<_>>().await;
        tick(7);
    };
    scope.wrap(work).await;
    let found = calls(&ring);
    let outcomes: Vec<_> = found
        .iter()
        .map(|call| call["outcome"].as_str().unwrap())
        .collect();
    assert_eq!(outcomes, ["returned", "cancelled", "returned", "returned"]);
    assert_eq!(
        (&found[0]["args"]["text"], &found[0]["result"]),
        (&json!("one"), &json!("one"))
    );
    assert_eq!(
        (&found[2]["items"], found[2].get("result")),
        (&json!(2), None)
    );
    assert_eq!(found[3]["args"], json!({ "n": 7 }));
    let watched = calls(&DebuggingHook::ring("d-watched").unwrap());
    assert_eq!((watched.len(), &watched[0]["result"]), (1, &json!(8)));
    assert_eq!(ring.figures().under_way, 0);
}

/// A value that panics when it is shown.
#[derive(Clone)]
struct Shy;

impl serde::Serialize for Shy {
    fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        panic!("MARKER of a value")
    }
}

#[hooks_runtime::hooked(point = "shop.shy")]
fn shy(value: Shy, n: u32) -> Result<Shy, hooks_runtime::HookRefusal> {
    let _ = n; // for hooks
    Ok(value)
}

#[test]
fn values_that_cannot_be_shown_are_nobodys_failure() {
    let (registry, scope) = isolated();
    let _entered = scope.enter();
    let (_hook, ring) = place(&registry, "d-shy", DebuggingHook::new().values(true));
    shy(Shy, 7).unwrap();
    let found = calls(&ring);
    assert_eq!(found[0]["args"], json!({ "n": 7 }));
    assert!(found[0].get("result").is_none() && !found[0].to_string().contains("MARKER"));
}

#[test]
fn values_that_are_nested_too_deep_are_left_out() {
    let (registry, scope) = isolated();
    let _entered = scope.enter();
    let (_hook, ring) = place(&registry, "d-deep", DebuggingHook::new().values(true));
    for depth in [60, 120, 127, 200] {
        let nested = (0..depth).fold(json!(1), |inner, _| json!([inner]));
        write("corner", "x".into(), nested, None).unwrap();
    }
    let found = calls(&ring);
    assert!(found[0]["args"]["data"].is_array());
    for call in &found[1..] {
        assert!(call["args"]["data"]["left_out"].is_string(), "{call}");
    }
}

#[test]
fn calls_are_chosen_by_outcome_component_and_point() {
    let (registry, scope) = isolated();
    let _entered = scope.enter();
    let (hook, ring) = place(&registry, "d-filter", DebuggingHook::new());
    let runs = Runs::default();
    for (shop, item) in [("a", "tea"), ("a", ""), ("b", "tea"), ("b", "")] {
        drop(buy(shop, order(item, 1), &runs));
    }
    write("a", "x".into(), json!(1), None).unwrap();
    let count = |filter: CallFilter| ring.calls(&filter).len();
    let failed = CallFilter::new().outcome(Outcome::Failed);
    assert_eq!(count(CallFilter::new()), 5);
    assert_eq!(count(failed.clone()), 2);
    assert_eq!(count(failed.clone().outcome(Outcome::Returned)), 5);
    assert_eq!(count(CallFilter::new().component("a")), 3);
    assert_eq!(count(CallFilter::new().point("shop.write")), 1);
    assert_eq!(
        count(CallFilter::new().point("shop.write").component("b")),
        0
    );
    let found = ring.calls(&failed.component("b"));
    let [call] = &found[..] else {
        panic!("{found:?}")
    };
    assert_eq!(
        (call.point(), call.component(), call.outcome()),
        ("shop.buy", Some("b"), Outcome::Failed)
    );
    assert_eq!(call.to_json()["call_id"], call.call_id());
    // The handle keeps what there is; the id goes with the hook.
    drop((_entered, hook));
    drop((registry, scope));
    assert_eq!(count(CallFilter::new()), 5);
    drop(ring);
    assert!(DebuggingHook::ring("d-filter").is_none());
}

#[test]
fn bad_options_are_named() {
    let keep = tempfile::tempdir().unwrap();
    let file = keep.path().join("file");
    std::fs::write(&file, "").unwrap();
    for (options, wanted) in [
        (json!({ "max_calls": 0 }), "`max_calls` must be 1"),
        (
            json!({ "max_calls_per_point": 100_001 }),
            "`max_calls_per_point` must be 1",
        ),
        (json!({ "max_bytes": 1000 }), "`max_bytes` must be 65536"),
        (json!({ "max_under_way": 0 }), "`max_under_way` must be 1"),
        (json!({ "max_stacks": 0 }), "`max_stacks` must be 1"),
        (
            json!({ "max_stack_bytes": 10 }),
            "`max_stack_bytes` must be 1024",
        ),
        (json!({ "max_dumps": 0 }), "`max_dumps` must be 1"),
        (
            json!({ "only": ["returned"], "stacks": ["failed"] }),
            "`stacks` has `failed`",
        ),
        (
            json!({ "only": ["returned"], "dump_on": ["failed"], "dump_dir": "x" }),
            "`dump_on` has `failed`",
        ),
        (json!({ "dump_on": ["failed"] }), "`dump_dir` is missing"),
        (json!({ "dump_dir": "x" }), "`dump_on` is missing"),
        (
            json!({ "dump_on": ["failed"], "dump_dir": file }),
            "the dump ",
        ),
        (json!({ "patterns": ["none"] }), "`patterns`"),
        (json!({ "stacks": ["sometimes"] }), "sometimes"),
    ] {
        let why = refused_options("debugging", options.clone());
        assert!(why.contains(wanted), "{options}: {why}");
    }
}
