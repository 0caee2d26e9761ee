//! Reading option tables: every key is known, every value has the right form, and messages say what to write.

use hooks_runtime::point::suggest;
use mlua::{Function, Lua, Table, Value};
use serde_json::Value as Json;

use crate::bind::{ApiError, ApiResult};
use crate::convert;

/// An option table, with what it is called in messages.
pub(crate) struct Options<'a> {
    /// `Hook.register`, `Agent.create`, …
    what: &'a str,
    table: &'a Table,
}

/// Fails for a key that is none of `known`, naming the one that was probably meant.
pub(crate) fn check_key(what: &str, kind: &str, key: &str, known: &[&str]) -> ApiResult<()> {
    if known.contains(&key) {
        return Ok(());
    }
    let hint = suggest(key, known.iter().copied())
        .map(|near| format!("; did you mean `{near}`?"))
        .unwrap_or_default();
    Err(format!(
        "{what}: there is no {kind} `{key}`{hint} (there are: {})",
        known.join(", ")
    )
    .into())
}

impl<'a> Options<'a> {
    /// # Errors
    /// A key is not one of `known`.
    pub(crate) fn new(what: &'a str, table: &'a Table, known: &[&str]) -> ApiResult<Self> {
        table.for_each(|key: Value, _: Value| match &key {
            Value::String(key) => check_key(what, "option", &key.to_string_lossy(), known).map_err(
                |error| match error {
                    ApiError::Said(said) => mlua::Error::RuntimeError(said),
                    ApiError::Lua(error) => error,
                },
            ),
            _ => Err(mlua::Error::RuntimeError(format!(
                "{what}: options are written as `name = value` (there are: {})",
                known.join(", ")
            ))),
        })?;
        Ok(Options { what, table })
    }

    pub(crate) fn wrong<T>(&self, key: &str, wanted: &str, got: &Value) -> ApiResult<T> {
        let got = match got {
            Value::String(text) => format!("\"{}\"", text.to_string_lossy()),
            other => format!("a {}", other.type_name()),
        };
        Err(format!("{}: `{key}` must be {wanted}, not {got}", self.what).into())
    }

    pub(crate) fn raw(&self, key: &str) -> ApiResult<Value> {
        Ok(self.table.raw_get(key)?)
    }

    pub(crate) fn string(&self, key: &str) -> ApiResult<Option<String>> {
        match self.raw(key)? {
            Value::Nil => Ok(None),
            Value::String(text) => Ok(Some(text.to_str()?.to_owned())),
            other => self.wrong(key, "a string", &other),
        }
    }

    /// A string that must be there and not be empty.
    pub(crate) fn name(&self, key: &str) -> ApiResult<String> {
        match self.string(key)? {
            Some(name) if !name.trim().is_empty() => Ok(name),
            _ => Err(format!("{}: it needs `{key} = \"…\"`", self.what).into()),
        }
    }

    pub(crate) fn flag(&self, key: &str) -> ApiResult<bool> {
        match self.raw(key)? {
            Value::Nil => Ok(false),
            Value::Boolean(flag) => Ok(flag),
            other => self.wrong(key, "true or false", &other),
        }
    }

    /// A whole number from 0.
    pub(crate) fn count(&self, key: &str) -> ApiResult<Option<u32>> {
        let number = match self.raw(key)? {
            Value::Nil => return Ok(None),
            Value::Integer(number) => u32::try_from(number).ok(),
            Value::Number(number) if number.fract() == 0.0 && number >= 0.0 => {
                u32::try_from(number as i64).ok()
            }
            other => return self.wrong(key, "a whole number", &other),
        };
        let fit = number.ok_or_else(|| {
            ApiError::Said(format!(
                "{}: `{key}` must be a whole number from 0 to {}",
                self.what,
                u32::MAX
            ))
        });
        fit.map(Some)
    }

    /// One string, or a list of them.
    pub(crate) fn strings(&self, key: &str) -> ApiResult<Option<Vec<String>>> {
        let list = match self.raw(key)? {
            Value::Nil => return Ok(None),
            Value::String(text) => return Ok(Some(vec![text.to_str()?.to_owned()])),
            Value::Table(list) => list,
            other => return self.wrong(key, "a string or a list of strings", &other),
        };
        let mut strings = Vec::new();
        for item in list.sequence_values::<Value>() {
            match item? {
                Value::String(text) => strings.push(text.to_str()?.to_owned()),
                other => return self.wrong(key, "a list of strings", &other),
            }
        }
        Ok(Some(strings))
    }

    /// One of a few words.
    pub(crate) fn word<T: Copy>(&self, key: &str, words: &[(&str, T)]) -> ApiResult<Option<T>> {
        let Some(text) = self.string(key)? else {
            return Ok(None);
        };
        let found = words.iter().find(|(word, _)| *word == text);
        let found = found.map(|(_, value)| *value);
        found.map(Some).ok_or_else(|| {
            let words: Vec<_> = words.iter().map(|(word, _)| *word).collect();
            let hint = suggest(&text, words.iter().copied())
                .map(|near| format!("; did you mean `{near}`?"))
                .unwrap_or_default();
            ApiError::Said(format!(
                "{}: `{key}` is one of {}, not `{text}`{hint}",
                self.what,
                words.join(", ")
            ))
        })
    }

    pub(crate) fn function(&self, key: &str) -> ApiResult<Option<Function>> {
        match self.raw(key)? {
            Value::Nil => Ok(None),
            Value::Function(function) => Ok(Some(function)),
            other => self.wrong(key, "a function", &other),
        }
    }

    pub(crate) fn table(&self, key: &str, wanted: &str) -> ApiResult<Option<Table>> {
        match self.raw(key)? {
            Value::Nil => Ok(None),
            Value::Table(table) => Ok(Some(table)),
            other => self.wrong(key, wanted, &other),
        }
    }

    pub(crate) fn json(&self, lua: &Lua, key: &str) -> ApiResult<Option<Json>> {
        match self.raw(key)? {
            Value::Nil => Ok(None),
            value => Ok(Some(convert::to_json(lua, &value)?)),
        }
    }
}
