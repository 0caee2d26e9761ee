//! What servers ask within their answers, and what tools return as tasks, passes hooks like the rest.

use hooks_mcp::{BAD_ANSWER, REFUSED, Reply};
use hooks_runtime::{HookRegistry, HookResult, Vote};
use serde_json::{Value, json};

use crate::kit::Rig;

const SAMPLING: &str = "sampling/createMessage";

/// Servers may not have texts made, and ask about roots with other words.
fn servers_ask_little(registry: &HookRegistry) {
    let guard = registry.guard("no-sampling", "mcp.request", |cx| {
        let is_asked = cx.arg_json("from")? == json!("server") && cx.component() == Some(SAMPLING);
        Ok(Vote::cancel_if(is_asked, "servers make no texts here"))
    });
    guard.unwrap().forget();
    let intercept = registry.intercept("reword", "mcp.request", |cx| {
        if cx.component() == Some("elicitation/create") {
            cx.arg_mut::<Value>("params")?["message"] = json!("reworded");
        }
        Ok(())
    });
    intercept.unwrap().forget();
}

fn required(inputs: Value) -> Value {
    json!({"resultType": "input_required", "inputRequests": inputs, "requestState": "s"})
}

#[tokio::test]
async fn a_question_within_an_answer_is_decided_like_one_that_comes_by_itself() {
    let mut rig = Rig::new(servers_ask_little);
    let (sampling, form) = (
        json!({"method": SAMPLING, "params": {"maxTokens": 5}}),
        json!({"method": "elicitation/create", "params": {"message": "secret?", "x": 12345678901234567890123_f64}}),
    );
    let refused = required(json!({"a": form.clone(), "b": sampling.clone()}));
    let (_, answer) = rig
        .round(1, "tools/call", json!({"name": "t"}), refused.clone())
        .await;
    assert_eq!(answer["result"]["isError"], true, "{answer}");
    let text = answer["result"]["content"][0]["text"].as_str().unwrap();
    assert!(text.contains("servers make no texts here"), "{text}");
    let (_, answer) = rig
        .round(2, "prompts/get", json!({"name": "p"}), refused)
        .await;
    assert_eq!(answer["error"]["code"], REFUSED, "{answer}");

    let roots = json!({"method": "roots/list"});
    let asked = required(json!({"a": form, "b": roots.clone()}));
    let (_, answer) = rig
        .round(3, "tools/call", json!({"name": "t"}), asked)
        .await;
    let inputs = &answer["result"]["inputRequests"];
    assert_eq!(inputs["a"]["params"]["message"], "reworded");
    assert_eq!(inputs["b"], roots);
    assert_eq!(answer["result"]["requestState"], "s");

    let task = json!({"taskId": "1", "status": "input_required", "inputRequests": {"b": sampling}});
    let (_, answer) = rig
        .round(4, "tasks/get", json!({"taskId": "1"}), task.clone())
        .await;
    assert_eq!(answer["error"]["code"], REFUSED, "{answer}");
    rig.server.tell("notifications/tasks", task).await;
    rig.server
        .tell("notifications/message", json!({"level": "info", "data": 1}))
        .await;
    assert_eq!(rig.client.read().await["method"], "notifications/message");
    rig.leave().await;
}

#[tokio::test]
async fn questions_that_nobody_can_decide_about_are_not_passed_on() {
    let mut rig = Rig::new(|registry| {
        servers_ask_little(registry);
        let answers = registry.intercept("answers", "mcp.request", |cx| {
            Ok(match cx.component() {
                Some("roots/list") => HookResult::replace(Reply::from(json!({"roots": []}))),
                _ => HookResult::Continue,
            })
        });
        answers.unwrap().forget();
    });
    for (nth, inputs) in [
        json!([]),
        json!({"a": 1}),
        json!({"a": {"params": {}}}),
        json!({"a": {"method": "roots/list"}}),
    ]
    .into_iter()
    .enumerate()
    {
        let (_, answer) = rig
            .round(
                nth as i64,
                "resources/read",
                json!({"uri": "x:y"}),
                required(inputs.clone()),
            )
            .await;
        assert_eq!(answer["error"]["code"], BAD_ANSWER, "{inputs}: {answer}");
    }
    rig.leave().await;
}

#[tokio::test]
async fn what_tools_return_as_tasks_is_withheld_where_hooks_decide_about_results() {
    let mut rig = Rig::new(|registry| {
        let results = registry.on("results").point("tool.execute").post();
        results.guard(|_| Ok(Vote::Pass)).unwrap().forget();
    });
    let call = json!({"name": "t", "task": {"ttl": 1}});
    rig.client.ask(1, "tools/call", call).await;
    let answer = rig.client.read().await;
    assert_eq!(answer["error"]["code"], -32602, "{answer}");
    let (working, done) = (
        json!({"taskId": "1", "status": "working"}),
        json!({"taskId": "1", "status": "completed", "result": {"content": []}}),
    );
    for (id, method, result) in [
        (
            2,
            "tools/call",
            json!({"resultType": "task", "taskId": "1"}),
        ),
        (3, "tools/call", json!({"task": {"taskId": "1"}})),
        (4, "tasks/result", json!({"content": []})),
        (5, "tasks/get", done.clone()),
    ] {
        let (_, answer) = rig
            .round(id, method, json!({"name": "t", "taskId": "1"}), result)
            .await;
        assert_eq!(answer["error"]["code"], BAD_ANSWER, "{method}: {answer}");
    }
    let (_, answer) = rig
        .round(6, "tasks/get", json!({"taskId": "1"}), working.clone())
        .await;
    assert_eq!(answer["result"], working);
    rig.server.tell("notifications/tasks", done).await;
    rig.server
        .tell("notifications/tasks", working.clone())
        .await;
    assert_eq!(rig.client.read().await["params"], working);
    rig.leave().await;
}

#[tokio::test]
async fn tasks_are_tasks_where_no_hook_decides_about_results() {
    let mut rig = Rig::new(|registry| {
        registry
            .guard("look", "*.*", |_| Ok(Vote::Pass))
            .unwrap()
            .forget();
    });
    let done = json!({"taskId": "1", "status": "completed", "result": {"content": []}});
    for (id, method, result) in [
        (1, "tools/call", json!({"task": {"taskId": "1"}})),
        (2, "tasks/result", json!({"content": []})),
        (3, "tasks/get", done.clone()),
    ] {
        let params = json!({"name": "t", "taskId": "1", "task": {}});
        let (asked, answer) = rig.round(id, method, params.clone(), result.clone()).await;
        assert_eq!((&asked["params"], &answer["result"]), (&params, &result));
    }
    rig.server.tell("notifications/tasks", done.clone()).await;
    assert_eq!(rig.client.read().await["params"], done);
    rig.leave().await;
}

#[tokio::test]
async fn a_list_of_tools_that_is_none_is_not_passed_on() {
    let mut rig = Rig::new(|registry| {
        registry
            .guard("look", "tool.discover", |_| Ok(Vote::Pass))
            .unwrap()
            .forget();
    });
    let tools = json!({"tools": {"0": {"name": "hidden"}}});
    let (_, answer) = rig.round(1, "tools/list", json!({}), tools).await;
    assert_eq!(answer["error"]["code"], BAD_ANSWER, "{answer}");
    rig.leave().await;
}
