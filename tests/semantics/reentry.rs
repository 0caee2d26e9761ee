//! Hooks that call hooked functions.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use hookpoint::test::registry;
use hookpoint::{HookError, HookRefusal, HookResult, Vote, hooked};

#[hooked(point = "reentry.outer")]
fn outer() -> Result<u32, HookRefusal> {
    inner()
}

#[hooked(point = "reentry.inner")]
fn inner() -> Result<u32, HookRefusal> {
    Ok(1)
}

#[hooked(point = "reentry.ping", component = "ping", redirect = |to: &str| (to == "pong").then_some(pong))]
fn ping(n: u32) -> Result<u32, HookRefusal> {
    Ok(n)
}

#[hooked(point = "reentry.ping", component = "pong", redirect = |to: &str| (to == "ping").then_some(ping))]
fn pong(n: u32) -> Result<u32, HookRefusal> {
    Ok(n)
}

#[test]
fn an_intercept_is_not_asked_about_calls_that_it_makes_itself() {
    let kit = registry();
    let _entered = kit.enter();
    let asked = Arc::new(AtomicUsize::new(0));
    let count = asked.clone();
    let _g = kit
        .intercept("calls-itself", "reentry.*", move |_| {
            count.fetch_add(1, Ordering::SeqCst);
            inner().map(drop).map_err(HookError::from)
        })
        .unwrap();
    assert_eq!(outer().unwrap(), 1);
    // Asked for `outer` and for the `inner` in its body; not for the two `inner` calls that it made.
    assert_eq!(asked.load(Ordering::SeqCst), 2);
    assert_eq!(kit.records().len(), 4);
}

#[test]
fn a_guard_that_calls_what_it_guards_ends_in_a_refusal() {
    let kit = registry();
    let _entered = kit.enter();
    let depth = Arc::new(AtomicUsize::new(0));
    let count = depth.clone();
    let _g = kit
        .guard("recursive", "reentry.inner", move |_| {
            count.fetch_add(1, Ordering::SeqCst);
            inner()?;
            Ok(Vote::Pass)
        })
        .unwrap();
    let refusal = outer().unwrap_err();
    assert_eq!(
        depth.load(Ordering::SeqCst),
        8,
        "asked on each level up to the limit"
    );
    assert!(refusal.to_string().contains("8 deep"), "{refusal}");
    assert!(
        kit.records()
            .iter()
            .any(|r| r.hooks().iter().any(|h| h.error == Some("depth")))
    );
}

#[test]
fn hooks_may_cause_256_calls_in_one_root_call_and_no_more() {
    let kit = registry();
    let _entered = kit.enter();
    let made = Arc::new(AtomicUsize::new(0));
    let count = made.clone();
    let _g = kit
        .intercept("busy", "reentry.outer", move |_| {
            for _ in 0..300 {
                if inner().is_ok() {
                    count.fetch_add(1, Ordering::SeqCst);
                }
            }
        })
        .unwrap();
    assert_eq!(
        outer().unwrap(),
        1,
        "the calls of the body itself are not the hook's"
    );
    assert_eq!(made.swap(0, Ordering::SeqCst), 256);
    assert_eq!(outer().unwrap(), 1);
    assert_eq!(
        made.load(Ordering::SeqCst),
        256,
        "the next root call counts anew"
    );
}

#[test]
fn components_that_redirect_to_each_other_come_to_an_end() {
    let kit = registry();
    let _entered = kit.enter();
    let _g = kit
        .intercept("ping-pong", "reentry.ping", |cx| {
            HookResult::redirect(if cx.component() == Some("ping") {
                "pong"
            } else {
                "ping"
            })
        })
        .unwrap();
    let refusal = ping(1).unwrap_err();
    assert!(refusal.reason().contains("8 deep"), "{refusal}");
    let refused = kit
        .records()
        .iter()
        .filter(|r| r.outcome() == hookpoint::Outcome::Refused)
        .count();
    assert_eq!(
        refused,
        kit.records().len(),
        "the innermost refusal is that of every call around it"
    );
}

#[test]
fn records_know_their_parents() {
    let kit = registry();
    let _entered = kit.enter();
    outer().unwrap();
    let (inner, outer) = (kit.last("reentry.inner"), kit.last("reentry.outer"));
    assert_eq!(inner.parent_id(), Some(outer.call_id()));
    assert_eq!(inner.correlation_id(), outer.correlation_id());
    assert_eq!(outer.parent_id(), None);
}
