//! A client by hand, and what it is answered.

use std::net::SocketAddr;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpSocket, TcpStream};

use super::{BOTH, IS_JSON, request, soon};

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
