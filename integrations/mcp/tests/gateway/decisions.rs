//! What hooks say is what happens, for every method and in both directions.

use std::sync::Arc;
use std::time::Duration;

use hooks_mcp::{Party, REFUSED};
use hooks_runtime::{HookResult, Vote};
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use crate::kit::Rig;

#[tokio::test]
async fn every_method_is_refused_by_a_guard_in_both_directions() {
    let mut rig = Rig::new(|registry| {
        for point in ["mcp.request", "mcp.notification"] {
            let id = format!("closed-{point}");
            registry
                .guard(id.as_str(), point, |_| Ok(Vote::cancel("not today")))
                .unwrap()
                .forget();
        }
    });
    for party in [Party::Client, Party::Server] {
        for notification in party.notifications() {
            let from = match party {
                Party::Client => &mut rig.client,
                Party::Server => &mut rig.server,
            };
            from.tell(notification, json!({"level": "info", "data": 1}))
                .await;
        }
        for (nth, method) in party.requests().iter().enumerate() {
            let from = match party {
                Party::Client => &mut rig.client,
                Party::Server => &mut rig.server,
            };
            from.ask(nth, method, json!({"name": "t"})).await;
            let answer = from.read().await;
            assert_eq!(answer["id"], nth, "{method}");
            if *method == "tools/call" {
                let text = &answer["result"]["content"][0]["text"];
                assert!(text.as_str().unwrap().contains("not today"), "{answer}");
                assert_eq!(answer["result"]["isError"], true);
                assert_eq!(
                    answer["result"]["_meta"]["hookpoint/refusal"]["executed"],
                    false
                );
            } else {
                assert_eq!(answer["error"]["code"], REFUSED, "{method}");
                assert_eq!(
                    answer["error"]["data"]["hook"], "closed-mcp.request",
                    "{method}"
                );
            }
        }
    }
    rig.leave().await;
}

#[tokio::test]
async fn hooks_see_who_asks_whom_for_what() {
    let mut rig = Rig::new(|registry| {
        let guard = registry.guard("see", "tool.execute", |cx| {
            assert_eq!(cx.component(), Some("write_file"));
            assert_eq!(cx.arg_json("tool")?, json!("write_file"));
            assert_eq!(cx.arg_json("server")?, json!("server"));
            assert_eq!(cx.arg_json("annotations")?, json!({"readOnlyHint": false}));
            assert_eq!(cx.arg_json("params")?, json!({"path": "/etc/passwd"}));
            Ok(Vote::cancel("seen"))
        });
        guard.unwrap().forget();
        let guard = registry.guard("sampling", "mcp.request", |cx| {
            let from = cx.arg_json("from")?;
            Ok(Vote::cancel_if(
                from == json!("server"),
                "servers ask for nothing",
            ))
        });
        guard.unwrap().forget();
    });
    let tools = json!({"tools": [{"name": "write_file", "inputSchema": {}, "annotations": {"readOnlyHint": false}}]});
    rig.round(1, "tools/list", json!({}), tools).await;
    let answer = rig
        .refused_call(2, "write_file", json!({"path": "/etc/passwd"}))
        .await;
    let text = answer["result"]["content"][0]["text"].as_str().unwrap();
    assert_eq!(text, "tool.execute refused by hook `see`: seen");
    rig.server.ask(3, "sampling/createMessage", json!({})).await;
    assert_eq!(rig.server.read().await["error"]["code"], REFUSED);
    rig.leave().await;
}

#[tokio::test]
async fn tools_that_are_refused_at_discovery_are_neither_shown_nor_called() {
    let mut rig = Rig::new(|registry| {
        let guard = registry.guard("hide", "tool.discover", |cx| {
            let definition = cx.arg_json("definition")?;
            let read_only = definition["annotations"]["readOnlyHint"] == json!(true);
            Ok(Vote::cancel_if(!read_only, "only tools that read"))
        });
        guard.unwrap().forget();
        let label = registry.on("label").point("tool.discover").intercept(|cx| {
            cx.arg_mut::<Value>("definition")?["description"] = json!("checked");
            Ok(())
        });
        label.unwrap().forget();
    });
    let tool = |name: &str, reads: bool| json!({"name": name, "inputSchema": {}, "annotations": {"readOnlyHint": reads}});
    let tools = json!({"tools": [tool("read", true), tool("write", false), {"no": "name"}], "nextCursor": "2"});
    let (_, answer) = rig.round(1, "tools/list", json!({}), tools).await;
    assert_eq!(answer["result"]["nextCursor"], "2");
    assert_eq!(answer["result"]["tools"].as_array().unwrap().len(), 1);
    assert_eq!(answer["result"]["tools"][0]["name"], "read");
    assert_eq!(answer["result"]["tools"][0]["description"], "checked");
    let answer = rig.refused_call(2, "write", json!({})).await;
    assert_eq!(answer["result"]["isError"], true);
    // What the server never listed is nothing that reads.
    let answer = rig.refused_call(3, "hidden", json!({})).await;
    assert_eq!(answer["result"]["isError"], true);
    let (asked, _) = rig
        .round(
            4,
            "tools/call",
            json!({"name": "read"}),
            json!({"content": []}),
        )
        .await;
    assert_eq!(asked["params"]["name"], "read");
    rig.leave().await;
}

#[tokio::test]
async fn results_are_replaced_withheld_and_kept() {
    let mut rig = Rig::new(|registry| {
        let only = |id: &str, tool: &str| registry.on(id).point("tool.execute").for_component(tool);
        let answer = json!({"content": [{"type": "text", "text": "no need"}]});
        only("answer", "answered")
            .intercept(move |_| HookResult::replace_json(answer.clone()))
            .unwrap()
            .forget();
        let withhold = only("withhold", "secret").post();
        withhold
            .guard(|_| Ok(Vote::cancel("too secret")))
            .unwrap()
            .forget();
        let keep = only("keep", "kept");
        keep.intercept(|_| HookResult::cache("one", Duration::from_secs(60)))
            .unwrap()
            .forget();
    });
    let answer = rig.refused_call(1, "answered", json!({})).await;
    assert_eq!(answer["result"]["content"][0]["text"], "no need");
    let (_, answer) = rig
        .round(
            2,
            "tools/call",
            json!({"name": "secret"}),
            json!({"content": ["x"]}),
        )
        .await;
    let text = answer["result"]["content"][0]["text"].as_str().unwrap();
    assert!(
        text.contains("too secret") && text.contains("the tool ran"),
        "{text}"
    );
    let result = json!({"content": [], "n": 1});
    let (_, first) = rig
        .round(3, "tools/call", json!({"name": "kept"}), result.clone())
        .await;
    assert_eq!(first["result"], result);
    let again = rig.refused_call(4, "kept", json!({})).await;
    assert_eq!(again["result"], result);
    rig.leave().await;
}

#[tokio::test]
async fn a_retry_is_another_request() {
    let mut rig = Rig::new(|registry| {
        let again = registry
            .on("again")
            .point("tool.execute")
            .error()
            .may_retry();
        again
            .intercept(|_| HookResult::retry(Duration::ZERO, 3))
            .unwrap()
            .forget();
    });
    rig.client
        .ask(1, "tools/call", json!({"name": "flaky"}))
        .await;
    let first = rig.server.read().await;
    rig.server
        .say(json!({"jsonrpc": "2.0", "id": first["id"], "error": {"code": -1, "message": "busy"}}))
        .await;
    let second = rig.server.read().await;
    assert_ne!(first["id"], second["id"]);
    assert_eq!(first["params"], second["params"]);
    rig.server
        .answer(second["id"].clone(), json!({"content": []}))
        .await;
    assert_eq!(
        rig.client.read().await,
        json!({"jsonrpc": "2.0", "id": 1, "result": {"content": []}})
    );
    // The server is told under the id that it knows.
    rig.client
        .ask(2, "tools/call", json!({"name": "flaky"}))
        .await;
    let first = rig.server.read().await;
    rig.server
        .say(json!({"jsonrpc": "2.0", "id": first["id"], "error": {"code": -1, "message": "busy"}}))
        .await;
    let second = rig.server.read().await;
    rig.client
        .tell(
            "notifications/cancelled",
            json!({"requestId": 2, "reason": "enough"}),
        )
        .await;
    let cancelled = json!({"requestId": second["id"], "reason": "enough"});
    assert_eq!(rig.server.read().await["params"], cancelled);
    rig.leave().await;
}

#[tokio::test]
async fn calls_that_are_no_calls_are_refused_before_a_server_could_understand_them() {
    let mut rig = Rig::new(|registry| {
        registry
            .guard("look", "tool.execute", |_| Ok(Vote::Pass))
            .unwrap()
            .forget();
    });
    for (id, params) in [
        (1, json!({"name": ["t"]})),
        (2, json!([])),
        (3, json!({"name": "t", "arguments": [1]})),
    ] {
        rig.client.ask(id, "tools/call", params).await;
        assert_eq!(rig.client.read().await["error"]["code"], -32602);
    }
    rig.leave().await;
}

#[tokio::test]
async fn a_halt_ends_the_session_s_calls() {
    let mut rig = Rig::new(|registry| {
        let halt = registry
            .on("halt")
            .point("tool.execute")
            .for_component("bomb");
        halt.guard(|_| Ok(Vote::halt("enough"))).unwrap().forget();
    });
    rig.refused_call(1, "bomb", json!({})).await;
    let answer = rig.refused_call(2, "harmless", json!({})).await;
    assert_eq!(answer["result"]["isError"], true);
    rig.leave().await;
}

#[tokio::test]
async fn a_cancelled_call_is_not_passed_on_and_not_answered() {
    let gate = Arc::new(Semaphore::new(0));
    let reached = Arc::new(Semaphore::new(0));
    let reach = Arc::clone(&reached);
    let mut rig = Rig::new(move |registry| {
        let wait = registry
            .on("wait")
            .point("tool.execute")
            .for_component("slow");
        let wait = wait.intercept_async_with((reach, gate), |(reach, gate), _| {
            Box::pin(async move {
                reach.add_permits(1);
                gate.acquire().await.expect("it is not closed").forget();
                Ok(HookResult::Continue)
            })
        });
        wait.unwrap().forget();
    });
    rig.client
        .ask(1, "tools/call", json!({"name": "slow"}))
        .await;
    reached.acquire().await.unwrap().forget();
    rig.client
        .tell("notifications/cancelled", json!({"requestId": 1}))
        .await;
    rig.client.ask(2, "tools/call", json!({"name": "t"})).await;
    assert_eq!(rig.server.read().await["id"], 2);
    // One that was passed on is cancelled there too, and its late answer is for nobody.
    rig.client
        .tell(
            "notifications/cancelled",
            json!({"requestId": 2, "reason": "later"}),
        )
        .await;
    let cancelled = rig.server.read().await;
    assert_eq!(
        cancelled["params"],
        json!({"requestId": 2, "reason": "later"})
    );
    rig.server.answer(2, json!({"content": []})).await;
    let (_, answer) = rig.round(3, "ping", json!({}), json!({})).await;
    assert_eq!(answer["id"], 3);
    rig.leave().await;
}
