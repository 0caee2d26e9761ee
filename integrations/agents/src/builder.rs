//! Putting an agent together.

use std::sync::{Arc, Weak};

use hooks_tools::ToolRegistry;

use crate::{Agent, AgentError, AgentLimits, AgentRoster, Model};

/// The parts of an [`Agent`]; only the model is needed.
#[must_use]
pub struct AgentBuilder {
    pub(crate) name: String,
    pub(crate) model: Option<Arc<dyn Model>>,
    pub(crate) tools: Arc<ToolRegistry>,
    pub(crate) allowed: Option<Vec<String>>,
    pub(crate) instructions: Option<String>,
    pub(crate) limits: AgentLimits,
    pub(crate) roster: Weak<AgentRoster>,
}

impl AgentBuilder {
    pub(crate) fn new(name: String) -> Self {
        AgentBuilder {
            name,
            model: None,
            tools: Arc::default(),
            allowed: None,
            instructions: None,
            limits: AgentLimits::default(),
            roster: Weak::new(),
        }
    }

    /// What answers it.
    pub fn model(mut self, model: impl Model + 'static) -> Self {
        self.model = Some(Arc::new(model));
        self
    }

    /// What answers it, shared with others.
    pub fn shared_model(mut self, model: Arc<dyn Model>) -> Self {
        self.model = Some(model);
        self
    }

    /// The tools it may call; none if not given.
    pub fn tools(mut self, tools: Arc<ToolRegistry>) -> Self {
        self.tools = tools;
        self
    }

    /// Only these of the tools. They must be registered when the agent is initialized.
    pub fn only_tools<S: Into<String>>(mut self, names: impl IntoIterator<Item = S>) -> Self {
        self.allowed = Some(names.into_iter().map(Into::into).collect());
        self
    }

    /// Standing instructions, the first message of every conversation.
    pub fn instructions(mut self, text: impl Into<String>) -> Self {
        self.instructions = Some(text.into());
        self
    }

    /// The limits of each run.
    pub fn limits(mut self, limits: AgentLimits) -> Self {
        self.limits = limits;
        self
    }

    /// The agents it may delegate to. Held weakly: keep the roster alive.
    pub fn roster(mut self, roster: &Arc<AgentRoster>) -> Self {
        self.roster = Arc::downgrade(roster);
        self
    }

    /// The agent, in the state `Initializing`.
    ///
    /// # Errors
    /// [`AgentError::Setup`] if the name is empty or there is no model.
    pub fn build(self) -> Result<Agent, AgentError> {
        let reason = match () {
            () if self.name.trim().is_empty() => {
                "its name is empty; write `Agent::builder(\"name\")`"
            }
            () if self.model.is_none() => "it has no model; give it one with `.model(…)`",
            () => return Agent::from_parts(self),
        };
        Err(AgentError::Setup {
            agent: self.name,
            reason: reason.to_owned(),
        })
    }
}
