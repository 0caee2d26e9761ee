//! A server in lines.

use std::sync::Arc;

use hooks_mcp::{Limits, Side};
use serde_json::{Value, json};
use tokio::io::{
    AsyncBufReadExt, AsyncWriteExt, BufReader, DuplexStream, WriteHalf, duplex, split,
};
use tokio::sync::watch;

/// A server in lines that says what it was asked, and what its test tells it to.
pub(crate) struct Echo {
    /// How many there are.
    pub(crate) running: watch::Sender<usize>,
    /// How many requests `hold` have come.
    pub(crate) held: watch::Sender<usize>,
    /// They may be answered.
    pub(crate) open: watch::Sender<bool>,
    /// How many messages `flood` has written.
    pub(crate) flooded: watch::Sender<usize>,
}

impl Echo {
    pub(crate) fn new() -> Arc<Echo> {
        let (running, held) = (watch::Sender::new(0), watch::Sender::new(0));
        let open = watch::Sender::new(false);
        let flooded = watch::Sender::new(0);
        Arc::new(Echo {
            running,
            held,
            open,
            flooded,
        })
    }

    pub(crate) fn side(self: &Arc<Self>, limits: &Limits) -> std::io::Result<Side> {
        let (server, gateway) = duplex(64 << 10);
        let echo = Arc::clone(self);
        echo.running.send_modify(|running| *running += 1);
        tokio::spawn(async move {
            echo.run(server).await;
            echo.running.send_modify(|running| *running -= 1);
        });
        let (reader, writer) = split(gateway);
        Ok(Side::lines(reader, writer, limits))
    }

    async fn run(&self, stream: DuplexStream) {
        let (reader, mut writer) = split(stream);
        let mut lines = BufReader::new(reader).lines();
        let (mut open, mut held) = (self.open.subscribe(), Vec::new());
        loop {
            let line = tokio::select! {
                line = lines.next_line() => line,
                _ = open.wait_for(|open| *open), if !held.is_empty() => Ok(None),
            };
            let said = match line {
                // The last is answered first.
                Ok(None) if !held.is_empty() => held.drain(..).rev().collect(),
                Ok(Some(line)) => {
                    let asked: Value =
                        serde_json::from_str(&line).expect("the gateway writes JSON");
                    if asked["method"] == "hold" {
                        held.push(
                            json!({"jsonrpc": "2.0", "id": asked["id"], "result": asked["params"]}),
                        );
                        self.held.send_modify(|held| *held += 1);
                    }
                    if asked["method"] == "flood" && !self.flood(&mut writer, &asked).await {
                        return;
                    }
                    answers(&asked)
                }
                _ => return,
            };
            for said in said {
                if writer
                    .write_all(format!("{said}\n").as_bytes())
                    .await
                    .is_err()
                {
                    return;
                }
            }
        }
    }
}

impl Echo {
    /// Tells of so much progress, each of so many bytes; false when nobody reads any more.
    async fn flood(&self, writer: &mut WriteHalf<DuplexStream>, asked: &Value) -> bool {
        let number = |name: &str| usize::try_from(asked["params"][name].as_u64().unwrap()).unwrap();
        let message = "x".repeat(number("bytes"));
        for progress in 0..number("count") {
            let params =
                json!({"progressToken": "flood", "progress": progress, "message": message});
            let told =
                json!({"jsonrpc": "2.0", "method": "notifications/progress", "params": params});
            let line = format!("{told}\n");
            if writer.write_all(line.as_bytes()).await.is_err() {
                return false;
            }
            self.flooded.send_modify(|flooded| *flooded += 1);
        }
        true
    }
}

/// `silent` is never answered, `tell` is told about first, `big` is answered with so many bytes.
fn answers(asked: &Value) -> Vec<Value> {
    let (id, params) = (&asked["id"], &asked["params"]);
    let result = |result: Value| json!({"jsonrpc": "2.0", "id": id, "result": result});
    match asked["method"].as_str() {
        Some("initialize") => vec![result(json!({
            "protocolVersion": params["protocolVersion"], "capabilities": {"tools": {}},
            "serverInfo": {"name": "echo", "version": "1"}
        }))],
        Some("silent" | "hold") => vec![],
        Some("tell") => vec![
            json!({"jsonrpc": "2.0", "method": "notifications/message", "params": params}),
            result(params.clone()),
        ],
        // With `token`, under that one.
        Some("steps") => {
            let token = params
                .pointer("/_meta/progressToken")
                .or(params.get("token"));
            let step = |n| {
                json!({"jsonrpc": "2.0", "method": "notifications/progress",
                "params": {"progressToken": token, "progress": n}})
            };
            vec![step(1), step(2), result(params.clone())]
        }
        Some("roots") => {
            vec![json!({"jsonrpc": "2.0", "id": "of the server", "method": "roots/list"})]
        }
        Some("big") => {
            let bytes = usize::try_from(params["bytes"].as_u64().unwrap()).unwrap();
            vec![result(json!({"text": "x".repeat(bytes)}))]
        }
        Some(_) if !id.is_null() => vec![result(params.clone())],
        // What answers a request of the server is told.
        None => vec![
            json!({"jsonrpc": "2.0", "method": "notifications/message", "params": {"data": asked}}),
        ],
        _ => vec![],
    }
}
