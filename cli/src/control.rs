//! The socket of a running script: `hookpoint events` asks there.
//!
//! Only the same user can: the socket is in a folder that nobody else may enter. A request is one line of JSON, an
//! answer one or more.

use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use hookpoint::PerformanceMonitor;
use hookpoint::events::{Delivery, EventBus, Overflow};
use hookpoint::report::Report;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// How long a request may be, in bytes.
const MAX_REQUEST: u64 = 64 << 10;

/// How long to wait after a connection could not be accepted.
const ACCEPT_AGAIN: Duration = Duration::from_millis(200);

/// How long somebody may take to read a line of events when the run ends: then nobody waits for who reads no more.
const LAST_LINE: Duration = Duration::from_secs(1);

/// What can be asked.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Request {
    /// Events as they are published; at first the last ones.
    Tail { pattern: String, historic: usize },
    /// The figures of the bus.
    Stats,
    /// What calls met so far, and what hooks cost.
    Report,
}

/// The answer to [`Request::Report`].
#[derive(Serialize, Deserialize)]
pub(crate) struct Reported {
    pub(crate) report: Value,
    pub(crate) performance: Value,
    /// Both, for people.
    pub(crate) text: String,
}

/// One subscription in the answer to [`Request::Stats`].
#[derive(Deserialize)]
pub(crate) struct Subscribed {
    pub(crate) name: String,
    pub(crate) pattern: String,
    pub(crate) delivered: u64,
    pub(crate) dropped: u64,
    pub(crate) lag: u64,
}

/// Where the sockets of running scripts are: `HOOKPOINT_RUN_DIR`, or `hookpoint` in the user's folder for such
/// things, or one for the user in the folder for temporary files.
pub(crate) fn folder() -> PathBuf {
    let set = |name| std::env::var_os(name).filter(|value| !value.is_empty());
    if let Some(folder) = set("HOOKPOINT_RUN_DIR") {
        return folder.into();
    }
    match set("XDG_RUNTIME_DIR") {
        Some(folder) => Path::new(&folder).join("hookpoint"),
        None => std::env::temp_dir().join(format!("hookpoint-{}", user())),
    }
}

/// The user's number.
fn user() -> u32 {
    rustix::process::geteuid().as_raw()
}

/// What is asked about.
#[derive(Clone)]
pub(crate) struct Answers {
    pub(crate) bus: EventBus,
    pub(crate) report: Arc<Report>,
    pub(crate) monitor: PerformanceMonitor,
}

/// Answers until it is dropped.
pub(crate) struct Control {
    path: PathBuf,
    task: JoinHandle<()>,
    ending: watch::Sender<bool>,
}

impl Control {
    /// Opens the socket of this process.
    ///
    /// # Errors
    /// The folder or the socket cannot be made, or others may enter the folder.
    pub(crate) fn open(answers: Answers) -> io::Result<Control> {
        let folder = folder();
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&folder)?;
        // Of the folder itself: a link to one would be somebody's choice of another place.
        let found = std::fs::symlink_metadata(&folder)?;
        let is_own = found.is_dir() && found.uid() == user();
        if !is_own || found.permissions().mode() & 0o077 != 0 {
            return Err(io::Error::other(format!(
                "{} is no folder of yours alone: make it one (chmod 700), or set HOOKPOINT_RUN_DIR to another folder",
                folder.display()
            )));
        }
        let path = folder.join(format!("{}.sock", std::process::id()));
        // Of a process that had this number and was killed.
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let listener = UnixListener::bind(&path)?;
        let (ending, ends) = watch::channel(false);
        let task = tokio::spawn(serve(listener, answers, ends));
        Ok(Control { path, task, ending })
    }

    /// The run ends: those who follow its events get what is still to come, if they read it.
    pub(crate) fn end(&self) {
        self.ending.send_replace(true);
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        self.task.abort();
        if let Err(error) = std::fs::remove_file(&self.path) {
            eprintln!("warning: {} stays: {error}", self.path.display());
        }
    }
}

async fn serve(listener: UnixListener, answers: Answers, ends: watch::Receiver<bool>) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                let (answers, ends) = (answers.clone(), ends.clone());
                tokio::spawn(async move {
                    // One that goes away in the middle is nobody's error.
                    let _gone = answer(stream, &answers, ends).await;
                });
            }
            // Out of file descriptors, say: those who are connected go away, and then there are some again.
            Err(error) => {
                eprintln!("warning: a question of `hookpoint events` was not answered: {error}");
                tokio::time::sleep(ACCEPT_AGAIN).await;
            }
        }
    }
}

async fn answer(
    stream: UnixStream,
    answers: &Answers,
    mut ends: watch::Receiver<bool>,
) -> io::Result<()> {
    let bus = &answers.bus;
    let (read, mut write) = stream.into_split();
    let mut line = String::new();
    let mut read = BufReader::new(read.take(MAX_REQUEST));
    read.read_line(&mut line).await?;
    let said = match serde_json::from_str(&line) {
        Ok(Request::Report) => {
            let report = answers.report.snapshot();
            let performance = answers.monitor.snapshot();
            let text = format!("{report}\n\n{}", crate::report::text(&performance));
            json!(Reported {
                report: json!(report),
                performance: json!(performance),
                text,
            })
        }
        Ok(Request::Stats) => json!({ "bus": bus.metrics(), "subscriptions": bus.subscriptions() }),
        Ok(Request::Tail { pattern, historic }) => {
            let events = bus
                .subscribe(pattern.as_str())
                .name("hookpoint events tail");
            let events = events.overflow(Overflow::DropOldest);
            let opened = match historic {
                0 => events.stream(),
                count => events.historic(count).stream(),
            };
            match opened {
                Ok(mut events) => loop {
                    tokio::select! {
                        delivery = events.recv() => match delivery {
                            Some(delivery) => {
                                let line = shown(&delivery);
                                tokio::select! {
                                    sent = send(&mut write, &line) => sent?,
                                    () = too_late(&mut ends) => return Ok(()),
                                }
                            }
                            None => return Ok(()),
                        },
                        // Nothing more is asked on this connection: the other side has gone.
                        _ = read.read_u8() => return Ok(()),
                    }
                },
                Err(error) => json!({ "error": error.to_string() }),
            }
        }
        Err(error) => json!({ "error": format!("this is no request: {error}") }),
    };
    send(&mut write, &said).await
}

/// Some time after the run began to end.
async fn too_late(ends: &mut watch::Receiver<bool>) {
    // An error says that it is over already.
    drop(ends.wait_for(|ending| *ending).await);
    tokio::time::sleep(LAST_LINE).await;
}

async fn send(to: &mut (impl AsyncWriteExt + Unpin), line: &Value) -> io::Result<()> {
    to.write_all(format!("{line}\n").as_bytes()).await
}

fn shown(delivery: &Delivery) -> Value {
    match delivery {
        Delivery::Event(event) => json!(**event),
        Delivery::Gap(gap) => {
            json!({ "gap": { "from": gap.from, "to": gap.to, "count": gap.count() } })
        }
        other => json!({ "note": format!("{other:?}") }),
    }
}
