//! Questions and results that come elsewhere than hooks are asked about them: in other answers, and as tasks.

use std::sync::{Mutex, PoisonError};

use hooks_runtime::hooked;
use serde_json::{Value, json};

use super::Session;
use crate::json::{JsonText, is_ambiguous};
use crate::methods::{Party, TASK, TASK_RESULT};
use crate::refused::CallError;
use crate::reply::Reply;

/// The code of the error with which servers ask clients to open addresses.
const URL_ELICITATION_REQUIRED: i64 = -32042;
/// The method by which they ask otherwise.
const ELICIT: &str = "elicitation/create";

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
            if is_ambiguous(input, &["method", "params"]) {
                return Err(bad(
                    "a question in `inputRequests` has `method` or `params` in other letters",
                ));
            }
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

    /// Servers of revision 2025-11-25 ask clients to open addresses within errors (`URLElicitationRequiredError`).
    /// Those questions are decided as `elicitation/create`. The error that is passed on, or why it is not.
    pub(super) async fn decide_error(&self, party: Party, error: JsonText) -> CallError {
        let mut value = error.value();
        match self.decide_elicitations(&mut value).await {
            Ok(()) => CallError::Answered {
                party,
                error: error.changed_to(&value),
            },
            Err(error) => error,
        }
    }

    async fn decide_elicitations(&self, error: &mut Value) -> Result<(), CallError> {
        let is_required = error.get("code") == Some(&json!(URL_ELICITATION_REQUIRED));
        let unclear = |value: &Value, names: &[&'static str]| {
            value
                .as_object()
                .is_some_and(|members| is_ambiguous(members, names))
        };
        if unclear(error, &["code", "message", "data"]) {
            return Err(bad(
                "a member of the error is one of the protocol in other letters",
            ));
        }
        let data = error.get_mut("data");
        if data
            .as_deref()
            .is_some_and(|data| unclear(data, &["elicitations"]))
        {
            return Err(bad(
                "`data` of the error has `elicitations` in other letters",
            ));
        }
        let asked = data.and_then(|data| data.get_mut("elicitations"));
        let elicitations = match asked {
            None => return Ok(()),
            Some(Value::Array(elicitations)) => elicitations,
            Some(_) if is_required => return Err(bad("`elicitations` must be a list")),
            Some(_) => return Ok(()),
        };
        let (from, server) = (Party::Server, &*self.options.server);
        for params in elicitations {
            let passed = Mutex::default();
            self.input(ELICIT, from.as_str(), server, params.clone(), &passed)
                .await?;
            let passed = passed.into_inner().unwrap_or_else(PoisonError::into_inner);
            *params = passed
                .ok_or_else(|| bad("a hook answered a question that only the client answers"))?;
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
