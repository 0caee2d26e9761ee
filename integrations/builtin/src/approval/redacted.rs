//! A request without the secrets of its arguments.

use std::collections::BTreeMap;

use hooks_runtime::ApprovalRequest;
use serde_json::Value;

use crate::error::BuiltinError;
use crate::redaction::{Rules, Wanted, WrittenForm};

/// What approvers are called in errors.
pub(super) const KIND: &str = "approver";

/// What leaves the program, or is seen by a person, of a request.
#[derive(Debug)]
pub(super) struct Redacted {
    pub(super) component: Option<String>,
    pub(super) principal: Option<String>,
    pub(super) plan: String,
    pub(super) planned: Option<Value>,
    /// An object: the arguments by name.
    pub(super) args: Value,
    /// Who asks what, as `(hook, question)`.
    pub(super) questions: Vec<(String, String)>,
}

impl Redacted {
    pub(super) fn new(request: &ApprovalRequest, written: &WrittenForm) -> Self {
        let name = |name: &Option<Box<str>>| name.as_deref().map(|name| written.text(name));
        let question =
            |(hook, question): &(Box<str>, Box<str>)| (written.text(hook), written.text(question));
        let args = (request.args.iter()).map(|(name, value)| ((*name).to_owned(), value.clone()));
        Redacted {
            component: name(&request.component),
            principal: name(&request.principal),
            // The key of a cache may be made of arguments; the digest covers it.
            plan: match request.plan.split_once(' ') {
                Some(("cache", _key)) => "cache".to_owned(),
                _ => written.text(&request.plan),
            },
            planned: request.planned.clone().map(|value| written.value(value)),
            args: written.fields(args),
            questions: request.questions.iter().map(question).collect(),
        }
    }
}

/// How requests of an approver with these words are written; what is longer, in bytes, is its length.
pub(super) fn written_form(
    patterns: &[String],
    regexes: &BTreeMap<String, String>,
    keys: &[String],
    max_value_bytes: usize,
) -> Result<WrittenForm, BuiltinError> {
    let rules = Rules::new(&Wanted {
        kind: KIND,
        patterns,
        regexes,
        keys,
        replacement: "[redacted:{name}]",
    })?;
    Ok(WrittenForm::new(rules, max_value_bytes))
}
