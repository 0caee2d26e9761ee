//! What is called with events.

pub(crate) mod attempt;
mod guard;
pub(crate) mod lanes;
mod policy;
pub(crate) mod worker;

use std::sync::Arc;

use hooks_runtime::async_trait;

use crate::event::Event;
use crate::overflow::Gap;
pub use guard::HandlerGuard;
pub use policy::{Backoff, DeliveryPolicy};

/// What a handler says when it fails.
pub type HandlerError = Box<dyn std::error::Error + Send + Sync>;

/// Handles events on a task of its own, one or several at a time.
///
/// Asynchronous closures that take an `Arc<Event>` are handlers, with `()` or a `Result` as output.
///
/// ```
/// use std::sync::Arc;
/// use hooks_events::{Event, EventBus, EventHandler, HandlerError};
/// use hooks_runtime::async_trait;
///
/// struct Mailer;
///
/// #[async_trait]
/// impl EventHandler for Mailer {
///     async fn handle(&self, event: Arc<Event>) -> Result<(), HandlerError> {
///         let address = event.data::<String>().ok_or("not an address")?;
///         println!("mail to {address}");
///         Ok(())
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), hooks_events::EventError> {
/// let bus = EventBus::new();
/// let _mailer = bus.subscribe("user.created").handler(Mailer)?;
/// let _log = bus.subscribe(">").handler(async |event: Arc<Event>| println!("{}", event.topic()))?;
/// bus.publish(Event::try_new("user.created", String::from("ada@example.org"))?).await?;
/// # bus.drain(std::time::Duration::from_secs(5)).await;
/// # Ok(())
/// # }
/// ```
#[async_trait]
pub trait EventHandler: Send + Sync + 'static {
    /// Handles one event.
    ///
    /// Under a timeout the future is dropped when the time is up; it must not block its thread, because what
    /// blocks cannot be dropped.
    ///
    /// # Errors
    /// It could not. It is called again if the subscription has retries; after the last attempt the event
    /// becomes a dead letter.
    async fn handle(&self, event: Arc<Event>) -> Result<(), HandlerError>;

    /// Told that events were lost before the next one. By default this is a warning in the log.
    fn on_gap(&self, subscription: &str, gap: Gap) {
        tracing::warn!(subscription, from = gap.from, to = gap.to, "{gap}");
    }
}

/// What a closure that handles events may give: nothing, or a result.
pub trait Handled {
    /// As a result.
    ///
    /// # Errors
    /// The closure's.
    fn into_result(self) -> Result<(), HandlerError>;
}

impl Handled for () {
    #[inline]
    fn into_result(self) -> Result<(), HandlerError> {
        Ok(())
    }
}

impl<E: Into<HandlerError>> Handled for Result<(), E> {
    #[inline]
    fn into_result(self) -> Result<(), HandlerError> {
        self.map_err(Into::into)
    }
}

#[async_trait]
impl<F, Fut> EventHandler for F
where
    F: Fn(Arc<Event>) -> Fut + Send + Sync + 'static,
    Fut: Future + Send + 'static,
    Fut::Output: Handled,
{
    async fn handle(&self, event: Arc<Event>) -> Result<(), HandlerError> {
        self(event).await.into_result()
    }
}
