//! The conversation between an agent and its model.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A tool call that a model asks for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ToolCall {
    /// What the model calls this call; its result carries the same id.
    pub id: String,
    /// The tool.
    pub name: String,
    /// The tool's one parameter object.
    pub params: Value,
}

/// One turn of the conversation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "role", rename_all = "lowercase")]
#[non_exhaustive]
pub enum Message {
    /// Standing instructions.
    System {
        /// What they say.
        text: String,
    },
    /// What the agent was asked.
    User {
        /// What it says.
        text: String,
    },
    /// What the model answered.
    Assistant {
        /// Its words, if any.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        text: Option<String>,
        /// The tool calls it asks for.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        tool_calls: Vec<ToolCall>,
    },
    /// What a tool call gave.
    Tool {
        /// Id of the call.
        id: String,
        /// The tool.
        name: String,
        /// Its output, or `{"error": "…"}`.
        output: Value,
        /// Whether it failed or was refused.
        failed: bool,
    },
}
