//! What is out of bounds is refused, with a reason.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use hooks_events::{Event, EventBus, EventError, Overflow, Strategy};

use crate::kit::{event, read};

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
