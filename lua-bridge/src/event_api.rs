//! The global `Event`: publishing, subscribing and asking.

use std::num::NonZeroU32;
use std::sync::{Arc, Weak};
use std::time::Duration;

use hooks_events::{Event, EventBus, Overflow, Topic};
use mlua::{AnyUserData, Function, Lua, Table, Value};
use serde_json::{Value as Json, json};

use crate::bind::{Answer, ApiError, ApiResult, Binder, line};
use crate::convert;
use crate::event_handler::{self, LuaHandler};
use crate::options::Options;
use crate::rights::{self, Capability};
use crate::run::{self, HostFuture};
use crate::subscriptions::{Kept, Subscriptions};
use crate::vm::Vm;

const PUBLISH: &[&str] = &[
    "subject",
    "source",
    "correlation_id",
    "causation_id",
    "partition_key",
    "ttl_ms",
];
const SUBSCRIBE: &[&str] = &[
    "group", "once", "historic", "capacity", "overflow", "sample",
];
const OVERFLOW: &[(&str, Overflow)] = &[
    ("block", Overflow::Block),
    ("drop_oldest", Overflow::DropOldest),
    ("drop_newest", Overflow::DropNewest),
    ("error", Overflow::Error),
];

/// The userdata behind a subscription.
struct Handle(u64);

/// Makes the global.
pub(crate) fn install(
    lua: &Lua,
    bind: &Binder,
    bus: &EventBus,
    own: &Arc<Subscriptions>,
    limit: Duration,
) -> mlua::Result<()> {
    let event = lua.create_table()?;
    let to = bus.clone();
    event.raw_set(
        "publish",
        bind.either(
            "Event.publish",
            move |lua, (topic, data, given), can_wait| {
                publish(lua, &to, made(lua, topic, data, given)?, can_wait)
            },
        )?,
    )?;
    let (to, subscriptions) = (bus.clone(), Arc::downgrade(own));
    event.raw_set(
        "subscribe",
        bind.function("Event.subscribe", move |lua, (pattern, function, given)| {
            let own = alive(&subscriptions)?;
            subscribe(lua, &to, &own, limit, pattern, function, given)
        })?,
    )?;
    let subscriptions = Arc::downgrade(own);
    event.raw_set(
        "unsubscribe",
        bind.function("Event.unsubscribe", move |_, target: Value| {
            Ok(alive(&subscriptions)?.remove(id_of(&target)?))
        })?,
    )?;
    let subscriptions = Arc::downgrade(own);
    event.raw_set(
        "receive",
        bind.waiting(
            "Event.receive",
            move |_, (target, timeout): (Value, Option<u32>)| {
                let own = alive(&subscriptions)?;
                receive(&own, id_of(&target)?, timeout)
            },
        )?,
    )?;
    let to = bus.clone();
    event.raw_set(
        "request",
        bind.waiting(
            "Event.request",
            move |lua, (topic, data, timeout): (Value, Value, Option<u32>)| {
                let event = made(lua, topic, data, Value::Nil)?;
                Ok(request(to.clone(), event, timeout))
            },
        )?,
    )?;
    let of = bus.clone();
    event.raw_set(
        "history",
        bind.function(
            "Event.history",
            move |lua, (pattern, count): (String, _)| {
                rights::check(lua, "Event.history", &Capability::subscribe(&pattern))?;
                Ok(convert::to_lua(lua, &history(&of, pattern, count)?)?)
            },
        )?,
    )?;
    install_stats(&event, bind, bus, own)?;
    install_handle(lua, bind, own)?;
    lua.globals().raw_set("Event", event)
}

fn install_stats(
    event: &Table,
    bind: &Binder,
    bus: &EventBus,
    own: &Arc<Subscriptions>,
) -> mlua::Result<()> {
    for name in ["list", "list_subscriptions"] {
        let subscriptions = Arc::downgrade(own);
        let list = bind.function("Event.list", move |lua, ()| {
            Ok(convert::to_lua(lua, &alive(&subscriptions)?.list())?)
        })?;
        event.raw_set(name, list)?;
    }
    for name in ["stats", "get_stats"] {
        let of = bus.clone();
        let stats = bind.function("Event.stats", move |lua, ()| {
            let stats = json!({ "bus": of.metrics(), "subscriptions": of.subscriptions() });
            Ok(convert::to_lua(lua, &stats)?)
        })?;
        event.raw_set(name, stats)?;
    }
    Ok(())
}

fn install_handle(lua: &Lua, bind: &Binder, own: &Arc<Subscriptions>) -> mlua::Result<()> {
    let weak = Arc::downgrade(own);
    let unsubscribe = bind.function("subscription:unsubscribe", move |_, this: Value| {
        Ok(alive(&weak)?.remove(id_of(&this)?))
    })?;
    let weak = Arc::downgrade(own);
    let receive = bind.waiting(
        "subscription:receive",
        move |_, (this, timeout): (Value, Option<u32>)| {
            let own = alive(&weak)?;
            receive(&own, id_of(&this)?, timeout)
        },
    )?;
    let id = bind.function("subscription:id", |_, this: Value| id_of(&this))?;
    let methods: Vec<(&str, Function)> = vec![
        ("id", id),
        ("unsubscribe", unsubscribe),
        ("receive", receive),
    ];
    crate::bind::methods::<Handle>(lua, "event subscription", methods)
}

fn alive(own: &Weak<Subscriptions>) -> ApiResult<Arc<Subscriptions>> {
    own.upgrade().ok_or_else(|| {
        ApiError::Said("the script was unloaded, so it can't have subscriptions any more".into())
    })
}

fn id_of(target: &Value) -> ApiResult<u64> {
    match target {
        Value::UserData(data) if data.is::<Handle>() => Ok(data.borrow::<Handle>()?.0),
        Value::Integer(id) if *id > 0 => Ok(*id as u64),
        Value::Number(id) if *id > 0.0 && id.fract() == 0.0 => Ok(*id as u64),
        other => Err(format!(
            "Event: a subscription, as Event.subscribe returned it, or its id is wanted here, not a {}",
            other.type_name()
        )
        .into()),
    }
}

/// The event that a script describes.
fn made(lua: &Lua, topic: Value, data: Value, given: Value) -> ApiResult<Event> {
    let Value::String(topic) = topic else {
        return Err(format!(
            "Event.publish: the first argument is a topic, not a {}; write Event.publish(\"order.created\", {{…}})",
            topic.type_name()
        )
        .into());
    };
    let topic = Topic::new(&topic.to_str()?)?;
    rights::check(lua, "Event.publish", &Capability::publish(topic.as_str()))?;
    let vm = Vm::of(lua)?;
    let event = Event::new(topic, convert::to_json(lua, &data)?)
        .with_source(format!("lua:{}", vm.name))
        .with_language("lua");
    let options = match given {
        Value::Nil => return Ok(event),
        Value::Table(options) => options,
        other => {
            return Err(format!(
                "Event.publish: options are a table, not a {}",
                other.type_name()
            )
            .into());
        }
    };
    let options = Options::new("Event.publish", &options, PUBLISH)?;
    let with = |event: Event, key: &str, set: fn(Event, String) -> Event| -> ApiResult<Event> {
        let text = options.string(key)?;
        Ok(match text {
            Some(text) => set(event, text),
            None => event,
        })
    };
    let event = with(event, "subject", |e, text| e.with_subject(text))?;
    let event = with(event, "source", |e, text| e.with_source(text))?;
    let event = with(event, "correlation_id", |e, text| {
        e.with_correlation_id(text)
    })?;
    let event = with(event, "causation_id", |e, text| e.with_causation_id(text))?;
    let event = with(event, "partition_key", |e, text| e.with_partition_key(text))?;
    Ok(match options.count("ttl_ms")? {
        Some(ms) => event.with_ttl(Duration::from_millis(ms.into())),
        None => event,
    })
}

/// Gives the id of the event.
fn publish(lua: &Lua, bus: &EventBus, event: Event, can_wait: bool) -> ApiResult<Answer> {
    let id = event.id().into_owned();
    if !can_wait {
        bus.try_publish(event)?;
        return Ok(Answer::Now(Value::String(lua.create_string(id)?)));
    }
    let bus = bus.clone();
    Ok(Answer::Later(Box::pin(async move {
        let published = bus.publish(event).await;
        published.map_err(|error| error.to_string())?;
        Ok(run::json(json!(id)))
    })))
}

fn subscribe(
    lua: &Lua,
    bus: &EventBus,
    own: &Subscriptions,
    limit: Duration,
    pattern: Value,
    function: Value,
    given: Value,
) -> ApiResult<AnyUserData> {
    const FORM: &str = "write Event.subscribe(\"order.*\", function(event) … end, {…})";
    let Value::String(pattern) = pattern else {
        return Err(format!(
            "Event.subscribe: the first argument is a topic or a pattern, not a {}; {FORM}",
            pattern.type_name()
        )
        .into());
    };
    let pattern = pattern.to_str()?.to_owned();
    rights::check(lua, "Event.subscribe", &Capability::subscribe(&pattern))?;
    // Without a function, events wait for `Event.receive`; then the second argument may be the options.
    let (function, given) = match (function, given) {
        (Value::Function(function), given) => (Some(function), given),
        (Value::Nil, given) => (None, given),
        (Value::Table(options), Value::Nil) => (None, Value::Table(options)),
        (other, _) => {
            return Err(format!(
                "Event.subscribe: the second argument is the function that gets the events, not a {}; {FORM}",
                other.type_name()
            )
            .into());
        }
    };
    let options = match given {
        Value::Nil => lua.create_table()?,
        Value::Table(options) => options,
        other => {
            return Err(format!(
                "Event.subscribe: options are a table, not a {}",
                other.type_name()
            )
            .into());
        }
    };
    let options = Options::new("Event.subscribe", &options, SUBSCRIBE)?;
    let vm = Vm::of(lua)?;
    let (script, at) = line(lua).unwrap_or_else(|| (vm.name.to_string(), 0));
    let place = format!("{script}:{at}");
    let mut builder = bus.subscribe(pattern.as_str()).name(&place);
    if let Some(group) = options.string("group")? {
        builder = builder.group(&group);
    }
    if options.flag("once")? {
        builder = builder.once();
    }
    if let Some(n) = options.count("historic")? {
        builder = builder.historic(n as usize);
    }
    if let Some(n) = options.count("capacity")? {
        builder = builder.capacity(n as usize);
    }
    let overflow = overflow(&options)?.unwrap_or_default();
    builder = builder.overflow(overflow);
    if overflow == Overflow::Block {
        // A handler that publishes what it is subscribed to would wait for itself.
        builder = builder.block_timeout(limit);
    }
    let kept = match function {
        None => Kept::queue(builder.stream()?),
        Some(function) => {
            let handler = LuaHandler::new(&vm, bus, function, limit, place.clone());
            own.start(Box::new(move || builder.handler(handler)))?
        }
    };
    let id = own.add(pattern, place, kept);
    Ok(lua.create_any_userdata(Handle(id))?)
}

fn overflow(options: &Options<'_>) -> ApiResult<Option<Overflow>> {
    match options.count("sample")? {
        None => options.word("overflow", OVERFLOW),
        Some(rate) => NonZeroU32::new(rate)
            .map(Overflow::Sample)
            .map(Some)
            .ok_or_else(|| {
                ApiError::Said(
                    "Event.subscribe: `sample` is one event of so many, at least 1".into(),
                )
            }),
    }
}

/// Waits for the next event; nothing if there is none in that time.
fn receive(own: &Subscriptions, id: u64, timeout: Option<u32>) -> ApiResult<HostFuture> {
    const DEFAULT_MS: u32 = 5000;
    let queue = own.queue(id)?;
    let limit = Duration::from_millis(timeout.unwrap_or(DEFAULT_MS).into());
    Ok(Box::pin(async move {
        let next = async { queue.lock().await.recv().await };
        Ok(match tokio::time::timeout(limit, next).await {
            Ok(Some(delivery)) => run::json(event_handler::delivery_json(&delivery)?),
            Ok(None) | Err(_) => Box::new(|_: &Lua| Ok(Value::Nil)),
        })
    }))
}

/// The last events that are kept, oldest first.
fn history(bus: &EventBus, pattern: String, count: Option<u32>) -> ApiResult<Json> {
    const DEFAULT: u32 = 10;
    if bus.store().is_none() {
        return Err("Event.history: this program keeps no events".into());
    }
    let count = count.unwrap_or(DEFAULT) as usize;
    let found = bus.history("Event.history", &pattern, count)?;
    let shown = found.iter().map(|event| event_handler::event_json(event));
    let shown: Result<Vec<_>, _> = shown.collect();
    Ok(Json::Array(shown.map_err(|error| error.to_string())?))
}

/// The data of the reply.
fn request(bus: EventBus, event: Event, timeout: Option<u32>) -> HostFuture {
    const DEFAULT_MS: u32 = 5000;
    let limit = Duration::from_millis(timeout.unwrap_or(DEFAULT_MS).into());
    Box::pin(async move {
        let reply = bus.request(event, limit).await;
        let reply = reply.map_err(|error| error.to_string())?;
        let data = reply.json().map_err(|error| error.to_string())?;
        Ok(run::json(data.clone()))
    })
}
