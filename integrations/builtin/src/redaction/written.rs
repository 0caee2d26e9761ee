//! What is written of calls: redacted, and not too long.

use serde_json::{Map, Value, json};

use super::json::redact;
use super::rules::Rules;

/// A longer text is replaced by its length, in bytes.
const MAX_TEXT: usize = 64 << 10;

/// A value that is nested deeper is left out: readers of JSON have limits, and what is kept must be readable.
const MAX_DEPTH: u32 = 64;

/// The form in which names, reasons and values are written or kept.
pub(crate) struct WrittenForm {
    rules: Rules,
    max_value_bytes: usize,
}

impl WrittenForm {
    /// Values whose JSON is longer than that are replaced by their length, in bytes.
    pub(crate) fn new(rules: Rules, max_value_bytes: usize) -> Self {
        WrittenForm {
            rules,
            max_value_bytes,
        }
    }

    /// A name, reason or question.
    pub(crate) fn text(&self, text: &str) -> String {
        if text.len() > MAX_TEXT {
            return format!("[{} bytes]", text.len());
        }
        let redacted = self.rules.redact(text);
        redacted.unwrap_or_else(|| text.to_owned())
    }

    /// A value that has no name.
    pub(crate) fn value(&self, value: Value) -> Value {
        self.redacted(self.limited(value))
    }

    /// Values by name, which may be that of a secret.
    pub(crate) fn fields(&self, fields: impl Iterator<Item = (String, Value)>) -> Value {
        let limited = fields.map(|(name, value)| {
            let is_secret = self.rules.is_secret_key(&name) && !value.is_null();
            let value = if is_secret {
                self.rules.key_text().into()
            } else {
                self.limited(value)
            };
            (name, value)
        });
        self.redacted(Value::Object(limited.collect::<Map<_, _>>()))
    }

    fn limited(&self, value: Value) -> Value {
        if is_deeper(&value, MAX_DEPTH) {
            return json!({ "left_out": format!("is nested deeper than {MAX_DEPTH}") });
        }
        let bytes = value.to_string().len();
        if bytes > self.max_value_bytes {
            return json!({ "bytes": bytes });
        }
        value
    }

    fn redacted(&self, mut value: Value) -> Value {
        match redact(&self.rules, &mut value, usize::MAX) {
            Ok(_) => value,
            Err(why) => json!({ "left_out": why.to_string() }),
        }
    }
}

fn is_deeper(value: &Value, depth: u32) -> bool {
    let Some(left) = depth.checked_sub(1) else {
        return true;
    };
    match value {
        Value::Array(items) => items.iter().any(|item| is_deeper(item, left)),
        Value::Object(fields) => fields.values().any(|field| is_deeper(field, left)),
        _ => false,
    }
}
