//! Many requests at the same time, over HTTP on both sides of the gateway.

use std::sync::Arc;

use hooks_mcp::side::http::{HttpListenerOptions, HttpServer, HttpServerOptions};
use hooks_mcp::{GatewayOptions, Limits};
use serde_json::json;
use tokio::task::JoinSet;

use crate::kit::{Echo, Listening, soon};

const SESSIONS: usize = 10;
const EACH: usize = 100;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_requests_over_ten_sessions_are_neither_lost_nor_mixed_up() {
    let (echo, limits) = (Echo::new(), Limits::default());
    let mut options = HttpListenerOptions::default();
    options.max_connections = 4 * SESSIONS * EACH;
    let server = Arc::clone(&echo);
    let at = limits.clone();
    let far = Listening::start(
        options.clone(),
        GatewayOptions::default(),
        |_| (),
        move || server.side(&at),
    )
    .await;
    let url = format!("http://{}/mcp", far.address);
    let remote = HttpServer::new(&url, HttpServerOptions::default(), &limits).unwrap();
    let near = Listening::start(
        options,
        GatewayOptions::default(),
        |_| (),
        move || Ok(remote.side()),
    )
    .await;
    let mut calls = JoinSet::new();
    for session in 0..SESSIONS {
        let mut client = near.client();
        client.begin("2025-11-25").await;
        for n in 0..EACH {
            let client = client.clone();
            // The ids are the same in all sessions.
            calls.spawn(async move {
                let said = json!({"session": session, "n": n});
                let answer = client.ask(n, "hold", said.clone()).await;
                assert_eq!((&answer["id"], &answer["result"]), (&json!(n), &said));
            });
        }
    }
    // All are under way before the first is answered.
    let mut held = echo.held.subscribe();
    soon(held.wait_for(|held| *held == SESSIONS * EACH))
        .await
        .unwrap();
    echo.open.send_replace(true);
    let mut answered = 0;
    while let Some(call) = calls.join_next().await {
        call.unwrap();
        answered += 1;
    }
    assert_eq!(answered, SESSIONS * EACH);
    near.stop().await;
    far.stop().await;
    assert_eq!(*echo.running.borrow(), 0);
}
