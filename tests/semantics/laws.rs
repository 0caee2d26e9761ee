//! The laws of joining: monotonicity, the seal, order independence.

use std::sync::Mutex;

use hookpoint::test::registry;
use hookpoint::{
    HookError, HookRefusal, HookRegistration, HookResult, Phase, Priority, Vote, hooked,
};
use proptest::prelude::*;

use crate::random::{self, Says, Seen, Spec};
use crate::sites::quiet;

#[hooked(point = "laws.open")]
fn open(input: String, seen: &Mutex<Vec<String>>) -> Result<String, HookRefusal> {
    seen.lock().unwrap().push(format!("body {input}"));
    Ok(format!("<{input}>"))
}

#[hooked(point = "laws.closed", closed)]
fn closed(input: String, seen: &Mutex<Vec<String>>) -> Result<String, HookRefusal> {
    seen.lock().unwrap().push(format!("body {input}"));
    Ok(format!("<{input}>"))
}

/// Hooks that have something to say in the one call that is made, whose body does not fail.
fn spec() -> impl Strategy<Value = Spec> {
    random::spec().prop_map(|spec| Spec {
        sometimes: false,
        phase: if spec.phase == Phase::Pre {
            Phase::Pre
        } else {
            Phase::Post
        },
        ..spec
    })
}

/// Runs one call with these hooks; what the caller got and what was seen.
fn run(specs: &[(String, Spec)], shut: bool) -> (Result<String, String>, Vec<String>) {
    let kit = registry();
    let _entered = kit.enter();
    let seen = Seen::default();
    for (name, spec) in specs {
        spec.clone().add(&kit, "laws.*", name.clone(), &seen);
    }
    let result = if shut {
        closed("in".into(), &seen)
    } else {
        open("in".into(), &seen)
    };
    let seen = seen.lock().unwrap().clone();
    (
        result.map_err(|r| format!("{} {}", r.hook(), r.reason())),
        seen,
    )
}

fn named(specs: Vec<Spec>) -> Vec<(String, Spec)> {
    specs
        .into_iter()
        .enumerate()
        .map(|(i, spec)| (format!("h{i}"), spec))
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    /// Adding a hook that only votes, fails or guards never turns a refusal into a pass, but for an `Allow`
    /// at a closed point.
    #[test]
    fn a_vote_more_never_lets_a_refused_call_pass(
        specs in prop::collection::vec(spec(), 0..5),
        more in spec(),
        shut in any::<bool>(),
    ) {
        quiet();
        let specs = named(specs);
        let more = more.only_votes();
        prop_assume!(!(shut && more.says == Says::Allow));
        let (before, _) = run(&specs, shut);
        let mut with = specs.clone();
        with.push(("more".into(), more));
        let (after, _) = run(&with, shut);
        if before.is_err() {
            prop_assert!(after.is_err(), "{before:?} became {after:?} by {with:?}");
        }
    }

    /// What the guards before the body saw is what the body got; what those after it saw is what the caller got.
    #[test]
    fn what_was_decided_on_is_what_happens(specs in prop::collection::vec(spec(), 0..6)) {
        quiet();
        let (result, seen) = run(&named(specs), false);
        let saw = |phase| -> Vec<_> {
            seen.iter().filter_map(|s| s.split_once(phase)).map(|(_, what)| what).collect()
        };
        let guarded = saw(" sees pre ");
        prop_assert!(guarded.windows(2).all(|w| w[0] == w[1]), "{seen:?}");
        if let (Some(guarded), Some(body)) = (guarded.first(), seen.iter().find_map(|s| s.strip_prefix("body "))) {
            prop_assert_eq!(*guarded, body);
        }
        let released = saw(" sees post ");
        prop_assert!(released.windows(2).all(|w| w[0] == w[1]), "{seen:?}");
        if let (Some(released), Ok(got)) = (released.first(), &result) {
            prop_assert_eq!(*released, got.as_str());
        }
    }

    /// The verdict, its reason, the plan and the values do not depend on the order of registration.
    #[test]
    fn the_order_of_registration_decides_nothing(
        specs in prop::collection::vec(spec(), 0..6),
        shuffle in any::<prop::sample::Index>(),
        shut in any::<bool>(),
    ) {
        quiet();
        let specs = named(specs);
        let mut other = specs.clone();
        if !other.is_empty() {
            let by = shuffle.index(other.len());
            other.rotate_left(by);
            other.reverse();
        }
        prop_assert_eq!(run(&specs, shut), run(&other, shut));
    }
}

static LINKED: [HookRegistration; 4] = [
    HookRegistration::new("linked.d", "laws.open")
        .intercept(|cx| push(cx, "d"))
        .priority(Priority::HIGH),
    HookRegistration::new("linked.b", "laws.open").intercept(|cx| push(cx, "b")),
    HookRegistration::new("linked.c", "laws.open")
        .intercept(|cx| push(cx, "c"))
        .before(&["linked.d"]),
    HookRegistration::new("linked.a", "laws.open").guard(|cx| {
        Ok(Vote::cancel_if(
            cx.arg::<String>("input")?.len() > 9,
            "long",
        ))
    }),
];

fn push(cx: &mut hookpoint::HookContext<'_>, text: &str) -> Result<HookResult, HookError> {
    cx.arg_mut::<String>("input")?.push_str(text);
    Ok(HookResult::Continue)
}

proptest! {
    /// Hooks that were found at link time come in any order, and it changes nothing.
    #[test]
    fn the_order_of_discovery_decides_nothing(order in Just([0_usize, 1, 2, 3]).prop_shuffle()) {
        let kit = registry();
        let _entered = kit.enter();
        let guards: Vec<_> = order.iter().map(|i| kit.register_link_time(&LINKED[*i]).unwrap()).collect();
        let seen = Seen::default();
        prop_assert_eq!(open("in".into(), &seen).unwrap(), "<inbcd>");
        let refusal = open("long long".into(), &seen).unwrap_err();
        prop_assert_eq!(refusal.hook(), "linked.a");
        drop(guards);
    }

    /// The same vote twice weighs as much as once, and grouping votes into hooks differently changes nothing.
    #[test]
    fn a_vote_said_twice_counts_once(specs in prop::collection::vec(spec(), 0..4), shut in any::<bool>()) {
        quiet();
        let specs = named(specs.into_iter().map(Spec::only_votes).collect());
        let twice: Vec<_> = specs.iter().flat_map(|(id, s)| [(id.clone(), s.clone()), (format!("{id}-again"), s.clone())]).collect();
        let verdict = |(result, seen): (Result<String, String>, Vec<String>)| {
            (result.is_ok(), seen.iter().filter(|s| s.starts_with("body")).count())
        };
        prop_assert_eq!(verdict(run(&specs, shut)), verdict(run(&twice, shut)));
    }
}
