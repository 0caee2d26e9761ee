//! The memory limit of a state, which a script can't get past by catching the error.
//!
//! Luau raises an error that is the text `not enough memory`, to `pcall`, `xpcall`, `coroutine.resume` and
//! `coroutine.wrap` as any other. Here they look at it first: it ends the use of the state.

use mlua::{Lua, Value};

use crate::bind::CHUNK;
use crate::vm::Vm;

/// What Luau raises; nothing in front of it and nothing behind.
const NOT_ENOUGH: &str = "not enough memory";

/// Why a state is not used any more.
pub(crate) const SPENT: &str =
    "it used more memory than it may; use less, or raise the memory limit";

const CATCHING: &str = r#"
local spent = ...
local pcall, xpcall, error, type = pcall, xpcall, error, type
local create, resume = coroutine.create, coroutine.resume

-- Errors of functions from Rust are objects.
local function look(failure)
    if failure == "not enough memory" or type(failure) == "userdata" then spent(failure) end
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
        mlua::Error::CallbackError { cause, .. } => is_spent(cause),
        mlua::Error::RuntimeError(text) => text.lines().next() == Some(NOT_ENOUGH),
        _ => false,
    }
}
