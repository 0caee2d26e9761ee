//! Every call whose first phase began is done exactly once, whatever becomes of it.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};

use hookpoint::test::registry;
use hookpoint::{HookRefusal, HookResult, Outcome, Phase, hooked};

/// Is ready after so many polls.
async fn pend(times: usize) {
    let mut left = times;
    std::future::poll_fn(|cx| {
        if left == 0 {
            return Poll::Ready(());
        }
        left -= 1;
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

#[hooked(point = "pairing.wait")]
async fn wait(times: usize) -> Result<usize, HookRefusal> {
    pend(times).await;
    Ok(times)
}

#[hooked(point = "pairing.panic")]
fn panics(how: &str) -> Result<(), HookRefusal> {
    panic!("{how}")
}

struct CountsDrops(Arc<AtomicUsize>);
impl Drop for CountsDrops {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

#[test]
fn a_future_dropped_after_any_number_of_polls_is_done_once() {
    // Two pending hooks before the body (2 + 2), the body (3), one after it (2): 9 polls until it is ready.
    let mut outcomes = Vec::new();
    for polls in 0..14 {
        let kit = registry();
        let drops = Arc::new(AtomicUsize::new(0));
        let intercept = |id: &str| kit.on(id.to_owned()).point("pairing.wait").pre().post();
        let keeps = drops.clone();
        intercept("a")
            .intercept_async_with(keeps, |keeps, cx| {
                Box::pin(async move {
                    if cx.phase() == Phase::Pre {
                        cx.local(CountsDrops(keeps));
                    }
                    pend(2).await;
                    Ok(HookResult::Continue)
                })
            })
            .unwrap()
            .forget();
        kit.on("g")
            .point("pairing.wait")
            .guard_async(async |_cx| {
                pend(2).await;
                Ok(hookpoint::Vote::Pass)
            })
            .unwrap()
            .forget();
        let mut future = Box::pin(kit.wrap(wait(3)));
        let mut cx = Context::from_waker(Waker::noop());
        let mut ready = false;
        for _ in 0..polls {
            if future.as_mut().poll(&mut cx).is_ready() {
                ready = true;
                break;
            }
        }
        drop(future);
        let records = kit.records();
        assert_eq!(records.len(), usize::from(polls > 0), "after {polls} polls");
        assert_eq!(
            drops.load(Ordering::SeqCst),
            records.len(),
            "what hooks kept is dropped, after {polls} polls"
        );
        if let Some(record) = records.first() {
            let expected = if ready {
                Outcome::Returned
            } else {
                Outcome::Cancelled
            };
            assert_eq!(record.outcome(), expected, "after {polls} polls");
            outcomes.push(record.outcome());
        }
    }
    assert!(
        outcomes.contains(&Outcome::Returned) && outcomes.contains(&Outcome::Cancelled),
        "{outcomes:?}"
    );
}

#[test]
fn a_panic_of_the_body_goes_on_with_its_payload_and_is_recorded() {
    let kit = registry();
    let _entered = kit.enter();
    let _g = kit.intercept("watch", "pairing.panic", |_| ()).unwrap();
    let payload = catch_unwind(AssertUnwindSafe(|| panics("the body panics"))).unwrap_err();
    assert_eq!(
        payload.downcast_ref::<String>().map(String::as_str),
        Some("the body panics")
    );
    assert_eq!(kit.last("pairing.panic").outcome(), Outcome::Panicked);
}

#[test]
fn observers_and_kept_values_may_panic_also_while_unwinding() {
    struct PanicsWhenDropped;
    impl Drop for PanicsWhenDropped {
        fn drop(&mut self) {
            if !std::thread::panicking() {
                panic!("panics");
            }
        }
    }
    let kit = registry();
    let _entered = kit.enter();
    let seen = Arc::new(AtomicUsize::new(0));
    let count = seen.clone();
    let _a = kit
        .observe("a-panics", "pairing.*", |_| panic!("the observer panics"))
        .unwrap();
    let _b = kit
        .observe("b-counts", "pairing.*", move |_| {
            count.fetch_add(1, Ordering::SeqCst);
        })
        .unwrap();
    let _c = kit
        .intercept("keeps", "pairing.*", |cx| {
            cx.local(PanicsWhenDropped);
        })
        .unwrap();
    assert!(catch_unwind(AssertUnwindSafe(|| panics("the body panics"))).is_err());
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    assert_eq!(runtime.block_on(wait(1)).unwrap(), 1);
    assert_eq!(
        seen.load(Ordering::SeqCst),
        2,
        "the healthy observer heard of both"
    );
}

#[test]
fn a_call_dropped_outside_of_any_runtime_is_recorded() {
    let kit = registry();
    let observed = Arc::new(AtomicUsize::new(0));
    let count = observed.clone();
    let _g = kit
        .observe("o", "pairing.wait", move |record| {
            assert_eq!(record.outcome(), Outcome::Cancelled);
            count.fetch_add(1, Ordering::SeqCst);
        })
        .unwrap();
    let mut future = Box::pin(kit.wrap(wait(1)));
    assert!(
        future
            .as_mut()
            .poll(&mut Context::from_waker(Waker::noop()))
            .is_pending()
    );
    std::thread::spawn(move || drop(future)).join().unwrap();
    assert_eq!(observed.load(Ordering::SeqCst), 1);
}
