//! A server that the gateway has started.

use std::ffi::OsString;
use std::process::Stdio;
use std::time::Duration;

use async_trait::async_trait;
use rustix::process::{Pid, Signal, kill_process};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until, timeout};

use super::{Deliver, Frame, LineReceiver, LineSender, Receive, Received, Side};
use crate::limits::Limits;

/// How long the output of a server that has ended is read on, if somebody else holds it open: what it wrote last is
/// there at once.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// How long a server has for its end: after its standard input was closed, and then after SIGTERM. After that it is
/// killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Grace {
    /// After its standard input was closed. Default: two seconds.
    pub closed: Duration,
    /// After SIGTERM. Default: two seconds.
    pub terminated: Duration,
}

impl Default for Grace {
    fn default() -> Self {
        Grace {
            closed: Duration::from_secs(2),
            terminated: Duration::from_secs(2),
        }
    }
}

impl Grace {
    /// So long each time.
    pub fn of(duration: Duration) -> Self {
        Grace {
            closed: duration,
            terminated: duration,
        }
    }
}

/// The process of a server: its standard input and output are the side, its standard error is ours. It is ended by
/// its id, when the side is closed; if the gateway itself is dropped before, it is killed.
pub struct ServerProcess {
    /// Whoever drops this kills the server.
    ends: mpsc::Sender<End>,
    ended: watch::Receiver<bool>,
    stdin: LineSender<ChildStdin>,
    grace: Grace,
}

/// How a server is to end.
enum End {
    Told,
    Killed,
}

/// What a server writes, until it is gone.
struct ServerOutput {
    lines: LineReceiver<ChildStdout>,
    ended: watch::Receiver<bool>,
    until: Option<Instant>,
}

#[async_trait]
impl Receive for ServerOutput {
    async fn receive(&mut self) -> Option<Received> {
        let (ended, until) = (&mut self.ended, &mut self.until);
        let gone = async {
            if ended.wait_for(|ended| *ended).await.is_err() {
                tracing::debug!("nobody waits for the server's end");
            }
            sleep_until(*until.get_or_insert_with(|| Instant::now() + LAST_WORDS)).await;
        };
        tokio::select! {
            biased;
            received = self.lines.receive() => received,
            () = gone => None,
        }
    }
}

/// Waits for the server's end, and ends it if that is asked for.
async fn attend(mut child: Child, mut ends: mpsc::Receiver<End>, ended: watch::Sender<bool>) {
    loop {
        let end = tokio::select! {
            waited = child.wait() => {
                match waited {
                    Ok(status) => tracing::debug!(%status, "the server has ended"),
                    Err(error) => tracing::warn!(%error, "the server's end cannot be waited for"),
                }
                break;
            }
            end = ends.recv() => end,
        };
        if matches!(end, Some(End::Told)) {
            terminate(&child);
        } else {
            if let Err(error) = child.kill().await {
                tracing::warn!(%error, "the server cannot be killed");
            }
            break;
        }
    }
    ended.send_replace(true);
}

fn terminate(child: &Child) {
    // `None` when it was waited for: its id may be somebody else's by now.
    let id = child.id().and_then(|id| i32::try_from(id).ok());
    let Some(pid) = id.and_then(Pid::from_raw) else {
        return;
    };
    if let Err(error) = kill_process(pid, Signal::TERM) {
        tracing::warn!(%error, "the server cannot be told to end");
    }
}

impl ServerProcess {
    /// Starts a command: a program and its arguments.
    ///
    /// # Errors
    /// The program cannot be started.
    pub fn start(command: &[OsString], limits: &Limits, grace: Grace) -> std::io::Result<Side> {
        ServerProcess::start_without(&[], command, limits, grace)
    }

    /// The same, without these variables in its environment: secrets that are the gateway's alone.
    ///
    /// # Errors
    /// The program cannot be started.
    pub fn start_without(
        variables: &[String],
        command: &[OsString],
        limits: &Limits,
        grace: Grace,
    ) -> std::io::Result<Side> {
        let Some((program, arguments)) = command.split_first() else {
            let why = "there is no command: write the server's program and its arguments";
            return Err(std::io::Error::new(std::io::ErrorKind::InvalidInput, why));
        };
        let mut server = Command::new(program);
        for variable in variables {
            server.env_remove(variable);
        }
        let mut child = server
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .kill_on_drop(true)
            .spawn()?;
        let (Some(stdin), Some(stdout)) = (child.stdin.take(), child.stdout.take()) else {
            unreachable!("both were asked for");
        };
        let (ends, asked) = mpsc::channel(2);
        let (has_ended, ended) = watch::channel(false);
        tokio::spawn(attend(child, asked, has_ended));
        let output = ServerOutput {
            lines: LineReceiver::new(stdout, limits),
            ended: ended.clone(),
            until: None,
        };
        let process = ServerProcess {
            ends,
            ended,
            stdin: LineSender::new(stdin),
            grace,
        };
        Ok(Side::new(output, process))
    }

    /// Waits for its end.
    async fn ended_within(&mut self, limit: Duration) -> bool {
        let ended = self.ended.wait_for(|ended| *ended);
        // An error: whoever waited for it is gone, and the server with it.
        timeout(limit, ended).await.is_ok()
    }

    async fn end(&self, how: End) {
        if self.ends.send(how).await.is_err() {
            tracing::debug!("the server has ended before it was told to");
        }
    }
}

#[async_trait]
impl Deliver for ServerProcess {
    async fn deliver(&mut self, frame: Frame) -> std::io::Result<()> {
        self.stdin.deliver(frame).await
    }

    async fn close(&mut self) {
        self.stdin.close().await;
        if self.ended_within(self.grace.closed).await {
            return;
        }
        self.end(End::Told).await;
        if self.ended_within(self.grace.terminated).await {
            return;
        }
        tracing::warn!("the server did not end when told to, and is killed");
        self.end(End::Killed).await;
        if self.ended.wait_for(|ended| *ended).await.is_err() {
            tracing::debug!("nobody waits for the server's end");
        }
    }
}
