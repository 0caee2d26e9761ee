//! Hooks that fail again and again, under a clock that a test moves.

mod not_its_own;

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hookpoint::breaker::{BreakerPolicy, BreakerState};
use hookpoint::{
    Clock, DecisionRecord, GuardContext, HookError, HookRefusal, HookRegistry, HookScope,
    OnFailure, Signal, Sink, Vote, Wants, hooked,
};

const SECOND: Duration = Duration::from_secs(1);

#[hooked(point = "breakers.site")]
fn site(number: u32) -> Result<u32, HookRefusal> {
    Ok(number)
}

#[hooked(point = "breakers.site")]
async fn later(number: u32) -> Result<u32, HookRefusal> {
    Ok(number)
}

/// A guard that fails while it is told to.
struct Fixture {
    registry: HookRegistry,
    clock: Clock,
    scope: HookScope,
    fails: Arc<AtomicBool>,
    asked: Arc<AtomicUsize>,
}

fn policy() -> BreakerPolicy {
    BreakerPolicy::default()
        .failures(3)
        .within(10 * SECOND)
        .open_for(SECOND)
}

impl Fixture {
    fn new(policy: BreakerPolicy, on_failure: OnFailure) -> Fixture {
        let clock = Clock::fake();
        let registry = HookRegistry::with_clock(clock.clone());
        let fixture = Fixture {
            scope: HookScope::isolated(&registry),
            registry,
            clock,
            fails: Arc::new(AtomicBool::new(true)),
            asked: Arc::default(),
        };
        let (fails, asked) = (fixture.fails.clone(), fixture.asked.clone());
        let guard = fixture.registry.on("shaky").point("breakers.site");
        let guard = guard.breaker(policy).on_failure(on_failure);
        let guard = guard.guard(move |_: &GuardContext<'_>| {
            asked.fetch_add(1, Ordering::SeqCst);
            if fails.load(Ordering::SeqCst) {
                return Err(HookError::from("the server is gone"));
            }
            Ok(Vote::Pass)
        });
        guard.unwrap().forget();
        fixture
    }

    fn state(&self) -> BreakerState {
        self.registry.list()[0].breaker.unwrap()
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    fn recovers(&self) {
        self.fails.store(false, Ordering::SeqCst);
    }
}

#[test]
fn it_opens_after_failures_and_closes_with_a_good_answer() {
    let fixture = Fixture::new(policy(), OnFailure::Closed);
    let _entered = fixture.scope.enter();
    for _ in 0..3 {
        assert!(site(1).unwrap_err().reason().contains("the server is gone"));
    }
    assert_eq!((fixture.state(), fixture.asked()), (BreakerState::Open, 3));
    let refused = site(1).unwrap_err();
    assert!(refused.reason().contains("failed too often"), "{refused}");
    assert_eq!(fixture.asked(), 3, "it is not asked");
    // One call tries it when the time is up; it fails, so twice as long.
    fixture.clock.advance(SECOND);
    site(1).unwrap_err();
    assert_eq!(fixture.asked(), 4);
    fixture.clock.advance(SECOND);
    site(1).unwrap_err();
    assert_eq!(fixture.asked(), 4, "two seconds this time");
    fixture.recovers();
    fixture.clock.advance(SECOND);
    assert_eq!(site(1).unwrap(), 1);
    assert_eq!(
        (fixture.state(), fixture.asked()),
        (BreakerState::Closed, 5)
    );
    assert_eq!(site(2).unwrap(), 2);
    // And the next time it begins with one second again.
    fixture.fails.store(true, Ordering::SeqCst);
    (0..3).for_each(|_| drop(site(1)));
    fixture.clock.advance(SECOND);
    site(1).unwrap_err();
    assert_eq!(fixture.asked(), 10);
}

#[test]
fn failures_that_are_long_ago_do_not_count_and_the_time_is_bounded() {
    let fixture = Fixture::new(policy().max_open(3 * SECOND), OnFailure::Closed);
    let _entered = fixture.scope.enter();
    for _ in 0..10 {
        site(1).unwrap_err();
        fixture.clock.advance(6 * SECOND);
    }
    assert_eq!(
        (fixture.state(), fixture.asked()),
        (BreakerState::Closed, 10)
    );
    (0..2).for_each(|_| drop(site(1)));
    assert_eq!(fixture.state(), BreakerState::Open);
    let before = fixture.asked();
    for tried in 1..=6 {
        fixture.clock.advance(3 * SECOND);
        site(1).unwrap_err();
        assert_eq!(fixture.asked(), before + tried);
    }
}

#[test]
fn a_hook_whose_failure_is_open_is_passed_over() {
    let fixture = Fixture::new(policy(), OnFailure::Open);
    let _entered = fixture.scope.enter();
    for number in 0..10 {
        assert_eq!(site(number).unwrap(), number);
    }
    assert_eq!((fixture.state(), fixture.asked()), (BreakerState::Open, 3));
}

#[tokio::test]
async fn one_call_tries_it_and_a_call_that_is_dropped_is_no_answer() {
    let clock = Clock::fake();
    let registry = HookRegistry::with_clock(clock.clone());
    let scope = HookScope::isolated(&registry);
    let (asked, hangs) = (
        Arc::new(AtomicUsize::new(0)),
        Arc::new(AtomicBool::new(false)),
    );
    let state = (asked.clone(), hangs.clone());
    let guard = registry
        .on("remote")
        .point("breakers.site")
        .breaker(policy());
    let guard = guard.guard_async_with(state, |(asked, hangs), _| {
        Box::pin(async move {
            asked.fetch_add(1, Ordering::SeqCst);
            if hangs.load(Ordering::SeqCst) {
                std::future::pending::<()>().await;
            }
            Err(HookError::from("no route"))
        })
    });
    guard.unwrap().forget();
    for _ in 0..3 {
        scope.wrap(later(1)).await.unwrap_err();
    }
    clock.advance(SECOND);
    hangs.store(true, Ordering::SeqCst);
    let mut tries = Box::pin(scope.wrap(later(1)));
    let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
    assert!(tries.as_mut().poll(&mut cx).is_pending());
    assert_eq!(registry.list()[0].breaker, Some(BreakerState::HalfOpen));
    scope.wrap(later(1)).await.unwrap_err();
    assert_eq!(
        asked.load(Ordering::SeqCst),
        4,
        "while one call tries, nobody else does"
    );
    drop(tries);
    hangs.store(false, Ordering::SeqCst);
    clock.advance(SECOND);
    scope.wrap(later(1)).await.unwrap_err();
    assert_eq!(asked.load(Ordering::SeqCst), 5);
}

#[derive(Default)]
struct Heard(Mutex<Vec<(String, Duration)>>);

impl Sink for Heard {
    fn wants(&self) -> Wants {
        Wants::signals_only()
    }
    fn record(&self, _: &DecisionRecord) {}
    fn signal(&self, signal: &Signal<'_>) {
        if let Signal::BreakerOpened { hook, open_for, .. } = signal {
            self.0.lock().unwrap().push(((*hook).to_owned(), *open_for));
        }
    }
}

#[test]
fn panics_count_and_opening_is_told() {
    let clock = Clock::fake();
    let registry = HookRegistry::with_clock(clock.clone());
    let scope = HookScope::isolated(&registry);
    let _entered = scope.enter();
    let heard = Arc::new(Heard::default());
    registry.add_sink(heard.clone());
    let hook = registry
        .on("panics")
        .point("breakers.site")
        .breaker(policy());
    let hook = hook.intercept(|cx| assert!(cx.attempt() == 0, "in a hook"));
    let _hook = hook.unwrap();
    (0..5).for_each(|_| drop(site(1)));
    clock.advance(SECOND);
    site(1).unwrap_err();
    let told = heard.0.lock().unwrap();
    assert_eq!(
        *told,
        [
            ("panics".to_owned(), SECOND),
            ("panics".to_owned(), 2 * SECOND)
        ]
    );
}

#[test]
fn slowness_trips_only_hooks_whose_failure_is_open() {
    let clock = Clock::fake();
    let registry = HookRegistry::with_clock(clock.clone());
    let scope = HookScope::isolated(&registry);
    let _entered = scope.enter();
    let slow = |on_failure| {
        let (clock, hook) = (clock.clone(), registry.on("slow").point("breakers.site"));
        let hook = hook
            .breaker(policy().slow(SECOND / 2))
            .on_failure(on_failure);
        hook.intercept(move |_| clock.advance(SECOND))
    };
    let error = slow(OnFailure::Closed).unwrap_err().to_string();
    assert!(
        error.contains("slow") && error.contains("on_failure"),
        "{error}"
    );
    let _slow = slow(OnFailure::Open).unwrap();
    for number in 0..3 {
        assert_eq!(site(number).unwrap(), number);
    }
    assert_eq!(registry.list()[0].breaker, Some(BreakerState::Open));
    assert_eq!(site(1).unwrap(), 1);
}

#[test]
fn it_may_stay_open_for_ever() {
    let for_ever = policy().failures(1).open_for(Duration::MAX);
    let fixture = Fixture::new(for_ever.max_open(Duration::MAX), OnFailure::Closed);
    let _entered = fixture.scope.enter();
    for _ in 0..5 {
        site(1).unwrap_err();
        fixture.clock.advance(1_000_000 * SECOND);
    }
    assert_eq!(fixture.asked(), 1);
}
