//! What the service is asked.

use std::time::Duration;

use hooks_runtime::ApprovalRequest;
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use serde_json::Value;

use super::super::redacted::Redacted;

/// Version of the form.
const VERSION: u32 = 1;

/// The body of a request. Its form is part of the interface: `docs/reference/built-in-hooks.md` has it.
#[derive(Debug, Serialize)]
pub(super) struct Message<'a> {
    version: u32,
    id: &'a str,
    asked_at: Timestamp,
    deadline: Timestamp,
    point: &'static str,
    site: &'static str,
    component: Option<String>,
    principal: Option<String>,
    plan: String,
    planned: Option<Value>,
    questions: Vec<Asked>,
    arguments: Value,
    digest: &'a str,
}

/// One hook that asks.
#[derive(Debug, Serialize)]
struct Asked {
    hook: String,
    question: String,
}

impl<'a> Message<'a> {
    pub(super) fn new(
        id: &'a str,
        (asked_at, patience): (Timestamp, Duration),
        request: &'a ApprovalRequest,
        redacted: Redacted,
    ) -> Self {
        let patience = SignedDuration::try_from(patience).unwrap_or(SignedDuration::MAX);
        let asked = |(hook, question)| Asked { hook, question };
        Message {
            version: VERSION,
            id,
            asked_at,
            deadline: asked_at.saturating_add(patience).unwrap_or(Timestamp::MAX),
            point: request.point,
            site: request.site,
            component: redacted.component,
            principal: redacted.principal,
            plan: redacted.plan,
            planned: redacted.planned,
            questions: redacted.questions.into_iter().map(asked).collect(),
            arguments: redacted.args,
            digest: &request.digest,
        }
    }
}
