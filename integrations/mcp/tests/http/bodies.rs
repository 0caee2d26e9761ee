//! Clients that take their time to send a body.

use std::net::SocketAddr;
use std::time::Duration;

use hooks_mcp::side::http::HttpListenerOptions;
use hooks_mcp::{GatewayOptions, Limits};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::Instant;

use crate::kit::{BOTH, Client, Echo, IS_JSON, Listening, request, soon};

/// More than is read without a turn, in bytes.
const LARGE: usize = 100 << 10;

async fn start(options: HttpListenerOptions) -> Listening {
    let echo = Echo::new();
    let server = move || echo.side(&Limits::default());
    Listening::start(options, GatewayOptions::default(), |_| (), server).await
}

/// Begins a large body, and does not end it.
async fn begin_body(address: SocketAddr, session: Option<&str>) -> TcpStream {
    let session = session.map_or(String::new(), |id| format!("mcp-session-id: {id}\r\n"));
    let length = 2 * LARGE;
    let head = format!(
        "POST /mcp HTTP/1.1\r\nhost: {address}\r\n{session}{BOTH}{IS_JSON}content-length: {length}\r\n\r\n"
    );
    let mut stream = soon(TcpStream::connect(address)).await.unwrap();
    soon(stream.write_all(head.as_bytes())).await.unwrap();
    soon(stream.write_all(&[b' '; LARGE])).await.unwrap();
    stream
}

fn large() -> Value {
    json!({"protocolVersion": "2025-11-25", "x": "x".repeat(LARGE)})
}

#[tokio::test]
async fn whoever_does_not_end_its_body_holds_up_no_session_but_its_own() {
    let listening = start(HttpListenerOptions::default()).await;
    let (mut dawdler, mut other) = (listening.client(), listening.client());
    dawdler.begin("2025-11-25").await;
    other.begin("2025-11-25").await;
    let mut begun = Vec::new();
    for session in [None, dawdler.session.as_deref()] {
        for _ in 0..8 {
            begun.push(begin_body(listening.address, session).await);
        }
    }
    // They are read as far as they are, before what comes after them.
    assert_eq!(dawdler.ask(1, "a", json!({"n": 1})).await["result"]["n"], 1);
    let answer = other.ask(2, "a", large()).await;
    assert_eq!(answer["result"], large());
    drop(begun);
    // Nor for longer than they last.
    let answer = dawdler.ask(3, "a", large()).await;
    assert_eq!(answer["result"], large());
    listening.stop().await;
}

/// Sends a byte whenever it would be taken for silent, until it is answered; the first line of the answer.
async fn drip(stream: TcpStream) -> String {
    let (mut read, mut write) = stream.into_split();
    let mut answer = vec![0; 12];
    let drips = async {
        for _ in 0..20 {
            tokio::time::sleep(Duration::from_secs(29)).await;
            write.write_all(b" ").await.expect("it is read");
        }
    };
    tokio::select! {
        biased;
        got = read.read_exact(&mut answer) => assert_eq!(got.expect("an answer"), 12),
        () = drips => panic!("it is never refused"),
    }
    String::from_utf8(answer).unwrap()
}

#[tokio::test]
async fn a_body_that_takes_too_long_is_refused_and_others_have_their_turn() {
    let limit = Duration::from_secs(70);
    let mut options = HttpListenerOptions::default();
    options.body_timeout = limit;
    options.max_large_first_bodies = 1;
    let listening = start(options).await;
    let slow = begin_body(listening.address, None).await;
    let begun = Instant::now();
    tokio::time::pause();
    assert_eq!(drip(slow).await, "HTTP/1.1 408");
    tokio::time::resume();
    let taken = begun.elapsed();
    assert!(taken >= limit && taken < 2 * limit, "{taken:?}");
    let client: Client = listening.client();
    let mut answer = client.post(&request(1, "initialize", large())).await;
    assert_eq!(answer.event().await.unwrap().1["id"], 1);
    listening.stop().await;
}
