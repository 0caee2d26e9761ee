//! What a run of a workflow gives.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::WorkflowState;

/// The result of a run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct WorkflowOutput {
    /// The value of the last step that succeeded; the input if none did.
    pub value: Value,
    /// Every step, in order.
    pub steps: Vec<StepRecord>,
    /// The shared state at the end.
    pub state: WorkflowState,
}

/// How one step went.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StepRecord {
    /// Its name.
    pub step: String,
    /// How many times it was tried.
    pub attempts: u32,
    /// Its value; null if it failed.
    pub value: Value,
    /// Why it failed, if it did and the workflow went on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}
