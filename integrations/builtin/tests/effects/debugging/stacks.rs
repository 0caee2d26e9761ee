//! Stacks of calls.

use hooks_builtin::{CallFilter, DebuggingHook};
use hooks_runtime::Outcome;

use super::{panics, place};
use crate::kit::{Runs, buy, echo, isolated, order};

/// Stands in the stack of what it does.
#[inline(never)]
fn from_a_place_of_its_own(work: impl FnOnce()) {
    work();
    std::hint::black_box(());
}

#[tokio::test]
async fn a_stack_says_from_where_the_call_was_made() {
    let (registry, scope) = isolated();
    let hook = [Outcome::Failed, Outcome::Refused, Outcome::Panicked];
    let hook = hook
        .into_iter()
        .fold(DebuggingHook::new(), DebuggingHook::stacks);
    let (_hook, ring) = place(&registry, "d-stacks", hook);
    {
        let _entered = scope.enter();
        let runs = Runs::default();
        from_a_place_of_its_own(|| drop(buy("corner", order("", 1), &runs)));
        from_a_place_of_its_own(|| panics("corner"));
        buy("corner", order("tea", 1), &runs).unwrap();
    }
    let _shut = registry.guard("shut", "shop.echo", |_| {
        Ok(hooks_runtime::Vote::cancel("shut"))
    });
    scope.wrap(echo("x".into())).await.unwrap_err();
    let calls = ring.calls(&CallFilter::new());
    for call in &calls[..2] {
        let stack = call.stack().unwrap();
        assert!(
            stack.contains("from_a_place_of_its_own"),
            "{:?}: {stack}",
            call.outcome()
        );
        assert_eq!(call.stack().unwrap(), stack, "it stays as it was read");
    }
    assert!(calls[2].stack().is_none(), "it returned");
    let stack = calls[3].stack().unwrap();
    assert!(
        stack.contains("a_stack_says_from_where_the_call_was_made"),
        "{stack}"
    );
}

#[test]
fn so_many_stacks_of_such_a_length_are_kept() {
    let (registry, scope) = isolated();
    let _entered = scope.enter();
    let all = [
        Outcome::Returned,
        Outcome::Failed,
        Outcome::Refused,
        Outcome::Panicked,
        Outcome::Cancelled,
    ];
    let hook = all
        .into_iter()
        .fold(DebuggingHook::new(), DebuggingHook::stacks);
    let (_hook, ring) = place(&registry, "d-few", hook.max_stacks(2).max_stack_bytes(1024));
    let runs = Runs::default();
    for _ in 0..3 {
        buy("corner", order("tea", 1), &runs).unwrap();
    }
    let calls = ring.calls(&CallFilter::new());
    assert!(calls[0].stack().is_none(), "the oldest has made room");
    for call in &calls[1..] {
        let stack = call.stack().unwrap();
        assert!((1000..=1024).contains(&stack.len()), "{stack}");
    }
    let figures = ring.figures();
    assert_eq!((figures.calls, figures.stacks), (3, 2));
    assert!(figures.bytes > 2 * 1024);
}
