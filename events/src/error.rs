//! The errors of this crate.

use std::time::Duration;

use hooks_runtime::{HookError, HookRefusal};

/// Everything that can go wrong with events.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EventError {
    /// Text that is not a topic.
    #[error("the topic `{text}` {why} (at byte {at_bytes})")]
    BadTopic {
        /// What was written, shortened if it is long.
        text: Box<str>,
        /// Where it goes wrong, in bytes from the start.
        at_bytes: usize,
        /// What is wrong, and what to write instead.
        why: Box<str>,
    },
    /// Text that is not a pattern over topics.
    #[error("the topic pattern `{text}` {why} (at byte {at_bytes})")]
    BadPattern {
        /// What was written, shortened if it is long.
        text: Box<str>,
        /// Where it goes wrong, in bytes from the start.
        at_bytes: usize,
        /// What is wrong, and what to write instead.
        why: Box<str>,
    },
    /// The payload has no JSON form.
    #[error(
        "the payload of `{topic}`, a `{type_name}`, has no JSON form: {why}; publish a type whose `Serialize` gives \
         JSON, or read it with `data::<T>()`"
    )]
    NotJson {
        /// The topic of the event.
        topic: Box<str>,
        /// The type of the payload.
        type_name: &'static str,
        /// What serde said, or that the type was given without `Serialize`.
        why: Box<str>,
    },
    /// The payload is of another type than the one that was asked for.
    #[error(
        "the payload of `{topic}` is a `{found}`, not a `{expected}`; ask for that type, or for `json()`"
    )]
    WrongType {
        /// The topic of the event.
        topic: Box<str>,
        /// What was asked for.
        expected: &'static str,
        /// What it is.
        found: &'static str,
    },
    /// The payload's JSON does not fit the type that was asked for.
    #[error("the payload of `{topic}` is no `{expected}`: {why}")]
    Unreadable {
        /// The topic of the event.
        topic: Box<str>,
        /// What was asked for.
        expected: &'static str,
        /// What serde said.
        why: Box<str>,
    },
    /// A name that no extension attribute may have.
    #[error("the extension attribute `{name}` {why}")]
    BadExtension {
        /// What was written, shortened if it is long.
        name: Box<str>,
        /// What is wrong, and what to write instead.
        why: Box<str>,
    },
    /// A queue is full, and its strategy is that publishing fails; or it makes publishers wait, and this one
    /// does not.
    #[error(
        "`{topic}` was not published: the queue of subscription `{subscription}` is full (capacity {capacity}); \
         wait with `publish(..).await`, read faster, or give the subscription more capacity or another `Overflow`"
    )]
    Full {
        /// The topic of the event.
        topic: Box<str>,
        /// The subscription that has no room.
        subscription: Box<str>,
        /// How many events its queue takes.
        capacity: usize,
    },
    /// The bus takes no more events and no more subscriptions.
    #[error(
        "the bus is closed: {what} came after `close` or `drain`, or after the last `EventBus` was dropped"
    )]
    Closed {
        /// What was refused.
        what: Box<str>,
    },
    /// The payload is larger than the bus allows.
    #[error(
        "the payload of `{topic}` has about {bytes} bytes, and the bus takes {limit_bytes}; publish a reference to \
         it instead, or raise `EventBusBuilder::max_payload_bytes`"
    )]
    TooLarge {
        /// The topic of the event.
        topic: Box<str>,
        /// The size of the payload.
        bytes: usize,
        /// The limit.
        limit_bytes: usize,
    },
    /// Inline handlers publish to inline handlers that publish, and so on.
    #[error(
        "`{topic}` was not published: inline handlers are {depth} deep in one another; let one of them be \
         asynchronous, or raise `EventBusBuilder::max_inline_depth`"
    )]
    TooDeep {
        /// The topic of the event.
        topic: Box<str>,
        /// How many inline handlers wait for one another.
        depth: usize,
    },
    /// The topic belongs to hooks or to the system.
    #[error(
        "`{topic}` was not published: topics under `hook.`, `system.` and `performance.` are for what hooks did and what the system says; publish under a first token of \
         your own"
    )]
    ReservedTopic {
        /// The topic of the event.
        topic: Box<str>,
    },
    /// Hooks refused.
    #[error("{0}")]
    Refused(HookRefusal),
    /// Something about hooks was not possible.
    #[error("{0}")]
    Hook(HookError),
    /// Nobody listens to the topic of a request.
    #[error(
        "nobody answers requests to `{topic}`: no subscription covers it; subscribe a handler that calls `EventBus::reply`"
    )]
    NoResponder {
        /// The topic of the request.
        topic: Box<str>,
    },
    /// A request was not answered in time.
    #[error(
        "no reply to the request to `{topic}` within {after:?}; give it more time, or look why its handler does not reply"
    )]
    NoReply {
        /// The topic of the request.
        topic: Box<str>,
        /// How long it was waited for.
        after: Duration,
    },
    /// Whoever answers requests could not answer this one.
    #[error("the request to `{topic}` failed: {message}")]
    RequestFailed {
        /// The topic of the request.
        topic: Box<str>,
        /// What was said instead of an answer.
        message: Box<str>,
    },
    /// A reply that nobody waits for: the event is no request, or its time is up, or it was answered already.
    #[error("nobody waits for a reply to `{topic}`: {why}")]
    NotAwaited {
        /// The topic of the request.
        topic: Box<str>,
        /// Why nobody does.
        why: &'static str,
    },
    /// There are as many subscriptions as the bus allows.
    #[error(
        "the bus has {limit} subscriptions, as many as it allows; drop some, or raise `EventBusBuilder::max_subscriptions`"
    )]
    TooManySubscriptions {
        /// The limit.
        limit: usize,
    },
    /// Options of a subscription that do not go together, or are out of range.
    #[error("the subscription to `{pattern}` cannot have {option}: {why}")]
    BadOption {
        /// The pattern of the subscription.
        pattern: Box<str>,
        /// The option.
        option: &'static str,
        /// Why not, and what to do instead.
        why: Box<str>,
    },
    /// Something needs a tokio runtime, and there is none.
    #[error(
        "{what} needs a tokio runtime: call it inside of one, for example in a function under `#[tokio::main]`"
    )]
    NoRuntime {
        /// What needs it.
        what: &'static str,
    },
    /// A handler failed; what it said, or the message of its panic.
    #[error("the handler of `{subscription}` {how}: {message}")]
    Handler {
        /// The subscription of the handler.
        subscription: Box<str>,
        /// `failed`, `panicked`, or `took too long`.
        how: &'static str,
        /// What it said.
        message: Box<str>,
    },
    /// A store did not take an event.
    #[error("the event `{topic}` was not kept: {why}")]
    NotKept {
        /// The topic of the event.
        topic: Box<str>,
        /// What is in the way, and what to do.
        why: Box<str>,
    },
    /// A store could not be read.
    #[error("the store of events cannot be read: {why}")]
    NotRead {
        /// What is in the way, and what to do.
        why: Box<str>,
    },
    /// More events than a limit lets pass.
    #[error(
        "the event `{topic}` is one too many for the rate limit on `{limit}`; try again in {retry_after:?}, or raise \
         the limit"
    )]
    RateLimited {
        /// The topic of the event.
        topic: Box<str>,
        /// The pattern of the limit.
        limit: Box<str>,
        /// When there will be room for one event.
        retry_after: Duration,
    },
    /// A rate at which nothing or everything would pass.
    #[error(
        "{per_second} events per second with a burst of {burst} is no rate limit; write a rate between one event a day \
         and 1e9 a second, and a burst of at least 1"
    )]
    BadRate {
        /// Events per second.
        per_second: f64,
        /// Events at once.
        burst: u32,
    },
    /// JSON that is no CloudEvent, or an event that cannot be one.
    #[error("no CloudEvent: `{at}` {why}")]
    NotCloudEvent {
        /// The attribute.
        at: Box<str>,
        /// What is wrong with it, and what the specification demands.
        why: Box<str>,
    },
}

impl From<HookError> for EventError {
    fn from(error: HookError) -> Self {
        EventError::Hook(error)
    }
}

impl From<HookRefusal> for EventError {
    fn from(refusal: HookRefusal) -> Self {
        EventError::Refused(refusal)
    }
}
