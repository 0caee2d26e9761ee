//! The tools of the server, as it listed them last.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use serde_json::Value;

#[derive(Debug)]
pub(super) struct Tools {
    listed: Mutex<HashMap<String, Value>>,
    max: usize,
}

impl Tools {
    pub(super) fn new(max: usize) -> Self {
        Tools {
            listed: Mutex::default(),
            max,
        }
    }

    /// Null if the server did not list it.
    pub(super) fn definition(&self, tool: &str) -> Value {
        let listed = self.listed.lock().unwrap_or_else(PoisonError::into_inner);
        listed.get(tool).cloned().unwrap_or(Value::Null)
    }

    /// Remembers how the server defines a tool. Beyond the limit it is as if the tool were not listed.
    pub(super) fn learn(&self, tool: &str, definition: &Value) {
        let mut listed = self.listed.lock().unwrap_or_else(PoisonError::into_inner);
        if listed.len() < self.max || listed.contains_key(tool) {
            listed.insert(tool.to_owned(), definition.clone());
        } else {
            tracing::warn!(tool, max = self.max, "too many tools to remember this one");
        }
    }
}
