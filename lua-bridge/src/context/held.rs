//! What a script holds of a call, and what it has changed.

use std::cell::RefCell;

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

    /// What it is to be, if that differs from what it was.
    fn take_changed(&mut self) -> Option<Json> {
        match &mut self.now {
            Now::Changed(json) => Some(std::mem::take(json)),
            _ => None,
        }
    }
}

/// What a script holds of one call; once it is settled, what has to be written back.
#[derive(Default)]
pub(crate) struct Changes {
    /// By the position of the argument; only what the script may change inside, and what it assigned.
    pub(super) args: RefCell<HeldArgs>,
    pub(super) result: RefCell<Option<Held>>,
}

impl Changes {
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.args.borrow().is_empty() && self.result.borrow().is_none()
    }

    /// Drops the values of the state, in its gate.
    pub(super) fn forget(&self) {
        let (mut args, mut result) = (self.args.borrow_mut(), self.result.borrow_mut());
        let args = args.iter_mut().map(|(_, held)| held);
        args.chain(result.iter_mut()).for_each(Held::forget);
    }

    #[cfg(debug_assertions)]
    fn has_lua(&self) -> bool {
        let (args, result) = (self.args.borrow(), self.result.borrow());
        let args = args.iter().map(|(_, held)| held);
        args.chain(result.iter()).any(Held::is_lua)
    }

    /// Gives the call what the script changed.
    pub(crate) fn write(&mut self, cx: &mut HookContext<'_>) -> Result<(), ArgError> {
        for (at, held) in self.args.get_mut() {
            let Some(now) = held.take_changed() else {
                continue;
            };
            let arg = &cx.site().args[*at];
            // Such a type says itself which number it holds.
            if scalar::is_plain(arg.ty) {
                cx.set_arg_json(arg.name, now)?;
            } else {
                set_arg(cx, arg.name, now)?;
            }
        }
        match self.result.get_mut().as_mut().and_then(Held::take_changed) {
            Some(result) => set_result(cx, result),
            None => Ok(()),
        }
    }
}

/// Dropping an mlua value waits for whoever is in the state: it is done in the state's gate.
#[cfg(debug_assertions)]
impl Drop for Changes {
    fn drop(&mut self) {
        assert!(
            std::thread::panicking() || !self.has_lua(),
            "values of a state are dropped outside of its gate"
        );
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
