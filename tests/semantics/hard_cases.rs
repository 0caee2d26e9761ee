//! What a critical reader found: breakers, batches and the monitor where they are easily wrong.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hookpoint::batch::{BatchedHookExecutor, WhenFull};
use hookpoint::breaker::{BreakerPolicy, BreakerState};
use hookpoint::monitor::Thresholds;
use hookpoint::{
    ArgLevel, Clock, DecisionRecord, DynamicSite, GuardContext, HookError, HookRefusal,
    HookRegistry, HookResult, HookScope, Sink, Vote, Wants, hooked,
};

const SECOND: Duration = Duration::from_secs(1);

#[hooked(point = "hard_cases.site")]
fn site(number: u32) -> Result<u32, HookRefusal> {
    Ok(number)
}

#[hooked(point = "hard_cases.later")]
async fn later(number: u32) -> Result<u32, HookRefusal> {
    Ok(number)
}

fn policy(n: u32) -> BreakerPolicy {
    BreakerPolicy::default()
        .failures(n)
        .within(10 * SECOND)
        .open_for(SECOND)
}

#[test]
fn impossible_answer_in_half_open_must_not_close() {
    let clock = Clock::fake();
    let registry = HookRegistry::with_clock(clock.clone());
    let scope = HookScope::isolated(&registry);
    let asked = Arc::new(AtomicUsize::new(0));
    let n = asked.clone();
    registry
        .on("bad")
        .point("hard_cases.site")
        .breaker(policy(3))
        .intercept(move |_| {
            n.fetch_add(1, Ordering::SeqCst);
            HookResult::Redirect { to: "x".into() }
        })
        .unwrap()
        .forget();
    let _e = scope.enter();
    for _ in 0..3 {
        site(1).unwrap_err();
    }
    assert_eq!(registry.list()[0].breaker, Some(BreakerState::Open));
    clock.advance(SECOND);
    site(1).unwrap_err();
    assert_eq!(asked.load(Ordering::SeqCst), 4);
    assert_eq!(
        registry.list()[0].breaker,
        Some(BreakerState::Open),
        "the probe failed"
    );
}

#[test]
fn explain_must_not_trip() {
    let clock = Clock::fake();
    let registry = HookRegistry::with_clock(clock.clone());
    let scope = HookScope::isolated(&registry);
    registry
        .on("typed")
        .point("hard_cases.site")
        .breaker(policy(3))
        .pure()
        .guard(|cx: &GuardContext<'_>| {
            let _: &u32 = cx.arg("number")?;
            Ok(Vote::Pass)
        })
        .unwrap()
        .forget();
    let _e = scope.enter();
    assert_eq!(site(1).unwrap(), 1);
    for _ in 0..3 {
        registry
            .explain("hard_cases.site", Some(&serde_json::json!({"number": 1})))
            .unwrap();
    }
    assert_eq!(site(1).map_err(|e| e.to_string()), Ok(1));
}

#[test]
fn wait_capacity_less_than_batch() {
    let b = BatchedHookExecutor::builder()
        .capacity(2)
        .max_age(Duration::from_secs(3600))
        .when_full(WhenFull::Wait)
        .start(|r| r.call_id(), |_, _| ())
        .unwrap();
    let registry = HookRegistry::new();
    registry
        .observe("b", "hard_cases.*", b.observer())
        .unwrap()
        .forget();
    let (tx, rx) = channel();
    std::thread::spawn(move || {
        let scope = HookScope::isolated(&registry);
        let _e = scope.enter();
        for i in 0..3 {
            site(i).unwrap();
        }
        tx.send(()).unwrap();
    });
    let r = rx.recv_timeout(Duration::from_secs(3));
    std::mem::forget(b);
    assert!(r.is_ok(), "the third call hangs");
}

#[test]
fn handler_calls_hooked() {
    let registry = HookRegistry::new();
    let scope = HookScope::isolated(&registry);
    let inner = registry.clone();
    let rounds = Arc::new(AtomicUsize::new(0));
    let n = rounds.clone();
    let b = BatchedHookExecutor::builder()
        .max_records(1)
        .max_age(Duration::from_millis(1))
        .start(
            |r| r.call_id(),
            move |_, _| {
                n.fetch_add(1, Ordering::SeqCst);
                let scope = HookScope::isolated(&inner);
                let _e = scope.enter();
                let _ = site(7);
            },
        )
        .unwrap();
    registry
        .observe("b", "hard_cases.*", b.observer())
        .unwrap()
        .forget();
    {
        let _e = scope.enter();
        site(1).unwrap();
    }
    let metrics = b.close();
    assert_eq!(
        (metrics.records, metrics.dropped),
        (1, 0),
        "nothing came of its own call"
    );
    assert_eq!(rounds.load(Ordering::SeqCst), 1);
}

#[test]
fn handler_calls_hooked_wait_deadlock() {
    let registry = HookRegistry::new();
    let inner = registry.clone();
    let b = BatchedHookExecutor::builder()
        .max_records(1)
        .capacity(1)
        .threads(1)
        .when_full(WhenFull::Wait)
        .start(
            |r| r.call_id(),
            move |_, _| {
                let scope = HookScope::isolated(&inner);
                let _e = scope.enter();
                let _ = site(7);
                let _ = site(8);
            },
        )
        .unwrap();
    registry
        .observe("b", "hard_cases.*", b.observer())
        .unwrap()
        .forget();
    let (tx, rx) = channel();
    std::thread::spawn(move || {
        let scope = HookScope::isolated(&registry);
        let _e = scope.enter();
        for i in 0..3 {
            let _ = site(i);
        }
        tx.send(()).unwrap();
    });
    let r = rx.recv_timeout(Duration::from_secs(3));
    std::mem::forget(b);
    assert!(r.is_ok(), "hangs");
}

#[test]
fn payload_that_panics_kills_the_lane() {
    struct Again;
    impl Drop for Again {
        fn drop(&mut self) {
            if !std::thread::panicking() {
                panic!("again");
            }
        }
    }
    let b = BatchedHookExecutor::builder()
        .max_records(1)
        .capacity(1)
        .threads(1)
        .when_full(WhenFull::Wait)
        .start(|r| r.call_id(), move |_, _| std::panic::panic_any(Again))
        .unwrap();
    let registry = HookRegistry::new();
    registry
        .observe("b", "hard_cases.*", b.observer())
        .unwrap()
        .forget();
    let (tx, rx) = channel();
    std::thread::spawn(move || {
        let scope = HookScope::isolated(&registry);
        let _e = scope.enter();
        for i in 0..5 {
            let _ = site(i);
        }
        tx.send(()).unwrap();
    });
    let r = rx.recv_timeout(Duration::from_secs(3));
    std::mem::forget(b);
    assert!(r.is_ok(), "hangs");
}

#[hooked(point = "hard_cases.boom")]
fn boom(clock: &Clock) -> Result<(), HookRefusal> {
    clock.advance(10 * SECOND);
    panic!("body")
}

#[hooked(point = "hard_cases.slow")]
async fn slow(clock: Clock) -> Result<(), HookRefusal> {
    clock.advance(10 * SECOND);
    std::future::pending::<()>().await;
    Ok(())
}

fn monitored() -> (HookRegistry, Clock, HookScope) {
    let clock = Clock::fake();
    let registry = HookRegistry::with_clock(clock.clone());
    registry
        .monitor()
        .start(Thresholds::default().sample_every(1));
    registry
        .on("t")
        .point("hard_cases.*")
        .timeout(SECOND)
        .guard(|_| Ok(Vote::Pass))
        .unwrap()
        .forget();
    let scope = HookScope::isolated(&registry);
    (registry, clock, scope)
}

#[test]
fn panic_is_not_hook_time() {
    let (registry, clock, scope) = monitored();
    let _e = scope.enter();
    for _ in 0..20 {
        let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| boom(&clock)));
    }
    for p in registry.monitor().snapshot().points {
        assert!(p.hooks.max_ns < 1_000_000, "{p:?}");
    }
}

#[test]
fn cancel_is_not_hook_time() {
    let (registry, clock, scope) = monitored();
    let _e = scope.enter();
    for _ in 0..20 {
        let mut f = Box::pin(slow(clock.clone()));
        let _ = f
            .as_mut()
            .poll(&mut std::task::Context::from_waker(std::task::Waker::noop()));
        drop(f);
    }
    for p in registry.monitor().snapshot().points {
        assert!(p.hooks.max_ns < 1_000_000, "{p:?}");
    }
}

#[test]
fn argument_name() {
    assert!(DynamicSite::named("hard_cases.dyn", "a\0vb:c").is_err());
    assert!(DynamicSite::named("hard_cases.dyn2", "a b:c").is_err());
    assert!(DynamicSite::named("hard_cases.dyn3", "").is_err());
}

#[test]
fn open_for_ever() {
    let registry = HookRegistry::with_clock(Clock::fake());
    let scope = HookScope::isolated(&registry);
    let asked = Arc::new(AtomicUsize::new(0));
    let n = asked.clone();
    let p = BreakerPolicy::default()
        .failures(1)
        .open_for(Duration::MAX)
        .max_open(Duration::MAX);
    registry
        .on("bad")
        .point("hard_cases.site")
        .breaker(p)
        .guard(move |_: &GuardContext<'_>| {
            n.fetch_add(1, Ordering::SeqCst);
            Err(HookError::from("gone"))
        })
        .unwrap()
        .forget();
    let _e = scope.enter();
    for _ in 0..5 {
        site(1).unwrap_err();
    }
    assert_eq!(asked.load(Ordering::SeqCst), 1);
}

#[derive(Default)]
struct Seen(Mutex<Vec<String>>);
impl Sink for Seen {
    fn wants(&self) -> Wants {
        Wants::exceptional().args(ArgLevel::Names)
    }
    fn record(&self, record: &DecisionRecord) {
        self.0
            .lock()
            .unwrap()
            .push(serde_json::to_string(record).unwrap());
    }
}

#[test]
fn replaced_value_in_record() {
    let registry = HookRegistry::new();
    let seen = Arc::new(Seen::default());
    registry.add_sink(seen.clone());
    let scope = HookScope::isolated(&registry);
    registry
        .on("r")
        .point("hard_cases.site")
        .intercept(|_| HookResult::Replace(hookpoint::Replacement::Json(serde_json::json!(424242))))
        .unwrap()
        .forget();
    let _e = scope.enter();
    assert_eq!(site(1).unwrap(), 424242);
    let seen = seen.0.lock().unwrap();
    assert!(!seen[0].contains("424242"), "{}", seen[0]);
}

/// A sync site makes the breaker of an async hook refuse at async sites.
#[test]
fn would_block_is_contagious() {
    let registry = HookRegistry::with_clock(Clock::fake());
    let scope = HookScope::isolated(&registry);
    registry
        .on("remote")
        .point("hard_cases.*")
        .breaker(policy(3))
        .guard_async(async |_: &mut GuardContext<'_>| {
            tokio::task::yield_now().await;
            Ok(Vote::Pass)
        })
        .unwrap()
        .forget();
    let _e = scope.enter();
    let rt = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    assert!(rt.block_on(later(1)).is_ok());
    for _ in 0..3 {
        site(1).unwrap_err();
    }
    assert_eq!(rt.block_on(later(1)).map_err(|e| e.to_string()), Ok(1));
}

#[test]
fn a_lower_rate_takes_effect() {
    let registry = HookRegistry::new();
    registry
        .guard("g", "hard_cases.*", |_| Ok(Vote::Pass))
        .unwrap()
        .forget();
    let scope = HookScope::isolated(&registry);
    let _e = scope.enter();
    registry
        .monitor()
        .start(Thresholds::default().sample_every(1_000_000_000));
    for i in 0..10 {
        site(i).unwrap();
    }
    registry
        .monitor()
        .start(Thresholds::default().sample_every(2));
    let before = registry
        .monitor()
        .snapshot()
        .points
        .first()
        .map_or(0, |p| p.calls.count);
    for i in 0..10_000 {
        site(i).unwrap();
    }
    let n = registry
        .monitor()
        .snapshot()
        .points
        .first()
        .map_or(0, |p| p.calls.count)
        - before;
    assert!(n > 1000, "{n} of 10000 at one in two");
}

#[test]
fn stale_success_must_not_close() {
    use std::sync::atomic::AtomicBool;
    let clock = Clock::fake();
    let registry = HookRegistry::with_clock(clock.clone());
    let scope = HookScope::isolated(&registry);
    let gates: Arc<Vec<AtomicBool>> = Arc::new((0..9).map(|_| AtomicBool::new(false)).collect());
    let g = gates.clone();
    registry
        .on("remote")
        .point("hard_cases.later")
        .breaker(policy(2))
        .guard_async_with(g, |g, cx| {
            Box::pin(async move {
                let n = *cx.arg::<u32>("number")? as usize;
                if n == 1 {
                    return Err(HookError::from("gone"));
                }
                std::future::poll_fn(|_| {
                    if g[n].load(Ordering::SeqCst) {
                        std::task::Poll::Ready(())
                    } else {
                        std::task::Poll::Pending
                    }
                })
                .await;
                Ok(Vote::Pass)
            })
        })
        .unwrap()
        .forget();
    let _e = scope.enter();
    let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
    let mut old = Box::pin(later(2));
    assert!(old.as_mut().poll(&mut cx).is_pending());
    for _ in 0..2 {
        let mut f = Box::pin(later(1));
        assert!(f.as_mut().poll(&mut cx).is_ready());
    }
    assert_eq!(registry.list()[0].breaker, Some(BreakerState::Open));
    clock.advance(SECOND);
    let mut probe = Box::pin(later(3));
    assert!(probe.as_mut().poll(&mut cx).is_pending());
    gates[2].store(true, Ordering::SeqCst);
    assert!(old.as_mut().poll(&mut cx).is_ready());
    assert_eq!(
        registry.list()[0].breaker,
        Some(BreakerState::HalfOpen),
        "the probe has not answered"
    );
}
