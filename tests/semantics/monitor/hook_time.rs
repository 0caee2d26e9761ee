//! Bodies that never return are no time of hooks.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::task::{Context, Waker};

use super::*;

#[hooked(point = "monitor.panics")]
fn panics(clock: &Clock) -> Result<(), HookRefusal> {
    clock.advance(10_000 * MS);
    panic!("the body panics")
}

#[hooked(point = "monitor.hangs")]
async fn hangs(clock: Clock) -> Result<(), HookRefusal> {
    clock.advance(10_000 * MS);
    std::future::pending().await
}

/// The longest that hooks took for a call at that point.
fn hook_time(point: &str, call: impl Fn(&Clock)) -> Duration {
    let (registry, clock, scope) = monitored();
    let guard = registry.on("guard").point(point).timeout(MS);
    let _guard = guard.guard(|_| Ok(Vote::Pass)).unwrap();
    let _entered = scope.enter();
    (0..20).for_each(|_| call(&clock));
    let measured = registry.monitor().snapshot();
    let [point] = &measured.points[..] else {
        panic!("{measured:?}");
    };
    assert!(point.hooks.count > 0, "{point:?}");
    Duration::from_nanos(point.hooks.max_ns)
}

#[test]
fn the_time_in_a_body_that_panics_is_not_that_of_hooks() {
    crate::sites::quiet();
    let longest = hook_time("monitor.panics", |clock| {
        catch_unwind(AssertUnwindSafe(|| panics(clock))).unwrap_err();
    });
    assert!(longest < MS, "{longest:?}");
}

#[test]
fn the_time_in_a_body_that_is_dropped_is_not_that_of_hooks() {
    let longest = hook_time("monitor.hangs", |clock| {
        let mut call = Box::pin(hangs(clock.clone()));
        let polled = call.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        assert!(polled.is_pending());
    });
    assert!(longest < MS, "{longest:?}");
}
