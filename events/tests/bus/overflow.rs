//! What is queued, what is lost, and that every loss is told.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use hooks_events::{
    Delivery, Event, EventBus, EventError, GapReason, Overflow, Subscription, Topic,
};

fn topic() -> Topic {
    Topic::new("load.event").unwrap()
}

/// Reads until the end: the numbers of the events, and of what is missing.
async fn read_all(mut subscription: Subscription) -> (Vec<u32>, Vec<(u64, u64)>) {
    let (mut events, mut gaps) = (Vec::new(), Vec::new());
    while let Some(delivery) = subscription.recv().await {
        match delivery {
            Delivery::Event(event) => events.push(*event.data::<u32>().unwrap()),
            Delivery::Gap(gap) => gaps.push((gap.from, gap.to)),
            other => panic!("{other:?}"),
        }
    }
    (events, gaps)
}

/// Ten events into a queue of four that nobody reads yet.
async fn ten_into_four(overflow: Overflow) -> (Vec<u32>, Vec<(u64, u64)>) {
    let bus = EventBus::new();
    let subscription = bus
        .subscribe("load.*")
        .capacity(4)
        .overflow(overflow)
        .stream()
        .unwrap();
    let mut lost = 0;
    for n in 1..=10_u32 {
        lost += bus.publish(Event::new(topic(), n)).await.unwrap().lost;
    }
    let metrics = subscription.metrics().deliveries;
    assert_eq!(metrics.dropped, u64::from(lost));
    bus.close();
    let (events, gaps) = read_all(subscription).await;
    let missing: u64 = gaps.iter().map(|(from, to)| to - from + 1).sum();
    assert_eq!(events.len() as u64 + missing, 10);
    assert_eq!(
        (metrics.dropped, metrics.gaps),
        (missing, gaps.len() as u64)
    );
    let totals = bus.metrics().totals;
    assert_eq!(
        (totals.delivered, totals.dropped),
        (events.len() as u64, missing)
    );
    (events, gaps)
}

#[tokio::test]
async fn the_oldest_or_the_newest_go() {
    let (events, gaps) = ten_into_four(Overflow::DropOldest).await;
    assert_eq!((events, gaps), (vec![7, 8, 9, 10], vec![(1, 6)]));
    let (events, gaps) = ten_into_four(Overflow::DropNewest).await;
    assert_eq!((events, gaps), (vec![1, 2, 3, 4], vec![(5, 10)]));
}

#[tokio::test]
async fn a_sample_is_kept_from_half_full_on() {
    let three = NonZeroU32::new(3).unwrap();
    let (events, gaps) = ten_into_four(Overflow::Sample(three)).await;
    assert_eq!((events, gaps), (vec![1, 2, 3, 6], vec![(4, 5), (7, 10)]));
}

#[tokio::test]
async fn under_error_publishing_fails_and_nobody_gets_the_event() {
    let bus = EventBus::new();
    let mut strict = bus
        .subscribe("load.*")
        .name("strict")
        .capacity(2)
        .overflow(Overflow::Error)
        .stream()
        .unwrap();
    let other = bus.subscribe("load.event").stream().unwrap();
    for n in 1..=2_u32 {
        bus.publish(Event::new(topic(), n)).await.unwrap();
    }
    for _ in 0..3 {
        let full = bus.publish(Event::new(topic(), 3_u32)).await.unwrap_err();
        let EventError::Full {
            subscription,
            capacity,
            ..
        } = &full
        else {
            panic!("{full}");
        };
        assert_eq!((&**subscription, *capacity), ("strict", 2));
        assert!(full.to_string().contains("Overflow"), "{full}");
    }
    assert!(matches!(strict.recv().await, Some(Delivery::Event(_))));
    bus.publish(Event::new(topic(), 4_u32)).await.unwrap();
    bus.close();
    assert_eq!(read_all(strict).await, (vec![2, 4], vec![]));
    assert_eq!(read_all(other).await, (vec![1, 2, 4], vec![]));
}

#[tokio::test]
async fn try_publish_does_not_wait_and_says_where_it_is_full() {
    let bus = EventBus::new();
    let all = bus.subscribe(">").stream().unwrap();
    let slow = bus
        .subscribe("load.event")
        .name("slow")
        .capacity(1)
        .stream()
        .unwrap();
    bus.try_publish(Event::new(topic(), 1_u32)).unwrap();
    let error = bus.try_publish(Event::new(topic(), 2_u32)).unwrap_err();
    assert!(
        matches!(&error, EventError::Full { subscription, .. } if &**subscription == "slow"),
        "{error}"
    );
    bus.close();
    assert_eq!(read_all(all).await, (vec![1], vec![]));
    assert_eq!(read_all(slow).await, (vec![1], vec![]));
}

/// However often the publisher gives up while it waits: an event comes once, or not at all.
#[tokio::test]
async fn a_publisher_that_gives_up_has_not_published() {
    let bus = EventBus::new();
    let mut slow = bus.subscribe("load.event").capacity(1).stream().unwrap();
    let other = bus.subscribe("load.*").stream().unwrap();
    bus.publish(Event::new(topic(), 0_u32)).await.unwrap();
    for polls in 1..5_u32 {
        let mut publishing = std::pin::pin!(bus.publish(Event::new(topic(), 100 + polls)));
        for _ in 0..polls {
            let pending = std::future::poll_fn(|cx| {
                std::task::Poll::Ready(publishing.as_mut().poll(cx).is_pending())
            });
            assert!(pending.await);
        }
    }
    // One that waits is woken by the reader.
    let waiting = tokio::spawn({
        let bus = bus.clone();
        async move { bus.publish(Event::new(topic(), 1_u32)).await }
    });
    tokio::task::yield_now().await;
    assert!(matches!(slow.recv().await, Some(Delivery::Event(_))));
    assert_eq!(waiting.await.unwrap().unwrap().queued, 2);
    bus.close();
    assert_eq!(read_all(slow).await, (vec![1], vec![]));
    assert_eq!(read_all(other).await, (vec![0, 1], vec![]));
}

#[tokio::test(start_paused = true)]
async fn a_publisher_waits_no_longer_than_the_subscription_says() {
    let bus = EventBus::new();
    let wait = Duration::from_secs(3);
    let slow = bus
        .subscribe("load.event")
        .capacity(1)
        .block_timeout(wait)
        .stream()
        .unwrap();
    let other = bus.subscribe("load.event").stream().unwrap();
    let start = tokio::time::Instant::now();
    for n in 1..=3_u32 {
        bus.publish(Event::new(topic(), n)).await.unwrap();
    }
    assert_eq!(start.elapsed(), wait * 2);
    bus.close();
    let mut slow = slow;
    assert!(slow.recv().await.unwrap().event().is_some());
    let gap = slow.recv().await.unwrap().gap().unwrap();
    assert_eq!((gap.from, gap.to, gap.reason), (2, 3, GapReason::TimedOut));
    assert_eq!(read_all(other).await, (vec![1, 2, 3], vec![]));
}

#[derive(serde::Serialize)]
struct Numbered {
    publisher: u32,
    number: u32,
}

const PUBLISHERS: u32 = 8;
const EACH: u32 = 12_500;

/// 100,000 events from eight tasks; half of them by handles.
async fn publish_all(bus: &EventBus) {
    let tasks: Vec<_> = (0..PUBLISHERS)
        .map(|publisher| {
            let bus = bus.clone();
            tokio::spawn(async move {
                let mut handle = bus.publisher(topic());
                for number in 0..EACH {
                    let event = Event::new(topic(), Numbered { publisher, number })
                        .with_partition_key((number % 16).to_string());
                    let published = match publisher % 2 {
                        0 => bus.publish(event).await,
                        _ => handle.publish(event).await,
                    };
                    published.unwrap();
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
}

/// Reads until the end and checks the order of each publisher: how many came, and how many are missing.
async fn count_in_order(mut subscription: Subscription) -> (u64, u64) {
    let mut next: HashMap<u32, u32> = HashMap::new();
    let (mut events, mut missing, mut at) = (0, 0, 0);
    while let Some(delivery) = subscription.recv().await {
        match delivery {
            Delivery::Event(event) => {
                let Numbered { publisher, number } = event.data().unwrap();
                let next = next.entry(*publisher).or_default();
                assert!(number >= next, "{number} of {publisher} came after {next}");
                *next = number + 1;
                events += 1;
                at += 1;
            }
            Delivery::Gap(gap) => {
                assert_eq!(gap.from, at + 1, "a gap stands where events are missing");
                at = gap.to;
                missing += gap.count();
            }
            other => panic!("{other:?}"),
        }
    }
    (events, missing)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_hundred_thousand_events_of_eight_publishers_are_all_there() {
    let bus = EventBus::new();
    let readers: Vec<_> = [1, 7, 64, 1024, 200_000]
        .map(|capacity| bus.subscribe("load.*").capacity(capacity).stream().unwrap())
        .into_iter()
        .map(|subscription| tokio::spawn(count_in_order(subscription)))
        .collect();
    let filtered = bus
        .subscribe(">")
        .filter(|_| true)
        .capacity(5)
        .stream()
        .unwrap();
    let filtered = tokio::spawn(count_in_order(filtered));
    publish_all(&bus).await;
    bus.close();
    for reader in readers {
        assert_eq!(reader.await.unwrap(), (100_000, 0));
    }
    assert_eq!(filtered.await.unwrap(), (100_000, 0));
    let metrics = bus.metrics();
    assert_eq!(
        (metrics.published, metrics.totals.delivered),
        (100_000, 600_000)
    );
    assert_eq!((metrics.totals.dropped, metrics.totals.abandoned), (0, 0));
    assert!(metrics.latency.count > 0 && metrics.latency.p50_ns <= metrics.latency.max_ns);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn every_loss_of_a_hundred_thousand_is_in_a_gap() {
    let bus = EventBus::new();
    let sample = Overflow::Sample(NonZeroU32::new(4).unwrap());
    let readers: Vec<_> = [Overflow::DropOldest, Overflow::DropNewest, sample]
        .map(|overflow| {
            let subscription = bus
                .subscribe("load.*")
                .capacity(32)
                .overflow(overflow)
                .stream()
                .unwrap();
            (overflow, tokio::spawn(count_in_order(subscription)))
        })
        .into_iter()
        .collect();
    publish_all(&bus).await;
    let metrics = bus.subscriptions();
    bus.close();
    let mut all_missing = 0;
    for (at, (overflow, reader)) in readers.into_iter().enumerate() {
        let (events, missing) = reader.await.unwrap();
        assert_eq!(events + missing, 100_000, "{overflow:?}");
        assert_eq!(metrics[at].deliveries.dropped, missing, "{overflow:?}");
        all_missing += missing;
    }
    assert_eq!(bus.metrics().totals.dropped, all_missing);
}

/// A handler that takes several at a time keeps the order of each key.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn order_is_kept_for_each_key_where_several_are_handled() {
    let bus = EventBus::new();
    let seen: Arc<std::sync::Mutex<HashMap<(String, u32), u32>>> = Arc::default();
    let (sender, mut receiver) = tokio::sync::mpsc::unbounded_channel();
    let handler = {
        let seen = seen.clone();
        move |event: Arc<Event>| {
            let (seen, sender) = (seen.clone(), sender.clone());
            async move {
                let Numbered { publisher, number } = event.data().unwrap();
                tokio::task::yield_now().await;
                let key = (event.partition_key().unwrap().to_owned(), *publisher);
                let before = seen.lock().unwrap().insert(key, *number);
                sender
                    .send(before.is_none_or(|before| before < *number))
                    .unwrap();
            }
        }
    };
    let guard = bus
        .subscribe("load.*")
        .concurrency(8)
        .handler(handler)
        .unwrap();
    publish_all(&bus).await;
    let report = bus.drain(Duration::from_secs(60)).await;
    assert!(report.is_complete(), "{report:?}");
    drop(guard);
    let mut count = 0;
    while let Some(in_order) = receiver.recv().await {
        assert!(in_order);
        count += 1;
    }
    assert_eq!(count, 100_000);
    assert_eq!(bus.metrics().totals.delivered, 100_000);
}
