//! The errors of this crate.

use std::time::Duration;

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
