//! Events on top of hooks: an event says that something happened, a hook may change what happens.

#![forbid(unsafe_code)]

mod bus;
pub mod cloud_event;
mod dead_letter;
mod dispatcher;
pub mod error;
pub mod event;
pub mod flow;
mod handler;
mod metrics;
mod overflow;
pub mod pattern;
#[doc(hidden)]
pub mod queue;
mod request;
pub mod route;
pub mod store;
mod subscription;
mod system;
pub mod topic;

pub use bus::{
    DrainReport, EventBus, EventBusBuilder, Publishable, Published, Publisher, Undelivered,
};
pub use dead_letter::{DEAD_LETTER_TOPIC, DeadLetter, DeadLetterCause};
pub use dispatcher::{EventDispatcher, EventDispatcherBuilder, Strategy};
pub use error::EventError;
pub use event::{Event, UniversalEvent};
pub use handler::{Backoff, DeliveryPolicy, EventHandler, Handled, HandlerError, HandlerGuard};
pub use metrics::{BusMetrics, DeliveryMetrics, SubscriptionMetrics};
pub use overflow::{Gap, GapReason, Overflow};
pub use pattern::TopicPattern;
pub use request::REPLY_TO;
pub use subscription::{Delivery, Subscription, SubscriptionBuilder};
pub use system::{
    EventHook, HookEventSystem, HookEventSystemBuilder, OnEvent, UnifiedHookEventSystem,
};
pub use topic::{MAX_TOPIC_BYTES, MAX_TOPIC_TOKENS, Topic};

/// The Rust blocks of the book compile and run as tests.
#[cfg(doctest)]
mod book {
    #[doc = include_str!("../../docs/guide/events.md")]
    struct Guide;
    #[doc = include_str!("../../docs/reference/event.md")]
    struct Event;
    #[doc = include_str!("../../docs/reference/topics.md")]
    struct Topics;
}
