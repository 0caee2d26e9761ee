//! Agents: a model that calls tools, in a lifecycle of six states.
//!
//! Every change of state is `agent.transition` and a point of its own; every model request is `model.request`, a
//! whole run `agent.execute`, a hand-over to another agent `agent.delegate`; tools are called through
//! [`hooks_tools::ToolRegistry`]. Limits that stop a run are told at `system.limit`.
//!
//! ```
//! use std::sync::Arc;
//! use hooks_agents::{Agent, ScriptedModel};
//! use hooks_tools::{ToolRegistry, util::Calculator};
//! use serde_json::json;
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let tools = Arc::new(ToolRegistry::new());
//! tools.register(Calculator::new())?;
//! let model = ScriptedModel::new("script")
//!     .calls([("calculator", json!({"expression": "6 * 7"}))])
//!     .text("The answer is {{1.result}}.");
//! let agent = Agent::builder("oracle").model(model).tools(tools).build()?;
//! agent.initialize().await?;
//! let output = agent.execute("What is six times seven?").await?;
//! assert_eq!(output.text, "The answer is 42.0.");
//! assert_eq!((output.steps, output.tool_calls.len()), (2, 1));
//! # Ok(()) }
//! ```

mod action;
mod agent;
mod builder;
mod error;
mod lifecycle;
mod limits;
mod message;
mod model;
mod output;
mod roster;
mod run;
mod scripted_model;
mod state;
mod tool_use;

pub use agent::Agent;
pub use builder::AgentBuilder;
pub use error::AgentError;
pub use limits::AgentLimits;
pub use message::{Message, ToolCall};
pub use model::{Model, ModelError, ModelRequest, ModelResponse, Usage};
pub use output::{AgentOutput, ToolCallRecord};
pub use roster::AgentRoster;
pub use scripted_model::ScriptedModel;
pub use state::AgentState;
