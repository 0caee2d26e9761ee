//! `ctx`: a call as a hook of a script sees it.
//!
//! A value is converted when it is first read, and kept as the Lua table that the script may change. When the hook
//! has returned, every value that was read or assigned is compared with what the call holds, deeply, and what
//! differs is written back: so a change inside of `ctx.args.params` takes effect as an assignment does.

use std::time::Duration;

use hooks_runtime::{ArgError, GuardContext, Phase, Role};
use mlua::{Lua, Table, Value};
use serde_json::Value as Json;

use crate::allowance::Deadline;
use crate::bind::{ApiError, ApiResult};
use crate::convert::{self, SHORT};
use crate::scalar::{self, Plain};
use crate::vm::Vm;

mod facts;
mod held;
mod kept;

use facts::FIELDS;
pub(crate) use held::{Changes, set_arg, set_result};
use held::{Held, Now};
pub(crate) use kept::Kept;

/// A call as the functions of `ctx` use it.
pub(crate) trait Call {
    fn read(&self, lua: &Lua, key: &Value) -> ApiResult<Value>;
    fn write(&self, key: &Value, value: Value) -> ApiResult<()>;
    fn read_arg(&self, lua: &Lua, name: &str) -> ApiResult<Value>;
    fn write_arg(&self, name: &str, value: Value) -> ApiResult<()>;
    /// The argument of that name, if it can be read as it is.
    fn plain_arg(&self, name: &[u8]) -> Option<Plain<'_>>;
    /// Assigns a plain value; `false`: nothing is done, and [`Call::write_arg`] knows what to do or say.
    fn set_plain_arg(&self, name: &[u8], value: Plain<'_>) -> bool;
    /// A table of all arguments.
    fn all_args(&self, lua: &Lua) -> ApiResult<Table>;
    /// What is left of the time of this call of the hook.
    fn left(&self) -> Option<Duration>;
}

/// What a script has seen and set of one call.
pub(crate) struct Seen<'c, 'g> {
    vm: &'c Vm,
    call: &'c GuardContext<'g>,
    role: Role,
    /// When the registry takes its answer no more; nothing: there is only the limit of the state.
    deadline: Option<&'c Deadline>,
    values: &'c Changes,
}

impl<'c, 'g> Seen<'c, 'g> {
    pub(crate) fn new(
        vm: &'c Vm,
        call: &'c GuardContext<'g>,
        role: Role,
        deadline: Option<&'c Deadline>,
        values: &'c Changes,
    ) -> Self {
        Seen {
            vm,
            call,
            role,
            deadline,
            values,
        }
    }

    pub(crate) fn call(&self) -> &'c GuardContext<'g> {
        self.call
    }

    pub(crate) fn role(&self) -> Role {
        self.role
    }

    pub(crate) fn vm(&self) -> &Vm {
        self.vm
    }

    /// The argument at that position, if it is a plain value that scripts may have. Where it is too long, its JSON form is
    /// too, which is said where it is converted.
    #[inline]
    pub(crate) fn plain(&self, at: usize) -> Option<Plain<'_>> {
        match scalar::read(self.call, at) {
            Some(Plain::Text(text)) if !self.is_within(text) => None,
            plain => plain,
        }
    }

    #[inline]
    fn is_within(&self, text: &str) -> bool {
        text.len() <= SHORT || text.len() <= self.vm.string_bytes
    }

    /// An argument by its position, as the call holds it; with its JSON if the script may change it inside.
    fn arg_at(&self, lua: &Lua, at: usize) -> ApiResult<(Value, Option<Json>)> {
        match self.plain(at) {
            Some(Plain::Flag(flag)) => return Ok((Value::Boolean(flag), None)),
            Some(Plain::Number(number)) => return Ok((Value::Number(number), None)),
            Some(Plain::Text(text)) => {
                let string = self.vm.with_string(text, |string| Ok(string.clone()))?;
                return Ok((Value::String(string), None));
            }
            None => {}
        }
        let original = match self.call.arg_json(self.call.site().args[at].name) {
            Ok(json) => json,
            Err(ArgError::Absent { .. }) => return Ok((Value::Nil, None)),
            Err(error) => return Err(error.to_string().into()),
        };
        let value = convert::to_lua(lua, &original)?;
        Ok((value, Some(original)))
    }

    /// The argument of that name, as the script may change it inside.
    pub(crate) fn named(&self, lua: &Lua, name: &str) -> ApiResult<Value> {
        self.named_at(lua, self.position(name)?)
    }

    pub(crate) fn position(&self, name: &str) -> ApiResult<usize> {
        let found = self.find(name.as_bytes());
        found.ok_or_else(|| self.no_such_argument(name))
    }

    fn find(&self, name: &[u8]) -> Option<usize> {
        let args = self.call.site().args;
        args.iter().position(|arg| arg.name.as_bytes() == name)
    }

    /// The runtime's message, which lists the arguments of the site.
    #[cold]
    fn no_such_argument(&self, name: &str) -> ApiError {
        match self.call.arg_json(name) {
            Err(error) => error.to_string().into(),
            Ok(_) => "an argument without a place".into(),
        }
    }

    pub(crate) fn named_at(&self, lua: &Lua, at: usize) -> ApiResult<Value> {
        let (value, original) = self.arg_at(lua, at)?;
        if original.is_some() {
            let held = Held {
                original: original.map(Box::new),
                now: Now::Lua(value.clone()),
            };
            self.values.args.borrow_mut().push((at, held));
        }
        Ok(value)
    }

    fn read_result(&self, lua: &Lua) -> ApiResult<Value> {
        if let Some(held) = &*self.values.result.borrow() {
            return held.value(lua);
        }
        let original = match self.call.result_json() {
            Ok(json) => json,
            Err(ArgError::Phase { .. }) => return Ok(Value::Nil),
            Err(error) => return Err(error.to_string().into()),
        };
        let now = convert::to_lua(lua, &original)?;
        *self.values.result.borrow_mut() = Some(Held {
            original: Some(Box::new(original)),
            now: Now::Lua(now.clone()),
        });
        Ok(now)
    }

    fn assign(&self, at: usize, now: Now) {
        let mut args = self.values.args.borrow_mut();
        match args.iter_mut().find(|(held, _)| *held == at) {
            Some((_, held)) => held.now = now,
            None => {
                let original = None;
                args.push((at, Held { original, now }));
            }
        }
    }

    /// Whether it may change `ctx.<what>`, or of that the part called `name`, then.
    fn may_change(&self, what: &str, name: &str, when: Phase) -> ApiResult<()> {
        if self.role != Role::Guard && self.call.phase() == when {
            return Ok(());
        }
        let dot = if name.is_empty() { "" } else { "." };
        if self.role == Role::Guard {
            return Err(format!("`ctx.{what}{dot}{name}` can't be changed by a guard, which sees what is sealed: register the hook with role = \"intercept\"").into());
        }
        Err(format!(
            "`ctx.{what}{dot}{name}` can't be changed in phase {}, only in phase {when}",
            self.call.phase()
        )
        .into())
    }

    /// Compares what the script holds with what the call holds, in the state's gate; an error if the script has
    /// changed what it may not.
    pub(crate) fn settle(&self) -> ApiResult<()> {
        for (at, held) in self.values.args.borrow_mut().iter_mut() {
            if held.settle(&self.vm.lua)? {
                self.may_change("args", self.call.site().args[*at].name, Phase::Pre)?;
            }
        }
        if let Some(held) = &mut *self.values.result.borrow_mut()
            && held.settle(&self.vm.lua)?
        {
            self.may_change("result", "", Phase::Post)?;
        }
        Ok(())
    }

    /// Drops what is left of the state's values: the last thing in its gate, if the hook has failed.
    pub(crate) fn forget(&self) {
        self.values.forget();
    }
}

impl Call for Seen<'_, '_> {
    fn read(&self, lua: &Lua, key: &Value) -> ApiResult<Value> {
        self.field(lua, key)
    }

    fn write(&self, key: &Value, value: Value) -> ApiResult<()> {
        let key = name(key)?;
        crate::options::check_key("ctx", "field", &key, FIELDS)?;
        if key != "result" {
            return Err(format!("`ctx.{key}` can't be assigned: a hook changes `ctx.args.<name>` in phase pre and `ctx.result` in phase post").into());
        }
        self.may_change("result", "", Phase::Post)?;
        convert::to_json(&self.vm.lua, &value)?;
        let mut result = self.values.result.borrow_mut();
        let original = result.take().and_then(|held| held.original);
        *result = Some(Held {
            original,
            now: Now::Lua(value),
        });
        Ok(())
    }

    fn read_arg(&self, lua: &Lua, name: &str) -> ApiResult<Value> {
        let at = self.position(name)?;
        if let Some((_, held)) = self
            .values
            .args
            .borrow()
            .iter()
            .find(|(held, _)| *held == at)
        {
            return held.value(lua);
        }
        self.named_at(lua, at)
    }

    fn write_arg(&self, name: &str, value: Value) -> ApiResult<()> {
        let at = self.position(name)?;
        self.may_change("args", self.call.site().args[at].name, Phase::Pre)?;
        convert::to_json(&self.vm.lua, &value)?;
        self.assign(at, Now::Lua(value));
        Ok(())
    }

    fn plain_arg(&self, name: &[u8]) -> Option<Plain<'_>> {
        let at = self.find(name)?;
        let is_held = self
            .values
            .args
            .borrow()
            .iter()
            .any(|(held, _)| *held == at);
        if is_held { None } else { self.plain(at) }
    }

    fn set_plain_arg(&self, name: &[u8], value: Plain<'_>) -> bool {
        if self.role == Role::Guard || self.call.phase() != Phase::Pre {
            return false;
        }
        let Some(at) = self.find(name) else {
            return false;
        };
        let now = match value {
            Plain::Flag(flag) => Now::Flag(flag),
            // What is not finite has no JSON form, which is said where it is converted.
            Plain::Number(number) if number.is_finite() => Now::Number(number),
            // As is that it is too long.
            Plain::Text(text) if self.is_within(text) => Now::Text(text.to_owned()),
            Plain::Number(_) | Plain::Text(_) => return false,
        };
        self.assign(at, now);
        true
    }

    fn all_args(&self, lua: &Lua) -> ApiResult<Table> {
        let all = lua.create_table()?;
        for name in self.call.arg_names() {
            match self.read_arg(lua, name) {
                Ok(value) => all.raw_set(name, value)?,
                // What can't be shown has no place in a list of values; reading it by name says why.
                Err(ApiError::Said(_)) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(all)
    }

    fn left(&self) -> Option<Duration> {
        let by_registry = self.deadline.map(Deadline::left);
        by_registry.into_iter().chain(self.vm.control.left()).min()
    }
}

/// The longest name that is looked for, in bytes: what is longer is no name, and would be a long message.
const MAX_NAME: usize = 256;

/// The name that Lua code gave.
pub(crate) fn name(key: &Value) -> ApiResult<String> {
    match key {
        Value::String(key) if key.as_bytes().len() > MAX_NAME => {
            Err(format!("names have at most {MAX_NAME} bytes").into())
        }
        Value::String(key) => Ok(key.to_string_lossy()),
        other => Err(format!("names are strings, not a {}", other.type_name()).into()),
    }
}
