//! Clients that do not read.

use std::sync::Arc;

use hooks_mcp::side::http::HttpListenerOptions;
use hooks_mcp::{GatewayOptions, Limits};
use serde_json::json;

use crate::kit::{Client, Echo, Listening, request};

/// How long a message is, in bytes.
const BYTES: usize = 32 << 10;
/// How many the server writes: 24 MiB.
const COUNT: usize = 768;
/// How many may be on their way: 1 MiB that waits, half that is kept, and what the system holds in its sockets.
const MOST: usize = (8 << 20) / BYTES;

async fn start() -> (Listening, Arc<Echo>) {
    let (echo, mut gateway) = (Echo::new(), GatewayOptions::default());
    gateway.limits.max_message_bytes = 128 << 10;
    gateway.limits.max_queued_bytes = 1 << 20;
    let mut options = HttpListenerOptions::default();
    options.max_kept_bytes = 512 << 10;
    let server = Arc::clone(&echo);
    let listening = Listening::start(
        options,
        gateway,
        |_| (),
        move || server.side(&Limits::default()),
    );
    (listening.await, echo)
}

/// Uses another session until the flood stands still, for as many calls.
async fn stands_still(echo: &Echo, other: &Client) -> usize {
    let mut id = 0;
    loop {
        let before = *echo.flooded.borrow();
        for _ in 0..50 {
            id += 1;
            assert_eq!(other.ask(id, "a", json!({})).await["id"], id);
        }
        if before > 0 && *echo.flooded.borrow() == before {
            return before;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_does_not_read_holds_up_its_own_server_and_nobody_else() {
    for on_own_stream in [true, false] {
        let (listening, echo) = start().await;
        let (mut slow, mut other) = (listening.client(), listening.client());
        slow.begin("2025-06-18").await;
        other.begin("2025-06-18").await;
        let mut params = json!({"count": COUNT, "bytes": BYTES});
        let own = match on_own_stream {
            true => Some(slow.listen().await),
            false => {
                params["_meta"] = json!({"progressToken": "flood"});
                None
            }
        };
        let mut answer = slow.post(&request(1, "flood", params)).await;
        let still = stands_still(&echo, &other).await;
        assert!(still < MOST, "{still} messages are on their way");
        // Whoever reads then gets everything, in order.
        let mut own = own;
        let stream = own.as_mut().unwrap_or(&mut answer);
        for progress in 0..COUNT {
            let (_, told) = stream.event().await.unwrap();
            assert_eq!(told["params"]["progress"], progress);
        }
        assert_eq!(answer.event().await.unwrap().1["id"], 1);
        drop((answer, own));
        listening.stop().await;
    }
}
