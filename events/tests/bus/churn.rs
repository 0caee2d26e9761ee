//! Subscriptions that come and go while others publish.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use hooks_events::{Delivery, Event, EventBus, Overflow};

use crate::kit::{number, publish_from_many};

const PUBLISHERS: u32 = 4;
const EACH: u32 = 5_000;

/// Subscribes in the `nth` manner, reads a little, and leaves with events unread.
async fn come_and_go(bus: &EventBus, nth: u64) {
    let builder = bus.subscribe(["a.*", "a.b", ">", "a.>"][nth as usize % 4]);
    let builder = match nth % 5 {
        0 => builder,
        1 => builder.capacity(2),
        2 => builder.capacity(3).overflow(Overflow::DropOldest),
        3 => builder.group("churn").capacity(4),
        _ => builder.filter(|event| number(event).is_multiple_of(3)),
    };
    match nth % 3 {
        0 => {
            let guard = bus
                .subscribe("a.b")
                .inline(|event: &Event| drop(event.clone()))
                .unwrap();
            tokio::task::yield_now().await;
            drop(guard);
        }
        1 => {
            let guard = builder
                .handler(async |event: Arc<Event>| drop(event))
                .unwrap();
            tokio::task::yield_now().await;
            drop(guard);
        }
        _ => {
            let mut stream = builder.stream().unwrap();
            for _ in 0..nth % 7 {
                let _nothing_or_something = stream.try_recv().unwrap();
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn who_stays_gets_everything_and_who_left_is_gone() {
    let bus = EventBus::new();
    let mut steady = bus.subscribe("a.*").capacity(16).stream().unwrap();
    let inline_sum = Arc::new(AtomicU64::new(0));
    let inline = bus
        .subscribe("a.b")
        .inline({
            let sum = inline_sum.clone();
            move |event: &Event| {
                sum.fetch_add(number(event).into(), Ordering::Relaxed);
            }
        })
        .unwrap();
    let is_over = Arc::new(AtomicBool::new(false));
    let churners: Vec<_> = (0..3)
        .map(|seed| {
            let (bus, is_over) = (bus.clone(), is_over.clone());
            tokio::spawn(async move {
                let mut nth = seed;
                while !is_over.load(Ordering::Relaxed) {
                    come_and_go(&bus, nth).await;
                    nth += 1;
                    tokio::task::yield_now().await;
                }
                nth - seed
            })
        })
        .collect();
    let publishers = publish_from_many(&bus, PUBLISHERS, EACH);
    let reader = tokio::spawn(async move {
        let mut last = [None; PUBLISHERS as usize];
        let mut count = 0;
        while let Some(delivery) = steady.recv().await {
            let Delivery::Event(event) = delivery else {
                panic!("{delivery:?}")
            };
            let n = number(&event);
            let last = &mut last[(n / EACH) as usize];
            assert!(last.is_none_or(|last| last < n), "{n} after {last:?}");
            *last = Some(n);
            count += 1;
        }
        count
    });
    for publisher in publishers {
        publisher.await.unwrap();
    }
    is_over.store(true, Ordering::Relaxed);
    for churner in churners {
        assert!(churner.await.unwrap() > 0);
    }
    assert_eq!(bus.metrics().subscriptions, 2);
    assert!(bus.drain(Duration::from_secs(60)).await.is_complete());
    let all = u64::from(PUBLISHERS * EACH);
    assert_eq!(reader.await.unwrap(), all);
    assert_eq!(inline_sum.load(Ordering::Relaxed), all * (all - 1) / 2);
    assert_eq!(inline.metrics().deliveries.delivered, all);
    assert_eq!(bus.metrics().published, all);
    assert!(bus.dead_letters().is_empty());
}
