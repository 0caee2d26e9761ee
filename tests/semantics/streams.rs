//! Every item of a stream is decided on, and a refusal is the last item.

use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use futures_util::{Stream, stream};
use hookpoint::test::{TestRegistry, registry};
use hookpoint::*;

pub(crate) type Item = Result<u64, String>;

/// Gives `0, 1, …`, each after one poll that is pending, and counts when it is dropped.
struct Slow {
    left: std::ops::Range<u64>,
    ready: bool,
    dropped: Arc<AtomicUsize>,
}

impl Stream for Slow {
    type Item = Item;
    fn poll_next(mut self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<Option<Item>> {
        self.ready = !self.ready;
        if self.ready {
            return Poll::Pending;
        }
        Poll::Ready(self.left.next().map(Ok))
    }
}

impl Drop for Slow {
    fn drop(&mut self) {
        self.dropped.fetch_add(1, Ordering::SeqCst);
    }
}

#[hooked(point = "streams.slow", stream)]
pub(crate) fn slow(n: u64, dropped: Arc<AtomicUsize>) -> impl Stream<Item = Item> {
    Slow {
        left: 0..n,
        ready: false,
        dropped,
    }
}

#[hooked(point = "streams.count", stream)]
pub(crate) fn count(n: u64) -> impl Stream<Item = Item> {
    stream::iter((0..n).map(Ok))
}

#[hooked(point = "streams.mixed", stream)]
pub(crate) fn mixed(items: Vec<Item>) -> impl Stream<Item = Item> {
    stream::iter(items)
}

#[hooked(point = "streams.watched", stream, observe)]
pub(crate) fn watched(n: u64) -> impl Stream<Item = u64> {
    stream::iter(0..n)
}

pub(crate) fn poll<S: Stream>(stream: Pin<&mut S>) -> Poll<Option<S::Item>> {
    stream.poll_next(&mut Context::from_waker(Waker::noop()))
}

/// All items of a stream whose wakers need no waiting, and how often it was pending.
pub(crate) fn drain<S: Stream>(stream: S) -> (Vec<S::Item>, usize) {
    let (mut stream, mut items, mut pending) = (Box::pin(stream), Vec::new(), 0);
    loop {
        match poll(stream.as_mut()) {
            Poll::Ready(Some(item)) => items.push(item),
            Poll::Ready(None) => break,
            Poll::Pending => pending += 1,
        }
        assert!(pending < 1_000, "it does not end");
    }
    // Over is over.
    for _ in 0..3 {
        assert!(matches!(poll(stream.as_mut()), Poll::Ready(None)));
        assert_eq!(stream.size_hint(), (0, Some(0)));
    }
    (items, pending)
}

pub(crate) fn only_record(kit: &TestRegistry) -> DecisionRecord<'static> {
    let records = kit.records();
    assert_eq!(records.len(), 1, "done once: {records:?}");
    records[0].clone()
}

#[test]
fn a_refusal_at_any_item_is_the_last_item() {
    const N: u64 = 6;
    for k in 0..N {
        for guard in [true, false] {
            let kit = registry();
            let _entered = kit.enter();
            if guard {
                kit.on("no")
                    .point("streams.*")
                    .post()
                    .guard(move |cx| Ok(Vote::cancel_if(cx.item() == Some(k), "not this one")))
                    .unwrap()
                    .forget();
            } else {
                kit.on("no")
                    .point("streams.*")
                    .post()
                    .intercept(move |cx| match cx.item() == Some(k) {
                        true => HookResult::cancel("not this one"),
                        false => HookResult::Continue,
                    })
                    .unwrap()
                    .forget();
            }
            let dropped = Arc::new(AtomicUsize::new(0));
            let mut stream = Box::pin(slow(N, dropped.clone()));
            let mut items = Vec::new();
            loop {
                match poll(stream.as_mut()) {
                    Poll::Ready(Some(item)) => items.push(item),
                    Poll::Ready(None) => break,
                    Poll::Pending => continue,
                }
                if items.last().is_some_and(Result::is_err) {
                    assert_eq!(dropped.load(Ordering::SeqCst), 1, "with the refusal");
                    assert_eq!(only_record(&kit).outcome(), Outcome::Refused);
                }
            }
            // Nothing after it, however often one asks.
            assert!((0..9).all(|_| matches!(poll(stream.as_mut()), Poll::Ready(None))));
            let refusal = items.pop().expect("the refusal").unwrap_err();
            assert!(refusal.contains("not this one"), "{refusal}");
            assert_eq!(items, (0..k).map(Ok).collect::<Vec<_>>());
            drop(stream);
            let record = only_record(&kit);
            assert_eq!(
                (record.outcome(), record.items()),
                (Outcome::Refused, Some(k))
            );
            assert!(record.executed() && record.refusal().is_some());
            let said = record
                .hooks()
                .iter()
                .find(|h| h.answer == "cancel")
                .unwrap();
            assert_eq!((said.item, said.phase), (Some(k), Phase::Post));
            assert_eq!(dropped.load(Ordering::SeqCst), 1);
        }
    }
}

#[test]
fn refused_before_the_stream_it_gives_the_refusal_only() {
    let kit = registry();
    let _entered = kit.enter();
    kit.guard("no", "streams.*", |_: &GuardContext<'_>| {
        Ok(Vote::cancel("never"))
    })
    .unwrap()
    .forget();
    let dropped = Arc::new(AtomicUsize::new(0));
    let stream = slow(3, dropped.clone());
    assert_eq!(kit.records().len(), 0, "hooks come with the first poll");
    let (items, pending) = drain(stream);
    assert_eq!((items.len(), pending), (1, 0));
    assert!(items[0].as_ref().is_err_and(|e| e.contains("never")));
    let record = only_record(&kit);
    assert_eq!(
        (record.outcome(), record.items()),
        (Outcome::Refused, Some(0))
    );
    assert!(!record.executed(), "the stream was never polled");
    assert_eq!(dropped.load(Ordering::SeqCst), 1);
}

/// Is ready at the second poll.
pub(crate) async fn pend() {
    let mut polled = false;
    std::future::poll_fn(|cx| {
        if std::mem::replace(&mut polled, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

#[test]
fn hooks_that_wait_make_the_stream_wait() {
    let kit = registry();
    let _entered = kit.enter();
    kit.on("slow")
        .point("streams.count")
        .post()
        .intercept_async(async |cx: &mut HookContext<'_>| {
            pend().await;
            *cx.result_mut::<u64>()? *= 10;
            Ok(HookResult::Continue)
        })
        .unwrap()
        .forget();
    assert_eq!(drain(count(3)), (vec![Ok(0), Ok(10), Ok(20)], 3));
}

#[test]
fn items_are_changed_replaced_and_recovered() {
    let kit = registry();
    let _entered = kit.enter();
    let numbers = Arc::new(Mutex::new(Vec::new()));
    let seen = numbers.clone();
    kit.on("changes")
        .point("streams.mixed")
        .pre()
        .post()
        .error()
        .intercept(move |cx| {
            seen.lock().unwrap().push((cx.phase(), cx.item()));
            match cx.phase() {
                Phase::Post if *cx.result::<u64>()? == 1 => {
                    *cx.result_mut::<u64>()? = 11;
                    Ok(HookResult::Continue)
                }
                Phase::Post if *cx.result::<u64>()? == 2 => Ok(HookResult::replace(22_u64)),
                Phase::Error if cx.error::<String>()? == "three" => Ok(HookResult::replace(33_u64)),
                _ => Ok(HookResult::Continue),
            }
        })
        .unwrap()
        .forget();
    let items = vec![Ok(0), Ok(1), Ok(2), Err("three".into()), Err("four".into())];
    let (items, _) = drain(mixed(items));
    assert_eq!(items, [Ok(0), Ok(11), Ok(22), Ok(33), Err("four".into())]);
    let seen = numbers.lock().unwrap();
    let expected = [
        (Phase::Pre, None),
        (Phase::Post, Some(0)),
        (Phase::Post, Some(1)),
        (Phase::Post, Some(2)),
        (Phase::Error, Some(3)),
        (Phase::Error, Some(4)),
    ];
    assert_eq!(*seen, expected);
    let record = only_record(&kit);
    assert_eq!(
        (record.outcome(), record.items()),
        (Outcome::Failed, Some(5)),
        "the last item is an error"
    );
    assert_eq!(record.to_json()["items"], 5);
}

#[test]
fn a_guard_sees_each_item_as_it_would_be_given() {
    let kit = registry();
    let _entered = kit.enter();
    kit.on("changes")
        .point("streams.count")
        .post()
        .intercept(|cx| {
            cx.result_mut::<u64>()
                .map(|n| *n += 100)
                .map_err(HookError::from)
        })
        .unwrap()
        .forget();
    kit.on("limit")
        .point("streams.*")
        .post()
        .guard(|cx| {
            Ok(Vote::cancel_if(
                *cx.result::<u64>()? > 101,
                "over the limit",
            ))
        })
        .unwrap()
        .forget();
    let (items, _) = drain(count(9));
    assert_eq!(items[..2], [Ok(100), Ok(101)]);
    assert!(
        items[2]
            .as_ref()
            .is_err_and(|e| e.contains("over the limit"))
    );
    assert_eq!(items.len(), 3);
}

#[test]
fn a_replacement_before_the_stream_is_the_one_item() {
    let kit = registry();
    let _entered = kit.enter();
    let _g = kit
        .on("plans")
        .point("streams.slow")
        .intercept(|_| HookResult::replace(7_u64))
        .unwrap();
    let dropped = Arc::new(AtomicUsize::new(0));
    assert_eq!(drain(slow(3, dropped.clone())).0, [Ok(7)]);
    let record = only_record(&kit);
    assert_eq!(
        (record.plan(), record.outcome()),
        ("replace", Outcome::Returned)
    );
    assert_eq!((record.items(), record.executed()), (Some(1), false));
    assert_eq!(dropped.load(Ordering::SeqCst), 1);

    kit.forget();
    let _n = kit.guard("no", "streams.*", |cx: &GuardContext<'_>| {
        Ok(Vote::cancel_if(
            cx.result::<u64>().is_ok_and(|n| *n == 7),
            "not seven",
        ))
    });
    let (items, _) = drain(slow(3, dropped));
    assert!(
        matches!(&items[..], [Err(e)] if e.contains("not seven")),
        "{items:?}"
    );
    assert_eq!(only_record(&kit).items(), Some(0));
}

#[test]
fn a_replacement_of_another_type_is_a_failure_of_its_hook() {
    let kit = registry();
    let _entered = kit.enter();
    let _g = kit
        .on("plans")
        .point("streams.count")
        .intercept(|_| HookResult::replace("seven"))
        .unwrap();
    let (items, _) = drain(count(3));
    assert!(
        matches!(&items[..], [Err(e)] if e.contains("&str")),
        "{items:?}"
    );
}

#[test]
fn what_a_stream_cannot_carry_is_said_so() {
    type Answer = fn() -> HookResult;
    let cases: [(Phase, Answer, &str); 3] = [
        (
            Phase::Pre,
            || HookResult::cache("k", Duration::from_secs(1)),
            "not kept",
        ),
        (
            Phase::Pre,
            || HookResult::redirect("other"),
            "another component",
        ),
        (
            Phase::Post,
            || HookResult::retry(Duration::ZERO, 3),
            "cannot be taken back",
        ),
    ];
    for (phase, answer, why) in cases {
        let kit = registry();
        let _entered = kit.enter();
        kit.on("asks")
            .point("streams.count")
            .pre()
            .post()
            .may_retry()
            .intercept(move |cx| match cx.phase() == phase {
                true => answer(),
                false => HookResult::Continue,
            })
            .unwrap()
            .forget();
        let (items, _) = drain(count(3));
        assert!(
            matches!(&items[..], [Err(e)] if e.contains(why)),
            "{items:?}"
        );
        let record = only_record(&kit);
        let said = record.hooks().iter().find(|h| h.answer == "fail").unwrap();
        assert_eq!(said.error, Some("unsupported"));
    }
}

#[test]
fn the_votes_of_one_item_are_not_those_of_the_next() {
    let kit = registry();
    let _entered = kit.enter();
    // Fails at every other item, openly.
    kit.on("fails")
        .point("streams.count")
        .post()
        .on_failure(OnFailure::Open)
        .guard(|cx| match cx.item() {
            Some(n) if n % 2 == 0 => Err(HookError::other("even")),
            _ => Ok(Vote::Pass),
        })
        .unwrap()
        .forget();
    assert_eq!(drain(count(5)).0.len(), 5);
    let fails: Vec<_> = kit.records()[0]
        .hooks()
        .iter()
        .filter(|h| h.answer == "fail")
        .map(|h| h.item)
        .collect();
    assert_eq!(fails, [Some(0), Some(2), Some(4)]);
}

#[test]
fn at_an_observe_site_items_are_watched_and_no_more() {
    let kit = registry();
    let _entered = kit.enter();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let items = seen.clone();
    kit.on("tries")
        .point("streams.watched")
        .post()
        .intercept(move |cx| {
            items.lock().unwrap().push(*cx.result::<u64>()?);
            assert!(cx.result_mut::<u64>().is_err());
            Ok(())
        })
        .unwrap()
        .forget();
    kit.on("refuses")
        .point("streams.*")
        .post()
        .guard(|cx| Ok(Vote::cancel_if(cx.item() == Some(1), "no force")))
        .unwrap()
        .forget();
    assert_eq!(drain(watched(3)).0, [0, 1, 2]);
    assert_eq!(*seen.lock().unwrap(), [0, 1, 2]);
    assert_eq!(kit.violations(), ["unenforceable refuses"]);
    assert_eq!(kit.last("streams.watched").outcome(), Outcome::Returned);
}

#[test]
fn a_hook_that_panics_at_an_item_refuses_it() {
    let kit = registry();
    let _entered = kit.enter();
    kit.on("panics")
        .point("streams.count")
        .post()
        .guard(|cx| match cx.item() {
            Some(1) => panic!("the hook panics"),
            _ => Ok(Vote::Pass),
        })
        .unwrap()
        .forget();
    let (items, _) = drain(count(3));
    assert!(matches!(&items[..], [Ok(0), Err(e)] if e.contains("the hook panics")));
    assert_eq!(only_record(&kit).outcome(), Outcome::Refused);
}
