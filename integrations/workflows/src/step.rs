//! One step of a workflow: what it does, with what input, and where its value goes.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use hooks_agents::Agent;
use hooks_tools::ToolRegistry;
use serde_json::{Map, Value};

use crate::{BoxError, ErrorStrategy, Sequential, WorkflowError, WorkflowState};

type Pending<T> = Pin<Box<dyn Future<Output = T> + Send>>;
type Function = dyn Fn(StepCall) -> Pending<Result<StepOutput, BoxError>> + Send + Sync;

/// What a function step is given.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct StepCall {
    /// Its input.
    pub input: Value,
    /// The shared state as it is now; changes are made through [`StepOutput::set`].
    pub state: WorkflowState,
}

/// What a function step returns.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct StepOutput {
    /// Its value, the input of the next step.
    pub value: Value,
    /// What it puts into the shared state.
    pub changes: Map<String, Value>,
}

impl StepOutput {
    /// Puts `value` under `key` into the shared state, once the step has succeeded.
    #[must_use]
    pub fn set(mut self, key: impl Into<String>, value: impl Into<Value>) -> Self {
        self.changes.insert(key.into(), value.into());
        self
    }
}

impl From<Value> for StepOutput {
    fn from(value: Value) -> Self {
        StepOutput {
            value,
            changes: Map::new(),
        }
    }
}

enum Work {
    Tool {
        tools: Arc<ToolRegistry>,
        tool: String,
    },
    Agent(Arc<Agent>),
    Function(Box<Function>),
    Workflow(Arc<Sequential>),
}

/// A named step. Its input is the value of the step before it, or of the workflow for the first one, unless
/// [`Step::input`] says otherwise.
pub struct Step {
    name: String,
    work: Work,
    input: Option<Value>,
    save_as: Option<String>,
    strategy: Option<ErrorStrategy>,
}

impl fmt::Debug for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match &self.work {
            Work::Tool { tool, .. } => format!("tool `{tool}`"),
            Work::Agent(agent) => format!("agent `{}`", agent.name()),
            Work::Function(_) => "function".to_owned(),
            Work::Workflow(workflow) => format!("workflow `{}`", workflow.name()),
        };
        f.debug_struct("Step")
            .field("name", &self.name)
            .field("work", &kind)
            .finish_non_exhaustive()
    }
}

impl Step {
    fn new(name: impl Into<String>, work: Work) -> Self {
        Step {
            name: name.into(),
            work,
            input: None,
            save_as: None,
            strategy: None,
        }
    }

    /// Calls a tool; the input is its parameter object, its output the value.
    pub fn tool(
        name: impl Into<String>,
        tools: &Arc<ToolRegistry>,
        tool: impl Into<String>,
    ) -> Self {
        Step::new(
            name,
            Work::Tool {
                tools: Arc::clone(tools),
                tool: tool.into(),
            },
        )
    }

    /// Lets an agent do a task: the input if it is a string, else the input as JSON text. The value is the
    /// agent's [`AgentOutput`](hooks_agents::AgentOutput) as JSON.
    pub fn agent(name: impl Into<String>, agent: &Arc<Agent>) -> Self {
        Step::new(name, Work::Agent(Arc::clone(agent)))
    }

    /// Calls a function.
    pub fn function<F, Fut>(name: impl Into<String>, function: F) -> Self
    where
        F: Fn(StepCall) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<StepOutput, BoxError>> + Send + 'static,
    {
        Step::new(
            name,
            Work::Function(Box::new(move |call| Box::pin(function(call)))),
        )
    }

    /// Runs another workflow with a state of its own; its value is the value.
    pub fn workflow(name: impl Into<String>, workflow: &Arc<Sequential>) -> Self {
        Step::new(name, Work::Workflow(Arc::clone(workflow)))
    }

    /// Its input, a [template](hooks_tools::template): `{{input}}` is the input of the workflow, `{{previous}}`
    /// the value of the step before, `{{steps.NAME}}` that of any earlier step, `{{state.KEY}}` the shared state.
    #[must_use]
    pub fn input(mut self, template: Value) -> Self {
        self.input = Some(template);
        self
    }

    /// Puts its value into the shared state under `key`.
    #[must_use]
    pub fn save_as(mut self, key: impl Into<String>) -> Self {
        self.save_as = Some(key.into());
        self
    }

    /// What to do when it fails, in place of what the workflow says.
    #[must_use]
    pub fn on_error(mut self, strategy: ErrorStrategy) -> Self {
        self.strategy = Some(strategy);
        self
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn template(&self) -> Option<&Value> {
        self.input.as_ref()
    }

    pub(crate) fn saved_as(&self) -> Option<&str> {
        self.save_as.as_deref()
    }

    pub(crate) fn strategy(&self) -> Option<ErrorStrategy> {
        self.strategy
    }

    /// Does the work once.
    pub(crate) async fn perform(
        &self,
        input: Value,
        state: &WorkflowState,
    ) -> Result<StepOutput, WorkflowError> {
        match &self.work {
            Work::Tool { tools, tool } => Ok(tools.call(tool, input).await?.value.into()),
            Work::Agent(agent) => {
                let task = match input {
                    Value::String(text) => text,
                    other => other.to_string(),
                };
                Ok(serde_json::to_value(agent.execute(task).await?)?.into())
            }
            Work::Function(function) => {
                let call = StepCall {
                    input,
                    state: state.clone(),
                };
                function(call).await.map_err(WorkflowError::Function)
            }
            Work::Workflow(workflow) => Ok(Box::pin(workflow.run(input)).await?.value.into()),
        }
    }
}
