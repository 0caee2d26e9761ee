//! Handles: what `Hook.register` returns.

use std::sync::{Arc, Weak};

use hooks_runtime::hooks;
use mlua::{Function, Lua, Value};
use serde_json::{Map, Value as Json, json};

use crate::bind::{ApiError, ApiResult, Binder};
use crate::convert;
use crate::registrations::Registrations;

/// The userdata behind a handle.
pub(crate) struct Handle {
    pub(crate) id: String,
    pub(crate) point: String,
    /// The ids of its hooks: a built-in one may be several.
    pub(crate) parts: Vec<String>,
}

/// The methods of handles.
pub(crate) fn install(lua: &Lua, bind: &Binder, own: &Arc<Registrations>) -> mlua::Result<()> {
    let id = bind.function("handle:id", |_, this: Value| {
        with_handle(&this, |handle| handle.id.clone())
    })?;
    let point = bind.function("handle:point", |_, this: Value| {
        with_handle(&this, |handle| handle.point.clone())
    })?;
    let weak = Arc::downgrade(own);
    let unregister = bind.function("handle:unregister", move |_, this: Value| {
        alive(&weak)?.remove_all(&parts(&this)?)
    })?;
    let switch = |name, enabled| {
        let weak = Arc::downgrade(own);
        bind.function(name, move |_, this: Value| {
            let own = alive(&weak)?;
            let mut parts = parts(&this)?.into_iter();
            parts.try_for_each(|id| own.set_enabled(&id, enabled))
        })
    };
    let methods: Vec<(&str, Function)> = vec![
        ("id", id),
        ("point", point),
        ("unregister", unregister),
        ("enable", switch("handle:enable", true)?),
        ("disable", switch("handle:disable", false)?),
        (
            "stats",
            bind.function("handle:stats", |lua, this: Value| {
                Ok(convert::to_lua(lua, &stats(&parts(&this)?))?)
            })?,
        ),
    ];
    crate::bind::methods::<Handle>(lua, "hook handle", methods)
}

/// What is known of hooks: whether all of them are asked, and the figures of each while the program measures.
fn stats(ids: &[String]) -> Json {
    let registry = hooks();
    let listed = registry.list();
    let measured = registry.monitor().snapshot().hooks;
    let one = |id: &String| {
        let enabled = listed.iter().any(|hook| *hook.id == **id && hook.enabled);
        let time = measured.iter().find(|measured| *measured.hook == **id);
        json!({"enabled": enabled, "time": time.map(|measured| &measured.time)})
    };
    match ids {
        [id] => one(id),
        ids => {
            let parts: Map<String, Json> = ids.iter().map(|id| (id.clone(), one(id))).collect();
            let enabled = parts.values().all(|part| part["enabled"] == true);
            json!({"enabled": enabled, "parts": parts})
        }
    }
}

/// The registrations of the script, if it is still loaded.
pub(crate) fn alive(own: &Weak<Registrations>) -> ApiResult<Arc<Registrations>> {
    own.upgrade().ok_or_else(|| {
        ApiError::Said("the script was unloaded, so it can't have hooks any more".into())
    })
}

fn with_handle<R>(value: &Value, f: impl FnOnce(&Handle) -> R) -> ApiResult<R> {
    match value {
        Value::UserData(data) if data.is::<Handle>() => Ok(f(&*data.borrow::<Handle>()?)),
        _ => {
            Err("call it on a handle that Hook.register returned, with a colon: handle:id()".into())
        }
    }
}

/// The ids of the hooks of a handle.
fn parts(handle: &Value) -> ApiResult<Vec<String>> {
    with_handle(handle, |handle| handle.parts.clone())
}

/// The ids of the hooks that a handle or a string says.
pub(crate) fn target_parts(own: &Registrations, target: &Value) -> ApiResult<Vec<String>> {
    match target {
        Value::String(id) => Ok(own.parts_of(&id.to_str()?)),
        handle => parts(handle),
    }
}
