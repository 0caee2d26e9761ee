//! Clients and servers that speak HTTP by hand.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hooks_mcp::side::http::{HttpListener, HttpListenerOptions};
use hooks_mcp::{Gateway, GatewayOptions, Limits, Side};
use hooks_runtime::{HookRegistry, HookScope};
use serde_json::{Value, json};
use tokio::io::{
    AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, DuplexStream, WriteHalf, duplex, split,
};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// What never comes is a failure after this long.
pub(crate) const NEVER: Duration = Duration::from_secs(20);

pub(crate) async fn soon<T>(work: impl Future<Output = T>) -> T {
    timeout(NEVER, work).await.expect("it comes")
}

/// A gateway that listens.
pub(crate) struct Listening {
    _registry: HookRegistry,
    pub(crate) address: SocketAddr,
    stop: oneshot::Sender<()>,
    served: JoinHandle<()>,
}

impl Listening {
    pub(crate) async fn start(
        options: HttpListenerOptions,
        gateway: GatewayOptions,
        register: impl FnOnce(&HookRegistry),
        server: impl Fn() -> std::io::Result<Side> + Send + Sync + 'static,
    ) -> Listening {
        let registry = HookRegistry::new();
        let scope = HookScope::isolated(&registry);
        register(&registry);
        let any = "127.0.0.1:0".parse().unwrap();
        let listener = HttpListener::bind(any, options).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel();
        let until = async { stopped.await.expect("it is stopped, not dropped") };
        let serve = listener.serve(Gateway::new(gateway), server, until);
        let served = tokio::spawn(scope.wrap(serve));
        Listening {
            _registry: registry,
            address,
            stop,
            served,
        }
    }

    pub(crate) fn client(&self) -> Client {
        Client {
            address: self.address,
            session: None,
        }
    }

    pub(crate) async fn stop(self) {
        self.stop.send(()).expect("it serves");
        soon(self.served).await.expect("it does not panic");
    }
}

/// One answer of HTTP, whose body is read as it comes.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    reader: BufReader<TcpStream>,
    chunked: bool,
    left: usize,
    buffer: String,
    /// How much of it holds no end of an event.
    seen: usize,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<String> {
        let name = format!("{name}: ");
        let line = self
            .head
            .lines()
            .find(|line| line.to_ascii_lowercase().starts_with(&name));
        line.map(|line| line[name.len()..].trim().to_owned())
    }

    /// More of the body; false at its end.
    async fn more(&mut self) -> bool {
        if self.chunked {
            let mut size = String::new();
            if soon(self.reader.read_line(&mut size)).await.unwrap_or(0) == 0 {
                return false;
            }
            let size = usize::from_str_radix(size.trim(), 16).expect("a size of a chunk");
            let mut chunk = vec![0; size + 2];
            soon(self.reader.read_exact(&mut chunk))
                .await
                .expect("a whole chunk");
            self.buffer
                .push_str(std::str::from_utf8(&chunk[..size]).unwrap());
            return size > 0;
        }
        let mut rest = vec![0; std::mem::take(&mut self.left)];
        soon(self.reader.read_exact(&mut rest))
            .await
            .expect("a whole body");
        self.buffer.push_str(std::str::from_utf8(&rest).unwrap());
        false
    }

    pub(crate) async fn text(mut self) -> String {
        while self.more().await {}
        self.buffer
    }

    pub(crate) async fn json(self) -> Value {
        let text = self.text().await;
        serde_json::from_str(&text).unwrap_or_else(|_| panic!("no JSON: {text:?}"))
    }

    /// The id of the event without data with which a stream begins.
    pub(crate) async fn first_id(&mut self) -> String {
        while !self.buffer.contains("\n\n") {
            assert!(self.more().await, "the stream ends without one");
        }
        let id = self
            .buffer
            .lines()
            .next()
            .and_then(|line| line.strip_prefix("id: "));
        id.expect("it has an id").to_owned()
    }

    /// The next event that has data: its id, and the message. `None` at the end of the stream.
    pub(crate) async fn event(&mut self) -> Option<(String, Value)> {
        loop {
            while let Some(end) = self.buffer[self.seen..].find("\n\n") {
                let (event, rest) = self.buffer.split_at(self.seen + end);
                let rest = &rest[2..];
                self.seen = 0;
                let field = |name: &str| {
                    let of =
                        |line: &str| line.strip_prefix(name).map(|value| value.trim().to_owned());
                    event.lines().find_map(of)
                };
                let (id, data) = (field("id:"), field("data:"));
                self.buffer = rest.to_owned();
                if let Some(data) = data.filter(|data| !data.is_empty()) {
                    let id = id.unwrap_or_default();
                    return Some((
                        id,
                        serde_json::from_str(&data).expect("events are messages"),
                    ));
                }
            }
            self.seen = self.buffer.len().saturating_sub(1);
            if !self.more().await {
                return None;
            }
        }
    }
}

/// A client by hand.
#[derive(Clone)]
pub(crate) struct Client {
    pub(crate) address: SocketAddr,
    pub(crate) session: Option<String>,
}

/// How much the system reads ahead, in bytes.
const RECEIVED: u32 = 64 << 10;

pub(crate) const BOTH: &str = "accept: application/json, text/event-stream\r\n";
pub(crate) const IS_JSON: &str = "content-type: application/json\r\n";

pub(crate) fn request(id: impl Into<Value>, method: &str, params: Value) -> Value {
    let id: Value = id.into();
    json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params})
}

impl Client {
    /// Sends a request on a connection of its own.
    pub(crate) async fn send(&self, method: &str, headers: &str, body: &[u8]) -> Answer {
        let socket = TcpSocket::new_v4().unwrap();
        // What the system takes for a client that does not read is little.
        socket.set_recv_buffer_size(RECEIVED).unwrap();
        let mut stream = soon(socket.connect(self.address))
            .await
            .expect("it listens");
        let session = self
            .session
            .as_ref()
            .map(|id| format!("mcp-session-id: {id}\r\n"));
        let length = match method {
            "POST" => format!("content-length: {}\r\n", body.len()),
            _ => String::new(),
        };
        let host = match headers.contains("host: ") {
            true => String::new(),
            false => format!("host: {}\r\n", self.address),
        };
        let head = format!(
            "{method} /mcp HTTP/1.1\r\n{host}{}{headers}{length}\r\n",
            session.unwrap_or_default()
        );
        soon(stream.write_all(head.as_bytes())).await.unwrap();
        // It may be refused before it is read.
        if let Err(error) = soon(stream.write_all(body)).await {
            assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
        }
        let mut reader = BufReader::new(stream);
        let mut head = String::new();
        loop {
            let mut line = String::new();
            let read = soon(reader.read_line(&mut line)).await.expect("an answer");
            if read == 0 || line == "\r\n" {
                break;
            }
            head.push_str(&line);
        }
        let status = head
            .split(' ')
            .nth(1)
            .and_then(|status| status.parse().ok());
        let mut answer = Answer {
            status: status.unwrap_or_else(|| panic!("no status: {head:?}")),
            head,
            reader,
            chunked: false,
            left: 0,
            buffer: String::new(),
            seen: 0,
        };
        answer.chunked = answer.header("transfer-encoding").is_some();
        answer.left = answer
            .header("content-length")
            .map_or(0, |length| length.parse().unwrap());
        answer
    }

    /// Opens the stream of what the server begins.
    pub(crate) async fn listen(&self) -> Answer {
        let answer = self.send("GET", "accept: text/event-stream\r\n", b"").await;
        assert_eq!(answer.status, 200, "{}", answer.head);
        answer
    }

    pub(crate) async fn post(&self, message: &Value) -> Answer {
        self.send(
            "POST",
            &format!("{BOTH}{IS_JSON}"),
            message.to_string().as_bytes(),
        )
        .await
    }

    /// The one answer to a request.
    pub(crate) async fn ask(&self, id: impl Into<Value>, method: &str, params: Value) -> Value {
        let mut answer = self.post(&request(id, method, params)).await;
        assert_eq!(answer.status, 200, "{}", answer.head);
        let (_, message) = answer.event().await.expect("an answer");
        assert!(
            answer.event().await.is_none(),
            "the stream ends with the answer"
        );
        message
    }

    /// Begins a session.
    pub(crate) async fn begin(&mut self, version: &str) {
        let params = json!({"protocolVersion": version, "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}});
        let mut answer = self.post(&request("init", "initialize", params)).await;
        assert_eq!(answer.status, 200, "{}", answer.head);
        self.session = answer.header("mcp-session-id");
        let (_, message) = answer.event().await.expect("an answer");
        assert_eq!(message["result"]["protocolVersion"], version, "{message}");
        let ready = json!({"jsonrpc": "2.0", "method": "notifications/initialized"});
        assert_eq!(self.post(&ready).await.status, 202);
    }
}

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

/// What a client of HTTP has sent to a server by hand.
pub(crate) struct Asked {
    pub(crate) head: String,
    pub(crate) body: Value,
    pub(crate) stream: BufReader<TcpStream>,
}

impl Asked {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let of = |line: &'_ str| line.to_ascii_lowercase().starts_with(&format!("{name}: "));
        self.head
            .lines()
            .find(|line| of(line))
            .map(|line| line[name.len() + 2..].trim())
    }

    /// Answers, and closes the connection.
    pub(crate) async fn answer(mut self, status: &str, headers: &str, body: &str) {
        let length = body.len();
        let whole = format!(
            "HTTP/1.1 {status}\r\n{headers}content-length: {length}\r\nconnection: close\r\n\r\n{body}"
        );
        self.write(&whole).await;
        self.stream.shutdown().await.expect("the client is there");
    }

    pub(crate) async fn answer_json(self, result: Value) {
        let body = json!({"jsonrpc": "2.0", "id": self.body["id"], "result": result});
        self.answer("200 OK", IS_JSON, &body.to_string()).await;
    }

    /// Begins a stream of events that ends with the connection.
    pub(crate) async fn begin(&mut self) {
        self.write(
            "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n",
        )
        .await;
    }

    pub(crate) async fn write(&mut self, text: &str) {
        soon(self.stream.write_all(text.as_bytes()))
            .await
            .expect("it is read");
    }
}

/// A server by hand.
pub(crate) struct ByHand(TcpListener);

impl ByHand {
    pub(crate) async fn start() -> ByHand {
        ByHand(TcpListener::bind("127.0.0.1:0").await.unwrap())
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/mcp", self.0.local_addr().unwrap())
    }

    /// The next request, on a connection of its own.
    pub(crate) async fn next(&self) -> Asked {
        let (stream, _) = soon(self.0.accept()).await.unwrap();
        let mut reader = BufReader::new(stream);
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            assert_ne!(
                soon(reader.read_line(&mut head)).await.unwrap(),
                0,
                "it is cut off: {head}"
            );
        }
        let mut asked = Asked {
            head,
            body: Value::Null,
            stream: reader,
        };
        let length = asked.header("content-length");
        let length = length.map_or(0, |length| length.parse().unwrap());
        if length > 0 {
            let mut body = vec![0; length];
            soon(asked.stream.read_exact(&mut body)).await.unwrap();
            asked.body = serde_json::from_slice(&body).unwrap();
        }
        asked
    }
}
