//! Approval by a person who decides later, in another program.

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::OnceLock;

use hooks_runtime::{Approval, ApprovalRequest, Approver, Clock, HookError};
use jiff::Timestamp;
use serde::Deserialize;

use super::error::ApprovalError;
use super::folder::ApprovalFolder;
use super::kept::{ApprovalState, KeptRequest, digest};
use super::redacted::{KIND, written_form};
use super::time::Time;
use crate::error::BuiltinError;
use crate::files;
use crate::redaction::{SECRET_KEYS, WrittenForm, redaction_words};

/// Keeps questions in a folder until a person decides, also when this program has ended.
///
/// A call that asks is refused, with a reason that names a token. The request is kept in the folder, one file each,
/// its arguments redacted. A person decides with `hookpoint approvals allow TOKEN --folder DIR`, or a program with
/// [`ApprovalFolder`]. When the same call comes again, it is decided anew by all hooks; if they still ask the same,
/// a token that was allowed, has not expired and was not used lets exactly one call go on, whichever thread or
/// program it is made in.
///
/// Calls are the same if point, function, component, principal, plan, what is planned instead, every argument that
/// hooks see, and the questions are. A call with an argument that has no JSON form is refused: nothing could bind
/// an approval to it.
///
/// Reading and writing, with `fsync`, block the thread of the call; where another program keeps the folder locked,
/// for five seconds at most.
///
/// ```
/// use hooks_builtin::TokenApprover;
/// use hooks_runtime::hooks;
///
/// # fn main() -> Result<(), hooks_builtin::ApprovalError> {
/// # let folder = tempfile::tempdir().expect("a folder");
/// # let folder = folder.path().join("approvals");
/// hooks().set_approver(TokenApprover::new(folder).expires_s(600).open()?);
/// # Ok(())
/// # }
/// ```
#[derive(Deserialize)]
#[serde(from = "Options")]
pub struct TokenApprover {
    options: Options,
    time: Time,
    opened: OnceLock<Opened>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Options {
    folder: PathBuf,
    expires_s: u64,
    max_pending: usize,
    max_value_bytes: usize,
    patterns: Vec<String>,
    regexes: BTreeMap<String, String>,
    keys: Vec<String>,
}

struct Opened {
    folder: ApprovalFolder,
    written: WrittenForm,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            folder: PathBuf::new(),
            expires_s: 3600,
            max_pending: 100,
            max_value_bytes: 4 << 10,
            patterns: vec!["secrets".to_owned(), "pii".to_owned()],
            regexes: BTreeMap::new(),
            keys: SECRET_KEYS.map(str::to_owned).to_vec(),
        }
    }
}

impl From<Options> for TokenApprover {
    fn from(options: Options) -> Self {
        TokenApprover {
            options,
            time: Time::default(),
            opened: OnceLock::new(),
        }
    }
}

impl fmt::Debug for TokenApprover {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenApprover")
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}

impl TokenApprover {
    /// Keeps requests in that folder, which is made if it is not there, for its owner alone. Several programs of
    /// the same user may use it. Whoever can write in it can decide.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        TokenApprover::from(Options::default()).folder(folder)
    }
    /// The folder. Must be given.
    pub fn folder(mut self, folder: impl Into<PathBuf>) -> Self {
        self.options.folder = folder.into();
        self
    }
    /// After how many seconds a request counts no more, from when it was asked, whatever was decided: 1 to
    /// 2,592,000 (30 days), and up to one more, to a whole second. Default: 3,600.
    pub fn expires_s(mut self, seconds: u64) -> Self {
        self.options.expires_s = seconds;
        self
    }
    /// How many requests may wait for a decision, 1 to 10,000; calls that would ask one more are refused. Default:
    /// 100.
    pub fn max_pending(mut self, requests: usize) -> Self {
        self.options.max_pending = requests;
        self
    }
    /// An argument whose JSON is longer, in bytes, is kept as its length. Default: 4 KiB.
    pub fn max_value_bytes(mut self, bytes: usize) -> Self {
        self.options.max_value_bytes = bytes;
        self
    }
    redaction_words!(self => self.options);
    /// Lets requests expire by a clock that is moved by hand, for tests. Default: the time of the machine.
    pub fn clock(mut self, clock: Clock) -> Self {
        self.time = Time::of(clock);
        self
    }

    /// Looks at the options and the folder now. Without it they are looked at when the first call asks, and what is
    /// wrong with them is why it is refused.
    ///
    /// # Errors
    /// An option has a value that it cannot have, or the folder cannot be used.
    pub fn open(self) -> Result<Self, ApprovalError> {
        self.opened()?;
        Ok(self)
    }

    fn opened(&self) -> Result<&Opened, ApprovalError> {
        match self.opened.get() {
            Some(opened) => Ok(opened),
            None => {
                let opened = self.options.open(self.time.clone())?;
                Ok(self.opened.get_or_init(|| opened))
            }
        }
    }

    fn answer(&self, request: &ApprovalRequest) -> Result<Approval, ApprovalError> {
        if request.in_process_only {
            return Ok(request.deny(
                "an approval by token must be bound to every argument, and one of this call has no JSON form",
            ));
        }
        let Opened { folder, written } = self.opened()?;
        let digest = digest(&folder.digest_key, request);
        let _locked = folder.lock()?;
        let kept = match folder.find(&digest)? {
            Some(kept) => kept,
            None => self.ask(folder, written, request, digest)?,
        };
        let (token, expires) = (&kept.token, kept.expires_at);
        Ok(match kept.state {
            ApprovalState::Allowed => {
                folder.take(&kept)?;
                request.allow()
            }
            ApprovalState::Denied => request.deny(format!(
                "it was denied under the token {token}, which stands until {expires}"
            )),
            _ => request.deny(format!(
                "it waits for approval under the token {token} until {expires}; see `hookpoint approvals show {token}`"
            )),
        })
    }

    fn ask(
        &self,
        folder: &ApprovalFolder,
        written: &WrittenForm,
        request: &ApprovalRequest,
        digest: String,
    ) -> Result<KeptRequest, ApprovalError> {
        let token = files::random::<16>().map_err(|error| ApprovalError::Folder {
            path: self.options.folder.display().to_string().into(),
            why: error.to_string().into(),
        })?;
        let asked = folder.now()?;
        // To whole seconds, because people read it.
        let expires = asked.as_second() + self.options.expires_s as i64 + 1;
        let expires = Timestamp::from_second(expires).map_err(|error| ApprovalError::Folder {
            path: self.options.folder.display().to_string().into(),
            why: format!("the time of the machine is wrong: {error}").into(),
        })?;
        let kept = KeptRequest::new(
            request,
            written,
            (files::hex(&token), digest),
            (asked, expires),
        );
        folder.tidy()?;
        folder.keep(&kept, self.options.max_pending)?;
        Ok(kept)
    }
}

impl Options {
    fn open(&self, time: Time) -> Result<Opened, ApprovalError> {
        let bad = |option, why: &str| {
            Err(BuiltinError::BadOption {
                kind: KIND,
                option,
                why: why.into(),
            })
        };
        if self.folder.as_os_str().is_empty() {
            bad(
                "folder",
                "is missing: name the folder that requests are kept in",
            )?;
        }
        if !(1..=2_592_000).contains(&self.expires_s) {
            bad("expires_s", "must be 1 to 2592000")?;
        }
        if !(1..=10_000).contains(&self.max_pending) {
            bad("max_pending", "must be 1 to 10000")?;
        }
        Ok(Opened {
            folder: ApprovalFolder::open_with(&self.folder, time, true)?,
            written: written_form(
                &self.patterns,
                &self.regexes,
                &self.keys,
                self.max_value_bytes,
            )?,
        })
    }
}

impl Approver for TokenApprover {
    /// Ready at once, so that it answers at synchronous sites too.
    fn approve<'a>(
        &'a self,
        request: &'a ApprovalRequest,
    ) -> Pin<Box<dyn Future<Output = Result<Approval, HookError>> + Send + 'a>> {
        let answer = self.answer(request).map_err(HookError::other);
        Box::pin(std::future::ready(answer))
    }
}
