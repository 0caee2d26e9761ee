//! Events on top of hooks: an event says that something happened, a hook may change what happens.

#![forbid(unsafe_code)]

pub mod cloud_event;
pub mod error;
pub mod event;
pub mod flow;
pub mod pattern;
pub mod route;
pub mod store;
pub mod topic;

pub use error::EventError;
pub use event::{Event, UniversalEvent};
pub use pattern::TopicPattern;
pub use topic::{MAX_TOPIC_BYTES, MAX_TOPIC_TOKENS, Topic};

/// The Rust blocks of the book compile and run as tests.
#[cfg(doctest)]
mod book {
    #[doc = include_str!("../../docs/reference/event.md")]
    struct Event;
    #[doc = include_str!("../../docs/reference/topics.md")]
    struct Topics;
}
