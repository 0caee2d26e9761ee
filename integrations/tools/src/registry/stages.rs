//! The stages of a tool call, each a hooked function.

use std::sync::Arc;
use std::time::Duration;

use hooks_runtime::hooked;
use serde_json::Value;
use tokio::time::timeout;

use super::{RegisteredTool, ToolRegistry};
use crate::{ParameterSchema, Permit, SecurityLevel, ToolError, ToolLimits, ToolOutput};

impl ToolRegistry {
    /// Looks the tool up. A hook may answer with another [`RegisteredTool`].
    #[hooked(point = "tool.discover", component = name)]
    pub(super) async fn discover(&self, name: &str) -> Result<RegisteredTool, ToolError> {
        self.get(name)
    }

    /// Checks the parameters against the schema. What hooks change in `params` is what is checked.
    #[hooked(point = "tool.validate", component = tool, skip(schema))]
    pub(super) async fn validate(
        &self,
        tool: &str,
        schema: &ParameterSchema,
        params: &mut Value,
    ) -> Result<(), ToolError> {
        schema.check(tool, params)
    }

    /// Holds the tool's level against the maximum. Both are borrowed: hooks read them and can't move them.
    #[hooked(point = "tool.authorize", component = tool)]
    #[allow(unused_variables, reason = "hooks read the parameters")]
    pub(super) async fn authorize(
        &self,
        tool: &str,
        level: &SecurityLevel,
        allowed: &SecurityLevel,
        params: &Value,
    ) -> Result<(), ToolError> {
        if level <= allowed {
            return Ok(());
        }
        Err(ToolError::Forbidden {
            tool: tool.to_owned(),
            level: *level,
            allowed: *allowed,
        })
    }

    /// Waits for a slot. What hooks change in `limits` holds for this call.
    #[hooked(point = "tool.acquire", component = tool)]
    pub(super) async fn acquire(
        &self,
        tool: &str,
        limits: ToolLimits,
    ) -> Result<Permit, ToolError> {
        match timeout(limits.wait, Arc::clone(&self.slots).acquire_owned()).await {
            Ok(Ok(slot)) => Ok(Permit::new(tool, limits, slot)),
            Ok(Err(closed)) => Err(ToolError::failed(
                tool,
                format!("the registry takes no more calls: {closed}"),
            )),
            Err(_) => {
                let slots = self.settings.max_concurrent;
                Err(ToolError::Busy {
                    tool: tool.to_owned(),
                    slots,
                    waited: limits.wait,
                })
            }
        }
    }

    /// Executes under the permit's limits. The permit is released on every way out.
    pub(super) async fn run(
        &self,
        tool: &RegisteredTool,
        params: Value,
        permit: Permit,
    ) -> Result<ToolOutput, ToolError> {
        let limits = *permit.limits();
        let Ok(result) = timeout(limits.run, tool.tool().execute(params)).await else {
            let message = self.timed_out(tool.name(), limits.run).await?;
            return Err(ToolError::TimedOut {
                tool: tool.name().to_owned(),
                limit: limits.run,
                message,
            });
        };
        let output = result?;
        let bytes = output.json_bytes();
        if bytes > limits.max_output_bytes {
            let tool = tool.name().to_owned();
            return Err(ToolError::OutputTooLarge {
                tool,
                bytes,
                limit: limits.max_output_bytes,
            });
        }
        Ok(output)
    }

    /// Says what to tell the caller whose tool was stopped. A hook may answer with other words.
    #[hooked(point = "tool.timeout", component = tool)]
    #[allow(unused_variables, reason = "hooks read the name")]
    async fn timed_out(&self, tool: &str, limit: Duration) -> Result<String, ToolError> {
        Ok(format!(
            "it took longer than {limit:?}; ask for less work, or raise the run limit"
        ))
    }
}
