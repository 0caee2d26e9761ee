//! What can go wrong between a tool's name and its output.

use std::time::Duration;

use hooks_runtime::HookRefusal;

use crate::SecurityLevel;

/// Why a tool call gave no output.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ToolError {
    /// No tool has that name.
    #[error("no tool is called `{name}`; {hint}")]
    Unknown {
        /// The name that was asked for.
        name: String,
        /// The name that was probably meant, or the names there are.
        hint: String,
    },
    /// Another tool with that name is registered already.
    #[error("a tool called `{name}` is registered already; give this one another name")]
    Duplicate {
        /// The name both want.
        name: String,
    },
    /// The tool's own parameter schema is not a valid JSON Schema.
    #[error("tool `{tool}`: its parameter schema is not a valid JSON Schema: {reason}")]
    Schema {
        /// The tool.
        tool: String,
        /// What the schema compiler says.
        reason: String,
    },
    /// The parameters do not fit the tool.
    #[error("tool `{tool}`: invalid parameters: {}", problems.join("; "))]
    Parameters {
        /// The tool.
        tool: String,
        /// Each problem, with the place in the parameter object where it is.
        problems: Vec<String>,
    },
    /// The tool reaches further than the registry allows.
    #[error(
        "tool `{tool}` is {level}, and this registry calls tools up to {allowed}; raise its maximum to allow it"
    )]
    Forbidden {
        /// The tool.
        tool: String,
        /// The tool's level.
        level: SecurityLevel,
        /// The registry's maximum.
        allowed: SecurityLevel,
    },
    /// No slot became free in time.
    #[error(
        "tool `{tool}`: all {slots} slots were taken for {waited:?}; raise `max_concurrent` or the wait limit"
    )]
    Busy {
        /// The tool.
        tool: String,
        /// How many calls the registry runs at a time.
        slots: usize,
        /// How long the call waited.
        waited: Duration,
    },
    /// The time limit stopped the tool.
    #[error("tool `{tool}` was stopped after {limit:?}: {message}")]
    TimedOut {
        /// The tool.
        tool: String,
        /// The limit that stopped it.
        limit: Duration,
        /// What to do about it; hooks at `tool.timeout` may say it in their own words.
        message: String,
    },
    /// The output is larger than the limit.
    #[error(
        "tool `{tool}`: its output of {bytes} bytes is over the limit of {limit} bytes; ask for less, or raise `max_output_bytes`"
    )]
    OutputTooLarge {
        /// The tool.
        tool: String,
        /// Size of the output as JSON.
        bytes: u64,
        /// The limit.
        limit: u64,
    },
    /// A path that the tool may not use.
    #[error("tool `{tool}`: `{path}` {reason}")]
    Path {
        /// The tool.
        tool: String,
        /// The path as it was given.
        path: String,
        /// Why not, and which paths are fine.
        reason: String,
    },
    /// The operating system refused.
    #[error("tool `{tool}`: `{path}`: {source}")]
    Io {
        /// The tool.
        tool: String,
        /// The path.
        path: String,
        /// What the system says.
        source: std::io::Error,
    },
    /// The tool ran and could not do what was asked.
    #[error("tool `{tool}`: {reason}")]
    Failed {
        /// The tool.
        tool: String,
        /// What is wrong, where, and what to write instead.
        reason: String,
    },
    /// A hook refused the call.
    #[error(transparent)]
    Refused(#[from] HookRefusal),
}

impl ToolError {
    /// The parameters do not fit, for one reason.
    pub fn parameters(tool: &str, problem: impl Into<String>) -> Self {
        ToolError::Parameters {
            tool: tool.to_owned(),
            problems: vec![problem.into()],
        }
    }

    /// The tool could not do what was asked.
    pub fn failed(tool: &str, reason: impl Into<String>) -> Self {
        ToolError::Failed {
            tool: tool.to_owned(),
            reason: reason.into(),
        }
    }

    /// The refusal, if a hook refused the call.
    pub fn refusal(&self) -> Option<&HookRefusal> {
        match self {
            ToolError::Refused(refusal) => Some(refusal),
            _ => None,
        }
    }
}
