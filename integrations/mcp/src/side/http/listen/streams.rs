//! What goes to one client, on the streams that it has opened, and what it may come back for.

mod log;
mod reader;

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use crate::message::{Id, Message};
use log::Log;
pub(super) use reader::Reader;

/// The stream of what the server begins.
pub(super) const OWN: u64 = 0;

/// How many streams are kept that are at their end.
const KEPT: usize = 64;

/// All streams of a session.
#[derive(Debug)]
pub(super) struct Streams {
    state: Mutex<State>,
    /// There is room again.
    room: Notify,
    max_bytes: usize,
}

#[derive(Debug)]
struct State {
    logs: BTreeMap<u64, Log>,
    of_request: HashMap<Id, u64>,
    next: u64,
    next_reader: u64,
    bytes: usize,
    closed: bool,
}

/// What was lost when a message was put: requests that nobody can answer any more.
pub(super) type Lost = Vec<Id>;

/// A request with that id is under way.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Twice;

impl Streams {
    pub(super) fn new(max_bytes: usize) -> Self {
        let state = State {
            logs: BTreeMap::from([(OWN, Log::default())]),
            of_request: HashMap::new(),
            next: OWN + 1,
            next_reader: 0,
            bytes: 0,
            closed: false,
        };
        Streams {
            state: Mutex::new(state),
            room: Notify::new(),
            max_bytes,
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a request with that id waits for its answer.
    pub(super) fn is_waiting(&self, id: &Id) -> bool {
        self.state().of_request.contains_key(id)
    }

    /// A stream for the answers to these requests, behind what is said at once. `takes_more`: it may have other
    /// messages as well.
    pub(super) fn open(
        self: &Arc<Self>,
        ids: &[Id],
        at_once: Vec<String>,
        takes_more: bool,
    ) -> Result<Reader, Twice> {
        let mut state = self.state();
        let mut waiting = std::collections::HashSet::new();
        for id in ids {
            if state.of_request.contains_key(id) || !waiting.insert(id.clone()) {
                return Err(Twice);
            }
        }
        let key = state.next;
        state.next += 1;
        for id in ids {
            state.of_request.insert(id.clone(), key);
        }
        state.logs.insert(key, Log::new(waiting, takes_more));
        for line in at_once {
            state.append(key, line, None);
        }
        let reader = state.attach(key, 0).expect("it is there");
        state.forget_ended();
        drop(state);
        Ok(Reader::new(self, key, reader))
    }

    /// The stream again, behind that event; whoever has read it until now reads no more. `None`: it is not there, or
    /// what follows the event is not.
    pub(super) fn resume(self: &Arc<Self>, key: u64, after: u64) -> Option<Reader> {
        let reader = self.state().attach(key, after)?;
        Some(Reader::new(self, key, reader))
    }

    /// The stream of what the server begins, from what was not read yet.
    pub(super) fn listen(self: &Arc<Self>) -> Reader {
        let mut state = self.state();
        let after = state.logs[&OWN].read_to();
        let reader = state.attach(OWN, after).expect("it is always there");
        drop(state);
        Reader::new(self, OWN, reader)
    }

    /// Puts a message on its stream. While the streams that are read hold too much it waits; what nobody reads goes
    /// to make room.
    pub(super) async fn put(
        &self,
        message: &Message,
        related: Option<&Id>,
    ) -> Result<Lost, Closed> {
        let line = message.to_line();
        let mut lost = Lost::new();
        loop {
            let mut room = std::pin::pin!(self.room.notified());
            room.as_mut().enable();
            {
                let mut state = self.state();
                if state.closed {
                    return Err(Closed);
                }
                state.make_room(line.len(), self.max_bytes, &mut lost);
                if state.bytes == 0 || state.bytes + line.len() <= self.max_bytes {
                    state.push(message, line, related);
                    return Ok(lost);
                }
            }
            room.await;
        }
    }

    /// Nobody waits for this answer any more.
    pub(super) fn cancel(&self, id: &Id) {
        let mut state = self.state();
        if let Some(key) = state.of_request.remove(id) {
            state.settle(key, id);
        }
    }

    /// Nothing more comes.
    pub(super) fn close(&self) {
        let mut state = self.state();
        state.closed = true;
        state.logs.values().for_each(Log::wake);
        drop(state);
        self.room.notify_waiters();
    }
}

/// The session is over.
#[derive(Debug)]
pub(super) struct Closed;

impl State {
    fn push(&mut self, message: &Message, line: String, related: Option<&Id>) {
        let request = match message {
            Message::Request { id, .. } => Some(id.clone()),
            _ => None,
        };
        let Message::Response { id, .. } = message else {
            let key = self.stream_for(related);
            return self.append(key, line, request);
        };
        // An error about nothing that could be told belongs to no stream.
        let Some(id) = id else {
            let key = self.stream_for(related);
            return self.append(key, line, None);
        };
        let Some(key) = self.of_request.remove(id) else {
            tracing::debug!(?id, "nobody waits for this answer any more");
            return;
        };
        self.append(key, line, None);
        self.settle(key, id);
    }

    /// Where what is no answer goes: to the request that it belongs to, else to the stream of what the server begins,
    /// and while nobody reads that, to one that is read.
    fn stream_for(&self, related: Option<&Id>) -> u64 {
        let related = related.and_then(|id| self.of_request.get(id)).copied();
        if let Some(key) = related.filter(|key| self.logs.get(key).is_some_and(Log::takes_more)) {
            return key;
        }
        if self.logs[&OWN].is_read() {
            return OWN;
        }
        let mut read = self.logs.iter().rev();
        let read = read.find(|(_, log)| log.takes_more() && log.is_read() && !log.is_ended());
        read.map_or(OWN, |(key, _)| *key)
    }

    fn append(&mut self, key: u64, line: String, request: Option<Id>) {
        if let Some(log) = self.logs.get_mut(&key) {
            self.bytes += line.len();
            log.push(line, request);
        }
    }

    fn settle(&mut self, key: u64, id: &Id) {
        if let Some(log) = self.logs.get_mut(&key) {
            log.settle(id);
        }
    }

    fn attach(&mut self, key: u64, after: u64) -> Option<(u64, u64, Arc<Notify>)> {
        let log = self.logs.get_mut(&key)?;
        if !log.has_all_after(after) {
            return None;
        }
        self.next_reader += 1;
        let changed = log.attach(self.next_reader);
        Some((self.next_reader, after, changed))
    }

    /// First what was read goes, then what nobody reads.
    fn make_room(&mut self, bytes: usize, max: usize, lost: &mut Lost) {
        for log in self.logs.values_mut() {
            while self.bytes + bytes > max {
                let Some(freed) = log.drop_read() else { break };
                self.bytes -= freed;
            }
        }
        for log in self.logs.values_mut().filter(|log| !log.is_read()) {
            while self.bytes + bytes > max {
                let Some((freed, request)) = log.drop_oldest() else {
                    break;
                };
                tracing::warn!("the client does not read, and a message for it is lost");
                self.bytes -= freed;
                lost.extend(request);
            }
        }
    }

    fn forget_ended(&mut self) {
        let ended = |log: &Log| log.is_ended() && !log.is_read();
        let mut surplus = self
            .logs
            .values()
            .filter(|log| ended(log))
            .count()
            .saturating_sub(KEPT);
        let bytes = &mut self.bytes;
        self.logs.retain(|key, log| {
            let forgotten = *key != OWN && surplus > 0 && ended(log);
            if forgotten {
                surplus -= 1;
                *bytes -= log.bytes();
            }
            !forgotten
        });
    }
}
