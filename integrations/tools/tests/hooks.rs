//! What hooks do at the seven tool points.

use std::future::Future;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use hooks_runtime::{
    GuardContext, HookContext, HookError, HookRegistry, HookResult, HookScope, Outcome, Vote,
    hooked,
};
use hooks_tools::util::{Calculator, HashCalculator};
use hooks_tools::{
    Permit, RegisteredTool, SecurityLevel, Tool, ToolCategory, ToolError, ToolLimits, ToolOutput,
    ToolRegistry,
};
use serde_json::{Value, json};

/// Runs `test` with `hooks` in force and no others, from start to drop.
fn with<T>(hooks: &HookRegistry, test: impl Future<Output = T>) -> T {
    let scope = HookScope::isolated(hooks);
    let _entered = scope.enter();
    tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime")
        .block_on(test)
}

fn tools() -> ToolRegistry {
    let tools = ToolRegistry::new();
    tools.register(Calculator::new()).expect("a new name");
    tools.register(HashCalculator::new()).expect("a new name");
    tools
}

fn sum() -> Value {
    json!({"expression": "1 + 2"})
}

#[track_caller]
fn assert_refused(result: Result<ToolOutput, ToolError>, point: &str, hook: &str) {
    match result {
        Err(ToolError::Refused(refusal)) => {
            assert_eq!((refusal.point(), refusal.hook()), (point, hook))
        }
        other => panic!("not refused: {other:?}"),
    }
}

fn no(_: &GuardContext<'_>) -> Result<Vote, HookError> {
    Ok(Vote::cancel("no"))
}

/// A tool that never ends.
struct Endless;

#[async_trait]
impl Tool for Endless {
    fn name(&self) -> &str {
        "endless"
    }
    fn description(&self) -> &str {
        "Never ends"
    }
    fn category(&self) -> ToolCategory {
        ToolCategory::System
    }
    fn security_level(&self) -> SecurityLevel {
        SecurityLevel::Privileged
    }
    fn parameters(&self) -> Value {
        json!({"type": "object"})
    }
    #[hooked(point = "tool.execute", component = self.name())]
    async fn execute(&self, params: Value) -> Result<ToolOutput, ToolError> {
        std::future::pending::<()>().await;
        Ok(params.into())
    }
}

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
fn parameters_can_be_changed_before_execution_typed_and_as_json() {
    let hooks = HookRegistry::new();
    let _typed = hooks.intercept("typed", "tool.execute", |cx: &mut HookContext<'_>| {
        cx.arg_mut::<Value>("params")?["expression"] = json!("x * 2");
        Ok::<_, HookError>(())
    });
    let _json = hooks
        .on("json")
        .point("tool.execute")
        .after("typed")
        .intercept(|cx| {
            let mut params = cx.arg_json("params")?;
            params["variables"] = json!({"x": 21});
            cx.set_arg_json("params", params)?;
            Ok::<_, HookError>(())
        })
        .unwrap();
    let output = with(&hooks, async { tools().call("calculator", sum()).await });
    assert_eq!(output.unwrap().value, json!({"result": 42.0}));
}

#[test]
fn parameters_changed_into_nonsense_are_a_clear_error_of_the_tool() {
    let hooks = HookRegistry::new();
    let _hook = hooks.intercept("spoil", "tool.execute", |cx: &mut HookContext<'_>| {
        cx.set_arg_json("params", json!({"expression": "1", "extra": true}))?;
        Ok::<_, HookError>(())
    });
    let error = with(&hooks, async { tools().call("calculator", sum()).await }).unwrap_err();
    assert!(
        error.to_string().contains("unknown field `extra`"),
        "{error}"
    );
}

#[test]
fn results_can_be_changed_and_replaced_in_every_way() {
    let hooks = HookRegistry::new();
    let _before = hooks
        .on("instead")
        .point("tool.execute")
        .for_component("hash_calculator")
        .intercept(|_| HookResult::replace(ToolOutput::from(json!("typed"))))
        .unwrap();
    let _after = hooks
        .on("after")
        .point("tool.execute")
        .for_component("calculator")
        .post()
        .intercept(|cx| {
            cx.result_mut::<ToolOutput>()?.value["seen"] = json!(true);
            Ok::<_, HookError>(())
        })
        .unwrap();
    let _json = hooks
        .on("recover")
        .point("tool.execute")
        .for_component("calculator")
        .error()
        .intercept(|_| HookResult::replace_json(json!({"result": null})))
        .unwrap();
    with(&hooks, async {
        let tools = tools();
        let instead = tools
            .call("hash_calculator", json!({"operation": "hash", "input": ""}))
            .await
            .unwrap();
        assert_eq!(instead.value, "typed");
        assert_eq!(
            tools.call("calculator", sum()).await.unwrap().value,
            json!({"result": 3.0, "seen": true})
        );
        let recovered = tools
            .call("calculator", json!({"expression": "1 / 0"}))
            .await
            .unwrap();
        assert_eq!(recovered.value["result"], Value::Null);
    });
}

#[test]
fn a_failed_execution_can_be_tried_again() {
    let hooks = HookRegistry::new();
    let attempts = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&attempts);
    let _retry = hooks
        .on("again")
        .point("tool.execute")
        .error()
        .may_retry()
        .intercept(|_| HookResult::retry(Duration::ZERO, 3))
        .unwrap();
    let _observer = hooks
        .observe("count", "tool.execute", move |record| {
            seen.store(record.attempts as usize, Ordering::SeqCst);
        })
        .unwrap();
    let error = with(&hooks, async {
        tools()
            .call("calculator", json!({"expression": "1 / 0"}))
            .await
    });
    assert!(matches!(error, Err(ToolError::Failed { .. })), "{error:?}");
    assert_eq!(attempts.load(Ordering::SeqCst), 3);
}

#[test]
fn a_withheld_result_says_that_the_tool_ran() {
    let hooks = HookRegistry::new();
    let _guard = hooks
        .on("censor")
        .point("tool.execute")
        .post()
        .guard(no)
        .unwrap();
    match with(&hooks, async { tools().call("calculator", sum()).await }) {
        Err(ToolError::Refused(refusal)) => assert!(refusal.executed()),
        other => panic!("{other:?}"),
    }
}

#[test]
fn failures_and_timeouts_of_tools_are_observed() {
    let hooks = HookRegistry::new();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&seen);
    let _observer = hooks
        .observe("log", "tool.execute", move |record| {
            log.lock().unwrap().push((
                record.component.as_deref().unwrap_or("?").to_owned(),
                record.outcome,
            ));
        })
        .unwrap();
    with(&hooks, async {
        let tools = ToolRegistry::builder()
            .max_security(SecurityLevel::Privileged)
            .build();
        tools.register(Endless).unwrap();
        tools.register(Calculator::new()).unwrap();
        assert!(
            tools
                .call("calculator", json!({"expression": "1 / 0"}))
                .await
                .is_err()
        );
        assert!(matches!(
            tools.call("endless", json!({})).await,
            Err(ToolError::TimedOut { .. })
        ));
    });
    let expected = [
        ("calculator".to_owned(), Outcome::Failed),
        ("endless".to_owned(), Outcome::Cancelled),
    ];
    assert_eq!(*seen.lock().unwrap(), expected);
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
            assert_eq!(record.component.as_deref(), Some("calculator"));
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
        // One function each; `tool.execute` is that of every tool, this file's one included.
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
