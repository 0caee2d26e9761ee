//! Handlers that are slow, fail, panic or hang, beside one that does not.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hooks_events::{
    Backoff, DEAD_LETTER_TOPIC, DeadLetter, DeadLetterCause, Delivery, Event, EventBus,
    EventDispatcher, Gap, HandlerError, Overflow, Strategy,
};
use hooks_runtime::async_trait;
use tokio::sync::{Barrier, mpsc};

use crate::kit::{event, number};

/// A handler that sends on what it gets.
fn sends(sender: mpsc::UnboundedSender<u32>) -> impl Fn(Arc<Event>) -> std::future::Ready<()> {
    move |event| {
        sender.send(number(&event)).unwrap();
        std::future::ready(())
    }
}

const STEADY: Backoff = Backoff {
    first: Duration::from_secs(1),
    factor: 2.0,
    max: Duration::from_secs(60),
    jitter: 0.0,
};

#[tokio::test(start_paused = true)]
async fn a_healthy_handler_gets_everything_in_time() {
    let bus = EventBus::new();
    let dispatcher = EventDispatcher::builder(&bus).capacity(1000).build();
    dispatcher
        .on("a", |_: Arc<Event>| std::future::pending::<()>())
        .unwrap();
    dispatcher
        .on("a", async |_: Arc<Event>| Err::<(), _>("it always fails"))
        .unwrap();
    dispatcher
        .on("a", async |_: Arc<Event>| -> () {
            panic!("it always panics")
        })
        .unwrap();
    dispatcher
        .on("a", async |_: Arc<Event>| {
            tokio::time::sleep(Duration::from_secs(1)).await
        })
        .unwrap();
    let (sender, mut healthy) = mpsc::unbounded_channel();
    dispatcher.on("a", sends(sender)).unwrap();
    let inline = bus
        .subscribe("a")
        .inline(|_: &Event| -> () { panic!("inline, too") })
        .unwrap();

    let start = tokio::time::Instant::now();
    for n in 0..1000 {
        bus.publish(event("a", n)).await.unwrap();
    }
    for n in 0..1000 {
        assert_eq!(healthy.recv().await, Some(n));
    }
    // The fake clock moves only when all wait: nobody waited for the slow ones.
    assert_eq!(start.elapsed(), Duration::ZERO);

    let metrics = dispatcher.metrics();
    let of = |at: usize| metrics[at].deliveries;
    tokio::task::yield_now().await;
    assert_eq!((of(0).delivered, of(0).lag), (0, 999), "it hangs");
    assert_eq!((of(4).delivered, of(4).failed), (1000, 0));
    assert_eq!(inline.metrics().deliveries.panicked, 1000);
    drop(dispatcher);
    assert_eq!(bus.metrics().subscriptions, 1);
}

#[tokio::test(start_paused = true)]
async fn what_fails_is_tried_again_and_then_put_aside() {
    let bus = EventBus::new();
    let mut notices = bus.subscribe(DEAD_LETTER_TOPIC).stream().unwrap();
    let attempts = Arc::new(AtomicU32::new(0));
    let dispatcher = EventDispatcher::builder(&bus).retry(3, STEADY).build();
    let id = dispatcher
        .on("a", {
            let attempts = attempts.clone();
            move |event: Arc<Event>| {
                let nth = attempts.fetch_add(1, Ordering::Relaxed);
                std::future::ready(match number(&event) {
                    1 if nth < 2 => Err("not yet"),
                    1 => Ok(()),
                    _ => Err("never"),
                })
            }
        })
        .unwrap();
    let start = tokio::time::Instant::now();
    let first = event("a", 1);
    let second = event("a", 2);
    let second_id = second.id().into_owned();
    bus.publish(first).await.unwrap();
    bus.publish(second).await.unwrap();
    let Some(Delivery::Event(notice)) = notices.recv().await else {
        panic!("no notice")
    };
    assert_eq!(
        start.elapsed(),
        Duration::from_secs(6),
        "1 + 2 s for each of them"
    );
    assert_eq!(attempts.load(Ordering::Relaxed), 6);
    let letter = notice.data::<DeadLetter>().unwrap();
    assert_eq!((number(&letter.event), letter.attempts), (2, 3));
    assert_eq!(letter.cause, DeadLetterCause::Failed("never".into()));
    assert_eq!(notice.causation_id(), Some(&*second_id));
    let kept = bus.take_dead_letters();
    assert_eq!(kept.len(), 1);
    assert!(Arc::ptr_eq(&kept[0].event, &letter.event));
    let metrics = dispatcher.metrics()[0].deliveries;
    assert_eq!((metrics.delivered, metrics.failed), (2, 5));
    assert_eq!((metrics.retries, metrics.dead_letters), (4, 1));
    assert!(dispatcher.off(id) && !dispatcher.off(id));
}

#[tokio::test(start_paused = true)]
async fn what_takes_too_long_is_stopped() {
    let bus = EventBus::new();
    struct Dropped(Arc<AtomicU32>);
    impl Drop for Dropped {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }
    let dropped = Arc::new(AtomicU32::new(0));
    let limit = Duration::from_secs(5);
    let dispatcher = EventDispatcher::builder(&bus)
        .timeout(limit)
        .retry(2, STEADY)
        .build();
    dispatcher
        .on("a", {
            let dropped = dropped.clone();
            move |event: Arc<Event>| {
                let guard = Dropped(dropped.clone());
                async move {
                    let _guard = guard;
                    if number(&event) == 1 {
                        std::future::pending::<()>().await;
                    }
                }
            }
        })
        .unwrap();
    let start = tokio::time::Instant::now();
    bus.publish(event("a", 1)).await.unwrap();
    bus.publish(event("a", 2)).await.unwrap();
    let report = bus.drain(Duration::from_secs(60)).await;
    assert!(report.is_complete(), "{report:?}");
    assert_eq!(start.elapsed(), Duration::from_secs(11));
    assert_eq!(dropped.load(Ordering::Relaxed), 3);
    let letters = bus.dead_letters();
    assert_eq!(letters.len(), 1);
    assert_eq!(letters[0].cause, DeadLetterCause::TimedOut(limit));
    assert_eq!(bus.metrics().totals.timed_out, 2);
}

#[tokio::test]
async fn panics_are_caught_and_become_dead_letters() {
    let bus = EventBus::new();
    let guard = bus
        .subscribe("a")
        .name("panics")
        .handler(|event: Arc<Event>| async move {
            assert_ne!(number(&event), 1, "one is too few");
        })
        .unwrap();
    let inline = bus
        .subscribe("a")
        .inline(|_: &Event| Err::<(), _>("inline fails"))
        .unwrap();
    for n in 1..=2 {
        bus.publish(event("a", n)).await.unwrap();
    }
    assert!(bus.drain(Duration::from_secs(60)).await.is_complete());
    let letters = bus.dead_letters();
    assert_eq!(letters.len(), 3, "{letters:?}");
    let panicked = letters
        .iter()
        .find(|l| &*l.subscription == "panics")
        .unwrap();
    assert!(
        matches!(&panicked.cause, DeadLetterCause::Panicked(said) if said.contains("one is too few")),
        "{panicked:?}"
    );
    drop((guard, inline));
    let totals = bus.metrics().totals;
    assert_eq!(
        (totals.panicked, totals.failed, totals.delivered),
        (1, 2, 4)
    );
}

/// A handler of dead letters that fails makes no further ones without end.
#[tokio::test]
async fn dead_letters_of_dead_letters_are_not_published() {
    let bus = EventBus::new();
    let _fails = bus
        .subscribe(">")
        .inline(|_: &Event| Err::<(), _>("always"))
        .unwrap();
    bus.publish(event("a", 1)).await.unwrap();
    let topics: Vec<String> = bus
        .dead_letters()
        .iter()
        .map(|letter| letter.event.topic().to_string())
        .collect();
    // The inner one is put aside first, while the outer one is told of.
    assert_eq!(topics.len(), 2);
    assert!(topics.contains(&"a".to_owned()) && topics.contains(&DEAD_LETTER_TOPIC.to_owned()));
    let metrics = bus.metrics();
    assert_eq!((metrics.published, metrics.dead_letters), (2, 2));
}

/// A full queue of somebody who reads dead letters does not stop the handlers.
#[tokio::test]
async fn nobody_waits_for_readers_of_dead_letters() {
    let bus = EventBus::new();
    let mut notices = bus
        .subscribe(DEAD_LETTER_TOPIC)
        .capacity(1)
        .stream()
        .unwrap();
    let _fails = bus
        .subscribe("a")
        .inline(|_: &Event| Err::<(), _>("always"))
        .unwrap();
    for n in 0..3 {
        bus.publish(event("a", n)).await.unwrap();
    }
    assert!(notices.recv().await.unwrap().event().is_some());
    let gap = notices.recv().await.unwrap().gap().unwrap();
    assert_eq!((gap.from, gap.to), (2, 3));
}

#[tokio::test]
async fn a_handler_is_told_of_gaps() {
    struct Told(mpsc::UnboundedSender<Result<u32, Gap>>);
    #[async_trait]
    impl hooks_events::EventHandler for Told {
        async fn handle(&self, event: Arc<Event>) -> Result<(), HandlerError> {
            Ok(self.0.send(Ok(number(&event)))?)
        }
        fn on_gap(&self, subscription: &str, gap: Gap) {
            assert_eq!(subscription, "told");
            self.0.send(Err(gap)).unwrap();
        }
    }
    let bus = EventBus::new();
    let (sender, mut told) = mpsc::unbounded_channel();
    let handler = bus
        .subscribe("a")
        .name("told")
        .capacity(2)
        .overflow(Overflow::DropOldest);
    let _guard = handler.handler(Told(sender)).unwrap();
    // The task has not run yet.
    for n in 1..=5 {
        bus.publish(event("a", n)).await.unwrap();
    }
    let gap = told.recv().await.unwrap().unwrap_err();
    assert_eq!((gap.from, gap.to), (1, 3));
    assert_eq!(told.recv().await, Some(Ok(4)));
    assert_eq!(told.recv().await, Some(Ok(5)));
}

#[tokio::test]
async fn as_many_are_handled_at_a_time_as_the_strategy_says() {
    for strategy in [Strategy::concurrent(4), Strategy::partitioned(4)] {
        let bus = EventBus::new();
        // Nobody passes before all four are there.
        let barrier = Arc::new(Barrier::new(4));
        let (sender, mut done) = mpsc::unbounded_channel();
        let _guard = bus
            .subscribe("a.*")
            .strategy(strategy)
            .handler({
                let barrier = barrier.clone();
                move |event: Arc<Event>| {
                    let (barrier, sender) = (barrier.clone(), sender.clone());
                    async move {
                        barrier.wait().await;
                        sender.send(number(&event)).unwrap();
                    }
                }
            })
            .unwrap();
        // Keys until each lane has one: with four lanes, some of these meet.
        for n in 0..64 {
            let keyed = event("a.b", n).with_partition_key(format!("key-{n}"));
            bus.publish(keyed).await.unwrap();
        }
        for _ in 0..4 {
            assert!(done.recv().await.is_some());
        }
    }
}

#[tokio::test]
async fn one_at_a_time_is_in_order() {
    let bus = EventBus::new();
    let running = Arc::new(AtomicU32::new(0));
    let seen: Arc<Mutex<Vec<u32>>> = Arc::default();
    let _guard = bus
        .subscribe("a")
        .handler({
            let (running, seen) = (running.clone(), seen.clone());
            move |event: Arc<Event>| {
                let (running, seen) = (running.clone(), seen.clone());
                async move {
                    assert_eq!(running.fetch_add(1, Ordering::SeqCst), 0);
                    tokio::task::yield_now().await;
                    seen.lock().unwrap().push(number(&event));
                    running.fetch_sub(1, Ordering::SeqCst);
                }
            }
        })
        .unwrap();
    for n in 0..100 {
        bus.publish(event("a", n)).await.unwrap();
    }
    assert!(bus.drain(Duration::from_secs(60)).await.is_complete());
    assert!(seen.lock().unwrap().iter().copied().eq(0..100));
    assert!(bus.dead_letters().is_empty());
}

#[tokio::test]
async fn a_guard_ends_its_handler_and_a_detached_one_stays() {
    let bus = EventBus::new();
    let (sender, mut got) = mpsc::unbounded_channel();
    let guard = bus.subscribe("a").handler(sends(sender)).unwrap();
    bus.publish(event("a", 1)).await.unwrap();
    assert_eq!(got.recv().await, Some(1));
    guard.stop().await;
    assert_eq!(
        got.recv().await,
        None,
        "the handler and what it holds are gone"
    );
    assert!(!bus.publish(event("a", 2)).await.unwrap().is_taken());
    let (sender, mut got) = mpsc::unbounded_channel();
    bus.subscribe("a").handler(sends(sender)).unwrap().detach();
    bus.publish(event("a", 3)).await.unwrap();
    assert_eq!(got.recv().await, Some(3));
    drop(bus);
    assert_eq!(got.recv().await, None, "with the bus it ends");
}
