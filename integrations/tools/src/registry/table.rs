//! The tools by name, and a call from its name to its output.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use hooks_runtime::point::suggest;
use serde_json::Value;
use tokio::sync::Semaphore;

use super::{RegisteredTool, ToolRegistryBuilder};
use crate::{Tool, ToolError, ToolInfo, ToolOutput};

/// Tools by name. Share it in an [`Arc`]; tools may be added while others are called.
#[derive(Debug)]
pub struct ToolRegistry {
    tools: RwLock<BTreeMap<String, RegisteredTool>>,
    pub(super) slots: Arc<Semaphore>,
    pub(super) settings: ToolRegistryBuilder,
}

impl Default for ToolRegistry {
    fn default() -> Self {
        ToolRegistry::new()
    }
}

impl ToolRegistry {
    /// An empty registry with the default settings.
    pub fn new() -> Self {
        ToolRegistryBuilder::default().build()
    }

    /// Settings for a registry.
    pub fn builder() -> ToolRegistryBuilder {
        ToolRegistryBuilder::default()
    }

    pub(super) fn with_settings(settings: ToolRegistryBuilder) -> Self {
        ToolRegistry {
            tools: RwLock::default(),
            slots: Arc::new(Semaphore::new(settings.max_concurrent)),
            settings,
        }
    }

    /// Adds a tool and compiles its parameter schema.
    ///
    /// # Errors
    /// [`ToolError::Duplicate`] if the name is taken, [`ToolError::Schema`] if its schema is not valid.
    pub fn register(&self, tool: impl Tool + 'static) -> Result<(), ToolError> {
        self.register_arc(Arc::new(tool))
    }

    /// Adds a tool that is shared with others.
    ///
    /// # Errors
    /// As [`ToolRegistry::register`].
    pub fn register_arc(&self, tool: Arc<dyn Tool>) -> Result<(), ToolError> {
        let registered = RegisteredTool::new(tool)?;
        let mut tools = self.tools.write().unwrap_or_else(PoisonError::into_inner);
        if tools.contains_key(registered.name()) {
            return Err(ToolError::Duplicate {
                name: registered.name().to_owned(),
            });
        }
        tools.insert(registered.name().to_owned(), registered);
        Ok(())
    }

    /// The tool of that name. No hook is asked: this is for inspection; [`ToolRegistry::call`] discovers.
    ///
    /// # Errors
    /// [`ToolError::Unknown`] with the name that was probably meant.
    pub fn get(&self, name: &str) -> Result<RegisteredTool, ToolError> {
        let tools = self.tools.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(tool) = tools.get(name) {
            return Ok(tool.clone());
        }
        let hint = match suggest(name, tools.keys().map(String::as_str)) {
            Some(near) => format!("did you mean `{near}`?"),
            None if tools.is_empty() => {
                "none is registered; add it with `ToolRegistry::register`".to_owned()
            }
            None => format!(
                "there are: {}",
                tools.keys().cloned().collect::<Vec<_>>().join(", ")
            ),
        };
        Err(ToolError::Unknown {
            name: name.to_owned(),
            hint,
        })
    }

    /// The cards of all tools, by name.
    pub fn list(&self) -> Vec<ToolInfo> {
        let tools = self.tools.read().unwrap_or_else(PoisonError::into_inner);
        tools.values().map(RegisteredTool::info).collect()
    }

    /// Calls a tool: discover, validate, authorize, acquire, execute, release.
    ///
    /// A hook that asks a person belongs at `tool.authorize`: time spent there is not counted against the run
    /// limit, time spent in hooks at `tool.execute` is. Needs a tokio runtime with timers.
    ///
    /// # Errors
    /// [`ToolError`]; each variant says which stage ended the call.
    pub async fn call(&self, name: &str, mut params: Value) -> Result<ToolOutput, ToolError> {
        let tool = self.discover(name).await?;
        self.validate(tool.name(), tool.schema(), &mut params)
            .await?;
        let level = tool.tool().security_level();
        self.authorize(tool.name(), &level, &self.settings.max_security, &params)
            .await?;
        let permit = self.acquire(tool.name(), self.settings.limits).await?;
        self.run(&tool, params, permit).await
    }
}
