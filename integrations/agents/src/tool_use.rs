//! The tools of an agent: which it may call, and how.

use hooks_tools::{ToolInfo, ToolOutput};
use serde_json::Value;

use crate::{Agent, AgentError};

impl Agent {
    /// Calls one of its tools with the tool's one parameter object.
    ///
    /// # Errors
    /// [`AgentError::ToolNotAllowed`], [`AgentError::NestedParameters`] if the object is wrapped in another one,
    /// and [`AgentError::Tool`].
    pub async fn invoke_tool(&self, name: &str, params: Value) -> Result<ToolOutput, AgentError> {
        if let Some(allowed) = &self.allowed
            && !allowed.iter().any(|tool| tool == name)
        {
            let (agent, tool) = (self.name().to_owned(), name.to_owned());
            return Err(AgentError::ToolNotAllowed {
                agent,
                tool,
                allowed: allowed.clone(),
            });
        }
        self.check_nesting(name, &params)?;
        Ok(self.tools.call(name, params).await?)
    }

    /// The cards of the tools it may call.
    pub fn tools(&self) -> Vec<ToolInfo> {
        let mut tools = self.tools.list();
        if let Some(allowed) = &self.allowed {
            tools.retain(|tool| allowed.contains(&tool.name));
        }
        tools
    }

    /// That the tools it is restricted to are there.
    pub(crate) fn check_tools(&self) -> Result<(), AgentError> {
        for name in self.allowed.iter().flatten() {
            self.tools.get(name)?;
        }
        Ok(())
    }

    /// `{parameters: {…}}` is a wrapper, unless the tool has a parameter of that name.
    fn check_nesting(&self, tool: &str, params: &Value) -> Result<(), AgentError> {
        let wrapped = |value: &Value| match value.as_object() {
            Some(fields) if fields.len() == 1 => fields
                .get("parameters")
                .filter(|inner| inner.is_object())
                .cloned(),
            _ => None,
        };
        let Some(mut inner) = wrapped(params) else {
            return Ok(());
        };
        let twice = wrapped(&inner).is_some();
        if !twice
            && self
                .tools
                .get(tool)
                .is_ok_and(|tool| tool.schema().property_names().any(|n| n == "parameters"))
        {
            return Ok(());
        }
        while let Some(next) = wrapped(&inner) {
            inner = next;
        }
        Err(AgentError::NestedParameters {
            tool: tool.to_owned(),
            right_form: inner.to_string(),
        })
    }
}
