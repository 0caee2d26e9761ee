//! What a run of an agent gives.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The result of one run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct AgentOutput {
    /// The model's final answer.
    pub text: String,
    /// How many times the model was asked.
    pub steps: u64,
    /// Tokens used, in and out together.
    pub tokens: u64,
    /// The tool calls made, in order.
    pub tool_calls: Vec<ToolCallRecord>,
}

/// One tool call of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ToolCallRecord {
    /// The tool.
    pub name: String,
    /// The parameters that the model gave.
    pub params: Value,
    /// The output, or `{"error": "…"}`.
    pub output: Value,
    /// Whether it failed or was refused.
    pub failed: bool,
}
