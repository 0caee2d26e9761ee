//! The end of a bus: what is closed, what is drained, and who learns of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use hooks_events::{Event, EventBus, EventError, Published, Subscription};
use tokio::task::JoinHandle;

use crate::kit::{event, read};

#[tokio::test]
async fn a_closed_bus_takes_nothing_and_says_so() {
    let bus = EventBus::new();
    let mut stream = bus.subscribe("a").stream().unwrap();
    let mut publisher = bus.publisher(hooks_events::Topic::new("a").unwrap());
    publisher.publish(event("a", 1)).await.unwrap();
    bus.close();
    for error in [
        bus.publish(event("a", 2)).await.unwrap_err(),
        bus.try_publish(event("a", 2)).unwrap_err(),
        publisher.publish(event("a", 2)).await.unwrap_err(),
        publisher.try_publish(event("a", 2)).unwrap_err(),
        bus.subscribe("a").stream().unwrap_err(),
        bus.subscribe("a").inline(|_: &Event| ()).unwrap_err(),
    ] {
        assert!(matches!(error, EventError::Closed { .. }), "{error}");
    }
    assert_eq!(read(&mut stream), [1]);
    assert!(matches!(stream.try_recv(), Err(EventError::Closed { .. })));
    assert!(stream.recv().await.is_none());
}

/// A publisher that waits for room, which there is none of.
async fn waiting_publisher(
    bus: &EventBus,
) -> (Subscription, JoinHandle<Result<Published, EventError>>) {
    let full = bus.subscribe("a").capacity(1).stream().unwrap();
    bus.publish(event("a", 1)).await.unwrap();
    let waiting = tokio::spawn({
        let bus = bus.clone();
        async move { bus.publish(event("a", 2)).await }
    });
    tokio::task::yield_now().await;
    assert!(!waiting.is_finished());
    (full, waiting)
}

#[tokio::test]
async fn a_publisher_that_waits_learns_of_the_end() {
    let bus = EventBus::new();
    let (_full, waiting) = waiting_publisher(&bus).await;
    bus.close();
    let closed = waiting.await.unwrap();
    assert!(
        matches!(closed, Err(EventError::Closed { .. })),
        "{closed:?}"
    );
}

#[tokio::test]
async fn a_publisher_does_not_wait_for_a_reader_that_is_gone() {
    let bus = EventBus::new();
    let (full, waiting) = waiting_publisher(&bus).await;
    drop(full);
    assert!(!waiting.await.unwrap().unwrap().is_taken());
}

#[tokio::test(start_paused = true)]
async fn drain_waits_for_handlers_and_says_who_was_not_done() {
    let bus = EventBus::new();
    let handled = Arc::new(AtomicU32::new(0));
    let _slow = bus
        .subscribe("a")
        .handler({
            let handled = handled.clone();
            move |_: Arc<Event>| {
                let handled = handled.clone();
                async move {
                    tokio::time::sleep(Duration::from_secs(1)).await;
                    handled.fetch_add(1, Ordering::Relaxed);
                }
            }
        })
        .unwrap();
    let _stuck = bus
        .subscribe("b")
        .name("stuck")
        .handler(|_: Arc<Event>| std::future::pending::<()>())
        .unwrap();
    for n in 0..5 {
        bus.publish(event("a", n)).await.unwrap();
        bus.publish(event("b", n)).await.unwrap();
    }
    let start = tokio::time::Instant::now();
    let report = bus.drain(Duration::from_secs(60)).await;
    assert_eq!(start.elapsed(), Duration::from_secs(60));
    assert_eq!(handled.load(Ordering::Relaxed), 5);
    let [stuck] = &*report.undelivered else {
        panic!("{report:?}")
    };
    assert_eq!(
        (stuck.subscription.as_str(), stuck.events, stuck.was_stopped),
        ("stuck", 4, true)
    );
    // Nothing is left that could go on.
    let report = bus.drain(Duration::from_secs(1)).await;
    assert!(report.is_complete(), "{report:?}");
}

#[tokio::test]
async fn a_stream_that_is_not_read_is_told_by_drain() {
    let bus = EventBus::new();
    let mut stream = bus.subscribe("a").stream().unwrap();
    bus.publish(event("a", 1)).await.unwrap();
    let report = bus.drain(Duration::ZERO).await;
    assert_eq!(
        (
            report.undelivered[0].events,
            report.undelivered[0].was_stopped
        ),
        (1, false)
    );
    assert_eq!(read(&mut stream), [1]);
    assert!(bus.drain(Duration::from_secs(5)).await.is_complete());
}
