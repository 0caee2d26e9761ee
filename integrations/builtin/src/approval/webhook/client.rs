//! Sending, on a thread of its own.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Bytes;
use hyper::{HeaderMap, Request, StatusCode};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::{Client as Connections, ResponseFuture};
use hyper_util::rt::TokioExecutor;
use tokio::sync::{mpsc, oneshot};

use super::url::Target;

/// The longest answer, in bytes.
const MAX_ANSWER: usize = 64 << 10;

/// Why the service has not answered; every one refuses the call.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unanswered {
    #[error("the webhook cannot be reached: {0}")]
    Unreachable(String),
    #[error("the webhook did not answer within {0:?}")]
    Late(Duration),
    #[error(
        "the webhook redirects to another place, which is not followed: name that URL in the configuration"
    )]
    Redirected,
    #[error("the webhook answered with status {0}, and only 200 is an answer")]
    Status(StatusCode),
    #[error("the webhook's answer broke off, or is longer than {MAX_ANSWER} bytes")]
    Broken,
    #[error(
        "the webhook's answer is not `{{\"allow\": true}}` or `{{\"allow\": false, \"reason\": \"…\"}}`"
    )]
    Unreadable,
    #[error("the webhook's answer does not count: {0}")]
    Unsigned(&'static str),
    #[error("the question cannot be sent: {0}")]
    Failed(#[from] std::io::Error),
}

pub(super) type Post = Request<Full<Bytes>>;

/// An answer with status 200.
#[derive(Debug)]
pub(super) struct Answered {
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

/// One question under way. Given up when nobody waits for the answer.
struct Job {
    post: Post,
    patience: Duration,
    answer: oneshot::Sender<Result<Answered, Unanswered>>,
}

/// Sends for calls under any executor, or none. The thread ends with it.
pub(super) struct Client(mpsc::UnboundedSender<Job>);

/// How the service is reached. Connections are not kept: questions are rare.
#[derive(Clone)]
enum Reached {
    Plain(Connections<HttpConnector, Full<Bytes>>),
    Tls(Connections<HttpsConnector<HttpConnector>, Full<Bytes>>),
}

impl Client {
    /// # Errors
    /// Why there is no TLS, or no thread.
    pub(super) fn new(target: &Target) -> Result<Client, String> {
        let reached = Reached::new(target)?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| format!("cannot be asked: {error}"))?;
        // Bounded by the room that the approver has.
        let (jobs, mut waiting) = mpsc::unbounded_channel::<Job>();
        let thread = std::thread::Builder::new().name("hookpoint-webhook".into());
        let serve = async move {
            while let Some(job) = waiting.recv().await {
                tokio::spawn(job.run(reached.clone()));
            }
        };
        let spawned = thread.spawn(move || runtime.block_on(serve));
        spawned.map_err(|error| format!("cannot be asked: {error}"))?;
        Ok(Client(jobs))
    }

    /// Sends a question and gives the answer. Dropped, it closes the connection.
    pub(super) async fn exchange(
        &self,
        post: Post,
        patience: Duration,
    ) -> Result<Answered, Unanswered> {
        let (answer, answered) = oneshot::channel();
        let job = Job {
            post,
            patience,
            answer,
        };
        let gone = || std::io::Error::other("its thread has ended");
        self.0.send(job).map_err(|_| gone())?;
        answered.await.map_err(|_| gone())?
    }
}

impl Job {
    async fn run(self, reached: Reached) {
        let Job {
            post,
            patience,
            mut answer,
        } = self;
        let answered = tokio::select! {
            () = answer.closed() => return,
            answered = tokio::time::timeout(patience, reached.exchange(post)) => answered,
        };
        let answered = answered.unwrap_or(Err(Unanswered::Late(patience)));
        if answer.send(answered).is_err() {
            tracing::debug!("nobody waits for the webhook's answer any more");
        }
    }
}

impl Reached {
    fn new(target: &Target) -> Result<Reached, String> {
        let mut builder = Connections::builder(TokioExecutor::new());
        builder.pool_max_idle_per_host(0);
        let mut tcp = HttpConnector::new();
        tcp.set_nodelay(true);
        if !target.has_tls() {
            return Ok(Reached::Plain(builder.build(tcp)));
        }
        tcp.enforce_http(false);
        // The provider is named: whichever the program has installed, this one is in the tree.
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let tls = HttpsConnectorBuilder::new().with_provider_and_native_roots(provider);
        let tls = tls.map_err(|error| format!("needs TLS, which cannot be used: {error}"))?;
        let tls = tls.https_only().enable_http1().wrap_connector(tcp);
        Ok(Reached::Tls(builder.build(tls)))
    }

    fn send(&self, post: Post) -> ResponseFuture {
        match self {
            Reached::Plain(connections) => connections.request(post),
            Reached::Tls(connections) => connections.request(post),
        }
    }

    async fn exchange(&self, post: Post) -> Result<Answered, Unanswered> {
        let response = self.send(post).await;
        let response = response.map_err(|error| Unanswered::Unreachable(causes(&error)))?;
        match response.status() {
            StatusCode::OK => {}
            status if status.is_redirection() => return Err(Unanswered::Redirected),
            status => return Err(Unanswered::Status(status)),
        }
        let (head, body) = response.into_parts();
        let body = Limited::new(body, MAX_ANSWER).collect().await;
        let body = body.map_err(|_| Unanswered::Broken)?.to_bytes();
        Ok(Answered {
            headers: head.headers,
            body,
        })
    }
}

/// The error and what caused it. None of them shows the URL or headers.
fn causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
