//! Answers that are kept.

use std::future::pending;
use std::pin::{Pin, pin};
use std::sync::{Arc, Barrier, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use hooks_builtin::{BuiltinHook as _, CachingHook, Placement, Registered, kind};
use hooks_runtime::{HookRegistry, HookScope, Vote};
use serde_json::json;

use crate::kit::{Item, Runs, ShopError, isolated, price, quote, refused_options, with_fake_clock};

fn cached(registry: &HookRegistry, hook: CachingHook) -> Registered {
    let at = Placement::new("cache").point("shop.*");
    hook.register(registry, at).unwrap()
}

/// The price, and whether the body was run for it.
fn ask(shop: &str, item: &str, page: u32) -> (u64, bool) {
    let runs = Runs::default();
    let work = || {
        runs.add();
        Ok(7)
    };
    let got = price(shop, item.into(), page, &work).unwrap();
    (got, runs.count() == 1)
}

fn poll<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

#[test]
fn the_same_question_is_answered_once_until_its_time_is_over() {
    let (registry, scope, clock) = with_fake_clock();
    let _entered = scope.enter();
    let _cache = cached(&registry, CachingHook::new().ttl_ms(1000));
    assert_eq!(ask("corner", "tea", 1), (7, true));
    assert_eq!(ask("corner", "tea", 1), (7, false));
    assert_eq!(ask("market", "tea", 1), (7, true), "another component");
    assert_eq!(ask("corner", "jam", 1), (7, true), "another argument");
    clock.advance(Duration::from_millis(999));
    assert_eq!(ask("corner", "tea", 1), (7, false));
    clock.advance(Duration::from_millis(1));
    assert_eq!(ask("corner", "tea", 1), (7, true));
}

#[test]
fn principals_have_their_own_answers() {
    let (registry, _) = isolated();
    let _cache = cached(&registry, CachingHook::new());
    for (who, ran) in [("ann", true), ("bob", true), ("ann", false)] {
        let scope = HookScope::isolated(&registry).principal(who);
        let _entered = scope.enter();
        assert_eq!(ask("corner", "tea", 1), (7, ran), "{who}");
    }
}

#[test]
fn errors_are_not_kept_and_guards_are_asked_about_hits() {
    let (registry, scope) = isolated();
    let _entered = scope.enter();
    let _cache = cached(&registry, CachingHook::new());
    for _ in 0..2 {
        let failed = price("corner", "tea".into(), 1, &|| Err("closed".into()));
        assert!(matches!(failed, Err(ShopError::Failed(_))), "{failed:?}");
    }
    assert_eq!(ask("corner", "tea", 1), (7, true));
    assert_eq!(ask("corner", "tea", 1), (7, false));
    let guard = registry.guard("shut", "shop.price", |_| Ok(Vote::cancel("shut")));
    let _guard = guard.unwrap();
    let refused = price("corner", "tea".into(), 1, &|| Ok(7));
    assert!(matches!(refused, Err(ShopError::Refused(_))), "{refused:?}");
}

#[test]
fn the_answer_that_was_not_used_for_longest_goes() {
    let (registry, scope) = isolated();
    let _entered = scope.enter();
    let _cache = cached(&registry, CachingHook::new().max_entries(2));
    let ran = |item| ask("corner", item, 1).1;
    assert!(ran("tea") && ran("jam") && !ran("tea") && ran("bun"));
    assert!(!ran("tea"), "used after `jam`");
    assert!(ran("jam"), "it went for `bun`");
    assert!(!ran("tea") && ran("bun"));
}

#[test]
fn arguments_that_do_not_matter_are_left_out() {
    for hook in [
        CachingHook::new().skip_args("page"),
        CachingHook::new().args("shop").args("item"),
    ] {
        let (registry, scope) = isolated();
        let _entered = scope.enter();
        let at = Placement::new("cache").point("shop.price");
        let _cache = hook.register(&registry, at).unwrap();
        assert_eq!(ask("corner", "tea", 1), (7, true));
        assert_eq!(ask("corner", "tea", 2), (7, false));
        assert_eq!(ask("corner", "jam", 2), (7, true));
    }
}

#[test]
fn eight_threads_run_each_body_once() {
    const KEYS: u32 = 200;
    let (registry, _) = isolated();
    let _cache = cached(&registry, CachingHook::new());
    let runs: Vec<Runs> = (0..KEYS).map(|_| Runs::default()).collect();
    let start = Barrier::new(8);
    std::thread::scope(|threads| {
        for _ in 0..8 {
            threads.spawn(|| {
                let scope = HookScope::isolated(&registry);
                let _entered = scope.enter();
                for page in 0..KEYS {
                    // All ask for the same page at the same time.
                    start.wait();
                    let work = || {
                        runs[page as usize].add();
                        std::thread::yield_now();
                        Ok(u64::from(page))
                    };
                    let got = price("corner", "tea".into(), page, &work).unwrap();
                    assert_eq!(got, u64::from(page));
                }
            });
        }
    });
    assert!(runs.iter().all(|runs| runs.count() == 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_tasks_share_one_body() {
    let (registry, scope) = isolated();
    let _cache = cached(&registry, CachingHook::new());
    let runs = Arc::new(Runs::default());
    let tasks: Vec<_> = (0..1000)
        .map(|_| {
            let runs = runs.clone();
            let work = async move {
                runs.add();
                tokio::task::yield_now().await;
                Ok(7)
            };
            tokio::spawn(scope.wrap(async move { quote("corner", "tea".into(), work).await }))
        })
        .collect();
    for task in tasks {
        assert_eq!(task.await.unwrap().unwrap(), 7);
    }
    assert_eq!(runs.count(), 1);
}

#[test]
fn who_waits_goes_on_by_itself_when_the_first_is_dropped_or_fails() {
    for cancelled in [true, false] {
        let (registry, scope) = isolated();
        let _entered = scope.enter();
        let _cache = cached(&registry, CachingHook::new());
        let (tell, told) = tokio::sync::oneshot::channel::<()>();
        let slow = async move {
            told.await.expect("it is told, or dropped before");
            Err("closed".to_owned())
        };
        let mut first = Box::pin(quote("corner", "tea".into(), slow));
        assert!(poll(first.as_mut()).is_pending());
        let mut second = pin!(quote("corner", "tea".into(), async { Ok(8) }));
        assert!(poll(second.as_mut()).is_pending(), "it waits for the first");
        if !cancelled {
            tell.send(()).unwrap();
            assert!(matches!(poll(first.as_mut()), Poll::Ready(Err(_))));
        }
        drop(first);
        assert!(matches!(poll(second.as_mut()), Poll::Ready(Ok(8))));
        let mut third = pin!(quote("corner", "tea".into(), pending()));
        assert!(matches!(poll(third.as_mut()), Poll::Ready(Ok(8))), "kept");
    }
}

#[test]
fn nobody_waits_longer_than_the_limit_or_without_single_flight() {
    let (registry, scope, clock) = with_fake_clock();
    let _entered = scope.enter();
    let cache = cached(&registry, CachingHook::new().max_wait_ms(500));
    let mut first = pin!(quote("corner", "tea".into(), pending()));
    assert!(poll(first.as_mut()).is_pending());
    let mut second = pin!(quote("corner", "tea".into(), async { Ok(8) }));
    assert!(poll(second.as_mut()).is_pending());
    clock.advance(Duration::from_millis(499));
    assert!(poll(second.as_mut()).is_pending());
    clock.advance(Duration::from_millis(1));
    assert!(matches!(poll(second.as_mut()), Poll::Ready(Ok(8))));

    drop(cache);
    let _cache = cached(&registry, CachingHook::new().single_flight(false));
    let mut first = pin!(quote("corner", "jam".into(), pending()));
    assert!(poll(first.as_mut()).is_pending());
    let mut second = pin!(quote("corner", "jam".into(), async { Ok(9) }));
    assert!(matches!(poll(second.as_mut()), Poll::Ready(Ok(9))));
    let mut third = pin!(quote("corner", "jam".into(), pending()));
    assert!(matches!(poll(third.as_mut()), Poll::Ready(Ok(9))));
}

#[test]
fn records_tell_of_hits_and_hold_no_argument() {
    let (registry, scope) = isolated();
    let _entered = scope.enter();
    let _cache = cached(&registry, CachingHook::new());
    let seen = Arc::new(Mutex::new(Vec::new()));
    let list = seen.clone();
    let observer = registry.observe("watch", "shop.*", move |record| {
        let said = serde_json::to_string(record.hooks()).unwrap();
        list.lock().unwrap().push((record.cache_hit(), said));
    });
    let _observer = observer.unwrap();
    for _ in 0..2 {
        price("corner", Item("secret-item".into()), 1, &|| Ok(7)).unwrap();
    }
    let seen = seen.lock().unwrap();
    assert!(!seen[0].0 && seen[1].0, "{seen:?}");
    for (_, said) in seen.iter() {
        assert!(said.contains("cache") && !said.contains("secret"), "{said}");
    }
}

#[test]
fn a_configuration_says_the_same() {
    let options = json!({
        "ttl_ms": 10, "max_entries": 1, "args": ["item"], "skip_args": [], "single_flight": true,
        "max_wait_ms": 100,
    });
    let at = Placement::new("cache").point("shop.price");
    let hooks = kind("caching").unwrap().prepare(options, &at).unwrap();
    let (registry, scope, clock) = with_fake_clock();
    let _entered = scope.enter();
    let _cache = registry.replace(&[], hooks).unwrap();
    assert_eq!(ask("corner", "tea", 1), (7, true));
    assert_eq!(ask("corner", "tea", 2), (7, false));
    assert_eq!(ask("corner", "jam", 1), (7, true));
    assert_eq!(ask("corner", "tea", 1), (7, true), "there is room for one");
    clock.advance(Duration::from_millis(10));
    assert_eq!(ask("corner", "tea", 1), (7, true));

    for (options, words) in [
        (json!({"ttl_ms": 0}), "`ttl_ms` is 0"),
        (json!({"max_entries": 0}), "write 1 to 4096"),
        (json!({"max_entries": 4097}), "write 1 to 4096"),
        (json!({"max_wait_ms": 3_600_001}), "more than an hour"),
        (json!({"args": ["a"], "skip_args": ["b"]}), "one of the two"),
        (json!({"ttl": 1}), "unknown field `ttl`"),
    ] {
        let error = refused_options("caching", options);
        assert!(error.contains(words), "{error}");
    }
}
