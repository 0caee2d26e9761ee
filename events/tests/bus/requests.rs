//! Requests and their replies.

use std::sync::Arc;
use std::time::Duration;

use hooks_events::{Delivery, Event, EventBus, EventError};
use serde_json::json;

use crate::kit::event;

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
