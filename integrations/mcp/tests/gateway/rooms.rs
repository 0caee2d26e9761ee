//! What waits for room does not wait for what waits for it.

use std::time::Duration;

use hooks_mcp::{GatewayOptions, Limits, TIMED_OUT};
use hooks_runtime::{HookError, HookResult, Vote};
use serde_json::json;

use crate::kit::Rig;

/// As little room as there may be.
fn narrow() -> GatewayOptions {
    let mut options = GatewayOptions::default();
    options.limits = Limits::default();
    options.limits.max_message_bytes = 1 << 20;
    options.limits.max_queued_bytes = 1 << 20;
    options
}

#[tokio::test]
async fn a_request_that_fills_the_room_of_its_side_gets_the_answers_that_it_waits_for() {
    let mut rig = Rig::with(narrow(), |registry| {
        let guard = registry.guard("look", "tool.execute", |_| Ok(Vote::Pass));
        guard.unwrap().forget();
    });
    // Hooks look at 9,000 values, which take more than a mebibyte.
    let list: Vec<u32> = (0..9_000).collect();
    let large = json!({"name": "t", "arguments": {"list": list}});
    rig.client.ask(1, "tools/call", large).await;
    assert_eq!(rig.server.read().await["id"], 1);
    // The tool asks the client before it answers.
    rig.server
        .ask("s", "sampling/createMessage", json!({}))
        .await;
    assert_eq!(rig.client.read().await["method"], "sampling/createMessage");
    rig.client.answer("s", json!({"role": "assistant"})).await;
    assert_eq!(rig.server.read().await["result"]["role"], "assistant");
    rig.server.answer(1, json!({"content": []})).await;
    assert_eq!(rig.client.read().await["id"], 1);
    rig.leave().await;
}

#[tokio::test]
async fn another_attempt_does_not_wait_for_the_answer_before() {
    let mut rig = Rig::with(narrow(), |registry| {
        let again = registry
            .on("again")
            .point("tool.execute")
            .post()
            .may_retry();
        let again = again.intercept(|cx| match cx.result_json()?["again"] == json!(true) {
            true => Ok(HookResult::retry(Duration::ZERO, 2)),
            false => Ok::<_, HookError>(HookResult::Continue),
        });
        again.unwrap().forget();
    });
    rig.client.ask(1, "tools/call", json!({"name": "t"})).await;
    let text = "x".repeat(1_000_000);
    for again in [true, false] {
        let asked = rig.server.read().await;
        rig.server
            .answer(asked["id"].clone(), json!({"again": again, "text": text}))
            .await;
    }
    assert_eq!(rig.client.read().await["result"]["again"], false);
    rig.leave().await;
}

#[tokio::test]
async fn requests_end_in_time_though_the_server_does_not_read() {
    let mut options = narrow();
    options.limits.timeout = Some(Duration::from_millis(50));
    let mut rig = Rig::with(options, |_| ());
    let large = json!({"name": "t", "arguments": {"text": "x".repeat(900_000)}});
    for id in 1..=4 {
        rig.client.ask(id, "tools/call", large.clone()).await;
    }
    let mut answered = Vec::new();
    for _ in 1..=4 {
        let answer = rig.client.read().await;
        // The room for what is under way may be full, which is said at once.
        assert!(
            [TIMED_OUT, hooks_mcp::BUSY].contains(&answer["error"]["code"].as_i64().unwrap()),
            "{answer}"
        );
        answered.push(answer["id"].as_i64().unwrap());
    }
    answered.sort_unstable();
    assert_eq!(answered, [1, 2, 3, 4]);
    rig.session.abort();
}
