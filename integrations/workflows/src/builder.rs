//! Putting a workflow together.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::{ErrorStrategy, Sequential, Step, WorkflowError, WorkflowState};

/// The parts of a [`Sequential`] workflow.
#[derive(Debug)]
#[must_use]
pub struct SequentialBuilder {
    pub(crate) name: String,
    pub(crate) steps: Vec<Step>,
    pub(crate) strategy: ErrorStrategy,
    pub(crate) state: WorkflowState,
}

impl SequentialBuilder {
    pub(crate) fn new(name: String) -> Self {
        SequentialBuilder {
            name,
            steps: Vec::new(),
            strategy: ErrorStrategy::default(),
            state: WorkflowState::default(),
        }
    }

    /// Adds a step at the end.
    pub fn step(mut self, step: Step) -> Self {
        self.steps.push(step);
        self
    }

    /// What to do when a step fails that doesn't say so itself. Default [`ErrorStrategy::Fail`].
    pub fn on_error(mut self, strategy: ErrorStrategy) -> Self {
        self.strategy = strategy;
        self
    }

    /// Puts a value into the state that every run starts with.
    pub fn state(mut self, key: impl Into<String>, value: impl Into<Value>) -> Self {
        self.state.insert(key, value);
        self
    }

    /// The workflow.
    ///
    /// # Errors
    /// [`WorkflowError::Setup`] if it has no name or no steps, or if two steps have the same name.
    pub fn build(self) -> Result<Sequential, WorkflowError> {
        let mut seen = BTreeSet::new();
        let twice = self.steps.iter().find(|step| !seen.insert(step.name()));
        let reason = match twice {
            _ if self.name.trim().is_empty() => {
                "its name is empty; write `Sequential::builder(\"name\")`".to_owned()
            }
            _ if self.steps.is_empty() => "it has no steps; add one with `.step(…)`".to_owned(),
            Some(step) => format!(
                "two steps are called `{}`; give one another name",
                step.name()
            ),
            None => return Ok(Sequential::from_parts(self)),
        };
        Err(WorkflowError::Setup {
            workflow: self.name,
            reason,
        })
    }
}
