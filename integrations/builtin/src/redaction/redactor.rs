//! What is written of calls: redacted, and not too long.

use serde_json::{Map, Value, json};

use super::json::redact;
use super::rules::Rules;

/// A longer text is replaced by its length, in bytes.
const MAX_TEXT: usize = 64 << 10;

/// Redacts names, reasons and values before they are written.
pub(crate) struct Redactor {
    rules: Rules,
    max_value_bytes: usize,
}

impl Redactor {
    /// Values whose JSON is longer than that are replaced by their length, in bytes.
    pub(crate) fn new(rules: Rules, max_value_bytes: usize) -> Self {
        Redactor {
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

    /// Values by name. As one, because a name may be that of a secret.
    pub(crate) fn fields(&self, fields: impl Iterator<Item = (String, Value)>) -> Value {
        let limited = fields.map(|(name, value)| (name, self.limited(value)));
        self.redacted(Value::Object(limited.collect::<Map<_, _>>()))
    }

    fn limited(&self, value: Value) -> Value {
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
