//! `Approval.request`: who is asked, and what comes back.

use hooks_lua::{Rights, ScriptError};
use hooks_runtime::test::{Scripted, TestRegistry, registry};
use hooks_runtime::{HookMetadata, HookResult, Phase, PreparedHook, Vote};
use serde_json::{Value, json};

use crate::kit::{block_on, engine};

const ASKS: &str =
    "return Approval.request({question = 'Deploy?', details = {version = '1.4', hosts = {'a'}}})";

/// Runs the code in a registry; gives what it returned.
fn ran(registry: &TestRegistry, rights: Rights, code: &str) -> Result<Value, ScriptError> {
    let engine = engine().grant(rights).build();
    let script = engine.load_source("ship.lua", code).unwrap();
    block_on(registry.wrap(script.execute()))
}

fn answer(registry: &TestRegistry, code: &str) -> Value {
    ran(registry, Rights::standard(), code).unwrap()
}

#[test]
fn whoever_approves_is_asked_and_may_edit_the_details() {
    let registry = registry();
    let edited = ("details".to_owned(), json!({"version": "1.5"}));
    registry.script_approvals([
        Scripted::Allow,
        Scripted::Deny("not on a Friday".to_owned()),
        Scripted::Edit(vec![edited]),
        Scripted::Allow,
    ]);
    let details = json!({"version": "1.4", "hosts": ["a"]});
    assert_eq!(
        answer(&registry, ASKS),
        json!({"approved": true, "details": details})
    );
    let denied = answer(&registry, ASKS);
    assert_eq!(
        denied,
        json!({"approved": false, "reason": "not on a Friday"})
    );
    let edited = answer(&registry, ASKS);
    assert_eq!(
        edited,
        json!({"approved": true, "details": {"version": "1.5"}})
    );
    let asked = registry.approval_requests();
    let (hook, question) = &asked[0].questions[0];
    assert!(hook.starts_with("ship.approval."), "{hook}");
    assert_eq!(&**question, "Deploy?");
    assert_eq!(asked[0].component.as_deref(), Some("ship.lua"));
    assert!(asked[0].args.contains(&("details", details)));
    // Nothing stays behind.
    assert_eq!(answer(&registry, "return #Hook.list()"), 0);
}

#[test]
fn nobody_to_ask_is_no_approval() {
    let registry = registry();
    let alone = answer(&registry, ASKS);
    let reason = "the program has no approver";
    assert_eq!(alone, json!({"approved": false, "reason": reason}));
}

#[test]
fn hooks_see_the_question_and_may_refuse_it() {
    let registry = registry();
    registry.script_approvals([Scripted::Allow]);
    let _guard = registry
        .guard("quiet", "approval.request", |cx| {
            assert_eq!(cx.component(), Some("ship.lua"));
            Ok(Vote::cancel("not at night"))
        })
        .unwrap();
    let refused = answer(&registry, ASKS);
    assert_eq!(
        refused,
        json!({"approved": false, "reason": "not at night"})
    );
    assert!(registry.approval_requests().is_empty());
}

#[test]
fn a_question_that_was_not_asked_is_no_approval() {
    let registry = registry();
    registry.script_approvals([Scripted::Allow]);
    let _intercept = registry
        .intercept("swaps", "approval.request", |cx| {
            *cx.arg_mut::<String>("question")? = "Have a coffee?".to_owned();
            Ok(HookResult::Continue)
        })
        .unwrap();
    let refused = answer(&registry, ASKS);
    assert_eq!(refused["approved"], false, "{refused}");
    let reason = refused["reason"].as_str().unwrap();
    assert!(reason.contains("the question was changed"), "{reason}");
    assert!(registry.approval_requests().is_empty());
}

#[test]
fn an_edit_of_the_question_is_no_approval() {
    let registry = registry();
    let edited = ("question".to_owned(), json!("Have a coffee?"));
    registry.script_approvals([Scripted::Edit(vec![edited]), Scripted::Allow]);
    let refused = answer(&registry, ASKS);
    assert_eq!(refused["approved"], false, "{refused}");
    assert_eq!(registry.approval_requests().len(), 1);
}

/// Hooks can't make one question stand for another: which one a guard asks is no argument.
#[test]
fn a_number_in_the_arguments_leads_nowhere() {
    let registry = registry();
    registry.script_approvals([Scripted::Allow]);
    let _intercept = registry
        .intercept("counts", "approval.request", |cx| {
            cx.set_arg_json("number", json!(1))?;
            Ok(HookResult::Continue)
        })
        .unwrap();
    let refused = answer(&registry, ASKS);
    assert_eq!(refused["approved"], false, "{refused}");
    let reason = refused["reason"].as_str().unwrap();
    assert!(reason.contains("no argument `number`"), "{reason}");
}

#[test]
fn what_comes_back_is_what_whoever_approved_was_shown() {
    let registry = registry();
    registry.script_approvals([Scripted::Allow]);
    let _before = registry
        .intercept("adds", "approval.request", |cx| {
            cx.set_arg_json("details", json!({"version": "1.4", "by": "hook"}))?;
            Ok(HookResult::Continue)
        })
        .unwrap();
    let after = HookMetadata::new("swaps").point("approval.request");
    let _after = registry
        .replace(
            &[],
            vec![PreparedHook::intercept(after.phase(Phase::Post), |cx| {
                cx.set_result_json(json!({"version": "6.6"}))?;
                Ok(HookResult::Continue)
            })],
        )
        .unwrap();
    let details = json!({"version": "1.4", "by": "hook"});
    let approved = answer(&registry, ASKS);
    assert_eq!(approved, json!({"approved": true, "details": details}));
    let asked = registry.approval_requests();
    assert!(asked[0].args.contains(&("details", details)));
}

#[test]
fn many_questions_at_once_get_their_own_answers() {
    let registry = registry();
    registry.set_approver(|request: &hooks_runtime::ApprovalRequest| {
        match &*request.questions[0].1 {
            "even" => request.allow(),
            _ => request.deny("odd"),
        }
    });
    let code = "
        for i = 1, 50 do
            local answer = Approval.request({question = i % 2 == 0 and 'even' or 'odd', details = i})
            assert(answer.approved == (i % 2 == 0), i)
            assert(answer.details == (i % 2 == 0 and i or nil), i)
        end";
    answer(&registry, code);
}

#[test]
fn a_mistake_says_what_to_write_and_the_right_is_asked() {
    let registry = registry();
    let all = Rights::standard;
    let few = || Rights::parse(["hook:>:*"]).unwrap();
    for (code, rights, why) in [
        ("Approval.request({})", all(), "it needs `question"),
        (
            "Approval.request({question = 'x', detials = 1})",
            all(),
            "did you mean `details`",
        ),
        (
            "Approval.request({question = 'x', details = print})",
            all(),
            "a function has no JSON form",
        ),
        (
            "Approval.request({question = 'x'})",
            few(),
            "lacks the capability `approval`",
        ),
        (
            "-- @capability hook:>:*\nApproval.request({question = 'x'})",
            all(),
            "does not ask for the capability `approval`",
        ),
    ] {
        let error = ran(&registry, rights, code).unwrap_err().to_string();
        assert!(error.contains(why), "{code}: {error}");
        assert!(error.contains("ship.lua:"), "{code}: {error}");
    }
}
