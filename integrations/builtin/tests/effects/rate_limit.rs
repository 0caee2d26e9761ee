//! So many calls in a time, and no more.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use hooks_builtin::{
    BuiltinHook as _, Per, Placement, RateAction, RateLimitHook, Registered, kind,
};
use hooks_runtime::{HookRegistry, HookScope};
use serde_json::json;

use crate::kit::{Runs, ShopError, price, quote, refused_options, with_fake_clock};

const MS: fn(u64) -> Duration = Duration::from_millis;

fn limited(registry: &HookRegistry, hook: RateLimitHook) -> Registered {
    let at = Placement::new("limit").point("shop.*");
    hook.register(registry, at).unwrap()
}

/// Whether the call passed.
fn passes(shop: &str, item: &str) -> bool {
    match price(shop, item.into(), 1, &|| Ok(7)) {
        Ok(_) => true,
        Err(ShopError::Refused(_)) => false,
        Err(other) => panic!("{other}"),
    }
}

type Quote<'a> = Pin<Box<dyn Future<Output = Result<u64, ShopError>> + Send + 'a>>;

fn quoted<'a>(runs: &'a Runs) -> Quote<'a> {
    Box::pin(quote("corner", "tea".into(), async {
        runs.add();
        Ok(7)
    }))
}

fn poll(future: &mut Quote<'_>) -> Poll<Result<u64, ShopError>> {
    let mut cx = Context::from_waker(Waker::noop());
    future.as_mut().poll(&mut cx)
}

#[test]
fn permits_come_back_evenly_and_a_refusal_says_when() {
    let (registry, scope, clock) = with_fake_clock();
    let _entered = scope.enter();
    let _limit = limited(&registry, RateLimitHook::new(2));
    let ask = || passes("corner", "tea");
    assert!(ask() && ask() && !ask());
    let refused = price("corner", "secret-item".into(), 1, &|| Ok(7)).unwrap_err();
    let words = "refused by hook `limit`: more than 2 calls in 1000 ms; again in 500 ms";
    assert!(refused.to_string().ends_with(words), "{refused}");
    assert!(!refused.to_string().contains("secret"));
    clock.advance(MS(499));
    assert!(!ask());
    clock.advance(MS(1));
    assert!(ask() && !ask());
    clock.advance(MS(60_000));
    assert!(ask() && ask() && !ask(), "no more than the burst");
}

#[test]
fn a_burst_is_what_passes_at_once() {
    let (registry, scope, clock) = with_fake_clock();
    let _entered = scope.enter();
    let _limit = limited(&registry, RateLimitHook::new(10).per_ms(100).burst(1));
    let ask = || passes("corner", "tea");
    assert!(ask() && !ask());
    for _ in 0..20 {
        clock.advance(MS(10));
        assert!(ask() && !ask());
    }
}

#[test]
fn calls_are_counted_by_what_was_said() {
    let (registry, scope, _) = with_fake_clock();
    let counted = |by: &[Per]| {
        let hook = by
            .iter()
            .cloned()
            .fold(RateLimitHook::new(1), RateLimitHook::by);
        limited(&registry, hook)
    };
    {
        let _entered = scope.enter();
        for (by, first, same, other) in [
            (
                Per::Component,
                ("corner", "tea"),
                ("corner", "jam"),
                ("market", "tea"),
            ),
            (
                Per::Argument("item".into()),
                ("corner", "tea"),
                ("market", "tea"),
                ("corner", "jam"),
            ),
            (
                Per::Field("letters".into()),
                ("corner", "tea"),
                ("corner", "jam"),
                ("corner", "bread"),
            ),
        ] {
            let at = Placement::new("limit").point("shop.price");
            let _limit = RateLimitHook::new(1)
                .by(by.clone())
                .register(&registry, at)
                .unwrap();
            assert!(passes(first.0, first.1), "{by:?}");
            assert!(!passes(same.0, same.1), "{by:?}");
            assert!(passes(other.0, other.1), "{by:?}");
        }
        let _limit = counted(&[Per::Point]);
        let runs = Runs::default();
        assert!(passes("corner", "tea") && !passes("market", "jam"));
        assert!(
            matches!(poll(&mut quoted(&runs)), Poll::Ready(Ok(_))),
            "another point"
        );
    }
    for by in [Per::Principal, Per::Correlation] {
        let _limit = counted(std::slice::from_ref(&by));
        for (who, passed) in [("ann", true), ("bob", true), ("ann", false)] {
            let scope = HookScope::isolated(&registry)
                .principal(who)
                .correlation(who);
            let _entered = scope.enter();
            assert_eq!(passes("corner", "tea"), passed, "{by:?} {who}");
        }
    }
    let _entered = scope.enter();
    let _limit = counted(&[Per::Component, Per::Field("colour".into())]);
    let refused = price("corner", "tea".into(), 1, &|| Ok(7)).unwrap_err();
    assert!(
        refused.to_string().contains("no field `colour`"),
        "{refused}"
    );
}

#[test]
fn eight_threads_get_exactly_the_permits_there_are() {
    let (registry, _, clock) = with_fake_clock();
    let _limit = limited(&registry, RateLimitHook::new(500).by(Per::Component));
    let round = |expected| {
        let runs = Runs::default();
        std::thread::scope(|threads| {
            for _ in 0..8 {
                threads.spawn(|| {
                    let scope = HookScope::isolated(&registry);
                    let _entered = scope.enter();
                    for _ in 0..200 {
                        let work = || {
                            runs.add();
                            Ok(7)
                        };
                        let asked = price("corner", "tea".into(), 1, &work);
                        assert!(matches!(asked, Ok(_) | Err(ShopError::Refused(_))));
                    }
                });
            }
        });
        assert_eq!(runs.count(), expected);
    };
    round(500);
    clock.advance(MS(1000));
    round(500);
    clock.advance(MS(100));
    round(50);
}

#[test]
fn a_delayed_call_waits_for_its_permit_but_not_for_too_long() {
    let (registry, scope, clock) = with_fake_clock();
    let _entered = scope.enter();
    let hook = RateLimitHook::new(10)
        .burst(1)
        .action(RateAction::Delay)
        .max_delay_ms(150);
    let _limit = limited(&registry, hook);
    let runs = Runs::default();
    let [mut first, mut second, mut third] = [quoted(&runs), quoted(&runs), quoted(&runs)];
    assert!(matches!(poll(&mut first), Poll::Ready(Ok(7))));
    assert!(poll(&mut second).is_pending());
    let Poll::Ready(Err(refused)) = poll(&mut third) else {
        panic!("it would wait for 200 ms");
    };
    assert!(refused.to_string().contains("again in 200 ms"), "{refused}");
    clock.advance(MS(99));
    assert!(poll(&mut second).is_pending());
    clock.advance(MS(1));
    assert!(matches!(poll(&mut second), Poll::Ready(Ok(7))));
    assert_eq!(runs.count(), 2);
}

#[test]
fn a_queue_is_bounded_and_in_order_and_a_dropped_call_leaves_its_permit() {
    let (registry, scope, clock) = with_fake_clock();
    let _entered = scope.enter();
    let hook = RateLimitHook::new(10)
        .burst(1)
        .action(RateAction::Queue)
        .max_queue(20);
    let _limit = limited(&registry, hook);
    let runs = Runs::default();
    let mut calls: Vec<_> = (0..30).map(|_| quoted(&runs)).collect();
    let ended: Vec<bool> = calls.iter_mut().map(|call| poll(call).is_ready()).collect();
    assert_eq!(runs.count(), 1);
    // The first has run, twenty wait, the others were refused at once.
    let expected: Vec<bool> = (0..30).map(|i| !(1..=20).contains(&i)).collect();
    assert_eq!(ended, expected);
    let mut waiting: Vec<_> = calls.drain(1..=20).collect();
    drop(waiting.remove(4));
    let mut late = quoted(&runs);
    assert!(
        poll(&mut late).is_pending(),
        "in the place of the one that went"
    );
    waiting.insert(4, late);
    for step in 0..20 {
        clock.advance(MS(100));
        let ready: Vec<usize> = (step..20)
            .filter(|at| poll(&mut waiting[*at]).is_ready())
            .collect();
        assert_eq!(ready, [step]);
    }
    assert_eq!(runs.count(), 21);
}

#[test]
fn at_a_synchronous_site_the_thread_waits() {
    let (registry, _, clock) = with_fake_clock();
    let hook = RateLimitHook::new(10).burst(1).action(RateAction::Delay);
    let _limit = limited(&registry, hook);
    let (done, started) = (AtomicBool::new(false), clock.now());
    let ran_at = std::thread::scope(|threads| {
        let calls = threads.spawn(|| {
            let scope = HookScope::isolated(&registry);
            let _entered = scope.enter();
            assert!(passes("corner", "tea") && passes("corner", "tea"));
            done.store(true, Ordering::SeqCst);
            clock.now()
        });
        while !done.load(Ordering::SeqCst) && !calls.is_finished() {
            clock.advance(MS(1));
            std::thread::yield_now();
        }
        calls.join().unwrap()
    });
    assert!(ran_at - started >= MS(100));
}

#[test]
fn a_shadow_neither_refuses_nor_waits() {
    let (registry, scope, _) = with_fake_clock();
    let _entered = scope.enter();
    for action in [RateAction::Refuse, RateAction::Delay] {
        let at = Placement::new("limit").point("shop.*").shadow();
        let hook = RateLimitHook::new(1).action(action);
        let _limit = hook.register(&registry, at).unwrap();
        let runs = Runs::default();
        for _ in 0..3 {
            assert!(matches!(poll(&mut quoted(&runs)), Poll::Ready(Ok(7))));
        }
        assert_eq!(runs.count(), 3);
    }
}

#[test]
fn keys_are_bounded_and_a_configuration_says_the_same() {
    let options = json!({
        "permits": 1, "per_ms": 100, "burst": 1, "by": ["component", { "argument": "item" }],
        "action": "queue", "max_delay_ms": 0, "max_queue": 1, "max_keys": 2,
    });
    let at = Placement::new("limit").point("shop.quote");
    let hooks = kind("rate_limit").unwrap().prepare(options, &at).unwrap();
    let (registry, scope, clock) = with_fake_clock();
    let _entered = scope.enter();
    let _limit = registry.replace(&[], hooks).unwrap();
    let runs = Arc::new(Runs::default());
    let call = |item: &str| -> Quote<'_> {
        let runs = runs.clone();
        Box::pin(quote("corner", item.into(), async move {
            runs.add();
            Ok(7)
        }))
    };
    assert!(matches!(poll(&mut call("tea")), Poll::Ready(Ok(7))));
    assert!(matches!(poll(&mut call("jam")), Poll::Ready(Ok(7))));
    let mut queued = call("tea");
    assert!(poll(&mut queued).is_pending());
    assert!(matches!(poll(&mut call("tea")), Poll::Ready(Err(_))));
    let Poll::Ready(Err(refused)) = poll(&mut call("bun")) else {
        panic!("there are two keys");
    };
    assert!(
        refused.to_string().contains("more than 2 different keys"),
        "{refused}"
    );
    clock.advance(MS(100));
    assert!(matches!(poll(&mut queued), Poll::Ready(Ok(7))));
    assert!(matches!(poll(&mut call("bun")), Poll::Ready(Ok(7))));
    assert_eq!(runs.count(), 4);

    for (options, words) in [
        (json!({}), "`permits` is 0: write 1 to 1000000"),
        (json!({"permits": 1, "per_ms": 0}), "`per_ms` is 0"),
        (json!({"permits": 1, "burst": 0}), "`burst` is 0"),
        (
            json!({"permits": 1, "max_delay_ms": 3_600_001}),
            "`max_delay_ms`",
        ),
        (json!({"permits": 1, "max_queue": 0}), "`max_queue` is 0"),
        (json!({"permits": 1, "max_keys": 0}), "`max_keys` is 0"),
        (
            json!({"permits": 1, "per_ms": 60_000, "action": "queue"}),
            "an hour is the most",
        ),
        (
            json!({"permits": 1, "action": "wait"}),
            "unknown variant `wait`",
        ),
        (
            json!({"permits": 1, "by": ["user"]}),
            "unknown variant `user`",
        ),
    ] {
        let error = refused_options("rate_limit", options);
        assert!(error.contains(words), "{error}");
    }
}
