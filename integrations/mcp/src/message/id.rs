//! Ids of requests.

use std::fmt;

use serde_json::{Number, Value};

/// The id of a request: a string or a whole number, as MCP has it. It goes on as it came, because some messages
/// name the ids of others.
#[derive(Clone, PartialEq, Eq, Hash)]
pub enum Id {
    /// A whole number of 64 bits.
    Number(Number),
    /// A string.
    Text(String),
}

impl Id {
    /// The id that a value is; `None` for null, fractions and everything else.
    pub fn read(value: &Value) -> Option<Id> {
        match value {
            Value::String(text) => Some(Id::Text(text.clone())),
            Value::Number(number) if !number.is_f64() => Some(Id::Number(number.clone())),
            _ => None,
        }
    }

    /// The value again.
    pub fn to_value(&self) -> Value {
        match self {
            Id::Number(number) => Value::Number(number.clone()),
            Id::Text(text) => Value::String(text.clone()),
        }
    }

    pub(super) fn to_json(&self) -> String {
        self.to_value().to_string()
    }
}

impl fmt::Debug for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_json())
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

impl From<i64> for Id {
    fn from(number: i64) -> Self {
        Id::Number(number.into())
    }
}

impl From<&str> for Id {
    fn from(text: &str) -> Self {
        Id::Text(text.to_owned())
    }
}
