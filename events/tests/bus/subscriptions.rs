//! Subscriptions with their options, requests, closing, and what is refused.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::StreamExt;
use hooks_events::{Delivery, Event, EventBus, EventError, Overflow, Strategy, Subscription};
use serde_json::json;

fn event(topic: &str, n: u32) -> Event {
    Event::try_new(topic, n).unwrap()
}

fn number(event: &Event) -> u32 {
    *event.data::<u32>().unwrap()
}

/// What is there now.
fn read(subscription: &mut Subscription) -> Vec<u32> {
    let mut numbers = Vec::new();
    while let Ok(Some(Delivery::Event(event))) = subscription.try_recv() {
        numbers.push(number(&event));
    }
    numbers
}

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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_group_gives_each_event_to_one_of_its_members() {
    let bus = EventBus::new();
    let got: Arc<Mutex<Vec<u32>>> = Arc::default();
    let members: Vec<_> = ["job.*", "job.>", "job.new"]
        .map(|pattern| {
            let member = bus
                .subscribe(pattern)
                .group("workers")
                .capacity(8)
                .stream()
                .unwrap();
            let got = got.clone();
            tokio::spawn(async move {
                let mut member = member;
                let mut mine = 0;
                while let Some(delivery) = member.recv().await {
                    got.lock().unwrap().push(number(delivery.event().unwrap()));
                    mine += 1;
                }
                mine
            })
        })
        .into_iter()
        .collect();
    let all = bus.subscribe("job.*").capacity(1000).stream().unwrap();
    for n in 0..1000 {
        assert_eq!(bus.publish(event("job.new", n)).await.unwrap().queued, 2);
    }
    bus.close();
    for member in members {
        assert!(member.await.unwrap() > 0, "a member got nothing");
    }
    let mut got = std::mem::take(&mut *got.lock().unwrap());
    got.sort_unstable();
    assert!(got.into_iter().eq(0..1000));
    assert_eq!(all.metrics().deliveries.lag, 1000);
}

#[tokio::test]
async fn what_a_member_leaves_goes_to_the_others() {
    let bus = EventBus::new();
    let mut first = bus.subscribe("job").group("g").stream().unwrap();
    let second = bus.subscribe("job").group("g").stream().unwrap();
    for n in 0..10 {
        bus.publish(event("job", n)).await.unwrap();
    }
    drop(second);
    let mut numbers = read(&mut first);
    numbers.sort_unstable();
    assert!(numbers.into_iter().eq(0..10));
    bus.publish(event("job", 10)).await.unwrap();
    drop(first);
    // Nobody is left who could take it.
    assert_eq!(bus.metrics().totals.abandoned, 1);
}

#[tokio::test]
async fn a_group_waits_only_if_all_of_it_is_full() {
    let bus = EventBus::new();
    let mut first = bus
        .subscribe("job")
        .group("g")
        .capacity(1)
        .stream()
        .unwrap();
    let second = bus
        .subscribe("job")
        .group("g")
        .capacity(2)
        .stream()
        .unwrap();
    for n in 0..3 {
        bus.try_publish(event("job", n)).unwrap();
    }
    assert!(matches!(
        bus.try_publish(event("job", 3)),
        Err(EventError::Full { .. })
    ));
    let waiting = tokio::spawn({
        let bus = bus.clone();
        async move { bus.publish(event("job", 3)).await.unwrap().queued }
    });
    tokio::task::yield_now().await;
    assert_eq!(read(&mut first).len(), 1);
    assert_eq!(waiting.await.unwrap(), 1);
    assert_eq!(
        (read(&mut first), second.metrics().deliveries.lag),
        (vec![3], 2)
    );
}

#[tokio::test]
async fn requests_are_answered_once() {
    let bus = EventBus::new();
    let _adder = bus
        .subscribe("math.add")
        .handler({
            let bus = bus.clone();
            move |request: Arc<Event>| {
                let bus = bus.clone();
                async move {
                    let sum: u32 = request.decode::<Vec<u32>>()?.iter().sum();
                    bus.reply(&request, sum)?;
                    let again = bus.reply(&request, sum).unwrap_err();
                    assert!(matches!(again, EventError::NotAwaited { .. }), "{again}");
                    Ok::<_, hooks_events::HandlerError>(())
                }
            }
        })
        .unwrap();
    let request = Event::try_new("math.add", json!([1, 2, 3])).unwrap();
    let id = request.id().into_owned();
    let reply = bus.request(request, Duration::from_secs(5)).await.unwrap();
    assert_eq!(reply.data::<u32>(), Some(&6));
    assert_eq!(reply.causation_id(), Some(&*id));
    let no_request = bus.reply(&event("math.add", 1), 2).unwrap_err();
    assert!(
        matches!(no_request, EventError::NotAwaited { .. }),
        "{no_request}"
    );
}

#[tokio::test(start_paused = true)]
async fn requests_that_cannot_be_answered_say_so() {
    let bus = EventBus::new();
    let second = Duration::from_secs(1);
    let start = tokio::time::Instant::now();
    let nobody = bus.request(event("a.b", 1), second).await.unwrap_err();
    assert!(matches!(nobody, EventError::NoResponder { .. }), "{nobody}");
    assert_eq!(start.elapsed(), Duration::ZERO, "nobody is not waited for");
    let mut silent = bus.subscribe("a.b").stream().unwrap();
    let late = bus.request(event("a.b", 2), second).await.unwrap_err();
    assert!(matches!(late, EventError::NoReply { .. }), "{late}");
    assert_eq!(start.elapsed(), second);
    // The reply comes too late.
    let Some(Delivery::Event(request)) = silent.recv().await else {
        panic!("no request")
    };
    assert!(matches!(
        bus.reply(&request, 3),
        Err(EventError::NotAwaited { .. })
    ));
    let waiting = tokio::spawn({
        let bus = bus.clone();
        async move { bus.request(event("a.b", 3), second).await }
    });
    tokio::task::yield_now().await;
    bus.close();
    assert!(matches!(
        waiting.await.unwrap(),
        Err(EventError::Closed { .. })
    ));
}

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

#[tokio::test]
async fn a_publisher_that_waits_learns_of_the_end() {
    let bus = EventBus::new();
    let _slow = bus.subscribe("a").capacity(1).stream().unwrap();
    bus.publish(event("a", 1)).await.unwrap();
    let waiting = tokio::spawn({
        let bus = bus.clone();
        async move { bus.publish(event("a", 2)).await }
    });
    tokio::task::yield_now().await;
    bus.close();
    assert!(matches!(
        waiting.await.unwrap(),
        Err(EventError::Closed { .. })
    ));
}

#[tokio::test]
async fn a_publisher_does_not_wait_for_a_reader_that_is_gone() {
    let bus = EventBus::new();
    let slow = bus.subscribe("a").capacity(1).stream().unwrap();
    bus.publish(event("a", 1)).await.unwrap();
    let waiting = tokio::spawn({
        let bus = bus.clone();
        async move { bus.publish(event("a", 2)).await }
    });
    tokio::task::yield_now().await;
    drop(slow);
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

#[tokio::test]
async fn inline_handlers_publish_only_so_deep() {
    let bus = EventBus::builder().max_inline_depth(3).build();
    let errors: Arc<Mutex<Vec<EventError>>> = Arc::default();
    let _echo = bus
        .subscribe("echo")
        .inline({
            let (bus, errors) = (bus.clone(), errors.clone());
            move |event: &Event| {
                if let Err(error) = bus.try_publish(event.clone()) {
                    errors.lock().unwrap().push(error);
                }
            }
        })
        .unwrap();
    bus.publish(event("echo", 1)).await.unwrap();
    let errors = errors.lock().unwrap();
    assert!(
        matches!(&**errors, [EventError::TooDeep { depth: 3, .. }]),
        "{errors:?}"
    );
    assert_eq!(bus.metrics().published, 3);
    drop(errors);
    bus.close();
}

#[tokio::test]
async fn what_is_out_of_bounds_is_refused_with_a_reason() {
    let bus = EventBus::builder()
        .max_payload_bytes(100)
        .max_subscriptions(2)
        .max_capacity(10)
        .build();
    let large = Event::try_new("a", "x".repeat(101)).unwrap();
    let error = bus.publish(large).await.unwrap_err();
    assert!(
        matches!(
            error,
            EventError::TooLarge {
                limit_bytes: 100,
                ..
            }
        ),
        "{error}"
    );
    let reserved = bus
        .publish(event("hook.tool.execute.refused", 1))
        .await
        .unwrap_err();
    assert!(
        matches!(reserved, EventError::ReservedTopic { .. }),
        "{reserved}"
    );
    let error = bus.subscribe("a..b").stream().unwrap_err();
    assert!(matches!(error, EventError::BadPattern { .. }), "{error}");

    type Build = fn(hooks_events::SubscriptionBuilder) -> Result<(), EventError>;
    let bad: [(&str, Build); 8] = [
        ("capacity", |s| s.capacity(0).stream().map(drop)),
        ("capacity", |s| s.capacity(11).stream().map(drop)),
        ("block_timeout", |s| {
            let s = s
                .overflow(Overflow::DropNewest)
                .block_timeout(Duration::from_secs(1));
            s.stream().map(drop)
        }),
        ("handlers", |s| s.concurrency(2).stream().map(drop)),
        ("handlers", |s| {
            s.timeout(Duration::from_secs(1)).stream().map(drop)
        }),
        ("queue", |s| s.group("g").inline(|_: &Event| ()).map(drop)),
        ("retries", |s| {
            s.retry(2, Default::default())
                .inline(|_: &Event| ())
                .map(drop)
        }),
        ("once", |s| {
            s.once()
                .strategy(Strategy::partitioned(2))
                .handler(|_: Arc<Event>| async {})
                .map(drop)
        }),
    ];
    for (word, build) in bad {
        let error = build(bus.subscribe("a")).unwrap_err();
        assert!(matches!(error, EventError::BadOption { .. }), "{error}");
        assert!(
            error.to_string().contains(word),
            "`{word}` is not in: {error}"
        );
    }
    let _two = [
        bus.subscribe("a").stream().unwrap(),
        bus.subscribe("b").stream().unwrap(),
    ];
    let error = bus.subscribe("c").stream().unwrap_err();
    assert!(
        matches!(error, EventError::TooManySubscriptions { limit: 2 }),
        "{error}"
    );
}

#[test]
fn without_a_runtime_only_asynchronous_handlers_are_refused() {
    let bus = EventBus::new();
    let error = bus
        .subscribe("a")
        .handler(|_: Arc<Event>| async {})
        .unwrap_err();
    assert!(matches!(error, EventError::NoRuntime { .. }), "{error}");
    let mut stream = bus.subscribe("a").stream().unwrap();
    bus.try_publish(event("a", 1)).unwrap();
    assert_eq!(read(&mut stream), [1]);
}
