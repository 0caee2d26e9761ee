//! Futures that are not polled to their end: what hooks are told, on every way there is to drop one.

#![deny(warnings)]

use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hookpoint::{HookGuard, HookResult, Outcome, hooked, hooks};

use crate::behaviour::{pause, poll_once};

/// The outcomes of the calls with that number, in order.
fn outcomes(number: u32) -> (HookGuard, Arc<Mutex<Vec<Outcome>>>) {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let (sink, point) = (seen.clone(), "cancellation.wait");
    let guard = hooks()
        .observe(format!("{point}.{number}"), point, move |record| {
            if record.component() == Some(&number.to_string()) {
                sink.lock().unwrap().push(record.outcome());
            }
        })
        .unwrap();
    (guard, seen)
}

/// Never ready.
#[hooked(point = "cancellation.wait", component = number.to_string())]
async fn wait(number: u32) -> Result<u32, String> {
    std::future::pending().await
}

#[tokio::test]
async fn a_timeout_a_lost_race_and_an_aborted_task_are_cancelled_calls() {
    let (_guard, seen) = outcomes(1);
    let timeout = tokio::time::timeout(Duration::ZERO, wait(1)).await;
    assert!(timeout.is_err());
    assert_eq!(*seen.lock().unwrap(), [Outcome::Cancelled]);

    tokio::select! {
        biased;
        _ = wait(1) => unreachable!("it is never ready"),
        () = std::future::ready(()) => {}
    }
    assert_eq!(*seen.lock().unwrap(), [Outcome::Cancelled; 2]);

    let task = tokio::spawn(wait(1));
    // One turn for the task to start.
    pause().await;
    task.abort();
    assert!(task.await.unwrap_err().is_cancelled());
    assert_eq!(*seen.lock().unwrap(), [Outcome::Cancelled; 3]);
}

#[tokio::test]
async fn a_task_aborted_before_its_first_turn_was_never_a_call() {
    let (_guard, seen) = outcomes(2);
    let task = tokio::spawn(wait(2));
    task.abort();
    assert!(task.await.unwrap_err().is_cancelled());
    assert_eq!(*seen.lock().unwrap(), []);
}

#[test]
fn a_future_dropped_after_its_runtime_is_cancelled_like_any_other() {
    let (_guard, seen) = outcomes(3);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let mut future = Box::pin(wait(3));
    runtime.block_on(async { assert!(poll_once(future.as_mut()).is_pending()) });
    drop(runtime);
    std::thread::spawn(move || drop(future)).join().unwrap();
    assert_eq!(*seen.lock().unwrap(), [Outcome::Cancelled]);
}

#[test]
fn the_runtimes_shutdown_cancels_what_is_running() {
    let (_guard, seen) = outcomes(4);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let _task = runtime.spawn(wait(4));
    runtime.block_on(pause());
    drop(runtime);
    assert_eq!(*seen.lock().unwrap(), [Outcome::Cancelled]);
}

#[tokio::test]
async fn a_leaked_future_tells_nobody() {
    let (_guard, seen) = outcomes(5);
    let mut future = Box::pin(wait(5));
    assert!(poll_once(future.as_mut()).is_pending());
    // Nothing runs when a value is leaked: known, and documented.
    std::mem::forget(future);
    assert_eq!(*seen.lock().unwrap(), []);
}

#[tokio::test]
async fn a_future_dropped_while_a_hook_is_pending_never_ran_its_body() {
    let (_guard, seen) = outcomes(6);
    let _slow = hooks()
        .on("cancellation.slow")
        .point("cancellation.wait")
        .for_component("6")
        .intercept_async(async |_| {
            std::future::pending::<()>().await;
            HookResult::Continue
        })
        .unwrap();
    {
        let mut future = pin!(wait(6));
        assert!(poll_once(future.as_mut()).is_pending());
        assert_eq!(*seen.lock().unwrap(), []);
    }
    assert_eq!(*seen.lock().unwrap(), [Outcome::Cancelled]);
}

#[test]
fn a_future_dropped_by_unwinding_is_over_once() {
    let (_guard, seen) = outcomes(7);
    let payload = std::panic::catch_unwind(|| {
        let mut future = Box::pin(wait(7));
        assert!(poll_once(future.as_mut()).is_pending());
        std::panic::resume_unwind(Box::new("elsewhere"));
    });
    assert_eq!(
        *payload.unwrap_err().downcast::<&str>().unwrap(),
        "elsewhere"
    );
    // It did not panic: it was dropped because something else did.
    assert_eq!(*seen.lock().unwrap(), [Outcome::Cancelled]);
}
