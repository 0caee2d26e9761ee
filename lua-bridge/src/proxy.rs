//! `ctx` as Lua code has it: one object for each state, about whatever call is under way.

use std::sync::Arc;
use std::time::Duration;

use mlua::{Function, Lua, Table, Value};

use crate::bind::{ApiError, ApiResult, Binder, CHUNK, place};
use crate::context::{Call, name};
use crate::raw::{Access, Stage, accessor};

/// The functions from Rust answer a value, or nothing and what went wrong. `error` with level 0: they have put the
/// place in front.
const OBJECTS: &str = r#"
local read, write, read_arg, write_arg, all_args, left, next, accessors = ...
local error, setmetatable = error, setmetatable

local index, newindex = accessors(
    function(_, key)
        local value, said = read_arg(key)
        if said then error(said, 0) end
        return value
    end,
    function(_, key, value)
        local _, said = write_arg(key, value)
        if said then error(said, 0) end
    end
)
local args = setmetatable({}, {
    __index = index,
    __newindex = newindex,
    __iter = function()
        local all, said = all_args()
        if said then error(said, 0) end
        return next, all
    end,
    __metatable = "ctx.args",
})
local function deadline()
    local ms, said = left()
    if said then error(said, 0) end
    return ms
end
-- `args` is a field: read in most hooks, it is found without a call. Nobody assigns it, the table is read-only.
local ctx = setmetatable({ args = args }, {
    __index = function(_, key)
        if key == "deadline" then return deadline end
        local value, said = read(key)
        if said then error(said, 0) end
        return value
    end,
    __newindex = function(_, key, value)
        local _, said = write(key, value)
        if said then error(said, 0) end
    end,
    __metatable = "ctx",
})
return ctx, args
"#;

/// The object, and where its functions find the call.
pub(crate) struct Proxy {
    pub(crate) stage: Arc<Stage>,
    pub(crate) ctx: Table,
}

impl Proxy {
    pub(crate) fn new(lua: &Lua, bind: &Binder) -> mlua::Result<Self> {
        let stage = Arc::new(Stage::default());
        let at = || Arc::clone(&stage);
        let stage_of = at();
        let read = lua.create_function(move |lua, key: Value| {
            answer(lua, stage_of.with(|call| call.read(lua, &key)))
        })?;
        let stage_of = at();
        let write = lua.create_function(move |lua, (key, value): (Value, Value)| {
            let written = stage_of.with(|call| call.write(&key, value));
            answer(lua, written.map(|done| done.map(|()| Value::Nil)))
        })?;
        let stage_of = at();
        let read_arg = lua.create_function(move |lua, key: Value| {
            let read = stage_of.with(|call| call.read_arg(lua, &name(&key)?));
            answer(lua, read)
        })?;
        let stage_of = at();
        let write_arg = lua.create_function(move |lua, (key, value): (Value, Value)| {
            let written = stage_of.with(|call| call.write_arg(&name(&key)?, value));
            answer(lua, written.map(|done| done.map(|()| Value::Nil)))
        })?;
        let stage_of = at();
        let all_args = lua.create_function(move |lua, ()| {
            let all = stage_of.with(|call| call.all_args(lua));
            answer(lua, all.map(|all| all.map(Value::Table)))
        })?;
        let stage_of = at();
        let left = lua.create_function(move |lua, ()| {
            let left = stage_of.with(|call| call.left());
            let ms = |left: Duration| Value::Number(left.as_secs_f64() * 1000.0);
            answer(lua, left.map(|left| Ok(left.map_or(Value::Nil, ms))))
        })?;
        let objects = lua.load(OBJECTS).set_name(format!("={CHUNK}"));
        let next: &Function = bind.next();
        let stage_of = at();
        let accessors = lua.create_function(move |lua, (read, write): (Function, Function)| {
            Ok((
                accessor(lua, &stage_of, Access::Read, read)?,
                accessor(lua, &stage_of, Access::Write, write)?,
            ))
        })?;
        let given = (
            read, write, read_arg, write_arg, all_args, left, next, accessors,
        );
        let (ctx, args): (Table, Table) = objects.call(given)?;
        // `rawset` would keep something there for the next call.
        ctx.set_readonly(true);
        args.set_readonly(true);
        Ok(Proxy { stage, ctx })
    }

    /// For the time of `f`, the object is about `call`.
    pub(crate) fn about<R>(&self, call: &dyn Call, f: impl FnOnce(&Table) -> R) -> R {
        self.stage.lend(call, || f(&self.ctx))
    }
}

fn answer(lua: &Lua, asked: Option<ApiResult<Value>>) -> mlua::Result<(Value, Option<String>)> {
    let asked = asked.unwrap_or_else(|| {
        Err("`ctx` is of use only while its hook runs: copy what is needed later".into())
    });
    match asked {
        Ok(value) => Ok((value, None)),
        Err(ApiError::Lua(error)) => Err(error),
        Err(ApiError::Said(said)) => {
            let place = place(lua).map_or(String::new(), |place| format!("{place}: "));
            Ok((Value::Nil, Some(format!("{place}{said}"))))
        }
    }
}
