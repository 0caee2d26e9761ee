//! Servers that are reached at a URL.

use hooks_mcp::side::http::{HttpServer, HttpServerOptions};
use hooks_mcp::{BAD_ANSWER, Ended, GONE, Gateway, GatewayOptions, Limits, Side};
use serde_json::{Value, json};
use tokio::io::{
    AsyncBufReadExt, AsyncWriteExt, BufReader, DuplexStream, ReadHalf, WriteHalf, duplex, split,
};
use tokio::task::JoinHandle;

use crate::kit::{ByHand, IS_JSON, request, soon};

struct Client {
    reader: BufReader<ReadHalf<DuplexStream>>,
    writer: WriteHalf<DuplexStream>,
    session: JoinHandle<Ended>,
}

impl Client {
    fn of(url: &str, limits: Limits) -> Client {
        let mut options = HttpServerOptions::default();
        options.headers.add("Authorization: Bearer s3cret").unwrap();
        let server = HttpServer::new(url, options, &limits).unwrap();
        let (client, gateway) = duplex(64 << 10);
        let (reader, writer) = split(gateway);
        let side = Side::lines(reader, writer, &limits);
        let mut options = GatewayOptions::default();
        options.limits = limits;
        let gateway = Gateway::new(options);
        let session = tokio::spawn(async move { gateway.run(side, server.side()).await });
        let (reader, writer) = split(client);
        let reader = BufReader::new(reader);
        Client {
            reader,
            writer,
            session,
        }
    }

    async fn say(&mut self, message: Value) {
        let line = format!("{message}\n");
        soon(self.writer.write_all(line.as_bytes())).await.unwrap();
    }

    async fn ask(&mut self, id: i64, method: &str) {
        self.say(request(id, method, json!({}))).await;
    }

    async fn read(&mut self) -> Value {
        let mut line = String::new();
        soon(self.reader.read_line(&mut line)).await.unwrap();
        serde_json::from_str(&line).unwrap_or_else(|_| panic!("{line:?}"))
    }

    /// Begins a session `s-1`; the stream of what the server begins is refused.
    async fn begun(server: &ByHand) -> Client {
        let mut client = Client::of(&server.url(), Limits::default());
        client.ask(0, "initialize").await;
        let asked = server.next().await;
        assert_eq!(asked.header("mcp-session-id"), None);
        assert_eq!(asked.header("authorization"), Some("Bearer s3cret"));
        assert_eq!(
            asked.header("accept"),
            Some("application/json, text/event-stream")
        );
        let answer =
            json!({"jsonrpc": "2.0", "id": 0, "result": {"protocolVersion": "2025-06-18"}});
        let headers = format!("{IS_JSON}mcp-session-id: s-1\r\n");
        asked.answer("200 OK", &headers, &answer.to_string()).await;
        assert_eq!(client.read().await, answer);
        client
            .say(json!({"jsonrpc": "2.0", "method": "notifications/initialized"}))
            .await;
        let asked = server.next().await;
        assert_eq!(asked.body["method"], "notifications/initialized");
        assert_eq!(asked.header("mcp-session-id"), Some("s-1"));
        assert_eq!(asked.header("mcp-protocol-version"), Some("2025-06-18"));
        asked.answer("202 Accepted", "", "").await;
        let asked = server.next().await;
        assert!(
            asked.head.starts_with("GET /mcp ")
                && asked.header("accept") == Some("text/event-stream")
        );
        asked.answer("405 Method Not Allowed", "", "").await;
        client
    }

    /// Leaves; the server is told that its session is over.
    async fn leave(mut self, server: &ByHand) {
        self.writer.shutdown().await.unwrap();
        let asked = server.next().await;
        assert!(asked.head.starts_with("DELETE ") && asked.header("mcp-session-id") == Some("s-1"));
        asked.answer("204 No Content", "", "").await;
        assert_eq!(soon(self.session).await.unwrap(), Ended::ClientLeft);
    }
}

#[tokio::test]
async fn a_session_is_kept_and_ended() {
    let server = ByHand::start().await;
    let mut client = Client::begun(&server).await;
    client.ask(1, "a").await;
    let mut stream = server.next().await;
    stream.begin().await;
    let progress = json!({"jsonrpc": "2.0", "method": "notifications/progress", "params": {"progressToken": 1, "progress": 1}});
    stream
        .write(&format!(
            ": hello\r\n\r\nevent: message\r\ndata: {progress}\r\n\r\n"
        ))
        .await;
    assert_eq!(client.read().await, progress);
    // What the server asks in between is answered with a POST.
    stream
        .write("data: {\"jsonrpc\":\"2.0\",\ndata: \"id\":1,\"method\":\"ping\"}\n\n")
        .await;
    assert_eq!(
        client.read().await,
        json!({"jsonrpc": "2.0", "id": 1, "method": "ping"})
    );
    client
        .say(json!({"jsonrpc": "2.0", "id": 1, "result": {}}))
        .await;
    let pong = server.next().await;
    assert_eq!(pong.body, json!({"jsonrpc": "2.0", "id": 1, "result": {}}));
    pong.answer("202 Accepted", "", "").await;
    stream
        .write(
            "data: {\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{\"n\":12345678901234567890123}}\n\n",
        )
        .await;
    let mut line = String::new();
    soon(client.reader.read_line(&mut line)).await.unwrap();
    assert!(line.contains("12345678901234567890123"), "{line}");
    drop(stream);
    client.leave(&server).await;
}

#[tokio::test]
async fn what_the_server_begins_is_listened_to_before_anything_makes_it_begin() {
    let server = ByHand::start().await;
    let mut client = Client::of(&server.url(), Limits::default());
    client.ask(0, "initialize").await;
    let asked = server.next().await;
    asked
        .answer_json(json!({"protocolVersion": "2025-06-18"}))
        .await;
    client.read().await;
    client
        .say(json!({"jsonrpc": "2.0", "method": "notifications/initialized"}))
        .await;
    client.ask(1, "a").await;
    server.next().await.answer("202 Accepted", "", "").await;
    let mut own = server.next().await;
    assert!(own.head.starts_with("GET "), "{}", own.head);
    own.begin().await;
    let asked = server.next().await;
    assert_eq!(asked.body["method"], "a");
    let begun = json!({"jsonrpc": "2.0", "id": "s", "method": "roots/list"});
    own.write(&format!("data: {begun}\n\n")).await;
    assert_eq!(client.read().await, begun);
    drop((asked, own));
}

#[tokio::test]
async fn a_stream_that_breaks_off_is_opened_again_where_it_was() {
    let server = ByHand::start().await;
    let mut client = Client::begun(&server).await;
    client.ask(1, "a").await;
    let mut stream = server.next().await;
    stream.begin().await;
    stream
        .write("id: e-1\nretry: 1\ndata:\n\ndata: {\"half")
        .await;
    drop(stream);
    let mut again = server.next().await;
    assert!(again.head.starts_with("GET "));
    assert_eq!(
        (
            again.header("last-event-id"),
            again.header("mcp-session-id")
        ),
        (Some("e-1"), Some("s-1"))
    );
    again.begin().await;
    again
        .write("data: {\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{\"whole\":true}}\n\n")
        .await;
    assert_eq!(client.read().await["result"]["whole"], true);
    drop(again);
    client.leave(&server).await;
}

#[tokio::test]
async fn whatever_a_server_does_each_request_is_answered_once() {
    let server = ByHand::start().await;
    let mut client = Client::begun(&server).await;
    let answer = |id: i64| json!({"jsonrpc": "2.0", "id": id, "result": {}}).to_string();
    let other = answer(77);
    for (id, status, headers, body, expected) in [
        (
            1,
            "200 OK",
            "content-type: text/event-stream\r\n",
            "data: {\"half",
            "stream ended",
        ),
        (2, "200 OK", "content-type: text/html\r\n", "<p>", "200 OK"),
        (3, "500 Internal Server Error", "", "", "500"),
        (4, "202 Accepted", "", "", "202"),
        (5, "200 OK", IS_JSON, "{\"half", "EOF"),
        (6, "200 OK", IS_JSON, &other, "not one to this request"),
        (
            7,
            "307 Temporary Redirect",
            "location: http://localhost:1/mcp\r\n",
            "",
            "redirects",
        ),
        (8, "302 Found", "location: /other\r\n", "", "redirects"),
    ] {
        client.ask(id, "a").await;
        server.next().await.answer(status, headers, body).await;
        let got = client.read().await;
        assert_eq!(
            (&got["id"], &got["error"]["code"]),
            (&json!(id), &json!(BAD_ANSWER)),
            "{got}"
        );
        let why = got["error"]["message"].as_str().unwrap();
        assert!(why.contains(expected) && !why.contains("s3cret"), "{why}");
    }
    // Within the host it is followed.
    client.ask(9, "a").await;
    server
        .next()
        .await
        .answer("308 Permanent Redirect", "location: /other\r\n", "")
        .await;
    let moved = server.next().await;
    assert!(moved.head.starts_with("POST /other ") && moved.body["id"] == 9);
    moved.answer_json(json!({"moved": true})).await;
    assert_eq!(client.read().await["result"]["moved"], true);
    // An error of HTTP may hold the answer.
    client.ask(10, "a").await;
    let error = json!({"jsonrpc": "2.0", "id": 10, "error": {"code": -32602, "message": "no"}});
    server
        .next()
        .await
        .answer("400 Bad Request", IS_JSON, &error.to_string())
        .await;
    assert_eq!(client.read().await, error);
    client.leave(&server).await;
}

#[tokio::test]
async fn when_the_session_is_gone_all_that_wait_are_told() {
    let server = ByHand::start().await;
    let mut client = Client::begun(&server).await;
    client.ask(1, "a").await;
    let waits = server.next().await;
    client.ask(2, "a").await;
    server.next().await.answer("404 Not Found", "", "").await;
    let mut ids = Vec::new();
    for _ in 0..2 {
        let got = client.read().await;
        assert_eq!(got["error"]["code"], GONE, "{got}");
        ids.push(got["id"].as_i64());
    }
    ids.sort();
    assert_eq!(ids, [Some(1), Some(2)]);
    assert_eq!(soon(client.session).await.unwrap(), Ended::ServerGone);
    drop(waits);
}

#[tokio::test]
async fn a_server_that_is_not_there_and_messages_that_are_too_long_are_errors() {
    let gone = ByHand::start().await.url();
    let mut limits = Limits::default();
    limits.max_message_bytes = 4096;
    let mut client = Client::of(&gone, limits.clone());
    client.ask(1, "initialize").await;
    let got = client.read().await;
    assert!(
        got["error"]["message"]
            .as_str()
            .unwrap()
            .contains("cannot be reached"),
        "{got}"
    );

    let server = ByHand::start().await;
    let mut client = Client::of(&server.url(), limits);
    let long = json!({"jsonrpc": "2.0", "id": 2, "result": {"x": "x".repeat(9000)}}).to_string();
    for (kind, body) in [
        (IS_JSON, long.clone()),
        (
            "content-type: text/event-stream\r\n",
            format!("data: {long}\n\n"),
        ),
    ] {
        client.ask(2, "a").await;
        server.next().await.answer("200 OK", kind, &body).await;
        let got = client.read().await;
        assert_eq!(got["error"]["code"], BAD_ANSWER);
        assert!(
            got["error"]["message"]
                .as_str()
                .unwrap()
                .contains("4096 is the most"),
            "{got}"
        );
    }
}

#[tokio::test]
async fn what_is_cancelled_is_cancelled_there_and_its_connection_ended() {
    use tokio::io::AsyncReadExt;
    let server = ByHand::start().await;
    let mut client = Client::begun(&server).await;
    client.ask(1, "a").await;
    let mut waits = server.next().await;
    client.say(json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 1}})).await;
    let told = server.next().await;
    assert_eq!(told.body["params"]["requestId"], 1);
    told.answer("202 Accepted", "", "").await;
    let mut rest = Vec::new();
    assert_eq!(soon(waits.stream.read_to_end(&mut rest)).await.unwrap(), 0);
    client.leave(&server).await;
}
