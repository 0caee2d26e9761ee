//! A tool as the registry holds it.

use std::fmt;
use std::sync::Arc;

use crate::{ParameterSchema, Tool, ToolError, ToolInfo};

/// A tool with its compiled parameter schema; cheap to clone. The result of `tool.discover`.
#[derive(Clone)]
pub struct RegisteredTool {
    tool: Arc<dyn Tool>,
    schema: Arc<ParameterSchema>,
}

impl RegisteredTool {
    /// Compiles the parameter schema of `tool`.
    ///
    /// # Errors
    /// [`ToolError::Schema`] if the schema is not valid.
    pub fn new(tool: Arc<dyn Tool>) -> Result<Self, ToolError> {
        let schema = ParameterSchema::compile(tool.name(), tool.parameters())?;
        Ok(RegisteredTool {
            tool,
            schema: Arc::new(schema),
        })
    }

    /// The tool.
    pub fn tool(&self) -> &Arc<dyn Tool> {
        &self.tool
    }

    /// Its name.
    pub fn name(&self) -> &str {
        self.tool.name()
    }

    /// Its compiled parameter schema.
    pub fn schema(&self) -> &ParameterSchema {
        &self.schema
    }

    /// Its card.
    pub fn info(&self) -> ToolInfo {
        ToolInfo {
            parameters: self.schema.schema().clone(),
            ..ToolInfo::of(&*self.tool)
        }
    }
}

impl fmt::Debug for RegisteredTool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RegisteredTool")
            .field("name", &self.name())
            .finish_non_exhaustive()
    }
}
