//! Rules in CEL, the Common Expression Language.

mod condition;
mod expression;
mod facts;
mod limits;
mod meter;
mod rules;
mod walk;

use std::path::PathBuf;

use hooks_runtime::{GuardContext, HookError, Phase, PreparedHook, Priority, Restriction, Vote};
use serde::Deserialize;

use crate::error::BuiltinError;
use crate::kinds::{BuiltinHook, Needs, Replay};
use crate::placement::Placement;
pub use condition::CelCondition;
use facts::Facts;
pub use limits::CelLimits;
use rules::Compiled;
pub use rules::{CelPhase, CelRule, CelThen};

/// What the rules that hold for a call make together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum CelMode {
    /// The first rule that holds decides; those after it are not looked at.
    #[default]
    FirstMatch,
    /// All rules are looked at. The strongest restriction counts, with the reasons of all rules that have it.
    All,
}

/// Rules in CEL, the [Common Expression Language](https://cel.dev), each with what follows if it holds. A guard:
/// it sees what was sealed, and changes nothing. A call for which no rule holds passes.
///
/// The variables are `point`, `component`, `principal`, `phase` (`"pre"`, `"post"`), `args.<name>`,
/// `fields.<name>`, and after the body `result`. Only what an expression names is read, as JSON; an argument or
/// field that a call has not is a failure, unless `has(args.<name>)` asks for it.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CelHook {
    rules: Vec<CelRule>,
    rules_file: Option<PathBuf>,
    mode: CelMode,
    limits: CelLimits,
}

impl CelHook {
    /// No rule yet.
    pub fn new() -> Self {
        CelHook::default()
    }
    /// The rules, in order. Default: none; there must be one, here or in a file, and no more than 1,000.
    pub fn rules(mut self, rules: impl IntoIterator<Item = CelRule>) -> Self {
        self.rules = rules.into_iter().collect();
        self
    }
    /// A file of TOML with rules as `[[rule]]`, which come after those above; it is read once, when the hook is
    /// made, 1 MiB at most. Default: none.
    pub fn rules_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.rules_file = Some(path.into());
        self
    }
    /// What the rules that hold make together. Default: the first of them decides.
    pub fn mode(mut self, mode: CelMode) -> Self {
        self.mode = mode;
        self
    }
    /// What bounds each expression.
    pub fn limits(mut self, limits: CelLimits) -> Self {
        self.limits = limits;
        self
    }
}

fn bad(option: &'static str, why: String) -> BuiltinError {
    BuiltinError::BadOption {
        kind: CelHook::KIND,
        option,
        why: why.into(),
    }
}

impl BuiltinHook for CelHook {
    const KIND: &'static str = "cel";
    const REPLAY: Replay = Replay::Runs;

    fn needs(&self) -> Needs {
        let allows = self.rules.iter().any(|rule| rule.allows());
        let needs = match allows {
            true => Needs::nothing().allow(),
            false => Needs::nothing(),
        };
        // What the rules of a file answer is not known before it is read.
        match &self.rules_file {
            Some(path) => needs.read(path).allow(),
            None => needs,
        }
    }

    fn prepare(self, at: &Placement) -> Result<Vec<PreparedHook>, BuiltinError> {
        self.limits.check()?;
        let rules = rules::compiled(self.rules, self.rules_file.as_deref(), &self.limits)?;
        let mut meta = at.only(Priority::NORMAL).describe("rules in CEL").pure();
        for rule in &rules {
            meta = match rule.phase {
                CelPhase::Pre => meta.pre(),
                CelPhase::Post if rule.when.arguments().next().is_some() => {
                    meta.post().args_after()
                }
                CelPhase::Post => meta.post(),
            };
            meta = rule
                .when
                .arguments()
                .fold(meta, |meta, name| meta.uses(name));
        }
        let policy = Policy {
            rules,
            mode: self.mode,
        };
        Ok(vec![PreparedHook::guard(meta, move |cx| policy.vote(cx))])
    }
}

struct Policy {
    rules: Vec<Compiled>,
    mode: CelMode,
}

impl Policy {
    fn vote(&self, cx: &GuardContext<'_>) -> Result<Vote, HookError> {
        let phase = match cx.phase() {
            Phase::Pre => CelPhase::Pre,
            _ => CelPhase::Post,
        };
        let mut facts = Facts::default();
        let mut votes = Vec::new();
        for rule in self.rules.iter().filter(|rule| rule.phase == phase) {
            let failed = |cause: String| HookError::Condition {
                condition: rule.when.shown().into(),
                cause: cause.into(),
            };
            facts.read(cx, &rule.when)?;
            if rule.when.holds(&facts).map_err(failed)? {
                if self.mode == CelMode::FirstMatch {
                    return Ok(rule.vote.clone());
                }
                votes.push(&rule.vote);
            }
        }
        Ok(joined(&votes))
    }
}

/// The strongest restriction, with the reasons of all that have it; a grant if nobody restricts.
fn joined(votes: &[&Vote]) -> Vote {
    let strongest = votes.iter().map(|vote| vote.restriction()).max();
    let restriction = strongest.unwrap_or_default();
    let having = votes
        .iter()
        .filter(|vote| vote.restriction() == restriction);
    let reasons: Vec<_> = having.filter_map(|vote| vote.reason()).collect();
    let reasons = reasons.join("; ");
    match restriction {
        Restriction::Halt => Vote::halt(reasons),
        Restriction::Cancel => Vote::cancel(reasons),
        Restriction::Ask => Vote::ask(reasons),
        Restriction::None if votes.contains(&&Vote::Allow) => Vote::Allow,
        Restriction::None => Vote::Pass,
    }
}
