//! What may be asked of an agent's lifecycle.

use crate::AgentState;

/// What is asked of a lifecycle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    Initialize,
    Start,
    Finish,
    Pause,
    Resume,
    Fail,
    Recover,
    Stop,
}

impl Action {
    /// The word for it, and where it leads: from one state, or from any that may, to the other.
    pub(crate) fn route(self) -> (&'static str, Option<AgentState>, AgentState) {
        use AgentState::*;
        match self {
            Action::Initialize => ("initialize", Some(Initializing), Ready),
            Action::Start => ("execute", Some(Ready), Running),
            Action::Finish => ("finish", Some(Running), Ready),
            Action::Pause => ("pause", Some(Running), Paused),
            Action::Resume => ("resume", Some(Paused), Running),
            Action::Fail => ("fail", None, Failed),
            Action::Recover => ("recover", Some(Failed), Ready),
            Action::Stop => ("stop", None, Terminated),
        }
    }
}
