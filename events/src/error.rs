//! The errors of this crate.

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
}
