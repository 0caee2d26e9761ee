//! What can go wrong with an agent.

use hooks_runtime::HookRefusal;
use hooks_tools::ToolError;

use crate::{AgentState, ModelError};

fn words(states: &[AgentState]) -> String {
    match states {
        [] => "nothing".to_owned(),
        states => states
            .iter()
            .map(|state| state.as_str())
            .collect::<Vec<_>>()
            .join(" or "),
    }
}

/// Why an agent did not do what it was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AgentError {
    /// The state does not allow it.
    #[error(
        "agent `{agent}`: `{action}` does not lead from {from} to {to}; from {from} it may become {}",
        words(from.legal_targets())
    )]
    IllegalTransition {
        /// The agent.
        agent: String,
        /// What was asked for: `initialize`, `execute`, `pause`, …
        action: &'static str,
        /// The state it is in.
        from: AgentState,
        /// The state it was to enter.
        to: AgentState,
    },
    /// A hook sent the transition to another state than the one that was asked for.
    #[error("agent `{agent}`: `{action}` was to make it {wanted}; a hook made it {entered}")]
    Diverted {
        /// The agent.
        agent: String,
        /// What was asked for.
        action: &'static str,
        /// The state that was wanted.
        wanted: AgentState,
        /// The state it is in now.
        entered: AgentState,
    },
    /// A hook of a transition asked for another transition of the same agent.
    #[error(
        "agent `{agent}`: `{action}` was asked for by a hook of a transition under way; do it after the transition"
    )]
    Reentrant {
        /// The agent.
        agent: String,
        /// What was asked for.
        action: &'static str,
    },
    /// The agent was ended while it was at work.
    #[error("agent `{agent}` became {state} during its run")]
    Stopped {
        /// The agent.
        agent: String,
        /// The state it is in.
        state: AgentState,
    },
    /// A limit stopped the run.
    #[error(
        "agent `{agent}`: the run used {used} {limit} of {allowed}; raise the limit, or give it a smaller task"
    )]
    LimitExceeded {
        /// The agent.
        agent: String,
        /// Which limit, with its unit: `steps`, `tool_calls`, `tokens`, `wall_ms`.
        limit: &'static str,
        /// The limit.
        allowed: u64,
        /// What the run used, or was about to use.
        used: u64,
    },
    /// The agent lacks something.
    #[error("agent `{agent}`: {reason}")]
    Setup {
        /// The agent.
        agent: String,
        /// What is missing, and how to give it.
        reason: String,
    },
    /// The parameters are wrapped in another object.
    #[error(
        "tool `{tool}`: the parameters are wrapped in `parameters`; write them themselves: {right_form}"
    )]
    NestedParameters {
        /// The tool.
        tool: String,
        /// What to write instead, as JSON.
        right_form: String,
    },
    /// The agent may not use this tool.
    #[error("agent `{agent}` may not use the tool `{tool}`; it has: {}", allowed.join(", "))]
    ToolNotAllowed {
        /// The agent.
        agent: String,
        /// The tool.
        tool: String,
        /// The tools it may use.
        allowed: Vec<String>,
    },
    /// No agent has that name.
    #[error("no agent is called `{name}`; {hint}")]
    UnknownAgent {
        /// The name.
        name: String,
        /// The name that was probably meant, or the names there are.
        hint: String,
    },
    /// The model answered with neither text nor tool calls.
    #[error("agent `{agent}`: model `{model}` answered with neither text nor tool calls")]
    EmptyResponse {
        /// The agent.
        agent: String,
        /// The model.
        model: String,
    },
    /// The model failed.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// A tool failed.
    #[error(transparent)]
    Tool(#[from] ToolError),
    /// A hook refused.
    #[error(transparent)]
    Refused(#[from] HookRefusal),
}

impl AgentError {
    /// The refusal, if a hook refused: here, in the model or in a tool.
    pub fn refusal(&self) -> Option<&HookRefusal> {
        match self {
            AgentError::Refused(refusal) | AgentError::Model(ModelError::Refused(refusal)) => {
                Some(refusal)
            }
            AgentError::Tool(error) => error.refusal(),
            _ => None,
        }
    }
}
