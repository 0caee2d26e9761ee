//! Plans that turn out to be impossible: their hook has failed, and the next plan in order counts.

use std::sync::atomic::Ordering;

use hookpoint::test::{Fault, TestRegistry, registry};
use hookpoint::{HookError, HookResult, OnFailure, Phase, Vote};

use super::calls::drive;
use crate::sites::{Behaviour, Error, Out, Probe, asynchronous, blocking};

const PATTERN: &str = "decisions.fallible";

/// A first hook that plans what is impossible, and a second one whose plan is not.
fn proposing(
    phase: Phase,
    on_failure: OnFailure,
    first: fn() -> HookResult,
) -> (TestRegistry, Probe) {
    let kit = registry();
    let hook = |id: &str| kit.on(id).point(PATTERN).for_component("main").phase(phase);
    // After the body the order is the other one.
    let ids = if phase == Phase::Pre {
        ["a", "b"]
    } else {
        ["b", "a"]
    };
    let impossible = hook(ids[0]).on_failure(on_failure);
    impossible.intercept(move |_| first()).unwrap().forget();
    let possible = hook(ids[1]).intercept(|_| HookResult::replace(Out::new("planned")));
    possible.unwrap().forget();
    let behaviour = if phase == Phase::Error {
        Behaviour::Error
    } else {
        Behaviour::Value
    };
    let probe = Probe {
        behaviour,
        ..Probe::default()
    };
    (kit, probe)
}

fn call(kit: &TestRegistry, probe: &Probe, asynchronous: bool) -> Result<Out, Error> {
    let _entered = kit.enter();
    if asynchronous {
        drive(asynchronous::fallible("input".into(), probe), kit.clock())
    } else {
        blocking::fallible("input".into(), probe)
    }
}

#[test]
fn the_plan_after_an_impossible_one_counts() {
    let impossible: [fn() -> HookResult; 2] = [
        || HookResult::replace(7_u8),
        || HookResult::redirect("nobody"),
    ];
    for first in impossible {
        for asynchronous in [true, false] {
            let (kit, probe) = proposing(Phase::Pre, OnFailure::Open, first);
            let sees = kit.guard("sees", PATTERN, |cx| {
                let planned = cx.result::<Out>().map(|out| out.text.clone());
                Ok(Vote::cancel_if(planned? != "planned", "another plan"))
            });
            let sees = sees.unwrap();
            // The guards that saw the first plan are asked about the second one, which is what is carried out.
            if first().word() == "redirect" {
                drop(sees);
            }
            assert_eq!(call(&kit, &probe, asynchronous).unwrap().text, "planned");
            assert_eq!(probe.runs.load(Ordering::SeqCst), 0, "the body did not run");
            let record = kit.last(PATTERN);
            let of = |id: &str| record.hooks().iter().rfind(|said| &*said.hook == id);
            assert!(of("a").unwrap().error.is_some());
            assert_eq!((of("b").unwrap().note, record.plan()), (None, "replace"));
        }
    }
}

#[test]
fn the_replacement_after_one_of_another_type_counts() {
    for phase in [Phase::Post, Phase::Error] {
        for asynchronous in [true, false] {
            let (kit, probe) = proposing(phase, OnFailure::Open, || HookResult::replace(7_u8));
            assert_eq!(call(&kit, &probe, asynchronous).unwrap().text, "planned");
            assert_eq!(probe.runs.load(Ordering::SeqCst), 1);
        }
    }
}

#[test]
fn a_closed_hook_that_fails_refuses_whoever_plans_after_it() {
    for phase in [Phase::Pre, Phase::Post] {
        for asynchronous in [true, false] {
            let (kit, probe) = proposing(phase, OnFailure::Closed, || HookResult::replace(7_u8));
            let Err(Error::Refused(refused)) = call(&kit, &probe, asynchronous) else {
                panic!("not refused");
            };
            assert_eq!(refused.executed(), phase == Phase::Post);
        }
    }
}

#[test]
fn guards_decide_on_the_plan_that_is_carried_out() {
    for asynchronous in [true, false] {
        let (kit, probe) = proposing(Phase::Pre, OnFailure::Open, || {
            HookResult::redirect("nobody")
        });
        let no_values = kit.guard("no-values", PATTERN, |cx| {
            Ok(Vote::cancel_if(
                cx.plan().word() == "replace",
                "no made-up values",
            ))
        });
        let _no_values = no_values.unwrap();
        let refused = call(&kit, &probe, asynchronous).unwrap_err();
        assert!(
            refused.to_string().contains("no made-up values"),
            "{refused}"
        );
        assert_eq!(probe.runs.load(Ordering::SeqCst), 0);
    }
}

/// "A hook that failed after changing a value is Closed": asking for one that it cannot have changes nothing.
#[test]
fn a_change_that_was_not_possible_is_no_change() {
    type Hook = fn(&mut hookpoint::HookContext<'_>) -> Result<(), HookError>;
    let changes: [(Phase, Hook); 4] = [
        (Phase::Pre, |cx| Ok(cx.arg_mut::<u8>("input").map(drop)?)),
        (Phase::Pre, |cx| Ok(cx.set_arg_json("input", 7.into())?)),
        (Phase::Post, |cx| Ok(cx.result_mut::<u8>().map(drop)?)),
        (Phase::Post, |cx| Ok(cx.set_result_json(7.into())?)),
    ];
    for (phase, change) in changes {
        let kit = registry();
        let hook = kit.on("mistyped").point(PATTERN).phase(phase);
        let _hook = hook.on_failure(OnFailure::Open).intercept(change).unwrap();
        let got = call(&kit, &Probe::default(), false).unwrap();
        assert_eq!(got.text, "body");
        assert_eq!(kit.last(PATTERN).hooks()[0].note, Some("open"));
    }
}

#[test]
fn a_change_before_the_failure_is_one() {
    let kit = registry();
    let hook = kit.on("changes").point(PATTERN).on_failure(OnFailure::Open);
    let hook = hook.intercept(|cx| {
        cx.set_arg_json("input", "changed".into())
            .map_err(HookError::from)
    });
    let _hook = hook.unwrap();
    kit.fail("changes", .., Fault::ErrorAtEnd);
    let refused = call(&kit, &Probe::default(), false).unwrap_err();
    assert!(matches!(refused, Error::Refused(_)), "{refused}");
}
