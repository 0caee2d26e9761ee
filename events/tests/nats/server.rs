//! A `nats-server` of the test's own, and as much of its protocol as the test needs
//! (<https://docs.nats.io/reference/reference-protocols/nats-protocol>).

use std::env;
use std::ffi::OsString;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::thread;

/// Runs until it is dropped.
pub(crate) struct Server {
    process: Child,
    address: String,
}

impl Server {
    /// On a free port of the loopback interface.
    pub(crate) fn start() -> Server {
        let program =
            env::var_os("HOOKPOINT_NATS_SERVER").unwrap_or_else(|| OsString::from("nats-server"));
        let mut process = Command::new(&program)
            .args(["--addr", "127.0.0.1", "--port", "-1"])
            .current_dir(env::temp_dir())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| {
                panic!(
                    "this test asks a real nats-server, and `{}` cannot be started: {error}; run \
                     `scripts/test preflight --install` and `scripts/test test`, or install nats-server, or set \
                     HOOKPOINT_NATS_SERVER to its path",
                    program.display()
                )
            });
        let mut log = BufReader::new(process.stderr.take().expect("its log is piped"));
        let mut seen = String::new();
        let address = loop {
            let before = seen.len();
            let read = log
                .read_line(&mut seen)
                .expect("the log of nats-server is text");
            assert!(read > 0, "nats-server ended before it listened:\n{seen}");
            if let Some((_, address)) =
                seen[before..].split_once("Listening for client connections on ")
            {
                break address.trim().to_owned();
            }
        };
        // A full pipe would stop the server.
        thread::spawn(move || std::io::copy(&mut log, &mut std::io::sink()));
        Server { process, address }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself, which its connections have noticed.
        let _ended = self.process.kill();
        let _status = self.process.wait();
    }
}

/// A connection to a server, in its strict mode.
pub(crate) struct Connection {
    reader: BufReader<TcpStream>,
    /// What is sent with the next flush.
    outgoing: Vec<u8>,
}

impl Connection {
    pub(crate) fn open(server: &Server) -> Connection {
        let stream = TcpStream::connect(&server.address).expect("nats-server accepts connections");
        let mut connection = Connection {
            reader: BufReader::new(stream),
            outgoing: b"CONNECT {\"verbose\":false,\"pedantic\":true}\r\n".to_vec(),
        };
        assert!(connection.line().starts_with("INFO "));
        connection
            .flush()
            .expect("nats-server accepts the connection");
        connection
    }

    pub(crate) fn subscribe(&mut self, subject: &str, id: usize) {
        self.send(format!("SUB {subject} {id}\r\n"));
    }

    pub(crate) fn unsubscribe(&mut self, id: usize) {
        self.send(format!("UNSUB {id}\r\n"));
    }

    /// The number is the message.
    pub(crate) fn publish(&mut self, subject: &str, number: usize) {
        let message = number.to_string();
        self.send(format!("PUB {subject} {}\r\n{message}\r\n", message.len()));
    }

    fn send(&mut self, text: String) {
        self.outgoing.extend_from_slice(text.as_bytes());
    }

    /// Waits until the server has done all: the messages that came, each with the subscription that it came for,
    /// or the server's complaint.
    pub(crate) fn flush(&mut self) -> Result<Vec<(usize, usize)>, String> {
        self.send("PING\r\n".into());
        let outgoing = std::mem::take(&mut self.outgoing);
        // Another thread writes: a server that waits for us to read would not read either.
        let mut writer = self
            .reader
            .get_ref()
            .try_clone()
            .expect("a connection has two ends");
        let written = thread::spawn(move || writer.write_all(&outgoing));
        let (mut delivered, mut complaint) = (Vec::new(), None);
        loop {
            let line = self.line();
            let words: Vec<&str> = line.split_whitespace().collect();
            match *words.as_slice() {
                ["PONG"] => break,
                // It asks whether we live, a while after we came; the answer goes with the next flush, and it
                // asks twice before it gives up.
                ["PING"] => self.send("PONG\r\n".into()),
                ["MSG", _subject, id, _bytes] => {
                    let id = id.parse().expect("an id");
                    delivered.push((self.line().trim_end().parse().expect("a number"), id));
                }
                ["-ERR", ..] => complaint = Some(line),
                _ => panic!("nats-server says `{line}`"),
            }
        }
        written
            .join()
            .expect("the writer does not panic")
            .expect("nats-server reads");
        match complaint {
            Some(complaint) => Err(complaint),
            None => Ok(delivered),
        }
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        let read = self
            .reader
            .read_line(&mut line)
            .expect("nats-server sends text");
        assert!(read > 0, "nats-server closed the connection");
        line
    }
}
