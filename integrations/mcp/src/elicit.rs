//! Approval by the user of the client.

use hooks_runtime::approve::shown;
use hooks_runtime::{Approval, ApprovalRequest, Approver, HookError};
use serde_json::{Value, json};

use crate::session::Session;

/// How much of a value or a question is shown, in characters.
const MAX_CHARS: usize = 2000;

/// Asks the user of the MCP client whose request is decided, with `elicitation/create`. Where the client cannot ask,
/// or there is no session, the `fallback` answers.
///
/// Everything that is shown has its control and bidirectional characters escaped, and is cut at 2,000 characters.
/// Only a form that was sent with yes allows the call: a client that answers by itself what it was not asked cannot.
#[derive(Clone, Copy, Debug, Default)]
pub struct ElicitationApprover<F> {
    fallback: F,
}

impl<F> ElicitationApprover<F> {
    /// With somebody else for clients that cannot ask.
    pub fn or(fallback: F) -> Self {
        ElicitationApprover { fallback }
    }
}

impl<F: Approver> Approver for ElicitationApprover<F> {
    fn approve<'a>(
        &'a self,
        request: &'a ApprovalRequest,
    ) -> std::pin::Pin<Box<dyn Future<Output = Result<Approval, HookError>> + Send + 'a>> {
        Box::pin(async move {
            let Some(session) = Session::current().filter(|session| session.elicits()) else {
                return self.fallback.approve(request).await;
            };
            let asked = session
                .ask_client("elicitation/create", &form(request))
                .await;
            let answer = asked.map_err(|error| error.to_string())?;
            Ok(
                match (answer["action"].as_str(), &answer["content"]["allow"]) {
                    (Some("accept"), Value::Bool(true)) => request.allow(),
                    _ => request.deny("denied by the user"),
                },
            )
        })
    }

    fn patience(&self) -> std::time::Duration {
        self.fallback.patience()
    }
}

fn form(request: &ApprovalRequest) -> Value {
    json!({
        "message": question(request),
        "requestedSchema": {
            "type": "object",
            "properties": {
                "allow": { "type": "boolean", "title": "Allow this call", "default": false },
            },
            "required": ["allow"],
        },
    })
}

fn question(request: &ApprovalRequest) -> String {
    let shown = |text: &str| shown(text, MAX_CHARS);
    let mut text = String::new();
    for (_, question) in &request.questions {
        text += &format!("{}\n", shown(question));
    }
    text += &format!("{} ", request.point);
    if let Some(component) = &request.component {
        text += &shown(component);
    }
    if request.plan != "run" {
        text += &format!(" ({})", shown(&request.plan));
    }
    for (name, value) in &request.args {
        text += &format!("\n  {name} = {}", shown(&value.to_string()));
    }
    if let Some(value) = &request.planned {
        text += &format!("\n  instead of it: {}", shown(&value.to_string()));
    }
    text
}
