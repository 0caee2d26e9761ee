//! What the server answers with, and what it begins.

use std::convert::Infallible;
use std::ops::ControlFlow;
use std::time::Duration;

use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::header::CONTENT_TYPE;
use hyper::{Response, StatusCode};
use tokio::sync::oneshot;
use tokio::time::{sleep, timeout};

use super::link::Shared;
use super::request::Asking;
use crate::message::{INTERNAL_ERROR, Id, Message, Rejected};
use crate::side::Received;
use crate::side::http::gather::{Gather, SILENCE};
use crate::side::http::sse::{Event, Parser};
use crate::side::http::{EVENTS, JSON, SESSION, is_type};

/// How long a server may keep the stream of an answer open that it has given. A connection that is read to its end
/// is used again.
const LINGER: Duration = Duration::from_secs(1);

/// Where one stream is, over all connections that it needs.
struct Reading {
    /// The request that it answers.
    of: Option<Id>,
    answered: bool,
    last_event: Option<String>,
    retry: Duration,
    /// Something came since it was opened last.
    progress: bool,
}

impl Shared {
    /// Sends a request and reads its answer, over as many connections as it takes. Whatever happens, whoever waits
    /// is told.
    pub(super) async fn request(&self, id: &Id, asking: Asking) {
        let response = match self.server.send(&self.agreed(), asking).await {
            Ok(response) => response,
            Err(error) => return self.fail(id, error.to_string()).await,
        };
        let status = response.status();
        if self.is_over(status) {
            return;
        }
        self.note_session(id, response.headers().get(SESSION));
        let kind = response.headers().get(CONTENT_TYPE);
        if is_type(kind, JSON) {
            self.json(id, response).await;
        } else if status.is_success() && is_type(kind, EVENTS) {
            self.events(id, response).await;
        } else {
            let reason = format!("the server answered with {status}, and no message");
            self.fail(id, reason).await;
        }
    }

    /// Tells whoever waits for the answer that there is none.
    pub(super) async fn fail(&self, id: &Id, reason: String) {
        let rejected = Rejected {
            code: INTERNAL_ERROR,
            reason,
            id: Some(id.clone()),
            is_response: true,
        };
        let messages = vec![Err(rejected)];
        self.receive(Received {
            messages,
            related: None,
        })
        .await;
    }

    /// An answer that is one body. Errors of HTTP may have one too. A server that takes its time only holds up its own
    /// answers, and whoever waits may cancel.
    async fn json(&self, id: &Id, response: Response<Incoming>) {
        let status = response.status();
        let mut gather = Gather::new(&self.server.limits, &self.turns);
        if let Err(error) = gather.body(response.into_body(), None).await {
            return self.fail(id, error.to_string()).await;
        }
        let mut messages = gather.messages();
        for rejected in messages
            .iter_mut()
            .filter_map(|message| message.as_mut().err())
        {
            rejected.id.get_or_insert_with(|| id.clone());
            rejected.is_response = true;
        }
        if !messages.iter().any(|message| answers(message, id)) {
            let reason = match status.is_success() {
                true => "the server's answer is not one to this request".to_owned(),
                false => format!("the server answered with {status}"),
            };
            return self.fail(id, reason).await;
        }
        let related = Some(id.clone());
        self.receive(Received { messages, related }).await;
    }

    /// An answer that comes as a stream of events, which may break off and be opened again.
    async fn events(&self, id: &Id, response: Response<Incoming>) {
        let mut reading = self.reading(Some(id.clone()));
        let mut response = response;
        let mut in_vain = 0;
        loop {
            self.read(&mut reading, response).await;
            if reading.answered {
                return;
            }
            in_vain = if reading.progress { 0 } else { in_vain + 1 };
            let Some(last_event) = reading.last_event.clone() else {
                let reason = "the server's stream ended before the answer".to_owned();
                return self.fail(id, reason).await;
            };
            if in_vain > self.server.options.max_resumptions {
                let reason = "the server's stream ended before the answer, again and again";
                return self.fail(id, reason.to_owned()).await;
            }
            sleep(reading.retry).await;
            response = match self.open(Some(last_event)).await {
                Ok(response) => response,
                Err(reason) => {
                    let reason = format!("the server's stream ended before the answer: {reason}");
                    return self.fail(id, reason).await;
                }
            };
        }
    }

    /// Reads what the server begins, as long as the session lasts. Drops `opening` when the server has answered.
    pub(super) async fn listen(&self, opening: oneshot::Sender<Infallible>) {
        let options = &self.server.options;
        let mut reading = self.reading(None);
        let mut wait = options.retry;
        let mut opening = Some(opening);
        loop {
            let asking = Asking::get(reading.last_event.clone());
            let answered = self.server.send(&self.agreed(), asking).await;
            drop(opening.take());
            match answered {
                Ok(response) if response.status() == StatusCode::METHOD_NOT_ALLOWED => {
                    tracing::debug!("the server begins nothing by itself");
                    return;
                }
                Ok(response) if self.is_over(response.status()) => return,
                Ok(response) if is_stream(&response) => {
                    self.read(&mut reading, response).await;
                    wait = reading.retry;
                }
                Ok(response) => {
                    let status = response.status();
                    tracing::debug!(%status, "the server did not open its stream");
                    // An event that it does not know any more is no reason to hear nothing.
                    reading.last_event = None;
                }
                Err(error) => tracing::debug!(%error, "the server's stream cannot be opened"),
            }
            sleep(wait).await;
            wait = (wait * 2).clamp(Duration::from_millis(1), options.max_retry);
        }
    }

    fn reading(&self, of: Option<Id>) -> Reading {
        Reading {
            of,
            answered: false,
            last_event: None,
            retry: self.server.options.retry,
            progress: false,
        }
    }

    async fn open(&self, last_event: Option<String>) -> Result<Response<Incoming>, String> {
        let sent = self
            .server
            .send(&self.agreed(), Asking::get(last_event))
            .await;
        let response = sent.map_err(|error| error.to_string())?;
        if self.is_over(response.status()) || !is_stream(&response) {
            return Err(format!("it was not opened again ({})", response.status()));
        }
        Ok(response)
    }

    /// Reads events until the stream ends.
    async fn read(&self, reading: &mut Reading, response: Response<Incoming>) {
        reading.progress = false;
        let mut body = response.into_body();
        let mut parser = Parser::default();
        let mut gather = Gather::new(&self.server.limits, &self.turns);
        loop {
            let patience = match (reading.answered, gather.is_large()) {
                (true, _) => Some(LINGER),
                // Others wait for its turn.
                (false, true) => Some(SILENCE),
                (false, false) => None,
            };
            let frame = match patience {
                None => body.frame().await,
                Some(patience) => match timeout(patience, body.frame()).await {
                    Ok(frame) => frame,
                    Err(_) => return,
                },
            };
            let Some(Ok(frame)) = frame else {
                return;
            };
            let Some(piece) = frame.data_ref() else {
                continue;
            };
            if self
                .pieces(reading, &mut parser, &mut gather, piece)
                .await
                .is_break()
            {
                return;
            }
        }
    }

    async fn pieces(
        &self,
        reading: &mut Reading,
        parser: &mut Parser,
        gather: &mut Gather,
        mut piece: &[u8],
    ) -> ControlFlow<()> {
        while !piece.is_empty() {
            let (used, event) = parser.read(piece, gather);
            piece = &piece[used..];
            gather.admit().await;
            if gather.is_endless() {
                tracing::warn!("an event of the server does not end");
                return ControlFlow::Break(());
            }
            if let Some(event) = event {
                self.event(reading, event, gather).await;
                gather.clear();
            }
        }
        ControlFlow::Continue(())
    }

    async fn event(&self, reading: &mut Reading, event: Event, gather: &Gather) {
        if let Some(retry) = event.retry {
            reading.retry = retry.min(self.server.options.max_retry);
        }
        if event.is_message {
            reading.progress = true;
            let messages = gather.messages();
            if let Some(id) = &reading.of {
                reading.answered |= messages.iter().any(|message| answers(message, id));
            }
            let related = reading.of.clone();
            self.receive(Received { messages, related }).await;
        }
        // Only now: what was not passed on is to come again.
        if event.id.is_some() {
            reading.progress |= reading.last_event != event.id;
            // An empty one says that there is nothing to go on from.
            reading.last_event = event.id.filter(|id| !id.is_empty());
        }
    }
}

fn is_stream(response: &Response<Incoming>) -> bool {
    response.status().is_success() && is_type(response.headers().get(CONTENT_TYPE), EVENTS)
}

/// Whether it is what was waited for.
fn answers(message: &Result<Message, Rejected>, to: &Id) -> bool {
    match message {
        Ok(Message::Response { id, .. }) => id.as_ref() == Some(to),
        Ok(_) => false,
        Err(rejected) => rejected.is_response && rejected.id.as_ref() == Some(to),
    }
}
