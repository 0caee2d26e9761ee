//! What hooks get of a call's values, and what a failure says; see `faults.rs` for what it does.

use std::time::Duration;

use hookpoint::test::{Fault, registry};
use hookpoint::{ArgError, HookMetadata, HookRefusal, HookResult, Vote, hooked};

#[hooked(point = "failures.site")]
fn site(path: String, count: &u32) -> Result<String, HookRefusal> {
    Ok(format!("{path} {count}"))
}

#[hooked(point = "failures.wait")]
async fn wait() -> Result<(), HookRefusal> {
    Ok(())
}

#[test]
fn a_typo_in_an_argument_name_refuses_and_says_what_there_is() {
    let kit = registry();
    let _entered = kit.enter();
    let _g = kit
        .guard("typo", "failures.site", |cx| {
            Ok(Vote::cancel_if(
                cx.arg::<String>("pahth")?.is_empty(),
                "empty",
            ))
        })
        .unwrap();
    let refusal = site("x".into(), &1).unwrap_err();
    assert_eq!(refusal.hook(), "typo");
    for part in [
        "no argument `pahth`",
        "did you mean `path`?",
        "path: String",
        "count: & u32",
    ] {
        let reason = refusal.reason().replace("&u32", "& u32");
        assert!(reason.contains(part), "{reason} lacks {part}");
    }
    assert!(
        refusal.source_location().contains("failures.rs:"),
        "{}",
        refusal.source_location()
    );
}

#[test]
fn a_wrong_type_names_both_types() {
    let kit = registry();
    let _entered = kit.enter();
    let _g = kit
        .guard("mistyped", "failures.site", |cx| {
            Ok(Vote::cancel_if(*cx.arg::<u8>("path")? > 1, ""))
        })
        .unwrap();
    let reason = site("x".into(), &1).unwrap_err().reason().to_owned();
    assert!(
        reason.contains("path is a `String`, not a `u8`"),
        "{reason}"
    );
}

#[test]
fn arguments_are_found_by_name_place_and_type() {
    let kit = registry();
    let _entered = kit.enter();
    let _g = kit
        .guard("looks", "failures.site", |cx| {
            assert_eq!(cx.arg::<String>("path")?, cx.arg_at::<String>(0)?);
            assert_eq!((cx.arg_at::<u32>(1)?, cx.arg_of::<u32>()?), (&7, &7));
            assert_eq!(cx.arg_json("count")?, 7);
            assert!(
                cx.arg_at::<u32>(0)
                    .unwrap_err()
                    .to_string()
                    .contains("`String`, not a `u32`")
            );
            assert!(
                cx.arg_at::<u32>(2)
                    .unwrap_err()
                    .to_string()
                    .contains("it has: path: String")
            );
            assert!(
                cx.arg_of::<u8>()
                    .unwrap_err()
                    .to_string()
                    .contains("no argument `u8`")
            );
            Ok(Vote::Pass)
        })
        .unwrap();
    assert_eq!(site("x".into(), &7).unwrap(), "x 7");
}

#[test]
fn by_value_arguments_are_gone_after_the_body_unless_a_hook_wants_them() {
    let kit = registry();
    let _entered = kit.enter();
    let moved = kit
        .on("moved")
        .point("failures.site")
        .post()
        .intercept(|cx| {
            assert_eq!(
                cx.arg::<u32>("count").unwrap(),
                &7,
                "shared references stay"
            );
            assert!(matches!(
                cx.arg::<String>("path"),
                Err(ArgError::Moved { .. })
            ));
        })
        .unwrap();
    site("x".into(), &7).unwrap();
    drop(moved);
    let _kept = kit
        .on("kept")
        .point("failures.site")
        .pre()
        .post()
        .args_after()
        .intercept(|cx| {
            if cx.phase() == hookpoint::Phase::Pre {
                cx.arg_mut::<String>("path")?.push('!');
            } else {
                assert_eq!(
                    cx.arg::<String>("path")?,
                    "x!",
                    "the value that the body got"
                );
                assert!(cx.arg_mut::<String>("path").is_err());
            }
            Ok(())
        })
        .unwrap();
    assert_eq!(site("x".into(), &7).unwrap(), "x! 7");
}

#[test]
fn a_late_answer_counts_as_a_timeout() {
    let kit = registry();
    let _entered = kit.enter();
    let meta = || {
        HookMetadata::new("late")
            .point("failures.site")
            .timeout(Duration::from_millis(10))
    };
    kit.inject(meta(), Fault::Late(Duration::from_millis(11)));
    let refusal = site("x".into(), &1).unwrap_err();
    assert!(
        refusal.reason().contains("no answer within 10ms"),
        "{refusal}"
    );
    kit.unregister("late").unwrap();
    kit.inject(meta(), Fault::Late(Duration::from_millis(9)));
    assert!(site("x".into(), &1).is_ok());
}

#[tokio::test]
async fn an_asynchronous_hook_is_stopped_at_its_deadline() {
    let kit = registry();
    let hook = kit
        .on("hangs")
        .point("failures.wait")
        .timeout(Duration::from_millis(10));
    let _g = hook
        .guard_async(async |_cx| std::future::pending().await)
        .unwrap();
    let mut call = Box::pin(kit.wrap(wait()));
    let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
    assert!(call.as_mut().poll(&mut cx).is_pending());
    kit.clock().advance(Duration::from_millis(9));
    assert!(call.as_mut().poll(&mut cx).is_pending());
    kit.clock().advance(Duration::from_millis(1));
    let refusal = call.await.unwrap_err();
    assert!(
        refusal.reason().contains("no answer within 10ms"),
        "{refusal}"
    );
    assert_eq!(kit.last("failures.wait").hooks()[0].error, Some("timeout"));
}

#[test]
fn a_condition_that_fails_is_a_failure_and_never_no_match() {
    let kit = registry();
    let _entered = kit.enter();
    let hook = kit.on("conditional").point("failures.site");
    let hook =
        hook.when(|cx: &hookpoint::GuardContext<'_>| Ok(cx.arg::<String>("nothing")?.is_empty()));
    let _g = hook.guard(|_| Ok(Vote::Pass)).unwrap();
    assert_eq!(site("x".into(), &1).unwrap_err().hook(), "conditional");
    assert_eq!(
        kit.last("failures.site").hooks()[0].error,
        Some("condition")
    );
}

fn panicking(_cx: &hookpoint::GuardContext<'_>) -> Result<bool, hookpoint::HookError> {
    panic!("injected panic")
}

#[test]
fn panics_of_conditions_and_approvers_refuse() {
    crate::sites::quiet();
    let kit = registry();
    let _entered = kit.enter();
    let hook = kit
        .on("conditional")
        .point("failures.site")
        .when(panicking)
        .guard(|_| Ok(Vote::Pass))
        .unwrap();
    assert_eq!(site("x".into(), &1).unwrap_err().hook(), "conditional");
    drop(hook);
    kit.set_approver(|_: &hookpoint::ApprovalRequest| -> hookpoint::Approval {
        panic!("injected panic")
    });
    let _g = kit
        .guard("asks", "failures.site", |_| Ok(Vote::ask("?")))
        .unwrap();
    let refusal = site("x".into(), &1).unwrap_err();
    assert_eq!(refusal.hook(), "hookpoint.approver");
    assert!(refusal.reason().contains("injected panic"), "{refusal}");
}

#[test]
fn a_replacement_of_the_wrong_type_says_which_type_was_wanted() {
    let kit = registry();
    let _entered = kit.enter();
    let _g = kit
        .intercept("wrong", "failures.site", |_| HookResult::replace(5_u8))
        .unwrap();
    let reason = site("x".into(), &1).unwrap_err().reason().to_owned();
    assert!(
        reason.contains("String") && reason.contains("u8"),
        "{reason}"
    );
}
