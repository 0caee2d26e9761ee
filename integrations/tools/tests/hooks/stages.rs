use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use hooks_runtime::{HookContext, HookError, HookRegistry, HookResult, Vote};
use hooks_tools::util::Calculator;
use hooks_tools::{Permit, RegisteredTool, SecurityLevel, ToolError, ToolLimits, ToolRegistry};
use serde_json::{Value, json};

use crate::fixture::{Endless, assert_refused, no, sum, tools, with};

#[test]
fn a_guard_refuses_at_every_stage_that_can_be_refused() {
    for point in [
        "tool.discover",
        "tool.validate",
        "tool.authorize",
        "tool.acquire",
        "tool.execute",
    ] {
        let hooks = HookRegistry::new();
        let _guard = hooks
            .on("stop")
            .point(point)
            .for_component("calculator")
            .guard(no)
            .unwrap();
        with(&hooks, async {
            assert_refused(tools().call("calculator", sum()).await, point, "stop");
            let other = tools()
                .call("hash_calculator", json!({"operation": "hash", "input": ""}))
                .await;
            assert!(other.is_ok(), "{point}: another component passes");
        });
    }
}

#[test]
fn discovery_can_answer_with_another_tool() {
    let hooks = HookRegistry::new();
    let _hook = hooks
        .on("alias")
        .point("tool.discover")
        .for_component("sum")
        .intercept(|_| match RegisteredTool::new(Arc::new(Calculator::new())) {
            Ok(tool) => HookResult::replace(tool),
            Err(error) => HookResult::cancel(error.to_string()),
        })
        .unwrap();
    let output = with(&hooks, async { tools().call("sum", sum()).await });
    assert_eq!(output.unwrap().value, json!({"result": 3.0}));
}

#[test]
fn what_hooks_change_at_validation_is_what_is_validated_and_run() {
    let hooks = HookRegistry::new();
    let _hook = hooks.intercept("repair", "tool.validate", |cx: &mut HookContext<'_>| {
        let params = cx.arg_mut::<Value>("params")?;
        if let Some(text) = params.as_str().map(str::to_owned) {
            *params = json!({"expression": text});
        }
        Ok::<_, HookError>(())
    });
    with(&hooks, async {
        assert_eq!(
            tools()
                .call("calculator", json!("40 + 2"))
                .await
                .unwrap()
                .value["result"],
            42.0
        );
        assert!(matches!(
            tools().call("calculator", json!(5)).await,
            Err(ToolError::Parameters { .. })
        ));
    });
}

#[test]
fn authorization_is_seen_and_cannot_be_moved() {
    let hooks = HookRegistry::new();
    let _hook = hooks.intercept("raise", "tool.authorize", |cx: &mut HookContext<'_>| {
        assert_eq!(cx.arg::<SecurityLevel>("level")?, &SecurityLevel::Safe);
        *cx.arg_mut::<SecurityLevel>("allowed")? = SecurityLevel::Privileged;
        Ok::<_, HookError>(())
    });
    with(&hooks, async {
        assert_refused(
            tools().call("calculator", sum()).await,
            "tool.authorize",
            "raise",
        );
    });
}

#[test]
fn the_limits_of_a_call_can_be_changed_when_its_slot_is_acquired() {
    let hooks = HookRegistry::new();
    let _hook = hooks.intercept("tight", "tool.acquire", |cx: &mut HookContext<'_>| {
        cx.arg_mut::<ToolLimits>("limits")?.max_output_bytes = 3;
        Ok::<_, HookError>(())
    });
    let _permit = hooks
        .on("see")
        .point("tool.acquire")
        .post()
        .guard(|cx| {
            Ok(Vote::cancel_if(
                cx.result::<Permit>()?.limits().max_output_bytes != 3,
                "not tightened",
            ))
        })
        .unwrap();
    let error = with(&hooks, async { tools().call("calculator", sum()).await }).unwrap_err();
    assert!(
        matches!(error, ToolError::OutputTooLarge { limit: 3, .. }),
        "{error}"
    );
}

#[test]
fn every_slot_that_was_acquired_is_released_once_whatever_happens() {
    let hooks = HookRegistry::new();
    let released = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&released);
    let _observer = hooks
        .observe("count", "tool.release", move |record| {
            assert_eq!(record.component(), Some("calculator"));
            count.fetch_add(1, Ordering::SeqCst);
        })
        .unwrap();
    with(&hooks, async {
        let tools = ToolRegistry::builder().max_concurrent(1).build();
        tools.register(Calculator::new()).unwrap();
        tools.call("calculator", sum()).await.unwrap();
        assert_eq!(released.load(Ordering::SeqCst), 1);
        assert!(
            tools
                .call("calculator", json!({"expression": "1 / 0"}))
                .await
                .is_err()
        );
        assert_eq!(released.load(Ordering::SeqCst), 2);
        assert!(
            tools
                .call("calculator", json!({"expression": 5}))
                .await
                .is_err()
        );
        assert_eq!(released.load(Ordering::SeqCst), 2, "nothing was acquired");
        let refuse = hooks.guard("no", "tool.execute", no).unwrap();
        assert_refused(tools.call("calculator", sum()).await, "tool.execute", "no");
        assert_eq!(released.load(Ordering::SeqCst), 3);
        drop(refuse);
        let withhold = hooks
            .on("withhold")
            .point("tool.acquire")
            .post()
            .guard(no)
            .unwrap();
        assert_refused(
            tools.call("calculator", sum()).await,
            "tool.acquire",
            "withhold",
        );
        assert_eq!(released.load(Ordering::SeqCst), 4);
        drop(withhold);
        tools.call("calculator", sum()).await.unwrap();
    });
}

#[test]
fn the_message_of_a_timeout_is_the_hooks_to_write_and_it_can_refuse() {
    let limits = ToolLimits::default().run(Duration::from_secs(1));
    let endless = async || {
        let tools = ToolRegistry::builder()
            .max_security(SecurityLevel::Privileged)
            .limits(limits)
            .build();
        tools.register(Endless).unwrap();
        tools.call("endless", json!({})).await
    };
    let hooks = HookRegistry::new();
    let _hook = hooks
        .on("words")
        .point("tool.timeout")
        .post()
        .args_after()
        .intercept(|cx| {
            assert_eq!(cx.arg::<Duration>("limit")?, &Duration::from_secs(1));
            Ok::<_, HookError>(HookResult::replace("try tomorrow".to_owned()))
        })
        .unwrap();
    let error = with(&hooks, endless()).unwrap_err().to_string();
    assert_eq!(error, "tool `endless` was stopped after 1s: try tomorrow");
    let hooks = HookRegistry::new();
    let _guard = hooks.guard("strict", "tool.timeout", no).unwrap();
    assert_refused(with(&hooks, endless()), "tool.timeout", "strict");
}

#[test]
fn all_seven_points_have_their_sites_with_the_documented_arguments() {
    let expected = [
        ("tool.acquire", vec!["tool", "limits"]),
        ("tool.authorize", vec!["tool", "level", "allowed", "params"]),
        ("tool.discover", vec!["name"]),
        ("tool.execute", vec!["params"]),
        ("tool.release", vec!["tool", "held"]),
        ("tool.timeout", vec!["tool", "limit"]),
        ("tool.validate", vec!["tool", "params"]),
    ];
    for (point, args) in expected {
        let sites: Vec<_> = hooks_runtime::sites()
            .into_iter()
            .map(|site| site.info())
            .filter(|site| site.point == point && site.package == "hooks-tools")
            .collect();
        // One function each; `tool.execute` is that of every tool, the endless one of this test included.
        assert_eq!(
            sites.len(),
            if point == "tool.execute" { 4 } else { 1 },
            "{point}"
        );
        for site in sites {
            assert_eq!(
                site.args.iter().map(|a| a.name).collect::<Vec<_>>(),
                args,
                "{}",
                site.path
            );
        }
    }
}
