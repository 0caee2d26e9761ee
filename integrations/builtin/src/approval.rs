//! Calls that somebody has to allow.

mod channel;
mod error;
mod folder;
mod kept;
mod patience;
mod redacted;
mod template;
mod terminal;
mod time;
mod token;
#[cfg(feature = "webhook")]
mod webhook;

use std::collections::BTreeMap;

use hooks_runtime::{PreparedHook, Priority, Vote};
use serde::Deserialize;

use crate::error::BuiltinError;
use crate::kinds::{BuiltinHook, Needs, Replay};
use crate::placement::Placement;
use crate::redaction::{Rules, SECRET_KEYS, Wanted, redaction_words};
pub use channel::{ChannelApprover, Question, Questions};
pub use error::ApprovalError;
pub use folder::ApprovalFolder;
pub use kept::{ApprovalState, KeptRequest};
use template::Template;
pub use terminal::TerminalApprover;
pub use token::TokenApprover;
#[cfg(feature = "webhook")]
pub use webhook::WebhookApprover;

/// Asks before calls go on: each is refused unless the approver of the registry allows it
/// ([`HookRegistry::set_approver`](hooks_runtime::HookRegistry::set_approver)). One guard, so it asks about what
/// was sealed.
///
/// The question is made from a template. Of the arguments it holds what the template names, redacted, shortened,
/// and with everything escaped that could draw a different question; without an approver it is the reason of the
/// refusal.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ApprovalHook {
    question: String,
    max_value_chars: usize,
    patterns: Vec<String>,
    regexes: BTreeMap<String, String>,
    keys: Vec<String>,
}

impl Default for ApprovalHook {
    fn default() -> Self {
        ApprovalHook {
            question: "Allow {point}?".to_owned(),
            max_value_chars: 80,
            patterns: vec!["secrets".to_owned(), "pii".to_owned()],
            regexes: BTreeMap::new(),
            keys: SECRET_KEYS.map(str::to_owned).to_vec(),
        }
    }
}

impl ApprovalHook {
    /// Asks that question.
    pub fn new(question: impl Into<String>) -> Self {
        ApprovalHook::default().question(question)
    }
    /// The question, at most 4,096 bytes. `{point}`, `{component}`, `{principal}` and `{plan}` stand for what the
    /// call has of them, `{args.NAME}` for an argument, `{args.NAME.KEY.0}` for a part of its JSON form; `{{` and
    /// `}}` for braces. Texts stand in quotes. Where a point is named, an argument that none of its functions has is
    /// an error at registration; one without a JSON form, or without that part, is a failure of the hook, which
    /// refuses the call. Default: `Allow {point}?`.
    pub fn question(mut self, question: impl Into<String>) -> Self {
        self.question = question.into();
        self
    }
    /// How many characters of a value the question holds, 1 to 1,000. Default: 80.
    pub fn max_value_chars(mut self, chars: usize) -> Self {
        self.max_value_chars = chars;
        self
    }
    redaction_words!(self => self);

    fn template(&self) -> Result<Template, BuiltinError> {
        let bad = |option, why: String| BuiltinError::BadOption {
            kind: ApprovalHook::KIND,
            option,
            why: why.into(),
        };
        if !(1..=1000).contains(&self.max_value_chars) {
            return Err(bad("max_value_chars", "must be 1 to 1000".to_owned()));
        }
        let rules = Rules::new(&Wanted {
            kind: ApprovalHook::KIND,
            patterns: &self.patterns,
            regexes: &self.regexes,
            keys: &self.keys,
            replacement: "[redacted:{name}]",
        })?;
        Template::parse(&self.question, rules, self.max_value_chars)
            .map_err(|why| bad("question", why))
    }
}

impl BuiltinHook for ApprovalHook {
    const KIND: &'static str = "approval";
    const REPLAY: Replay = Replay::Undecidable;

    fn needs(&self) -> Needs {
        Needs::nothing()
    }

    fn prepare(self, at: &Placement) -> Result<Vec<PreparedHook>, BuiltinError> {
        let template = self.template()?;
        let meta = at.only(Priority::NORMAL).pre();
        let meta = meta.describe("asks before calls go on");
        let meta = (template.arguments()).fold(meta, |meta, name| meta.uses(name));
        Ok(vec![PreparedHook::guard(meta, move |cx| {
            Ok(Vote::ask(template.fill(cx)?))
        })])
    }
}
