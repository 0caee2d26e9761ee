//! The limits of one run.

use std::time::Duration;

/// How much one run of an agent may use; over it the run ends with
/// [`AgentError::LimitExceeded`](crate::AgentError::LimitExceeded).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AgentLimits {
    /// Most model requests. Default 16.
    pub max_steps: u64,
    /// Most tool calls. Default 64.
    pub max_tool_calls: u64,
    /// Most tokens, in and out together, as the model counts them. Default 200,000.
    pub max_tokens: u64,
    /// Longest time, pauses not counted. Default 5 minutes.
    pub max_wall: Duration,
}

impl Default for AgentLimits {
    fn default() -> Self {
        AgentLimits {
            max_steps: 16,
            max_tool_calls: 64,
            max_tokens: 200_000,
            max_wall: Duration::from_secs(300),
        }
    }
}

impl AgentLimits {
    /// The same limits with other most model requests.
    #[must_use]
    pub fn max_steps(mut self, requests: u64) -> Self {
        self.max_steps = requests;
        self
    }
    /// The same limits with other most tool calls.
    #[must_use]
    pub fn max_tool_calls(mut self, calls: u64) -> Self {
        self.max_tool_calls = calls;
        self
    }
    /// The same limits with other most tokens.
    #[must_use]
    pub fn max_tokens(mut self, tokens: u64) -> Self {
        self.max_tokens = tokens;
        self
    }
    /// The same limits with another longest time.
    #[must_use]
    pub fn max_wall(mut self, time: Duration) -> Self {
        self.max_wall = time;
        self
    }
}
