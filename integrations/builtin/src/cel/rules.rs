//! Rules, and files of them.

use std::io::Read as _;
use std::path::Path;

use hooks_runtime::Vote;
use serde::Deserialize;

use super::bad;
use super::expression::Expression;
use super::facts::Name;
use super::limits::CelLimits;
use crate::error::BuiltinError;

/// How long a file of rules may be, in bytes.
const MAX_FILE: u64 = 1 << 20;
/// How many rules there may be.
const MAX_RULES: usize = 1000;

/// What a rule says about a call for which it holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum CelThen {
    /// No objection.
    Pass,
    /// A grant, needed at closed points. Before the body only.
    Allow,
    /// Refused unless an approver allows it; the reason is the question. Before the body only.
    Ask,
    /// Refused, or after the body: the result is withheld.
    Cancel,
    /// Refused, and every later hooked call of the run with it.
    Halt,
}

/// When a rule is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CelPhase {
    /// Before the body.
    Pre,
    /// After the body returned; at the site of a stream, for each item.
    Post,
}

/// An expression, and what follows if it holds.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CelRule {
    when: String,
    then: CelThen,
    reason: Option<String>,
    phase: Option<CelPhase>,
}

impl CelRule {
    /// If `when` holds, `then`. It is looked at before the body, or, if it names `result`, after it.
    pub fn new(when: impl Into<String>, then: CelThen) -> Self {
        CelRule {
            when: when.into(),
            then,
            reason: None,
            phase: None,
        }
    }
    /// The reason that the caller gets, or the question. Default: that the rule holds, with its expression.
    pub fn reason(mut self, reason: impl Into<String>) -> Self {
        self.reason = Some(reason.into());
        self
    }
    /// When it is looked at. Default: after the body if it names `result`, before it if not.
    pub fn phase(mut self, phase: CelPhase) -> Self {
        self.phase = Some(phase);
        self
    }

    /// Whether it lets calls pass that need a grant.
    pub(super) fn allows(&self) -> bool {
        self.then == CelThen::Allow
    }

    /// Ready to be asked; `place` says in messages where it stands.
    pub(super) fn compiled(
        self,
        limits: &CelLimits,
        place: &str,
    ) -> Result<Compiled, BuiltinError> {
        let when = Expression::compile(&self.when, limits, place)?;
        let needs_result = when.needs(&Name::Result);
        let wrong = |why: &str| Err(bad("rules", format!("{place}: {why}")));
        let phase = match (self.phase, needs_result) {
            (Some(CelPhase::Pre), true) => {
                return wrong("there is no `result` in the phase `pre`: write `phase = \"post\"`");
            }
            (Some(phase), _) => phase,
            (None, true) => CelPhase::Post,
            (None, false) => CelPhase::Pre,
        };
        if phase == CelPhase::Post && matches!(self.then, CelThen::Ask | CelThen::Allow) {
            return wrong(
                "after the body nothing can be allowed or asked any more: write `then = \"cancel\"`",
            );
        }
        let reason = self.reason;
        let reason = reason.unwrap_or_else(|| format!("the rule `{}` holds", when.shown()));
        let vote = match self.then {
            CelThen::Pass => Vote::Pass,
            CelThen::Allow => Vote::Allow,
            CelThen::Ask => Vote::ask(reason),
            CelThen::Cancel => Vote::cancel(reason),
            CelThen::Halt => Vote::halt(reason),
        };
        Ok(Compiled { when, vote, phase })
    }
}

/// A rule that can be asked.
pub(super) struct Compiled {
    pub(super) when: Expression,
    pub(super) vote: Vote,
    pub(super) phase: CelPhase,
}

/// All rules, those of the options before those of the file.
pub(super) fn compiled(
    rules: Vec<CelRule>,
    file: Option<&Path>,
    limits: &CelLimits,
) -> Result<Vec<Compiled>, BuiltinError> {
    let mut placed: Vec<_> = (1..).map(|n| format!("rule {n}")).zip(rules).collect();
    if let Some(path) = file {
        placed.extend(read(path)?);
    }
    if !(1..=MAX_RULES).contains(&placed.len()) {
        let why = format!("has {} rules: write 1 to {MAX_RULES}", placed.len());
        return Err(bad(
            if file.is_some() {
                "rules_file"
            } else {
                "rules"
            },
            why,
        ));
    }
    let compile = |(place, rule): (String, CelRule)| rule.compiled(limits, &place);
    placed.into_iter().map(compile).collect()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    #[serde(default)]
    rule: Vec<toml::Spanned<CelRule>>,
}

/// The rules of a file, each with its place.
fn read(path: &Path) -> Result<Vec<(String, CelRule)>, BuiltinError> {
    let name = path.display();
    let wrong = |why: String| bad("rules_file", why);
    let unread = |error: std::io::Error| wrong(format!("cannot read {name}: {error}"));
    let mut text = String::new();
    let file = std::fs::File::open(path).map_err(unread)?;
    let length = file.take(MAX_FILE + 1).read_to_string(&mut text);
    if length.map_err(unread)? as u64 > MAX_FILE {
        return Err(wrong(format!(
            "cannot read {name}: it is longer than 1 MiB"
        )));
    }
    let written: Written = toml::from_str(&text).map_err(|error| {
        let place = error
            .span()
            .map_or(String::new(), |span| place(&text, span.start));
        wrong(format!(
            "{name}{place}: {}",
            error.message().replace('\n', " ")
        ))
    })?;
    let placed = |rule: toml::Spanned<CelRule>| {
        let place = format!("{name}{}", place(&text, rule.span().start));
        (place, rule.into_inner())
    };
    Ok(written.rule.into_iter().map(placed).collect())
}

/// `:line:column`, both from 1.
fn place(text: &str, at: usize) -> String {
    let before = &text[..text.floor_char_boundary(at)];
    let line = before.matches('\n').count() + 1;
    let column = before.chars().rev().take_while(|c| *c != '\n').count() + 1;
    format!(":{line}:{column}")
}
