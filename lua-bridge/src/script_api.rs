//! `Script.requires`.

use hooks_runtime::point::suggest;
use mlua::{Lua, Table, Value};

use crate::bind::{ApiError, ApiResult, Binder};

/// Adds it to the global `Script`; after everything else, for it speaks of what there is.
pub(crate) fn install(lua: &Lua, bind: &Binder) -> mlua::Result<()> {
    let script: Table = lua.globals().raw_get("Script")?;
    let there = there(lua)?;
    script.raw_set(
        "requires",
        bind.function("Script.requires", move |_, names: Value| {
            for name in wanted(names)? {
                if !there.contains(&name) {
                    return Err(missing(&name, &there));
                }
            }
            Ok(true)
        })?,
    )
}

/// `Hook`, `Hook.register`, … as the program made them, whatever the script makes of its globals.
fn there(lua: &Lua) -> mlua::Result<Vec<String>> {
    let mut names = vec!["Script.requires".to_owned()];
    lua.globals().for_each(|global: String, value: Value| {
        if let Value::Table(table) = &value
            && global != "_G"
        {
            table.for_each(|name: String, _: Value| {
                names.push(format!("{global}.{name}"));
                Ok(())
            })?;
        }
        names.push(global);
        Ok(())
    })?;
    names.sort();
    Ok(names)
}

fn wanted(names: Value) -> ApiResult<Vec<String>> {
    const FORM: &str = "Script.requires: write a name or a list of names, such as \"Agent\" or {\"Tool.invoke\", \"Event.publish\"}";
    match names {
        Value::String(name) => Ok(vec![name.to_str()?.to_owned()]),
        Value::Table(list) => {
            let names = list.sequence_values::<String>();
            let names: Result<Vec<_>, _> = names.collect();
            names.map_err(|_| ApiError::Said(FORM.into()))
        }
        other => Err(format!("{FORM}, not a {}", other.type_name()).into()),
    }
}

fn missing(name: &str, there: &[String]) -> ApiError {
    let near = suggest(name, there.iter().map(String::as_str));
    let hint = near.map_or(String::new(), |near| format!("; did you mean `{near}`?"));
    // The globals of the API are those that begin with a capital letter.
    let globals = there.iter().filter(|name| {
        name.starts_with(|first: char| first.is_ascii_uppercase()) && !name.contains('.')
    });
    let globals: Vec<&str> = globals.map(String::as_str).collect();
    ApiError::Said(format!(
        "Script.requires: this program has no `{name}`{hint} (it has: {})",
        globals.join(", ")
    ))
}
