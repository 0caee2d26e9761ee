//! A model that answers by a script.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use hooks_tools::template::fill;
use serde_json::{Map, Value, json};

use crate::{Message, Model, ModelError, ModelRequest, ModelResponse, ToolCall, Usage};

type Compute = dyn Fn(&ModelRequest) -> Result<ModelResponse, ModelError> + Send + Sync;

#[derive(Clone)]
enum Turn {
    Calls(Vec<(String, Value)>),
    Text(String),
    Computed(Arc<Compute>),
}

impl fmt::Debug for Turn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Turn::Calls(calls) => f.debug_tuple("Calls").field(calls).finish(),
            Turn::Text(text) => f.debug_tuple("Text").field(text).finish(),
            Turn::Computed(_) => f.write_str("Computed"),
        }
    }
}

/// A deterministic model: one turn of its script for each request of a conversation.
///
/// Which turn is due is seen from the conversation, so that one script serves any number of runs at the same
/// time. Texts and parameters are [templates](hooks_tools::template): `{{input}}` is what the agent was asked,
/// `{{1.result}}` is taken from the output of the first tool call, `{{2.…}}` from the second. Tokens are
/// counted as one for every four bytes of JSON, rounded up.
#[derive(Clone, Debug)]
pub struct ScriptedModel {
    name: String,
    turns: Vec<Turn>,
}

impl ScriptedModel {
    /// An empty script.
    pub fn new(name: impl Into<String>) -> Self {
        ScriptedModel {
            name: name.into(),
            turns: Vec::new(),
        }
    }

    /// A turn that asks for tool calls, as `(tool, parameters)`.
    #[must_use]
    pub fn calls<S: Into<String>>(mut self, calls: impl IntoIterator<Item = (S, Value)>) -> Self {
        self.turns.push(Turn::Calls(
            calls
                .into_iter()
                .map(|(name, params)| (name.into(), params))
                .collect(),
        ));
        self
    }

    /// A turn that answers with text.
    #[must_use]
    pub fn text(mut self, text: impl Into<String>) -> Self {
        self.turns.push(Turn::Text(text.into()));
        self
    }

    /// A turn that is computed from the request. If it leaves `usage` at zero, tokens are counted for it.
    #[must_use]
    pub fn compute<F>(mut self, turn: F) -> Self
    where
        F: Fn(&ModelRequest) -> Result<ModelResponse, ModelError> + Send + Sync + 'static,
    {
        self.turns.push(Turn::Computed(Arc::new(turn)));
        self
    }

    fn answer(&self, request: &ModelRequest) -> Result<ModelResponse, ModelError> {
        let passed = request
            .messages
            .iter()
            .filter(|m| matches!(m, Message::Assistant { .. }))
            .count();
        let turn = self
            .turns
            .get(passed)
            .ok_or_else(|| ModelError::ScriptEnded {
                model: self.name.clone(),
                turns: self.turns.len(),
            })?;
        let scope = scope(request);
        let filled = |template: &Value| {
            fill(template, &scope).map_err(|source| ModelError::Script {
                model: self.name.clone(),
                turn: passed + 1,
                source,
            })
        };
        let mut response = ModelResponse::default();
        match turn {
            Turn::Computed(compute) => response = compute(request)?,
            Turn::Text(text) => {
                response.text = Some(match filled(&Value::String(text.clone()))? {
                    Value::String(text) => text,
                    other => other.to_string(),
                });
            }
            Turn::Calls(calls) => {
                for (index, (name, params)) in calls.iter().enumerate() {
                    let id = format!("{}.{}", passed + 1, index + 1);
                    response.tool_calls.push(ToolCall {
                        id,
                        name: name.clone(),
                        params: filled(params)?,
                    });
                }
            }
        }
        if response.usage == Usage::default() {
            response.usage = Usage {
                input_tokens: tokens(&json!(request.messages)),
                output_tokens: tokens(&json!([response.text, response.tool_calls])),
            };
        }
        Ok(response)
    }
}

/// What templates may refer to.
fn scope(request: &ModelRequest) -> Value {
    let mut scope = Map::new();
    let mut results = 0;
    for message in &request.messages {
        match message {
            Message::User { text } => {
                scope.insert("input".to_owned(), Value::String(text.clone()));
            }
            Message::Tool { output, .. } => {
                results += 1;
                scope.insert(results.to_string(), output.clone());
            }
            _ => {}
        }
    }
    Value::Object(scope)
}

fn tokens(value: &Value) -> u64 {
    (value.to_string().len() as u64).div_ceil(4)
}

#[async_trait]
impl Model for ScriptedModel {
    fn name(&self) -> &str {
        &self.name
    }

    async fn request(&self, request: ModelRequest) -> Result<ModelResponse, ModelError> {
        self.answer(&request)
    }
}
