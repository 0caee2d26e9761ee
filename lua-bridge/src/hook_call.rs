//! `Hook.call` and `Hook.point`: calls at points that the script names.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hooks_runtime::pattern::Pattern;
use hooks_runtime::{DynamicCall, DynamicSite, HookRefusal, sites};
use mlua::{FromLua, Lua, Table, Value};
use serde_json::{Map, Value as Json};

use crate::allowance::Allowance;
use crate::bind::{ApiResult, Binder};
use crate::convert;
use crate::error::LuaError;
use crate::host::BoxFuture;
use crate::rights::{self, Capability};
use crate::run::{HostFuture, drive, json};
use crate::vm::Vm;

const WHAT: &str = "Hook.call";

/// The sites that the scripts of an engine have named; the runtime keeps each for as long as the program runs.
#[derive(Clone)]
pub(crate) struct NamedSites {
    named: Arc<Mutex<BTreeSet<String>>>,
    limit: usize,
}

impl NamedSites {
    pub(crate) fn new(limit: usize) -> Self {
        NamedSites {
            named: Arc::default(),
            limit,
        }
    }

    /// Makes a call, and notes its site; what can't be called is not counted.
    fn call(
        &self,
        what: &str,
        point: &str,
        arguments: Map<String, Json>,
    ) -> ApiResult<DynamicCall> {
        let mut names: Vec<&str> = arguments.keys().map(String::as_str).collect();
        names.sort_unstable();
        let site = format!("{point}({})", names.join(", "));
        let mut named = self.named.lock().unwrap_or_else(PoisonError::into_inner);
        if named.len() >= self.limit && !named.contains(&site) {
            return Err(format!(
                "{what}: `{site}` is one too many: scripts have named {} points or sets of arguments, which stay known as long as the program runs; let what differs be the value of an argument, or raise the limit of named points",
                self.limit
            )
            .into());
        }
        let call = DynamicCall::new(point, arguments)?;
        named.insert(site);
        Ok(call)
    }
}

/// Adds them to the global `Hook`.
pub(crate) fn install(
    hook: &Table,
    bind: &Binder,
    limit: Duration,
    sites: &NamedSites,
) -> mlua::Result<()> {
    let named = sites.clone();
    hook.raw_set(
        "point",
        bind.function("Hook.point", move |lua, (point, args): (String, Value)| {
            let args: Vec<String> = match args {
                Value::Nil => Vec::new(),
                args => Vec::from_lua(args, lua)?,
            };
            check(lua, "Hook.point", &point)?;
            let args = args.into_iter().map(|name| (name, Json::Null));
            named.call("Hook.point", &point, args.collect()).map(|_| ())
        })?,
    )?;
    let sites = sites.clone();
    hook.raw_set(
        "call",
        bind.waiting(WHAT, move |lua, (point, args, body)| {
            begin(lua, &sites, limit, &point, &args, body)
        })?,
    )
}

fn begin(
    lua: &Lua,
    named: &NamedSites,
    limit: Duration,
    point: &Value,
    args: &Value,
    body: Value,
) -> ApiResult<HostFuture> {
    const FORM: &str =
        "write Hook.call(\"order.accept\", { order = … }, function(args) … return … end)";
    let Value::String(point) = point else {
        let kind = point.type_name();
        return Err(format!(
            "{WHAT}: the first argument is the name of a point, not a {kind}; {FORM}"
        )
        .into());
    };
    let point = point.to_str()?.to_owned();
    let args = arguments(lua, args, FORM)?;
    check(lua, WHAT, &point)?;
    let call = named.call(WHAT, &point, args)?;
    let run: Body = match body {
        Value::Nil => Box::new(|args| Box::pin(async move { Ok(Json::Object(args)) })),
        Value::Function(function) => {
            let vm = Vm::of(lua)?;
            let slot = Arc::new(vm.keep(Value::Function(function)));
            let vm = Arc::downgrade(&vm);
            Box::new(move |args| {
                let (vm, slot) = (vm.clone(), Arc::clone(&slot));
                Box::pin(async move {
                    let vm = vm.upgrade().ok_or(Failure::Unloaded)?;
                    let args = vec![Json::Object(args)];
                    // What may not run for ever may not have others do it.
                    let allowance = Allowance::of_the_wait().unwrap_or(Allowance::Each(limit));
                    drive(&vm, &slot, args, allowance)
                        .await
                        .map_err(Failure::Body)
                })
            })
        }
        other => {
            let kind = other.type_name();
            return Err(format!(
                "{WHAT}: the third argument is the function to call, not a {kind}; {FORM}"
            )
            .into());
        }
    };
    Ok(Box::pin(async move {
        let called = call.run(run).await;
        called.map(json).map_err(|failure| failure.to_string())
    }))
}

/// What is called for each attempt.
type Body = Box<dyn FnMut(Map<String, Json>) -> BoxFuture<'static, Result<Json, Failure>> + Send>;

/// Why a call came to nothing, for the script and for hooks in phase `error`.
#[derive(thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Refused(#[from] HookRefusal),
    #[error("{0}")]
    Body(LuaError),
    #[error("the script was unloaded")]
    Unloaded,
}

impl std::fmt::Debug for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(self, f)
    }
}

fn arguments(lua: &Lua, given: &Value, form: &str) -> ApiResult<Map<String, Json>> {
    match given {
        Value::Nil => Ok(Map::new()),
        Value::Table(_) => match convert::to_json(lua, given)? {
            Json::Object(args) => Ok(args),
            _ => Err(format!("{WHAT}: arguments have names; {form}").into()),
        },
        other => Err(format!(
            "{WHAT}: the second argument is a table of arguments, not a {}; {form}",
            other.type_name()
        )
        .into()),
    }
}

/// Fails if the script may not fire that point.
fn check(lua: &Lua, what: &str, point: &str) -> ApiResult<()> {
    let (pattern, _) = Pattern::parse(point)?;
    let wanted = Capability::call(pattern.as_str(), is_owned(pattern.as_str()));
    rights::check(lua, what, &wanted)
}

/// Whether functions of the program are called there.
fn is_owned(point: &str) -> bool {
    let mut infos = sites().into_iter().map(|site| site.info());
    infos.any(|info| info.point == point && !DynamicSite::is_one(info))
}
