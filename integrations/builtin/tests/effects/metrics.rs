//! The figures of calls.

use std::time::Duration;

use hooks_builtin::{BuiltinHook as _, Metrics, MetricsHook, Placement, kind};
use hooks_runtime::{Clock, HookRegistry, HookScope, Vote};
use serde_json::json;

use crate::kit::{Order, Runs, buy, echo, isolated, order, write};

fn at(id: &str) -> Placement {
    Placement::new(id).point("shop.*")
}

#[test]
fn calls_are_counted_and_timed_by_point_component_and_outcome() {
    let clock = Clock::fake();
    let registry = HookRegistry::with_clock(clock.clone());
    let scope = HookScope::isolated(&registry);
    let _entered = scope.enter();
    let options = json!({
        "prefix": "shop", "components": true, "max_series": 10, "buckets_us": [1000, 5000],
    });
    let hooks = kind("metrics")
        .unwrap()
        .prepare(options, &at("m-timed"))
        .unwrap();
    let _metrics = registry.replace(&[], hooks).unwrap();
    let _slow = registry.guard("slow", "shop.buy", move |cx| {
        let cents = cx.arg::<Order>("order")?.cents;
        clock.advance(Duration::from_millis(cents));
        Ok(Vote::cancel_if(cents > 100, "too dear"))
    });
    let runs = Runs::default();
    for cents in [1, 3, 9] {
        buy("a \"b\"\\\n", order("MARKER", cents), &runs).unwrap();
    }
    buy("c", order("tea", 200), &runs).unwrap_err();
    buy("c", order("", 1), &runs).unwrap_err();
    let metrics = Metrics::of("m-timed").unwrap();
    let text = metrics.prometheus();
    let labels = r#"point="shop.buy",component="a \"b\"\\\n",outcome="returned""#;
    for line in [
        "# TYPE shop_calls_total counter".to_owned(),
        "# TYPE shop_call_duration_seconds histogram".to_owned(),
        format!("shop_calls_total{{{labels}}} 3"),
        format!("shop_call_duration_seconds_bucket{{{labels},le=\"0.001\"}} 1"),
        format!("shop_call_duration_seconds_bucket{{{labels},le=\"0.005\"}} 2"),
        format!("shop_call_duration_seconds_bucket{{{labels},le=\"+Inf\"}} 3"),
        format!("shop_call_duration_seconds_sum{{{labels}}} 0.013"),
        format!("shop_call_duration_seconds_count{{{labels}}} 3"),
        r#"shop_calls_total{point="shop.buy",component="c",outcome="refused"} 1"#.to_owned(),
        r#"shop_calls_total{point="shop.buy",component="c",outcome="failed"} 1"#.to_owned(),
    ] {
        assert!(text.lines().any(|l| l == line), "{line}\n{text}");
    }
    let snapshot = metrics.snapshot();
    let refused = &snapshot[1];
    assert_eq!(
        (&refused["outcome"], &refused["count"]),
        (&json!("refused"), &json!(1))
    );
    assert_eq!(refused["sum_seconds"], 0.2);
    assert_eq!(refused["buckets"], json!([[1000, 0], [5000, 0]]));
    assert!(!format!("{text}{snapshot}").contains("MARKER"));
}

#[test]
fn the_number_of_series_is_bounded() {
    let (registry, scope) = isolated();
    let _entered = scope.enter();
    let hook = MetricsHook::new().max_series(3);
    let _metrics = hook.register(&registry, at("m-bounded")).unwrap();
    let runs = Runs::default();
    let long = "x".repeat(129);
    buy(&long, order("tea", 1), &runs).unwrap();
    for shop in 0..50 {
        buy(&format!("shop-{shop}"), order("tea", 1), &runs).unwrap();
    }
    buy("shop-0", order("tea", 1), &runs).unwrap();
    let snapshot = Metrics::of("m-bounded").unwrap().snapshot();
    let list: Vec<_> = snapshot.as_array().unwrap().iter().collect();
    let figures: Vec<_> = list
        .iter()
        .map(|s| {
            (
                s["component"].as_str().unwrap(),
                s["count"].as_u64().unwrap(),
            )
        })
        .collect();
    assert_eq!(figures, [("_other", 49), ("shop-0", 2), ("shop-1", 1)]);
}

#[tokio::test]
async fn components_can_be_left_out_and_figures_end_with_the_hook() {
    let (registry, scope) = isolated();
    let hook = MetricsHook::new().components(false).buckets_us([1]);
    let registered = hook.register(&registry, at("m-plain")).unwrap();
    scope
        .wrap(async {
            echo("x".into()).await.unwrap();
            write("corner", "x".into(), json!(1), None).unwrap();
        })
        .await;
    let text = Metrics::of("m-plain").unwrap().prometheus();
    assert!(
        text.contains(r#"hookpoint_calls_total{point="shop.echo",outcome="returned"} 1"#),
        "{text}"
    );
    assert!(
        text.contains(r#"{point="shop.write",outcome="returned"} 1"#),
        "{text}"
    );
    registered.ids().for_each(|id| assert_eq!(id, "m-plain"));
    drop((registered, scope, registry));
    assert!(Metrics::of("m-plain").is_none());
}

#[test]
fn eight_threads_lose_no_call() {
    let (registry, scope) = isolated();
    let hook = MetricsHook::new().max_series(5).prefix("x");
    let _metrics = hook.register(&registry, at("m-threads")).unwrap();
    std::thread::scope(|threads| {
        for _ in 0..8 {
            threads.spawn(|| {
                let _entered = scope.enter();
                let runs = Runs::default();
                for call in 0..500 {
                    buy(&format!("s{}", call % 10), order("tea", 1), &runs).unwrap();
                }
            });
        }
    });
    let snapshot = Metrics::of("m-threads").unwrap().snapshot();
    let list = snapshot.as_array().unwrap();
    assert_eq!(list.len(), 6);
    assert_eq!(
        list.iter()
            .map(|s| s["count"].as_u64().unwrap())
            .sum::<u64>(),
        4000
    );
}

#[test]
fn bad_options_are_named() {
    for (hook, option) in [
        (MetricsHook::new().prefix("1a"), "prefix"),
        (MetricsHook::new().prefix("a-b"), "prefix"),
        (MetricsHook::new().max_series(0), "max_series"),
        (MetricsHook::new().buckets_us([]), "buckets_us"),
        (MetricsHook::new().buckets_us([2, 2]), "buckets_us"),
    ] {
        let Err(error) = hook.prepare(&at("m-bad")) else {
            panic!("`{option}` was taken");
        };
        assert!(
            error.to_string().contains(&format!("`{option}`")),
            "{error}"
        );
    }
}
