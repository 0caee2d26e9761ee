//! Subscriptions with their options.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use futures_util::StreamExt;
use hooks_events::{Event, EventBus};

use crate::kit::{event, number, read};

#[tokio::test]
async fn a_stream_gives_what_its_pattern_covers_and_then_ends() {
    let bus = EventBus::new();
    let orders = bus.subscribe("order.*").stream().unwrap();
    let nobody = bus.publish(event("user.created", 1)).await.unwrap();
    assert!(!nobody.is_taken());
    bus.publish(event("order.created", 2)).await.unwrap();
    bus.try_publish(event("order.paid", 3)).unwrap();
    drop(bus);
    let numbers: Vec<u32> = orders.map(|d| number(d.event().unwrap())).collect().await;
    assert_eq!(numbers, [2, 3]);
}

#[tokio::test]
async fn an_inline_handler_gets_the_event_before_publishing_returns() {
    let bus = EventBus::new();
    let sum = Arc::new(AtomicU32::new(0));
    let guard = bus
        .subscribe("a.>")
        .inline({
            let sum = sum.clone();
            move |event: &Event| {
                sum.fetch_add(number(event), Ordering::Relaxed);
            }
        })
        .unwrap();
    let mut publisher = bus.publisher(hooks_events::Topic::new("a.b").unwrap());
    let lent = event("a.b", 1);
    for _ in 0..3 {
        assert_eq!(publisher.try_publish(&lent).unwrap().handled, 1);
    }
    assert_eq!(bus.publish(event("a.b.c", 10)).await.unwrap().handled, 1);
    assert_eq!(sum.load(Ordering::Relaxed), 13);
    assert_eq!(guard.metrics().deliveries.delivered, 4);
    let metrics = bus.metrics();
    assert_eq!(
        (
            metrics.published,
            metrics.totals.delivered,
            metrics.subscriptions
        ),
        (4, 4, 1)
    );
    drop(guard);
    assert_eq!(publisher.try_publish(&lent).unwrap().handled, 0);
    let metrics = bus.metrics();
    assert_eq!(
        (
            metrics.published,
            metrics.totals.delivered,
            metrics.subscriptions
        ),
        (5, 4, 0)
    );
}

#[tokio::test]
async fn a_publisher_with_a_handle_follows_subscriptions() {
    let bus = EventBus::new();
    let mut publisher = bus.publisher(hooks_events::Topic::new("a.b").unwrap());
    let mut publish = async |n| publisher.publish(event("a.b", n)).await.unwrap();
    assert!(!publish(1).await.is_taken());
    let mut stream = bus.subscribe("a.*").stream().unwrap();
    assert_eq!(publish(2).await.queued, 1);
    let mut other = bus.subscribe("a.b").stream().unwrap();
    assert_eq!(publish(3).await.queued, 2);
    let inline = bus.subscribe(">").inline(|_: &Event| ()).unwrap();
    assert_eq!(publish(4).await.handled, 1);
    assert_eq!(read(&mut stream), [2, 3, 4]);
    drop((stream, inline));
    assert_eq!(publish(5).await.queued, 1);
    assert_eq!(read(&mut other), [3, 4, 5]);
    // An event of another topic goes where that one leads.
    let mut elsewhere = bus.subscribe("x").stream().unwrap();
    publisher.publish(event("x", 6)).await.unwrap();
    assert_eq!(read(&mut elsewhere), [6]);
    assert_eq!(bus.metrics().published, 6);
}

#[tokio::test]
async fn once_ends_after_the_first_delivery() {
    let bus = EventBus::new();
    let calls = Arc::new(AtomicU32::new(0));
    let count = |calls: &Arc<AtomicU32>| {
        let calls = calls.clone();
        move |_: &Event| {
            calls.fetch_add(1, Ordering::Relaxed);
        }
    };
    let _inline = bus.subscribe("a").once().inline(count(&calls)).unwrap();
    let mut stream = bus.subscribe("a").once().stream().unwrap();
    let (sender, mut handled) = tokio::sync::mpsc::unbounded_channel();
    let handler = bus
        .subscribe("a")
        .once()
        .handler(move |event: Arc<Event>| {
            sender.send(number(&event)).unwrap();
            std::future::ready(())
        })
        .unwrap();
    for n in 1..=3 {
        bus.publish(event("a", n)).await.unwrap();
    }
    assert_eq!(calls.load(Ordering::Relaxed), 1);
    assert_eq!(number(stream.recv().await.unwrap().event().unwrap()), 1);
    assert!(stream.recv().await.is_none());
    assert_eq!(handled.recv().await, Some(1));
    assert_eq!(handled.recv().await, None);
    drop(handler);
    assert_eq!(bus.metrics().subscriptions, 0);
    assert!(!bus.publish(event("a", 4)).await.unwrap().is_taken());
}

#[tokio::test]
async fn a_filter_decides_before_the_queue() {
    let bus = EventBus::new();
    let even = |event: &Event| number(event).is_multiple_of(2);
    let mut stream = bus
        .subscribe("a")
        .filter(even)
        .capacity(2)
        .stream()
        .unwrap();
    let inline = bus
        .subscribe("a")
        .filter(even)
        .inline(|_: &Event| ())
        .unwrap();
    // The odd ones are not waited for, though the queue is full.
    for n in [2, 4, 1, 3, 5] {
        bus.publish(event("a", n)).await.unwrap();
    }
    assert_eq!(read(&mut stream), [2, 4]);
    assert_eq!(
        (
            stream.metrics().deliveries.filtered,
            inline.metrics().deliveries.filtered
        ),
        (3, 3)
    );
    let panics = bus
        .subscribe("a")
        .filter(|_| panic!("a filter"))
        .stream()
        .unwrap();
    assert_eq!(bus.publish(event("a", 6)).await.unwrap().queued, 1);
    assert_eq!(panics.metrics().deliveries.panicked, 1);
}

#[tokio::test]
async fn expired_events_are_not_delivered() {
    let bus = EventBus::new();
    let mut stream = bus.subscribe("a").stream().unwrap();
    let inline = bus.subscribe("a").inline(|_: &Event| ()).unwrap();
    let expired = event("a", 1).with_ttl(Duration::ZERO);
    bus.publish(expired).await.unwrap();
    bus.publish(event("a", 2).with_ttl(Duration::from_secs(600)))
        .await
        .unwrap();
    assert_eq!(read(&mut stream), [2]);
    for metrics in [stream.metrics(), inline.metrics()] {
        assert_eq!(
            (metrics.deliveries.expired, metrics.deliveries.delivered),
            (1, 1)
        );
    }
}
