//! Where hooks cause calls, wait or are stopped: it ends, and the caller is not harmed.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use hookpoint::test::registry;
use hookpoint::*;

#[hooked(point = "limits.site")]
fn site(n: u32) -> Result<u32, HookRefusal> {
    Ok(n)
}
#[hooked(point = "limits.other")]
fn other() -> Result<u32, HookRefusal> {
    Ok(1)
}
#[hooked(point = "limits.later")]
async fn later(n: u32) -> Result<u32, HookRefusal> {
    tokio::task::yield_now().await;
    Ok(n)
}
#[hooked(point = "limits.ping", component = "ping", redirect = |to: &str| (to == "pong").then_some(pong))]
fn ping(n: u32) -> Result<u32, HookRefusal> {
    Ok(n)
}
#[hooked(point = "limits.ping", component = "pong", redirect = |to: &str| (to == "ping").then_some(ping))]
fn pong(n: u32) -> Result<u32, HookRefusal> {
    Ok(n)
}
#[hooked(point = "limits.agent", component = "a", redirect = |to: &str| (to == "b").then_some(agent_b))]
fn agent_a(n: u32) -> Result<u32, HookRefusal> {
    Ok(n)
}
fn agent_b(n: u32) -> Result<u32, HookRefusal> {
    for _ in 0..300 {
        other()?;
    }
    Ok(n)
}
#[hooked(point = "limits.block_a", blocking)]
fn block_a() -> Result<(), HookRefusal> {
    Ok(())
}
#[hooked(point = "limits.block_b", blocking)]
fn block_b() -> Result<(), HookRefusal> {
    Ok(())
}
fn in_time(f: impl FnOnce() + Send + 'static) {
    let (tx, rx) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        f();
        tx.send(()).ok();
    });
    assert!(
        rx.recv_timeout(Duration::from_secs(5)).is_ok(),
        "deadlock (or panic)"
    );
}

#[test]
fn observers_of_deep_calls_come_to_an_end() {
    let kit = registry();
    let _e = kit.enter();
    let calls = Arc::new(AtomicUsize::new(0));
    let c = calls.clone();
    let _o = kit
        .observe("logs", "limits.*", move |_| {
            let n = c.fetch_add(1, Ordering::SeqCst);
            assert!(n < 200, "runs away");
            let _ = other();
        })
        .unwrap();
    let _g = kit
        .intercept("ping-pong", "limits.ping", |cx| {
            HookResult::redirect(if cx.component() == Some("ping") {
                "pong"
            } else {
                "ping"
            })
        })
        .unwrap();
    let _ = ping(1);
    assert!(
        calls.load(Ordering::SeqCst) < 60,
        "{calls:?} observations of a handful of calls"
    );
}

#[test]
fn a_hook_is_not_asked_about_calls_of_its_own_values() {
    static N: AtomicUsize = AtomicUsize::new(0);
    struct Permit;
    impl Drop for Permit {
        fn drop(&mut self) {
            if N.fetch_add(1, Ordering::SeqCst) < 100 {
                let _ = other();
            }
        }
    }
    let kit = registry();
    let _e = kit.enter();
    let _g = kit
        .intercept("permit", "limits.*", |cx| {
            cx.local(Permit);
        })
        .unwrap();
    site(1).unwrap();
    assert!(
        N.load(Ordering::SeqCst) < 20,
        "the hook is asked for the calls that its own values make: {N:?}"
    );
}

#[tokio::test]
async fn a_late_asynchronous_answer_does_not_count() {
    let kit = registry();
    let clock = kit.clock().clone();
    let _g = kit
        .on("late")
        .point("limits.later")
        .timeout(Duration::from_secs(1))
        .guard_async_with(clock, |clock, _| {
            Box::pin(async move {
                clock.advance(Duration::from_secs(60));
                Ok(Vote::Pass)
            })
        })
        .unwrap();
    assert!(
        kit.wrap(later(1)).await.is_err(),
        "an answer after the timeout counted"
    );
}

#[test]
fn calls_of_a_redirected_component_are_not_the_hooks() {
    let kit = registry();
    let _e = kit.enter();
    let _g = kit
        .intercept("go", "limits.agent", |_| HookResult::redirect("b"))
        .unwrap();
    let r = agent_a(1);
    assert!(r.is_ok(), "{}", r.unwrap_err());
}

#[tokio::test]
async fn a_hook_that_panics_when_it_is_stopped_harms_nobody() {
    struct P;
    impl Drop for P {
        fn drop(&mut self) {
            panic!("drop")
        }
    }
    let kit = registry();
    let _g = kit
        .on("late")
        .point("limits.later")
        .timeout(Duration::from_secs(1))
        .on_failure(OnFailure::Closed)
        .guard_async(async |_| {
            let _p = P;
            std::future::pending::<()>().await;
            Ok(Vote::Pass)
        })
        .unwrap();
    let mut f = Box::pin(kit.wrap(later(1)));
    let mut cx = Context::from_waker(Waker::noop());
    assert!(f.as_mut().poll(&mut cx).is_pending());
    kit.clock().advance(Duration::from_secs(2));
    let r = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| f.as_mut().poll(&mut cx)));
    assert!(
        matches!(r, Ok(Poll::Ready(Err(_)))),
        "a hook's panic reaches the caller"
    );
}

#[test]
fn a_redirect_cycle_under_an_observer_ends() {
    let kit = registry();
    let _e = kit.enter();
    let _o = kit
        .observe("logs", "limits.*", move |_| {
            let _ = other();
        })
        .unwrap();
    let _g = kit
        .intercept("ping-pong", "limits.ping", |cx| {
            HookResult::redirect(if cx.component() == Some("ping") {
                "pong"
            } else {
                "ping"
            })
        })
        .unwrap();
    let _ = ping(1);
}

#[test]
fn a_rehearsal_is_no_refusal() {
    let kit = registry();
    let _e = kit.enter();
    let r: HookRegistry = (*kit).clone();
    static R: Mutex<Option<HookRegistry>> = Mutex::new(None);
    *R.lock().unwrap() = Some(r);
    #[hooked(point = "limits.explains")]
    fn explains() -> Result<u32, String> {
        let r = R.lock().unwrap().clone().unwrap();
        drop(r.explain("limits.other", Some(&serde_json::json!({}))));
        Err("io".into())
    }
    let _n = kit
        .on("no")
        .point("limits.other")
        .pure()
        .guard(|_| Ok(Vote::cancel("no")))
        .unwrap();
    let _r = kit
        .on("rec")
        .point("limits.explains")
        .error()
        .intercept(|_| HookResult::replace(3_u32))
        .unwrap();
    assert_eq!(explains(), Ok(3), "a rehearsal counted as an inner refusal");
}

#[test]
fn blocking_within_blocking_loses_no_wake_up() {
    in_time(|| {
        let kit = HookRegistry::new();
        kit.allow_unmatched();
        let scope = HookScope::isolated(&kit);
        let _e = scope.enter();
        let (s1, r1) = tokio::sync::oneshot::channel::<()>();
        let (s2, r2) = tokio::sync::oneshot::channel::<()>();
        let (tell, told) = std::sync::mpsc::channel();
        let r1 = Arc::new(Mutex::new(Some(r1)));
        let r2 = Arc::new(Mutex::new(Some(r2)));
        let _b = kit
            .on("b")
            .point("limits.block_b")
            .guard_async_with((r1, tell), |(r1, tell), _| {
                Box::pin(async move {
                    let r = r1.lock().unwrap().take();
                    tell.send(()).map_err(HookError::other)?;
                    if let Some(r) = r {
                        r.await?;
                    }
                    Ok(Vote::Pass)
                })
            })
            .unwrap();
        let _a = kit
            .on("a")
            .point("limits.block_a")
            .guard_async_with(r2, |r2, _| {
                Box::pin(async move {
                    let r = r2.lock().unwrap().take().unwrap();
                    let (x, ()) = tokio::join!(r, async {
                        let _ = block_b();
                    });
                    x?;
                    Ok(Vote::Pass)
                })
            })
            .unwrap();
        std::thread::spawn(move || {
            told.recv().unwrap();
            s2.send(()).unwrap();
            s1.send(()).unwrap();
        });
        block_a().unwrap();
    });
}
