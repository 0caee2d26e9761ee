//! Sides that die, lie and babble, and hooks that fail: every request is answered once.

use hooks_mcp::{BAD_ANSWER, Ended, GONE, GatewayOptions, Limits};
use hooks_runtime::{HookError, HookResult, Vote};
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::kit::{NEVER, Rig};

#[tokio::test]
async fn a_server_that_dies_leaves_no_request_without_an_answer() {
    let mut rig = Rig::new(|registry| {
        let wait = registry
            .on("wait")
            .point("tool.execute")
            .for_component("slow");
        let wait = wait.intercept_async(async |_| {
            std::future::pending::<()>().await;
            HookResult::Continue
        });
        wait.unwrap().forget();
    });
    for (id, tool) in [(1, "t"), (2, "slow"), (3, "t")] {
        rig.client
            .ask(id, "tools/call", json!({"name": tool}))
            .await;
    }
    assert_eq!(rig.server.read().await["id"], 1);
    assert_eq!(rig.server.read().await["id"], 3);
    rig.server
        .raw(r#"{"jsonrpc":"2.0","id":3,"result":{"content":[{"type":"te"#)
        .await;
    drop(rig.server);
    let mut answered: Vec<i64> = Vec::new();
    while let Some(line) = rig.client.read_line().await {
        let answer: Value = serde_json::from_str(&line).unwrap();
        let wanted = if answer["id"] == 3 { BAD_ANSWER } else { GONE };
        assert_eq!(answer["error"]["code"], wanted, "{answer}");
        answered.push(answer["id"].as_i64().unwrap());
    }
    answered.sort_unstable();
    assert_eq!(answered, [1, 2, 3]);
    let ended = timeout(NEVER, rig.session).await.unwrap().unwrap();
    assert_eq!(ended, Ended::ServerGone);
}

#[tokio::test]
async fn what_was_asked_before_the_client_left_is_answered_still() {
    let mut rig = Rig::new(|_| ());
    rig.client.ask(1, "tools/call", json!({"name": "t"})).await;
    rig.client.end().await;
    assert_eq!(rig.server.read().await["id"], 1);
    assert_eq!(rig.server.read_line().await, None);
    rig.server.answer(1, json!({"content": []})).await;
    assert_eq!(rig.client.read().await["id"], 1);
    rig.server.end().await;
    assert_eq!(rig.client.read_line().await, None);
    let ended = timeout(NEVER, rig.session).await.unwrap().unwrap();
    assert_eq!(ended, Ended::ClientLeft);
}

#[tokio::test]
async fn what_is_no_message_is_not_passed_on_and_whoever_waits_is_told() {
    let mut rig = Rig::new(|_| ());
    // Noise of a server goes nowhere.
    rig.server.line("Server running on stdio").await;
    rig.server
        .line(r#"{"jsonrpc":"2.0","id":99,"result":{}}"#)
        .await;
    rig.client.ask(1, "tools/call", json!({"name": "t"})).await;
    assert_eq!(rig.server.read().await["id"], 1);
    rig.server
        .line(r#"{"jsonrpc":"2.0","id":1,"result":{"a":1,"a":2}}"#)
        .await;
    let answer = rig.client.read().await;
    assert_eq!(
        (&answer["id"], &answer["error"]["code"]),
        (&json!(1), &json!(BAD_ANSWER))
    );
    for (line, id, code) in [
        (
            r#"{"jsonrpc":"2.0","id":5,"method":"tools/call","params":{"name":"a","name":"b"}}"#,
            json!(5),
            -32700,
        ),
        (
            r#"{"jsonrpc":"2.0","id":6,"method":"ping","params":3}"#,
            json!(6),
            -32600,
        ),
        ("{half", Value::Null, -32700),
    ] {
        rig.client.line(line).await;
        let answer = rig.client.read().await;
        assert_eq!(
            (&answer["id"], &answer["error"]["code"]),
            (&id, &json!(code)),
            "{line}"
        );
    }
    rig.client
        .raw(b"{\"jsonrpc\":\"2.0\",\"id\":8,\"method\":\"ping\",\"params\":{\"a\":\"\xff\"}}\n")
        .await;
    assert_eq!(rig.client.read().await["id"], 8);
    // The id of a request that is under way is not answered twice.
    rig.client.ask(9, "ping", json!({})).await;
    rig.client.ask(9, "ping", json!({})).await;
    assert_eq!(rig.server.read().await["id"], 9);
    assert_eq!(rig.client.read().await["id"], Value::Null);
    rig.client
        .line(r#"{"jsonrpc":"2.0","id":9,"method":"ping","params":{"a":1,"a":2}}"#)
        .await;
    assert_eq!(rig.client.read().await["id"], Value::Null);
    rig.server.answer(9, json!({})).await;
    rig.server.answer(9, json!({})).await;
    assert_eq!(rig.client.read().await["id"], 9);
    let (_, answer) = rig.round(10, "ping", json!({}), json!({})).await;
    assert_eq!(answer["id"], 10);
    rig.leave().await;
}

#[tokio::test]
async fn answers_and_requests_that_are_too_long_are_answered() {
    let mut options = GatewayOptions::default();
    options.limits = Limits::default();
    options.limits.max_message_bytes = 1 << 20;
    let mut rig = Rig::with(options, |_| ());
    let long = "x".repeat(3 << 20);
    rig.client
        .ask(
            "a",
            "tools/call",
            json!({"name": "t", "arguments": {"text": long}}),
        )
        .await;
    let answer = rig.client.read().await;
    assert_eq!(
        (&answer["id"], &answer["error"]["code"]),
        (&json!("a"), &json!(-32600))
    );
    rig.client
        .ask("b", "tools/call", json!({"name": "t"}))
        .await;
    assert_eq!(rig.server.read().await["id"], "b");
    rig.server
        .say(json!({"jsonrpc": "2.0", "result": {"text": long}, "id": "b"}))
        .await;
    let answer = rig.client.read().await;
    assert_eq!(
        (&answer["id"], &answer["error"]["code"]),
        (&json!("b"), &json!(BAD_ANSWER))
    );
    rig.leave().await;
}

#[tokio::test]
async fn a_hook_that_errs_panics_or_hangs_lets_nothing_pass() {
    let mut rig = Rig::new(|registry| {
        let at = |tool: &str| registry.on(tool).point("tool.execute").for_component(tool);
        at("errs")
            .guard(|_| Err::<Vote, HookError>("no idea".into()))
            .unwrap()
            .forget();
        at("panics").guard(|_| panic!("oh")).unwrap().forget();
        let hangs = at("hangs").timeout(std::time::Duration::from_millis(20));
        let hangs = hangs.intercept_async(async |_| {
            std::future::pending::<()>().await;
            HookResult::Continue
        });
        hangs.unwrap().forget();
        let late = at("late").post();
        late.guard(|_| Err::<Vote, HookError>("no idea".into()))
            .unwrap()
            .forget();
    });
    for (id, tool) in ["errs", "panics", "hangs"].iter().enumerate() {
        let id = i64::try_from(id).unwrap();
        let answer = rig.refused_call(id, tool, json!({})).await;
        assert_eq!(answer["result"]["isError"], true, "{tool}: {answer}");
        assert_eq!(
            answer["result"]["_meta"]["hookpoint/refusal"]["hook"],
            *tool
        );
    }
    let (_, answer) = rig
        .round(
            9,
            "tools/call",
            json!({"name": "late"}),
            json!({"content": ["x"]}),
        )
        .await;
    assert_eq!(answer["result"]["isError"], true, "{answer}");
    assert_eq!(
        answer["result"]["_meta"]["hookpoint/refusal"]["executed"],
        true
    );
    rig.leave().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_reads_slowly_holds_the_server_up_and_loses_nothing() {
    let mut options = GatewayOptions::default();
    options.limits = Limits::default();
    options.limits.max_message_bytes = 256 << 10;
    options.limits.max_queued_bytes = 512 << 10;
    let mut rig = Rig::with(options, |_| ());
    let text = "x".repeat(100 << 10);
    let (client, mut server) = (&mut rig.client, rig.server);
    let talk = tokio::spawn(async move {
        for n in 0..100 {
            server
                .tell("notifications/message", json!({"data": text, "n": n}))
                .await;
        }
        server
    });
    // What is under way is bounded: the server cannot have written all while nobody reads.
    for n in 0..100 {
        if n == 50 {
            assert!(!talk.is_finished());
        }
        assert_eq!(client.read().await["params"]["n"], n);
    }
    rig.server = talk.await.unwrap();
    rig.leave().await;
}
