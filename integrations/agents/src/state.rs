//! The six states of an agent and the transitions between them.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Where an agent is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AgentState {
    /// Made, not yet initialized.
    Initializing,
    /// Waiting for work.
    Ready,
    /// At work.
    Running,
    /// At work, and held at the next step.
    Paused,
    /// Stopped by an error; may recover.
    Failed,
    /// At its end.
    Terminated,
}

impl AgentState {
    /// All six.
    pub const ALL: [AgentState; 6] = [
        AgentState::Initializing,
        AgentState::Ready,
        AgentState::Running,
        AgentState::Paused,
        AgentState::Failed,
        AgentState::Terminated,
    ];

    /// The states that may follow this one.
    pub fn legal_targets(self) -> &'static [AgentState] {
        use AgentState::*;
        match self {
            Initializing => &[Ready, Failed],
            Ready => &[Running, Terminated],
            Running => &[Ready, Paused, Failed],
            Paused => &[Running, Terminated],
            Failed => &[Ready, Terminated],
            Terminated => &[],
        }
    }

    /// Whether `to` may follow this state.
    pub fn may_become(self, to: AgentState) -> bool {
        self.legal_targets().contains(&to)
    }

    /// Whether hooks may only watch the way into this state: nothing can keep an agent from failing or ending.
    pub fn is_observed_only(self) -> bool {
        matches!(self, AgentState::Failed | AgentState::Terminated)
    }

    /// The lower-case word for this state.
    pub fn as_str(self) -> &'static str {
        match self {
            AgentState::Initializing => "initializing",
            AgentState::Ready => "ready",
            AgentState::Running => "running",
            AgentState::Paused => "paused",
            AgentState::Failed => "failed",
            AgentState::Terminated => "terminated",
        }
    }
}

impl fmt::Display for AgentState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_of_transitions_is_the_documented_one() {
        use AgentState::*;
        let legal = [
            (Initializing, Ready),
            (Initializing, Failed),
            (Ready, Running),
            (Running, Ready),
            (Running, Paused),
            (Paused, Running),
            (Running, Failed),
            (Failed, Ready),
            (Ready, Terminated),
            (Paused, Terminated),
            (Failed, Terminated),
        ];
        for from in AgentState::ALL {
            for to in AgentState::ALL {
                assert_eq!(
                    from.may_become(to),
                    legal.contains(&(from, to)),
                    "{from} -> {to}"
                );
            }
        }
    }

    #[test]
    fn json_is_the_word() {
        for state in AgentState::ALL {
            assert_eq!(serde_json::to_value(state).unwrap(), state.as_str());
        }
    }
}
