//! Answers of HTTP.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use hyper::body::{Body, Bytes, Frame};
use hyper::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue};
use hyper::{Response, StatusCode};
use tokio::sync::mpsc;

use crate::message::{Answer, Id, Message, Rejected};
use crate::side::http::{EVENTS, JSON};

/// The body of an answer.
#[derive(Debug)]
pub(super) enum AnswerBody {
    Whole(Option<Bytes>),
    /// Pieces as they come.
    Pieces(mpsc::Receiver<Bytes>),
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let piece = match self.get_mut() {
            AnswerBody::Whole(bytes) => Poll::Ready(bytes.take()),
            AnswerBody::Pieces(pieces) => pieces.poll_recv(context),
        };
        piece.map(|piece| piece.map(|bytes| Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, AnswerBody::Whole(None))
    }

    fn size_hint(&self) -> hyper::body::SizeHint {
        match self {
            AnswerBody::Whole(bytes) => hyper::body::SizeHint::with_exact(
                bytes.as_ref().map_or(0, |bytes| bytes.len() as u64),
            ),
            AnswerBody::Pieces(_) => hyper::body::SizeHint::default(),
        }
    }
}

pub(super) type HttpAnswer = Response<AnswerBody>;

pub(super) fn empty(status: StatusCode) -> HttpAnswer {
    let mut answer = Response::new(AnswerBody::Whole(None));
    *answer.status_mut() = status;
    answer
}

pub(super) fn json(status: StatusCode, text: String) -> HttpAnswer {
    let mut answer = Response::new(AnswerBody::Whole(Some(text.into())));
    *answer.status_mut() = status;
    let headers = answer.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(JSON));
    answer
}

pub(super) fn events(pieces: mpsc::Receiver<Bytes>) -> HttpAnswer {
    let mut answer = Response::new(AnswerBody::Pieces(pieces));
    let headers = answer.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(EVENTS));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    // Proxies that gather answers before they pass them on are told not to.
    let buffering = HeaderName::from_static("x-accel-buffering");
    headers.insert(buffering, HeaderValue::from_static("no"));
    answer
}

/// A refusal: what JSON-RPC has for it, so that whoever waits under `id` is answered.
pub(super) fn refusal(status: StatusCode, code: i64, reason: &str, id: Option<Id>) -> HttpAnswer {
    let message = Message::response(id, Answer::error(code, reason, None));
    json(status, message.to_line())
}

/// What is told about a message that is none: under its id, if it was a request.
pub(super) fn error(rejected: &Rejected, answer: Answer) -> Message {
    let id = rejected.id.clone().filter(|_| !rejected.is_response);
    Message::response(id, answer)
}

/// A message that is none.
pub(super) fn rejection(status: StatusCode, rejected: &Rejected) -> HttpAnswer {
    let answer = Answer::error(rejected.code, &rejected.reason, None);
    json(status, error(rejected, answer).to_line())
}
