//! The tools of the server, as it listed them last.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use serde_json::Value;

use crate::limits::Limits;

#[derive(Debug)]
pub(super) struct Tools {
    listed: Mutex<Listed>,
    max: usize,
    max_bytes: usize,
}

#[derive(Debug, Default)]
struct Listed {
    /// By name, with the bytes that it takes.
    tools: HashMap<String, (Value, usize)>,
    bytes: usize,
}

impl Tools {
    pub(super) fn new(limits: &Limits) -> Self {
        Tools {
            listed: Mutex::default(),
            max: limits.max_tools,
            max_bytes: limits.max_tool_bytes,
        }
    }

    /// Null if the server did not list it.
    pub(super) fn definition(&self, tool: &str) -> Value {
        let listed = self.listed.lock().unwrap_or_else(PoisonError::into_inner);
        let known = listed.tools.get(tool);
        known.map_or(Value::Null, |(definition, _)| definition.clone())
    }

    /// Remembers how the server defines a tool. Beyond the limits it is as if the tool were not listed.
    pub(super) fn learn(&self, tool: &str, definition: &Value) {
        let bytes = tool.len() + definition.to_string().len();
        let mut listed = self.listed.lock().unwrap_or_else(PoisonError::into_inner);
        // What it was before is not what it is now.
        if let Some((_, before)) = listed.tools.remove(tool) {
            listed.bytes -= before;
        }
        if listed.tools.len() < self.max && listed.bytes + bytes <= self.max_bytes {
            listed.bytes += bytes;
            let definition = (definition.clone(), bytes);
            listed.tools.insert(tool.to_owned(), definition);
        } else {
            let (max, max_bytes) = (self.max, self.max_bytes);
            tracing::warn!(tool, max, max_bytes, "too many tools to remember this one");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_remembered_of_tools_is_bounded_in_bytes() {
        let limits = Limits {
            max_tool_bytes: 100,
            ..Limits::default()
        };
        let tools = Tools::new(&limits);
        let long = json!({ "name": "a", "description": "x".repeat(60) });
        tools.learn("a", &long);
        tools.learn("b", &long);
        assert_eq!(tools.definition("a"), long);
        assert!(tools.definition("b").is_null());
        tools.learn("a", &json!({ "name": "a" }));
        tools.learn("b", &json!({ "name": "b" }));
        assert!(!tools.definition("a").is_null() && !tools.definition("b").is_null());
    }
}
