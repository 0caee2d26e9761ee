//! Workflows: steps that are tools, agents, functions or other workflows, with a state they share.
//!
//! A run is `workflow.execute`, each step `workflow.step`, the way from one step to the next
//! `workflow.transition`, and each change of the shared state `workflow.state`.
//!
//! ```
//! use std::sync::Arc;
//! use hooks_tools::{ToolRegistry, util::Calculator};
//! use hooks_workflows::{Sequential, Step, StepOutput};
//! use serde_json::json;
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let tools = Arc::new(ToolRegistry::new());
//! tools.register(Calculator::new())?;
//! let invoice = Sequential::builder("invoice")
//!     .step(Step::tool("net", &tools, "calculator")
//!         .input(json!({"expression": "hours * 80", "variables": {"hours": "{{input.hours}}"}}))
//!         .save_as("net"))
//!     .step(Step::function("text", async |call| {
//!         Ok(StepOutput::from(json!(format!("{} EUR", call.state["net"]["result"]))))
//!     }))
//!     .build()?;
//! let output = invoice.run(json!({"hours": 3})).await?;
//! assert_eq!(output.value, "240.0 EUR");
//! assert_eq!(output.state["net"]["result"], 240.0);
//! # Ok(()) }
//! ```

mod builder;
mod error;
mod error_strategy;
mod output;
mod sequential;
mod state;
mod step;

pub use builder::SequentialBuilder;
pub use error::{BoxError, WorkflowError};
pub use error_strategy::ErrorStrategy;
pub use output::{StepRecord, WorkflowOutput};
pub use sequential::Sequential;
pub use state::WorkflowState;
pub use step::{Step, StepCall, StepOutput};
