//! `#[hook]`: the functions below are registered because they are linked.

#![deny(warnings)]

use hookpoint::{
    DecisionRecord, GuardContext, HookContext, HookError, HookResult, Priority, Vote, hook, hooked,
    hooks, link_time_hooks,
};
use std::sync::atomic::{AtomicU32, Ordering};

#[hooked(point = "linked.charge")]
fn charge(cents: u64) -> Result<u64, String> {
    Ok(cents)
}

#[hooked(point = "linked.later")]
async fn later(cents: u64) -> Result<u64, String> {
    Ok(cents)
}

/// Documented, and callable as before.
#[hook(point = "linked.charge", role = guard, priority = HIGH, id = "linked.limit", tags = ["money", "test"])]
fn limit(cx: &GuardContext<'_>) -> Result<Vote, HookError> {
    let cents: &u64 = cx.arg("cents")?;
    Ok(Vote::cancel_if(*cents > 100, "over the limit"))
}

#[hook(
    point = "linked.*",
    id = "linked.one-more",
    priority = -5,
    before = ["nobody"],
    after = ["nobody.else"],
    on_failure = open,
    timeout_ms = 1_000,
    describe = "one more",
    args_after, may_retry, pure,
)]
fn one_more(cx: &mut HookContext<'_>) -> Result<(), HookError> {
    *cx.arg_mut::<u64>("cents")? += 1;
    Ok(())
}

#[hook(point = "linked.later", id = "linked.doubled", phase = [post])]
async fn doubled(cx: &mut HookContext<'_>) -> HookResult {
    tokio::task::yield_now().await;
    match cx.result_mut::<u64>() {
        Ok(cents) => *cents *= 2,
        Err(error) => return HookResult::cancel(error.to_string()),
    }
    HookResult::Continue
}

#[hook(point = "linked.later", role = guard, id = "linked.patient", priority = Priority::LOW)]
async fn patient(_cx: &mut GuardContext<'_>) -> Result<Vote, HookError> {
    tokio::task::yield_now().await;
    Ok(Vote::Pass)
}

static SEEN: AtomicU32 = AtomicU32::new(0);

#[hook(point = "linked.>", id = "linked.watch", role = observe)]
fn watch(record: &DecisionRecord) {
    let _ = record;
    SEEN.fetch_add(1, Ordering::Relaxed);
}

#[tokio::test]
async fn what_is_linked_is_asked() {
    assert_eq!(hooks().problems(), Vec::<String>::new());
    assert_eq!(charge(1), Ok(2));
    assert!(charge(100).unwrap_err().contains("over the limit"));
    assert_eq!(later(1).await, Ok(4));
    assert_eq!(SEEN.load(Ordering::Relaxed), 3);

    let ids: Vec<_> = link_time_hooks().iter().map(|hook| hook.id()).collect();
    let ids: Vec<_> = ids
        .into_iter()
        .filter(|id| id.starts_with("linked."))
        .collect();
    assert_eq!(
        ids,
        [
            "linked.doubled",
            "linked.limit",
            "linked.one-more",
            "linked.patient",
            "linked.watch"
        ]
    );
}
