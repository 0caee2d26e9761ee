//! Members of the protocol in other letters: what hooks have not seen, and a reader that does not tell upper from
//! lower case takes for what they have.

use serde_json::Value;

use super::within::bad;
use crate::json::is_ambiguous;
use crate::methods::Party;
use crate::refused::CallError;

/// What parameters have that servers and clients act by.
const PARAMS: [&str; 22] = [
    "_meta",
    "argument",
    "arguments",
    "capabilities",
    "cursor",
    "data",
    "inputRequests",
    "inputResponses",
    "level",
    "maxTokens",
    "message",
    "messages",
    "name",
    "protocolVersion",
    "ref",
    "requestId",
    "requestedSchema",
    "result",
    "systemPrompt",
    "task",
    "taskId",
    "uri",
];
/// What results have.
const RESULT: [&str; 16] = [
    "_meta",
    "capabilities",
    "content",
    "contents",
    "inputRequests",
    "isError",
    "messages",
    "nextCursor",
    "prompts",
    "resourceTemplates",
    "resources",
    "result",
    "resultType",
    "structuredContent",
    "task",
    "tools",
];
/// What definitions of tools have.
const TOOL: [&str; 7] = [
    "annotations",
    "description",
    "execution",
    "inputSchema",
    "name",
    "outputSchema",
    "title",
];

const WHY: &str = "a member is one of the protocol, or another member, in other letters: two readers could understand it differently";

pub(super) fn check_params(params: &Value) -> Result<(), CallError> {
    match is_unclear(params, &PARAMS) {
        true => Err(CallError::BadParams(WHY)),
        false => Ok(()),
    }
}

/// What `party` answered.
pub(super) fn check_result(party: Party, result: &Value) -> Result<(), CallError> {
    match is_unclear(result, &RESULT) {
        true => Err(CallError::BadAnswer {
            party,
            reason: WHY.to_owned(),
        }),
        false => Ok(()),
    }
}

pub(super) fn check_tool(tool: &Value) -> Result<(), CallError> {
    match is_unclear(tool, &TOOL) {
        true => Err(bad(WHY)),
        false => Ok(()),
    }
}

fn is_unclear(value: &Value, names: &[&'static str]) -> bool {
    value
        .as_object()
        .is_some_and(|members| is_ambiguous(members, names))
}
