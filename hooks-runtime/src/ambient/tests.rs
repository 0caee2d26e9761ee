//! What is noted of calls while they last, and that none of it is left when they are over.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use super::CAUSED;
use super::spawned::{is_noted, lasts};
use crate::catalogue::ONE_BY_ONE;
use crate::{HookBuilder, HookContext, HookRefusal, HookResult, Vote, hooked, hooks, inherit};

type Work = Pin<Box<dyn Future<Output = ()> + Send>>;
/// Work that a body has made and that has not run yet.
type Later = Arc<Mutex<Option<Work>>>;

#[derive(Debug, PartialEq)]
enum Failure {
    Refused,
    Own,
}

impl From<HookRefusal> for Failure {
    fn from(_: HookRefusal) -> Self {
        Failure::Refused
    }
}

#[hooked(point = "ambient.refused")]
fn refused() -> Result<(), HookRefusal> {
    Ok(())
}

#[hooked(point = "ambient.sync")]
fn sync(fails: bool, later: &Later) -> Result<u8, Failure> {
    makes_work(later);
    if fails { Err(Failure::Own) } else { Ok(1) }
}

#[hooked(point = "ambient.async")]
async fn asynchronous(fails: bool, later: &Later) -> Result<u8, Failure> {
    makes_work(later);
    if fails { Err(Failure::Own) } else { Ok(1) }
}

/// Passes its error on, which is nobody's refusal.
#[hooked(point = "ambient.around")]
fn around(fails: bool, later: &Later) -> Result<u8, Failure> {
    sync(fails, later)
}

fn makes_work(later: &Later) {
    let work = inherit(async {
        refused().unwrap_err();
    });
    *later.lock().unwrap() = Some(Box::pin(work));
}

fn poll<T>(future: impl Future<Output = T>) -> Poll<T> {
    let mut cx = Context::from_waker(Waker::noop());
    std::pin::pin!(future).poll(&mut cx)
}

/// How the hook goes on after the work was refused.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Then {
    Nothing,
    /// The call is opened for what it keeps.
    Keeps,
    /// The call is opened by its answer.
    Replaces,
    /// The call was never quiet.
    IsTimed,
}

/// Runs the work that the body has made while it is asked; the id of the call.
fn runs_work(point: &str, then: Then, later: &Later) -> (crate::HookGuard, Arc<AtomicU64>) {
    let (later, call) = (later.clone(), Arc::new(AtomicU64::new(0)));
    let asked = call.clone();
    let mut hook: HookBuilder = hooks().on(format!("runs-{point}-{then:?}")).point(point);
    if then == Then::IsTimed {
        hook = hook.timeout(Duration::from_secs(60));
    }
    let hook = hook
        .post()
        .error()
        .intercept(move |cx: &mut HookContext<'_>| {
            let work = later.lock().unwrap().take().expect("the body has made it");
            assert!(poll(work).is_ready());
            assert!(is_noted(cx.call_id()), "it was refused");
            asked.store(cx.call_id(), Ordering::Relaxed);
            match then {
                Then::Keeps => drop(cx.local(String::new())),
                Then::Replaces => return HookResult::replace(2_u8),
                Then::Nothing | Then::IsTimed => {}
            }
            HookResult::Continue
        });
    (hook.unwrap(), call)
}

#[test]
fn a_refusal_in_spawned_work_while_hooks_after_the_body_run_is_forgotten_with_the_call() {
    let _one_by_one = ONE_BY_ONE.lock().unwrap_or_else(|e| e.into_inner());
    let _refuses = hooks()
        .guard("refuses", "ambient.refused", |_| Ok(Vote::cancel("no")))
        .unwrap();
    for then in [Then::Nothing, Then::Keeps, Then::Replaces, Then::IsTimed] {
        for fails in [false, true] {
            let later = Later::default();
            // The error is the body's own, so a hook may replace it.
            let expected = match then {
                Then::Replaces => Ok(2),
                _ if fails => Err(Failure::Own),
                _ => Ok(1),
            };
            let (_hook, call) = runs_work("ambient.sync", then, &later);
            assert_eq!(sync(fails, &later), expected);
            let id = call.load(Ordering::Relaxed);
            assert!(!lasts(id), "{then:?} {fails}");

            let (_hook, call) = runs_work("ambient.async", then, &later);
            assert_eq!(poll(asynchronous(fails, &later)), Poll::Ready(expected));
            let id = call.load(Ordering::Relaxed);
            assert!(!lasts(id), "async {then:?} {fails}");
        }
    }
}

#[test]
fn a_refusal_in_work_that_runs_after_the_body_is_not_in_its_error() {
    let _one_by_one = ONE_BY_ONE.lock().unwrap_or_else(|e| e.into_inner());
    let _refuses = hooks()
        .guard("refuses", "ambient.refused", |_| Ok(Vote::cancel("no")))
        .unwrap();
    let _recovers = hooks()
        .on("recovers")
        .point("ambient.around")
        .error()
        .intercept(|_| HookResult::replace(3_u8))
        .unwrap();
    for then in [Then::Nothing, Then::Keeps, Then::IsTimed] {
        let later = Later::default();
        let (_hook, _) = runs_work("ambient.sync", then, &later);
        assert_eq!(around(true, &later), Ok(3), "{then:?}");
    }
}

#[hooked(point = "ambient.inside")]
fn inside() -> Result<u8, Failure> {
    let later = Later::default();
    makes_work(&later);
    let work = later.lock().unwrap().take().expect("made just now");
    assert!(poll(work).is_ready());
    Err(Failure::Own)
}

#[hooked(point = "ambient.inside_later")]
async fn inside_later(later: &Later) -> Result<u8, Failure> {
    makes_work(later);
    let mut work = later.lock().unwrap().take().expect("made just now");
    std::future::poll_fn(|cx| work.as_mut().poll(cx)).await;
    Err(Failure::Own)
}

/// The error may come of it, so only hooks that say so may replace the error.
#[test]
fn a_refusal_in_spawned_work_while_the_body_runs_is_in_its_error() {
    let _one_by_one = ONE_BY_ONE.lock().unwrap_or_else(|e| e.into_inner());
    let _refuses = hooks()
        .guard("refuses", "ambient.refused", |_| Ok(Vote::cancel("no")))
        .unwrap();
    for timed in [false, true] {
        let mut recovers = hooks()
            .on("recovers")
            .point("ambient.inside")
            .point("ambient.inside_later")
            .error();
        if timed {
            // Such a call is never quiet.
            recovers = recovers.timeout(Duration::from_secs(60));
        }
        let _recovers = recovers.intercept(|_| HookResult::replace(3_u8)).unwrap();
        let own = Err(Failure::Own);
        assert_eq!(inside(), own, "{timed}");
        assert_eq!(
            poll(inside_later(&Later::default())),
            Poll::Ready(own),
            "{timed}"
        );
    }
}

#[hooked(point = "ambient.root")]
fn root() -> Result<(), HookRefusal> {
    Ok(())
}

#[hooked(point = "ambient.caused", observe)]
fn caused() {}

#[test]
fn calls_that_observers_make_are_not_counted_for_ever() {
    let _one_by_one = ONE_BY_ONE.lock().unwrap_or_else(|e| e.into_inner());
    let watched = Arc::new(AtomicU64::new(0));
    let seen = watched.clone();
    let _observer = hooks()
        .observe("makes-calls", "ambient.root", move |record| {
            caused();
            assert!(CAUSED.contains_key(&record.call_id()), "it was counted");
            seen.store(record.call_id(), Ordering::Relaxed);
        })
        .unwrap();
    let _asked = hooks()
        .intercept("asked", "ambient.caused", |_| ())
        .unwrap();
    root().unwrap();
    assert!(!CAUSED.contains_key(&watched.load(Ordering::Relaxed)));
    let _opens = hooks()
        .on("opens")
        .point("ambient.root")
        .once()
        .intercept(|_| ())
        .unwrap();
    root().unwrap();
    assert!(!CAUSED.contains_key(&watched.load(Ordering::Relaxed)));
}

/// A call whose hook makes a call.
#[hooked(point = "ambient.causes", observe)]
fn causes() {}

#[hooked(point = "ambient.outlived")]
fn outlived(later: &Later) -> Result<u8, Failure> {
    let again = later.clone();
    let work = inherit(async move {
        refused().unwrap_err();
        causes();
        // Work of work belongs to the same call, and is there when that is over.
        *again.lock().unwrap() = Some(Box::pin(inherit(async {
            refused().unwrap_err();
            causes();
        })));
    });
    *later.lock().unwrap() = Some(Box::pin(work));
    Ok(1)
}

#[test]
fn nothing_is_noted_of_a_call_that_its_work_outlives() {
    let _one_by_one = ONE_BY_ONE.lock().unwrap_or_else(|e| e.into_inner());
    let _refuses = hooks()
        .guard("refuses", "ambient.refused", |_| Ok(Vote::cancel("no")))
        .unwrap();
    let _makes_calls = hooks()
        .intercept("makes-calls-later", "ambient.causes", |_| caused())
        .unwrap();
    let _asked = hooks()
        .intercept("asked-later", "ambient.caused", |_| ())
        .unwrap();
    let call = Arc::new(AtomicU64::new(0));
    let seen = call.clone();
    let _knows = hooks()
        .intercept("knows", "ambient.outlived", move |cx| {
            seen.store(cx.call_id(), Ordering::Relaxed);
        })
        .unwrap();
    let later = Later::default();
    assert_eq!(outlived(&later), Ok(1));
    let id = call.load(Ordering::Relaxed);
    assert!(id != 0 && !lasts(id));
    for round in ["its work", "the work of its work"] {
        let work = later.lock().unwrap().take();
        let mut work = work.unwrap_or_else(|| panic!("{round} was made"));
        let mut cx = Context::from_waker(Waker::noop());
        assert!(work.as_mut().poll(&mut cx).is_ready());
        assert!(!lasts(id) && !is_noted(id), "{round}");
        assert!(CAUSED.contains_key(&id), "{round} caused a call");
        drop(work);
        assert!(!CAUSED.contains_key(&id), "{round} is over");
    }
}

/// What hooks cause in spawned work counts in its root call, as long as that lasts.
#[test]
fn work_that_ends_before_its_root_call_leaves_the_count() {
    let _one_by_one = ONE_BY_ONE.lock().unwrap_or_else(|e| e.into_inner());
    let _refuses = hooks()
        .guard("refuses", "ambient.refused", |_| Ok(Vote::cancel("no")))
        .unwrap();
    let _makes_calls = hooks()
        .intercept("makes-calls-within", "ambient.causes", |_| caused())
        .unwrap();
    let _asked = hooks()
        .intercept("asked-within", "ambient.caused", |_| ())
        .unwrap();
    let later = Later::default();
    let work = later.clone();
    let _runs = hooks()
        .on("runs-within")
        .point("ambient.outlived")
        .post()
        .intercept(move |cx: &mut HookContext<'_>| {
            let made = work.lock().unwrap().take().expect("the body has made it");
            assert!(poll(made).is_ready());
            assert!(lasts(cx.call_id()) && is_noted(cx.call_id()));
            assert!(CAUSED.contains_key(&cx.call_id()));
        })
        .unwrap();
    assert_eq!(outlived(&later), Ok(1));
}
