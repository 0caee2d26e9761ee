//! Handles: what `Hook.register` returns.

use std::sync::{Arc, Weak};

use hooks_runtime::hooks;
use mlua::{Function, Lua, Value};
use serde_json::{Value as Json, json};

use crate::bind::{ApiError, ApiResult, Binder};
use crate::convert;
use crate::registrations::Registrations;

/// The userdata behind a handle.
pub(crate) struct Handle {
    pub(crate) id: String,
    pub(crate) point: String,
}

/// The methods of handles.
pub(crate) fn install(lua: &Lua, bind: &Binder, own: &Arc<Registrations>) -> mlua::Result<()> {
    let id = bind.function("handle:id", |_, this: Value| target_id(&this))?;
    let point = bind.function("handle:point", |_, this: Value| {
        with_handle(&this, |handle| handle.point.clone())
    })?;
    let weak = Arc::downgrade(own);
    let unregister = bind.function("handle:unregister", move |_, this: Value| {
        alive(&weak)?.remove(&with_handle(&this, |handle| handle.id.clone())?)
    })?;
    let switch = |name, enabled| {
        let weak = Arc::downgrade(own);
        bind.function(name, move |_, this: Value| {
            alive(&weak)?.set_enabled(&with_handle(&this, |handle| handle.id.clone())?, enabled)
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
                let id = with_handle(&this, |handle| handle.id.clone())?;
                Ok(convert::to_lua(lua, &stats(&id))?)
            })?,
        ),
    ];
    crate::bind::methods::<Handle>(lua, "hook handle", methods)
}

/// What is known of a hook: whether it is asked, and its figures while the program measures.
fn stats(id: &str) -> Json {
    let registry = hooks();
    let listed = registry.list();
    let enabled = listed.iter().any(|hook| &*hook.id == id && hook.enabled);
    let measured = registry.monitor().snapshot().hooks;
    let time = measured.into_iter().find(|measured| &*measured.hook == id);
    json!({"enabled": enabled, "time": time.map(|measured| measured.time)})
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

/// The id that a handle or a string says.
pub(crate) fn target_id(target: &Value) -> ApiResult<String> {
    match target {
        Value::String(id) => Ok(id.to_str()?.to_owned()),
        handle => with_handle(handle, |handle| handle.id.clone()),
    }
}
