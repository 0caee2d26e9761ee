//! Tools under the hooks of a test.

use std::future::Future;

use async_trait::async_trait;
use hooks_runtime::{GuardContext, HookError, HookRegistry, HookScope, Vote, hooked};
use hooks_tools::util::{Calculator, HashCalculator};
use hooks_tools::{SecurityLevel, Tool, ToolCategory, ToolError, ToolOutput, ToolRegistry};
use serde_json::{Value, json};

/// Runs `test` with `hooks` in force and no others, from start to drop.
pub(crate) fn with<T>(hooks: &HookRegistry, test: impl Future<Output = T>) -> T {
    let scope = HookScope::isolated(hooks);
    let _entered = scope.enter();
    tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime")
        .block_on(test)
}

pub(crate) fn tools() -> ToolRegistry {
    let tools = ToolRegistry::new();
    tools.register(Calculator::new()).expect("a new name");
    tools.register(HashCalculator::new()).expect("a new name");
    tools
}

pub(crate) fn sum() -> Value {
    json!({"expression": "1 + 2"})
}

#[track_caller]
pub(crate) fn assert_refused(result: Result<ToolOutput, ToolError>, point: &str, hook: &str) {
    match result {
        Err(ToolError::Refused(refusal)) => {
            assert_eq!((refusal.point(), refusal.hook()), (point, hook))
        }
        other => panic!("not refused: {other:?}"),
    }
}

pub(crate) fn no(_: &GuardContext<'_>) -> Result<Vote, HookError> {
    Ok(Vote::cancel("no"))
}

/// A tool that never ends.
pub(crate) struct Endless;

#[async_trait]
impl Tool for Endless {
    fn name(&self) -> &str {
        "endless"
    }
    fn description(&self) -> &str {
        "Never ends"
    }
    fn category(&self) -> ToolCategory {
        ToolCategory::System
    }
    fn security_level(&self) -> SecurityLevel {
        SecurityLevel::Privileged
    }
    fn parameters(&self) -> Value {
        json!({"type": "object"})
    }
    #[hooked(point = "tool.execute", component = self.name())]
    async fn execute(&self, params: Value) -> Result<ToolOutput, ToolError> {
        std::future::pending::<()>().await;
        Ok(params.into())
    }
}
