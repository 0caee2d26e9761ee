//! The one endpoint of all sessions.

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hooks_runtime::spawn;
use hyper::body::{Bytes, Incoming};
use hyper::header::{ACCEPT, ALLOW, HeaderMap, HeaderValue};
use hyper::{Method, Request, StatusCode};
use tokio::sync::{mpsc, watch};
use tokio::time::interval;

use super::HttpListenerOptions;
use super::answer::{HttpAnswer, empty, events, refusal};
use super::guard::Guard;
use super::session::{Busy, ClientSession};
use super::streams::Reader;
use crate::gateway::Gateway;
use crate::message::{INVALID_REQUEST, Id};
use crate::side::Side;
use crate::side::http::gather::Turns;
use crate::side::http::{EVENTS, JSON, LAST_EVENT, SESSION, VERSION, VERSIONS, sse};

type MakeServer = Box<dyn Fn() -> io::Result<Side> + Send + Sync>;

pub(super) struct Endpoint {
    pub(super) gateway: Gateway,
    /// Of bodies that belong to no session yet.
    pub(super) turns: Turns,
    guard: Guard,
    pub(super) options: HttpListenerOptions,
    server: MakeServer,
    sessions: Mutex<HashMap<String, Arc<ClientSession>>>,
    /// How many sessions there are, until they are at their end.
    running: watch::Sender<usize>,
    ending: watch::Sender<bool>,
}

/// Why there is no new session.
pub(super) enum NoSession {
    Full,
    Ending,
    NoServer(io::Error),
    NoId,
}

impl Endpoint {
    pub(super) fn new(
        gateway: Gateway,
        guard: Guard,
        options: HttpListenerOptions,
        server: MakeServer,
    ) -> Self {
        Endpoint {
            gateway,
            turns: Turns::new(options.max_large_first_bodies),
            guard,
            options,
            server,
            sessions: Mutex::default(),
            running: watch::Sender::new(0),
            ending: watch::Sender::new(false),
        }
    }

    fn sessions(&self) -> MutexGuard<'_, HashMap<String, Arc<ClientSession>>> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) async fn answer(self: &Arc<Self>, request: Request<Incoming>) -> HttpAnswer {
        if let Some(why) = self.guard.refuses(request.headers()) {
            tracing::warn!(why, "a request is refused");
            return refusal(StatusCode::FORBIDDEN, INVALID_REQUEST, why, None);
        }
        if request.uri().path() != self.options.path {
            return empty(StatusCode::NOT_FOUND);
        }
        match *request.method() {
            Method::POST => self.post(request).await,
            Method::GET => self.get(request.headers()),
            Method::DELETE => self.delete(request.headers()),
            _ => {
                let mut answer = empty(StatusCode::METHOD_NOT_ALLOWED);
                let methods = HeaderValue::from_static("GET, POST, DELETE");
                answer.headers_mut().insert(ALLOW, methods);
                answer
            }
        }
    }

    /// The session that a request names.
    pub(super) fn session_of(
        &self,
        headers: &HeaderMap,
    ) -> Result<Arc<ClientSession>, Box<HttpAnswer>> {
        let refuse = |status, why| Err(Box::new(refusal(status, INVALID_REQUEST, why, None)));
        let Some(id) = headers.get(SESSION) else {
            let why = "`Mcp-Session-Id` is missing: send `initialize` first, without it";
            return refuse(StatusCode::BAD_REQUEST, why);
        };
        let session = id
            .to_str()
            .ok()
            .and_then(|id| self.sessions().get(id).cloned());
        let Some(session) = session else {
            return refuse(
                StatusCode::NOT_FOUND,
                "there is no such session any more: begin a new one",
            );
        };
        let version = headers
            .get(VERSION)
            .map(|version| version.to_str().unwrap_or(""));
        let known =
            |version: &str| VERSIONS.contains(&version) || session.version() == Some(version);
        if version.is_some_and(|version| !known(version)) {
            return refuse(
                StatusCode::BAD_REQUEST,
                "`MCP-Protocol-Version` is none that this session speaks",
            );
        }
        Ok(session)
    }

    fn get(&self, headers: &HeaderMap) -> HttpAnswer {
        if !accepts(headers).1 {
            return empty(StatusCode::NOT_ACCEPTABLE);
        }
        let session = match self.session_of(headers) {
            Ok(session) => session,
            Err(refused) => return *refused,
        };
        let busy = session.busy();
        let Some(last) = headers.get(LAST_EVENT) else {
            return self.stream(session.streams.listen(), busy, None);
        };
        let place = last.to_str().ok().and_then(|last| last.split_once('-'));
        let place = place.and_then(|(key, at)| Some((key.parse().ok()?, at.parse().ok()?)));
        match place.and_then(|(key, at)| session.streams.resume(key, at)) {
            Some(reader) => self.stream(reader, busy, None),
            None => {
                let why = "what followed `Last-Event-ID` is not kept any more";
                refusal(StatusCode::BAD_REQUEST, INVALID_REQUEST, why, None)
            }
        }
    }

    fn delete(&self, headers: &HeaderMap) -> HttpAnswer {
        match self.session_of(headers) {
            Ok(session) => {
                self.sessions().remove(&session.id);
                session.end();
                empty(StatusCode::NO_CONTENT)
            }
            Err(refused) => *refused,
        }
    }

    /// An answer that is a stream; `first` is written before anything else.
    pub(super) fn stream(
        &self,
        mut reader: Reader,
        busy: Busy,
        first: Option<String>,
    ) -> HttpAnswer {
        // One piece waits until the client reads; the others stay where they are.
        let (sender, pieces) = mpsc::channel::<Bytes>(1);
        let mut alive = interval(self.options.keep_alive.max(Duration::from_millis(10)));
        tokio::spawn(async move {
            // The first is at once: the client sees that its stream is open.
            alive.tick().await;
            let mut piece = first.unwrap_or_else(|| ": \n\n".to_owned());
            while sender.send(piece.into()).await.is_ok() {
                alive.reset();
                piece = tokio::select! {
                    biased;
                    () = sender.closed() => break,
                    line = reader.next() => match line {
                        Some(line) => sse::write(&reader.event_id(), &line),
                        None => break,
                    },
                    _ = alive.tick() => ": \n\n".to_owned(),
                };
            }
            drop((reader, busy));
        });
        events(pieces)
    }

    /// A new session, with a server side of its own.
    pub(super) fn begin(self: &Arc<Self>, initialize: Id) -> Result<Arc<ClientSession>, NoSession> {
        if *self.ending.borrow() {
            return Err(NoSession::Ending);
        }
        let mut random = [0; 32];
        getrandom::fill(&mut random).map_err(|_| NoSession::NoId)?;
        let id: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
        let full = |running: &mut usize| {
            let free = *running < self.options.max_sessions.max(1);
            *running += usize::from(free);
            free
        };
        if !self.running.send_if_modified(full) {
            return Err(NoSession::Full);
        }
        let server = (self.server)().map_err(|error| {
            self.running.send_modify(|running| *running -= 1);
            NoSession::NoServer(error)
        })?;
        let (session, client) = ClientSession::new(id, initialize, &self.options);
        self.sessions()
            .insert(session.id.clone(), Arc::clone(&session));
        let (endpoint, running) = (Arc::clone(self), Arc::clone(&session));
        spawn(async move {
            let mut ending = endpoint.ending.subscribe();
            let stop = async {
                tokio::select! {
                    () = running.idle(endpoint.options.idle) => {}
                    _ = ending.wait_for(|ending| *ending) => {}
                }
            };
            let ended = endpoint.gateway.run_until(client, server, stop).await;
            tracing::debug!(?ended, "the session of a client has ended");
            endpoint.sessions().remove(&running.id);
            endpoint.running.send_modify(|running| *running -= 1);
        });
        Ok(session)
    }

    /// Ends all sessions, and their servers.
    pub(super) async fn end(&self) {
        self.ending.send_replace(true);
        let mut running = self.running.subscribe();
        if running.wait_for(|running| *running == 0).await.is_err() {
            unreachable!("we hold the other end");
        }
    }
}

/// Whether a client takes JSON, and events.
pub(super) fn accepts(headers: &HeaderMap) -> (bool, bool) {
    let mut all = headers.get_all(ACCEPT).iter().peekable();
    if all.peek().is_none() {
        return (true, false);
    }
    let ranges = all.flat_map(|value| value.to_str().unwrap_or("").split(','));
    let ranges = ranges.map(|range| {
        range
            .split(';')
            .next()
            .unwrap_or("")
            .trim()
            .to_ascii_lowercase()
    });
    ranges.fold((false, false), |(json, events), range| {
        let json = json || matches!(range.as_str(), JSON | "application/*" | "*/*");
        (json, events || matches!(range.as_str(), EVENTS | "text/*"))
    })
}
