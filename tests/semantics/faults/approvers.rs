//! Approvers that fail: no approver, an error, a late answer or one for another call is a refusal.

use std::time::Duration;

use hookpoint::test::{Scripted, TestRegistry, registry};
use hookpoint::{HookRefusal, Vote, hooked};
use serde_json::json;

use super::calls::drive;
use crate::sites::quiet;

#[hooked(point = "fault_approvers.sync")]
fn site(number: u32) -> Result<u32, HookRefusal> {
    Ok(number)
}

#[hooked(point = "fault_approvers.async")]
async fn later(number: u32) -> Result<u32, HookRefusal> {
    Ok(number)
}

#[hooked(point = "fault_approvers.watched", observe)]
fn watched(number: u32) -> Result<u32, HookRefusal> {
    Ok(number)
}

/// Longer than an approver is waited for.
const TOO_LONG: Duration = Duration::from_secs(301);

fn faults() -> [(Scripted, &'static str); 7] {
    [
        (Scripted::Deny("not today".into()), "not today"),
        (Scripted::Fail("nobody is there".into()), "nobody is there"),
        (Scripted::Panic, "injected panic"),
        (Scripted::Late(TOO_LONG), "no answer within 300s"),
        (Scripted::Forged, "another call"),
        (
            Scripted::Edit(vec![("nubmer".into(), json!(1))]),
            "no argument `nubmer`",
        ),
        (
            Scripted::Edit(vec![("number".into(), json!("one"))]),
            "argument `number`",
        ),
    ]
}

fn asking() -> TestRegistry {
    quiet();
    let kit = registry();
    let asks = kit.guard("asks", "fault_approvers.*", |_| Ok(Vote::ask("may it?")));
    asks.unwrap().forget();
    kit
}

fn check(refused: Result<u32, HookRefusal>, says: &str) {
    let refused = refused.unwrap_err();
    assert_eq!(refused.hook(), "hookpoint.approver", "{refused}");
    assert!(refused.reason().contains(says), "{says}: {refused}");
    assert!(!refused.executed());
}

#[test]
fn an_approver_that_fails_refuses_this_call_and_no_other() {
    for (fault, says) in faults() {
        let kit = asking();
        let _entered = kit.enter();
        kit.script_approvals([fault.clone(), Scripted::Allow, fault, Scripted::Allow]);
        check(site(1), says);
        assert_eq!(site(2).unwrap(), 2, "after {says}");
        check(drive(later(1), kit.clock()), says);
        assert_eq!(drive(later(2), kit.clock()).unwrap(), 2, "after {says}");
        assert_eq!(kit.approval_requests().len(), 4);
    }
}

#[test]
fn an_approver_that_never_answers_is_waited_for_where_that_is_possible() {
    let kit = asking();
    let _entered = kit.enter();
    kit.script_approvals([Scripted::Silence, Scripted::Silence, Scripted::Allow]);
    check(site(1), "had to wait at a synchronous site");
    check(drive(later(1), kit.clock()), "no answer within 300s");
    assert_eq!(site(1).unwrap(), 1);
}

#[test]
fn an_answer_just_in_time_counts() {
    let kit = asking();
    let _entered = kit.enter();
    kit.script_approvals([Scripted::Late(Duration::from_secs(300))]);
    assert_eq!(site(1).unwrap(), 1);
}

#[test]
fn a_failing_approver_has_no_force_where_hooks_may_only_watch() {
    for (fault, says) in faults() {
        let kit = asking();
        let _entered = kit.enter();
        kit.script_approvals([fault]);
        assert_eq!(watched(1).unwrap(), 1, "{says}");
        assert_eq!(kit.violations(), ["unenforceable asks"], "{says}");
    }
}
