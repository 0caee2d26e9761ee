//! What a script holds of a call, and what it has changed.

use hooks_runtime::{ArgError, HookContext};
use mlua::{Lua, Value};
use serde_json::Value as Json;
use smallvec::SmallVec;

use crate::bind::ApiResult;
use crate::{convert, scalar};

/// Arguments by their position.
pub(super) type HeldArgs = SmallVec<[(usize, Held); 2]>;

/// A value as the script holds it.
pub(super) struct Held {
    /// As the call holds it; `None`: assigned without having been read.
    pub(super) original: Option<Box<Json>>,
    pub(super) now: Now,
}

pub(super) enum Now {
    /// What the script may still change inside.
    Lua(Value),
    Flag(bool),
    Number(f64),
    Text(String),
    /// After the hook: what differs, or has been assigned.
    Changed(Json),
    /// After the hook: as it was.
    Same,
}

impl Held {
    pub(super) fn value(&self, lua: &Lua) -> ApiResult<Value> {
        Ok(match &self.now {
            Now::Lua(value) => value.clone(),
            Now::Flag(flag) => Value::Boolean(*flag),
            Now::Number(number) => Value::Number(*number),
            Now::Text(text) => Value::String(lua.create_string(text)?),
            Now::Changed(json) => convert::to_lua(lua, json)?,
            Now::Same => Value::Nil,
        })
    }

    /// From the Lua value to JSON; whether it is another one than the call holds.
    pub(super) fn settle(&mut self, lua: &Lua) -> ApiResult<bool> {
        let json = match std::mem::replace(&mut self.now, Now::Same) {
            Now::Lua(value) => convert::to_json(lua, &value)?,
            Now::Flag(flag) => Json::Bool(flag),
            Now::Number(number) => convert::json_number(number)?,
            Now::Text(text) => Json::String(text),
            Now::Changed(json) => json,
            Now::Same => return Ok(false),
        };
        let json = match self.original.take() {
            None => json,
            Some(original) => match convert::restore(&original, json) {
                now if now == *original => return Ok(false),
                now => now,
            },
        };
        self.now = Now::Changed(json);
        Ok(true)
    }

    /// Whether it is a value of the state.
    pub(super) fn is_lua(&self) -> bool {
        matches!(self.now, Now::Lua(_))
    }

    /// Drops the value of the state, if it is one.
    pub(super) fn forget(&mut self) {
        if self.is_lua() {
            self.now = Now::Same;
        }
    }

    fn changed(self) -> Option<Json> {
        match self.now {
            Now::Changed(json) => Some(json),
            _ => None,
        }
    }
}

/// What has to be written back.
pub(crate) struct Changes {
    pub(super) args: HeldArgs,
    pub(super) result: Option<Held>,
}

impl Changes {
    pub(crate) fn is_empty(&self) -> bool {
        self.args.is_empty() && self.result.is_none()
    }

    /// Gives the call what the script changed.
    pub(crate) fn write(self, cx: &mut HookContext<'_>) -> Result<(), ArgError> {
        for (at, held) in self.args {
            let Some(now) = held.changed() else { continue };
            let arg = &cx.site().args[at];
            // Such a type says itself which number it holds.
            if scalar::is_plain(arg.ty) {
                cx.set_arg_json(arg.name, now)?;
            } else {
                set_arg(cx, arg.name, now)?;
            }
        }
        match self.result.and_then(Held::changed) {
            Some(result) => set_result(cx, result),
            None => Ok(()),
        }
    }
}

/// Sets an argument; what Lua can't hold is put back from what it was.
pub(crate) fn set_arg(cx: &mut HookContext<'_>, name: &str, now: Json) -> Result<(), ArgError> {
    // What can't be read is set as it is; an unknown name fails where it is set.
    let now = match cx.arg_json(name) {
        Ok(original) => convert::restore(&original, now),
        Err(_) => now,
    };
    cx.set_arg_json(name, now)
}

/// Sets the result, as [`set_arg`].
pub(crate) fn set_result(cx: &mut HookContext<'_>, now: Json) -> Result<(), ArgError> {
    let now = match cx.result_json() {
        Ok(original) => convert::restore(&original, now),
        Err(_) => now,
    };
    cx.set_result_json(now)
}
