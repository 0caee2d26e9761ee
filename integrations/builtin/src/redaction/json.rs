//! Replacing inside of JSON.

use serde_json::{Map, Value};

use super::rules::Rules;

/// How deep values may be nested.
const DEPTH: u32 = 128;

/// What keeps a value from being redacted; never says what was in it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum JsonError {
    #[error("is nested deeper than {DEPTH}")]
    TooDeep,
    #[error("has more text than `max_bytes` allows")]
    TooLarge,
    #[error("has keys that are the same once they are redacted")]
    SameKeys,
}

/// Replaces in all texts and keys of a value; whether anything was.
pub(crate) fn redact(
    rules: &Rules,
    value: &mut Value,
    max_bytes: usize,
) -> Result<bool, JsonError> {
    let mut left = max_bytes;
    walk(rules, value, &mut left, DEPTH)
}

/// Takes a text off what may still be looked at.
pub(crate) fn spend(left: &mut usize, text: &str) -> Result<(), JsonError> {
    *left = left.checked_sub(text.len()).ok_or(JsonError::TooLarge)?;
    Ok(())
}

fn walk(rules: &Rules, value: &mut Value, left: &mut usize, depth: u32) -> Result<bool, JsonError> {
    let depth = depth.checked_sub(1).ok_or(JsonError::TooDeep)?;
    match value {
        Value::String(text) => {
            spend(left, text)?;
            let new = rules.redact(text);
            let changed = new.is_some();
            if let Some(new) = new {
                *text = new;
            }
            Ok(changed)
        }
        Value::Array(items) => {
            let mut changed = false;
            for item in items {
                changed |= walk(rules, item, left, depth)?;
            }
            Ok(changed)
        }
        Value::Object(fields) => {
            let mut changed = false;
            for (key, field) in fields.iter_mut() {
                spend(left, key)?;
                if rules.is_secret_key(key)
                    && let Value::String(text) = field
                    && text != rules.key_text()
                {
                    rules.key_text().clone_into(text);
                    changed = true;
                } else {
                    changed |= walk(rules, field, left, depth)?;
                }
            }
            if fields.keys().any(|key| rules.finds(key)) {
                rename(rules, fields)?;
                changed = true;
            }
            Ok(changed)
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => Ok(false),
    }
}

fn rename(rules: &Rules, fields: &mut Map<String, Value>) -> Result<(), JsonError> {
    let before = std::mem::take(fields);
    for (key, value) in before {
        let key = rules.redact(&key).unwrap_or(key);
        if fields.insert(key, value).is_some() {
            return Err(JsonError::SameKeys);
        }
    }
    Ok(())
}
