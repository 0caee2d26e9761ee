//! What hooks do at the points of workflows.

use std::future::Future;
use std::sync::{Arc, Mutex};

use hooks_agents::{Agent, AgentState, ScriptedModel};
use hooks_runtime::{
    GuardContext, HookContext, HookError, HookRegistry, HookResult, HookScope, Outcome, Reach, Vote,
};
use hooks_workflows::{
    ErrorStrategy, Sequential, Step, StepOutput, WorkflowError, WorkflowOutput, WorkflowState,
};
use serde_json::{Value, json};

/// Runs `test` with `hooks` in force and no others, from start to drop.
fn with<T>(hooks: &HookRegistry, test: impl Future<Output = T>) -> T {
    let scope = HookScope::isolated(hooks);
    let _entered = scope.enter();
    tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .expect("a runtime")
        .block_on(test)
}

/// `first` adds 1 and keeps the sum under `sum`, `second` multiplies it by ten.
fn workflow() -> Sequential {
    Sequential::builder("w")
        .step(Step::function("first", async |call| {
            let sum = call.input.as_i64().ok_or("not a number")? + 1;
            Ok(StepOutput::from(json!(sum)).set("sum", sum))
        }))
        .step(Step::function("second", async |call| {
            Ok(json!(call.state["sum"].as_i64().unwrap_or(0) * 10).into())
        }))
        .build()
        .expect("complete")
}

fn no(_: &GuardContext<'_>) -> Result<Vote, HookError> {
    Ok(Vote::cancel("no"))
}

#[track_caller]
fn assert_refused(result: Result<WorkflowOutput, WorkflowError>, point: &str) {
    let error = result.expect_err("refused");
    match error.refusal() {
        Some(refusal) => assert_eq!((refusal.point(), refusal.reason()), (point, "no")),
        None => panic!("not refused: {error}"),
    }
}

#[test]
fn every_point_can_be_refused() {
    for point in [
        "workflow.execute",
        "workflow.step",
        "workflow.transition",
        "workflow.state",
    ] {
        let hooks = HookRegistry::new();
        let _guard = hooks
            .on("stop")
            .point(point)
            .for_component("w")
            .guard(no)
            .unwrap();
        assert_refused(
            with(&hooks, async { workflow().run(json!(1)).await }),
            point,
        );
    }
}

#[test]
fn input_state_and_value_of_a_step_can_be_changed() {
    let hooks = HookRegistry::new();
    let _input = hooks
        .intercept("input", "workflow.step", |cx: &mut HookContext<'_>| {
            if cx.arg::<str>("step")? == "first" {
                assert_eq!(*cx.arg::<usize>("index")?, 0);
                *cx.arg_mut::<Value>("input")? = json!(6);
                cx.arg_mut::<WorkflowState>("state")?.insert("by", "hook");
            }
            Ok::<_, HookError>(())
        })
        .unwrap();
    let _value = hooks
        .on("value")
        .point("workflow.step")
        .post()
        .intercept(|cx| {
            if cx.arg::<str>("step")? == "second" {
                *cx.result_mut::<Value>()? = json!({"changed": cx.result_json()?});
            }
            Ok::<_, HookError>(())
        })
        .unwrap();
    let output = with(&hooks, async { workflow().run(json!(1)).await }).unwrap();
    assert_eq!(output.value, json!({"changed": 70}));
    assert_eq!(output.state.to_json(), json!({"by": "hook", "sum": 7}));
}

#[test]
fn the_state_can_be_set_from_json_at_the_start_and_at_a_step() {
    let hooks = HookRegistry::new();
    let _start = hooks
        .intercept("start", "workflow.execute", |cx: &mut HookContext<'_>| {
            cx.set_arg_json("state", json!({"from": "start"}))?;
            Ok::<_, HookError>(())
        })
        .unwrap();
    let _step = hooks
        .intercept("step", "workflow.step", |cx: &mut HookContext<'_>| {
            if cx.arg::<str>("step")? == "second" {
                let mut state = cx.arg_json("state")?;
                assert_eq!(state, json!({"from": "start", "sum": 2}));
                state["sum"] = json!(5);
                cx.set_arg_json("state", state)?;
            }
            Ok::<_, HookError>(())
        })
        .unwrap();
    let output = with(&hooks, async { workflow().run(json!(1)).await }).unwrap();
    assert_eq!(output.value, json!(50));
    assert_eq!(output.state["from"], "start");
}

#[test]
fn a_step_can_be_answered_instead_and_a_failed_one_recovered() {
    let hooks = HookRegistry::new();
    let _instead = hooks
        .intercept("instead", "workflow.step", |cx: &mut HookContext<'_>| {
            Ok::<_, HookError>(match cx.arg::<str>("step")? {
                "second" => HookResult::replace_json(json!("instead")),
                _ => HookResult::Continue,
            })
        })
        .unwrap();
    let _recover = hooks
        .on("recover")
        .point("workflow.step")
        .error()
        .intercept(|_| HookResult::replace(json!(0)))
        .unwrap();
    let output = with(&hooks, async { workflow().run(json!("no number")).await }).unwrap();
    assert_eq!(output.value, "instead");
    assert_eq!(output.steps[0].value, 0);
    assert!(output.state.is_empty(), "the failed step changed nothing");
}

#[test]
fn a_state_change_can_be_changed_and_a_refused_one_leaves_the_state() {
    let hooks = HookRegistry::new();
    let change = hooks
        .intercept("change", "workflow.state", |cx: &mut HookContext<'_>| {
            assert_eq!(
                (cx.arg::<str>("key")?, cx.arg::<Value>("previous")?),
                ("sum", &Value::Null)
            );
            *cx.arg_mut::<Value>("value")? = json!(9);
            Ok::<_, HookError>(())
        })
        .unwrap();
    assert_eq!(
        with(&hooks, async { workflow().run(json!(1)).await })
            .unwrap()
            .value,
        json!(90)
    );
    drop(change);
    let _refuse = hooks.guard("no", "workflow.state", no).unwrap();
    let lenient = Sequential::builder("w")
        .on_error(ErrorStrategy::Continue)
        .step(Step::function("set", async |_| {
            Ok(StepOutput::default().set("a", 1).set("b", 2))
        }))
        .build()
        .unwrap();
    let output = with(&hooks, async { lenient.run(Value::Null).await }).unwrap();
    assert!(output.state.is_empty());
    assert_eq!(
        output.steps[0].error.as_deref(),
        Some("workflow.state refused by hook `no`: no")
    );
}

#[test]
fn a_refused_step_is_not_tried_again_and_a_halted_run_not_continued() {
    let hooks = HookRegistry::new();
    let refuse = hooks.guard("no", "workflow.step", no).unwrap();
    let step = || Step::function("s", async |call| Ok(call.input.into()));
    with(&hooks, async {
        let stubborn = Sequential::builder("w")
            .on_error(ErrorStrategy::retry(5))
            .step(step())
            .build()
            .unwrap();
        let error = stubborn.run(Value::Null).await.unwrap_err();
        assert!(
            matches!(error, WorkflowError::Step { attempts: 1, .. }),
            "{error}"
        );
        drop(refuse);
        let _halt = hooks
            .intercept("halt", "workflow.step", |_: &mut HookContext<'_>| {
                HookResult::halt("enough")
            })
            .unwrap();
        let lenient = Sequential::builder("w")
            .on_error(ErrorStrategy::Continue)
            .step(step())
            .build()
            .unwrap();
        let error = lenient.run(Value::Null).await.unwrap_err();
        assert!(
            error.refusal().is_some_and(|refusal| refusal.halted()),
            "{error}"
        );
    });
}

#[test]
fn halting_an_agent_ends_its_step_and_halting_the_root_ends_the_workflow() {
    for (reach, ends) in [(Reach::Run, false), (Reach::Root, true)] {
        let hooks = HookRegistry::new();
        let _halt = hooks
            .intercept("halt", "model.request", move |_: &mut HookContext<'_>| {
                HookResult::Halt {
                    reason: "enough".to_owned(),
                    reach,
                }
            })
            .unwrap();
        with(&hooks, async {
            let model = ScriptedModel::new("m").text("x");
            let agent = Arc::new(Agent::builder("a").model(model).build().unwrap());
            agent.initialize().await.unwrap();
            let workflow = Sequential::builder("w")
                .on_error(ErrorStrategy::Continue)
                .step(Step::agent("ask", &agent))
                .step(Step::function("after", async |call| Ok(call.input.into())))
                .build()
                .unwrap();
            let result = workflow.run(json!("in")).await;
            assert_eq!(agent.state(), AgentState::Failed);
            if ends {
                let error = result.unwrap_err();
                assert!(
                    error.refusal().is_some_and(|refusal| refusal.halted()),
                    "{error}"
                );
            } else {
                let output = result.unwrap();
                assert_eq!(output.value, "in");
                assert!(output.steps[0].error.as_deref().unwrap().contains("enough"));
            }
        });
    }
}

#[test]
fn transitions_name_both_steps_and_outcomes_are_observed() {
    let hooks = HookRegistry::new();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&seen);
    let _transition = hooks
        .intercept(
            "transition",
            "workflow.transition",
            move |cx: &mut HookContext<'_>| {
                log.lock().unwrap().push(format!(
                    "{} -> {}",
                    cx.arg::<str>("from")?,
                    cx.arg::<str>("to")?
                ));
                Ok::<_, HookError>(())
            },
        )
        .unwrap();
    let log = Arc::clone(&seen);
    let _observer = hooks
        .observe("observer", "workflow.*", move |record| {
            if record.outcome() == Outcome::Failed {
                log.lock()
                    .unwrap()
                    .push(format!("{} failed", record.point()));
            }
        })
        .unwrap();
    with(&hooks, async {
        workflow().run(json!(1)).await.unwrap();
        workflow().run(json!("no number")).await.unwrap_err();
    });
    assert_eq!(
        *seen.lock().unwrap(),
        [
            "first -> second",
            "workflow.step failed",
            "workflow.execute failed"
        ]
    );
}

#[test]
fn a_dropped_run_is_cancelled_at_the_step_and_at_the_workflow() {
    let hooks = HookRegistry::new();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&seen);
    let _observer = hooks
        .observe("observer", "workflow.*", move |record| {
            log.lock()
                .unwrap()
                .push(format!("{} {:?}", record.point(), record.outcome()));
        })
        .unwrap();
    with(&hooks, async {
        let held = Step::function("held", |_| std::future::pending());
        let workflow = Sequential::builder("w").step(held).build().unwrap();
        let mut run = Box::pin(workflow.run(Value::Null));
        let polled =
            std::future::poll_fn(|cx| std::task::Poll::Ready(run.as_mut().poll(cx).is_ready()))
                .await;
        assert!(!polled);
    });
    assert_eq!(
        *seen.lock().unwrap(),
        ["workflow.step Cancelled", "workflow.execute Cancelled"]
    );
}

#[test]
fn every_point_has_its_site_with_the_documented_arguments() {
    let expected = [
        ("workflow.execute", vec!["workflow", "input", "state"]),
        (
            "workflow.step",
            vec!["workflow", "step", "index", "input", "state"],
        ),
        (
            "workflow.transition",
            vec!["workflow", "from", "to", "state"],
        ),
        (
            "workflow.state",
            vec!["workflow", "key", "previous", "value"],
        ),
    ];
    for (point, args) in expected {
        let sites: Vec<_> = hooks_runtime::sites()
            .into_iter()
            .map(|site| site.info())
            .filter(|site| site.point == point && site.package == "hooks-workflows")
            .collect();
        assert_eq!(sites.len(), 1, "{point}");
        assert_eq!(
            sites[0].args.iter().map(|a| a.name).collect::<Vec<_>>(),
            args,
            "{point}"
        );
    }
}
