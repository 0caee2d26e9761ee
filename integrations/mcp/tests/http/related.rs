//! On which stream of a client the messages of a server come that writes lines, and so says nothing about it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use hooks_mcp::side::http::HttpListenerOptions;
use hooks_mcp::{GatewayOptions, Limits};
use hooks_runtime::{HookRegistry, HookResult};
use serde_json::{Value, json};

use crate::kit::{Answer, Client, Echo, Listening, request};

async fn begun(register: impl FnOnce(&HookRegistry)) -> (Listening, Client) {
    let echo = Echo::new();
    let listening = Listening::start(
        HttpListenerOptions::default(),
        GatewayOptions::default(),
        register,
        move || echo.side(&Limits::default()),
    )
    .await;
    let mut client = listening.client();
    client.begin("2025-06-18").await;
    (listening, client)
}

/// The methods of the events until the stream ends, answers as `-`.
async fn said(mut answer: Answer) -> Vec<String> {
    let mut said = Vec::new();
    while let Some((_, message)) = answer.event().await {
        said.push(message["method"].as_str().unwrap_or("-").to_owned());
    }
    said
}

const PROGRESS: &str = "notifications/progress";

#[tokio::test]
async fn progress_comes_with_the_answer_that_it_is_about() {
    let (listening, client) = begun(|_| ()).await;
    let own = client.listen().await;
    let silent = client.post(&request(1, "silent", json!({}))).await;
    let params = json!({"_meta": {"progressToken": "t"}});
    let steps = client.post(&request(2, "steps", params)).await;
    assert_eq!(said(steps).await, [PROGRESS, PROGRESS, "-"]);
    // What is of nobody that is under way is the server's own.
    let mut own = own;
    let steps = client.post(&request(3, "steps", json!({"token": 9}))).await;
    assert_eq!(said(steps).await, ["-"]);
    assert_eq!(own.event().await.unwrap().1["params"]["progressToken"], 9);
    drop(silent);
    listening.stop().await;
}

#[tokio::test]
async fn progress_of_another_attempt_comes_there_too() {
    let once = Arc::new(AtomicBool::new(true));
    let (listening, client) = begun(|registry| {
        let again = registry
            .on("again")
            .point("mcp.request")
            .for_component("steps")
            .post()
            .may_retry();
        let again = again.intercept(move |_| match once.swap(false, Ordering::Relaxed) {
            true => HookResult::retry(Duration::ZERO, 3),
            false => HookResult::Continue,
        });
        again.unwrap().forget();
    })
    .await;
    let own = client.listen().await;
    let params = json!({"_meta": {"progressToken": 7}});
    let steps = client.post(&request("s", "steps", params)).await;
    let mut all = said(steps).await;
    assert_eq!(all.pop().as_deref(), Some("-"));
    assert_eq!(all, [PROGRESS; 4]);
    drop(own);
    listening.stop().await;
}

#[tokio::test]
async fn without_a_stream_of_its_own_the_server_asks_on_one_that_is_open() {
    let (listening, client) = begun(|_| ()).await;
    let mut roots = client.post(&request(1, "roots", json!({}))).await;
    let (_, asked) = roots.event().await.unwrap();
    assert_eq!(asked["method"], "roots/list");
    let answer = json!({"jsonrpc": "2.0", "id": asked["id"], "result": {"roots": []}});
    assert_eq!(client.post(&answer).await.status, 202);
    let (_, told): (_, Value) = roots.event().await.unwrap();
    assert_eq!(told["params"]["data"], answer);
    listening.stop().await;
}
