//! Messages of clients.

use std::sync::Arc;

use hyper::body::Incoming;
use hyper::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderValue, RETRY_AFTER};
use hyper::{Request, StatusCode};

use super::answer::{HttpAnswer, empty, json, refusal, rejection};
use super::endpoint::{Endpoint, NoSession, accepts};
use super::hand_over::hand_over;
use super::posted::Posted;
use super::session::ClientSession;
use super::streams::Reader;
use crate::message::{INTERNAL_ERROR, INVALID_REQUEST, Id};
use crate::refused::{BUSY, GONE};
use crate::side::http::gather::{Broken, Gather};
use crate::side::http::{JSON, SESSION, VERSION, VERSIONS, WITH_BATCHES, is_type};

/// The revision since which a stream begins with an event to come back to.
const WITH_FIRST_EVENT: &str = VERSIONS[2];

pub(super) const TAKEN: &str = "a request with this id is under way";

impl Endpoint {
    pub(super) async fn post(self: &Arc<Self>, request: Request<Incoming>) -> HttpAnswer {
        let answered = self.try_post(request).await;
        answered.unwrap_or_else(|refused| refused)
    }

    async fn try_post(
        self: &Arc<Self>,
        request: Request<Incoming>,
    ) -> Result<HttpAnswer, HttpAnswer> {
        let (head, body) = request.into_parts();
        let (takes_json, takes_events) = accepts(&head.headers);
        if !takes_json && !takes_events {
            return Err(empty(StatusCode::NOT_ACCEPTABLE));
        }
        if !is_type(head.headers.get(CONTENT_TYPE), JSON) {
            return Err(empty(StatusCode::UNSUPPORTED_MEDIA_TYPE));
        }
        let known = match head.headers.contains_key(SESSION) {
            true => Some(self.session_of(&head.headers).map_err(|refused| *refused)?),
            false => None,
        };
        let _busy = known.as_ref().map(ClientSession::busy);
        let posted = self.read(&head.headers, body, known.as_deref()).await?;
        let session = match (known, posted.initialize()) {
            (Some(session), _) => session,
            (None, Some(id)) => self.begin(id.clone()).map_err(|why| not_begun(why, id))?,
            (None, None) => self.session_of(&head.headers).map_err(|refused| *refused)?,
        };
        if posted.is_batch && session.version() != Some(WITH_BATCHES) {
            let why = "this revision of the protocol has no batches: send one message at a time";
            return Err(refusal(StatusCode::BAD_REQUEST, INVALID_REQUEST, why, None));
        }
        let (is_batch, busy) = (posted.is_batch, session.busy());
        let reader = hand_over(&session, posted, takes_events).await?;
        let mut answer = match reader {
            None => empty(StatusCode::ACCEPTED),
            Some(reader) if takes_events => {
                let first = takes_first_event(&head.headers, &session)
                    .then(|| format!("id: {}\ndata: \n\n", reader.event_id()));
                self.stream(reader, busy, first)
            }
            Some(reader) => one_body(reader, is_batch).await,
        };
        let id = HeaderValue::from_str(&session.id).expect("it is made of hexadecimal digits");
        answer.headers_mut().insert(SESSION, id);
        Ok(answer)
    }

    /// The messages of a body. Those of a batch are decided one by one; a body that has none is refused, and whoever
    /// waits for an answer is told.
    async fn read(
        &self,
        headers: &HeaderMap,
        body: Incoming,
        session: Option<&ClientSession>,
    ) -> Result<Posted, HttpAnswer> {
        let limits = &self.gateway.options().limits;
        let length = headers
            .get(CONTENT_LENGTH)
            .and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
        if length.is_some_and(|length| length > limits.max_message_bytes.saturating_mul(4)) {
            return Err(empty(StatusCode::PAYLOAD_TOO_LARGE));
        }
        let turns = session.map_or(&self.turns, |session| &session.turns);
        let mut gather = Gather::new(limits, turns);
        let gathered = gather.body(body, Some(self.options.body_timeout)).await;
        gathered.map_err(|broken| {
            let status = match broken {
                Broken::Cut => StatusCode::BAD_REQUEST,
                Broken::Silent | Broken::Slow(_) => StatusCode::REQUEST_TIMEOUT,
                Broken::Endless => StatusCode::PAYLOAD_TOO_LARGE,
            };
            refusal(status, INVALID_REQUEST, &broken.to_string(), None)
        })?;
        let is_batch = gather.is_batch();
        let status = match gather.is_too_long() {
            true => StatusCode::PAYLOAD_TOO_LARGE,
            false => StatusCode::BAD_REQUEST,
        };
        let messages = gather.messages();
        let rejected = match messages.as_slice() {
            [Err(rejected)] => rejected.clone(),
            _ => return Ok(Posted { messages, is_batch }),
        };
        let answer = rejection(status, &rejected);
        let told = rejected.is_response && rejected.id.is_some();
        if let Some(session) = session.filter(|_| told) {
            let told = session.receive(vec![Err(rejected)]).await;
            told.map_err(|_| over(None))?;
        }
        Err(answer)
    }
}

/// Whether a stream begins with an event to come back to. A client that says which revision it reads means it.
fn takes_first_event(headers: &HeaderMap, session: &ClientSession) -> bool {
    let says = headers.get(VERSION).and_then(|says| says.to_str().ok());
    says.or(session.version()) == Some(WITH_FIRST_EVENT)
}

/// The answers as one body, when all are there.
async fn one_body(mut reader: Reader, is_batch: bool) -> HttpAnswer {
    let mut lines = Vec::new();
    while let Some(line) = reader.next().await {
        lines.push(line);
    }
    match lines.as_slice() {
        // Cancelled: nobody waits for it.
        [] => empty(StatusCode::ACCEPTED),
        [line] if !is_batch => json(StatusCode::OK, line.to_string()),
        lines => json(StatusCode::OK, format!("[{}]", lines.join(","))),
    }
}

pub(super) fn over(id: Option<&Id>) -> HttpAnswer {
    let why = "the session is over: begin a new one";
    refusal(StatusCode::NOT_FOUND, GONE, why, id.cloned())
}

fn not_begun(why: NoSession, id: &Id) -> HttpAnswer {
    let (status, code, reason) = match why {
        NoSession::Full => (
            StatusCode::SERVICE_UNAVAILABLE,
            BUSY,
            "there are as many sessions as there may be",
        ),
        NoSession::Ending => (StatusCode::SERVICE_UNAVAILABLE, GONE, "the gateway ends"),
        NoSession::NoId => (
            StatusCode::INTERNAL_SERVER_ERROR,
            INTERNAL_ERROR,
            "the system has no random numbers",
        ),
        NoSession::NoServer(error) => {
            tracing::error!(%error, "the server cannot be started");
            (
                StatusCode::BAD_GATEWAY,
                GONE,
                "the server cannot be started",
            )
        }
    };
    let mut answer = refusal(status, code, reason, Some(id.clone()));
    if status == StatusCode::SERVICE_UNAVAILABLE {
        answer
            .headers_mut()
            .insert(RETRY_AFTER, HeaderValue::from_static("5"));
    }
    answer
}
