//! Observers and sinks that fail: they only watch, so nothing happens to the call or to each other.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use hookpoint::test::{Fault, registry};
use hookpoint::{DecisionRecord, HookRefusal, HookResult, Phase, Signal, Sink, Wants, hooked};

use super::calls::panic_with;
use super::{LATE, Policy};
use crate::sites::quiet;

#[hooked(point = "watchers.site")]
fn site(number: u32) -> Result<u32, HookRefusal> {
    Ok(number)
}

const PANICS: [Fault; 4] = [
    Fault::Panic,
    Fault::PanicWithString,
    Fault::PanicWithValue,
    Fault::PanicThatPanics,
];

/// Policies that an observer can have.
const POLICIES: [Policy; 5] = [
    Policy::Default,
    Policy::Open,
    Policy::Closed,
    Policy::Once,
    Policy::Required,
];

#[test]
fn observers_that_fail_harm_neither_the_call_nor_other_observers() {
    quiet();
    for fault in PANICS.into_iter().chain([LATE]) {
        for policy in POLICIES {
            for answer in [HookResult::Continue, HookResult::cancel("no")] {
                let refuses = !matches!(answer, HookResult::Continue);
                let kit = registry();
                let told = Arc::new(AtomicUsize::new(0));
                for id in ["a", "z"] {
                    let told = told.clone();
                    let observer = kit.observe(id, "watchers.*", move |_| {
                        told.fetch_add(1, Ordering::SeqCst);
                    });
                    observer.unwrap().forget();
                }
                let decides = kit.intercept("decides", "watchers.*", move |_| match refuses {
                    true => HookResult::cancel("no"),
                    false => HookResult::Continue,
                });
                let _decides = decides.unwrap();
                let hook = kit.on("faulty").point("watchers.*");
                let hook = match policy {
                    Policy::Open => hook.on_failure(hookpoint::OnFailure::Open),
                    Policy::Closed => hook.on_failure(hookpoint::OnFailure::Closed),
                    Policy::Once => hook.once(),
                    _ => hook,
                };
                let own = Arc::new(AtomicUsize::new(0));
                let count = own.clone();
                let observer = hook.observe(move |_| {
                    count.fetch_add(1, Ordering::SeqCst);
                });
                observer.unwrap().forget();
                kit.fail("faulty", 1..=1, fault);
                if policy == Policy::Required {
                    kit.require(&["faulty"]).unwrap();
                }
                let _entered = kit.enter();
                for calls in 1..=3 {
                    assert_eq!(site(7).is_err(), refuses, "{fault:?} {policy:?}");
                    assert_eq!(
                        told.load(Ordering::SeqCst),
                        2 * calls,
                        "{fault:?} {policy:?}"
                    );
                }
                let late = usize::from(fault == LATE);
                let expected = if policy == Policy::Once {
                    late
                } else {
                    2 + late
                };
                assert_eq!(own.load(Ordering::SeqCst), expected, "{fault:?} {policy:?}");
                let stays = kit.list().iter().any(|hook| &*hook.id == "faulty");
                assert_eq!(stays, policy != Policy::Once);
            }
        }
    }
}

/// Panics on everything that it is told.
struct Faulty(Fault);

impl Sink for Faulty {
    fn wants(&self) -> Wants {
        Wants::always()
    }
    fn record(&self, _: &DecisionRecord) {
        panic_with(self.0);
    }
    fn signal(&self, _: &Signal<'_>) {
        panic_with(self.0);
    }
}

#[derive(Default)]
struct Healthy {
    records: Mutex<Vec<u64>>,
    signals: AtomicUsize,
}

impl Sink for Healthy {
    fn wants(&self) -> Wants {
        Wants::always()
    }
    fn record(&self, record: &DecisionRecord) {
        self.records.lock().unwrap().push(record.call_id());
    }
    fn signal(&self, _: &Signal<'_>) {
        self.signals.fetch_add(1, Ordering::SeqCst);
    }
}

#[test]
fn sinks_that_panic_harm_neither_the_call_nor_other_sinks() {
    quiet();
    for fault in PANICS {
        let kit = registry();
        let sinks = [Arc::new(Healthy::default()), Arc::default()];
        kit.add_sink(sinks[0].clone());
        kit.add_sink(Arc::new(Faulty(fault)));
        kit.add_sink(sinks[1].clone());
        // Halt outside of a run is a violation, which is a signal.
        let halts = kit.on("halts").point("watchers.*").phase(Phase::Pre);
        let halts = halts.intercept(|cx| match *cx.arg::<u32>("number")? {
            0 => Ok(HookResult::halt("stop")),
            _ => Ok::<_, hookpoint::HookError>(HookResult::Continue),
        });
        let _halts = halts.unwrap();
        let _entered = kit.enter();
        assert_eq!(site(1).unwrap(), 1);
        site(0).unwrap_err();
        assert_eq!(site(2).unwrap(), 2);
        for sink in &sinks {
            assert_eq!(sink.signals.load(Ordering::SeqCst), 1, "{fault:?}");
            // Three calls, and the one that tells hooks of the violation.
            assert_eq!(sink.records.lock().unwrap().len(), 4, "{fault:?}");
        }
    }
}
