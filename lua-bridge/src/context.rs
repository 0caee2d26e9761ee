//! `ctx`: a call as a hook of a script sees it.
//!
//! A value is converted when it is first read, and kept as the Lua table that the script may change. When the hook
//! has returned, every value that was read or assigned is compared with what the call holds, deeply, and what
//! differs is written back: so a change inside of `ctx.args.params` takes effect as an assignment does.

use std::cell::RefCell;
use std::collections::BTreeMap;

use hooks_runtime::{ArgError, GuardContext, Phase, Role};
use mlua::{Function, Lua, Scope, Table, Value};
use serde_json::{Value as Json, json};

use crate::bind::{ApiError, ApiResult, Binder, outcome};
use crate::convert;

const FIELDS: &[&str] = &[
    "point",
    "phase",
    "component",
    "call_id",
    "correlation_id",
    "attempt",
    "item",
    "elapsed_ms",
    "args",
    "result",
    "error",
    "metadata",
];

/// What a script has seen and set of one call.
pub(crate) struct Seen<'c, 'g> {
    call: &'c GuardContext<'g>,
    role: Role,
    args: RefCell<BTreeMap<String, Held>>,
    result: RefCell<Option<Held>>,
}

/// A value as the script holds it.
struct Held {
    /// As the call holds it; `None`: assigned without having been read.
    original: Option<Json>,
    now: Value,
}

/// What has to be written back.
#[derive(Default)]
pub(crate) struct Changes {
    pub(crate) args: Vec<(String, Json)>,
    pub(crate) result: Option<Json>,
}

impl<'c, 'g> Seen<'c, 'g> {
    pub(crate) fn new(call: &'c GuardContext<'g>, role: Role) -> Self {
        Seen {
            call,
            role,
            args: RefCell::default(),
            result: RefCell::default(),
        }
    }

    /// The `ctx` of this call, usable until the scope ends.
    pub(crate) fn table<'s, 'e>(
        &'e self,
        lua: &Lua,
        scope: &'s Scope<'s, 'e>,
        bind: &Binder,
    ) -> mlua::Result<Table> {
        let (wrap, next) = (bind.plain(), bind.next().clone());
        let args = lua.create_table()?;
        let meta = lua.create_table()?;
        let read = scope.create_function(|lua, (_, key): (Value, Value)| {
            outcome(lua, self.read_arg(lua, &key))
        })?;
        meta.raw_set("__index", wrap.call::<Function>(read)?)?;
        let write = scope.create_function(|lua, (_, key, value): (Value, Value, Value)| {
            outcome(lua, self.write_arg(&key, value))
        })?;
        meta.raw_set("__newindex", wrap.call::<Function>(write)?)?;
        let iter =
            scope.create_function(move |lua, _: Value| outcome(lua, self.all_args(lua, &next)))?;
        meta.raw_set("__iter", wrap.call::<Function>(iter)?)?;
        meta.raw_set("__metatable", "ctx.args")?;
        args.set_metatable(Some(meta))?;

        let ctx = lua.create_table()?;
        let meta = lua.create_table()?;
        let read = scope.create_function(move |lua, (_, key): (Value, Value)| {
            outcome(lua, self.read(lua, &key, &args))
        })?;
        meta.raw_set("__index", wrap.call::<Function>(read)?)?;
        let write = scope.create_function(|lua, (_, key, value): (Value, Value, Value)| {
            outcome(lua, self.write(&key, value))
        })?;
        meta.raw_set("__newindex", wrap.call::<Function>(write)?)?;
        meta.raw_set("__metatable", "ctx")?;
        ctx.set_metatable(Some(meta))?;
        Ok(ctx)
    }

    fn read(&self, lua: &Lua, key: &Value, args: &Table) -> ApiResult<Value> {
        let call = self.call;
        let key = name(key)?;
        let json = match key.as_str() {
            "args" => return Ok(Value::Table(args.clone())),
            "result" => return self.read_result(lua),
            "point" => json!(call.point_name()),
            "phase" => json!(call.phase()),
            "component" => json!(call.component()),
            "call_id" => json!(call.call_id()),
            "correlation_id" => json!(call.correlation_id()),
            "attempt" => json!(call.attempt()),
            "item" => json!(call.item()),
            "elapsed_ms" => json!(call.elapsed().as_secs_f64() * 1000.0),
            "error" => match call.error_text() {
                Ok(text) => json!(text),
                Err(ArgError::Phase { .. }) => Json::Null,
                Err(error) => return Err(error.to_string().into()),
            },
            "metadata" => self.metadata(),
            other => {
                crate::options::check_key("ctx", "field", other, FIELDS)?;
                Json::Null
            }
        };
        Ok(convert::to_lua(lua, &json)?)
    }

    fn metadata(&self) -> Json {
        let (call, site) = (self.call, self.call.site());
        let fields = site.fields.iter().map(|name| {
            (
                (*name).to_owned(),
                call.field(name).cloned().unwrap_or_default(),
            )
        });
        json!({
            "hook": call.hook_id(),
            "parent_id": call.parent_id(),
            "site": site.path,
            "file": site.file,
            "line": site.line,
            "package": site.package,
            "returns": site.returns,
            "plan": call.plan().word(),
            "fields": fields.collect::<serde_json::Map<_, _>>(),
        })
    }

    fn write(&self, key: &Value, value: Value) -> ApiResult<()> {
        let key = name(key)?;
        crate::options::check_key("ctx", "field", &key, FIELDS)?;
        if key != "result" {
            return Err(format!("`ctx.{key}` can't be assigned: a hook changes `ctx.args.<name>` in phase pre and `ctx.result` in phase post").into());
        }
        self.may_change("result", Phase::Post)?;
        convert::to_json(&value)?;
        let mut result = self.result.borrow_mut();
        let original = result.take().and_then(|held| held.original);
        *result = Some(Held {
            original,
            now: value,
        });
        Ok(())
    }

    fn read_result(&self, lua: &Lua) -> ApiResult<Value> {
        if let Some(held) = &*self.result.borrow() {
            return Ok(held.now.clone());
        }
        let original = match self.call.result_json() {
            Ok(json) => json,
            Err(ArgError::Phase { .. }) => return Ok(Value::Nil),
            Err(error) => return Err(error.to_string().into()),
        };
        let now = convert::to_lua(lua, &original)?;
        *self.result.borrow_mut() = Some(Held {
            original: Some(original),
            now: now.clone(),
        });
        Ok(now)
    }

    fn read_arg(&self, lua: &Lua, key: &Value) -> ApiResult<Value> {
        let key = name(key)?;
        if let Some(held) = self.args.borrow().get(&key) {
            return Ok(held.now.clone());
        }
        let original = match self.call.arg_json(&key) {
            Ok(json) => json,
            Err(ArgError::Absent { .. }) => return Ok(Value::Nil),
            Err(error) => return Err(error.to_string().into()),
        };
        let now = convert::to_lua(lua, &original)?;
        let held = Held {
            original: Some(original),
            now: now.clone(),
        };
        self.args.borrow_mut().insert(key, held);
        Ok(now)
    }

    fn write_arg(&self, key: &Value, value: Value) -> ApiResult<()> {
        let key = name(key)?;
        if !self.call.arg_names().any(|arg| arg == key) {
            // The runtime's message lists the arguments of the site.
            if let Err(error) = self.call.arg_json(&key) {
                return Err(error.to_string().into());
            }
        }
        self.may_change(&format!("args.{key}"), Phase::Pre)?;
        convert::to_json(&value)?;
        let mut args = self.args.borrow_mut();
        let original = args.remove(&key).and_then(|held| held.original);
        args.insert(
            key,
            Held {
                original,
                now: value,
            },
        );
        Ok(())
    }

    /// `next` and a table of all arguments, for `for name, value in ctx.args do`.
    fn all_args(&self, lua: &Lua, next: &Function) -> ApiResult<(Function, Table)> {
        let all = lua.create_table()?;
        for name in self.call.arg_names() {
            let key = Value::String(lua.create_string(name)?);
            match self.read_arg(lua, &key) {
                Ok(value) => all.raw_set(name, value)?,
                // What can't be shown has no place in a list of values; reading it by name says why.
                Err(ApiError::Said(_)) => {}
                Err(error) => return Err(error),
            }
        }
        Ok((next.clone(), all))
    }

    fn may_change(&self, what: &str, when: Phase) -> ApiResult<()> {
        if self.role == Role::Guard {
            return Err(format!("`ctx.{what}` can't be changed by a guard, which sees what is sealed: register the hook with role = \"intercept\"").into());
        }
        if self.call.phase() != when {
            return Err(format!(
                "`ctx.{what}` can't be changed in phase {}, only in phase {when}",
                self.call.phase()
            )
            .into());
        }
        Ok(())
    }

    /// What the script changed; an error if it may not have.
    pub(crate) fn changes(&self) -> ApiResult<Changes> {
        let mut changes = Changes::default();
        for (name, held) in &*self.args.borrow() {
            if let Some(json) = held.changed()? {
                self.may_change(&format!("args.{name}"), Phase::Pre)?;
                changes.args.push((name.clone(), json));
            }
        }
        if let Some(held) = &*self.result.borrow()
            && let Some(json) = held.changed()?
        {
            self.may_change("result", Phase::Post)?;
            changes.result = Some(json);
        }
        Ok(changes)
    }
}

impl Held {
    fn changed(&self) -> ApiResult<Option<Json>> {
        let now = convert::to_json(&self.now)?;
        Ok(match &self.original {
            None => Some(now),
            Some(original) => {
                let now = convert::restore(original, now);
                (now != *original).then_some(now)
            }
        })
    }
}

fn name(key: &Value) -> ApiResult<String> {
    match key {
        Value::String(key) => Ok(key.to_string_lossy()),
        other => Err(format!("names are strings, not a {}", other.type_name()).into()),
    }
}
