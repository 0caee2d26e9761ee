//! The global `Tool`.

use std::sync::Arc;

use mlua::{Lua, Value};
use serde_json::{Map, Value as Json};

use crate::bind::{ApiResult, Binder};
use crate::convert;
use crate::host::ToolHost;
use crate::rights::{self, Capability};
use crate::run::json;

/// Makes the global.
pub(crate) fn install(lua: &Lua, bind: &Binder, host: &Arc<dyn ToolHost>) -> mlua::Result<()> {
    let tool = lua.create_table()?;
    let tools = Arc::clone(host);
    tool.raw_set(
        "list",
        bind.function("Tool.list", move |lua, ()| {
            Ok(convert::to_lua(lua, &Json::Array(tools.list()))?)
        })?,
    )?;
    let tools = Arc::clone(host);
    tool.raw_set(
        "get",
        bind.function("Tool.get", move |lua, name: String| {
            Ok(convert::to_lua(lua, &tools.get(&name)?)?)
        })?,
    )?;
    let tools = Arc::clone(host);
    tool.raw_set(
        "invoke",
        bind.waiting(
            "Tool.invoke",
            move |lua, (name, params, more): (String, Value, Value)| {
                rights::check(lua, "Tool.invoke", &Capability::tool(&name))?;
                let params = parameters(lua, "Tool.invoke", &name, &params, &more)?;
                let tools = Arc::clone(&tools);
                Ok(Box::pin(async move {
                    let called = tools.call(&name, params).await;
                    called.map(json).map_err(|error| error.to_string())
                }))
            },
        )?,
    )?;
    lua.globals().raw_set("Tool", tool)
}

/// The one table of parameters that a tool takes.
pub(crate) fn parameters(
    lua: &Lua,
    what: &str,
    tool: &str,
    given: &Value,
    more: &Value,
) -> ApiResult<Json> {
    let form = format!("write {what}(\"{tool}\", {{name = value, …}})");
    if !more.is_nil() {
        return Err(format!("{what}: a tool takes one table of parameters; {form}").into());
    }
    match given {
        Value::Nil => Ok(Json::Object(Map::new())),
        Value::Table(_) => match convert::to_json(lua, given)? {
            Json::Array(items) => Err(match items.as_slice() {
                [Json::Object(inner)] => format!(
                    "{what}: the parameters are wrapped in another table; write {what}(\"{tool}\", {})",
                    literal(&Json::Object(inner.clone()))
                ),
                _ => format!("{what}: parameters have names; {form}"),
            }
            .into()),
            params => Ok(params),
        },
        other => Err(format!(
            "{what}: the parameters are a table, not a {}; {form}",
            other.type_name()
        )
        .into()),
    }
}

/// A JSON value as it is written in Lua.
fn literal(json: &Json) -> String {
    match json {
        Json::Null => "nil".to_owned(),
        Json::Array(items) => {
            let items: Vec<_> = items.iter().map(literal).collect();
            format!("{{{}}}", items.join(", "))
        }
        Json::Object(fields) => {
            let fields: Vec<_> = fields
                .iter()
                .map(|(key, value)| format!("{key} = {}", literal(value)))
                .collect();
            format!("{{{}}}", fields.join(", "))
        }
        other => other.to_string(),
    }
}
