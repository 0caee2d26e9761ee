//! How Rust functions become functions of a script: their errors are plain strings that begin with the
//! `script:line` of the caller, and those that wait hand their future to whoever drives the coroutine.

use std::borrow::Cow;

use hooks_events::EventError;
use hooks_runtime::HookError;
use mlua::{FromLuaMulti, Function, IntoLuaMulti, Lua, MultiValue, Value};

use crate::control::Runs;
use crate::host::HostError;
use crate::memory;
use crate::run::Waiting;
use crate::vm::Vm;

/// Name of the chunk below; its frames are left out of places and tracebacks.
pub(crate) const CHUNK: &str = "[hookpoint]";

// `error` with level 0: Rust has put the place in front, also where the direct caller is `pcall`.
const WRAPPERS: &str = r#"
local yield, error = coroutine.yield, error
local next, tostring = next, tostring
local function finish(ok, ...)
    if ok then return ... end
    error((...), 0)
end
local function plain(f)
    return function(...) return finish(f(...)) end
end
local function waiting(start)
    return function(...) return finish(yield(finish(start(...)))) end
end
local function either(start)
    return function(...)
        local later, value = finish(start(...))
        if later then return finish(yield(value)) end
        return value
    end
end
return plain, waiting, either, next, tostring
"#;

/// Why a function of the API did not do what it was asked.
pub(crate) enum ApiError {
    /// In words for the author of the script.
    Said(String),
    /// What Lua code further inside raised, passed on as it is.
    Lua(mlua::Error),
}

impl ApiError {
    /// What is wrong with what `what` was given.
    pub(crate) fn of(what: &str, error: mlua::Error) -> Self {
        match memory::is_spent(&error) {
            true => ApiError::Lua(error),
            false => ApiError::Said(format!("{what}: {error}")),
        }
    }
}

impl From<mlua::Error> for ApiError {
    fn from(error: mlua::Error) -> Self {
        match error {
            // Not words, which a script could pass over.
            spent if memory::is_spent(&spent) => ApiError::Lua(spent),
            mlua::Error::BadArgument { .. } | mlua::Error::FromLuaConversionError { .. } => {
                ApiError::Said(error.to_string())
            }
            mlua::Error::RuntimeError(said) if !said.contains("stack traceback:") => {
                ApiError::Said(said)
            }
            other => ApiError::Lua(other),
        }
    }
}

impl From<String> for ApiError {
    fn from(said: String) -> Self {
        ApiError::Said(said)
    }
}

impl From<&str> for ApiError {
    fn from(said: &str) -> Self {
        ApiError::Said(said.to_owned())
    }
}

impl From<HookError> for ApiError {
    fn from(error: HookError) -> Self {
        ApiError::Said(error.to_string())
    }
}

impl From<EventError> for ApiError {
    fn from(error: EventError) -> Self {
        ApiError::Said(error.to_string())
    }
}

impl From<HostError> for ApiError {
    fn from(error: HostError) -> Self {
        ApiError::Said(error.to_string())
    }
}

pub(crate) type ApiResult<T> = Result<T, ApiError>;

/// Makes functions for one state. Not to be captured by a function of the state: it would keep the state alive.
pub(crate) struct Binder {
    lua: Lua,
    plain: Function,
    waiting: Function,
    either: Function,
    /// Luau's own, whatever the script makes of its globals.
    next: Function,
    tostring: Function,
}

impl Binder {
    pub(crate) fn new(lua: &Lua) -> mlua::Result<Self> {
        let chunk = lua.load(WRAPPERS).set_name(format!("={CHUNK}"));
        let (plain, waiting, either, next, tostring) = chunk.call(())?;
        Ok(Binder {
            lua: lua.clone(),
            plain,
            waiting,
            either,
            next,
            tostring,
        })
    }

    pub(crate) fn next(&self) -> &Function {
        &self.next
    }

    pub(crate) fn tostring(&self) -> &Function {
        &self.tostring
    }

    /// What turns `(true, values…)` and `(false, message)` into values and errors.
    pub(crate) fn plain(&self) -> &Function {
        &self.plain
    }

    /// A function that answers at once. `name` stands in messages about its arguments.
    pub(crate) fn function<A, R, F>(
        &self,
        name: impl Into<Cow<'static, str>>,
        f: F,
    ) -> mlua::Result<Function>
    where
        A: FromLuaMulti,
        R: IntoLuaMulti,
        F: Fn(&Lua, A) -> ApiResult<R> + Send + 'static,
    {
        let name = name.into();
        let function = self.lua.create_function(move |lua, args: MultiValue| {
            let result = A::from_lua_multi(args, lua)
                .map_err(|error| ApiError::of(&name, error))
                .and_then(|args| f(lua, args));
            outcome(lua, result)
        })?;
        self.plain.call(function)
    }

    /// A function that may wait; it begins what it waits for, and the coroutine waits.
    pub(crate) fn waiting<A, F>(&self, name: &'static str, f: F) -> mlua::Result<Function>
    where
        A: FromLuaMulti,
        F: Fn(&Lua, A) -> ApiResult<crate::run::HostFuture> + Send + 'static,
    {
        let function = self.lua.create_function(move |lua, args: MultiValue| {
            let begun = may_wait(lua, name)
                .and_then(|()| {
                    A::from_lua_multi(args, lua).map_err(|error| ApiError::of(name, error))
                })
                .and_then(|args| f(lua, args));
            let begun = begun.and_then(|future| {
                let waiting = Waiting::new(place(lua).unwrap_or_default(), future);
                Ok(lua.create_any_userdata(waiting)?)
            });
            outcome(lua, begun)
        })?;
        self.waiting.call(function)
    }
}

impl Binder {
    /// A function that waits where it can, and answers at once where it cannot, as in hooks; it is told which.
    pub(crate) fn either<A, F>(&self, name: &'static str, f: F) -> mlua::Result<Function>
    where
        A: FromLuaMulti,
        F: Fn(&Lua, A, bool) -> ApiResult<Answer> + Send + 'static,
    {
        let function = self.lua.create_function(move |lua, args: MultiValue| {
            let can_wait = may_wait(lua, name).is_ok();
            let answer = A::from_lua_multi(args, lua)
                .map_err(|error| ApiError::of(name, error))
                .and_then(|args| f(lua, args, can_wait))
                .and_then(|answer| match answer {
                    Answer::Now(value) => Ok((false, value)),
                    Answer::Later(future) => {
                        let waiting = Waiting::new(place(lua).unwrap_or_default(), future);
                        let waiting = lua.create_any_userdata(waiting)?;
                        Ok((true, Value::UserData(waiting)))
                    }
                });
            outcome(lua, answer)
        })?;
        self.either.call(function)
    }
}

/// What a function of the API answers that waits only where it can.
pub(crate) enum Answer {
    Now(Value),
    Later(crate::run::HostFuture),
}

/// `(true, values…)` or `(false, message)`, for the wrappers.
pub(crate) fn outcome<R: IntoLuaMulti>(
    lua: &Lua,
    result: ApiResult<R>,
) -> mlua::Result<MultiValue> {
    match result {
        Ok(values) => {
            let mut values = values.into_lua_multi(lua)?;
            values.push_front(Value::Boolean(true));
            Ok(values)
        }
        Err(ApiError::Lua(error)) => Err(error),
        Err(ApiError::Said(message)) => {
            let place = place(lua).map_or(String::new(), |place| format!("{place}: "));
            (false, format!("{place}{message}")).into_lua_multi(lua)
        }
    }
}

fn may_wait(lua: &Lua, name: &str) -> ApiResult<()> {
    let vm = Vm::of(lua)?;
    let cannot = match vm.control.runs() {
        Runs::Coroutine => None,
        Runs::Hook => Some("a hook can't unless it is registered with `async = true`"),
        Runs::Condition => {
            Some("a `when` can't: look at it in the hook itself, registered with `async = true`")
        }
        Runs::Unload => Some("what a script does last can't"),
        Runs::Observer => Some(
            "an observer can't, because its call is over: publish an event, whose handlers may wait",
        ),
    };
    if let Some(why) = cannot {
        return Err(format!("{name} has to wait, and {why}").into());
    }
    if !vm.is_driven(lua.current_thread().to_pointer() as usize) {
        return Err(format!(
            "{name} has to wait, which coroutines of the script's own can't: call it outside of `coroutine.create` and `coroutine.wrap`"
        )
        .into());
    }
    Ok(())
}

/// `script:line` of the innermost function of the script on the stack.
pub(crate) fn place(lua: &Lua) -> Option<String> {
    line(lua).map(|(script, line)| format!("{script}:{line}"))
}

/// The chunk and line of the innermost function of the script on the stack.
pub(crate) fn line(lua: &Lua) -> Option<(String, u32)> {
    for level in 0.. {
        let frame = lua.inspect_stack(level, |frame| {
            let source = frame.source().short_src?.into_owned();
            let line = u32::try_from(frame.current_line()?).ok()?;
            Some((source, line))
        })?;
        if let Some((source, line)) = frame
            && source != CHUNK
        {
            return Some((source, line));
        }
    }
    None
}

/// The methods of the types of a state, as `kind:method`, kept in it.
#[derive(Default)]
pub(crate) struct Methods(pub(crate) Vec<String>);

/// The methods of a type of userdata; `kind` is what `typeof` says of it. All types have theirs from here.
pub(crate) fn methods<T: 'static>(
    lua: &Lua,
    kind: &'static str,
    methods: Vec<(&'static str, Function)>,
) -> mlua::Result<()> {
    use mlua::UserDataFields;
    let mut known = lua.remove_app_data::<Methods>().unwrap_or_default();
    let names = methods.iter().map(|(name, _)| format!("{kind}:{name}"));
    known.0.extend(names);
    lua.set_app_data(known);
    lua.register_userdata_type::<T>(move |registry| {
        registry.add_meta_field("__type", kind);
        for (name, method) in methods {
            registry.add_field(name, method);
        }
    })
}
