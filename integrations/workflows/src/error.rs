//! What can go wrong in a workflow.

use hooks_agents::AgentError;
use hooks_runtime::HookRefusal;
use hooks_tools::ToolError;
use hooks_tools::template::TemplateError;

/// The error of a function step: whatever the function returns.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Why a workflow, or a step of it, gave no result.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WorkflowError {
    /// The workflow can't be put together like this.
    #[error("workflow `{workflow}`: {reason}")]
    Setup {
        /// The workflow.
        workflow: String,
        /// What is wrong, and what to write instead.
        reason: String,
    },
    /// A step failed for good.
    #[error("workflow `{workflow}`, step `{step}` (number {}, attempt {attempts}): {source}", index + 1)]
    Step {
        /// The workflow.
        workflow: String,
        /// The step.
        step: String,
        /// Its place, from 0.
        index: usize,
        /// How many times it was tried.
        attempts: u32,
        /// Its last failure.
        source: Box<WorkflowError>,
    },
    /// The input of a step refers to something that is not there.
    #[error("its input: {0}")]
    Input(#[from] TemplateError),
    /// A tool failed.
    #[error(transparent)]
    Tool(#[from] ToolError),
    /// An agent failed.
    #[error(transparent)]
    Agent(#[from] AgentError),
    /// A function failed.
    #[error("{0}")]
    Function(#[source] BoxError),
    /// A result has no JSON form.
    #[error("its result has no JSON form: {0}")]
    Json(#[from] serde_json::Error),
    /// A hook refused.
    #[error(transparent)]
    Refused(#[from] HookRefusal),
}

impl WorkflowError {
    /// The refusal, if a hook refused: the workflow, a step, or what the step called.
    pub fn refusal(&self) -> Option<&HookRefusal> {
        match self {
            WorkflowError::Refused(refusal) => Some(refusal),
            WorkflowError::Step { source, .. } => source.refusal(),
            WorkflowError::Tool(error) => error.refusal(),
            WorkflowError::Agent(error) => error.refusal(),
            _ => None,
        }
    }
}
