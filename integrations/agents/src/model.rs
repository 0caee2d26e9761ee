//! What answers an agent.

use async_trait::async_trait;
use hooks_runtime::HookRefusal;
use hooks_tools::ToolInfo;
use hooks_tools::template::TemplateError;
use serde::{Deserialize, Serialize};

use crate::{Message, ToolCall};

/// A language model, or whatever takes its place. The agent asks it at the hook point `model.request`.
#[async_trait]
pub trait Model: Send + Sync {
    /// Its name, for conditions and records.
    fn name(&self) -> &str;

    /// Answers the conversation so far: with tool calls, or with the final text.
    ///
    /// # Errors
    /// [`ModelError`], which ends the run.
    async fn request(&self, request: ModelRequest) -> Result<ModelResponse, ModelError>;
}

/// What a model is asked.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ModelRequest {
    /// The conversation so far, oldest first.
    pub messages: Vec<Message>,
    /// The tools it may ask for.
    pub tools: Vec<ToolInfo>,
}

/// What a model answers.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ModelResponse {
    /// Words; the final answer if there are no tool calls.
    #[serde(default)]
    pub text: Option<String>,
    /// Tool calls to make before the next request, in order.
    #[serde(default)]
    pub tool_calls: Vec<ToolCall>,
    /// What the request cost.
    #[serde(default)]
    pub usage: Usage,
}

/// Tokens of one request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// Tokens that were sent.
    pub input_tokens: u64,
    /// Tokens that came back.
    pub output_tokens: u64,
}

impl Usage {
    /// Both together.
    pub fn total(&self) -> u64 {
        self.input_tokens.saturating_add(self.output_tokens)
    }
}

/// Why a model gave no answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ModelError {
    /// A script has no further turn.
    #[error(
        "model `{model}`: its script has {turns} turns and was asked for one more; add one with `.text(…)`"
    )]
    ScriptEnded {
        /// The model.
        model: String,
        /// How many turns it has.
        turns: usize,
    },
    /// A turn of a script refers to something that is not there.
    #[error("model `{model}`, turn {turn}: {source}")]
    Script {
        /// The model.
        model: String,
        /// The turn, from 1.
        turn: usize,
        /// The reference.
        source: TemplateError,
    },
    /// The model could not be reached or refused to answer.
    #[error("model `{model}`: {reason}")]
    Failed {
        /// The model.
        model: String,
        /// What is wrong, and what to do about it.
        reason: String,
    },
    /// A hook refused.
    #[error(transparent)]
    Refused(#[from] HookRefusal),
}
