//! A server that the gateway has started.

use std::ffi::OsString;
use std::process::Stdio;
use std::time::Duration;

use async_trait::async_trait;
use rustix::process::{Pid, Signal, kill_process};
use tokio::process::{Child, ChildStdin, Command};
use tokio::time::timeout;

use super::{Deliver, Frame, LineReceiver, LineSender, Side};
use crate::limits::Limits;

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
    child: Child,
    stdin: LineSender<ChildStdin>,
    grace: Grace,
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
        let stdin = LineSender::new(stdin);
        let process = ServerProcess {
            child,
            stdin,
            grace,
        };
        Ok(Side::new(LineReceiver::new(stdout, limits), process))
    }

    /// Waits for its end.
    async fn ended_within(&mut self, limit: Duration) -> bool {
        match timeout(limit, self.child.wait()).await {
            Ok(Ok(status)) => {
                tracing::debug!(%status, "the server has ended");
                true
            }
            Ok(Err(error)) => {
                tracing::warn!(%error, "the server's end cannot be waited for");
                true
            }
            Err(_) => false,
        }
    }

    fn terminate(&self) {
        // `None` when it was waited for: its id may be somebody else's by now.
        let id = self.child.id().and_then(|id| i32::try_from(id).ok());
        let Some(pid) = id.and_then(Pid::from_raw) else {
            return;
        };
        if let Err(error) = kill_process(pid, Signal::TERM) {
            tracing::warn!(%error, "the server cannot be told to end");
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
        self.terminate();
        if self.ended_within(self.grace.terminated).await {
            return;
        }
        tracing::warn!("the server did not end when told to, and is killed");
        if let Err(error) = self.child.kill().await {
            tracing::warn!(%error, "the server cannot be killed");
        }
    }
}
