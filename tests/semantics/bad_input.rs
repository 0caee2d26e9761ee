//! What is refused at registration: what, where, and what to write instead.

use hookpoint::test::registry;
use hookpoint::{HookError, HookGuard, HookRefusal, HookRegistry, HookScope, Vote, hooked};

#[hooked(point = "bad.watched", observe)]
fn watched(n: u32) -> u32 {
    n
}

#[hooked(point = "bad.refusable")]
fn refusable(n: u32) -> Result<u32, HookRefusal> {
    Ok(n)
}

fn message(result: Result<HookGuard, HookError>) -> String {
    result.expect_err("it must be refused").to_string()
}

#[track_caller]
fn says(result: Result<HookGuard, HookError>, parts: &[&str]) {
    let text = message(result);
    for part in parts {
        assert!(text.contains(part), "{text:?} lacks {part:?}");
    }
}

#[test]
fn points_and_patterns_that_nothing_has() {
    let registry = HookRegistry::new();
    let guard = |point: &'static str| registry.guard("g", point, |_| Ok(Vote::Pass));
    says(
        guard("tool.exekute"),
        &["`tool.exekute`", "did you mean `tool.execute`?"],
    );
    says(
        guard("BeforeToolExekution"),
        &["did you mean `BeforeToolExecution`?"],
    );
    says(
        guard("bad.refusabel"),
        &["matches no hook point", "did you mean `bad.refusable`?"],
    );
    says(
        guard("nobody.has.this.*"),
        &["nobody.has.this.*", "is the crate that defines it linked?"],
    );
    says(guard("*"), &["write `>`"]);
    assert!(registry.list().is_empty(), "nothing was half registered");
}

#[test]
fn a_duplicate_id_names_both_places() {
    let kit = registry();
    let first_line = line!() + 1;
    let _g = kit.guard("same", "tool.*", |_| Ok(Vote::Pass)).unwrap();
    let second = kit.intercept("same", "agent.*", |_| ());
    let second_line = line!() - 1;
    says(
        second,
        &[
            "`same`",
            &format!("bad_input.rs:{first_line}"),
            &format!("bad_input.rs:{second_line}"),
        ],
    );
    assert_eq!(kit.list().len(), 1);
}

#[test]
fn a_cycle_names_its_edges() {
    let kit = registry();
    let on = |id: &str| kit.on(id.to_owned()).point("tool.*");
    let _a = on("a").before("b").intercept(|_| ()).unwrap();
    let _b = on("b").before("c").intercept(|_| ()).unwrap();
    says(
        on("c").before("a").intercept(|_| ()),
        &[
            "cycle",
            "`a` before `b`",
            "`b` before `c`",
            "`c` before `a`",
        ],
    );
    assert!(
        on("c").before("absent").intercept(|_| ()).is_ok(),
        "an absent name is soft"
    );
}

#[test]
fn roles_and_phases_that_do_not_go_together() {
    let kit = registry();
    let on = |id: &str| kit.on(id.to_owned()).point("tool.*");
    says(
        on("g").error().guard(|_| Ok(Vote::Pass)),
        &["a guard votes", "use an intercept"],
    );
    says(
        on("o").post().observe(|_| ()),
        &["observer", "leave its phase out"],
    );
    says(kit.on("n").intercept(|_| ()), &["names no point"]);
    says(
        kit.on("").point("tool.*").intercept(|_| ()),
        &["needs an id"],
    );
    says(
        kit.on("hookpoint.mine").point("tool.*").intercept(|_| ()),
        &["the runtime's own"],
    );
    says(
        on("u").point("bad.refusable").uses("m").intercept(|_| ()),
        &["argument `m`", "did you mean `n`?"],
    );
}

/// §3: at a literal point a registration error, through a pattern a gap, at run time a violation.
#[test]
fn a_guard_at_an_observe_site_is_reported_three_ways() {
    let registry = HookRegistry::new();
    says(
        registry.guard("g", "bad.watched", |_| Ok(Vote::Pass)),
        &["cannot refuse at `bad.watched`", "observer"],
    );

    let kit = hookpoint::test::registry();
    let _g = kit.guard("g", "bad.*", |_| Ok(Vote::cancel("no"))).unwrap();
    let gaps = kit.verify().gaps;
    let gap = gaps
        .iter()
        .find(|gap| gap.detail.contains("bad.watched"))
        .expect("a gap");
    assert!(gap.subject.contains("`g`") && !gap.error, "{gap:?}");
    kit.require(&["g"]).unwrap();
    assert!(
        !kit.verify().is_ok(),
        "for a required guard the gap is an error"
    );

    let _entered = kit.enter();
    assert_eq!(watched(3), 3, "the refusal has no force");
    assert!(refusable(3).is_err());
    assert_eq!(kit.violations(), ["unenforceable g"]);
    assert_eq!(
        kit.last("bad.watched").hooks()[0].note,
        Some("unenforceable")
    );
    assert_eq!(
        kit.last("system.violation").args()[0].value,
        Some("unenforceable".into())
    );
}

#[test]
fn one_bad_registration_disturbs_no_other_hook() {
    let kit = registry();
    let _good = kit
        .guard("good", "bad.refusable", |_| Ok(Vote::cancel("no")))
        .unwrap();
    drop(message(
        kit.guard("good", "bad.refusable", |_| Ok(Vote::Pass)),
    ));
    drop(message(
        kit.guard("typo", "tool.exekute", |_| Ok(Vote::Pass)),
    ));
    let _entered = kit.enter();
    assert_eq!(refusable(1).unwrap_err().hook(), "good");
}

#[test]
fn an_unknown_hook_is_suggested() {
    let kit = registry();
    let _g = kit
        .guard("workspace", "tool.*", |_| Ok(Vote::Pass))
        .unwrap();
    let error = kit.unregister("workspce").unwrap_err().to_string();
    assert!(error.contains("did you mean `workspace`?"), "{error}");
    let _scope = HookScope::isolated(&kit);
}
