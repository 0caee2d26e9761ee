//! Points whose hooks have so much time: over it, lossy observers are not told, and that is counted.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hookpoint::sink::Wants;
use hookpoint::*;

#[hooked(point = "budgets.site", component = name)]
fn site(name: &str) -> Result<(), HookRefusal> {
    let _ = name; // for hooks
    Ok(())
}

#[hooked(point = "budgets.other")]
fn other(clock: &Clock) -> Result<(), HookRefusal> {
    // The work's own time is not the hooks'.
    clock.advance(Duration::from_secs(1));
    Ok(())
}

struct Kit {
    registry: HookRegistry,
    scope: HookScope,
    clock: Clock,
    told: Arc<[AtomicU32; 3]>,
    shed: Arc<Shed>,
}

/// What the records say about those who were not told.
#[derive(Default)]
struct Shed(Mutex<Vec<u32>>);

impl Sink for Shed {
    fn wants(&self) -> Wants {
        Wants::always().args(ArgLevel::Names)
    }
    fn record(&self, record: &DecisionRecord) {
        let json = record.to_json()["shed"].as_u64().unwrap_or(0);
        assert_eq!(u64::from(record.shed()), json);
        assert_eq!(record.to_owned().shed(), record.shed());
        self.0.lock().unwrap().push(record.shed());
    }
}

/// Two lossy observers around one that is not; a budget of a millisecond.
fn kit() -> Kit {
    let clock = Clock::fake();
    let registry = HookRegistry::with_clock(clock.clone());
    let kit = Kit {
        scope: HookScope::isolated(&registry),
        told: Arc::default(),
        shed: Arc::default(),
        registry,
        clock,
    };
    for (i, id) in ["a-lossy", "b-kept", "c-lossy"].into_iter().enumerate() {
        let (told, clock) = (kit.told.clone(), kit.clock.clone());
        let observer = kit.registry.on(id).point("budgets.*");
        let observer = if id == "b-kept" {
            observer
        } else {
            observer.lossy()
        };
        let observer = observer.observe(move |record| {
            told[i].fetch_add(1, Ordering::SeqCst);
            if id == "b-kept" && record.component() == Some("slow observer") {
                clock.advance(Duration::from_millis(2));
            }
        });
        observer.unwrap().forget();
    }
    let clock = kit.clock.clone();
    let slow = kit.registry.guard("slow", "budgets.*", move |cx| {
        if cx.component() == Some("slow guard") {
            clock.advance(Duration::from_micros(1001));
        }
        Ok(Vote::Pass)
    });
    slow.unwrap().forget();
    kit.registry.add_sink(kit.shed.clone());
    let budget = Some(Duration::from_millis(1));
    kit.registry.set_budget("budgets.*", budget).unwrap();
    kit
}

impl Kit {
    fn told(&self) -> [u32; 3] {
        [0, 1, 2].map(|i| self.told[i].swap(0, Ordering::SeqCst))
    }
    fn shed(&self) -> u32 {
        self.shed.0.lock().unwrap().pop().unwrap()
    }
}

#[test]
fn within_the_budget_everybody_is_told() {
    let kit = kit();
    let _entered = kit.scope.enter();
    site("quick").unwrap();
    assert_eq!((kit.told(), kit.shed()), ([1, 1, 1], 0));
    other(&kit.clock).unwrap();
    assert_eq!((kit.told(), kit.shed()), ([1, 1, 1], 0), "the body's time");
}

#[test]
fn over_it_only_lossy_observers_are_not_told_and_the_record_counts_them() {
    let kit = kit();
    let _entered = kit.scope.enter();
    site("slow guard").unwrap();
    assert_eq!((kit.told(), kit.shed()), ([0, 1, 0], 2));
    site("slow observer").unwrap();
    assert_eq!((kit.told(), kit.shed()), ([1, 1, 0], 1), "those before it");
}

#[test]
fn each_call_has_its_own_time_and_the_least_budget_counts() {
    let kit = kit();
    let _entered = kit.scope.enter();
    site("slow guard").unwrap();
    site("quick").unwrap();
    assert_eq!(kit.told(), [1, 2, 1]);
    let set = |budget| kit.registry.set_budget("budgets.site", budget).unwrap();
    set(Some(Duration::from_secs(9)));
    site("slow guard").unwrap();
    assert_eq!(kit.told(), [0, 1, 0], "of two the least");
    kit.registry.set_budget("budgets.*", None).unwrap();
    site("slow guard").unwrap();
    assert_eq!(kit.told(), [1, 1, 1]);
}

#[test]
fn observers_that_are_required_cannot_be_lossy() {
    let kit = kit();
    kit.registry.require(&["b-kept"]).unwrap();
    let error = kit.registry.require(&["a-lossy"]).unwrap_err();
    assert!(error.to_string().contains("is lossy"), "{error}");
}

#[test]
fn who_votes_cannot_be_lossy() {
    let kit = kit();
    let guard = kit.registry.on("g").point("budgets.site").lossy();
    let error = guard.guard(|_| Ok(Vote::Pass)).unwrap_err().to_string();
    assert!(error.contains("lossy"), "{error}");
    let guard = kit.registry.on("g").point("budgets.site");
    let guard = guard.record_args(ArgLevel::Full);
    let error = guard.guard(|_| Ok(Vote::Pass)).unwrap_err().to_string();
    assert!(error.contains("record_args"), "{error}");
    assert!(kit.registry.set_budget("budgets.", None).is_err());
}
