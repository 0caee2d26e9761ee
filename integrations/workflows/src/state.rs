//! The state that the steps of a run share.

use std::ops::Index;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// A JSON map. Hooks at `workflow.execute` and `workflow.step` see it as `state` and may change it; changes that
/// steps make are `workflow.state`, one for each key.
///
/// ```
/// use hooks_workflows::WorkflowState;
/// let mut state = WorkflowState::default();
/// state.insert("n", 1);
/// assert_eq!(state["n"], 1);
/// assert!(state["absent"].is_null());
/// ```
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct WorkflowState(Map<String, Value>);

impl WorkflowState {
    /// The value under `key`.
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.0.get(key)
    }
    /// Puts `value` under `key`, and gives what was there.
    pub fn insert(&mut self, key: impl Into<String>, value: impl Into<Value>) -> Option<Value> {
        self.0.insert(key.into(), value.into())
    }
    /// Takes the value under `key` away.
    pub fn remove(&mut self, key: &str) -> Option<Value> {
        self.0.shift_remove(key)
    }
    /// Keys and values, in the order in which the keys came.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.0.iter().map(|(key, value)| (key.as_str(), value))
    }
    /// How many keys there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
    /// The whole as one JSON object.
    pub fn to_json(&self) -> Value {
        Value::Object(self.0.clone())
    }
}

impl Index<&str> for WorkflowState {
    type Output = Value;
    /// The value under `key`, or null.
    fn index(&self, key: &str) -> &Value {
        self.0.get(key).unwrap_or(&Value::Null)
    }
}

impl From<Map<String, Value>> for WorkflowState {
    fn from(map: Map<String, Value>) -> Self {
        WorkflowState(map)
    }
}

impl<K: Into<String>, V: Into<Value>> FromIterator<(K, V)> for WorkflowState {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(pairs: I) -> Self {
        WorkflowState(
            pairs
                .into_iter()
                .map(|(key, value)| (key.into(), value.into()))
                .collect(),
        )
    }
}
