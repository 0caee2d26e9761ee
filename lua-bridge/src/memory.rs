//! The memory limit of a state, which a script can't get past by catching the error.
//!
//! Luau raises an error that is the text `not enough memory`, to `pcall`, `xpcall`, `coroutine.resume` and
//! `coroutine.wrap` as any other. Here they look at it first: it ends the use of the state. Only Luau itself can raise
//! that text and nothing else: `error` and `assert`, which pass on what they are given, say whose words it is. Functions
//! from Rust raise objects.

use mlua::{Lua, Value};

use crate::bind::CHUNK;
use crate::vm::Vm;

/// Why a state is not used any more.
pub(crate) const SPENT: &str =
    "it used more memory than it may; use less, or raise the memory limit";

const CATCHING: &str = r#"
local spent = ...
local pcall, xpcall, error = pcall, xpcall, error
local type, typeof, select, tostring = type, typeof, select, tostring
local create, resume = coroutine.create, coroutine.resume

-- Nothing in front of it and nothing behind.
local NOT_ENOUGH = "not enough memory"

local function look(failure)
    if failure == NOT_ENOUGH or type(failure) == "userdata" then spent(failure) end
end
local function own(message)
    return if message == NOT_ENOUGH then NOT_ENOUGH .. " (says the script)" else message
end
local function looked(ok, ...)
    if not ok then look((...)) end
    return ok, ...
end
local function unwrapped(ok, ...)
    if ok then return ... end
    look((...))
    error((...), 3)
end
-- Of an error in a handler, Luau says only that there was one.
local function handled(ok, ...)
    if ok then return ... end
    look((...))
    error((...), 0)
end

function _G.pcall(...) return looked(pcall(...)) end
function _G.xpcall(f, handle, ...)
    if type(handle) ~= "function" then return xpcall(f, handle, ...) end
    return looked(xpcall(f, function(failure)
        look(failure)
        return handled(pcall(handle, failure))
    end, ...))
end
function _G.error(message, level)
    if level == nil then level = 1 end
    -- One more is between it and its caller here.
    if type(level) == "number" and level >= 1 then level += 1 end
    error(own(message), level)
end
function _G.assert(...)
    if (...) then return ... end
    local _, message = ...
    if select('#', ...) == 0 then
        message = "missing argument #1"
    elseif message == nil then
        message = "assertion failed!"
    elseif type(message) ~= "string" and type(message) ~= "number" then
        message = `invalid argument #2 to 'assert' (string expected, got {typeof(message)})`
    end
    error(own(tostring(message)), 2)
end
function coroutine.resume(...) return looked(resume(...)) end
function coroutine.wrap(f)
    local co = create(f)
    return function(...) return unwrapped(resume(co, ...)) end
end
"#;

/// Puts them in the place of Luau's. To be called before the libraries are made read only.
pub(crate) fn install(lua: &Lua) -> mlua::Result<()> {
    let spent = lua.create_function(|lua, failure: Value| {
        let is_spent = match &failure {
            Value::String(_) => true,
            Value::Error(error) => is_spent(error),
            _ => false,
        };
        if !is_spent {
            return Ok(());
        }
        Vm::of(lua)?.control.end(SPENT);
        Err(mlua::Error::runtime(SPENT))
    })?;
    let chunk = lua.load(CATCHING).set_name(format!("={CHUNK}"));
    chunk.call(spent)
}

/// Whether Lua ran out of the memory that it may use, however deep mlua wrapped that.
pub(crate) fn is_spent(error: &mlua::Error) -> bool {
    match error {
        mlua::Error::MemoryError(_) => true,
        mlua::Error::CallbackError { cause, .. }
        | mlua::Error::BadArgument { cause, .. }
        | mlua::Error::WithContext { cause, .. } => is_spent(cause),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use mlua::{Error, FromLua, Value};

    use super::*;
    use crate::bind::{Answer, Binder};
    use crate::sandbox;

    /// An argument that there is no memory for.
    struct Huge;

    impl FromLua for Huge {
        fn from_lua(_: Value, _: &Lua) -> mlua::Result<Self> {
            Err(Error::MemoryError("not enough memory".into()))
        }
    }

    #[test]
    fn what_there_is_no_memory_for_ends_the_state_however_deep_it_is_wrapped() {
        let spent = || {
            Arc::new(Error::MemoryError(
                "not enough memory\nstack traceback:".into(),
            ))
        };
        let bad = |cause| Error::BadArgument {
            to: None,
            pos: 1,
            name: None,
            cause,
        };
        let context = |cause| Error::WithContext {
            context: "in a test".into(),
            cause,
        };
        let callback = |cause| Error::CallbackError {
            traceback: String::new(),
            cause,
        };
        assert!(is_spent(&bad(spent())) && is_spent(&context(spent())));
        assert!(is_spent(&callback(Arc::new(bad(Arc::new(context(
            spent()
        )))))));
        assert!(!is_spent(&callback(Arc::new(Error::runtime(
            "not enough memory"
        )))));
    }

    /// Calls a function of the API, and catches what it raises.
    fn ended(make: fn(&Binder) -> mlua::Result<mlua::Function>) -> bool {
        let lua = sandbox::open(16 << 20).unwrap();
        let bind = Binder::new(&lua).unwrap();
        let function = make(&bind).unwrap();
        let vm = Vm::new(lua, bind, "test".into(), 1).unwrap();
        vm.add_driven(vm.lua.current_thread().to_pointer() as usize);
        let called = vm.step_now(Duration::from_secs(20), |lua| {
            let pcall: mlua::Function = lua.globals().get("pcall")?;
            pcall.call::<(bool, Value)>((function, 1))
        });
        assert!(called.is_err() || matches!(called, Ok((false, _))));
        vm.control.hit_limit() == Some(SPENT)
    }

    #[test]
    fn what_there_is_no_memory_for_is_no_wrong_argument() {
        assert!(ended(|bind| bind.function("test", |_, _: Huge| Ok(()))));
        assert!(ended(
            |bind| bind.waiting("test", |_, _: Huge| Err("not begun".into()))
        ));
        assert!(ended(
            |bind| bind.either("test", |_, _: Huge, _| Ok(Answer::Now(Value::Nil)))
        ));
        assert!(!ended(|bind| bind.function("test", |_, _: String| Err::<
            (),
            _,
        >(
            "wrong".into()
        ))));
    }
}
