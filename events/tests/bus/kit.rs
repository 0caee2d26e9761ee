//! Events with a number in them, and who publishes many of them.

use hooks_events::{Delivery, Event, EventBus, Subscription, Topic};
use tokio::task::JoinHandle;

pub(crate) fn event(topic: &str, number: u32) -> Event {
    Event::try_new(topic, number).unwrap()
}

pub(crate) fn number(event: &Event) -> u32 {
    *event.data::<u32>().unwrap()
}

/// What is there now.
pub(crate) fn read(subscription: &mut Subscription) -> Vec<u32> {
    let mut numbers = Vec::new();
    while let Ok(Some(Delivery::Event(event))) = subscription.try_recv() {
        numbers.push(number(&event));
    }
    numbers
}

/// Tasks that publish at `a.b`, half of it through a handle: the first one `0..each`, the next one `each..2 * each`, …
pub(crate) fn publish_from_many(bus: &EventBus, tasks: u32, each: u32) -> Vec<JoinHandle<()>> {
    let publish = |nth: u32| {
        let bus = bus.clone();
        tokio::spawn(async move {
            let topic = Topic::new("a.b").unwrap();
            let mut handle = bus.publisher(&topic);
            for number in nth * each..(nth + 1) * each {
                let event = Event::new(&topic, number);
                match number % 2 {
                    0 => handle.publish(event).await.unwrap(),
                    _ => bus.publish(event).await.unwrap(),
                };
                if number % 16 == 0 {
                    tokio::task::yield_now().await;
                }
            }
        })
    };
    (0..tasks).map(publish).collect()
}
