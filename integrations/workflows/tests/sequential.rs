//! The sequential pattern, without hooks.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use hooks_agents::{Agent, AgentState, ScriptedModel};
use hooks_tools::util::Calculator;
use hooks_tools::{ToolError, ToolRegistry};
use hooks_workflows::{ErrorStrategy, Sequential, Step, StepOutput, WorkflowError};
use serde_json::{Value, json};
use tokio::sync::Semaphore;

fn tools() -> Arc<ToolRegistry> {
    let tools = ToolRegistry::new();
    tools.register(Calculator::new()).expect("a new name");
    Arc::new(tools)
}

async fn agent(model: ScriptedModel) -> Arc<Agent> {
    let agent = Agent::builder("writer")
        .model(model)
        .build()
        .expect("complete");
    agent.initialize().await.expect("needs no tools");
    Arc::new(agent)
}

fn sum(name: &str, expression: &str) -> Step {
    Step::tool(name, &tools(), "calculator").input(json!({"expression": expression}))
}

/// A function that fails until it was called `times` times.
fn flaky(name: &str, times: u32) -> (Step, Arc<AtomicU32>) {
    let calls = Arc::new(AtomicU32::new(0));
    let counter = Arc::clone(&calls);
    let step = Step::function(name, move |call| {
        let count = counter.fetch_add(1, Ordering::SeqCst) + 1;
        async move {
            if count < times {
                return Err(format!("call {count} failed").into());
            }
            Ok(call.input.into())
        }
    });
    (step, calls)
}

#[tokio::test]
async fn tools_agents_functions_and_workflows_follow_each_other() {
    let inner = Sequential::builder("inner")
        .step(Step::function("shout", async |call| {
            Ok(json!(format!("{}!", call.input.as_str().unwrap_or("?"))).into())
        }))
        .build()
        .unwrap();
    let writer = agent(ScriptedModel::new("m").text("it is {{input}}")).await;
    let workflow = Sequential::builder("mixed")
        .step(sum("number", "6 * 7"))
        .step(Step::agent("sentence", &writer).input(json!("{{steps.number.result}}")))
        .step(Step::workflow("end", &Arc::new(inner)).input(json!("{{previous.text}}")))
        .build()
        .unwrap();
    let output = workflow.run(Value::Null).await.unwrap();
    assert_eq!(output.value, "it is 42.0!");
    let names: Vec<_> = output
        .steps
        .iter()
        .map(|record| (record.step.as_str(), record.attempts))
        .collect();
    assert_eq!(names, [("number", 1), ("sentence", 1), ("end", 1)]);
    assert_eq!(output.steps[1].value["steps"], 1);
    assert_eq!(
        serde_json::from_value::<hooks_workflows::WorkflowOutput>(json!(output)).unwrap(),
        output
    );
}

#[tokio::test]
async fn steps_share_a_state_and_each_run_has_its_own() {
    let workflow = Sequential::builder("counting")
        .state("n", 10)
        .step(Step::function("add", async |call| {
            let n = call.state["n"].as_i64().unwrap_or(0) + call.input.as_i64().unwrap_or(0);
            Ok(StepOutput::from(json!(n)).set("n", n).set("added", true))
        }))
        .step(Step::function("read", async |call| Ok(call.state.to_json().into())).save_as("copy"))
        .build()
        .unwrap();
    for _ in 0..2 {
        let output = workflow.run(json!(5)).await.unwrap();
        assert_eq!(output.value, json!({"n": 15, "added": true}));
        assert_eq!(output.state["copy"], output.value);
        assert_eq!(output.state.len(), 3);
    }
}

#[tokio::test]
async fn by_default_the_first_failure_ends_the_run() {
    let (never, calls) = flaky("never", 1);
    let workflow = Sequential::builder("w")
        .step(sum("bad", "1 / 0").save_as("x"))
        .step(never)
        .build()
        .unwrap();
    let error = workflow.run(Value::Null).await.unwrap_err();
    assert!(
        matches!(&error, WorkflowError::Step { index: 0, attempts: 1, source, .. }
        if matches!(**source, WorkflowError::Tool(ToolError::Failed { .. })))
    );
    let message = error.to_string();
    assert!(
        message.starts_with("workflow `w`, step `bad` (number 1, attempt 1): tool `calculator`"),
        "{message}"
    );
    assert_eq!(calls.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn continue_records_the_failure_and_hands_the_input_on() {
    let (broken, _) = flaky("broken", u32::MAX);
    let (fine, _) = flaky("fine", 1);
    let workflow = Sequential::builder("w")
        .on_error(ErrorStrategy::Continue)
        .step(broken)
        .step(fine)
        .build()
        .unwrap();
    let output = workflow.run(json!("in")).await.unwrap();
    assert_eq!(output.value, "in");
    assert_eq!(output.steps[0].error.as_deref(), Some("call 1 failed"));
    assert_eq!(
        (&output.steps[0].value, &output.steps[1].error),
        (&Value::Null, &None)
    );
}

#[tokio::test]
async fn retry_tries_again_and_gives_up_in_the_end() {
    let (third, calls) = flaky("third", 3);
    let workflow = Sequential::builder("w")
        .step(third.on_error(ErrorStrategy::retry(3)))
        .build()
        .unwrap();
    let output = workflow.run(json!(1)).await.unwrap();
    assert_eq!(
        (output.steps[0].attempts, calls.load(Ordering::SeqCst)),
        (3, 3)
    );
    let (fourth, _) = flaky("fourth", 4);
    let workflow = Sequential::builder("w")
        .step(fourth.on_error(ErrorStrategy::retry(3)))
        .build()
        .unwrap();
    let error = workflow.run(json!(1)).await.unwrap_err();
    assert!(
        matches!(error, WorkflowError::Step { attempts: 3, .. }),
        "{error}"
    );
}

#[tokio::test(start_paused = true)]
async fn retry_waits_between_attempts() {
    let (third, _) = flaky("third", 3);
    let strategy = ErrorStrategy::Retry {
        max_attempts: 3,
        delay: Duration::from_secs(5),
    };
    let workflow = Sequential::builder("w")
        .on_error(strategy)
        .step(third)
        .build()
        .unwrap();
    let started = tokio::time::Instant::now();
    workflow.run(json!(1)).await.unwrap();
    assert_eq!(started.elapsed(), Duration::from_secs(10));
}

#[tokio::test]
async fn a_reference_to_nothing_is_an_error_of_the_step() {
    let workflow = Sequential::builder("w")
        .step(sum("a", "1").input(json!("{{state.none}}")))
        .build()
        .unwrap();
    let message = workflow.run(Value::Null).await.unwrap_err().to_string();
    assert!(
        message.contains(
            "step `a` (number 1, attempt 1): its input: `{{state.none}}` refers to nothing"
        ),
        "{message}"
    );
}

#[tokio::test]
async fn dropping_the_run_cancels_the_step_and_starts_no_other() {
    let entered = Arc::new(Semaphore::new(0));
    let signal = Arc::clone(&entered);
    let held = Step::function("held", move |_| {
        signal.add_permits(1);
        std::future::pending()
    });
    let (later, calls) = flaky("later", 1);
    let workflow = Sequential::builder("w")
        .step(held)
        .step(later)
        .build()
        .unwrap();
    let mut run = Box::pin(workflow.run(Value::Null));
    tokio::select! {
        biased;
        result = &mut run => panic!("the step never ends: {result:?}"),
        permit = entered.acquire() => permit.unwrap().forget(),
    }
    drop(run);
    assert_eq!(calls.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn an_agent_of_a_dropped_run_is_ready_again() {
    let writer = agent(ScriptedModel::new("m").text("x")).await;
    let workflow = Sequential::builder("w")
        .step(Step::agent("a", &writer))
        .build()
        .unwrap();
    let mut run = Box::pin(workflow.run(json!("go")));
    // Poll once at a time: whatever the state is when the run is dropped, the agent is ready afterwards.
    let polled = std::future::poll_fn(|cx| std::task::Poll::Ready(run.as_mut().poll(cx))).await;
    drop(polled);
    drop(run);
    assert_eq!(writer.state(), AgentState::Ready);
}

#[test]
fn a_workflow_without_name_steps_or_distinct_names_is_not_built() {
    let reason =
        |builder: hooks_workflows::SequentialBuilder| builder.build().unwrap_err().to_string();
    assert!(reason(Sequential::builder("").step(sum("a", "1"))).contains("its name is empty"));
    assert!(reason(Sequential::builder("w")).contains("add one with `.step(…)`"));
    let twice = Sequential::builder("w")
        .step(sum("a", "1"))
        .step(sum("a", "2"));
    assert_eq!(
        reason(twice),
        "workflow `w`: two steps are called `a`; give one another name"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_concurrent_runs_do_not_mix() {
    let workflow = Arc::new(
        Sequential::builder("w")
            .step(
                Step::tool("double", &tools(), "calculator")
                    .input(json!({"expression": "n * 2", "variables": {"n": "{{input}}"}}))
                    .save_as("doubled"),
            )
            .step(Step::function("pass", async |call| {
                Ok(call.state["doubled"]["result"].clone().into())
            }))
            .build()
            .unwrap(),
    );
    let mut runs = tokio::task::JoinSet::new();
    for n in 0..1_000 {
        let workflow = Arc::clone(&workflow);
        runs.spawn(async move { (n, workflow.run(json!(n)).await.unwrap()) });
    }
    let outputs = runs.join_all().await;
    assert_eq!(outputs.len(), 1_000);
    assert!(
        outputs
            .iter()
            .all(|(n, output)| output.value.as_f64() == Some(f64::from(*n) * 2.0))
    );
}
