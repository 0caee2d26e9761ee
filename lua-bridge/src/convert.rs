//! JSON to Lua and back, with limits.
//!
//! | JSON | Lua |
//! |---|---|
//! | null | `nil`; inside of an array `Json.null` |
//! | number | number; integral numbers become JSON integers |
//! | array | table of 1 to n, marked as by `Json.array` |
//! | object | table, without the keys that are null; an empty table is an object unless it is marked |
//!
//! Lua's numbers are 64-bit floats: integers beyond 2^53 lose digits there. [`restore`] gives a value that a script
//! did not change back as it was.

use mlua::{LightUserData, Lua, Table, Value};
use serde_json::{Map, Number, Value as Json};

/// How large a value may be that goes from JSON to Lua or back.
#[derive(Clone, Copy, Debug)]
pub(crate) struct JsonLimits {
    /// The most values in one conversion.
    pub(crate) elements: usize,
    /// The deepest nesting of tables.
    pub(crate) depth: usize,
    /// The longest string, in bytes; at least [`SHORT`].
    pub(crate) string_bytes: usize,
}

impl Default for JsonLimits {
    fn default() -> Self {
        JsonLimits {
            elements: 100_000,
            depth: 64,
            string_bytes: 16 << 20,
        }
    }
}

impl JsonLimits {
    /// Those of a state.
    pub(crate) fn of(lua: &Lua) -> Self {
        let limits = lua.app_data_ref::<JsonLimits>();
        limits.map_or_else(JsonLimits::default, |limits| *limits)
    }
}

/// Strings of so many bytes are within every limit.
pub(crate) const SHORT: usize = 1 << 10;
/// The deepest nesting that can be allowed: conversions use the stack of their thread.
pub(crate) const DEEPEST: usize = 256;
/// The largest integer up to which every integer is a Lua number of its own.
const MAX_EXACT: f64 = 9_007_199_254_740_992.0;

/// The metatable that marks arrays.
struct ArrayMark(Table);

/// Makes the mark of arrays; once for each state, before it is sandboxed.
pub(crate) fn install(lua: &Lua, limits: JsonLimits) -> mlua::Result<()> {
    lua.set_app_data(limits);
    let mark = lua.create_table()?;
    mark.raw_set("__metatable", "array")?;
    mark.set_readonly(true);
    lua.set_app_data(ArrayMark(mark));
    Ok(())
}

/// Marks a table as an array.
pub(crate) fn mark_array(lua: &Lua, table: &Table) -> mlua::Result<()> {
    let mark = lua.app_data_ref::<ArrayMark>().map(|mark| mark.0.clone());
    table.set_metatable(mark)
}

fn is_marked(table: &Table) -> bool {
    // A script that gives a table such a metatable itself says the same.
    table.metatable().is_some_and(|meta| {
        meta.raw_get::<String>("__metatable")
            .is_ok_and(|text| text == "array")
    })
}

struct Walk {
    limits: JsonLimits,
    elements: usize,
    /// The tables around the value, to see cycles.
    open: Vec<usize>,
}

impl Walk {
    fn new(lua: &Lua) -> Self {
        Walk {
            limits: JsonLimits::of(lua),
            elements: 0,
            open: Vec::new(),
        }
    }

    fn count(&mut self) -> mlua::Result<()> {
        self.elements += 1;
        if self.elements > self.limits.elements {
            return Err(fail(format!(
                "it has more than {} values; pass less of it",
                self.limits.elements
            )));
        }
        Ok(())
    }

    fn check_string(&self, bytes: usize) -> mlua::Result<()> {
        let limit = self.limits.string_bytes;
        if bytes > limit {
            return Err(fail(format!(
                "a string of {bytes} bytes is over the limit of {limit}"
            )));
        }
        Ok(())
    }

    fn enter(&mut self, table: usize) -> mlua::Result<()> {
        if table != 0 && self.open.contains(&table) {
            return Err(fail("a table contains itself, which JSON can't say".into()));
        }
        if self.open.len() == self.limits.depth {
            return Err(fail(format!(
                "it is nested more than {} tables deep",
                self.limits.depth
            )));
        }
        self.open.push(table);
        Ok(())
    }
}

fn fail(why: String) -> mlua::Error {
    mlua::Error::RuntimeError(format!("no JSON: {why}"))
}

/// The Lua value of a JSON value.
///
/// # Errors
/// It is over a limit, or Lua has no memory left.
pub(crate) fn to_lua(lua: &Lua, json: &Json) -> mlua::Result<Value> {
    match json {
        Json::Null => Ok(Value::Nil),
        Json::Bool(flag) => Ok(Value::Boolean(*flag)),
        Json::Number(number) => Ok(lua_number(number)),
        Json::String(text) if text.len() <= SHORT => Ok(Value::String(lua.create_string(text)?)),
        json => into_lua(lua, json, &mut Walk::new(lua)),
    }
}

fn lua_number(number: &Number) -> Value {
    Value::Number(number.as_f64().unwrap_or(f64::NAN))
}

fn into_lua(lua: &Lua, json: &Json, walk: &mut Walk) -> mlua::Result<Value> {
    walk.count()?;
    Ok(match json {
        Json::Null => Value::NULL,
        Json::Bool(flag) => Value::Boolean(*flag),
        Json::Number(number) => lua_number(number),
        Json::String(text) => {
            walk.check_string(text.len())?;
            Value::String(lua.create_string(text)?)
        }
        Json::Array(items) => {
            walk.enter(0)?;
            let table = lua.create_table_with_capacity(items.len().min(walk.limits.elements), 0)?;
            for (at, item) in items.iter().enumerate() {
                table.raw_set(at + 1, into_lua(lua, item, walk)?)?;
            }
            mark_array(lua, &table)?;
            walk.open.pop();
            Value::Table(table)
        }
        Json::Object(fields) => {
            walk.enter(0)?;
            let table =
                lua.create_table_with_capacity(0, fields.len().min(walk.limits.elements))?;
            for (key, value) in fields.iter().filter(|(_, value)| !value.is_null()) {
                walk.check_string(key.len())?;
                table.raw_set(key.as_str(), into_lua(lua, value, walk)?)?;
            }
            walk.open.pop();
            Value::Table(table)
        }
    })
}

/// The JSON value of a Lua value.
///
/// # Errors
/// It has no JSON form (functions, NaN, text that is not UTF-8, tables that contain themselves, tables with both
/// kinds of keys), or it is over a limit.
pub(crate) fn to_json(lua: &Lua, value: &Value) -> mlua::Result<Json> {
    match value {
        Value::Table(_) => from_lua(value, &mut Walk::new(lua)),
        Value::String(text) if text.as_bytes().len() > SHORT => {
            from_lua(value, &mut Walk::new(lua))
        }
        // Within every limit.
        value => from_lua(
            value,
            &mut Walk {
                limits: JsonLimits::default(),
                elements: 0,
                open: Vec::new(),
            },
        ),
    }
}

fn from_lua(value: &Value, walk: &mut Walk) -> mlua::Result<Json> {
    walk.count()?;
    match value {
        Value::Nil => Ok(Json::Null),
        Value::LightUserData(LightUserData(pointer)) if pointer.is_null() => Ok(Json::Null),
        Value::Boolean(flag) => Ok(Json::Bool(*flag)),
        Value::Integer(number) => Ok(Json::from(*number)),
        Value::Number(number) => json_number(*number),
        Value::String(text) => {
            walk.check_string(text.as_bytes().len())?;
            let text = text.to_str().map_err(|_| {
                fail("a string is not UTF-8; encode bytes, for example in hexadecimal".into())
            })?;
            Ok(Json::String(text.to_owned()))
        }
        Value::Table(table) if table.has_metatable() && !is_marked(table) => Err(fail(
            "a table with a metatable (an object, `ctx`, `ctx.args`) has none: copy what is needed into a plain table".into(),
        )),
        Value::Table(table) => {
            walk.enter(table.to_pointer() as usize)?;
            let json = from_table(table, walk)?;
            walk.open.pop();
            Ok(json)
        }
        other => Err(fail(format!("a {} has no JSON form", other.type_name()))),
    }
}

fn from_table(table: &Table, walk: &mut Walk) -> mlua::Result<Json> {
    let length = table.raw_len();
    if length == 0 && !is_marked(table) {
        return from_fields(table, walk).map(Json::Object);
    }
    if length > walk.limits.elements {
        return Err(fail(format!(
            "it has more than {} values",
            walk.limits.elements
        )));
    }
    let mut items = Vec::with_capacity(length);
    for at in 1..=length {
        items.push(from_lua(&table.raw_get::<Value>(at)?, walk)?);
    }
    let mut keys = 0;
    table.for_each(|_: Value, _: Value| {
        keys += 1;
        Ok(())
    })?;
    if keys > length {
        return Err(fail(
            "a table has both positions (1, 2, …) and other keys: make it an array or an object"
                .into(),
        ));
    }
    Ok(Json::Array(items))
}

fn from_fields(table: &Table, walk: &mut Walk) -> mlua::Result<Map<String, Json>> {
    let mut fields = Vec::new();
    table.for_each(|key: Value, value: Value| {
        let Value::String(key) = &key else {
            return Err(fail(format!(
                "a key is a {}: keys are strings, or 1 to n without a gap (`Json.null` fills one)",
                key.type_name()
            )));
        };
        let key = key
            .to_str()
            .map_err(|_| fail("a key is not UTF-8".into()))?
            .to_owned();
        fields.push((key, from_lua(&value, walk)?));
        Ok(())
    })?;
    // Lua has no order of keys: one that is the same in every run.
    fields.sort_by(|(a, _), (b, _)| a.cmp(b));
    Ok(fields.into_iter().collect())
}

/// The JSON form of a number: integral ones as integers.
///
/// # Errors
/// It is not finite.
pub(crate) fn json_number(number: f64) -> mlua::Result<Json> {
    if number.fract() == 0.0 && number.abs() <= MAX_EXACT {
        return Ok(Json::from(number as i64));
    }
    let number = Number::from_f64(number);
    number
        .map(Json::Number)
        .ok_or_else(|| fail("a number is not finite".into()))
}

/// What a script made of a value, with all that Lua can't hold put back from the original: nulls of objects,
/// the order of keys, integers beyond 2^53, `1.0` for `1`, and empty arrays.
pub(crate) fn restore(original: &Json, now: Json) -> Json {
    match (original, now) {
        (Json::Number(was), Json::Number(is)) if was.as_f64() == is.as_f64() => {
            Json::Number(was.clone())
        }
        (Json::Array(_), Json::Object(is)) if is.is_empty() => Json::Array(Vec::new()),
        (Json::Array(was), Json::Array(is)) => {
            let restored = is.into_iter().enumerate();
            restored
                .map(|(at, item)| match was.get(at) {
                    Some(was) => restore(was, item),
                    None => item,
                })
                .collect()
        }
        (Json::Object(was), Json::Object(mut is)) => {
            let mut restored = Map::new();
            for (key, was) in was {
                match is.shift_remove(key) {
                    Some(is) => restored.insert(key.clone(), restore(was, is)),
                    None if was.is_null() => restored.insert(key.clone(), Json::Null),
                    None => None,
                };
            }
            restored.extend(is);
            Json::Object(restored)
        }
        (_, now) => now,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_lua_cant_hold_is_restored() {
        let was = json!({"z": null, "big": 9007199254740993_u64, "a": 1.0, "list": [], "gone": 2});
        let now = json!({"a": 1, "big": 9007199254740992_u64, "list": {}, "new": true});
        let restored = restore(&was, now);
        assert_eq!(
            restored.to_string(),
            r#"{"z":null,"big":9007199254740993,"a":1.0,"list":[],"new":true}"#
        );
    }

    #[test]
    fn values_survive_the_way_there_and_back() {
        let lua = Lua::new();
        install(&lua, JsonLimits::default()).unwrap();
        let value =
            json!({"list": [1, null, {"x": 2.5}], "empty": [], "object": {}, "text": "ä", "n": -3});
        let back = to_json(&lua, &to_lua(&lua, &value).unwrap()).unwrap();
        assert_eq!(back, value);
    }

    #[test]
    fn what_has_no_json_form_is_refused_with_the_reason() {
        let lua = Lua::new();
        install(&lua, JsonLimits::default()).unwrap();
        for (code, why) in [
            ("local t = {} t.t = t return t", "contains itself"),
            ("return {print}", "a function has no JSON form"),
            ("return 0/0", "not finite"),
            ("return {1, x = 2}", "both positions"),
            ("return setmetatable({}, {})", "metatable"),
            ("return {[3] = 1}", "without a gap"),
            ("return '\\255'", "not UTF-8"),
            (
                "local t = {} for _ = 1, 70 do t = {t} end return t",
                "64 tables deep",
            ),
            (
                "local t = {} for i = 1, 100001 do t[i] = i end return t",
                "100000 values",
            ),
        ] {
            let value: Value = lua.load(code).eval().unwrap();
            let error = to_json(&lua, &value).unwrap_err().to_string();
            assert!(error.contains(why), "{code}: {error}");
        }
    }
}
