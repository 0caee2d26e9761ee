//! Subscriptions that also get what was before them.

use std::sync::Arc;
use std::time::Duration;

use hooks_events::flow::{FlowController, Rate};
use hooks_events::store::{EventStore, MemoryStore, Query, Retention, Snapshot, Usage};
use hooks_events::{Delivery, Event, EventBus, EventError, Subscription, Topic, TopicPattern};

use crate::kit::{event, number, publish_from_many};

fn keeping(max_events: usize) -> EventBus {
    let retention = Retention {
        max_events,
        max_bytes: 1 << 30,
        ..Retention::default()
    };
    EventBus::builder().keep(retention).build()
}

async fn read_all(mut subscription: Subscription) -> Vec<u32> {
    let mut numbers = Vec::new();
    while let Some(delivery) = subscription.recv().await {
        let Delivery::Event(event) = delivery else {
            panic!("a gap: {delivery:?}")
        };
        numbers.push(number(&event));
    }
    numbers
}

#[tokio::test]
async fn the_last_events_come_first() {
    let bus = keeping(100);
    for n in 1..=5 {
        bus.publish(event("a.b", n)).await.unwrap();
        bus.publish(event("x", 100)).await.unwrap();
    }
    bus.publish(event("a.b", 6).with_ttl(Duration::ZERO))
        .await
        .unwrap();
    let late = bus.subscribe("a.*").historic(3).stream().unwrap();
    let odd = bus
        .subscribe("a.*")
        .historic(10)
        .filter(|event| event.data::<u32>().unwrap() % 2 == 1)
        .stream()
        .unwrap();
    let once = bus.subscribe("a.b").historic(1).once().stream().unwrap();
    let published = bus.publish(event("a.b", 7)).await.unwrap();
    assert_eq!(published.sequence.map(u64::from), Some(12));
    bus.close();
    assert_eq!(read_all(late).await, [3, 4, 5, 7]);
    assert_eq!(read_all(odd).await, [1, 3, 5, 7]);
    assert_eq!(read_all(once).await, [5]);
}

#[tokio::test]
async fn the_past_needs_a_store_and_a_queue() {
    let bus = EventBus::new();
    let error = bus.subscribe("a").historic(1).stream().unwrap_err();
    assert!(
        matches!(error, EventError::BadOption { .. }) && error.to_string().contains("keep"),
        "{error}"
    );
    assert_eq!(bus.metrics().subscriptions, 0);
    let bus = keeping(1);
    for error in [
        bus.subscribe("a")
            .historic(1)
            .inline(|_: &Event| ())
            .unwrap_err(),
        bus.subscribe("a")
            .historic(1)
            .group("g")
            .stream()
            .unwrap_err(),
    ] {
        assert!(matches!(error, EventError::BadOption { .. }), "{error}");
    }
}

/// Whenever somebody subscribes while others publish: every event once, in the order of its publisher.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nothing_is_missing_and_nothing_comes_twice() {
    const PUBLISHERS: u32 = 4;
    const EACH: u32 = 3_000;
    let bus = keeping(1 << 20);
    let publishers = publish_from_many(&bus, PUBLISHERS, EACH);
    let mut readers = Vec::new();
    while publishers.iter().any(|publisher| !publisher.is_finished()) {
        let late = bus
            .subscribe("a.*")
            .historic(usize::MAX)
            .capacity(1 << 16)
            .stream()
            .unwrap();
        readers.push(tokio::spawn(read_all(late)));
        tokio::task::yield_now().await;
        if readers.len() >= 100 {
            break;
        }
    }
    for publisher in publishers {
        publisher.await.unwrap();
    }
    bus.close();
    assert!(!readers.is_empty());
    for reader in readers {
        let mut numbers = reader.await.unwrap();
        for publisher in 0..PUBLISHERS {
            let own = numbers.iter().filter(|n| **n / EACH == publisher);
            assert!(own.is_sorted());
        }
        numbers.sort_unstable();
        assert!(numbers.into_iter().eq(0..PUBLISHERS * EACH));
    }
}

#[tokio::test]
async fn what_the_store_does_not_take_is_not_published() {
    let retention = Retention {
        max_bytes: 1000,
        ..Retention::default()
    };
    let bus = EventBus::builder().keep(retention).build();
    let mut stream = bus.subscribe(">").stream().unwrap();
    let large = Event::try_new("a", "x".repeat(1001)).unwrap();
    let error = bus.publish(large).await.unwrap_err();
    assert!(matches!(error, EventError::NotKept { .. }), "{error}");
    assert!(matches!(stream.try_recv(), Ok(None)));
    assert_eq!(bus.metrics().published, 0);
    let store = Arc::new(MemoryStore::new(Retention::default()));
    let bus = EventBus::builder().store(store.clone()).build();
    bus.publish(event("a", 1)).await.unwrap();
    let pattern = TopicPattern::new("a").unwrap();
    let kept = bus.store().unwrap().snapshot(&pattern, 5).unwrap();
    assert_eq!((kept.events.len(), kept.up_to), (1, 1));
}

#[tokio::test]
async fn rates_are_limited_where_that_was_said() {
    let flow = FlowController::new();
    flow.limit(
        &TopicPattern::new("log.>").unwrap(),
        Rate::per_second(0.001).burst(2),
    )
    .unwrap();
    let bus = EventBus::builder().flow(flow).build();
    let mut handle = bus.publisher(Topic::new("log.line").unwrap());
    bus.publish(event("log.line", 1)).await.unwrap();
    handle.publish(event("log.line", 2)).await.unwrap();
    for error in [
        bus.publish(event("log.line", 3)).await.unwrap_err(),
        handle.try_publish(event("log.line", 3)).unwrap_err(),
    ] {
        assert!(matches!(error, EventError::RateLimited { .. }), "{error}");
    }
    bus.publish(event("other", 4)).await.unwrap();
    assert_eq!(bus.metrics().published, 3);
}

/// A store that lets something happen just before it takes an event.
struct Before {
    store: MemoryStore,
    action: std::sync::Mutex<Option<Box<dyn FnOnce() + Send>>>,
}

impl EventStore for Before {
    fn append(&self, event: Event) -> Result<Arc<Event>, EventError> {
        let action = self.action.lock().unwrap().take();
        if let Some(action) = action {
            action();
        }
        self.store.append(event)
    }
    fn read(&self, query: &Query) -> Result<Vec<Arc<Event>>, EventError> {
        self.store.read(query)
    }
    fn snapshot(&self, pattern: &TopicPattern, count: usize) -> Result<Snapshot, EventError> {
        self.store.snapshot(pattern, count)
    }
    fn last_sequence(&self) -> u64 {
        self.store.last_sequence()
    }
    fn usage(&self) -> Usage {
        self.store.usage()
    }
}

/// The publisher knows where its event goes, and then somebody subscribes who does not find it in the store.
#[tokio::test]
async fn who_subscribes_just_before_the_store_takes_an_event_gets_it() {
    let store = Arc::new(Before {
        store: MemoryStore::new(Retention::default()),
        action: std::sync::Mutex::default(),
    });
    let bus = EventBus::builder().store(store.clone()).build();
    let mut handle = bus.publisher(Topic::new("a").unwrap());
    let mut late = Vec::new();
    for n in 0..4 {
        let (sender, receiver) = std::sync::mpsc::channel();
        let subscribes = bus.clone();
        *store.action.lock().unwrap() = Some(Box::new(move || {
            let stream = subscribes.subscribe("a").historic(10).stream();
            sender.send(stream.unwrap()).unwrap();
        }));
        match n % 2 {
            0 => bus.publish(event("a", n)).await.unwrap(),
            _ => handle.publish(event("a", n)).await.unwrap(),
        };
        late.push(receiver.recv().unwrap());
    }
    bus.close();
    for stream in late {
        assert_eq!(read_all(stream).await, [0, 1, 2, 3]);
    }
}
