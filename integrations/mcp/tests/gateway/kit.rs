//! A client, the gateway, and a server, as lines of JSON.

use std::time::Duration;

use hooks_mcp::{Ended, Gateway, GatewayOptions, Limits, Side};
use hooks_runtime::{HookRegistry, HookScope};
use serde_json::{Value, json};
use tokio::io::{
    AsyncBufReadExt, AsyncWriteExt, BufReader, DuplexStream, Lines, ReadHalf, WriteHalf, duplex,
    split,
};
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// What never comes is a failure after this long.
pub(crate) const NEVER: Duration = Duration::from_secs(20);

/// How many bytes a pipe holds, as those of the system do.
const PIPE: usize = 64 << 10;

/// One end of a pipe in both directions.
pub(crate) struct Wire {
    reader: Lines<BufReader<ReadHalf<DuplexStream>>>,
    writer: WriteHalf<DuplexStream>,
}

impl Wire {
    pub(crate) fn new(stream: DuplexStream) -> Self {
        let (reader, writer) = split(stream);
        let reader = BufReader::new(reader).lines();
        Wire { reader, writer }
    }

    /// Writes bytes as they are.
    pub(crate) async fn raw(&mut self, bytes: impl AsRef<[u8]>) {
        let written = timeout(NEVER, self.writer.write_all(bytes.as_ref())).await;
        written.expect("it is read").expect("the pipe is open");
    }

    pub(crate) async fn line(&mut self, line: impl AsRef<str>) {
        self.raw(format!("{}\n", line.as_ref())).await;
    }

    pub(crate) async fn say(&mut self, message: Value) {
        self.line(message.to_string()).await;
    }

    pub(crate) async fn ask(&mut self, id: impl Into<Value>, method: &str, params: Value) {
        let id: Value = id.into();
        self.say(json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params}))
            .await;
    }

    pub(crate) async fn tell(&mut self, method: &str, params: Value) {
        self.say(json!({"jsonrpc": "2.0", "method": method, "params": params}))
            .await;
    }

    pub(crate) async fn answer(&mut self, id: impl Into<Value>, result: Value) {
        let id: Value = id.into();
        self.say(json!({"jsonrpc": "2.0", "id": id, "result": result}))
            .await;
    }

    /// The next line, as it came; `None` at the end.
    pub(crate) async fn read_line(&mut self) -> Option<String> {
        let line = timeout(NEVER, self.reader.next_line()).await;
        line.expect("something comes").expect("the pipe is open")
    }

    /// The next message.
    pub(crate) async fn read(&mut self) -> Value {
        let line = self.read_line().await.expect("the pipe is open");
        serde_json::from_str(&line).expect("every line is JSON")
    }

    /// Closes the writing half.
    pub(crate) async fn end(&mut self) {
        self.writer.shutdown().await.expect("the pipe is open");
    }
}

/// A session under hooks of its own.
pub(crate) struct Rig {
    _registry: HookRegistry,
    pub(crate) client: Wire,
    pub(crate) server: Wire,
    pub(crate) session: JoinHandle<Ended>,
}

impl Rig {
    pub(crate) fn new(register: impl FnOnce(&HookRegistry)) -> Rig {
        Rig::with(GatewayOptions::default(), register)
    }

    pub(crate) fn with(options: GatewayOptions, register: impl FnOnce(&HookRegistry)) -> Rig {
        let registry = HookRegistry::new();
        let scope = HookScope::isolated(&registry);
        register(&registry);
        let ((client, to_client), (server, to_server)) = (duplex(PIPE), duplex(PIPE));
        let limits: &Limits = &options.limits;
        let side = |stream| {
            let (reader, writer) = split(stream);
            Side::lines(reader, writer, limits)
        };
        let (client_side, server_side) = (side(to_client), side(to_server));
        let gateway = Gateway::new(options.clone());
        let session = async move { gateway.run(client_side, server_side).await };
        let session = tokio::spawn(scope.wrap(session));
        Rig {
            _registry: registry,
            client: Wire::new(client),
            server: Wire::new(server),
            session,
        }
    }

    /// Passes a request to the server and its answer to the client; what the server and the client got.
    pub(crate) async fn round(
        &mut self,
        id: i64,
        method: &str,
        params: Value,
        result: Value,
    ) -> (Value, Value) {
        self.client.ask(id, method, params).await;
        let asked = self.server.read().await;
        self.server.answer(asked["id"].clone(), result).await;
        (asked, self.client.read().await)
    }

    /// Calls a tool; what the client gets, without the server hearing of it.
    pub(crate) async fn refused_call(&mut self, id: i64, tool: &str, arguments: Value) -> Value {
        self.client
            .ask(
                id,
                "tools/call",
                json!({"name": tool, "arguments": arguments}),
            )
            .await;
        let answer = self.client.read().await;
        assert_eq!(answer["id"], id);
        answer
    }

    /// The client leaves; the server gets nothing more.
    pub(crate) async fn leave(mut self) -> Ended {
        self.client.end().await;
        assert_eq!(self.server.read_line().await, None);
        self.server.end().await;
        timeout(NEVER, self.session)
            .await
            .expect("it ends")
            .expect("it does not panic")
    }
}
