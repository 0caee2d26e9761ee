use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hooks_runtime::{HookContext, HookError, HookRegistry, HookResult, Outcome};
use hooks_tools::util::Calculator;
use hooks_tools::{SecurityLevel, ToolError, ToolOutput, ToolRegistry};
use serde_json::{Value, json};

use crate::fixture::{Endless, no, sum, tools, with};

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
            seen.store(record.attempts() as usize, Ordering::SeqCst);
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
                record.component().unwrap_or("?").to_owned(),
                record.outcome(),
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
