//! The global `Json`.

use mlua::{Lua, Table, Value};

use crate::bind::{ApiError, Binder};
use crate::convert;
use crate::options::Options;

/// Makes the global.
pub(crate) fn install(lua: &Lua, bind: &Binder) -> mlua::Result<()> {
    let json = lua.create_table()?;
    json.raw_set(
        "encode",
        bind.function(
            "Json.encode",
            |lua, (value, options): (Value, Option<Table>)| {
                let pretty = match &options {
                    Some(table) => {
                        Options::new("Json.encode", table, &["pretty"])?.flag("pretty")?
                    }
                    None => false,
                };
                let json = convert::to_json(lua, &value)?;
                Ok(if pretty {
                    format!("{json:#}")
                } else {
                    json.to_string()
                })
            },
        )?,
    )?;
    json.raw_set(
        "decode",
        bind.function("Json.decode", |lua, text: String| {
            let json = serde_json::from_str(&text)
                .map_err(|error| ApiError::Said(format!("Json.decode: {error}")))?;
            Ok(convert::to_lua(lua, &json)?)
        })?,
    )?;
    json.raw_set(
        "array",
        bind.function("Json.array", |lua, table: Option<Table>| {
            let table = match table {
                Some(table) => table,
                None => lua.create_table()?,
            };
            if table.is_readonly() || table.metatable().is_some() {
                return Err(
                    "Json.array: it needs a plain table; this one has a metatable or is read only"
                        .into(),
                );
            }
            convert::mark_array(lua, &table)?;
            Ok(table)
        })?,
    )?;
    json.raw_set("null", Value::NULL)?;
    lua.globals().raw_set("Json", json)
}
