//! The life of a call that is a stream: from the first poll to its end, done once, within bounds.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;
use std::time::Duration;

use futures_util::{Stream, StreamExt, stream};
use hookpoint::test::registry;
use hookpoint::*;

use crate::streams::{Item, count, drain, mixed, only_record, pend, poll, slow, watched};

#[hooked(point = "streams.panics", stream)]
fn panics(at: u64) -> impl Stream<Item = Item> {
    stream::iter((0..).map(move |n| {
        assert!(n < at, "the stream panics");
        Ok(n)
    }))
}

#[test]
fn dropped_after_any_number_of_polls_it_is_done_once() {
    const N: u64 = 4;
    let mut outcomes = Vec::new();
    // Hooks pend before the stream (2), the stream pends at 4 items and the end (5), hooks at 4 items (8).
    for polls in 0..24 {
        let kit = registry();
        let kept = Arc::new(());
        let watch = kept.clone();
        kit.on("a")
            .point("streams.slow")
            .pre()
            .post()
            .intercept_async_with(watch, |watch, cx| {
                Box::pin(async move {
                    if cx.phase() == Phase::Pre {
                        cx.local(watch);
                    }
                    pend().await;
                    Ok(HookResult::Continue)
                })
            })
            .unwrap()
            .forget();
        kit.on("g")
            .point("streams.slow")
            .guard_async(async |_cx| {
                pend().await;
                Ok(Vote::Pass)
            })
            .unwrap()
            .forget();
        let dropped = Arc::new(AtomicUsize::new(0));
        let entered = kit.enter();
        let mut stream = Box::pin(slow(N, dropped.clone()));
        let mut items = Vec::new();
        let mut ended = false;
        for _ in 0..polls {
            match poll(stream.as_mut()) {
                Poll::Ready(Some(item)) => items.push(item),
                Poll::Ready(None) => ended = true,
                Poll::Pending => {}
            }
        }
        // A stream may be dropped anywhere.
        drop(entered);
        std::thread::scope(|scope| scope.spawn(|| drop(stream)).join()).unwrap();
        assert_eq!(dropped.load(Ordering::SeqCst), 1);
        assert_eq!(items, (0..items.len() as u64).map(Ok).collect::<Vec<_>>());
        let records = kit.records();
        assert_eq!(records.len(), usize::from(polls > 0), "after {polls} polls");
        let Some(record) = records.first() else {
            continue;
        };
        let expected = match ended {
            true => Outcome::Returned,
            false => Outcome::Cancelled,
        };
        assert_eq!(record.outcome(), expected, "after {polls} polls");
        assert_eq!(record.items(), Some(items.len() as u64));
        outcomes.push((record.items(), record.outcome()));
        drop(records);
        drop(kit);
        assert_eq!(Arc::strong_count(&kept), 1, "what hooks kept is dropped");
    }
    for items in 0..=N {
        assert!(outcomes.contains(&(Some(items), Outcome::Cancelled)));
    }
    assert!(outcomes.contains(&(Some(N), Outcome::Returned)));
}

#[test]
fn a_call_does_not_grow_with_its_items() {
    const N: u64 = 10_000;
    let kit = registry();
    let _entered = kit.enter();
    kit.on("passes")
        .point("streams.count")
        .post()
        .intercept(|_| ())
        .unwrap()
        .forget();
    kit.on("fails")
        .point("streams.count")
        .post()
        .on_failure(OnFailure::Open)
        .guard(|_| Err(HookError::other("each time")))
        .unwrap()
        .forget();
    kit.on("last")
        .point("streams.count")
        .post()
        .guard(|cx| Ok(Vote::cancel_if(cx.item() == Some(N - 1), "enough")))
        .unwrap()
        .forget();
    let (items, _) = drain(count(N));
    assert_eq!(items.len() as u64, N);
    assert!(items.last().unwrap().is_err());
    let record = only_record(&kit);
    let about_items = record.hooks().iter().filter(|h| h.item.is_some()).count() as u64;
    assert!(about_items <= 2 * 64 + 3, "{about_items}");
    let passed = record.hooks().iter().filter(|h| h.answer == "continue");
    assert!(passed.count() >= 64);
    // Three hooks are asked about each item.
    assert_eq!(record.notes_left_out() + about_items, 3 * N);
    assert_eq!(record.to_json()["notes_left_out"], record.notes_left_out());
    let last = record.hooks().last().unwrap();
    assert_eq!(
        (&*last.hook, last.item),
        ("last", Some(N - 1)),
        "what ends it is kept"
    );
}

#[test]
fn a_halt_is_looked_at_before_each_item() {
    let kit = registry();
    let _entered = kit.enter();
    let run = HookScope::run("agent");
    let _in_run = run.enter();
    let halts = kit.on("halts").point("streams.mixed");
    halts
        .intercept(|_| HookResult::halt("enough"))
        .unwrap()
        .forget();
    // One that hooks are asked about, one that nobody but the run listens to.
    let mut stream = Box::pin(count(9));
    let mut other = Box::pin(watched(3));
    for n in 0..3 {
        assert_eq!(poll(stream.as_mut()), Poll::Ready(Some(Ok(n))));
    }
    assert_eq!(poll(other.as_mut()), Poll::Ready(Some(0)));
    assert!(drain(mixed(vec![])).0[0].is_err());
    let Poll::Ready(Some(Err(refusal))) = poll(stream.as_mut()) else {
        panic!("a refusal")
    };
    assert!(
        refusal.contains("enough") && refusal.contains("agent"),
        "{refusal}"
    );
    assert_eq!(poll(stream.as_mut()), Poll::Ready(None));
    assert_eq!(kit.last("streams.count").outcome(), Outcome::Refused);
    assert_eq!(kit.last("streams.count").items(), Some(3));
    // Where a refusal has no force, that is told once, and the items come.
    assert_eq!(drain(other).0, [1, 2]);
    let told = kit.violations();
    assert_eq!(told, ["unenforceable hookpoint.halted"]);
}

#[test]
fn a_halt_reaches_a_stream_that_waits() {
    let kit = registry();
    let _entered = kit.enter();
    let run = HookScope::run("agent");
    let _in_run = run.enter();
    let halts = kit.on("halts").point("streams.mixed");
    halts
        .intercept(|_| HookResult::halt("enough"))
        .unwrap()
        .forget();
    let dropped = Arc::new(AtomicUsize::new(0));
    let mut stream = Box::pin(slow(9, dropped.clone()));
    assert!(poll(stream.as_mut()).is_pending());
    assert!(drain(mixed(vec![])).0[0].is_err());
    assert!(matches!(poll(stream.as_mut()), Poll::Ready(Some(Err(_)))));
    assert_eq!(dropped.load(Ordering::SeqCst), 1);
}

#[test]
fn a_panic_of_the_stream_goes_on_and_is_recorded() {
    let kit = registry();
    let _entered = kit.enter();
    kit.intercept("watch", "streams.panics", |_| ())
        .unwrap()
        .forget();
    let mut stream = Box::pin(panics(2));
    assert_eq!(poll(stream.as_mut()), Poll::Ready(Some(Ok(0))));
    assert_eq!(poll(stream.as_mut()), Poll::Ready(Some(Ok(1))));
    let panicked = catch_unwind(AssertUnwindSafe(|| poll(stream.as_mut())));
    assert_eq!(
        panicked.unwrap_err().downcast_ref::<&str>(),
        Some(&"the stream panics")
    );
    assert_eq!(poll(stream.as_mut()), Poll::Ready(None));
    drop(stream);
    let record = only_record(&kit);
    assert_eq!(
        (record.outcome(), record.items()),
        (Outcome::Panicked, Some(2))
    );
}

#[test]
fn the_time_of_the_caller_is_not_the_hooks() {
    let kit = registry();
    let _entered = kit.enter();
    let mut stream = Box::pin(count(2));
    while let Poll::Ready(Some(_)) = poll(stream.as_mut()) {
        kit.clock().advance(Duration::from_secs(5));
    }
    let record = only_record(&kit);
    assert_eq!(record.elapsed(), Duration::from_secs(10));
    assert_eq!(record.waited(), Duration::from_secs(10));
    assert_eq!(record.hook_time(), Some(Duration::ZERO));
}

#[tokio::test]
async fn calls_in_a_stream_are_its_children() {
    #[hooked(point = "streams.inner")]
    async fn inner(n: u64) -> Item {
        Ok(n)
    }
    #[hooked(point = "streams.outer", stream)]
    fn outer() -> impl Stream<Item = Item> {
        stream::iter(0..2).then(inner)
    }
    let kit = registry();
    kit.wrap(async {
        assert_eq!(outer().collect::<Vec<_>>().await, [Ok(0), Ok(1)]);
    })
    .await;
    let records = kit.records();
    let outer = kit.last("streams.outer");
    let children = records
        .iter()
        .filter(|r| r.parent_id() == Some(outer.call_id()));
    assert_eq!(children.count(), 2);
}

#[tokio::test]
async fn a_refusal_inside_marks_its_item_and_no_other() {
    #[hooked(point = "streams.step")]
    fn step(n: u64) -> Item {
        Ok(n)
    }
    #[hooked(point = "streams.steps", stream)]
    fn steps() -> impl Stream<Item = Item> {
        stream::iter(0..4).map(|n| match n {
            0 | 1 => step(n),
            _ => Err("broken".to_owned()),
        })
    }
    let kit = registry();
    kit.on("no-one")
        .point("streams.step")
        .guard(|cx| Ok(Vote::cancel_if(*cx.arg::<u64>("n")? == 1, "not one")))
        .unwrap()
        .forget();
    kit.on("recovers")
        .point("streams.steps")
        .error()
        .intercept(|_| HookResult::replace(9_u64))
        .unwrap()
        .forget();
    let items: Vec<_> = kit.wrap(steps().collect()).await;
    assert_eq!((&items[0], &items[2..]), (&Ok(0), &[Ok(9), Ok(9)][..]));
    assert!(items[1].as_ref().is_err_and(|e| e.contains("not one")));
    let record = kit.last("streams.steps");
    assert_eq!(record.outcome(), Outcome::Returned);
    let failed: Vec<_> = record
        .hooks()
        .iter()
        .filter(|h| h.answer == "fail")
        .collect();
    assert_eq!((failed.len(), failed[0].item), (1, Some(1)));
}
