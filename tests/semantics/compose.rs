//! Hooks made of others: one of them is asked, or all; a majority never overrules a refusal.

use std::sync::Mutex;

use hookpoint::compose::{AllOf, FirstMatch};
use hookpoint::condition::{all_of, component, first_of, not};
use hookpoint::test::registry;
use hookpoint::*;

#[hooked(point = "compose.site", component = name)]
fn site(name: &str, sum: u32) -> Result<u32, HookRefusal> {
    let _ = name; // for hooks
    Ok(sum)
}

#[hooked(point = "compose.closed", component = name, closed)]
fn closed(name: &str) -> Result<(), HookRefusal> {
    let _ = name; // for hooks
    Ok(())
}

fn fails(_: &GuardContext<'_>) -> Result<bool, HookError> {
    Err("the condition fails".into())
}

fn never(_: &GuardContext<'_>) -> Result<Vote, HookError> {
    panic!("it is not asked")
}

#[test]
fn the_first_guard_whose_condition_holds_is_asked_and_no_other() {
    let kit = registry();
    let _entered = kit.enter();
    let sums = FirstMatch::guards()
        .case(component("shell"), |_| Ok(Vote::cancel("no shell")))
        .case(not(component("mail")), |_| Ok(Vote::Pass))
        .case(component("shell"), never)
        .otherwise(|_| Ok(Vote::cancel("only mail is left")));
    let _guard = hooks()
        .guard("it", "compose.site", sums.into_guard())
        .unwrap();
    let refused = |name| site(name, 1).unwrap_err().reason().to_owned();
    assert_eq!(refused("shell"), "no shell");
    assert_eq!(refused("mail"), "only mail is left");
    assert_eq!(site("other", 1).unwrap(), 1);
}

#[test]
fn a_condition_that_fails_is_a_failure_whatever_stands_behind_it() {
    let kit = registry();
    let _entered = kit.enter();
    let rules = FirstMatch::guards()
        .case(component("early"), |_| Ok(Vote::Pass))
        .case(fails, |_| Ok(Vote::Pass))
        .otherwise(|_| Ok(Vote::Pass));
    let _guard = hooks()
        .guard("it", "compose.site", rules.into_guard())
        .unwrap();
    site("early", 1).unwrap();
    let refusal = site("late", 1).unwrap_err();
    assert!(
        refusal.reason().contains("the condition fails"),
        "{refusal}"
    );
}

#[test]
fn the_first_intercept_whose_condition_holds_acts() {
    let kit = registry();
    let _entered = kit.enter();
    let add = |more: u32| {
        move |cx: &mut HookContext<'_>| {
            *cx.arg_mut::<u32>("sum")? += more;
            Ok(HookResult::Continue)
        }
    };
    let rules = FirstMatch::intercepts()
        .case(component("ten"), add(10))
        .case(
            first_of([boxed(component("ten")), boxed(component("one"))]),
            add(1),
        )
        .otherwise(|_| Ok(HookResult::cancel("nobody")));
    let rules = rules.into_intercept();
    let _hook = hooks().intercept("it", "compose.site", rules).unwrap();
    assert_eq!(site("ten", 1).unwrap(), 11);
    assert_eq!(site("one", 1).unwrap(), 2);
    assert_eq!(site("none", 1).unwrap_err().reason(), "nobody");
}

fn boxed(condition: impl Condition + 'static) -> Box<dyn Condition> {
    Box::new(condition)
}

type Guard = fn(&GuardContext<'_>) -> Result<Vote, HookError>;

const PASS: Guard = |_| Ok(Vote::Pass);
const ALLOW: Guard = |_| Ok(Vote::Allow);
const CANCEL: Guard = |_| Ok(Vote::cancel("cancel"));
const ASK: Guard = |_| Ok(Vote::ask("ask"));
const HALT: Guard = |_| Ok(Vote::halt("halt"));
const FAIL: Guard = |_| Err("fail".into());

/// What becomes of a call whose only hook is made of these.
fn all(guards: &[Guard], call: impl FnOnce() -> Result<(), HookRefusal>) -> String {
    let kit = registry();
    let _entered = kit.enter();
    let all = guards
        .iter()
        .fold(AllOf::new(), |all, guard| all.and(*guard));
    let _guard = hooks().guard("it", "compose.*", all.into_guard()).unwrap();
    match call() {
        Ok(()) => "passes".to_owned(),
        Err(refusal) => refusal.reason().to_owned(),
    }
}

#[test]
fn of_all_the_strongest_restriction_counts_and_no_majority_overrules_it() {
    let open = |guards: &[Guard]| all(guards, || site("any", 1).map(drop));
    assert_eq!(open(&[]), "passes");
    assert_eq!(open(&[PASS, ALLOW]), "passes");
    assert_eq!(open(&[ALLOW, ALLOW, ALLOW, CANCEL]), "cancel");
    assert_eq!(open(&[CANCEL, PASS, ASK, CANCEL]), "cancel; cancel");
    assert_eq!(open(&[ASK, PASS]), "ask");
    assert_eq!(open(&[CANCEL, HALT, |cx| never(cx)]), "halt");
    let failed = open(&[PASS, FAIL, ALLOW]);
    assert!(failed.ends_with("fail"), "{failed}");
}

#[test]
fn it_is_a_grant_only_if_all_of_them_grant() {
    let closed = |guards: &[Guard]| all(guards, || closed("any"));
    assert_eq!(closed(&[ALLOW, ALLOW]), "passes");
    for too_few in [&[][..], &[PASS], &[ALLOW, PASS]] {
        assert!(closed(too_few).contains("grant"), "{}", closed(too_few));
    }
}

#[test]
fn conditions_are_looked_at_until_one_decides() {
    let kit = registry();
    let _entered = kit.enter();
    static SEEN: Mutex<Vec<bool>> = Mutex::new(Vec::new());
    let says = |answer: bool| {
        boxed(move |_: &GuardContext<'_>| -> Result<bool, HookError> {
            SEEN.lock().unwrap().push(answer);
            Ok(answer)
        })
    };
    for (condition, holds, seen) in [
        (boxed(all_of([])), true, vec![]),
        (boxed(first_of([])), false, vec![]),
        (
            boxed(all_of([says(true), says(true)])),
            true,
            vec![true, true],
        ),
        (boxed(all_of([says(false), says(true)])), false, vec![false]),
        (
            boxed(all_of([says(false), boxed(fails)])),
            false,
            vec![false],
        ),
        (
            boxed(first_of([says(true), boxed(fails)])),
            true,
            vec![true],
        ),
        (
            boxed(first_of([says(false), says(true)])),
            true,
            vec![false, true],
        ),
        (boxed(not(says(true))), false, vec![true]),
    ] {
        SEEN.lock().unwrap().clear();
        let shown = condition.describe();
        let hook = hooks().on("it").point("compose.site").when(condition);
        let _hook = hook.guard(|_| Ok(Vote::cancel("it holds"))).unwrap();
        assert_eq!(site("any", 1).is_err(), holds, "{shown}");
        assert_eq!(*SEEN.lock().unwrap(), seen, "{shown}");
    }
}
