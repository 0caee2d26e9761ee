//! How a [`HookEventSystem`] is made.

use std::sync::Arc;

use hooks_runtime::{ArgLevel, HookError, HookRegistry, Wants, hooks};

use super::HookEventSystem;
use super::records::Records;
use crate::bus::EventBus;

/// See [`HookEventSystem::builder`].
#[derive(Default)]
#[must_use = "nothing is connected before `.build()`"]
pub struct HookEventSystemBuilder {
    registry: Option<HookRegistry>,
    bus: Option<EventBus>,
    calls: Vec<String>,
    args: ArgLevel,
}

impl HookEventSystemBuilder {
    /// The hooks. By default those of the current registry, [`hooks`].
    pub fn registry(mut self, registry: HookRegistry) -> Self {
        self.registry = Some(registry);
        self
    }

    /// The events. By default a new bus.
    pub fn bus(mut self, bus: EventBus) -> Self {
        self.bus = Some(bus);
        self
    }

    /// Publishes every call at the points that match, `hook.<point>.returned` too: a point or a pattern, such as
    /// `tool.*`. Their calls are timed and recorded, which costs about a microsecond each.
    pub fn publish_calls(mut self, pattern: impl Into<String>) -> Self {
        self.calls.push(pattern.into());
        self
    }

    /// How much of the arguments the events hold; by default their names and types.
    pub fn args(mut self, level: ArgLevel) -> Self {
        self.args = level;
        self
    }

    /// Connects them, asks the hooks of `system.startup`, in the scope of the caller, and publishes an event of that
    /// name.
    ///
    /// # Errors
    /// A pattern of [`publish_calls`](Self::publish_calls) can never match.
    pub fn build(self) -> Result<HookEventSystem, HookError> {
        let mut wants = Wants::exceptional().args(self.args).except_at("event.>")?;
        for pattern in &self.calls {
            wants = wants.and_always_at(pattern)?;
        }
        let bus = self.bus.unwrap_or_default();
        let records = Arc::new(Records::new(bus.clone(), wants));
        let registry = self.registry.unwrap_or_else(hooks);
        Ok(HookEventSystem::start(registry, bus, records))
    }
}
