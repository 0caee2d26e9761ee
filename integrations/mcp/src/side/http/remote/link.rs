//! One session with a server that is reached at a URL.

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use hyper::StatusCode;
use hyper::header::HeaderValue;
use serde_json::Value;
use tokio::sync::{Semaphore, mpsc, oneshot, watch};
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::timeout;

use super::HttpServer;
use super::request::{Agreed, Asking};
use crate::message::{Answer, Call, Id, Message};
use crate::methods::{CANCELLED, INITIALIZE};
use crate::side::http::gather::Turns;
use crate::side::{Deliver, Frame, Receive, Received};

/// What a client says when it is ready.
const INITIALIZED: &str = "notifications/initialized";

/// How many long messages of the server are gathered at a time.
const LARGE: usize = 4;

/// How long the server has for the end of the session.
const GOODBYE: Duration = Duration::from_secs(5);

/// What the tasks of a session share.
pub(super) struct Shared {
    pub(super) server: HttpServer,
    pub(super) turns: Turns,
    state: Mutex<State>,
    inbound: mpsc::Sender<Received>,
    gone: watch::Sender<bool>,
    /// Room for requests that are under way.
    room: Arc<Semaphore>,
}

#[derive(Default)]
struct State {
    agreed: Agreed,
    initialize: Option<Id>,
    under_way: HashMap<Id, AbortHandle>,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn agreed(&self) -> Agreed {
        self.state().agreed.clone()
    }

    /// The server knows the session no more.
    pub(super) fn is_over(&self, status: StatusCode) -> bool {
        let over = status == StatusCode::NOT_FOUND && self.state().agreed.session.is_some();
        if over {
            tracing::warn!("the server knows the session no more");
            self.gone.send_replace(true);
        }
        over
    }

    /// What the server says of the session when it begins.
    pub(super) fn note_session(&self, id: &Id, session: Option<&HeaderValue>) {
        let mut state = self.state();
        if state.initialize.as_ref() == Some(id) && state.agreed.session.is_none() {
            state.agreed.session = session.cloned();
        }
    }

    /// Hands a frame to the session; waits until it is taken.
    pub(super) async fn receive(&self, received: Received) {
        for message in received.messages.iter().flatten() {
            self.note_version(message);
        }
        if self.inbound.send(received).await.is_err() {
            tracing::debug!("the session is over, and what the server says is left out");
        }
    }

    fn note_version(&self, message: &Message) {
        let Message::Response {
            id: Some(id),
            answer: Answer::Result(result),
            ..
        } = message
        else {
            return;
        };
        let mut state = self.state();
        if state.initialize.as_ref() != Some(id) || state.agreed.version.is_some() {
            return;
        }
        let result = result.value();
        let version = result.get("protocolVersion").and_then(Value::as_str);
        state.agreed.version = version.and_then(|version| HeaderValue::from_str(version).ok());
    }
}

/// Writes to the server: a POST for each message.
pub(super) struct Link {
    shared: Arc<Shared>,
    tasks: JoinSet<()>,
    listening: bool,
}

/// What the server says, on whichever stream.
pub(super) struct FromServer {
    inbound: mpsc::Receiver<Received>,
    gone: watch::Receiver<bool>,
}

#[async_trait]
impl Receive for FromServer {
    async fn receive(&mut self) -> Option<Received> {
        tokio::select! {
            biased;
            _ = self.gone.wait_for(|gone| *gone) => None,
            received = self.inbound.recv() => received,
        }
    }
}

impl Link {
    pub(super) fn new(server: HttpServer) -> (Link, FromServer) {
        // One at a time: whoever waits here reads no more from its stream.
        let (sender, inbound) = mpsc::channel(1);
        let (gone, is_gone) = watch::channel(false);
        let room = Arc::new(Semaphore::new(server.options.max_requests.max(1)));
        let shared = Shared {
            server,
            turns: Turns::new(LARGE),
            state: Mutex::default(),
            inbound: sender,
            gone,
            room,
        };
        let link = Link {
            shared: Arc::new(shared),
            tasks: JoinSet::new(),
            listening: false,
        };
        (
            link,
            FromServer {
                inbound,
                gone: is_gone,
            },
        )
    }

    /// Sends a request; its answer comes by itself. Returns when it is written, so that what cancels it comes later.
    async fn ask(&mut self, id: Id, line: String) {
        let shared = Arc::clone(&self.shared);
        let Ok(room) = Arc::clone(&shared.room).try_acquire_owned() else {
            let most = shared.server.options.max_requests;
            let reason = format!(
                "{most} requests are under way with the server already, and that is the most"
            );
            self.tasks
                .spawn(async move { shared.fail(&id, reason).await });
            return;
        };
        let (sent, written) = oneshot::channel();
        let (of, under) = (id.clone(), Arc::clone(&shared));
        {
            // It is there before the task can take it out.
            let mut state = shared.state();
            let task = self.tasks.spawn(async move {
                under.request(&of, Asking::post(line, Some(sent))).await;
                under.state().under_way.remove(&of);
                drop(room);
            });
            state.under_way.insert(id, task);
        }
        if written.await.is_ok() {
            unreachable!("nothing is ever sent");
        }
    }

    /// Sends what is not answered, and waits until the server has it.
    async fn tell(&self, line: String) {
        let server = &self.shared.server;
        let agreed = self.shared.agreed();
        let sending = server.send(&agreed, Asking::post(line, None));
        match timeout(server.options.accept_timeout, sending).await {
            Err(_) => tracing::warn!("the server did not accept a message in time"),
            Ok(Err(error)) => tracing::warn!(%error, "a message did not reach the server"),
            Ok(Ok(response)) => {
                let status = response.status();
                if !self.shared.is_over(status) && !status.is_success() {
                    tracing::warn!(%status, "the server did not accept a message");
                }
            }
        }
    }

    /// Opens the stream of what the server begins. Servers drop what they begin before it is open, so what the
    /// client says next waits for it.
    async fn listen(&mut self) {
        if std::mem::replace(&mut self.listening, true) {
            return;
        }
        let shared = Arc::clone(&self.shared);
        let limit = shared.server.options.listen_timeout;
        let (opening, opened) = oneshot::channel();
        self.tasks
            .spawn(async move { shared.listen(opening).await });
        match timeout(limit, opened).await {
            Ok(Err(_)) => {}
            Ok(Ok(never)) => match never {},
            Err(_) => tracing::debug!("the server takes its time to open its stream"),
        }
    }

    /// Nobody waits for the answer any more.
    fn end(&self, call: &Call) {
        let params = call.params.as_ref().map(crate::JsonText::value);
        let id = params.as_ref().and_then(|params| params.get("requestId"));
        if let Some(task) = id
            .and_then(Id::read)
            .and_then(|id| self.shared.state().under_way.remove(&id))
        {
            task.abort();
        }
    }
}

#[async_trait]
impl Deliver for Link {
    async fn deliver(&mut self, frame: Frame) -> io::Result<()> {
        while self.tasks.try_join_next().is_some() {}
        if *self.shared.gone.borrow() {
            return Err(io::ErrorKind::NotConnected.into());
        }
        let line = frame.message.to_line();
        match frame.message {
            Message::Request { id, call } => {
                if call.method == INITIALIZE {
                    self.shared.state().initialize = Some(id.clone());
                }
                self.ask(id, line).await;
            }
            Message::Notification(call) => {
                self.tell(line).await;
                match call.method.as_str() {
                    CANCELLED => self.end(&call),
                    INITIALIZED => self.listen().await,
                    _ => {}
                }
            }
            Message::Response { .. } => self.tell(line).await,
        }
        Ok(())
    }

    async fn close(&mut self) {
        self.tasks.shutdown().await;
        let agreed = self.shared.agreed();
        if agreed.session.is_none() || *self.shared.gone.borrow() {
            return;
        }
        let goodbye = self.shared.server.send(&agreed, Asking::delete());
        match timeout(GOODBYE, goodbye).await {
            Ok(Ok(response)) => {
                tracing::debug!(status = %response.status(), "the session with the server is ended")
            }
            Ok(Err(error)) => {
                tracing::debug!(%error, "the server was gone before its session was ended")
            }
            Err(_) => tracing::warn!("the server did not end its session in time"),
        }
        // Whoever still reads learns that there is nothing more.
        self.shared.gone.send_replace(true);
    }
}
