//! Requests: an event that waits for another one.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hooks_runtime::hooked;
use serde::Serialize;
use tokio::sync::oneshot;

use crate::bus::EventBus;
use crate::bus::deliver::ask;
use crate::bus::inner::{Inner, lock};
use crate::error::EventError;
use crate::event::{Event, Extension};
use crate::topic::Topic;

/// The extension attribute of a request that says where the reply goes.
pub const REPLY_TO: &str = "replyto";

/// The extension attribute of a reply that is none: why.
const FAILED: &str = "replyerror";

/// The first token of the topics of replies.
const REPLY_TOPIC: &str = "reply";

/// Those who wait for replies.
#[derive(Default)]
pub(crate) struct Requests(Mutex<State>);

#[derive(Default)]
struct State {
    waiting: HashMap<u64, oneshot::Sender<Arc<Event>>>,
    last: u64,
    closed: bool,
}

impl Requests {
    fn begin(&self) -> Option<(u64, oneshot::Receiver<Arc<Event>>)> {
        let mut state = lock(&self.0);
        if state.closed {
            return None;
        }
        state.last += 1;
        let number = state.last;
        let (sender, receiver) = oneshot::channel();
        state.waiting.insert(number, sender);
        Some((number, receiver))
    }

    fn take(&self, number: u64) -> Option<oneshot::Sender<Arc<Event>>> {
        lock(&self.0).waiting.remove(&number)
    }

    pub(crate) fn close(&self) {
        let mut state = lock(&self.0);
        state.closed = true;
        let waiting = std::mem::take(&mut state.waiting);
        drop(state);
        drop(waiting);
    }
}

/// Nobody waits any more when it is dropped.
struct WaitGuard<'i> {
    inner: &'i Inner,
    number: u64,
}

impl Drop for WaitGuard<'_> {
    fn drop(&mut self) {
        drop(self.inner.requests.take(self.number));
    }
}

pub(crate) async fn request(
    bus: &EventBus,
    request: Event,
    timeout: Duration,
) -> Result<Arc<Event>, EventError> {
    let inner = bus.inner();
    let topic = request.topic().clone();
    let closed = || EventError::Closed {
        what: format!("the request to `{topic}`").into(),
    };
    let (number, reply) = inner.requests.begin().ok_or_else(closed)?;
    let _waiting = WaitGuard { inner, number };
    let request = request.with_extension(REPLY_TO, &*format!("{REPLY_TOPIC}.{number}"))?;
    let wait = async {
        if !bus.publish(request).await?.is_taken() {
            return Err(EventError::NoResponder {
                topic: topic.as_str().into(),
            });
        }
        reply.await.map_err(|_| closed())
    };
    let reply = tokio::time::timeout(timeout, wait).await;
    let reply = reply.unwrap_or_else(|_| {
        Err(EventError::NoReply {
            topic: topic.as_str().into(),
            after: timeout,
        })
    })?;
    ask("request", &reply)?;
    match reply.extension(FAILED) {
        Some(Extension::Text(message)) => Err(EventError::RequestFailed {
            topic: topic.as_str().into(),
            message: message.clone(),
        }),
        _ => Ok(reply),
    }
}

pub(crate) fn reply<T>(inner: &Inner, request: &Event, data: T) -> Result<(), EventError>
where
    T: Serialize + Send + Sync + 'static,
{
    let reply = Event::new(reply_topic(request)?, data).caused_by(request);
    send(inner, request, reply)
}

pub(crate) fn reply_error(inner: &Inner, request: &Event, message: &str) -> Result<(), EventError> {
    let reply = Event::without_data(reply_topic(request)?).caused_by(request);
    // Empty text is no attribute.
    let message = if message.is_empty() {
        "no reason was given"
    } else {
        message
    };
    send(inner, request, reply.with_extension(FAILED, message)?)
}

fn not_awaited(request: &Event, why: &'static str) -> EventError {
    EventError::NotAwaited {
        topic: request.topic().as_str().into(),
        why,
    }
}

fn reply_topic(request: &Event) -> Result<Topic, EventError> {
    match request.extension(REPLY_TO) {
        Some(Extension::Text(to)) => Topic::new(to),
        _ => Err(not_awaited(
            request,
            "the event is no request; publish the answer under a topic instead",
        )),
    }
}

fn send(inner: &Inner, request: &Event, reply: Event) -> Result<(), EventError> {
    match inner.ask_and_reply(reply) {
        Ok(true) => Ok(()),
        Ok(false) => Err(not_awaited(
            request,
            "its time is up, or it was answered already",
        )),
        Err(error) => Err(error),
    }
}

impl Event {
    /// Whether somebody waits for a reply to it, see [`EventBus::request`].
    pub fn is_request(&self) -> bool {
        self.extension(REPLY_TO).is_some()
    }
}

impl Inner {
    #[hooked(point = "event.publish", component = event.topic().as_str())]
    fn ask_and_reply(&self, event: Event) -> Result<bool, EventError> {
        self.admit(&event)?;
        let number = event.topic().as_str().strip_prefix(REPLY_TOPIC);
        let number = number.and_then(|n| n.strip_prefix('.')?.parse().ok());
        let Some(waiting) = number.and_then(|number| self.requests.take(number)) else {
            return Ok(false);
        };
        self.published.add(1);
        Ok(waiting.send(Arc::new(event)).is_ok())
    }
}
