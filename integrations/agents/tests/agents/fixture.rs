//! Agents with a calculator, and a model that the test holds and lets go.

use std::sync::Arc;

use async_trait::async_trait;
use hooks_agents::{Agent, Model, ModelError, ModelRequest, ModelResponse, ScriptedModel};
use hooks_tools::ToolRegistry;
use hooks_tools::util::Calculator;
use tokio::sync::Semaphore;

/// Asks `inner`, one request for each permit of `open`; adds a permit to `entered` with each request.
pub(crate) struct HeldModel {
    inner: ScriptedModel,
    entered: Arc<Semaphore>,
    open: Arc<Semaphore>,
}

#[async_trait]
impl Model for HeldModel {
    fn name(&self) -> &str {
        self.inner.name()
    }
    async fn request(&self, request: ModelRequest) -> Result<ModelResponse, ModelError> {
        self.entered.add_permits(1);
        self.open.acquire().await.expect("never closed").forget();
        self.inner.request(request).await
    }
}

/// The model, what counts its requests, and what lets them go.
pub(crate) fn held(inner: ScriptedModel) -> (HeldModel, Arc<Semaphore>, Arc<Semaphore>) {
    let (entered, open) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
    (
        HeldModel {
            inner,
            entered: Arc::clone(&entered),
            open: Arc::clone(&open),
        },
        entered,
        open,
    )
}

/// A registry with the calculator.
pub(crate) fn tools() -> Arc<ToolRegistry> {
    let tools = ToolRegistry::new();
    tools.register(Calculator::new()).expect("a new name");
    Arc::new(tools)
}

/// A ready agent with the calculator.
pub(crate) async fn ready(model: impl Model + 'static) -> Agent {
    let agent = Agent::builder("a")
        .model(model)
        .tools(tools())
        .build()
        .expect("complete");
    agent.initialize().await.expect("has its tools");
    agent
}
