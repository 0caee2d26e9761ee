//! Clients that come over HTTP.

use std::sync::Arc;
use std::time::Duration;

use hooks_mcp::side::http::{HttpListener, HttpListenerOptions};
use hooks_mcp::{GatewayOptions, Limits};
use hooks_runtime::Vote;
use serde_json::json;

use crate::kit::{BOTH, Client, Echo, IS_JSON, Listening, request, soon};

async fn start(options: HttpListenerOptions, limits: Limits) -> (Listening, Arc<Echo>) {
    let echo = Echo::new();
    let (server, mut gateway) = (Arc::clone(&echo), GatewayOptions::default());
    gateway.limits = limits.clone();
    let refuse = |registry: &hooks_runtime::HookRegistry| {
        let guard = registry.guard("no-forbidden", "mcp.request", |cx| {
            Ok(Vote::cancel_if(
                cx.component() == Some("forbidden"),
                "not here",
            ))
        });
        guard.unwrap().forget();
    };
    let listening = Listening::start(options, gateway, refuse, move || server.side(&limits)).await;
    (listening, echo)
}

async fn begun(listening: &Listening, version: &str) -> Client {
    let mut client = listening.client();
    client.begin(version).await;
    client
}

#[tokio::test]
async fn sessions_are_kept_apart_even_if_their_ids_are_the_same() {
    let (listening, echo) = start(HttpListenerOptions::default(), Limits::default()).await;
    let one = begun(&listening, "2025-11-25").await;
    let two = begun(&listening, "2025-06-18").await;
    assert_ne!(one.session, two.session);
    assert_eq!(one.session.as_ref().unwrap().len(), 64);
    let (left, right) = tokio::join!(
        one.ask(1, "a", json!({"of": 1})),
        two.ask(1, "a", json!({"of": 2}))
    );
    assert_eq!(
        (&left["result"]["of"], &right["result"]["of"]),
        (&json!(1), &json!(2))
    );
    let refused = one.ask(2, "forbidden", json!({})).await;
    assert_eq!(refused["error"]["code"], hooks_mcp::REFUSED, "{refused}");
    assert_eq!(*echo.running.borrow(), 2);
    // One leaves, and its server with it.
    assert_eq!(one.send("DELETE", "", b"").await.status, 204);
    soon(echo.running.subscribe().wait_for(|running| *running == 1))
        .await
        .unwrap();
    assert_eq!(one.post(&request(3, "a", json!({}))).await.status, 404);
    assert_eq!(two.ask(3, "a", json!({})).await["id"], 3);
    listening.stop().await;
    assert_eq!(*echo.running.borrow(), 0);
}

#[tokio::test]
async fn what_is_wrong_is_said_as_the_specification_has_it() {
    let mut limits = Limits::default();
    limits.max_message_bytes = 2000;
    let (listening, _) = start(HttpListenerOptions::default(), limits).await;
    let client = begun(&listening, "2025-06-18").await;
    let ping = request(1, "ping", json!({})).to_string();
    let both = format!("{BOTH}{IS_JSON}");
    let long = request(1, "ping", json!({"x": "x".repeat(3000)})).to_string();
    let twice = r#"{"jsonrpc":"2.0","id":1,"id":2,"method":"ping"}"#;
    for (method, headers, body, status) in [
        (
            "POST",
            IS_JSON.to_owned() + "accept: text/html\r\n",
            &*ping,
            406,
        ),
        (
            "POST",
            format!("{BOTH}content-type: text/plain\r\n"),
            &ping,
            415,
        ),
        ("POST", both.clone(), &long, 413),
        ("POST", both.clone(), &"x".repeat(9000), 413),
        ("POST", both.clone(), twice, 400),
        ("POST", both.clone(), "{", 400),
        ("POST", both.clone(), &format!("[{ping}]"), 400),
        (
            "POST",
            format!("{both}mcp-protocol-version: 1999-01-01\r\n"),
            &ping,
            400,
        ),
        (
            "POST",
            format!("{both}mcp-protocol-version: 2025-11-25\r\n"),
            &ping,
            200,
        ),
        (
            "POST",
            format!("{both}origin: https://evil.example\r\n"),
            &ping,
            403,
        ),
        ("POST", format!("{both}host: evil.example\r\n"), &ping, 403),
        ("PUT", both.clone(), &ping, 405),
        ("GET", "accept: application/json\r\n".to_owned(), "", 406),
        (
            "GET",
            "accept: text/event-stream\r\nlast-event-id: 77-1\r\n".to_owned(),
            "",
            400,
        ),
    ] {
        let answer = client.send(method, &headers, body.as_bytes()).await;
        assert_eq!(
            answer.status, status,
            "{method} {headers} {body:.60}: {}",
            answer.head
        );
    }
    let mut lost = client.clone();
    lost.session = None;
    assert_eq!(lost.send("POST", &both, ping.as_bytes()).await.status, 400);
    lost.session = Some("0".repeat(64));
    assert_eq!(lost.send("POST", &both, ping.as_bytes()).await.status, 404);
    assert_eq!(lost.send("DELETE", "", b"").await.status, 404);
    // An id that is under way stays whose it is.
    let silent = client.post(&request(5, "silent", json!({}))).await;
    assert_eq!(
        client.post(&request(5, "ping", json!({}))).await.status,
        400
    );
    // What is cancelled is not waited for.
    let cancel =
        json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 5}});
    assert_eq!(client.post(&cancel).await.status, 202);
    assert!(!silent.text().await.contains("result"));
    listening.stop().await;
}

#[tokio::test]
async fn whoever_takes_only_json_gets_one_body_and_batches_are_split() {
    let (listening, _) = start(HttpListenerOptions::default(), Limits::default()).await;
    let client = begun(&listening, "2025-03-26").await;
    let json_only = format!("{IS_JSON}accept: application/json\r\n");
    let tell = request(1, "tell", json!({"n": 7})).to_string();
    let answer = client.send("POST", &json_only, tell.as_bytes()).await;
    assert_eq!(
        answer.header("content-type").as_deref(),
        Some("application/json")
    );
    assert_eq!(answer.json().await["result"]["n"], 7);
    let batch = json!([request(2, "a", json!({})), request(3, "forbidden", json!({})),
        {"jsonrpc": "2.0", "method": "notifications/x"}]);
    let answer = client
        .send("POST", &json_only, batch.to_string().as_bytes())
        .await;
    let answers = answer.json().await;
    let mut ids: Vec<_> = answers
        .as_array()
        .unwrap()
        .iter()
        .map(|a| (a["id"].as_i64(), a.get("error").is_some()))
        .collect();
    ids.sort();
    assert_eq!(ids, [(Some(2), false), (Some(3), true)]);
    // As events too: the stream ends when all are answered.
    let mut answer = client.post(&batch).await;
    assert!(answer.event().await.is_some() && answer.event().await.is_some());
    assert!(answer.event().await.is_none());
    listening.stop().await;
}

#[tokio::test]
async fn the_messages_of_a_batch_are_decided_one_by_one() {
    let (listening, _) = start(HttpListenerOptions::default(), Limits::default()).await;
    let client = begun(&listening, "2025-03-26").await;
    let silent = client.post(&request("taken", "silent", json!({}))).await;
    // A key that stands twice, no message at all, an id that is another's, and one that is of two: no others suffer.
    let batch = r#"[{"jsonrpc":"2.0","id":1,"method":"a","params":{"n":1}},
        {"jsonrpc":"2.0","id":2,"method":"a","params":{"n":1,"n":2}}, 7,
        {"jsonrpc":"2.0","id":"taken","method":"a"}, {"jsonrpc":"2.0","id":1,"method":"a"},
        {"jsonrpc":"2.0","id":3,"method":"forbidden"}, {"jsonrpc":"2.0","id":4,"method":"a"}]"#;
    let json_only = format!("{IS_JSON}accept: application/json\r\n");
    let answer = client.send("POST", &json_only, batch.as_bytes()).await;
    assert_eq!(answer.status, 200);
    let answers = answer.json().await;
    let mut told: Vec<_> = answers.as_array().unwrap().iter().collect();
    told.sort_by_key(|answer| answer["id"].as_i64());
    let told: Vec<_> = told
        .iter()
        .map(|answer| (answer["id"].as_i64(), answer["error"]["code"].as_i64()))
        .collect();
    let invalid = Some(hooks_mcp::INVALID_REQUEST);
    assert_eq!(
        told,
        [
            (None, invalid),
            (None, invalid),
            (None, invalid),
            (Some(1), None),
            (Some(2), Some(hooks_mcp::PARSE_ERROR)),
            (Some(3), Some(hooks_mcp::REFUSED)),
            (Some(4), None),
        ],
        "{answers}"
    );
    // As events too.
    let headers = format!("{BOTH}{IS_JSON}");
    let mut answer = client.send("POST", &headers, batch.as_bytes()).await;
    let mut events = 0;
    while answer.event().await.is_some() {
        events += 1;
    }
    assert_eq!(events, 7);
    // What is no answer stands for one: the server that waits for it is told.
    let mut own = client.listen().await;
    let roots = client.post(&request(5, "roots", json!({}))).await;
    assert_eq!(own.event().await.unwrap().1["method"], "roots/list");
    let batch = r#"[{"jsonrpc":"2.0","id":"of the server","result":{},"error":{}},{"jsonrpc":"2.0","id":6,"method":"a"}]"#;
    let answer = client.send("POST", &json_only, batch.as_bytes()).await;
    assert_eq!(answer.json().await.as_array().unwrap().len(), 2);
    let told = own.event().await.unwrap().1["params"]["data"].clone();
    assert_eq!(
        (&told["id"], &told["error"]["code"]),
        (&json!("of the server"), &json!(hooks_mcp::BAD_ANSWER))
    );
    drop((silent, roots));
    listening.stop().await;
}

#[tokio::test]
async fn what_the_server_asks_comes_on_the_own_stream_and_its_answer_goes_back() {
    let (listening, _) = start(HttpListenerOptions::default(), Limits::default()).await;
    let client = begun(&listening, "2025-11-25").await;
    let mut own = client.listen().await;
    let roots = client.post(&request(1, "roots", json!({}))).await;
    let (id, asked) = own.event().await.unwrap();
    assert_eq!(
        (asked["method"].as_str(), &asked["id"]),
        (Some("roots/list"), &json!("of the server"))
    );
    let answer = json!({"jsonrpc": "2.0", "id": "of the server", "result": {"roots": []}});
    assert_eq!(client.post(&answer).await.status, 202);
    let (_, told) = own.event().await.unwrap();
    assert_eq!(told["params"]["data"], answer);
    // Whoever comes back gets what it has missed, and the old stream ends.
    let resume = format!("accept: text/event-stream\r\nlast-event-id: {id}\r\n");
    let mut again = client.send("GET", &resume, b"").await;
    assert_eq!(again.event().await.unwrap().1, told);
    assert!(own.event().await.is_none());
    drop((roots, again));
    listening.stop().await;
}

#[tokio::test]
async fn an_answer_that_was_missed_is_there_when_the_client_comes_back() {
    let (listening, echo) = start(HttpListenerOptions::default(), Limits::default()).await;
    let client = begun(&listening, "2025-11-25").await;
    let mut held = client.post(&request(1, "hold", json!({"n": 1}))).await;
    soon(echo.held.subscribe().wait_for(|held| *held == 1))
        .await
        .unwrap();
    // The first event has no data, and says what to come back with.
    let first = held.first_id().await;
    drop(held);
    echo.open.send_replace(true);
    let resume = format!("accept: text/event-stream\r\nlast-event-id: {first}\r\n");
    let mut again = client.send("GET", &resume, b"").await;
    assert_eq!(again.event().await.unwrap().1["result"]["n"], 1);
    assert!(again.event().await.is_none());
    listening.stop().await;
}

#[tokio::test]
async fn a_client_that_vanishes_takes_its_server_with_it() {
    let mut options = HttpListenerOptions::default();
    options.idle = Duration::from_millis(50);
    options.keep_alive = Duration::from_millis(10);
    options.max_sessions = 1;
    let (listening, echo) = start(options, Limits::default()).await;
    let client = begun(&listening, "2025-06-18").await;
    let own = client.listen().await;
    // As long as it listens it stays, and there is no room for another one.
    let second = json!({"protocolVersion": "2025-06-18"});
    let refused = listening
        .client()
        .post(&request(1, "initialize", second))
        .await;
    assert_eq!(refused.status, 503);
    assert_eq!(refused.json().await["error"]["code"], hooks_mcp::BUSY);
    drop(own);
    soon(echo.running.subscribe().wait_for(|running| *running == 0))
        .await
        .unwrap();
    // The table is cleared right after the server has ended.
    while client.post(&request(1, "a", json!({}))).await.status != 404 {}
    while listening
        .client()
        .post(&request(1, "initialize", json!({})))
        .await
        .status
        == 503
    {}
    listening.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn long_messages_come_whole_and_longer_ones_are_named() {
    let mut limits = Limits::default();
    limits.max_message_bytes = 60 << 20;
    let (listening, _) = start(HttpListenerOptions::default(), limits).await;
    let client = begun(&listening, "2025-06-18").await;
    let answer = client.ask(1, "big", json!({"bytes": 50 << 20})).await;
    assert_eq!(
        answer["result"]["text"].as_str().map(str::len),
        Some(50 << 20)
    );
    let answer = client.ask(2, "big", json!({"bytes": 61 << 20})).await;
    assert_eq!(
        answer["error"]["code"],
        hooks_mcp::BAD_ANSWER,
        "{answer:.200}"
    );
    let long = request(3, "a", json!({"x": "x".repeat(50 << 20)}));
    let mut answer = client.post(&long).await;
    assert_eq!(answer.event().await.unwrap().1["result"], long["params"]);
    let longer = request(4, "a", json!({"x": "x".repeat(61 << 20)}));
    let answer = client.post(&longer).await;
    assert_eq!(answer.status, 413);
    let answer = answer.json().await;
    assert_eq!(answer["id"], 4, "{answer}");
    listening.stop().await;
}

#[tokio::test]
async fn nobody_listens_where_others_come_without_naming_them() {
    let open = "0.0.0.0:0".parse().unwrap();
    let error = HttpListener::bind(open, HttpListenerOptions::default())
        .await
        .unwrap_err();
    assert!(error.to_string().contains("--allow-host"), "{error}");
}
