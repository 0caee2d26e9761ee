//! Approval by a service of the operator.

mod answer;
mod client;
mod message;
mod signature;
mod url;

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use hooks_runtime::approve::shown;
use hooks_runtime::{Approval, ApprovalRequest, Approver, HookError};
use hyper::Request;
use hyper::body::Bytes;
use hyper::header::{ACCEPT, CONTENT_TYPE, USER_AGENT};
use jiff::Timestamp;
use serde::Deserialize;
use tokio::sync::Semaphore;

use super::error::ApprovalError;
use super::patience::{self, patience};
use super::redacted::{KIND, Redacted, written_form};
use crate::error::BuiltinError;
use crate::files;
use crate::redaction::{SECRET_KEYS, WrittenForm, redaction_words};
use answer::Answer;
use client::{Client, Unanswered};
use message::Message;
use signature::{Secret, Signer};
use url::Target;

/// How much of a reason is kept, in characters.
const MAX_REASON: usize = 1000;

/// Asks a service of the operator: each question is a POST of JSON to its URL, and the answer to it decides.
///
/// The request has `version` (1), `id`, `asked_at`, `deadline` (RFC 3339), `point`, `site`, `component`, `principal`,
/// `plan`, `planned`, `questions` (a list of `hook` and `question`), `arguments` (an object) and `digest`; secrets in
/// it are redacted. The answer is status 200 with `{"allow": true}`, or `{"allow": false, "reason": "…"}`. Everything
/// else refuses the call: another status, redirects too, which are not followed; no answer in time; an answer that
/// cannot be read, or is longer than 64 KiB. A call that is dropped closes its connection.
///
/// With a secret, requests and answers are signed as [Standard Webhooks](https://www.standardwebhooks.com) are:
/// `webhook-id`, `webhook-timestamp` (seconds), `webhook-signature` (`v1,` and the base64 of HMAC-SHA256 of
/// `id.timestamp.body`). An answer has the `webhook-id` of its request, and a time within five minutes of now; one
/// that is not signed so refuses the call, so that nobody in between can allow it.
///
/// TLS is verified against the certificates of the system. Without TLS there has to be a secret, and only loopback is
/// asked, or, with [`allow_http`](WebhookApprover::allow_http), any host. Loopback needs the secret as well: any program
/// of the machine can listen at the port while the service does not, the one that the calls go to among them.
///
/// Needs the feature `webhook`. It works at synchronous sites with `blocking` too: a thread of its own sends.
#[derive(Deserialize)]
#[serde(from = "Options")]
pub struct WebhookApprover {
    options: Options,
    opened: OnceLock<Opened>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Options {
    url: String,
    secret_env: Option<String>,
    #[serde(skip)]
    secret: Option<Secret>,
    allow_http: bool,
    patience_s: u64,
    max_waiting: usize,
    max_value_bytes: usize,
    patterns: Vec<String>,
    regexes: BTreeMap<String, String>,
    keys: Vec<String>,
}

struct Opened {
    target: Target,
    signer: Option<Signer>,
    written: WrittenForm,
    patience: Duration,
    room: Arc<Semaphore>,
    client: Client,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            url: String::new(),
            secret_env: None,
            secret: None,
            allow_http: false,
            patience_s: patience::DEFAULT_S,
            max_waiting: 64,
            max_value_bytes: 16 << 10,
            patterns: vec!["secrets".to_owned(), "pii".to_owned()],
            regexes: BTreeMap::new(),
            keys: SECRET_KEYS.map(str::to_owned).to_vec(),
        }
    }
}

impl From<Options> for WebhookApprover {
    fn from(options: Options) -> Self {
        WebhookApprover {
            options,
            opened: OnceLock::new(),
        }
    }
}

impl fmt::Debug for WebhookApprover {
    /// Without the path and the query, which may hold a token.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebhookApprover")
            .field("host", &Target::host_of(&self.options.url))
            .field("patience_s", &self.options.patience_s)
            .finish_non_exhaustive()
    }
}

impl WebhookApprover {
    /// Asks at that URL: `https://…`, or, with a secret, `http://` on this machine.
    pub fn new(url: impl Into<String>) -> Self {
        WebhookApprover::from(Options {
            url: url.into(),
            ..Options::default()
        })
    }
    /// The environment variable with the secret that requests and answers are signed with: at least 16 bytes, or
    /// `whsec_` and their base64. Default: nothing is signed, which `http://` does not allow.
    pub fn secret_env(mut self, variable: impl Into<String>) -> Self {
        self.options.secret_env = Some(variable.into());
        self
    }
    /// The same, for programs that have the secret from somewhere else.
    pub fn secret(mut self, secret: &str) -> Self {
        self.options.secret = Some(Secret::new(secret));
        self
    }
    /// Lets the URL be `http://` on another machine. As on this one it needs a secret: whoever is in between reads the
    /// questions, but cannot answer them.
    pub fn allow_http(mut self, allow: bool) -> Self {
        self.options.allow_http = allow;
        self
    }
    /// How long to wait for an answer, in seconds from 1 to 86,400 (a day). Default: 300.
    pub fn patience_s(mut self, seconds: u64) -> Self {
        self.options.patience_s = seconds;
        self
    }
    /// How many questions may wait for an answer, 1 to 10,000, each on a connection of its own; calls that would ask
    /// one more are refused. Default: 64.
    pub fn max_waiting(mut self, questions: usize) -> Self {
        self.options.max_waiting = questions;
        self
    }
    /// An argument whose JSON is longer, in bytes, is sent as its length. Default: 16 KiB.
    pub fn max_value_bytes(mut self, bytes: usize) -> Self {
        self.options.max_value_bytes = bytes;
        self
    }
    redaction_words!(self => self.options);

    /// Looks at the options now. Without it they are looked at when the first call asks, and what is wrong with
    /// them is why it is refused. Nothing is sent.
    ///
    /// # Errors
    /// An option has a value that it cannot have, or the certificates of the system cannot be read.
    pub fn open(self) -> Result<Self, ApprovalError> {
        self.opened()?;
        Ok(self)
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
        let opened = self.opened()?;
        let Ok(_place) = Arc::clone(&opened.room).try_acquire_owned() else {
            return Ok(request.deny("too many questions wait for the webhook's answer"));
        };
        Ok(match opened.ask(request).await {
            Ok(Answer { allow: true, .. }) => request.allow(),
            Ok(Answer { reason, .. }) => request.deny(match reason {
                Some(reason) => shown(&reason, MAX_REASON),
                None => "denied by the webhook".to_owned(),
            }),
            Err(why) => request.deny(why.to_string()),
        })
    }
}

impl Opened {
    async fn ask(&self, request: &ApprovalRequest) -> Result<Answer, Unanswered> {
        let id = format!("ask_{}", files::hex(&files::random::<16>()?));
        let now = Timestamp::now();
        let redacted = Redacted::new(request, &self.written);
        let message = Message::new(&id, (now, self.patience), request, redacted);
        let body = serde_json::to_vec(&message).map_err(std::io::Error::from)?;
        let mut post = Request::post(self.target.uri())
            .header(CONTENT_TYPE, "application/json")
            .header(ACCEPT, "application/json")
            .header(USER_AGENT, concat!("hookpoint/", env!("CARGO_PKG_VERSION")))
            .header(signature::ID, &id)
            .header(signature::TIMESTAMP, now.as_second());
        if let Some(signer) = &self.signer {
            let signed = signer.sign(&id, now.as_second(), &body);
            post = post.header(signature::SIGNATURE, signed);
        }
        let post = post.body(Bytes::from(body).into());
        let post = post.map_err(std::io::Error::other)?;
        let answered = self.client.exchange(post, self.patience).await?;
        if let Some(signer) = &self.signer {
            let now = Timestamp::now().as_second();
            signer.verify(&id, now, &answered.headers, &answered.body)?;
        }
        Answer::read(&answered.body)
    }
}

impl Options {
    fn open(&self) -> Result<Opened, BuiltinError> {
        let bad = |option, why: &str| BuiltinError::BadOption {
            kind: KIND,
            option,
            why: why.into(),
        };
        if !(1..=10_000).contains(&self.max_waiting) {
            return Err(bad("max_waiting", "must be 1 to 10000"));
        }
        let secret = match (&self.secret, &self.secret_env) {
            (Some(_), Some(_)) => {
                return Err(bad(
                    "secret_env",
                    "and a secret of the program are one too many",
                ));
            }
            (Some(secret), None) => Some(secret.clone()),
            (None, Some(variable)) => Some(Secret::of_variable(variable)?),
            (None, None) => None,
        };
        let signer = secret.as_ref().map(Secret::signer).transpose()?;
        let target = Target::new(&self.url, self.allow_http, signer.is_some())?;
        let written = written_form(
            &self.patterns,
            &self.regexes,
            &self.keys,
            self.max_value_bytes,
        )?;
        let patience = patience(self.patience_s)?;
        // The last, because it starts a thread.
        let client = Client::new(&target).map_err(|why| bad("url", &why))?;
        Ok(Opened {
            target,
            signer,
            written,
            patience,
            room: Arc::new(Semaphore::new(self.max_waiting)),
            client,
        })
    }
}

impl Approver for WebhookApprover {
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
