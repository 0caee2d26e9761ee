//! Groups, whose members share the events.

use std::sync::{Arc, Mutex};

use hooks_events::{EventBus, EventError};

use crate::kit::{event, number, read};

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
