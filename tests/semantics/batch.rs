//! Records that are handled many at once.

mod ends;

use std::collections::BTreeMap;
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use hookpoint::batch::{BatchedHookExecutor, BatchedHookExecutorBuilder, WhenFull};
use hookpoint::{HookRefusal, HookRegistry, HookScope, hooked};

const SOON: Duration = Duration::from_secs(20);
const NEVER: Duration = Duration::from_secs(3600);

macro_rules! site {
    ($name:ident, $point:literal) => {
        #[hooked(point = $point)]
        fn $name(number: usize) -> Result<usize, HookRefusal> {
            Ok(number)
        }
    };
}
site!(one, "batch.one");
site!(two, "batch.two");
site!(three, "batch.three");

fn settings() -> BatchedHookExecutorBuilder {
    BatchedHookExecutor::builder().max_age(NEVER)
}

/// A registry whose calls are observed by an executor that sends its batches.
struct Observed {
    scope: HookScope,
    batches: BatchedHookExecutor<u64>,
    got: Receiver<(&'static str, Vec<u64>)>,
}

impl Observed {
    fn new(settings: BatchedHookExecutorBuilder) -> Observed {
        let (send, got) = channel();
        let send = Mutex::new(send);
        let batches = settings.start(
            |record| record.call_id(),
            move |point, ids| send.lock().unwrap().send((point, ids)).unwrap(),
        );
        let batches = batches.unwrap();
        let registry = HookRegistry::new();
        let observer = registry.observe("batches", "batch.*", batches.observer());
        observer.unwrap().forget();
        let scope = HookScope::isolated(&registry);
        Observed {
            scope,
            batches,
            got,
        }
    }
}

#[test]
fn a_batch_is_handed_on_when_it_is_full_when_it_is_old_when_it_is_asked_for_and_at_the_end() {
    let observed = Observed::new(settings().max_records(3));
    let _entered = observed.scope.enter();
    (0..3).for_each(|n| drop(one(n)));
    let (point, ids) = observed.got.recv_timeout(SOON).unwrap();
    assert_eq!((point, ids.len()), ("batch.one", 3));
    one(3).unwrap();
    observed.batches.flush();
    assert_eq!(observed.got.recv_timeout(SOON).unwrap().1.len(), 1);
    two(4).unwrap();
    let metrics = observed.batches.close();
    assert_eq!(observed.got.recv_timeout(SOON).unwrap().0, "batch.two");
    assert_eq!(
        (metrics.records, metrics.batches, metrics.largest),
        (5, 3, 3)
    );
    assert!(metrics.mean_size() > 1.6 && metrics.handling.count == 3);
    // An observer that is still registered finds it closed.
    one(5).unwrap();
    assert!(
        observed.got.recv_timeout(SOON).is_err(),
        "the sender is gone"
    );

    let observed = Observed::new(settings().max_age(Duration::from_millis(1)));
    let _entered = observed.scope.enter();
    one(1).unwrap();
    assert_eq!(observed.got.recv_timeout(SOON).unwrap().1.len(), 1);
}

#[test]
fn calls_of_many_threads_are_all_there_and_in_order_by_point() {
    let observed = Observed::new(
        settings()
            .max_records(50)
            .when_full(WhenFull::Wait)
            .capacity(64)
            .threads(3),
    );
    let scope = &observed.scope;
    std::thread::scope(|threads| {
        for _ in 0..4 {
            threads.spawn(move || {
                let _entered = scope.enter();
                for n in 0..500 {
                    let _ = (one(n), two(n), three(n));
                }
            });
        }
    });
    let metrics = observed.batches.close();
    assert_eq!(
        (metrics.records, metrics.dropped, metrics.queued),
        (6000, 0, 0)
    );
    assert!(metrics.largest <= 50);
    // Ids grow with each thread's calls; of one thread they are a block.
    let mut last = BTreeMap::new();
    let mut count = 0;
    for (point, ids) in observed.got.try_iter() {
        for id in ids {
            count += 1;
            let before = last.insert((point, id >> 16), id).unwrap_or(0);
            assert!(before < id, "{point}: {before} before {id}");
        }
    }
    assert_eq!(count, 6000);
}

#[test]
fn batches_of_different_points_are_handled_at_the_same_time() {
    let (registry, running) = (
        HookRegistry::new(),
        Arc::new((Mutex::new(0), Condvar::new())),
    );
    let scope = HookScope::isolated(&registry);
    // Both handlers must be running for either to end.
    let meet = running.clone();
    let together = move |_, _| {
        let (count, changed) = &*meet;
        let mut count = count.lock().unwrap();
        *count += 1;
        changed.notify_all();
        let met = changed
            .wait_timeout_while(count, SOON, |count| *count < 2)
            .unwrap();
        assert!(!met.1.timed_out());
    };
    let batches = settings().threads(2).start(|_| (), together).unwrap();
    let observer = registry.observe("batches", "batch.*", batches.observer());
    let _observer = observer.unwrap();
    let _entered = scope.enter();
    let _ = (one(1), two(2));
    let metrics = batches.close();
    assert_eq!((metrics.batches, metrics.panicked), (2, 0));
}

#[test]
fn what_finds_no_room_is_counted_and_nothing_waits_for_it() {
    let (go, wait) = channel::<()>();
    let (began, begun) = channel();
    let (began, wait) = (Mutex::new(began), Mutex::new(wait));
    let registry = HookRegistry::new();
    let scope = HookScope::isolated(&registry);
    let batches = settings().threads(1).max_records(1).capacity(2).start(
        |record| record.call_id(),
        move |_, _| {
            began.lock().unwrap().send(()).unwrap();
            // An error when the test has ended: then nobody has to wait any more.
            let _ended = wait.lock().unwrap().recv();
        },
    );
    let batches = batches.unwrap();
    let _observer = registry
        .observe("batches", "batch.*", batches.observer())
        .unwrap();
    let _entered = scope.enter();
    one(0).unwrap();
    begun.recv_timeout(SOON).unwrap();
    (1..=5).for_each(|n| drop(one(n)));
    assert_eq!(
        (batches.metrics().dropped, batches.metrics().queued),
        (3, 2)
    );
    drop(go);
    let metrics = batches.close();
    assert_eq!((metrics.records, metrics.dropped), (3, 3));
}

#[test]
fn a_handler_that_panics_is_counted_and_goes_on() {
    let registry = HookRegistry::new();
    let scope = HookScope::isolated(&registry);
    let batches = settings().max_records(1).start(
        |record| record.call_id(),
        |point, _| assert_ne!(point, "batch.one", "a panic in a handler"),
    );
    let batches = batches.unwrap();
    let _observer = registry
        .observe("batches", "batch.*", batches.observer())
        .unwrap();
    let _entered = scope.enter();
    let _ = (one(1), two(2), one(3));
    let metrics = batches.close();
    assert_eq!((metrics.records, metrics.panicked), (3, 2));
}

#[test]
fn whole_records_can_be_kept() {
    let registry = HookRegistry::new();
    let scope = HookScope::isolated(&registry);
    let (send, got) = channel();
    let send = Mutex::new(send);
    let batches: BatchedHookExecutor = settings()
        .start(
            |record| record.to_owned(),
            move |_, records| send.lock().unwrap().send(records).unwrap(),
        )
        .unwrap();
    let _observer = registry
        .observe("batches", "batch.*", batches.observer())
        .unwrap();
    let _entered = scope.enter();
    one(1).unwrap();
    drop(batches);
    let records = got.recv_timeout(SOON).unwrap();
    assert_eq!(records[0].point(), "batch.one");
    assert_eq!(records[0].args()[0].name, "number");
}

#[test]
fn what_is_queued_is_waited_for_and_no_longer_than_one_likes() {
    let registry = HookRegistry::new();
    let scope = HookScope::isolated(&registry);
    let (begins, begun) = channel();
    let (go, wait) = channel::<()>();
    let (begins, wait) = (Mutex::new(begins), Mutex::new(wait));
    let batches = settings().threads(1).start(
        |record| record.call_id(),
        move |_, _| {
            begins.lock().unwrap().send(()).unwrap();
            wait.lock().unwrap().recv().unwrap();
        },
    );
    let batches = batches.unwrap();
    let _observer = registry
        .observe("batches", "batch.*", batches.observer())
        .unwrap();
    let _entered = scope.enter();
    assert!(batches.settle(Duration::ZERO), "there is nothing");
    one(1).unwrap();
    assert!(!batches.settle(Duration::from_millis(1)));
    // It was handed on all the same; this one waits behind it.
    begun.recv_timeout(SOON).unwrap();
    two(2).unwrap();
    go.send(()).unwrap();
    go.send(()).unwrap();
    assert!(batches.settle(SOON));
    assert_eq!(
        (batches.metrics().records, batches.metrics().queued),
        (2, 0)
    );
}
