//! Agents under the hooks of a test.

use std::future::Future;
use std::sync::Arc;

use hooks_agents::{
    Agent, AgentError, Model, ModelError, ModelRequest, ModelResponse, ScriptedModel,
};
use hooks_runtime::{GuardContext, HookError, HookRegistry, HookScope, Vote, async_trait};
use hooks_tools::ToolRegistry;
use hooks_tools::util::Calculator;

/// Runs `test` with `hooks` in force and no others, from start to drop.
pub(crate) fn with<T>(hooks: &HookRegistry, test: impl Future<Output = T>) -> T {
    let scope = HookScope::isolated(hooks);
    let _entered = scope.enter();
    tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .expect("a runtime")
        .block_on(test)
}

pub(crate) fn fresh(model: impl Model + 'static) -> Agent {
    let tools = ToolRegistry::new();
    tools.register(Calculator::new()).expect("a new name");
    Agent::builder("a")
        .model(model)
        .tools(Arc::new(tools))
        .build()
        .expect("complete")
}

pub(crate) fn echo() -> ScriptedModel {
    ScriptedModel::new("echo").text("{{input}}")
}

/// A model that never answers.
pub(crate) struct Silent;

#[async_trait]
impl Model for Silent {
    fn name(&self) -> &str {
        "silent"
    }
    async fn request(&self, _request: ModelRequest) -> Result<ModelResponse, ModelError> {
        std::future::pending().await
    }
}

/// Polls once.
pub(crate) async fn poll_once<F: Future + Unpin>(future: &mut F) -> bool {
    std::future::poll_fn(|cx| {
        std::task::Poll::Ready(std::pin::Pin::new(&mut *future).poll(cx).is_ready())
    })
    .await
}

pub(crate) fn no(_: &GuardContext<'_>) -> Result<Vote, HookError> {
    Ok(Vote::cancel("no"))
}

#[track_caller]
pub(crate) fn assert_refused<T: std::fmt::Debug>(result: Result<T, AgentError>, point: &str) {
    match result {
        Err(AgentError::Refused(refusal)) => {
            assert_eq!((refusal.point(), refusal.reason()), (point, "no"))
        }
        other => panic!("not refused: {other:?}"),
    }
}
