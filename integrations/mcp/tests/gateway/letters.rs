//! What another reader could take for what hooks have seen is not passed on.

use hooks_mcp::{BAD_ANSWER, REFUSED};
use hooks_runtime::{HookRegistry, Vote};
use serde_json::{Value, json};

use crate::kit::Rig;

fn look(registry: &HookRegistry) {
    let guard = registry.guard("look", "*.*", |_| Ok(Vote::Pass));
    guard.unwrap().forget();
}

#[tokio::test]
async fn members_of_json_rpc_in_other_letters_are_refused_with_and_without_hooks() {
    for register in [look, |_: &HookRegistry| ()] {
        let mut rig = Rig::new(register);
        for line in [
            r#"{"jsonrpc":"2.0","id":1,"method":"ping","Method":"tools/call","Params":{"name":"delete"}}"#,
            r#"{"jsonrpc":"2.0","id":1,"method":"ping","param\u017f":{"name":"delete"}}"#,
            r#"{"jsonrpc":"2.0","id":1,"ID":2,"method":"ping"}"#,
        ] {
            rig.client.line(line).await;
            let answer = rig.client.read().await;
            assert_eq!(
                (&answer["id"], &answer["error"]["code"]),
                (&json!(1), &json!(-32600)),
                "{line}"
            );
        }
        rig.client.ask(2, "ping", json!({})).await;
        rig.server.read().await;
        rig.server
            .line(r#"{"jsonrpc":"2.0","id":2,"result":{},"Result":{"a":1}}"#)
            .await;
        assert_eq!(rig.client.read().await["error"]["code"], BAD_ANSWER);
        rig.leave().await;
    }
}

#[tokio::test]
async fn members_of_parameters_and_results_in_other_letters_are_not_passed_where_hooks_decide() {
    let mut rig = Rig::new(look);
    for (id, method, params) in [
        (1, "tools/call", json!({"name": "read", "Name": "delete"})),
        (2, "tools/call", json!({"name": "read", "Arguments": {}})),
        (3, "resources/read", json!({"URI": "file:///etc/shadow"})),
        (4, "x/new", json!({"own": 1, "OWN": 2})),
    ] {
        rig.client.ask(id, method, params.clone()).await;
        let answer = rig.client.read().await;
        assert_eq!(answer["error"]["code"], -32602, "{params}: {answer}");
    }
    for (id, method, result) in [
        (5, "tools/list", json!({"Tools": [{"name": "hidden"}]})),
        (
            6,
            "tools/list",
            json!({"tools": [{"name": "shown", "NAME": "hidden"}]}),
        ),
        (7, "tools/call", json!({"content": [], "Content": [1]})),
    ] {
        let (_, answer) = rig
            .round(id, method, json!({"name": "t"}), result.clone())
            .await;
        assert_eq!(answer["error"]["code"], BAD_ANSWER, "{result}: {answer}");
    }
    // What is the tool's own has any letters.
    let own = json!({"name": "t", "arguments": {"path": 1, "Path": 2}});
    let (asked, _) = rig
        .round(8, "tools/call", own.clone(), json!({"content": []}))
        .await;
    assert_eq!(asked["params"], own);
    rig.leave().await;
}

#[tokio::test]
async fn nothing_of_a_withheld_answer_is_passed_on() {
    let mut rig = Rig::new(|registry| {
        let results = registry.on("results").point("tool.execute").post();
        results
            .guard(|_| Ok(Vote::cancel("withheld")))
            .unwrap()
            .forget();
    });
    rig.client.ask(1, "tools/call", json!({"name": "t"})).await;
    rig.server.read().await;
    rig.server
        .line(r#"{"jsonrpc":"2.0","id":1,"result":{"content":[]},"x":"secret"}"#)
        .await;
    let answer = rig.client.read().await;
    assert_eq!(answer["result"]["isError"], true);
    assert_eq!(answer.get("x"), None, "{answer}");
    rig.leave().await;
}

#[tokio::test]
async fn addresses_that_an_error_asks_the_client_to_open_are_decided() {
    let mut rig = Rig::new(|registry| {
        let guard = registry.guard("no-evil", "mcp.request", |cx| {
            let asked = cx.component() == Some("elicitation/create");
            let url = cx.arg_json("params")?["url"].to_string();
            Ok(Vote::cancel_if(asked && url.contains("evil"), "not there"))
        });
        guard.unwrap().forget();
    });
    let error = |url: &str| json!({"code": -32042, "message": "m", "data": {"elicitations": [{"mode": "url", "url": url}]}});
    for (id, error, expected) in [
        (1, error("https://evil.example"), REFUSED),
        (2, error("https://good.example"), -32042),
        (
            3,
            json!({"code": -32042, "data": {"elicitations": {}}}),
            BAD_ANSWER,
        ),
        (
            4,
            json!({"code": -32042, "data": {"Elicitations": [1]}}),
            BAD_ANSWER,
        ),
        (5, json!({"code": -1, "message": "m"}), -1),
    ] {
        rig.client
            .ask(id, "prompts/get", json!({"name": "p"}))
            .await;
        rig.server.read().await;
        rig.server
            .say(json!({"jsonrpc": "2.0", "id": id, "error": error}))
            .await;
        let answer: Value = rig.client.read().await;
        assert_eq!(answer["error"]["code"], expected, "{answer}");
        if expected == -32042 {
            assert_eq!(answer["error"], error);
        }
    }
    rig.leave().await;
}
