//! What every [`EventStore`] must do, as a test. Feature `test`.

use std::sync::{Arc, Barrier, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use serde_json::json;

use super::{EventStore, Query, Retention};
use crate::error::EventError;
use crate::event::Event;
use crate::pattern::TopicPattern;

/// The time of day that a store under test goes by. A clone is the same clock.
#[derive(Clone, Debug)]
pub struct TestClock(Arc<Mutex<SystemTime>>);

impl TestClock {
    fn new() -> Self {
        TestClock(Arc::new(Mutex::new(
            SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000),
        )))
    }

    /// Now.
    pub fn now(&self) -> SystemTime {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn advance(&self, by: Duration) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) += by;
    }
}

/// Runs the contract on stores that `make` makes: empty ones, which keep what that retention says and go by that
/// clock.
///
/// # Panics
/// The store breaks the contract.
pub fn check<S: EventStore>(make: impl Fn(Retention, TestClock) -> S) {
    let make = |retention| {
        let clock = TestClock::new();
        (make(retention, clock.clone()), clock)
    };
    numbers_and_payloads(&make(Retention::default()));
    patterns_and_ranges(&make(Retention::default()));
    times(&make(Retention::default()));
    snapshots(&make(Retention::default()));
    counts(&make(Retention {
        max_events: 10,
        ..Retention::default()
    }));
    ages(&make(Retention {
        max_age: Some(Duration::from_secs(60)),
        ..Retention::default()
    }));
    sizes(&make(Retention {
        max_bytes: 100_000,
        ..Retention::default()
    }));
    snapshots_under_publishing(
        &make(Retention {
            max_events: 1_000_000,
            ..Retention::default()
        })
        .0,
    );
}

type Made<S> = (S, TestClock);

fn event(topic: &str, nth: u64) -> Event {
    Event::try_new(topic, json!({ "nth": nth })).expect("a topic")
}

fn append(store: &impl EventStore, event: Event) -> Arc<Event> {
    store.append(event).expect("the store takes the event")
}

fn all() -> TopicPattern {
    pattern(">")
}

fn pattern(text: &str) -> TopicPattern {
    TopicPattern::new(text).expect("a pattern")
}

fn read(store: &impl EventStore, query: Query) -> Vec<u64> {
    numbers(&store.read(&query).expect("the store can be read"))
}

fn last(store: &impl EventStore, of: &TopicPattern, count: usize) -> Vec<u64> {
    numbers(
        &store
            .snapshot(of, count)
            .expect("the store can be read")
            .events,
    )
}

fn numbers(events: &[Arc<Event>]) -> Vec<u64> {
    events
        .iter()
        .map(|event| event.sequence().expect("a kept event has a number"))
        .collect()
}

fn numbers_and_payloads<S: EventStore>((store, clock): &Made<S>) {
    assert_eq!(
        (store.last_sequence(), store.usage().events),
        (0, 0),
        "a new store is empty"
    );
    assert_eq!(read(store, Query::new(all())), [0; 0]);
    assert_eq!(last(store, &all(), 5), [0; 0]);
    let given = event("a.b", 7)
        .with_time(clock.now())
        .with_subject("s")
        .with_sequence(99);
    let taken = append(store, given.clone());
    assert_eq!(
        taken.sequence(),
        Some(1),
        "the store gives the numbers, from 1"
    );
    assert_eq!(append(store, event("a.b", 8)).sequence(), Some(2));
    assert_eq!((store.last_sequence(), store.usage().events), (2, 2));
    let kept = store
        .read(&Query::new(all()))
        .expect("the store can be read");
    let kept = kept.first().expect("the first event");
    assert_eq!(kept.topic(), given.topic());
    assert_eq!(
        (kept.id(), kept.time(), kept.subject()),
        (given.id(), given.time(), Some("s"))
    );
    assert_eq!(kept.json().ok(), Some(&json!({ "nth": 7 })));
}

fn patterns_and_ranges<S: EventStore>((store, _): &Made<S>) {
    let topics = ["a.b", "a.c", "b.b", "a.b.c"];
    for nth in 0..40 {
        append(store, event(topics[nth as usize % topics.len()], nth));
    }
    for text in [">", "a.*", "*.b", "a.>", "a.b", "none"] {
        let asked = pattern(text);
        let matching = |n: &u64| asked.matches(topics[(n - 1) as usize % topics.len()]);
        let expected: Vec<u64> = (1..=40).filter(matching).collect();
        assert_eq!(read(store, Query::new(asked.clone())), expected, "{text}");
        let from_12_to_30: Vec<u64> = (12..=30).filter(matching).collect();
        let range = Query::new(asked.clone()).from_sequence(12).to_sequence(30);
        assert_eq!(read(store, range.clone()), from_12_to_30, "{text}");
        let first: Vec<u64> = from_12_to_30.into_iter().take(3).collect();
        assert_eq!(read(store, range.limit(3)), first, "{text}");
        let newest = expected.len().saturating_sub(4);
        assert_eq!(last(store, &asked, 4), expected[newest..], "{text}");
    }
    assert_eq!(read(store, Query::new(all()).from_sequence(41)), [0; 0]);
    assert_eq!(
        read(store, Query::new(all()).from_sequence(u64::MAX)),
        [0; 0]
    );
    assert_eq!(
        read(store, Query::new(all()).from_sequence(9).to_sequence(3)),
        [0; 0]
    );
    assert_eq!(read(store, Query::new(all()).limit(0)), [0; 0]);
    assert_eq!(last(store, &all(), 0), [0; 0]);
}

fn times<S: EventStore>((store, clock): &Made<S>) {
    let begin = clock.now();
    let second = Duration::from_secs(1);
    for nth in 0..10 {
        append(
            store,
            event("a.b", nth).with_time(begin + second * nth as u32),
        );
    }
    let between = Query::new(all())
        .from_time(begin + second * 2)
        .to_time(begin + second * 5);
    assert_eq!(
        read(store, between),
        [3, 4, 5],
        "the end of a range of times is not in it"
    );
    append(
        store,
        event("a.b", 10)
            .with_time(begin)
            .with_expires_at(begin + second * 60),
    );
    append(store, event("a.b", 11).with_time(begin));
    assert_eq!(last(store, &all(), 2), [11, 12]);
    clock.advance(second * 60);
    assert_eq!(
        last(store, &all(), 2),
        [10, 12],
        "an expired event is not shown"
    );
    assert_eq!(read(store, Query::new(all()).from_sequence(11)), [12]);
}

fn snapshots<S: EventStore>((store, _): &Made<S>) {
    for nth in 0..5 {
        append(store, event("a.b", nth));
    }
    append(store, event("x", 5));
    let snapshot = store
        .snapshot(&pattern("a.*"), 3)
        .expect("the store can be read");
    assert_eq!(
        (numbers(&snapshot.events), snapshot.up_to),
        (vec![3, 4, 5], 6)
    );
}

fn counts<S: EventStore>((store, _): &Made<S>) {
    for nth in 0..25 {
        append(store, event("a.b", nth));
        assert!(store.usage().events <= 10, "{:?}", store.usage());
    }
    assert_eq!(
        last(store, &all(), 100),
        (16..=25).collect::<Vec<u64>>(),
        "the oldest go first"
    );
    assert_eq!(
        read(store, Query::new(all()).from_sequence(3).limit(2)),
        [16, 17]
    );
    assert_eq!(store.last_sequence(), 25);
    let snapshot = store
        .snapshot(&pattern("none"), 1)
        .expect("the store can be read");
    assert_eq!((snapshot.events.len(), snapshot.up_to), (0, 25));
}

fn ages<S: EventStore>((store, clock): &Made<S>) {
    for nth in 0..3 {
        append(store, event("a.b", nth).with_time(clock.now()));
        clock.advance(Duration::from_secs(30));
    }
    // The first is 90 seconds old, the second 60.
    assert_eq!(last(store, &all(), 100), [2, 3]);
    assert_eq!(read(store, Query::new(all())), [2, 3]);
    append(store, event("a.b", 3).with_time(clock.now()));
    assert_eq!(
        store.usage().events,
        3,
        "what is too old goes when something comes"
    );
}

fn sizes<S: EventStore>((store, _): &Made<S>) {
    let text = |bytes: usize| Event::try_new("a.b", json!("x".repeat(bytes))).expect("a topic");
    for _ in 0..20 {
        append(store, text(20_000));
        assert!(store.usage().bytes <= 100_000, "{:?}", store.usage());
    }
    assert!(
        (1..=5).contains(&store.usage().events),
        "{:?}",
        store.usage()
    );
    let refused = store.append(text(200_000));
    assert!(
        matches!(refused, Err(EventError::NotKept { .. })),
        "{refused:?}"
    );
    assert_eq!(store.last_sequence(), 20, "what is refused has no number");
    assert_eq!(append(store, text(10)).sequence(), Some(21));
}

/// What a snapshot has and what is published later are all events, and no event is both.
fn snapshots_under_publishing(store: &impl EventStore) {
    const PUBLISHERS: u64 = 4;
    const EACH: u64 = 500;
    let begin = Barrier::new(PUBLISHERS as usize + 1);
    std::thread::scope(|scope| {
        let publish = |publisher: u64| {
            begin.wait();
            let appended = (0..EACH).map(|nth| append(store, event("a.b", publisher * EACH + nth)));
            appended
                .map(|event| event.sequence().expect("a number"))
                .collect::<Vec<_>>()
        };
        let publishers: Vec<_> = (0..PUBLISHERS)
            .map(|p| scope.spawn(move || publish(p)))
            .collect();
        begin.wait();
        loop {
            let snapshot = store
                .snapshot(&all(), usize::MAX)
                .expect("the store can be read");
            assert_eq!(
                numbers(&snapshot.events),
                (1..=snapshot.up_to).collect::<Vec<_>>()
            );
            if snapshot.up_to == PUBLISHERS * EACH {
                break;
            }
        }
        let mut given: Vec<u64> = Vec::new();
        for publisher in publishers {
            let own = publisher.join().expect("a publisher does not panic");
            assert!(own.is_sorted(), "events of one publisher stay in order");
            given.extend(own);
        }
        given.sort_unstable();
        assert_eq!(
            given,
            (1..=PUBLISHERS * EACH).collect::<Vec<_>>(),
            "no number twice, none skipped"
        );
    });
}
