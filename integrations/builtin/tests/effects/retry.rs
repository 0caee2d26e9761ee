//! Another attempt of what failed.

use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use hooks_builtin::{Backoff, BuiltinHook as _, Jitter, Placement, Registered, RetryHook, kind};
use hooks_runtime::{HookRegistry, HookScope, Outcome, Vote};
use serde_json::json;

use crate::kit::{
    Runs, ShopError, Till, isolated, pay, price, quote, refused_options, transfer, with_fake_clock,
};

const MS: fn(u64) -> Duration = Duration::from_millis;

fn retried(registry: &HookRegistry, hook: RetryHook) -> Registered {
    let at = Placement::new("again").point("shop.*");
    hook.register(registry, at).unwrap()
}

fn at_once() -> RetryHook {
    RetryHook::new().first_delay_ms(0)
}

fn poll<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

/// How many attempts a payment took, and whether it succeeded in the end.
fn paid(errors: &[&'static str]) -> (usize, bool) {
    let till = Till::failing(errors);
    let paid = pay("o-1", None, &till);
    (till.attempts(), paid.is_ok())
}

#[test]
fn what_fails_is_tried_again_until_the_attempts_are_used_up() {
    let (registry, scope) = isolated();
    let _entered = scope.enter();
    assert_eq!(paid(&["busy"]), (1, false), "without the hook");
    let _again = retried(&registry, at_once());
    assert_eq!(paid(&[]), (1, true));
    assert_eq!(paid(&["busy"]), (2, true));
    assert_eq!(paid(&["busy", "busy"]), (3, true));
    assert_eq!(paid(&["busy", "busy", "busy"]), (3, false));
}

#[test]
fn what_it_waits_grows_and_the_call_goes_on_when_the_time_has_come() {
    for (backoff, waits) in [
        (Backoff::Fixed, [100, 100, 100]),
        (Backoff::Linear, [100, 200, 250]),
        (Backoff::Exponential, [100, 200, 250]),
    ] {
        let (registry, scope, clock) = with_fake_clock();
        let _entered = scope.enter();
        let hook = RetryHook::new().max_attempts(4).backoff(backoff);
        let hook = hook.max_delay_ms(250).jitter(Jitter::None);
        let _again = retried(&registry, hook);
        let till = Till::failing(&["busy", "busy", "busy"]);
        let mut call = pin!(transfer(None, &till));
        for (done, wait) in waits.into_iter().enumerate() {
            assert!(poll(call.as_mut()).is_pending());
            clock.advance(MS(wait - 1));
            assert!(poll(call.as_mut()).is_pending());
            assert_eq!(till.attempts(), done + 1, "{backoff:?}");
            clock.advance(MS(1));
        }
        assert!(matches!(poll(call.as_mut()), Poll::Ready(Ok(4))));
    }
}

#[test]
fn chance_shortens_waits_and_never_lengthens_them() {
    for (jitter, least) in [(Jitter::Equal, 500), (Jitter::Full, 0)] {
        let (registry, scope, clock) = with_fake_clock();
        let _entered = scope.enter();
        let _again = retried(
            &registry,
            RetryHook::new().first_delay_ms(1000).jitter(jitter),
        );
        let mut waited = Vec::new();
        for _ in 0..50 {
            let till = Till::failing(&["busy"]);
            let mut call = pin!(transfer(None, &till));
            let mut milliseconds = 0;
            while poll(call.as_mut()).is_pending() {
                clock.advance(MS(1));
                milliseconds += 1;
            }
            waited.push(milliseconds);
        }
        assert!(
            waited.iter().all(|w| (least..=1000).contains(w)),
            "{waited:?}"
        );
        waited.sort_unstable();
        waited.dedup();
        assert!(waited.len() > 10, "{waited:?}");
    }
}

#[test]
fn errors_are_chosen_by_expressions_and_by_predicates() {
    for (hook, error, attempts) in [
        (at_once().retry_on("busy|timeout"), "a timeout", 2),
        (at_once().retry_on("busy").retry_on("time"), "a timeout", 2),
        (at_once().retry_on("^busy$"), "a timeout", 1),
        (at_once().never_on("no money"), "no money left", 1),
        (at_once().never_on("no money"), "busy", 2),
        (at_once().retry_on("busy").never_on("very"), "very busy", 1),
        (
            at_once().retry_if(|e: &ShopError| e.to_string() == "busy"),
            "busy",
            2,
        ),
        (
            at_once().retry_if(|e: &ShopError| e.to_string() == "busy"),
            "late",
            1,
        ),
        (at_once().retry_if(|_: &String| true), "busy", 1),
    ] {
        let (registry, scope) = isolated();
        let _entered = scope.enter();
        let _again = retried(&registry, hook.clone());
        assert_eq!(
            paid(&[error]),
            (attempts, attempts == 2),
            "{hook:?} {error}"
        );
    }
}

#[test]
fn no_attempt_begins_after_the_time_for_all() {
    let (registry, scope, clock) = with_fake_clock();
    let _entered = scope.enter();
    let hook = RetryHook::new().max_attempts(10).max_elapsed_ms(300);
    let _again = retried(&registry, hook.backoff(Backoff::Fixed).jitter(Jitter::None));
    let till = Till::failing(&["busy"; 10]);
    let mut call = pin!(transfer(None, &till));
    for _ in 0..3 {
        assert!(poll(call.as_mut()).is_pending());
        clock.advance(MS(100));
    }
    assert!(matches!(poll(call.as_mut()), Poll::Ready(Err(_))));
    assert_eq!(till.attempts(), 4, "at 0, 100, 200 and 300 ms");
}

#[test]
fn all_attempts_have_one_key_and_calls_have_their_own() {
    let (registry, scope) = isolated();
    let _entered = scope.enter();
    let again = retried(&registry, at_once().idempotency_key("key"));
    let mut all = Vec::new();
    for given in [None, Some(String::new()), Some("mine".to_owned())] {
        let till = Till::failing(&["busy", "busy"]);
        pay("o-1", given.clone(), &till).unwrap();
        let keys = till.keys.into_inner().unwrap();
        assert_eq!(keys.len(), 3);
        assert!(keys.iter().all(|key| *key == keys[0]), "{keys:?}");
        all.push(keys[0].clone().unwrap());
    }
    assert_eq!(all[2], "mine");
    assert!(
        all[0].len() == 32 && all[1].len() == 32 && all[0] != all[1],
        "{all:?}"
    );

    // A field cannot be made up: only calls that have it are repeated.
    drop(again);
    let at = Placement::new("again").point("shop.pay");
    let _again = at_once()
        .idempotency_key("order")
        .register(&registry, at)
        .unwrap();
    for (order_id, attempts) in [("o-1", 2), ("", 1)] {
        let till = Till::failing(&["busy"]);
        assert_eq!(pay(order_id, None, &till).is_ok(), attempts == 2);
        assert_eq!(till.attempts(), attempts);
    }
}

#[test]
fn refusals_are_not_repeated_and_calls_that_cannot_be_keep_their_error() {
    let (registry, scope) = isolated();
    let _entered = scope.enter();
    let _again = retried(&registry, at_once());
    let shut = registry.guard("shut", "shop.pay", |_| Ok(Vote::cancel("shut")));
    assert_eq!(paid(&[]), (0, false));
    drop(shut);
    let inner = registry.guard("shut", "shop.pay", |_| Ok(Vote::cancel("shut")));
    let (runs, till) = (Runs::default(), Till::default());
    let work = || {
        runs.add();
        let paid = pay("o-1", None, &till);
        paid.map(|_| 7).map_err(|refused| refused.to_string())
    };
    let failed = price("corner", "tea".into(), 1, &work).unwrap_err();
    assert!(failed.to_string().contains("shut"), "{failed}");
    assert_eq!((runs.count(), till.attempts()), (1, 0));
    let once = pin!(quote("corner", "tea".into(), async { Err("busy".into()) }));
    let Poll::Ready(Err(failed)) = poll(once) else {
        panic!("its body cannot run again");
    };
    assert_eq!(failed.to_string(), "busy");
    drop(inner);
    assert_eq!(paid(&["busy"]), (2, true));
}

#[test]
fn a_thousand_calls_on_eight_threads_are_each_repeated_and_recorded_without_their_errors() {
    let (registry, _) = isolated();
    let _again = retried(&registry, at_once().retry_on("secret"));
    let seen = Arc::new(Mutex::new(Vec::new()));
    let list = seen.clone();
    let observer = registry.observe("watch", "shop.*", move |record| {
        let said = serde_json::to_string(record.hooks()).unwrap();
        let mut list = list.lock().unwrap();
        list.push((record.attempts(), record.outcome(), said));
    });
    let _observer = observer.unwrap();
    std::thread::scope(|threads| {
        for _ in 0..8 {
            threads.spawn(|| {
                let scope = HookScope::isolated(&registry);
                let _entered = scope.enter();
                for _ in 0..125 {
                    assert_eq!(paid(&["secret-one", "secret-two"]), (3, true));
                }
            });
        }
    });
    let seen = seen.lock().unwrap();
    assert_eq!(seen.len(), 1000);
    for (attempts, outcome, said) in seen.iter() {
        assert_eq!((*attempts, *outcome), (3, Outcome::Returned));
        assert!(said.contains("retry") && !said.contains("secret"), "{said}");
    }
}

#[test]
fn a_configuration_says_the_same() {
    let options = json!({
        "max_attempts": 4, "backoff": "linear", "first_delay_ms": 10, "max_delay_ms": 20, "jitter": "none",
        "max_elapsed_ms": 40, "retry_on": ["busy"], "never_on": ["very"], "idempotency_key": "key",
    });
    let at = Placement::new("again").point("shop.transfer");
    let hooks = kind("retry").unwrap().prepare(options, &at).unwrap();
    let (registry, scope, clock) = with_fake_clock();
    let _entered = scope.enter();
    let _again = registry.replace(&[], hooks).unwrap();
    let till = Till::failing(&["busy", "busy", "busy"]);
    let mut call = pin!(transfer(None, &till));
    for wait in [10, 20] {
        assert!(poll(call.as_mut()).is_pending());
        clock.advance(MS(wait));
    }
    // The third would be after 50 milliseconds.
    assert!(matches!(poll(call.as_mut()), Poll::Ready(Err(_))));
    let keys = till.keys.lock().unwrap().clone();
    assert!(
        keys.len() == 3 && keys[0].is_some() && keys[0] == keys[2],
        "{keys:?}"
    );
    let till = Till::failing(&["very busy"]);
    assert!(matches!(
        poll(pin!(transfer(None, &till))),
        Poll::Ready(Err(_))
    ));
    assert_eq!(till.attempts(), 1);

    for (options, words) in [
        (
            json!({"max_attempts": 1}),
            "`max_attempts` is 1: write 2 to 100",
        ),
        (json!({"first_delay_ms": 86_400_001}), "`first_delay_ms`"),
        (json!({"max_delay_ms": 86_400_001}), "`max_delay_ms`"),
        (json!({"max_elapsed_ms": 0}), "`max_elapsed_ms` is 0"),
        (
            json!({"retry_on": ["("]}),
            "`retry_on` is not a list of regular expressions",
        ),
        (
            json!({"never_on": ["x{999999}"]}),
            "`never_on` is not a list of regular expressions",
        ),
        (json!({"backoff": "cubic"}), "unknown variant `cubic`"),
        (json!({"jitter": "some"}), "unknown variant `some`"),
        (json!({"retry_if": 1}), "unknown field `retry_if`"),
    ] {
        let error = refused_options("retry", options);
        assert!(error.contains(words), "{error}");
    }
}
