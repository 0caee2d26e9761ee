//! Approval by a person at the terminal.

#[cfg(unix)]
mod device;
mod text;
mod unanswered;

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::io::PipeReader;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use hooks_runtime::{Approval, ApprovalRequest, Approver, HookError};
use serde::Deserialize;
use tokio::sync::{Mutex, oneshot};

use super::error::ApprovalError;
use super::patience::{self, patience};
use super::redacted::{KIND, Redacted, written_form};
use crate::error::BuiltinError;
use crate::redaction::{SECRET_KEYS, WrittenForm, redaction_words};
use text::Question;
use unanswered::Unanswered;

/// A value whose JSON is longer is shown as its length, in bytes: nobody reads it.
const MAX_VALUE_BYTES: usize = 256 << 10;

/// Asks at the terminal that the program was started from (`/dev/tty`), also where standard input and output are
/// something else; without one every question is refused.
///
/// It shows the point, the component, who asks what, and the arguments, redacted, and takes `y` or `yes` as a yes.
/// Everything else is a no: another word, the end of the input, a terminal that hangs up, no answer in time. What
/// was typed before the question does not count.
///
/// Nothing that is shown can draw another question: control and bidirectional characters are escaped, long values
/// are cut and say so, and each row begins with a bar.
///
/// One question is asked at a time; the others wait in the order in which they came, and their patience runs. While
/// another program of the machine asks so, they wait too. Where another program reads the terminal itself (an editor,
/// a client with a screen of its own), or has it in the foreground, the question is refused instead of mixed up with
/// what is typed there. When the call is dropped, the question is taken back.
///
/// Only on Unix; elsewhere there is no terminal to ask at.
#[derive(Deserialize)]
#[serde(from = "Options")]
pub struct TerminalApprover {
    options: Options,
    opened: OnceLock<Opened>,
    /// One question at a time, in the order in which they came.
    turn: Arc<Mutex<()>>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Options {
    device: PathBuf,
    patience_s: u64,
    max_value_chars: usize,
    patterns: Vec<String>,
    regexes: BTreeMap<String, String>,
    keys: Vec<String>,
}

struct Opened {
    written: WrittenForm,
    patience: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            device: PathBuf::from("/dev/tty"),
            patience_s: patience::DEFAULT_S,
            max_value_chars: 2000,
            patterns: vec!["secrets".to_owned(), "pii".to_owned()],
            regexes: BTreeMap::new(),
            keys: SECRET_KEYS.map(str::to_owned).to_vec(),
        }
    }
}

impl From<Options> for TerminalApprover {
    fn from(options: Options) -> Self {
        TerminalApprover {
            options,
            opened: OnceLock::new(),
            turn: Arc::default(),
        }
    }
}

impl fmt::Debug for TerminalApprover {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TerminalApprover")
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}

impl Default for TerminalApprover {
    fn default() -> Self {
        TerminalApprover::new()
    }
}

impl TerminalApprover {
    /// Asks at the terminal that the program was started from.
    pub fn new() -> Self {
        TerminalApprover::from(Options::default())
    }
    /// Asks at another terminal. Default: `/dev/tty`, which is the one that the program was started from.
    pub fn device(mut self, path: impl Into<PathBuf>) -> Self {
        self.options.device = path.into();
        self
    }
    /// How long to wait for an answer, in seconds from 1 to 86,400 (a day). Default: 300.
    pub fn patience_s(mut self, seconds: u64) -> Self {
        self.options.patience_s = seconds;
        self
    }
    /// How many characters of a value or a question are shown, 1 to 100,000. Default: 2,000.
    pub fn max_value_chars(mut self, chars: usize) -> Self {
        self.options.max_value_chars = chars;
        self
    }
    redaction_words!(self => self.options);

    /// Looks at the options now. Without it they are looked at when the first call asks, and what is wrong with
    /// them is why it is refused.
    ///
    /// # Errors
    /// An option has a value that it cannot have.
    pub fn open(self) -> Result<Self, ApprovalError> {
        self.opened()?;
        Ok(self)
    }

    /// Whether somebody could be asked now.
    ///
    /// # Errors
    /// [`ApprovalError::Terminal`]: there is no terminal, or another program has it.
    pub fn available(&self) -> Result<(), ApprovalError> {
        #[cfg(unix)]
        let found = device::Device::open(&self.options.device).map(drop);
        #[cfg(not(unix))]
        let found = Err(Unanswered::NoTerminal);
        found.map_err(|why| ApprovalError::Terminal {
            why: why.to_string().into(),
        })
    }

    fn opened(&self) -> Result<&Opened, BuiltinError> {
        match self.opened.get() {
            Some(opened) => Ok(opened),
            None => {
                let opened = self.options.open()?;
                Ok(self.opened.get_or_init(|| opened))
            }
        }
    }

    async fn answer(&self, request: &ApprovalRequest) -> Result<Approval, HookError> {
        let Opened { written, .. } = self.opened()?;
        let redacted = Redacted::new(request, written);
        let question = Question::new(request.point, &redacted, self.options.max_value_chars);
        let turn = Arc::clone(&self.turn).lock_owned().await;
        let device = self.options.device.clone();
        let (answer, answered) = oneshot::channel();
        // Closed when this future is dropped, which ends the thread.
        let (stop, _waits) = std::io::pipe()?;
        // A thread of its own: whoever runs the call may not be blocked, and no executor can be relied on.
        let thread = std::thread::Builder::new().name("hookpoint-approver".into());
        thread.spawn(move || {
            let said = ask(&device, &question, &stop);
            drop(turn);
            if answer.send(said).is_err() {
                tracing::debug!("a question at the terminal was taken back");
            }
        })?;
        let said = answered.await.map_err(HookError::other)?;
        Ok(match said {
            Ok(true) => request.allow(),
            Ok(false) => request.deny("denied at the terminal"),
            Err(why) => request.deny(why.to_string()),
        })
    }
}

#[cfg(unix)]
fn ask(path: &Path, question: &Question, stop: &PipeReader) -> Result<bool, Unanswered> {
    device::Device::open(path)?.ask(question, stop)
}

#[cfg(not(unix))]
fn ask(_: &Path, _: &Question, _: &PipeReader) -> Result<bool, Unanswered> {
    Err(Unanswered::NoTerminal)
}

impl Options {
    fn open(&self) -> Result<Opened, BuiltinError> {
        if !(1..=100_000).contains(&self.max_value_chars) {
            return Err(BuiltinError::BadOption {
                kind: KIND,
                option: "max_value_chars",
                why: "must be 1 to 100000".into(),
            });
        }
        Ok(Opened {
            written: written_form(&self.patterns, &self.regexes, &self.keys, MAX_VALUE_BYTES)?,
            patience: patience(self.patience_s)?,
        })
    }
}

impl Approver for TerminalApprover {
    fn approve<'a>(
        &'a self,
        request: &'a ApprovalRequest,
    ) -> Pin<Box<dyn Future<Output = Result<Approval, HookError>> + Send + 'a>> {
        Box::pin(self.answer(request))
    }

    fn patience(&self) -> Duration {
        let opened = self.opened().map(|opened| opened.patience);
        // With options that are wrong every call is refused at once.
        opened.unwrap_or(Duration::from_secs(patience::DEFAULT_S))
    }
}
