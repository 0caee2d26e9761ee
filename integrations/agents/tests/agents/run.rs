use std::sync::Arc;
use std::time::Duration;

use hooks_agents::{
    Agent, AgentError, AgentLimits, AgentRoster, AgentState, ModelResponse, ScriptedModel,
};
use serde_json::{Value, json};

use crate::fixture::{held, ready, tools};

fn sum(expression: &str) -> (&'static str, Value) {
    ("calculator", json!({"expression": expression}))
}

async fn with_limits(model: ScriptedModel, limits: AgentLimits) -> Agent {
    let agent = Agent::builder("a")
        .model(model)
        .tools(tools())
        .limits(limits)
        .build()
        .unwrap();
    agent.initialize().await.unwrap();
    agent
}

#[tokio::test]
async fn results_of_tool_calls_reach_later_turns() {
    let script = ScriptedModel::new("chain")
        .calls([sum("2 + 3"), sum("10")])
        .calls([(
            "calculator",
            json!({"expression": "x * y", "variables": {"x": "{{1.result}}", "y": "{{2.result}}"}}),
        )])
        .text("{{input}}: {{3.result}}");
    let output = ready(script).await.execute("product").await.unwrap();
    assert_eq!(output.text, "product: 50.0");
    assert_eq!((output.steps, output.tool_calls.len()), (3, 3));
    assert_eq!(
        output.tool_calls[2].params["variables"],
        json!({"x": 5.0, "y": 10.0})
    );
    assert_eq!(output.tool_calls[2].output, json!({"result": 50.0}));
    assert!(output.tokens > 0 && output.tool_calls.iter().all(|call| !call.failed));
}

#[tokio::test]
async fn a_failing_tool_is_told_to_the_model_and_the_run_goes_on() {
    let script = ScriptedModel::new("careless")
        .calls([sum("1 / 0"), ("calculater", json!({}))])
        .text("{{1.error}}");
    let agent = ready(script).await;
    let output = agent.execute("x").await.unwrap();
    assert!(output.text.contains("division by zero"), "{}", output.text);
    assert!(output.tool_calls[0].failed);
    assert!(
        output.tool_calls[1].output["error"]
            .as_str()
            .unwrap()
            .contains("did you mean `calculator`?")
    );
    assert_eq!(agent.state(), AgentState::Ready);
}

#[tokio::test]
async fn every_limit_ends_the_run_with_its_name_and_figures() {
    let endless = || {
        let mut script = ScriptedModel::new("endless");
        for _ in 0..10 {
            script = script.calls([sum("1"), sum("2")]);
        }
        script
    };
    for (limits, name, allowed, used) in [
        (AgentLimits::default().max_steps(3), "steps", 3, 4),
        (AgentLimits::default().max_tool_calls(3), "tool_calls", 3, 4),
    ] {
        let agent = with_limits(endless(), limits).await;
        match agent.execute("x").await {
            Err(AgentError::LimitExceeded {
                limit,
                allowed: a,
                used: u,
                ..
            }) => {
                assert_eq!((limit, a, u), (name, allowed, used));
            }
            other => panic!("{other:?}"),
        }
        assert_eq!(agent.state(), AgentState::Failed);
    }
    let agent = with_limits(endless(), AgentLimits::default().max_tokens(100)).await;
    let error = agent.execute("x").await.unwrap_err();
    assert!(
        matches!(error, AgentError::LimitExceeded { limit: "tokens", allowed: 100, used, .. } if used > 100)
    );
}

#[tokio::test(start_paused = true)]
async fn the_time_limit_stops_a_model_that_does_not_answer() {
    let (model, _entered, _open) = held(ScriptedModel::new("slow").text("late"));
    let limits = AgentLimits::default().max_wall(Duration::from_secs(9));
    let agent = Agent::builder("a")
        .model(model)
        .limits(limits)
        .build()
        .unwrap();
    agent.initialize().await.unwrap();
    let error = agent.execute("x").await.unwrap_err();
    assert!(
        matches!(
            error,
            AgentError::LimitExceeded {
                limit: "wall_ms",
                allowed: 9000,
                ..
            }
        ),
        "{error}"
    );
    assert_eq!(agent.state(), AgentState::Failed);
}

#[tokio::test]
async fn an_answer_without_text_and_calls_is_an_error() {
    let agent = ready(ScriptedModel::new("mute").compute(|_| Ok(ModelResponse::default()))).await;
    assert!(matches!(
        agent.execute("x").await,
        Err(AgentError::EmptyResponse { .. })
    ));
}

#[tokio::test]
async fn invoke_tool_takes_one_parameter_object() {
    let agent = ready(ScriptedModel::new("m").text("")).await;
    let output = agent
        .invoke_tool("calculator", json!({"expression": "1"}))
        .await
        .unwrap();
    assert_eq!(output.value, json!({"result": 1.0}));
    for wrapped in [
        json!({"parameters": {"expression": "1"}}),
        json!({"parameters": {"parameters": {"expression": "1"}}}),
    ] {
        let error = agent
            .invoke_tool("calculator", wrapped)
            .await
            .unwrap_err()
            .to_string();
        assert_eq!(
            error,
            "tool `calculator`: the parameters are wrapped in `parameters`; write them themselves: {\"expression\":\"1\"}"
        );
    }
}

#[tokio::test]
async fn an_agent_uses_only_the_tools_it_was_given() {
    let registry = tools();
    registry
        .register(hooks_tools::util::HashCalculator::new())
        .unwrap();
    let model = ScriptedModel::new("m").compute(|request| {
        let names: Vec<_> = request
            .tools
            .iter()
            .map(|tool| tool.name.as_str())
            .collect();
        Ok(ModelResponse {
            text: Some(names.join(" ")),
            ..ModelResponse::default()
        })
    });
    let agent = Agent::builder("a")
        .model(model)
        .tools(registry)
        .only_tools(["hash_calculator"])
        .build()
        .unwrap();
    agent.initialize().await.unwrap();
    assert_eq!(agent.execute("x").await.unwrap().text, "hash_calculator");
    let error = agent
        .invoke_tool("calculator", json!({"expression": "1"}))
        .await
        .unwrap_err()
        .to_string();
    assert_eq!(
        error,
        "agent `a` may not use the tool `calculator`; it has: hash_calculator"
    );
}

#[tokio::test]
async fn delegation_runs_the_other_agent() {
    let roster = Arc::new(AgentRoster::new());
    let writer = ready(ScriptedModel::new("w").text("")).await;
    let nobody = writer
        .delegate("reader", "x")
        .await
        .unwrap_err()
        .to_string();
    assert!(nobody.contains("give it a roster"), "{nobody}");
    let reader = Agent::builder("reader")
        .model(ScriptedModel::new("r").text("read {{input}}"))
        .build()
        .unwrap();
    reader.initialize().await.unwrap();
    roster.add(Arc::new(reader)).unwrap();
    let chief = Agent::builder("chief")
        .model(ScriptedModel::new("c").text(""))
        .roster(&roster)
        .build()
        .unwrap();
    assert_eq!(
        chief.delegate("reader", "this").await.unwrap().text,
        "read this"
    );
    let error = chief.delegate("raeder", "x").await.unwrap_err().to_string();
    assert_eq!(error, "no agent is called `raeder`; did you mean `reader`?");
    let twin = Agent::builder("reader")
        .model(ScriptedModel::new("t").text(""))
        .build()
        .unwrap();
    assert!(roster.add(Arc::new(twin)).is_err());
    assert_eq!(roster.names(), ["reader"]);
}
