//! A Luau state in which a script can compute and call what it is given, and nothing else.

use mlua::chunk::Compiler;
use mlua::{Lua, LuaOptions, StdLib, Value};

use crate::{bounded, memory};

/// The globals that Luau brings and scripts keep. What is not here is not there: no `loadstring`, `require`,
/// `getfenv`, `setfenv`, `newproxy`, `collectgarbage`; and Luau has no `io`, `os.execute`, bytecode or `package`.
const ALLOWED: &[&str] = &[
    "_G",
    "_VERSION",
    "assert",
    "bit32",
    "buffer",
    "coroutine",
    "error",
    "getmetatable",
    "ipairs",
    "math",
    "next",
    "os",
    "pairs",
    "pcall",
    "print",
    "rawequal",
    "rawget",
    "rawlen",
    "rawset",
    "select",
    "setmetatable",
    "string",
    "table",
    "tonumber",
    "tostring",
    "type",
    "typeof",
    "unpack",
    "utf8",
    "vector",
    "xpcall",
];

/// A state with the allowed libraries and the memory limit. The caller adds the API, then calls [`seal`].
pub(crate) fn open(memory_limit: usize) -> mlua::Result<Lua> {
    let libraries = StdLib::COROUTINE
        | StdLib::TABLE
        | StdLib::OS
        | StdLib::STRING
        | StdLib::UTF8
        | StdLib::BIT
        | StdLib::MATH
        | StdLib::BUFFER
        | StdLib::VECTOR;
    let lua = Lua::new_with(libraries, LuaOptions::default())?;
    let globals = lua.globals();
    let mut unwanted = Vec::new();
    globals.for_each(|name: String, _: Value| {
        if !ALLOWED.contains(&name.as_str()) {
            unwanted.push(name);
        }
        Ok(())
    })?;
    for name in unwanted {
        globals.raw_set(name, Value::Nil)?;
    }
    // Level 2 would inline functions, which then miss in tracebacks.
    lua.set_compiler(Compiler::new().set_optimization_level(1).set_debug_level(1));
    lua.enable_jit(true);
    bounded::install(&lua)?;
    memory::install(&lua)?;
    lua.set_memory_limit(memory_limit)?;
    Ok(lua)
}

/// Makes every library and the API read only, and gives the script globals of its own above them.
pub(crate) fn seal(lua: &Lua) -> mlua::Result<()> {
    lua.sandbox(true)
}
