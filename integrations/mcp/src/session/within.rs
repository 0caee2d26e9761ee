//! Questions and results that come elsewhere than hooks are asked about them: in other answers, and as tasks.

use std::sync::{Mutex, PoisonError};

use hooks_runtime::hooked;
use serde_json::Value;

use super::Session;
use crate::methods::{Party, TASK, TASK_RESULT};
use crate::refused::CallError;
use crate::reply::Reply;

/// Why a result of a tool that is no answer to its call is not passed on.
pub(super) const AS_A_TASK: &str = "hooks at `tool.execute` decide about what tools return, and cannot be asked about what comes as a task: call the tool without `task`";

impl Session {
    /// Servers of revision 2026-07-28 ask clients within their answers (`inputRequests`). Those questions are
    /// decided at `mcp.request` like any that a server asks; whoever asks is refused as a whole.
    pub(super) async fn decide_inputs(&self, body: &mut Value) -> Result<(), CallError> {
        let inputs = match body.get_mut("inputRequests") {
            None | Some(Value::Null) => return Ok(()),
            Some(Value::Object(inputs)) => inputs,
            Some(_) => return Err(bad("`inputRequests` must be an object")),
        };
        let (from, server) = (Party::Server, &*self.options.server);
        for input in inputs.values_mut() {
            let Value::Object(input) = input else {
                return Err(bad("a question in `inputRequests` must be an object"));
            };
            let Some(Value::String(method)) = input.get("method").cloned() else {
                return Err(bad("a question in `inputRequests` must have a `method`"));
            };
            if !self.passes(from, &method, from.requests()) {
                return Err(CallError::UnknownMethod);
            }
            let params = input.get("params").cloned().unwrap_or(Value::Null);
            let passed = Mutex::default();
            self.input(&method, from.as_str(), server, params, &passed)
                .await?;
            let passed = passed.into_inner().unwrap_or_else(PoisonError::into_inner);
            match passed {
                // There were none, and no hook made some.
                Some(Value::Null) => {}
                Some(params) => drop(input.insert("params".to_owned(), params)),
                None => {
                    return Err(bad(
                        "a hook answered a question that only the client answers",
                    ));
                }
            }
        }
        Ok(())
    }

    /// A question of the server that stands in one of its answers. What the client says comes with its next request.
    #[hooked(point = "mcp.request", component = method, skip(passed))]
    #[allow(unused_variables, reason = "hooks read who asks whom")]
    async fn input(
        &self,
        method: &str,
        from: &str,
        server: &str,
        params: Value,
        passed: &Mutex<Option<Value>>,
    ) -> Result<Reply, CallError> {
        *passed.lock().unwrap_or_else(PoisonError::into_inner) = Some(params);
        Ok(Reply::from(Value::Null))
    }
}

/// Whether the answer to `tools/call` is a task, whose result is still to come: of revision 2026-07-28, or of
/// 2025-11-25.
pub(super) fn is_task(answer: &Value) -> bool {
    answer.get("resultType").and_then(Value::as_str) == Some("task")
        || (answer.get("content").is_none() && answer.get("task").is_some_and(Value::is_object))
}

/// Whether the body of that method, an answer or the parameters of a notification, has the result of a task in it.
pub(super) fn has_result_of_task(method: &str, body: &Value) -> bool {
    match method {
        TASK_RESULT => true,
        TASK | "notifications/tasks" | "notifications/tasks/status" => body.get("result").is_some(),
        _ => false,
    }
}

pub(super) fn bad(reason: &str) -> CallError {
    CallError::BadAnswer {
        party: Party::Server,
        reason: reason.to_owned(),
    }
}
