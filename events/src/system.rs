//! Hooks and events as one system.

mod builder;
mod event_hook;
mod records;
mod unheard;

use std::sync::Arc;
use std::time::Duration;

use hooks_runtime::{HookRegistry, Sink, hooked};

pub use builder::HookEventSystemBuilder;
pub use event_hook::{EventHook, OnEvent};
use records::Records;
pub(crate) use unheard::{UnheardGuard, unheard};

use crate::bus::{DrainReport, EventBus};
use crate::error::EventError;
use crate::event::Event;

/// The predecessor's name of [`HookEventSystem`].
pub type UnifiedHookEventSystem = HookEventSystem;

/// A registry of hooks and a bus of events, each of which hears of the other. Cheap to clone.
///
/// - What hooks did becomes events: `hook.<point>.<outcome>`, for example `hook.tool.execute.refused`, with the
///   [`DecisionRecord`](hooks_runtime::DecisionRecord) as data. Refused calls, and calls that failed where hooks
///   are asked, always do; other calls where [`publish_calls`](HookEventSystemBuilder::publish_calls) says so.
///   Rules that could not be kept are published as `system.violation`.
/// - What happened can ask hooks: [`on_event`](HookEventSystem::on_event).
/// - The two cannot chase each other. What publishing and delivering asks of hooks (`event.*`) is never
///   published, nor is what handlers of `hook.>` call.
/// - An error of a subscriber never reaches the call that the event is about, and neither does its slowness: where
///   a queue is full, the subscriber gets a gap.
///
/// ```
/// use std::time::Duration;
/// use hooks_events::{Delivery, HookEventSystem};
/// use hooks_runtime::{HookRefusal, Vote, hooked};
///
/// #[hooked(point = "billing.charge")]
/// fn charge(cents: u64) -> Result<u64, HookRefusal> { Ok(cents) }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let system = HookEventSystem::builder().build()?;
/// let mut refused = system.bus().subscribe("hook.billing.*.refused").stream()?;
/// let _limit = system.registry().guard("limit", "billing.charge", |cx| {
///     Ok(Vote::cancel_if(*cx.arg::<u64>("cents")? > 10_000, "over the limit"))
/// })?;
/// assert!(charge(20_000).is_err());
/// let Some(Delivery::Event(event)) = refused.recv().await else { panic!() };
/// assert_eq!(event.json()?["refusal"]["reason"], "over the limit");
/// system.shutdown(Duration::from_secs(5)).await;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct HookEventSystem {
    inner: Arc<Inner>,
}

struct Inner {
    registry: HookRegistry,
    bus: EventBus,
    records: Arc<Records>,
}

impl HookEventSystem {
    /// A system of the current registry and a new bus, unless it is told otherwise.
    pub fn builder() -> HookEventSystemBuilder {
        HookEventSystemBuilder::default()
    }

    fn start(registry: HookRegistry, bus: EventBus, records: Arc<Records>) -> HookEventSystem {
        registry.add_sink(records.clone());
        let inner = Inner {
            registry,
            bus,
            records,
        };
        let system = HookEventSystem {
            inner: Arc::new(inner),
        };
        startup(env!("CARGO_PKG_VERSION"));
        system.tell("system.startup");
        system
    }

    /// The hooks.
    pub fn registry(&self) -> &HookRegistry {
        &self.inner.registry
    }

    /// The events.
    pub fn bus(&self) -> &EventBus {
        &self.inner.bus
    }

    /// Makes events ask hooks: see [`OnEvent::as_hook`].
    pub fn on_event(&self, pattern: &str) -> OnEvent<'_> {
        OnEvent::new(&self.inner.bus, pattern)
    }

    /// Tells hooks and subscribers that the program goes down, and waits until what was published is handled, at
    /// most for `timeout`. The bus takes no more events after that; hooks stay in force.
    pub async fn shutdown(&self, timeout: Duration) -> DrainReport {
        shutdown(timeout);
        self.tell("system.shutdown");
        self.inner.bus.drain(timeout).await
    }

    /// Publishes what the system itself has to say.
    fn tell(&self, topic: &str) {
        let event = Event::try_new(topic, serde_json::json!({ "pid": std::process::id() }));
        tell(&self.inner.bus, event);
    }
}

/// Publishes what hooks or the system have to say. It never waits: where a queue is full, the subscriber gets a
/// gap.
fn tell(bus: &EventBus, event: Result<Event, EventError>) {
    match event.and_then(|event| bus.publish_record(event)) {
        // A bus that is closed wants to hear nothing more.
        Ok(_) | Err(EventError::Closed { .. }) => {}
        Err(error) => tracing::warn!(%error, "what hooks did was not published"),
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        let records: Arc<dyn Sink> = self.records.clone();
        self.registry.remove_sink(&records);
    }
}

/// The system is there; hooks may watch.
#[hooked(point = "system.startup", observe)]
fn startup(version: &str) {
    let _for_hooks_only = version;
}

/// The system goes down; hooks may watch.
#[hooked(point = "system.shutdown", observe)]
fn shutdown(timeout: Duration) {
    let _for_hooks_only = timeout;
}
