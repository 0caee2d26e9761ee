//! Tools: what an agent, a workflow or a script may call, and the registry that calls them.
//!
//! A [`Tool`] has a name, a JSON Schema for its one parameter object, and an `execute` method that is the hook
//! point `tool.execute`. A [`ToolRegistry`] leads every call through the other six points: `tool.discover`,
//! `tool.validate`, `tool.authorize`, `tool.acquire`, `tool.release` and `tool.timeout`.
//!
//! ```
//! use hooks_tools::{ToolRegistry, util::Calculator};
//! use serde_json::json;
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), hooks_tools::ToolError> {
//! let tools = ToolRegistry::new();
//! tools.register(Calculator::new())?;
//! let output = tools.call("calculator", json!({"expression": "2 * (x + 1)", "variables": {"x": 20}})).await?;
//! assert_eq!(output.value["result"], 42.0);
//! # Ok(()) }
//! ```

mod blocking;
mod category;
mod error;
pub mod fs;
mod limits;
mod output;
mod permit;
mod registry;
mod schema;
mod security;
pub mod template;
mod tool;
pub mod util;

pub use blocking::{CancelFlag, run_blocking};
pub use category::ToolCategory;
pub use error::ToolError;
pub use limits::ToolLimits;
pub use output::ToolOutput;
pub use permit::Permit;
pub use registry::{RegisteredTool, ToolRegistry, ToolRegistryBuilder};
pub use schema::{ParameterSchema, read_params, schema_of};
pub use security::SecurityLevel;
pub use tool::{Tool, ToolInfo};
