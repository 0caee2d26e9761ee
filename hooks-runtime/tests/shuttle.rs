//! Models of the publication and reclamation of hook sets, under shuttle's schedules:
//! `cargo test -p hooks-runtime --features shuttle --test shuttle`.
#![cfg(feature = "shuttle")]

use std::sync::atomic::{AtomicUsize as Plain, Ordering};

use hooks_runtime::registry::SnapshotCell;
use shuttle::sync::Arc;
use shuttle::sync::atomic::AtomicUsize;
use shuttle::thread;

const SCHEDULES: usize = 5_000;

/// A hook set that knows which state of the registry it was built from, and whether it still lives.
struct Set {
    state: usize,
    live: Arc<Plain>,
}

impl Set {
    fn build(registry: &AtomicUsize, live: &Arc<Plain>) -> Set {
        live.fetch_add(1, Ordering::SeqCst);
        Set {
            state: registry.load(Ordering::SeqCst),
            live: live.clone(),
        }
    }
}

impl Drop for Set {
    fn drop(&mut self) {
        self.live.fetch_sub(1, Ordering::SeqCst);
    }
}

/// The registry of the model: a number that registrations raise before they publish.
#[derive(Default)]
struct Model {
    registry: AtomicUsize,
    cell: SnapshotCell<Set>,
    live: Arc<Plain>,
}

impl Model {
    fn register(&self) {
        self.registry.fetch_add(1, Ordering::SeqCst);
        drop(self.cell.invalidate());
    }

    /// A call: it must see at least what was registered before it began, and keep its set meanwhile.
    fn call(&self, published: &AtomicUsize) {
        let before = published.load(Ordering::SeqCst);
        let set = self.cell.load(|| Set::build(&self.registry, &self.live));
        assert!(
            set.state >= before,
            "a call used state {} after {before} was published",
            set.state
        );
        thread::yield_now();
        assert!(
            set.live.load(Ordering::SeqCst) > 0,
            "a set was freed under a call"
        );
    }
}

#[test]
fn a_call_sees_every_registration_that_returned_before_it() {
    shuttle::check_random(
        || {
            let model = Arc::new(Model::default());
            let published = Arc::new(AtomicUsize::new(0));
            let writer = {
                let (model, published) = (model.clone(), published.clone());
                thread::spawn(move || {
                    for n in 1..=3 {
                        model.register();
                        published.store(n, Ordering::SeqCst);
                    }
                })
            };
            let callers: Vec<_> = (0..2)
                .map(|_| {
                    let (model, published) = (model.clone(), published.clone());
                    thread::spawn(move || (0..3).for_each(|_| model.call(&published)))
                })
                .collect();
            writer.join().unwrap();
            callers.into_iter().for_each(|c| c.join().unwrap());
            model.call(&published);
            assert_eq!(published.load(Ordering::SeqCst), 3);
        },
        SCHEDULES,
    );
}

#[test]
fn after_the_last_call_an_old_set_is_gone() {
    shuttle::check_random(
        || {
            let model = Arc::new(Model::default());
            let published = Arc::new(AtomicUsize::new(0));
            let threads: Vec<_> = (0..3)
                .map(|i| {
                    let (model, published) = (model.clone(), published.clone());
                    thread::spawn(move || {
                        model.call(&published);
                        if i == 0 {
                            model.register();
                        }
                        model.call(&published);
                    })
                })
                .collect();
            threads.into_iter().for_each(|t| t.join().unwrap());
            // Unregistered, and nobody calls any more: nothing may hold what the hooks captured.
            drop(model.cell.invalidate());
            assert_eq!(model.live.load(Ordering::SeqCst), 0);
        },
        SCHEDULES,
    );
}

/// Also if nobody calls or registers after: the last call that used an outdated set frees it.
#[test]
fn an_outdated_set_does_not_stay_when_its_calls_are_done() {
    shuttle::check_random(
        || {
            let model = Arc::new(Model::default());
            let old = Arc::new(Plain::new(0));
            // Counts only the sets that do not know of the registration.
            let build = |model: &Model, old: &Arc<Plain>| {
                let state = model.registry.load(Ordering::SeqCst);
                let live = if state == 0 { old } else { &model.live };
                live.fetch_add(1, Ordering::SeqCst);
                Set {
                    state,
                    live: live.clone(),
                }
            };
            drop(model.cell.load(|| build(&model, &old)));
            let callers: Vec<_> = (0..2)
                .map(|_| {
                    let (model, old) = (model.clone(), old.clone());
                    thread::spawn(move || drop(model.cell.load(|| build(&model, &old))))
                })
                .collect();
            model.register();
            callers.into_iter().for_each(|c| c.join().unwrap());
            assert_eq!(old.load(Ordering::SeqCst), 0, "an outdated set is kept");
        },
        SCHEDULES,
    );
}

/// An asynchronous call holds a reference of its own, and so does one that is deeper in calls than a thread has
/// places for notes (two in the model).
#[test]
fn calls_that_hold_references_and_deep_ones_keep_their_sets() {
    shuttle::check_random(
        || {
            let model = Arc::new(Model::default());
            let writer = {
                let model = model.clone();
                thread::spawn(move || (0..2).for_each(|_| model.register()))
            };
            let calls: Vec<_> = (0..2)
                .map(|_| {
                    let model = model.clone();
                    thread::spawn(move || {
                        let build = || Set::build(&model.registry, &model.live);
                        let shared = model.cell.load_shared(build);
                        let nested = [0; 4].map(|_| model.cell.load(build));
                        thread::yield_now();
                        let lives = |set: &Set| set.live.load(Ordering::SeqCst) > 0;
                        assert!(lives(&shared));
                        // Given back in the reverse order, as frames of a stack are.
                        for set in nested.into_iter().rev() {
                            assert!(lives(&set), "a set was freed under a call");
                        }
                    })
                })
                .collect();
            writer.join().unwrap();
            calls.into_iter().for_each(|c| c.join().unwrap());
            drop(model.cell.invalidate());
            assert_eq!(model.live.load(Ordering::SeqCst), 0, "a set is kept");
        },
        SCHEDULES,
    );
}

#[test]
fn a_call_may_call_the_same_site_and_registrations_may_race() {
    shuttle::check_random(
        || {
            let model = Arc::new(Model::default());
            let none = Arc::new(AtomicUsize::new(0));
            let writers: Vec<_> = (0..2)
                .map(|_| {
                    let model = model.clone();
                    thread::spawn(move || model.register())
                })
                .collect();
            let nested = {
                let (model, none) = (model.clone(), none.clone());
                thread::spawn(move || {
                    let outer = model.cell.load(|| Set::build(&model.registry, &model.live));
                    model.call(&none);
                    assert!(outer.live.load(Ordering::SeqCst) > 0);
                    outer.state
                })
            };
            writers.into_iter().for_each(|w| w.join().unwrap());
            assert!(nested.join().unwrap() <= 2);
            let last = model.cell.load(|| Set::build(&model.registry, &model.live));
            assert_eq!(last.state, 2, "both registrations count in the end");
        },
        SCHEDULES,
    );
}
