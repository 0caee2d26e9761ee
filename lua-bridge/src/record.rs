//! `ctx` of an observer: the record of a call that is done.

use hooks_runtime::{DecisionRecord, Phase};
use mlua::{Function, Lua, Table, Value};
use serde_json::{Map, json};

use crate::bind::{ApiResult, outcome};
use crate::convert;
use crate::options::check_key;

/// A table that can be read only; `args` holds the values that the record holds.
pub(crate) fn table(lua: &Lua, record: &DecisionRecord, wrap: &Function) -> mlua::Result<Table> {
    let mut fields = Map::new();
    let refusal = record.refusal().map(|refusal| {
        json!({
            "hook": refusal.hook(),
            "reason": refusal.reason(),
            "source": refusal.source_location(),
            "executed": refusal.executed(),
        })
    });
    for (name, value) in [
        // Set below, and named here so that messages list it.
        ("args", json!(null)),
        ("point", json!(record.point())),
        ("phase", json!(Phase::Done)),
        ("component", json!(record.component())),
        ("call_id", json!(record.call_id())),
        ("correlation_id", json!(&**record.correlation_id())),
        ("attempt", json!(record.attempts())),
        ("items", json!(record.items())),
        ("elapsed_ms", json!(record.elapsed().as_secs_f64() * 1000.0)),
        ("outcome", json!(record.outcome())),
        ("plan", json!(record.plan())),
        ("executed", json!(record.executed())),
        ("refusal", json!(refusal)),
        ("record", record.to_json()),
    ] {
        fields.insert(name.to_owned(), value);
    }
    let held = record
        .args()
        .into_iter()
        .filter_map(|arg| Some((arg.name.to_owned(), arg.value?)));
    let args = strict(lua, "ctx.args", "argument value", held.collect(), wrap)?;
    let ctx = strict(lua, "ctx", "field", fields, wrap)?;
    ctx.raw_set("args", args)?;
    ctx.set_readonly(true);
    Ok(ctx)
}

/// A table in which an unknown name is an error that lists what there is.
fn strict(
    lua: &Lua,
    what: &'static str,
    kind: &'static str,
    fields: Map<String, serde_json::Value>,
    wrap: &Function,
) -> mlua::Result<Table> {
    let table = lua.create_table()?;
    for (name, value) in &fields {
        table.raw_set(name.as_str(), convert::to_lua(lua, value)?)?;
    }
    let names: Vec<String> = fields.into_iter().map(|(name, _)| name).collect();
    let unknown = lua.create_function(move |lua, (_, key): (Value, String)| {
        let known: Vec<&str> = names.iter().map(String::as_str).collect();
        let checked: ApiResult<()> = check_key(what, kind, &key, &known);
        outcome(lua, checked.map(|()| Value::Nil))
    })?;
    let meta = lua.create_table()?;
    meta.raw_set("__index", wrap.call::<Function>(unknown)?)?;
    meta.raw_set("__metatable", what)?;
    table.set_metatable(Some(meta))?;
    Ok(table)
}
