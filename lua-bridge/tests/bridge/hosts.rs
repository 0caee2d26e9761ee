//! The hosts of `hooks-lua` on the real tools, agents, workflows and built-in hooks; the facade holds the same.

use std::any::Any;
use std::sync::Arc;

use hooks_agents::{Agent, ScriptedModel};
use hooks_builtin::{KINDS, Placement, kind};
use hooks_lua::host::{
    AgentHost, AgentSpec, BoxFuture, BuiltinHost, BuiltinNeeds, HostError, ModelSpec, ModelTurn,
    OnError, ScriptAgent, ScriptWorkflow, SequentialSpec, StepInput, StepWork, ToolHost,
    WorkflowHost,
};
use hooks_runtime::{PreparedHook, Source};
use hooks_tools::ToolRegistry;
use hooks_workflows::{ErrorStrategy, Sequential, Step, StepCall, StepOutput};
use serde_json::{Map, Value, json};

/// The tools of a registry.
pub(crate) struct Tools(pub(crate) Arc<ToolRegistry>);

impl ToolHost for Tools {
    fn list(&self) -> Vec<Value> {
        self.0.list().iter().map(|card| json!(card)).collect()
    }
    fn get(&self, name: &str) -> Result<Value, HostError> {
        Ok(json!(self.0.get(name)?.info()))
    }
    fn call<'a>(&'a self, name: &'a str, params: Value) -> BoxFuture<'a, Result<Value, HostError>> {
        Box::pin(async move { Ok(self.0.call(name, params).await?.value) })
    }
}

/// Agents with the tools of a registry.
pub(crate) struct Agents(pub(crate) Arc<ToolRegistry>);

struct LuaAgent(Arc<Agent>);

impl AgentHost for Agents {
    fn create(&self, spec: AgentSpec) -> Result<Arc<dyn ScriptAgent>, HostError> {
        let ModelSpec::Script(turns) = spec.model else {
            return Err(HostError::message(format!(
                "agent `{}`: this host has only scripted models",
                spec.name
            )));
        };
        let mut model = ScriptedModel::new(format!("{}-script", spec.name));
        for turn in turns {
            model = match turn {
                ModelTurn::Text(text) => model.text(text),
                ModelTurn::Calls(calls) => model.calls(calls),
                _ => return Err(HostError::message("this host does not know such a turn")),
            };
        }
        let mut builder = Agent::builder(spec.name)
            .model(model)
            .tools(Arc::clone(&self.0));
        if let Some(tools) = spec.tools {
            builder = builder.only_tools(tools);
        }
        if let Some(instructions) = spec.instructions {
            builder = builder.instructions(instructions);
        }
        Ok(Arc::new(LuaAgent(Arc::new(builder.build()?))))
    }
}

impl ScriptAgent for LuaAgent {
    fn name(&self) -> &str {
        self.0.name()
    }
    fn state(&self) -> String {
        self.0.state().to_string()
    }
    fn initialize(&self) -> BoxFuture<'_, Result<(), HostError>> {
        Box::pin(async { Ok(self.0.initialize().await?) })
    }
    fn execute(&self, input: String) -> BoxFuture<'_, Result<Value, HostError>> {
        Box::pin(async { Ok(json!(self.0.execute(input).await?)) })
    }
    fn invoke_tool<'a>(
        &'a self,
        name: &'a str,
        params: Value,
    ) -> BoxFuture<'a, Result<Value, HostError>> {
        Box::pin(async move { Ok(self.0.invoke_tool(name, params).await?.value) })
    }
    fn pause(&self) -> BoxFuture<'_, Result<(), HostError>> {
        Box::pin(async { Ok(self.0.pause().await?) })
    }
    fn resume(&self) -> BoxFuture<'_, Result<(), HostError>> {
        Box::pin(async { Ok(self.0.resume().await?) })
    }
    fn stop(&self) -> BoxFuture<'_, Result<(), HostError>> {
        Box::pin(async { Ok(self.0.stop().await?) })
    }
}

/// Workflows over the tools of a registry.
pub(crate) struct Workflows(pub(crate) Arc<ToolRegistry>);

struct LuaWorkflow(Sequential);

impl WorkflowHost for Workflows {
    fn sequential(&self, spec: SequentialSpec) -> Result<Arc<dyn ScriptWorkflow>, HostError> {
        let mut builder = Sequential::builder(spec.name);
        if let Some(on_error) = spec.on_error {
            builder = builder.on_error(strategy(on_error));
        }
        for spec in spec.steps {
            let mut step = match spec.work {
                StepWork::Tool(tool) => Step::tool(spec.name, &self.0, tool),
                StepWork::Agent(agent) => {
                    let agent: Arc<dyn Any + Send + Sync> = agent;
                    let agent = agent
                        .downcast::<LuaAgent>()
                        .map_err(|_| HostError::message("the agent is one of another host"))?;
                    Step::agent(spec.name, &agent.0)
                }
                StepWork::Function(function) => Step::function(spec.name, move |call: StepCall| {
                    let state = call.state.to_json();
                    let input = call.input;
                    let result = function(StepInput { input, state });
                    async move {
                        let result = result.await.map_err(HostError::into_inner)?;
                        let (value, changes) = (result.value, result.changes);
                        Ok(StepOutput { value, changes })
                    }
                }),
                _ => return Err(HostError::message("this host does not know such a step")),
            };
            if let Some(input) = spec.input {
                step = step.input(input);
            }
            if let Some(key) = spec.save_as {
                step = step.save_as(key);
            }
            if let Some(on_error) = spec.on_error {
                step = step.on_error(strategy(on_error));
            }
            builder = builder.step(step);
        }
        Ok(Arc::new(LuaWorkflow(builder.build()?)))
    }
}

fn strategy(on_error: OnError) -> ErrorStrategy {
    match on_error {
        OnError::Continue => ErrorStrategy::Continue,
        OnError::Retry {
            max_attempts,
            delay,
        } => ErrorStrategy::Retry {
            max_attempts,
            delay,
        },
        _ => ErrorStrategy::Fail,
    }
}

impl ScriptWorkflow for LuaWorkflow {
    fn name(&self) -> &str {
        self.0.name()
    }
    fn run(&self, input: Value) -> BoxFuture<'_, Result<Value, HostError>> {
        Box::pin(async { Ok(json!(self.0.run(input).await?)) })
    }
}

/// The built-in hooks. The facade reads the other words of a configuration too.
pub(crate) struct Builtins;

impl BuiltinHost for Builtins {
    fn kinds(&self) -> Vec<&'static str> {
        KINDS.iter().map(|kind| kind.name).collect()
    }
    fn needs(&self, name: &str, options: &Map<String, Value>) -> Result<BuiltinNeeds, HostError> {
        let mut options = options.clone();
        options.retain(|option, _| option != "id" && option != "points");
        let needs = kind(name)?.needs(Value::Object(options))?;
        Ok(BuiltinNeeds {
            reads: needs.reads,
            writes: needs.writes,
            allows: needs.allows,
        })
    }
    fn prepare(
        &self,
        name: &str,
        mut options: Map<String, Value>,
        source: Source,
    ) -> Result<Vec<PreparedHook>, HostError> {
        let id = options.shift_remove("id").unwrap_or_default();
        let points = options.shift_remove("points").unwrap_or_default();
        let at = Placement::new(id.as_str().unwrap_or_default()).source(source);
        let points = points.as_array().into_iter().flatten();
        let at = points.filter_map(Value::as_str).fold(at, Placement::point);
        Ok(kind(name)?.prepare(Value::Object(options), &at)?)
    }
}
