//! What hooks did, as events.

use hooks_runtime::{DecisionRecord, Signal, Sink, Wants};
use serde_json::json;

use super::tell;
use super::unheard::is_unheard;
use crate::bus::EventBus;
use crate::event::Event;
use crate::topic::Topic;

/// Publishes records and signals. It never waits and never fails: it stands in the call that it tells of.
pub(super) struct Records {
    bus: EventBus,
    wants: Wants,
}

impl Records {
    pub(super) fn new(bus: EventBus, wants: Wants) -> Self {
        Records { bus, wants }
    }
}

/// Whether it is about what publishing and delivering asks of hooks.
fn is_about_events(signal: &Signal<'_>) -> bool {
    let point = match signal {
        Signal::Violation { point, .. }
        | Signal::Threshold { point, .. }
        | Signal::BreakerOpened { point, .. } => point,
        _ => return false,
    };
    point.starts_with("event.")
}

impl Sink for Records {
    fn wants(&self) -> Wants {
        self.wants.clone()
    }

    fn record(&self, record: &DecisionRecord) {
        if is_unheard() {
            return;
        }
        let topic = format!("hook.{}.{}", record.point(), record.outcome().as_str());
        let event = Topic::new(&topic).map(|topic| {
            // A record is copied only for somebody.
            self.bus.inner().is_heard(&topic).then(|| {
                let event = Event::new(topic, record.to_owned());
                let event = event.with_correlation_id(&**record.correlation_id());
                match record.component() {
                    Some(component) => event.with_subject(component),
                    None => event,
                }
            })
        });
        if let Some(event) = event.transpose() {
            tell(&self.bus, event);
        }
    }

    fn signal(&self, signal: &Signal<'_>) {
        if is_unheard() || is_about_events(signal) {
            return;
        }
        let event = match signal {
            Signal::Violation {
                kind,
                point,
                hook,
                detail,
            } => Event::try_new(
                "system.violation",
                json!({ "kind": kind, "point": point, "hook": hook, "detail": detail }),
            ),
            Signal::BreakerOpened {
                hook,
                point,
                open_for,
            } => Event::try_new(
                "system.breaker",
                json!({ "hook": hook, "point": point, "open_ms": open_for.as_millis() as u64 }),
            ),
            Signal::ObserverFailed { hook, message } => Event::try_new(
                "system.observer_failed",
                json!({ "hook": hook, "message": message }),
            ),
            Signal::Threshold {
                point,
                overhead,
                hook_time_per_second,
            } => Event::try_new(
                "performance.threshold",
                json!({ "point": point, "overhead": overhead, "hook_ns_per_second": hook_time_per_second.as_nanos() as u64 }),
            ),
            _ => return,
        };
        tell(&self.bus, event);
    }
}
