//! Hooks at the points of the bus. The registry is the program's own, so each test keeps to topics of its own.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hooks_events::{DeadLetterCause, Delivery, Event, EventBus, EventError, Subscription, Topic};
use hooks_runtime::{HookError, HookResult, Vote, hooks};

use crate::kit::{event, number};

fn read(subscription: &mut Subscription) -> Vec<(String, u32)> {
    let mut all = Vec::new();
    while let Ok(Some(Delivery::Event(event))) = subscription.try_recv() {
        all.push((event.topic().to_string(), number(&event)));
    }
    all
}

#[tokio::test]
async fn hooks_change_and_redirect_what_is_published() {
    let bus = EventBus::new();
    let mut all = bus.subscribe("change.>").stream().unwrap();
    let mut handle = bus.publisher(Topic::new("change.this").unwrap());
    let lent = event("change.this", 1);
    handle.try_publish(&lent).unwrap();
    let guard = hooks()
        .on("change")
        .point("event.publish")
        .for_component("change.this")
        .intercept(|cx| {
            let event = cx.arg_mut::<Event>("event")?;
            let more = event.data::<u32>().copied().unwrap_or_default() + 10;
            *event = event
                .clone()
                .with_data(more)
                .with_topic(Topic::new("change.that").unwrap());
            Ok::<_, HookError>(HookResult::Continue)
        })
        .unwrap();
    bus.publish(event("change.this", 2)).await.unwrap();
    bus.try_publish(event("change.this", 3)).unwrap();
    handle.publish(event("change.this", 4)).await.unwrap();
    handle.try_publish(&lent).unwrap();
    drop(guard);
    handle.try_publish(&lent).unwrap();
    let topics = [
        "change.this",
        "change.that",
        "change.that",
        "change.that",
        "change.that",
        "change.this",
    ];
    let expected = topics
        .map(String::from)
        .into_iter()
        .zip([1, 12, 13, 14, 11, 1]);
    assert!(read(&mut all).into_iter().eq(expected));
    assert_eq!(lent.data::<u32>(), Some(&1));
}

#[tokio::test]
async fn hooks_refuse_publishing() {
    let bus = EventBus::builder().keep(Default::default()).build();
    let mut all = bus.subscribe("refuse.>").stream().unwrap();
    let mut handle = bus.publisher(Topic::new("refuse.a").unwrap());
    let _guard = hooks()
        .on("refuse-odd")
        .point("event.publish")
        .for_component("refuse.a")
        .guard(|cx| {
            let odd = cx.arg::<Event>("event")?.data::<u32>().unwrap() % 2 == 1;
            Ok(Vote::cancel_if(odd, "odd"))
        })
        .unwrap();
    for error in [
        bus.publish(event("refuse.a", 1)).await.unwrap_err(),
        bus.try_publish(event("refuse.a", 3)).unwrap_err(),
        handle.publish(event("refuse.a", 5)).await.unwrap_err(),
        handle.try_publish(event("refuse.a", 7)).unwrap_err(),
        bus.request(event("refuse.a", 9), Duration::from_secs(1))
            .await
            .unwrap_err(),
    ] {
        assert!(
            matches!(&error, EventError::Refused(refusal) if refusal.reason() == "odd"),
            "{error}"
        );
    }
    bus.publish(event("refuse.a", 2)).await.unwrap();
    assert_eq!(read(&mut all), [("refuse.a".to_owned(), 2)]);
    let metrics = bus.metrics();
    assert_eq!((metrics.published, metrics.refused), (1, 5));
    // What was refused is no past either.
    let mut late = bus.subscribe("refuse.a").historic(10).stream().unwrap();
    assert_eq!(read(&mut late).len(), 1);
}

#[tokio::test]
async fn hooks_refuse_a_delivery_to_one_and_not_to_others() {
    let bus = EventBus::new();
    let mut stream = bus
        .subscribe("deliver.a")
        .name("deliver-stream")
        .stream()
        .unwrap();
    let mut free = bus
        .subscribe("deliver.a")
        .name("deliver-free")
        .stream()
        .unwrap();
    let calls = Arc::new(AtomicU32::new(0));
    let count = {
        let calls = calls.clone();
        move || {
            calls.fetch_add(1, Ordering::Relaxed);
        }
    };
    let inline = {
        let count = count.clone();
        bus.subscribe("deliver.a")
            .name("deliver-inline")
            .inline(move |_: &Event| count())
            .unwrap()
    };
    let handler = bus
        .subscribe("deliver.a")
        .name("deliver-handler")
        .handler(move |_: Arc<Event>| {
            count();
            std::future::ready(())
        })
        .unwrap();
    let guards = ["deliver-stream", "deliver-inline", "deliver-handler"].map(|name| {
        let hook = hooks()
            .on(format!("no-{name}"))
            .point("event.deliver")
            .for_component(name);
        hook.guard(|cx| {
            let number = *cx.arg::<Event>("event")?.data::<u32>().unwrap();
            Ok(Vote::cancel_if(number == 1, "not one"))
        })
        .unwrap()
    });
    for n in 1..=2 {
        bus.publish(event("deliver.a", n)).await.unwrap();
    }
    assert_eq!(read(&mut free).len(), 2);
    assert_eq!(read(&mut stream), [("deliver.a".to_owned(), 2)]);
    assert!(bus.drain(Duration::from_secs(5)).await.is_complete());
    assert_eq!(calls.load(Ordering::Relaxed), 2);
    for metrics in [stream.metrics(), inline.metrics()] {
        assert_eq!(
            (metrics.deliveries.refused, metrics.deliveries.delivered),
            (1, 1)
        );
    }
    drop((guards, handler));
    assert_eq!(bus.metrics().totals.refused, 3);
    assert!(bus.dead_letters().is_empty());
}

/// A handler that is called once has not been called when hooks refused.
#[tokio::test]
async fn a_refused_delivery_does_not_use_up_once() {
    let bus = EventBus::new();
    let got: Arc<Mutex<Vec<u32>>> = Arc::default();
    let _inline = bus
        .subscribe("once.a")
        .name("once-inline")
        .once()
        .inline({
            let got = got.clone();
            move |event: &Event| got.lock().unwrap().push(*event.data().unwrap())
        })
        .unwrap();
    let _guard = hooks()
        .on("once-not-one")
        .point("event.deliver")
        .for_component("once-inline")
        .guard(|cx| {
            Ok(Vote::cancel_if(
                cx.arg::<Event>("event")?.data() == Some(&1_u32),
                "not one",
            ))
        })
        .unwrap();
    for n in 1..=3 {
        bus.publish(event("once.a", n)).await.unwrap();
    }
    assert_eq!(*got.lock().unwrap(), [2]);
}

#[tokio::test]
async fn the_failure_of_a_handler_is_the_error_phase() {
    let bus = EventBus::new();
    let seen = Arc::new(AtomicU32::new(0));
    let _watch = hooks()
        .on("error-phase")
        .point("event.deliver")
        .for_component("error-handler")
        .error()
        .intercept({
            let seen = seen.clone();
            move |_| {
                seen.fetch_add(1, Ordering::Relaxed);
            }
        })
        .unwrap();
    let _handler = bus
        .subscribe("error.a")
        .name("error-handler")
        .handler(async |_: Arc<Event>| Err::<(), _>("it fails"))
        .unwrap();
    bus.publish(event("error.a", 1)).await.unwrap();
    assert!(bus.drain(Duration::from_secs(5)).await.is_complete());
    assert_eq!(seen.load(Ordering::Relaxed), 1);
    assert_eq!(
        bus.dead_letters()[0].cause,
        DeadLetterCause::Failed("it fails".into())
    );
}

#[tokio::test]
async fn hooks_see_dead_letters_and_may_have_them_forgotten() {
    let bus = EventBus::new();
    let seen: Arc<Mutex<Vec<String>>> = Arc::default();
    let _guard = hooks()
        .on("dead-letters")
        .point("event.dead_letter")
        .for_component("dead-handler")
        .intercept({
            let seen = seen.clone();
            move |cx| {
                let cause = cx.arg::<DeadLetterCause>("cause")?.to_string();
                let forget = cx.arg::<Event>("event")?.data() == Some(&1_u32);
                seen.lock().unwrap().push(cause);
                Ok::<_, HookError>(match forget {
                    true => HookResult::cancel("forget it"),
                    false => HookResult::Continue,
                })
            }
        })
        .unwrap();
    let _inline = bus
        .subscribe("dead.a")
        .name("dead-handler")
        .inline(|_: &Event| Err::<(), _>("it fails"))
        .unwrap();
    for n in 1..=2 {
        bus.publish(event("dead.a", n)).await.unwrap();
    }
    assert_eq!(*seen.lock().unwrap(), ["the handler failed: it fails"; 2]);
    let letters = bus.dead_letters();
    assert_eq!(letters.len(), 1);
    assert_eq!(letters[0].event.data(), Some(&2_u32));
}
