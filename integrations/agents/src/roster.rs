//! Agents by name, for delegation.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use hooks_runtime::point::suggest;

use crate::{Agent, AgentError};

/// The agents that may be delegated to. Agents hold it weakly: whoever made it keeps it alive.
#[derive(Debug, Default)]
pub struct AgentRoster {
    agents: RwLock<BTreeMap<String, Arc<Agent>>>,
}

impl AgentRoster {
    /// An empty roster.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds an agent under its name.
    ///
    /// # Errors
    /// [`AgentError::Setup`] if another agent has that name.
    pub fn add(&self, agent: Arc<Agent>) -> Result<(), AgentError> {
        let mut agents = self.agents.write().unwrap_or_else(PoisonError::into_inner);
        let name = agent.name().to_owned();
        if agents.contains_key(&name) {
            let reason =
                "the roster has an agent of that name already; give this one another".to_owned();
            return Err(AgentError::Setup {
                agent: name,
                reason,
            });
        }
        agents.insert(name, agent);
        Ok(())
    }

    /// The agent of that name.
    ///
    /// # Errors
    /// [`AgentError::UnknownAgent`] with the name that was probably meant.
    pub fn get(&self, name: &str) -> Result<Arc<Agent>, AgentError> {
        let agents = self.agents.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(agent) = agents.get(name) {
            return Ok(Arc::clone(agent));
        }
        let hint = match suggest(name, agents.keys().map(String::as_str)) {
            Some(near) => format!("did you mean `{near}`?"),
            None if agents.is_empty() => {
                "the roster is empty; add it with `AgentRoster::add`".to_owned()
            }
            None => format!(
                "there are: {}",
                agents.keys().cloned().collect::<Vec<_>>().join(", ")
            ),
        };
        Err(AgentError::UnknownAgent {
            name: name.to_owned(),
            hint,
        })
    }

    /// The names of all agents, sorted.
    pub fn names(&self) -> Vec<String> {
        self.agents
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .keys()
            .cloned()
            .collect()
    }
}
