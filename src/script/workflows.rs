//! `Workflow`

use std::any::Any;
use std::sync::Arc;

use hooks_lua::host::{
    BoxFuture, HostError, OnError, ScriptWorkflow, SequentialSpec, StepFunction, StepInput,
    StepSpec, StepWork, WorkflowHost,
};
use hooks_tools::ToolRegistry;
use hooks_workflows::{ErrorStrategy, Sequential, Step, StepOutput};
use serde_json::Value;

use super::agents::Handle;

/// Workflows over the tools of a registry, agents and functions of the script.
pub struct Workflows(pub Arc<ToolRegistry>);

impl WorkflowHost for Workflows {
    fn sequential(&self, spec: SequentialSpec) -> Result<Arc<dyn ScriptWorkflow>, HostError> {
        let mut workflow = Sequential::builder(spec.name);
        if let Some(on_error) = spec.on_error {
            workflow = workflow.on_error(strategy(on_error)?);
        }
        for step in spec.steps {
            workflow = workflow.step(self.step(step)?);
        }
        Ok(Arc::new(Run(workflow.build()?)))
    }
}

impl Workflows {
    fn step(&self, spec: StepSpec) -> Result<Step, HostError> {
        let mut step = match spec.work {
            StepWork::Tool(tool) => Step::tool(spec.name, &self.0, tool),
            StepWork::Agent(agent) => {
                let agent: Arc<dyn Any + Send + Sync> = agent;
                let agent = agent.downcast::<Handle>();
                Step::agent(
                    spec.name,
                    &agent
                        .map_err(|_| HostError::message("an agent of another program"))?
                        .0,
                )
            }
            StepWork::Function(function) => Step::function(spec.name, move |call| {
                let input = StepInput {
                    input: call.input,
                    state: call.state.to_json(),
                };
                run(function.clone(), input)
            }),
            _ => {
                return Err(HostError::message(
                    "a step is a tool, an agent or a function",
                ));
            }
        };
        if let Some(input) = spec.input {
            step = step.input(input);
        }
        if let Some(key) = spec.save_as {
            step = step.save_as(key);
        }
        if let Some(on_error) = spec.on_error {
            step = step.on_error(strategy(on_error)?);
        }
        Ok(step)
    }
}

async fn run(
    function: StepFunction,
    input: StepInput,
) -> Result<StepOutput, Box<dyn std::error::Error + Send + Sync>> {
    let result = function(input).await.map_err(HostError::into_inner)?;
    let output = StepOutput::from(result.value);
    Ok(result
        .changes
        .into_iter()
        .fold(output, |output, (key, value)| output.set(key, value)))
}

fn strategy(on_error: OnError) -> Result<ErrorStrategy, HostError> {
    Ok(match on_error {
        OnError::Fail => ErrorStrategy::Fail,
        OnError::Continue => ErrorStrategy::Continue,
        OnError::Retry {
            max_attempts,
            delay,
        } => ErrorStrategy::Retry {
            max_attempts,
            delay,
        },
        _ => {
            return Err(HostError::message(
                "this program knows fail, continue and retry",
            ));
        }
    })
}

struct Run(Sequential);

impl ScriptWorkflow for Run {
    fn name(&self) -> &str {
        self.0.name()
    }
    fn run(&self, input: Value) -> BoxFuture<'_, Result<Value, HostError>> {
        Box::pin(async { Ok(serde_json::to_value(self.0.run(input).await?)?) })
    }
}
