//! A function of a script that gets events.

use std::sync::{Arc, Weak};
use std::time::Duration;

use hooks_events::{Delivery, Event, EventBus, EventHandler, HandlerError};
use hooks_runtime::{SameScope, async_trait};
use mlua::{Function, Value};
use serde_json::{Map, Value as Json, json};

use crate::allowance::Allowance;
use crate::run::drive;
use crate::vm::{Slot, Vm};

/// Calls a function of a script with each event, as a coroutine that may wait.
pub(crate) struct LuaHandler {
    vm: Weak<Vm>,
    bus: EventBus,
    function: Slot,
    limit: Duration,
    place: String,
    /// Where the script subscribed: there are its hooks, and those of its calls.
    scope: SameScope,
}

impl LuaHandler {
    pub(crate) fn new(
        vm: &Arc<Vm>,
        bus: &EventBus,
        function: Function,
        limit: Duration,
        place: String,
    ) -> Self {
        LuaHandler {
            vm: Arc::downgrade(vm),
            bus: bus.clone(),
            function: vm.keep(Value::Function(function)),
            limit,
            place,
            scope: SameScope::here(),
        }
    }

    async fn run(&self, event: &Event) -> Result<(), HandlerError> {
        let Some(vm) = self.vm.upgrade() else {
            return Err(format!("{}: the script was unloaded", self.place).into());
        };
        let seen = event_json(event)?;
        let allowance = Allowance::Each(self.limit);
        let done = drive(&vm, &self.function, vec![seen], allowance).await;
        if !event.is_request() {
            done?;
            return Ok(());
        }
        match done {
            // Nothing is no answer: another subscription may have one.
            Ok(Json::Null) => {}
            Ok(answer) => self.bus.reply(event, answer)?,
            Err(error) => {
                self.bus.reply_error(event, &error.to_string())?;
                return Err(error.into());
            }
        }
        Ok(())
    }
}

#[async_trait]
impl EventHandler for LuaHandler {
    async fn handle(&self, event: Arc<Event>) -> Result<(), HandlerError> {
        // The bus calls it from a task of its own, which is in none.
        self.scope.wrap(self.run(&event)).await
    }
}

/// What a script gets of a delivery: an event, or a table with `gap` in the place of events that were lost.
pub(crate) fn delivery_json(delivery: &Delivery) -> Result<Json, String> {
    match delivery {
        Delivery::Event(event) => event_json(event).map_err(|error| error.to_string()),
        Delivery::Gap(gap) => Ok(json!({
            "gap": { "from": gap.from, "to": gap.to, "count": gap.count(), "reason": gap.reason },
        })),
        other => Err(format!("a delivery that scripts do not know: {other:?}")),
    }
}

/// An event as scripts see it.
pub(crate) fn event_json(event: &Event) -> Result<Json, HandlerError> {
    let mut fields = Map::new();
    let mut put = |name: &str, value: Json| {
        if !value.is_null() {
            fields.insert(name.to_owned(), value);
        }
    };
    let since = event.time().duration_since(std::time::UNIX_EPOCH);
    put("topic", json!(event.topic().as_str()));
    put("id", json!(event.id()));
    put(
        "time_ms",
        json!(since.unwrap_or_default().as_millis() as u64),
    );
    put("data", event.json()?.clone());
    put("sequence", json!(event.sequence()));
    put("source", json!(event.source()));
    put("subject", json!(event.subject()));
    put("correlation_id", json!(event.correlation_id()));
    put("causation_id", json!(event.causation_id()));
    put("partition_key", json!(event.partition_key()));
    put("language", json!(event.language()));
    Ok(Json::Object(fields))
}
