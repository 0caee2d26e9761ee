//! `Agent`

use std::sync::Arc;

use hooks_agents::{Agent, ScriptedModel};
use hooks_lua::host::{
    AgentHost, AgentSpec, BoxFuture, HostError, ModelSpec, ModelTurn, ScriptAgent,
};
use hooks_tools::ToolRegistry;
use serde_json::Value;

/// Agents that work with the tools of a registry.
pub struct Agents(pub Arc<ToolRegistry>);

impl AgentHost for Agents {
    fn create(&self, spec: AgentSpec) -> Result<Arc<dyn ScriptAgent>, HostError> {
        let ModelSpec::Script(turns) = spec.model else {
            return Err(HostError::message(
                "this program has scripted models only: `model = {script = {…}}`",
            ));
        };
        let mut model = ScriptedModel::new(format!("{}-script", spec.name));
        for turn in turns {
            model = match turn {
                ModelTurn::Text(text) => model.text(text),
                ModelTurn::Calls(calls) => model.calls(calls),
                _ => {
                    return Err(HostError::message(
                        "a model turn is a text or a list of tool calls",
                    ));
                }
            };
        }
        let mut agent = Agent::builder(spec.name).model(model).tools(self.0.clone());
        if let Some(tools) = spec.tools {
            agent = agent.only_tools(tools);
        }
        if let Some(instructions) = spec.instructions {
            agent = agent.instructions(instructions);
        }
        Ok(Arc::new(Handle(Arc::new(agent.build()?))))
    }
}

/// An agent in a script's hands.
pub(super) struct Handle(pub(super) Arc<Agent>);

impl ScriptAgent for Handle {
    fn name(&self) -> &str {
        self.0.name()
    }
    fn state(&self) -> String {
        self.0.state().as_str().to_owned()
    }
    fn initialize(&self) -> BoxFuture<'_, Result<(), HostError>> {
        Box::pin(async { Ok(self.0.initialize().await?) })
    }
    fn execute(&self, input: String) -> BoxFuture<'_, Result<Value, HostError>> {
        Box::pin(async { Ok(serde_json::to_value(self.0.execute(input).await?)?) })
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
