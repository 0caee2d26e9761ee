use hooks_agents::{Message, Model, ModelError, ModelRequest, ScriptedModel};
use serde_json::json;

fn asked(text: &str) -> ModelRequest {
    ModelRequest {
        messages: vec![Message::User {
            text: text.to_owned(),
        }],
        tools: Vec::new(),
    }
}

#[tokio::test]
async fn the_same_conversation_gets_the_same_answer() {
    let model = ScriptedModel::new("m")
        .calls([("t", json!({"q": "{{input}}"}))])
        .text("end");
    let first = model.request(asked("x")).await.unwrap();
    assert_eq!(first, model.request(asked("x")).await.unwrap());
    assert_eq!(first.tool_calls[0].params, json!({"q": "x"}));
    assert_eq!(first.tool_calls[0].id, "1.1");
    assert!(first.usage.input_tokens > 0 && first.usage.output_tokens > 0);
}

#[tokio::test]
async fn a_reference_to_nothing_names_the_turn() {
    let model = ScriptedModel::new("m").text("{{1.result}}");
    let error = model.request(asked("x")).await.unwrap_err();
    assert!(matches!(error, ModelError::Script { turn: 1, .. }));
    assert!(
        error
            .to_string()
            .contains("`{{1.result}}` refers to nothing: `scope` has the fields input"),
        "{error}"
    );
}

#[tokio::test]
async fn after_its_last_turn_a_script_has_ended() {
    let mut request = asked("x");
    request.messages.push(Message::Assistant {
        text: Some("end".to_owned()),
        tool_calls: Vec::new(),
    });
    let error = ScriptedModel::new("m")
        .text("end")
        .request(request)
        .await
        .unwrap_err();
    assert!(
        matches!(error, ModelError::ScriptEnded { turns: 1, .. }),
        "{error}"
    );
}
