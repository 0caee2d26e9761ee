//! The global `Hook`: registering, listing and explaining hooks.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use hooks_runtime::pattern::Pattern;
use hooks_runtime::point::BUILTIN;
use hooks_runtime::{HookInfo, HookMetadata, HookPoint, PreparedHook, Role, Source, hooks, sites};
use mlua::{AnyUserData, Lua, Table, Value};
use serde_json::{Value as Json, json};

use crate::bind::{ApiResult, Binder, line};
use crate::convert;
use crate::hook_call::{self, NamedSites};
use crate::hook_handle::{self, Handle, alive, target_parts};
use crate::hook_options::HookOptions;
use crate::lua_condition;
use crate::lua_hook::LuaHook;
use crate::options::Options;
use crate::registrations::Registrations;
use crate::rights::{self, Capability};
use crate::vm::Vm;

/// Makes the global.
pub(crate) fn install(
    lua: &Lua,
    bind: &Binder,
    registrations: &Arc<Registrations>,
    stem: &str,
    limit: Duration,
    sites: &NamedSites,
) -> mlua::Result<()> {
    hook_handle::install(lua, bind, registrations)?;
    let hook = lua.create_table()?;
    let (own, stem) = (Arc::downgrade(registrations), stem.to_owned());
    hook.raw_set(
        "register",
        bind.function("Hook.register", move |lua, (point, function, given)| {
            let own = alive(&own)?;
            register(lua, &own, &stem, limit, point, function, given)
        })?,
    )?;
    let own = Arc::downgrade(registrations);
    hook.raw_set(
        "unregister",
        bind.function("Hook.unregister", move |_, target: Value| {
            let own = alive(&own)?;
            own.remove_all(&target_parts(&own, &target)?)
        })?,
    )?;
    let own = Arc::downgrade(registrations);
    hook.raw_set(
        "clear",
        bind.function("Hook.clear", move |_, filter: Option<Table>| {
            clear(&*alive(&own)?, filter)
        })?,
    )?;
    let own = Arc::downgrade(registrations);
    hook.raw_set(
        "list",
        bind.function("Hook.list", move |lua, filter: Value| {
            let own = alive(&own)?.ids();
            Ok(convert::to_lua(lua, &list(lua, filter, &own)?)?)
        })?,
    )?;
    hook.raw_set(
        "points",
        bind.function("Hook.points", |lua, pattern: Option<String>| {
            Ok(convert::to_lua(lua, &points(pattern.as_deref())?)?)
        })?,
    )?;
    hook.raw_set(
        "explain",
        bind.function("Hook.explain", |lua, (point, args): (String, Value)| {
            let args = match args {
                Value::Nil => None,
                args => Some(convert::to_json(lua, &args)?),
            };
            let explained = hooks().explain(&point, args.as_ref())?;
            Ok(convert::to_lua(lua, &json!(explained))?)
        })?,
    )?;
    hook_call::install(&hook, bind, limit, sites)?;
    lua.globals().raw_set("Hook", hook)
}

fn register(
    lua: &Lua,
    own: &Registrations,
    stem: &str,
    limit: Duration,
    point: Value,
    function: Value,
    given: Value,
) -> ApiResult<AnyUserData> {
    const FORM: &str = "write Hook.register(\"tool.execute\", function(ctx) … end, {…})";
    let Value::String(point) = point else {
        return Err(format!("Hook.register: the first argument is the name of a point or a pattern, not a {}; {FORM}", point.type_name()).into());
    };
    let point = point.to_str()?.to_owned();
    let Value::Function(function) = function else {
        return Err(format!(
            "Hook.register: the second argument is the function to ask, not a {}; {FORM}",
            function.type_name()
        )
        .into());
    };
    let options = HookOptions::read(lua, given)?;
    let (points, _) = Pattern::parse(&point)?;
    let wanted = Capability::hook(&points, options.role);
    rights::check(lua, "Hook.register", &wanted)?;
    let vm = Vm::of(lua)?;
    let id = match &options.name {
        Some(name) => name.clone(),
        None => own.next_id(stem),
    };
    let (script, at) = line(lua).unwrap_or_else(|| (vm.name.to_string(), 0));
    let hook = LuaHook {
        function: vm.keep(Value::Function(function)),
        vm,
        args: options.args.clone(),
        limit: options.timeout.map_or(limit, |timeout| timeout.min(limit)),
        is_timed: options.timeout.is_some(),
        place: format!("{script}:{at}"),
    };
    let group = options.group.clone();
    let (place, when) = (hook.place.clone(), options.when.clone());
    let condition = lua_condition::read(lua, when, hook.limit, &place)?;
    let (role, is_async) = (options.role, options.is_async);
    // Only the registry can stop a hook that waits.
    let timeout = options.timeout.or(is_async.then_some(limit));
    let timeout = timeout.map(|timeout| timeout.min(limit));
    let mut meta = HookMetadata::new(id.as_str())
        .point(point.as_str())
        .source(Source::script(script, at));
    if let Some(timeout) = timeout {
        meta = meta.timeout(timeout);
    }
    if let Some(condition) = condition {
        meta = meta.when(condition);
    }
    let meta = options.apply(meta);
    let hook = Arc::new(hook);
    own.add(vec![match role {
        Role::Intercept if is_async => {
            PreparedHook::intercept_async_with(meta, hook, LuaHook::intercept_waiting)
        }
        Role::Guard if is_async => {
            PreparedHook::guard_async_with(meta, hook, LuaHook::guard_waiting)
        }
        Role::Intercept => PreparedHook::intercept(meta, move |cx| hook.intercept(cx)),
        Role::Guard => PreparedHook::guard(meta, move |cx| hook.guard(cx)),
        Role::Observe => PreparedHook::observe(meta, move |record| hook.observe(record)),
    }])?;
    own.set_group(&id, group);
    let parts = vec![id.clone()];
    Ok(lua.create_any_userdata(Handle { id, point, parts })?)
}

/// Unregisters the script's own hooks, or those of one group; says how many.
fn clear(own: &Registrations, filter: Option<Table>) -> ApiResult<usize> {
    const WHAT: &str = "Hook.clear";
    let group = match &filter {
        None => None,
        Some(filter) => Some(Options::new(WHAT, filter, &["group"])?.name("group")?),
    };
    let ids = match &group {
        None => own.ids(),
        Some(group) => own.ids_of(group),
    };
    let mut cleared = 0;
    for id in &ids {
        cleared += usize::from(own.remove(id)?);
    }
    Ok(cleared)
}

fn list(lua: &Lua, filter: Value, own: &[String]) -> ApiResult<Json> {
    let table = match filter {
        Value::Nil => lua.create_table()?,
        Value::Table(table) => table,
        Value::String(point) => {
            let table = lua.create_table()?;
            table.raw_set("point", point)?;
            table
        }
        other => {
            return Err(format!(
                "Hook.list: a filter is a point or a table, not a {}",
                other.type_name()
            )
            .into());
        }
    };
    let filter = Options::new("Hook.list", &table, &["point", "role", "tag", "own"])?;
    let (point, role) = (filter.string("point")?, filter.string("role")?);
    let (tag, only_own) = (filter.string("tag")?, filter.flag("own")?);
    let point = point.map(|point| HookPoint::parse(&point).name().to_owned());
    let asked_at = |hook: &HookInfo, point: &str| {
        let mut patterns = hook.points.iter().filter_map(|p| Pattern::parse(p).ok());
        patterns.any(|(pattern, _)| pattern.matches(point) || pattern.as_str() == point)
    };
    let listed = hooks().list().into_iter().filter(|hook| {
        point.as_deref().is_none_or(|point| asked_at(hook, point))
            && role
                .as_deref()
                .is_none_or(|role| hook.role.as_str() == role)
            && tag
                .as_deref()
                .is_none_or(|tag| hook.tags.iter().any(|t| **t == *tag))
            && (!only_own || own.iter().any(|id| **id == *hook.id))
    });
    Ok(Json::Array(listed.map(|hook| json!(hook)).collect()))
}

fn points(pattern: Option<&str>) -> ApiResult<Json> {
    let pattern = pattern.map(Pattern::parse).transpose()?;
    let mut points: BTreeMap<&str, Vec<Json>> = BUILTIN
        .iter()
        .map(|point| (point.name(), Vec::new()))
        .collect();
    for site in sites() {
        let info = site.info();
        let args = info
            .args
            .iter()
            .map(|arg| json!({"name": arg.name, "type": arg.ty}));
        points.entry(info.point).or_default().push(json!({
            "path": info.path,
            "file": info.file,
            "line": info.line,
            "args": args.collect::<Vec<_>>(),
            "returns": info.returns,
        }));
    }
    let wanted = points.into_iter().filter(|(name, _)| {
        pattern
            .as_ref()
            .is_none_or(|(pattern, _)| pattern.matches(name))
    });
    let shown = wanted.map(|(name, sites)| {
        json!({"name": name, "builtin": HookPoint::parse(name).is_builtin(), "sites": sites})
    });
    Ok(shown.collect())
}
