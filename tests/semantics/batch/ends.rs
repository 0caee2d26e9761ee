//! Whoever waits for room gets it, whatever the handlers do.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::{panicking, spawn};

use super::*;

/// Runs it on another thread, and waits for its end.
fn ends_in_time(work: impl FnOnce() + Send + 'static) {
    let (ended, end) = channel::<()>();
    let running = spawn(move || {
        let _ended = ended; // Gone with the thread, also by a panic.
        work();
    });
    let end = end.recv_timeout(SOON);
    assert_eq!(
        end,
        Err(std::sync::mpsc::RecvTimeoutError::Disconnected),
        "it hangs"
    );
    running.join().unwrap();
}

/// Makes calls that such an executor observes; what it counted.
fn observe_calls(
    settings: BatchedHookExecutorBuilder,
    calls: usize,
    handler: impl Fn(&HookRegistry) + Send + Sync + 'static,
) -> hookpoint::batch::BatchMetrics {
    let registry = HookRegistry::new();
    let seen_by_handler = registry.clone();
    let batches = settings.start(
        |record| record.call_id(),
        move |_, _| handler(&seen_by_handler),
    );
    let batches = batches.unwrap();
    let observer = registry.observe("batches", "batch.*", batches.observer());
    observer.unwrap().forget();
    let scope = HookScope::isolated(&registry);
    let _entered = scope.enter();
    for number in 0..calls {
        assert_eq!(one(number).unwrap(), number);
    }
    batches.close()
}

/// The smallest queue, and calls that wait for room in it.
fn narrow() -> BatchedHookExecutorBuilder {
    settings()
        .max_records(1)
        .capacity(1)
        .threads(1)
        .when_full(WhenFull::Wait)
}

fn call_in(registry: &HookRegistry, number: usize) {
    let scope = HookScope::isolated(registry);
    let _entered = scope.enter();
    assert_eq!(two(number).unwrap(), number);
}

#[test]
fn a_full_queue_is_handed_on_though_no_batch_is_full() {
    ends_in_time(|| {
        let settings = settings().capacity(2).when_full(WhenFull::Wait);
        let metrics = observe_calls(settings, 3, |_| ());
        assert_eq!((metrics.records, metrics.dropped), (3, 0));
    });
}

#[test]
fn the_calls_of_a_handler_are_not_observed() {
    ends_in_time(|| {
        let rounds = Arc::new(AtomicUsize::new(0));
        let count = rounds.clone();
        let metrics = observe_calls(settings().max_records(1), 1, move |registry| {
            count.fetch_add(1, Ordering::SeqCst);
            call_in(registry, 7);
        });
        assert_eq!((metrics.records, metrics.dropped), (1, 0));
        assert_eq!(rounds.load(Ordering::SeqCst), 1);
    });
}

#[test]
fn a_handler_does_not_wait_for_itself() {
    ends_in_time(|| {
        let metrics = observe_calls(narrow(), 3, |registry| {
            call_in(registry, 7);
            call_in(registry, 8);
        });
        assert_eq!((metrics.records, metrics.dropped), (3, 0));
    });
}

#[test]
fn a_panic_that_panics_when_it_is_dropped_stops_no_handler() {
    struct Again;
    impl Drop for Again {
        fn drop(&mut self) {
            if !panicking() {
                panic!("injected panic");
            }
        }
    }
    crate::sites::quiet();
    ends_in_time(|| {
        let metrics = observe_calls(narrow(), 5, |_| std::panic::panic_any(Again));
        assert_eq!((metrics.records, metrics.panicked), (5, 5));
    });
}
