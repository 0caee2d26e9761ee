//! A server that answers what its test says, byte by byte.

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

use super::{IS_JSON, soon};

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
