//! What one POST holds, on its way to the session.

use hyper::StatusCode;

use super::answer::{HttpAnswer, refusal};
use super::post::{TAKEN, over};
use super::posted::Posted;
use super::session::ClientSession;
use super::streams::{Reader, Streams};
use crate::message::{INVALID_REQUEST, Id};

/// Requests whose stream is open, and which the session does not have yet. Whoever sends them may leave before it
/// takes them: then nobody ever answers them, and their stream must not wait for it.
struct Undelivered<'a> {
    streams: &'a Streams,
    requests: &'a [Id],
}

impl Undelivered<'_> {
    /// The session has them, and answers them.
    fn delivered(mut self) {
        self.requests = &[];
    }
}

impl Drop for Undelivered<'_> {
    fn drop(&mut self) {
        self.requests.iter().for_each(|id| self.streams.cancel(id));
    }
}

/// Hands the messages to the session; the stream of what it is to be answered with, if it is. Dropped before that,
/// the session has none of them.
pub(super) async fn hand_over(
    session: &ClientSession,
    mut posted: Posted,
    takes_events: bool,
) -> Result<Option<Reader>, HttpAnswer> {
    if posted.is_batch {
        posted.refuse_taken(|id| session.streams.is_waiting(id));
    }
    let (requests, cancelled, errors) = (posted.requests(), posted.cancelled(), posted.errors());
    let reader = match requests.is_empty() && errors.is_empty() {
        true => None,
        false => {
            let opened = session.streams.open(&requests, errors, takes_events);
            let taken = |_| refusal(StatusCode::BAD_REQUEST, INVALID_REQUEST, TAKEN, None);
            Some(opened.map_err(taken)?)
        }
    };
    let undelivered = Undelivered {
        streams: &session.streams,
        requests: &requests,
    };
    let handed = session.receive(posted.for_session()).await;
    handed.map_err(|_| over(requests.first()))?;
    undelivered.delivered();
    cancelled.iter().for_each(|id| session.streams.cancel(id));
    Ok(reader)
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::pin::{Pin, pin};
    use std::sync::Arc;
    use std::task::Poll;

    use super::*;
    use crate::limits::Limits;
    use crate::message::parse_all;
    use crate::side::Side;
    use crate::side::http::HttpListenerOptions;

    /// A session that takes nothing while its side is not read: one frame waits for it already.
    async fn held_up() -> (Arc<ClientSession>, Side) {
        let init = Id::read(&"init".into()).unwrap();
        let (session, side) =
            ClientSession::new("s".to_owned(), init, &HttpListenerOptions::default());
        session.receive(Vec::new()).await.unwrap();
        (session, side)
    }

    fn posted(text: &str) -> Posted {
        Posted {
            messages: parse_all(text.as_bytes(), &Limits::default()),
            is_batch: text.starts_with('['),
        }
    }

    /// Whether it waits, when it has done what it can.
    async fn waits(mut work: Pin<&mut impl Future>) -> bool {
        poll_fn(|cx| Poll::Ready(work.as_mut().poll(cx).is_pending())).await
    }

    #[tokio::test]
    async fn requests_that_their_client_left_before_the_session_took_them_are_not_waited_for() {
        let (session, mut side) = held_up().await;
        let ping = r#"{"jsonrpc":"2.0","id":7,"method":"ping"}"#;
        let id = Id::read(&7.into()).unwrap();
        {
            let mut handing = pin!(hand_over(&session, posted(ping), true));
            assert!(waits(handing.as_mut()).await);
            assert!(session.streams.is_waiting(&id));
        }
        assert!(!session.streams.is_waiting(&id));
        // Its stream, the first, is at its end.
        let mut left = session.streams.resume(1, 0).expect("it is kept");
        assert!(!waits(pin!(left.next())).await);
        // The session has nothing of it but what it had before, and the id is free.
        let again = async {
            let reader = hand_over(&session, posted(ping), true).await;
            reader.ok().flatten().expect("it is handed over")
        };
        let takes = async {
            let before = side.receive.receive().await.unwrap();
            (before, side.receive.receive().await.unwrap())
        };
        let (reader, (before, taken)) = tokio::join!(again, takes);
        assert_eq!((before.messages.len(), taken.messages.len()), (0, 1));
        assert!(session.streams.is_waiting(&id));
        drop(reader);
    }
}
