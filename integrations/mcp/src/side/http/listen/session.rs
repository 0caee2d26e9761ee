//! The session of one client.

use std::io;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use async_trait::async_trait;
use serde_json::Value;
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;

use super::HttpListenerOptions;
use super::streams::Streams;
use crate::message::{Answer, INTERNAL_ERROR, Id, Message, Rejected};
use crate::side::http::gather::Turns;
use crate::side::{Deliver, Frame, Receive, Received, Side};

/// What the endpoint knows of a session.
#[derive(Debug)]
pub(super) struct ClientSession {
    pub(super) id: String,
    pub(super) streams: Arc<Streams>,
    /// Of its bodies.
    pub(super) turns: Turns,
    /// The revision of the protocol that was agreed on.
    version: OnceLock<String>,
    inbound: mpsc::Sender<Received>,
    /// How many requests of HTTP are under way.
    busy: watch::Sender<usize>,
    ended: watch::Sender<bool>,
}

/// A request of HTTP of the session is under way.
#[derive(Debug)]
pub(super) struct Busy(Arc<ClientSession>);

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.busy.send_modify(|busy| *busy -= 1);
    }
}

/// The session takes nothing any more.
#[derive(Debug)]
pub(super) struct Over;

impl ClientSession {
    /// The session that answers the request `initialize`, and the client's side of it.
    pub(super) fn new(
        id: String,
        initialize: Id,
        options: &HttpListenerOptions,
    ) -> (Arc<Self>, Side) {
        // One at a time: whoever waits here holds its frame, and reads nothing more.
        let (inbound, received) = mpsc::channel(1);
        let session = Arc::new(ClientSession {
            id,
            streams: Arc::new(Streams::new(options.max_kept_bytes)),
            turns: Turns::new(options.max_large_bodies),
            version: OnceLock::new(),
            inbound,
            busy: watch::Sender::new(0),
            ended: watch::Sender::new(false),
        });
        let to_client = ToClient {
            session: Arc::clone(&session),
            initialize: Some(initialize),
        };
        let from_client = FromClient {
            received,
            ended: session.ended.subscribe(),
        };
        (session, Side::new(from_client, to_client))
    }

    pub(super) fn version(&self) -> Option<&str> {
        self.version.get().map(String::as_str)
    }

    pub(super) fn busy(self: &Arc<Self>) -> Busy {
        self.busy.send_modify(|busy| *busy += 1);
        Busy(Arc::clone(self))
    }

    /// Hands messages to the session; returns when it has taken them.
    pub(super) async fn receive(
        &self,
        messages: Vec<Result<Message, Rejected>>,
    ) -> Result<(), Over> {
        let related = None;
        let received = Received { messages, related };
        self.inbound.send(received).await.map_err(|_| Over)
    }

    /// The client wants no more.
    pub(super) fn end(&self) {
        self.ended.send_replace(true);
    }

    /// Ready when the client has wanted nothing for so long.
    pub(super) async fn idle(&self, limit: Duration) {
        let mut busy = self.busy.subscribe();
        loop {
            if busy.wait_for(|busy| *busy == 0).await.is_err() {
                return;
            }
            if timeout(limit, busy.changed()).await.is_err() {
                tracing::info!("a session of which nobody wanted anything is ended");
                return;
            }
        }
    }
}

struct FromClient {
    received: mpsc::Receiver<Received>,
    ended: watch::Receiver<bool>,
}

#[async_trait]
impl Receive for FromClient {
    async fn receive(&mut self) -> Option<Received> {
        tokio::select! {
            biased;
            _ = self.ended.wait_for(|ended| *ended) => {
                self.received.close();
                None
            }
            received = self.received.recv() => received,
        }
    }
}

struct ToClient {
    session: Arc<ClientSession>,
    /// The request whose answer says which revision it is; `None` when it was answered.
    initialize: Option<Id>,
}

impl ToClient {
    fn note_version(&mut self, message: &Message) {
        let Message::Response { id, answer, .. } = message else {
            return;
        };
        if self.initialize.is_none() || *id != self.initialize {
            return;
        }
        self.initialize = None;
        if let Answer::Result(result) = answer {
            let result = result.value();
            let version = result.get("protocolVersion").and_then(Value::as_str);
            if let Some(version) = version {
                self.session.version.get_or_init(|| version.to_owned());
            }
        }
    }
}

#[async_trait]
impl Deliver for ToClient {
    async fn deliver(&mut self, frame: Frame) -> io::Result<()> {
        self.note_version(&frame.message);
        let put = self
            .session
            .streams
            .put(&frame.message, frame.related.as_ref());
        let lost = put.await.map_err(|_| io::ErrorKind::BrokenPipe)?;
        for id in lost {
            let rejected = Rejected {
                code: INTERNAL_ERROR,
                reason: "the client does not read what it is asked".to_owned(),
                id: Some(id),
                is_response: true,
            };
            let session = Arc::clone(&self.session);
            // The session may wait for us, so we must not wait for it.
            tokio::spawn(async move {
                if session.receive(vec![Err(rejected)]).await.is_err() {
                    tracing::debug!("the session was over before its server heard of it");
                }
            });
        }
        Ok(())
    }

    async fn close(&mut self) {
        self.session.streams.close();
        self.session.end();
    }
}
