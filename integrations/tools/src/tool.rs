//! The trait that every tool implements.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{SecurityLevel, ToolCategory, ToolError, ToolOutput};

/// Something that can be called by name with one JSON object.
///
/// `execute` carries the hook point itself, so that a tool is hooked whoever calls it, with or without a
/// registry. Hooks there may change `params` after the registry validated them: read them with
/// [`read_params`](crate::read_params), which says clearly what does not fit.
///
/// ```
/// use hooks_runtime::hooked;
/// use hooks_tools::{SecurityLevel, Tool, ToolCategory, ToolError, ToolOutput, read_params, schema_of};
/// use serde_json::{Value, json};
///
/// struct Shout;
///
/// /// Parameters of `shout`.
/// #[derive(serde::Deserialize, schemars::JsonSchema)]
/// #[serde(deny_unknown_fields)]
/// struct ShoutParams {
///     /// What to say.
///     text: String,
/// }
///
/// #[async_trait::async_trait]
/// impl Tool for Shout {
///     fn name(&self) -> &str { "shout" }
///     fn description(&self) -> &str { "Says it in capitals" }
///     fn category(&self) -> ToolCategory { ToolCategory::Util }
///     fn security_level(&self) -> SecurityLevel { SecurityLevel::Safe }
///     fn parameters(&self) -> Value { schema_of::<ShoutParams>() }
///
///     #[hooked(point = "tool.execute", component = self.name())]
///     async fn execute(&self, params: Value) -> Result<ToolOutput, ToolError> {
///         let params: ShoutParams = read_params(self.name(), params)?;
///         Ok(json!({"text": params.text.to_uppercase()}).into())
///     }
/// }
/// ```
#[async_trait]
pub trait Tool: Send + Sync {
    /// The name it is called by: lower-case words joined by `_`.
    fn name(&self) -> &str;

    /// What it does, in a sentence for whoever chooses among tools, a model included.
    fn description(&self) -> &str;

    /// The family it belongs to.
    fn category(&self) -> ToolCategory;

    /// How far it reaches.
    fn security_level(&self) -> SecurityLevel;

    /// JSON Schema of its parameter object; [`schema_of`](crate::schema_of) makes it from a type.
    fn parameters(&self) -> Value;

    /// Does the work. Implementations carry `#[hooked(point = "tool.execute", component = self.name())]`.
    ///
    /// # Errors
    /// [`ToolError::Parameters`] if `params` do not fit, [`ToolError::Refused`] if a hook refuses, and the tool's
    /// own failures as [`ToolError::Failed`], [`ToolError::Path`] or [`ToolError::Io`].
    async fn execute(&self, params: Value) -> Result<ToolOutput, ToolError>;
}

/// A tool's card: everything but the code.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ToolInfo {
    /// The name it is called by.
    pub name: String,
    /// What it does.
    pub description: String,
    /// The family it belongs to.
    pub category: ToolCategory,
    /// How far it reaches.
    pub security_level: SecurityLevel,
    /// JSON Schema of its parameter object.
    pub parameters: Value,
}

impl ToolInfo {
    /// The card of `tool`.
    pub fn of(tool: &dyn Tool) -> Self {
        ToolInfo {
            name: tool.name().to_owned(),
            description: tool.description().to_owned(),
            category: tool.category(),
            security_level: tool.security_level(),
            parameters: tool.parameters(),
        }
    }
}
