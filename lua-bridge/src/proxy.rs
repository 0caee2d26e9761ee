//! `ctx` as Lua code has it: one object for each state, about whatever call is under way.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use mlua::{Function, Lua, Table, Value};

use crate::bind::{ApiError, ApiResult, Binder, CHUNK, place};
use crate::context::Call;
use crate::lend::Stage;

/// The functions from Rust answer a value, or nothing and what went wrong. `error` with level 0: they have put the
/// place in front.
const OBJECTS: &str = r#"
local read, write, read_arg, write_arg, all_args, number, next, left = ...
local error, setmetatable = error, setmetatable

-- Names of arguments as numbers, which cost less to hand over.
local numbers = {}
local function numbered(name)
    local at, said = number(name)
    if said then error(said, 0) end
    numbers[name] = at
    return at
end

local args = setmetatable({}, {
    __index = function(_, key)
        local value, said = read_arg(numbers[key] or numbered(key))
        if said then error(said, 0) end
        return value
    end,
    __newindex = function(_, key, value)
        local _, said = write_arg(numbers[key] or numbered(key), value)
        if said then error(said, 0) end
    end,
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
local ctx = setmetatable({}, {
    __index = function(_, key)
        if key == "args" then return args end
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
        let names = Arc::new(Names::default());
        let (stage_of, named) = (at(), Arc::clone(&names));
        let read_arg = lua.create_function(move |lua, number: usize| {
            let name = named.name(number);
            answer(lua, stage_of.with(|call| call.read_arg(lua, &name)))
        })?;
        let (stage_of, named) = (at(), Arc::clone(&names));
        let write_arg = lua.create_function(move |lua, (number, value): (usize, Value)| {
            let name = named.name(number);
            let written = stage_of.with(|call| call.write_arg(&name, value));
            answer(lua, written.map(|done| done.map(|()| Value::Nil)))
        })?;
        let number = lua.create_function(move |lua, name: Value| {
            let number = names.number(&name);
            answer(lua, Some(number.map(|at| Value::Integer(at as i64))))
        })?;
        let stage_of = at();
        let all_args = lua.create_function(move |lua, ()| {
            let all = stage_of.with(|call| call.all_args(lua));
            answer(lua, all.map(|all| all.map(Value::Table)))
        })?;
        let stage_of = at();
        let left = lua.create_function(move |lua, ()| {
            let left = stage_of.with(|call| call.left());
            let ms = left.map(|left| Ok(left.map(|left| left.as_secs_f64() * 1000.0)));
            answer(
                lua,
                ms.map(|ms| ms.map(|ms| ms.map_or(Value::Nil, Value::Number))),
            )
        })?;
        let objects = lua.load(OBJECTS).set_name(format!("={CHUNK}"));
        let next: &Function = bind.next();
        let (ctx, args): (Table, Table) = objects.call((
            read, write, read_arg, write_arg, all_args, number, next, left,
        ))?;
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

/// The most names of arguments that a script can ask for.
const MAX_NAMES: usize = 4096;

/// The names of arguments that Lua code has asked for, by their numbers.
#[derive(Default)]
struct Names(Mutex<Vec<Arc<str>>>);

impl Names {
    fn lock(&self) -> MutexGuard<'_, Vec<Arc<str>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn number(&self, name: &Value) -> ApiResult<usize> {
        let Value::String(name) = name else {
            return Err(format!("names are strings, not a {}", name.type_name()).into());
        };
        let mut names = self.lock();
        if names.len() == MAX_NAMES {
            return Err(format!("`ctx.args`: more than {MAX_NAMES} different names").into());
        }
        names.push(name.to_string_lossy().into());
        Ok(names.len() - 1)
    }

    /// Only for numbers from [`Names::number`]; any other is the name of no argument.
    fn name(&self, number: usize) -> Arc<str> {
        self.lock().get(number).cloned().unwrap_or_default()
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
