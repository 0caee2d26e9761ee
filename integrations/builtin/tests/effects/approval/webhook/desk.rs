//! A service on a port of this machine.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hooks_builtin::WebhookApprover;
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{HeaderMap, Request, Response};
use hyper_util::rt::TokioIo;
use ring::hmac;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::time::timeout;

/// What never comes is a failure after this long.
const NEVER: Duration = Duration::from_secs(20);

/// What the desk signs with.
pub(super) const SECRET: &str = "a secret of the operator";

pub(super) type Said = Response<Full<Bytes>>;

/// Who answers, and what was asked.
pub(super) struct Desk {
    pub(super) url: String,
    asked: mpsc::UnboundedReceiver<(HeaderMap, Value)>,
    count: Arc<AtomicUsize>,
}

/// An answer with status 200.
pub(super) fn says(text: &str) -> Said {
    Response::new(Bytes::from(text.to_owned()).into())
}

pub(super) fn signature(secret: &str, id: &str, time: i64, body: &str) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    let tag = hmac::sign(&key, format!("{id}.{time}.{body}").as_bytes());
    format!("v1,{}", STANDARD.encode(tag))
}

/// The headers of an answer that is signed.
pub(super) fn sign(headers: &mut HeaderMap, secret: &str, id: &str, time: i64, body: &str) {
    headers.insert("webhook-id", id.parse().expect("a header"));
    headers.insert("webhook-timestamp", time.into());
    let signature = signature(secret, id, time, body);
    headers.insert("webhook-signature", signature.parse().expect("a header"));
}

pub(super) fn now() -> i64 {
    jiff::Timestamp::now().as_second()
}

/// Tells when it is dropped.
struct Closes(mpsc::UnboundedSender<()>);

impl Drop for Closes {
    fn drop(&mut self) {
        self.0.send(()).expect("somebody listens");
    }
}

impl Desk {
    /// Answers each question at once, and signs what it says.
    pub(super) async fn new(
        answer: impl Fn(&HeaderMap, &Value) -> Said + Send + Sync + 'static,
    ) -> Desk {
        let answer = Arc::new(answer);
        Desk::serving(move |headers, asked| {
            let said = answer(&headers, &asked);
            async move {
                let (mut head, body) = said.into_parts();
                let body = body.collect().await.expect("it is whole").to_bytes();
                let text = std::str::from_utf8(&body).expect("text");
                let id = asked["id"].as_str().expect("an id");
                sign(&mut head.headers, SECRET, id, now(), text);
                Response::from_parts(head, body.into())
            }
        })
        .await
    }

    /// Asks here, with the secret that the desk signs with.
    pub(super) fn approver(&self) -> WebhookApprover {
        WebhookApprover::new(&self.url).secret(SECRET)
    }

    /// Answers each question at once, as it is.
    pub(super) async fn unsigned(
        answer: impl Fn(&HeaderMap, &Value) -> Said + Send + Sync + 'static,
    ) -> Desk {
        let answer = Arc::new(answer);
        Desk::serving(move |headers, asked| {
            let said = answer(&headers, &asked);
            async move { said }
        })
        .await
    }

    /// Answers nothing; the receiver has something for each question whose connection was closed.
    pub(super) async fn silent() -> (Desk, mpsc::UnboundedReceiver<()>) {
        let (closing, closed) = mpsc::unbounded_channel();
        let desk = Desk::serving(move |_, _| {
            let closes = Closes(closing.clone());
            async move {
                let _closes = closes;
                std::future::pending().await
            }
        });
        (desk.await, closed)
    }

    async fn serving<F>(
        answer: impl Fn(HeaderMap, Value) -> F + Clone + Send + Sync + 'static,
    ) -> Desk
    where
        F: Future<Output = Said> + Send,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("it has an address");
        let (tell, asked) = mpsc::unbounded_channel();
        let count = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&count);
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.expect("somebody comes");
                let (answer, tell, counted) = (answer.clone(), tell.clone(), Arc::clone(&counted));
                let service = service_fn(move |request: Request<Incoming>| {
                    let (answer, tell) = (answer.clone(), tell.clone());
                    counted.fetch_add(1, Ordering::SeqCst);
                    async move {
                        let (head, body) = request.into_parts();
                        let body = body.collect().await.expect("a body").to_bytes();
                        let asked: Value = serde_json::from_slice(&body).expect("it is JSON");
                        // A test that does not look has let go of the other end.
                        drop(tell.send((head.headers.clone(), asked.clone())));
                        Ok::<_, Infallible>(answer(head.headers, asked).await)
                    }
                });
                let connection =
                    http1::Builder::new().serve_connection(TokioIo::new(stream), service);
                // Whether the other end was polite is not what is tested.
                tokio::spawn(async move { drop(connection.await) });
            }
        });
        Desk {
            url: format!("http://{address}/ask"),
            asked,
            count,
        }
    }

    /// The next question.
    pub(super) async fn asked(&mut self) -> (HeaderMap, Value) {
        let asked = timeout(NEVER, self.asked.recv()).await;
        asked
            .expect("something is asked")
            .expect("the desk is there")
    }

    /// How many there were.
    pub(super) fn count(&self) -> usize {
        self.count.load(Ordering::SeqCst)
    }
}

/// Closes each connection at once.
pub(super) async fn hangs_up() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("it has an address");
    tokio::spawn(async move {
        loop {
            drop(listener.accept().await.expect("somebody comes"));
        }
    });
    address
}
