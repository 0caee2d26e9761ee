//! What says nothing about a hook does not touch its breaker.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Waker};

use super::*;

/// An isolated registry whose clock stands still.
fn isolated() -> (HookRegistry, Clock, HookScope) {
    let clock = Clock::fake();
    let registry = HookRegistry::with_clock(clock.clone());
    let scope = HookScope::isolated(&registry);
    (registry, clock, scope)
}

#[test]
fn calls_without_the_arguments_that_a_hook_wants_do_not_open_it() {
    let (registry, _, scope) = isolated();
    let _entered = scope.enter();
    let guard = registry
        .on("picky")
        .point("breakers.site")
        .breaker(policy());
    let guard = guard.guard(|cx| {
        Ok(Vote::cancel_if(
            cx.arg::<String>("number")?.is_empty(),
            "empty",
        ))
    });
    let _guard = guard.unwrap();
    for _ in 0..10 {
        site(1).unwrap_err();
    }
    assert_eq!(registry.list()[0].breaker, Some(BreakerState::Closed));
}

#[test]
fn calls_that_are_only_explained_do_not_open_it() {
    let (registry, _, scope) = isolated();
    let guard = registry
        .on("fails")
        .point("breakers.site")
        .breaker(policy());
    let guard = guard.pure().guard(|_| Err(HookError::from("no route")));
    guard.unwrap().forget();
    let _entered = scope.enter();
    for _ in 0..10 {
        let arguments = serde_json::json!({ "number": 1 });
        registry.explain("breakers.site", Some(&arguments)).unwrap();
    }
    assert_eq!(registry.list()[0].breaker, Some(BreakerState::Closed));
}

#[test]
fn sites_that_cannot_wait_do_not_open_it_for_those_that_can() {
    let (registry, _, scope) = isolated();
    let guard = registry.on("remote").point("breakers.*").breaker(policy());
    let guard = guard.guard_async(async |_: &mut GuardContext<'_>| {
        tokio::task::yield_now().await;
        Ok(Vote::Pass)
    });
    guard.unwrap().forget();
    let _entered = scope.enter();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    assert_eq!(runtime.block_on(later(1)).unwrap(), 1);
    for _ in 0..3 {
        site(1).unwrap_err();
    }
    assert_eq!(runtime.block_on(later(1)).unwrap(), 1);
}

fn poll<F: Future>(future: &mut Pin<Box<F>>) -> Poll<F::Output> {
    future
        .as_mut()
        .poll(&mut Context::from_waker(Waker::noop()))
}

/// A guard that fails for the number 0, and answers to others when it is told to.
fn guard_on_demand(registry: &HookRegistry) -> Arc<[AtomicBool; 3]> {
    let told = Arc::<[AtomicBool; 3]>::default();
    let guard = registry
        .on("remote")
        .point("breakers.site")
        .breaker(policy());
    let guard = guard.guard_async_with(told.clone(), |told, cx| {
        Box::pin(async move {
            let number = *cx.arg::<u32>("number")? as usize;
            if number == 0 {
                return Err(HookError::from("no route"));
            }
            poll_fn(|_| match told[number].load(Ordering::SeqCst) {
                true => Poll::Ready(()),
                false => Poll::Pending,
            })
            .await;
            Ok(Vote::Pass)
        })
    });
    guard.unwrap().forget();
    told
}

#[test]
fn the_answer_to_a_question_from_before_it_opened_does_not_close_it() {
    let (registry, clock, scope) = isolated();
    let told = guard_on_demand(&registry);
    let _entered = scope.enter();
    let mut before = Box::pin(later(1));
    assert!(poll(&mut before).is_pending());
    for _ in 0..3 {
        assert!(matches!(poll(&mut Box::pin(later(0))), Poll::Ready(Err(_))));
    }
    assert_eq!(registry.list()[0].breaker, Some(BreakerState::Open));
    clock.advance(SECOND);
    let mut tries = Box::pin(later(2));
    assert!(poll(&mut tries).is_pending());
    told[1].store(true, Ordering::SeqCst);
    assert!(matches!(poll(&mut before), Poll::Ready(Ok(1))));
    let state = || registry.list()[0].breaker;
    assert_eq!(
        state(),
        Some(BreakerState::HalfOpen),
        "there is no answer yet"
    );
    told[2].store(true, Ordering::SeqCst);
    assert!(matches!(poll(&mut tries), Poll::Ready(Ok(2))));
    assert_eq!(state(), Some(BreakerState::Closed));
}
