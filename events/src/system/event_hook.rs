//! Events that ask hooks.

use std::sync::Arc;

use hooks_runtime::{DynamicSite, HookRefusal};

use crate::bus::EventBus;
use crate::error::EventError;
use crate::event::Event;
use crate::handler::HandlerGuard;

/// Events of some topics, to be turned into something else; see [`HookEventSystem::on_event`].
///
/// [`HookEventSystem::on_event`]: super::HookEventSystem::on_event
#[must_use = "nothing happens before `.as_hook(…)`"]
pub struct OnEvent<'a> {
    bus: &'a EventBus,
    pattern: String,
}

/// What is told of each event that hooks were asked about.
type Then = dyn Fn(&Event, &Result<Event, HookRefusal>) + Send + Sync;

/// Ends the subscription when it is dropped.
#[must_use = "hooks are asked as long as it lives"]
pub struct EventHook {
    site: DynamicSite,
    handler: HandlerGuard,
}

impl<'a> OnEvent<'a> {
    pub(super) fn new(bus: &'a EventBus, pattern: &str) -> Self {
        OnEvent {
            bus,
            pattern: pattern.to_owned(),
        }
    }

    /// Asks the hooks at `point` about each event: a call with the argument `event` and the topic as component.
    ///
    /// They may change the event and refuse it. Whoever published it with [`EventBus::request`] gets the data of
    /// the event as the hooks left it, or an error with the refusal's reason.
    ///
    /// # Errors
    /// [`EventError::Hook`]: `point` is no name of a point of one's own. Errors of the subscription.
    pub fn as_hook(self, point: &str) -> Result<EventHook, EventError> {
        self.as_hook_then(point, |_, _| ())
    }

    /// The same, and tells what came of each event.
    ///
    /// # Errors
    /// As [`OnEvent::as_hook`].
    pub fn as_hook_then(
        self,
        point: &str,
        then: impl Fn(&Event, &Result<Event, HookRefusal>) + Send + Sync + 'static,
    ) -> Result<EventHook, EventError> {
        let site = DynamicSite::named(point, "event")?;
        let then: Arc<Then> = Arc::new(then);
        let bus = self.bus.clone();
        let handler = self
            .bus
            .subscribe(&self.pattern)
            .handler(move |event: Arc<Event>| {
                let (bus, then) = (bus.clone(), then.clone());
                async move { ask(site, &bus, &event, &*then).await }
            })?;
        Ok(EventHook { site, handler })
    }
}

async fn ask(
    site: DynamicSite,
    bus: &EventBus,
    event: &Event,
    then: &Then,
) -> Result<(), EventError> {
    let asked = site.call_for(event.topic().as_str(), event.clone()).await;
    then(event, &asked);
    if !event.is_request() {
        return Ok(());
    }
    match asked {
        Ok(changed) => match changed.json() {
            Ok(data) => bus.reply(event, data.clone()),
            Err(error) => bus.reply_error(event, &error.to_string()),
        },
        Err(refusal) => bus.reply_error(event, refusal.reason()),
    }
}

impl EventHook {
    /// The site that hooks see.
    pub fn site(&self) -> DynamicSite {
        self.site
    }

    /// The subscription behind it.
    pub fn handler(&self) -> &HandlerGuard {
        &self.handler
    }
}
