use std::sync::Arc;

use hooks_agents::{Agent, AgentError, AgentState, ScriptedModel};
use hooks_tools::ToolRegistry;

use crate::fixture::{held, ready, tools};

fn echo() -> ScriptedModel {
    ScriptedModel::new("echo").text("{{input}}")
}

fn illegal(result: Result<(), AgentError>) -> (AgentState, AgentState, String) {
    match result {
        Err(AgentError::IllegalTransition { from, to, .. }) => {
            (from, to, result.unwrap_err().to_string())
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn an_agent_is_made_initialized_runs_and_ends() {
    let agent = Agent::builder("a").model(echo()).build().unwrap();
    assert_eq!(agent.state(), AgentState::Initializing);
    agent.initialize().await.unwrap();
    assert_eq!(agent.state(), AgentState::Ready);
    assert_eq!(agent.execute("hello").await.unwrap().text, "hello");
    assert_eq!(agent.state(), AgentState::Ready);
    agent.stop().await.unwrap();
    assert_eq!(agent.state(), AgentState::Terminated);
    let error = agent.execute("more").await.unwrap_err().to_string();
    assert_eq!(
        error,
        "agent `a`: `execute` does not lead from terminated to running; from terminated it may become nothing"
    );
}

#[tokio::test]
async fn each_action_starts_from_its_own_state_only() {
    use AgentState::*;
    let fresh = Agent::builder("a").model(echo()).build().unwrap();
    assert_eq!(illegal(fresh.pause().await).0, Initializing);
    assert_eq!(illegal(fresh.resume().await).0, Initializing);
    assert_eq!(illegal(fresh.stop().await).0, Initializing);
    assert_eq!(illegal(fresh.recover().await).0, Initializing);
    assert!(matches!(
        fresh.execute("x").await,
        Err(AgentError::IllegalTransition {
            from: Initializing,
            ..
        })
    ));
    let agent = ready(echo()).await;
    let (from, to, message) = illegal(agent.resume().await);
    assert_eq!((from, to), (Ready, Running));
    assert!(
        message.ends_with("from ready it may become running or terminated"),
        "{message}"
    );
    assert_eq!(illegal(agent.pause().await).1, Paused);
    assert_eq!(illegal(agent.initialize().await).0, Ready);
    assert_eq!(illegal(agent.recover().await).0, Ready);
    assert_eq!(agent.state(), Ready);
}

#[tokio::test]
async fn a_missing_tool_fails_the_start_and_recovery_needs_it() {
    let tools = Arc::new(ToolRegistry::new());
    let agent = Agent::builder("a")
        .model(echo())
        .tools(Arc::clone(&tools))
        .only_tools(["calculator"])
        .build()
        .unwrap();
    let error = agent.initialize().await.unwrap_err();
    assert!(matches!(error, AgentError::Tool(_)), "{error}");
    assert_eq!(agent.state(), AgentState::Failed);
    assert!(agent.recover().await.is_err());
    assert_eq!(agent.state(), AgentState::Failed);
    tools
        .register(hooks_tools::util::Calculator::new())
        .unwrap();
    agent.recover().await.unwrap();
    assert_eq!(agent.state(), AgentState::Ready);
    assert_eq!(agent.tools().len(), 1);
}

#[tokio::test]
async fn a_run_that_fails_leaves_the_agent_failed() {
    let agent = ready(ScriptedModel::new("short")).await;
    let error = agent.execute("x").await.unwrap_err().to_string();
    assert!(error.contains("its script has 0 turns"), "{error}");
    assert_eq!(agent.state(), AgentState::Failed);
    assert!(matches!(
        agent.execute("x").await,
        Err(AgentError::IllegalTransition { .. })
    ));
    agent.recover().await.unwrap();
    assert_eq!(agent.state(), AgentState::Ready);
}

#[tokio::test]
async fn a_dropped_run_leaves_the_agent_ready() {
    let (model, entered, open) = held(echo());
    let agent = ready(model).await;
    let mut run = Box::pin(agent.execute("x"));
    tokio::select! {
        biased;
        result = &mut run => panic!("the model is held: {result:?}"),
        permit = entered.acquire() => permit.unwrap().forget(),
    }
    assert_eq!(agent.state(), AgentState::Running);
    drop(run);
    assert_eq!(agent.state(), AgentState::Ready);
    open.add_permits(1);
    assert_eq!(agent.execute("again").await.unwrap().text, "again");
}

#[tokio::test]
async fn a_run_that_is_dropped_while_paused_leaves_the_agent_ready() {
    let (model, entered, _open) = held(echo());
    let agent = ready(model).await;
    let mut run = Box::pin(agent.execute("x"));
    tokio::select! {
        biased;
        result = &mut run => panic!("the model is held: {result:?}"),
        permit = entered.acquire() => permit.unwrap().forget(),
    }
    agent.pause().await.unwrap();
    drop(run);
    assert_eq!(agent.state(), AgentState::Ready);
}

#[tokio::test]
async fn a_paused_run_waits_and_goes_on_when_resumed() {
    let script = ScriptedModel::new("two")
        .calls([("calculator", serde_json::json!({"expression": "1"}))])
        .text("{{1.result}}");
    let (model, entered, open) = held(script);
    let agent = Arc::new(ready(model).await);
    let run = tokio::spawn({
        let agent = Arc::clone(&agent);
        async move { agent.execute("x").await }
    });
    entered.acquire().await.unwrap().forget();
    agent.pause().await.unwrap();
    open.add_permits(2);
    assert!(
        matches!(
            agent.execute("y").await,
            Err(AgentError::IllegalTransition { .. })
        ),
        "one task at a time"
    );
    assert_eq!(agent.state(), AgentState::Paused);
    assert_eq!(
        entered.available_permits(),
        0,
        "no second request while paused"
    );
    agent.resume().await.unwrap();
    assert_eq!(run.await.unwrap().unwrap().text, "1.0");
    assert_eq!(agent.state(), AgentState::Ready);
}

#[tokio::test]
async fn a_paused_agent_can_be_stopped_and_its_run_ends() {
    let (model, entered, open) = held(echo());
    let agent = Arc::new(ready(model).await);
    let run = tokio::spawn({
        let agent = Arc::clone(&agent);
        async move { agent.execute("x").await }
    });
    entered.acquire().await.unwrap().forget();
    assert_eq!(illegal(agent.stop().await).0, AgentState::Running);
    agent.pause().await.unwrap();
    agent.stop().await.unwrap();
    open.add_permits(1);
    let error = run.await.unwrap().unwrap_err();
    assert!(
        matches!(
            error,
            AgentError::Stopped {
                state: AgentState::Terminated,
                ..
            }
        ),
        "{error}"
    );
    assert_eq!(agent.state(), AgentState::Terminated);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_concurrent_starts_one_runs_at_a_time() {
    let agent = Arc::new(ready(echo()).await);
    let mut runs = tokio::task::JoinSet::new();
    for n in 0..1_000 {
        let agent = Arc::clone(&agent);
        runs.spawn(async move { (n, agent.execute(n.to_string()).await) });
    }
    let mut done = 0;
    for (n, result) in runs.join_all().await {
        match result {
            Ok(output) => {
                assert_eq!(output.text, n.to_string());
                done += 1;
            }
            Err(AgentError::IllegalTransition {
                from: AgentState::Running,
                ..
            }) => {}
            Err(other) => panic!("{other}"),
        }
    }
    assert!(done >= 1);
    assert_eq!(agent.state(), AgentState::Ready);
}

#[test]
fn an_agent_without_name_or_model_is_not_built() {
    let nameless = Agent::builder(" ")
        .model(echo())
        .build()
        .unwrap_err()
        .to_string();
    assert!(nameless.contains("its name is empty"), "{nameless}");
    let mindless = Agent::builder("a")
        .tools(tools())
        .build()
        .unwrap_err()
        .to_string();
    assert!(
        mindless.contains("it has no model; give it one with `.model(…)`"),
        "{mindless}"
    );
}
