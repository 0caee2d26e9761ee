//! Plain values that go to and from Luau's stack as they are, past mlua's `Value`.
//!
//! Why it is sound:
//!
//! - **The stack has room.** What is pushed for a call was asked for with `lua_checkstack`; what a C function pushes
//!   is less than the `LUA_MINSTACK` places that Luau gives every C function.
//! - **No error of Luau's leaves through code that it may not.** [`Args`] pushes numbers, flags and values that exist,
//!   which raises nothing, and asks mlua, which protects itself, for all others. The C functions may raise (a string
//!   needs memory, the function behind them fails): they are called by Luau only, inside of a protected call, their
//!   ABI may unwind, and nothing with a destructor is alive where they raise. No panic leaves them.
//! - **The stage is alive** while a C function runs: a value that owns it is kept by the same function.
//! - **The text of an argument is alive** until it is copied to Luau's heap: it belongs to the call that is lent, and
//!   that lasts longer than the C function, which runs inside of `Stage::lend` on its thread (see `stage.rs`).

#![allow(unsafe_code)]

use std::cell::Cell;
use std::ffi::{CStr, c_int};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::slice;
use std::sync::Arc;

use mlua::state::RawLua;
use mlua::{FromLuaMulti, Function, IntoLuaMulti, Lua, MultiValue, Value, ffi};

use super::stage::Stage;
use crate::bind::ApiError;
use crate::context::Seen;
use crate::scalar::Plain;

/// The arguments that a hook named, in their order.
pub(crate) struct Args<'a, 'c, 'g> {
    pub(crate) seen: &'a Seen<'c, 'g>,
    pub(crate) names: &'a [String],
    /// Where it says why an argument can't be handed over; mlua's error has no room for that.
    pub(crate) said: &'a Cell<Option<ApiError>>,
}

impl Args<'_, '_, '_> {
    fn failed(&self, error: ApiError) -> mlua::Error {
        self.said.set(Some(error));
        mlua::Error::runtime("an argument can't be handed over")
    }
}

impl IntoLuaMulti for Args<'_, '_, '_> {
    fn into_lua_multi(self, lua: &Lua) -> mlua::Result<MultiValue> {
        let values = self.names.iter().map(|name| self.seen.named(lua, name));
        let values = values.collect::<Result<Vec<_>, _>>();
        values
            .map(MultiValue::from_iter)
            .map_err(|error| self.failed(error))
    }

    unsafe fn push_into_stack_multi(self, lua: &RawLua) -> mlua::Result<c_int> {
        let state = lua.state();
        let count = c_int::try_from(self.names.len()).map_err(|_| mlua::Error::StackError)?;
        // SAFETY: the state is the one that mlua is about to call in; two places more, as mlua's own pushes need.
        if unsafe { ffi::lua_checkstack(state, count.saturating_add(2)) } == 0 {
            return Err(mlua::Error::StackError);
        }
        for name in self.names {
            let at = self.seen.position(name).map_err(|e| self.failed(e))?;
            // SAFETY: there is room (see above), and these raise nothing.
            match self.seen.plain(at) {
                Some(Plain::Number(number)) => unsafe { ffi::lua_pushnumber(state, number) },
                Some(Plain::Flag(flag)) => unsafe { ffi::lua_pushboolean(state, flag.into()) },
                Some(Plain::Text(text)) => {
                    let vm = self.seen.vm();
                    vm.with_string(text, |string| unsafe { lua.push(string) })?;
                }
                None => {
                    let value = self.seen.named_at(&self.seen.vm().lua, at);
                    let value = value.map_err(|error| self.failed(error))?;
                    unsafe { lua.push_value(&value)? };
                }
            }
        }
        Ok(count)
    }
}

/// The first value that a function returned; nothing: `nil`, or none.
pub(crate) struct Returned(pub(crate) Option<Value>);

impl FromLuaMulti for Returned {
    fn from_lua_multi(mut values: MultiValue, _: &Lua) -> mlua::Result<Self> {
        let first = values.pop_front();
        Ok(Returned(first.filter(|value| !value.is_nil())))
    }

    unsafe fn from_stack_multi(count: c_int, lua: &RawLua) -> mlua::Result<Self> {
        let state = lua.state();
        // SAFETY: mlua has just called a function, and `count` values of it are on the top of the stack.
        if count == 0 || unsafe { ffi::lua_type(state, -count) } == ffi::LUA_TNIL {
            return Ok(Returned(None));
        }
        // SAFETY: as above; the first becomes the top, and is taken.
        unsafe {
            ffi::lua_settop(state, -count);
            lua.pop::<Value>().map(|value| Returned(Some(value)))
        }
    }
}

/// A part of `ctx.args`.
pub(crate) enum Access {
    Read,
    Write,
}

/// The function behind `ctx.args.name`: it reads or assigns what is plain itself, and calls `otherwise` for the rest,
/// with the same arguments as Luau gives `__index` and `__newindex`.
pub(crate) fn accessor(
    lua: &Lua,
    stage: &Arc<Stage>,
    access: Access,
    otherwise: Function,
) -> mlua::Result<Function> {
    let (function, name): (ffi::lua_CFunction, &'static CStr) = match access {
        Access::Read => (read, c"ctx.args"),
        Access::Write => (write, c"ctx.args="),
    };
    let keeper = lua.create_any_userdata(Arc::clone(stage))?;
    let at = Arc::as_ptr(stage).cast_mut().cast();
    // SAFETY: the closure is run in a protected call with its two arguments on the stack; the three values that it
    // takes from there become those of the function: KEEPER, OTHERWISE and STAGE.
    unsafe {
        lua.exec_raw((keeper, otherwise), |state| {
            ffi::lua_pushlightuserdata(state, at);
            ffi::lua_pushcclosurek(state, function, name.as_ptr(), 3, None);
        })
    }
}

/// Places of the values that an accessor keeps; the first owns the stage.
const OTHERWISE: c_int = ffi::lua_upvalueindex(2);
const STAGE: c_int = ffi::lua_upvalueindex(3);

/// A plain value without the lifetime of the call: used up before its C function returns.
enum Found {
    Flag(bool),
    Number(f64),
    Text(*const u8, usize),
}

impl From<Plain<'_>> for Found {
    fn from(plain: Plain<'_>) -> Self {
        match plain {
            Plain::Flag(flag) => Found::Flag(flag),
            Plain::Number(number) => Found::Number(number),
            Plain::Text(text) => Found::Text(text.as_ptr(), text.len()),
        }
    }
}

/// `__index`: (object, name) -> value.
unsafe extern "C-unwind" fn read(state: *mut ffi::lua_State) -> c_int {
    // SAFETY: Luau calls this function with a state of its own, where the name is the second argument; see the top
    // for the stage, the stack and the text.
    unsafe {
        let (stage, name) = (stage(state), bytes(state, 2));
        let found = name.and_then(|name| {
            let look = || stage.with(|call| call.plain_arg(name).map(Found::from));
            // After a panic the function behind it meets the same, and mlua hands that on.
            catch_unwind(AssertUnwindSafe(look)).ok()??
        });
        match found {
            Some(Found::Flag(flag)) => ffi::lua_pushboolean(state, flag.into()),
            Some(Found::Number(number)) => ffi::lua_pushnumber(state, number),
            Some(Found::Text(text, length)) => ffi::lua_pushlstring_(state, text.cast(), length),
            None => {
                ffi::lua_pushvalue(state, OTHERWISE);
                ffi::lua_pushvalue(state, 1);
                ffi::lua_pushvalue(state, 2);
                ffi::lua_call(state, 2, 1);
            }
        }
    }
    1
}

/// `__newindex`: (object, name, value).
unsafe extern "C-unwind" fn write(state: *mut ffi::lua_State) -> c_int {
    // SAFETY: as in `read`; the value is the third argument.
    unsafe {
        let (stage, name, value) = (stage(state), bytes(state, 2), plain(state, 3));
        let is_set = name.zip(value).is_some_and(|(name, value)| {
            let set = || stage.with(|call| call.set_plain_arg(name, value));
            matches!(catch_unwind(AssertUnwindSafe(set)), Ok(Some(true)))
        });
        if !is_set {
            ffi::lua_pushvalue(state, OTHERWISE);
            for at in 1..=3 {
                ffi::lua_pushvalue(state, at);
            }
            ffi::lua_call(state, 3, 0);
        }
    }
    0
}

/// The stage of the accessor that runs.
///
/// # Safety
/// An accessor runs in this state; what is returned is not used after its end.
unsafe fn stage<'s>(state: *mut ffi::lua_State) -> &'s Stage {
    // SAFETY: `accessor` put it there, with a value that keeps it alive as long as the accessor.
    unsafe { &*ffi::lua_tolightuserdata(state, STAGE).cast::<Stage>() }
}

/// The bytes of the string at that place of the stack; nothing: another kind of value, or none.
///
/// # Safety
/// The state is valid; what is returned is not used after the value has left the stack.
unsafe fn bytes<'s>(state: *mut ffi::lua_State, at: c_int) -> Option<&'s [u8]> {
    // SAFETY: `lua_tolstring` converts nothing in place if the value is a string, and gives its address and length;
    // Luau moves no string, and frees none that is on the stack.
    unsafe {
        if ffi::lua_type(state, at) != ffi::LUA_TSTRING {
            return None;
        }
        let mut length = 0;
        let start = ffi::lua_tolstring(state, at, &raw mut length);
        Some(slice::from_raw_parts(start.cast(), length))
    }
}

/// The plain value at that place of the stack.
///
/// # Safety
/// As for [`bytes`].
unsafe fn plain<'s>(state: *mut ffi::lua_State, at: c_int) -> Option<Plain<'s>> {
    // SAFETY: the state is valid, and these only look.
    unsafe {
        match ffi::lua_type(state, at) {
            ffi::LUA_TNUMBER => Some(Plain::Number(ffi::lua_tonumber(state, at))),
            ffi::LUA_TBOOLEAN => Some(Plain::Flag(ffi::lua_toboolean(state, at) != 0)),
            ffi::LUA_TSTRING => {
                let text = str::from_utf8(bytes(state, at)?);
                text.map(Plain::Text).ok()
            }
            _ => None,
        }
    }
}
