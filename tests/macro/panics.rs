//! Panics: of bodies, which go on as they were, and of hooks, which never reach the caller.

#![deny(warnings)]

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};

use hookpoint::{HookGuard, HookResult, Outcome, hooked, hooks};

use crate::behaviour::{pause, poll_once};

fn outcomes(point: &'static str) -> (HookGuard, Arc<Mutex<Vec<Outcome>>>) {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let sink = seen.clone();
    let guard = hooks()
        .observe(format!("{point}.outcomes"), point, move |record| {
            sink.lock().unwrap().push(record.outcome());
        })
        .unwrap();
    (guard, seen)
}

#[derive(Debug, PartialEq)]
struct Payload(u8);

#[hooked(point = "panics.body")]
async fn body(n: u8) -> Result<u8, String> {
    pause().await;
    if n == 1 {
        std::panic::panic_any(Payload(n));
    }
    Ok(n)
}

#[tokio::test]
async fn an_asynchronous_body_panics_with_its_payload() {
    let (_guard, seen) = outcomes("panics.body");
    let error = tokio::spawn(body(1)).await.unwrap_err();
    assert_eq!(
        *error.into_panic().downcast::<Payload>().unwrap(),
        Payload(1)
    );
    assert_eq!(body(2).await, Ok(2));
    assert_eq!(
        *seen.lock().unwrap(),
        [Outcome::Panicked, Outcome::Returned]
    );
}

#[hooked(point = "panics.hook")]
fn guarded(n: u8) -> Result<u8, String> {
    match n {
        0 => Err("zero".into()),
        n => Ok(n),
    }
}

#[hooked(point = "panics.watched", observe)]
extern "C" fn watched(n: u8) -> u8 {
    n + 1
}

fn explode() -> HookResult {
    panic!("hook")
}

#[test]
fn a_hook_that_panics_is_a_hook_that_failed() {
    let _open = [
        hookpoint::Phase::Pre,
        hookpoint::Phase::Post,
        hookpoint::Phase::Error,
    ]
    .map(|phase| {
        hooks()
            .on(format!("panics.open.{phase}"))
            .point("panics.hook")
            .phase(phase)
            .on_failure(hookpoint::OnFailure::Open)
            .intercept(|_| explode())
            .unwrap()
    });
    let _observer = hooks()
        .observe("panics.observer", "panics.hook", |_| panic!("observer"))
        .unwrap();
    let (_guard, seen) = outcomes("panics.hook");
    assert_eq!((guarded(1), guarded(0)), (Ok(1), Err("zero".into())));
    assert_eq!(*seen.lock().unwrap(), [Outcome::Returned, Outcome::Failed]);

    let _closed = hooks()
        .guard("panics.closed", "panics.hook", |_| panic!("guard"))
        .unwrap();
    let refused = guarded(1).unwrap_err();
    assert!(refused.contains("panics.closed"), "{refused}");
}

#[test]
fn a_hooks_panic_does_not_unwind_through_a_foreign_function() {
    let _pre = hooks()
        .intercept("panics.foreign", "panics.watched", |_| explode())
        .unwrap();
    let (_guard, seen) = outcomes("panics.watched");
    assert_eq!(watched(1), 2);
    assert_eq!(*seen.lock().unwrap(), [Outcome::Returned]);
}

#[hooked(point = "panics.drop", observe)]
fn cleanup(log: &Mutex<Vec<&'static str>>) {
    log.lock().unwrap().push("cleaned");
}

struct CleansUp(Arc<Mutex<Vec<&'static str>>>);
impl Drop for CleansUp {
    fn drop(&mut self) {
        cleanup(&self.0);
    }
}

#[test]
fn a_hooked_function_in_a_destructor_runs_while_unwinding() {
    let log = Arc::new(Mutex::new(Vec::new()));
    let (_guard, seen) = outcomes("panics.drop");
    let _pre = hooks()
        .intercept("panics.drop.pre", "panics.drop", |_| explode())
        .unwrap();
    let owner = CleansUp(log.clone());
    let payload = catch_unwind(AssertUnwindSafe(move || {
        let _owner = owner;
        std::panic::resume_unwind(Box::new(Payload(2)));
    }));
    assert_eq!(
        *payload.unwrap_err().downcast::<Payload>().unwrap(),
        Payload(2)
    );
    assert_eq!(*log.lock().unwrap(), ["cleaned"]);
    // The body returned; that somebody else is unwinding is not its outcome.
    assert_eq!(*seen.lock().unwrap(), [Outcome::Returned]);
}

#[hooked(point = "panics.cancelled")]
async fn pending() -> Result<(), String> {
    std::future::pending().await
}

#[test]
fn an_observer_that_panics_in_a_drop_is_contained() {
    let _observer = hooks()
        .observe("panics.cancelled.observer", "panics.cancelled", |_| {
            panic!("observer")
        })
        .unwrap();
    let (_guard, seen) = outcomes("panics.cancelled");
    let mut future = Box::pin(pending());
    assert!(poll_once(future.as_mut()).is_pending());
    drop(future);
    // Also while another panic is under way, where a second one would abort the process.
    let result = catch_unwind(|| {
        let mut future = Box::pin(pending());
        assert!(poll_once(future.as_mut()).is_pending());
        std::panic::resume_unwind(Box::new(()));
    });
    assert!(result.is_err());
    assert_eq!(*seen.lock().unwrap(), [Outcome::Cancelled; 2]);
}
