//! How much a line matters.

use hooks_runtime::pattern::Pattern;
use serde::{Deserialize, Serialize};

use super::Outcome;
use crate::error::BuiltinError;

/// How much a line of the audit trail matters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Severity {
    /// What happened.
    #[default]
    Info,
    /// What somebody should look at.
    Warning,
    /// What somebody should look at now.
    Critical,
}

/// Says how much lines matter; what it does not name it fits whatever it is.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AuditRule {
    #[serde(default = "any")]
    point: String,
    #[serde(default)]
    component: Option<String>,
    #[serde(default)]
    outcome: Option<Outcome>,
    severity: Severity,
}

fn any() -> String {
    ">".to_owned()
}

impl AuditRule {
    /// Every line matters so much.
    pub fn new(severity: Severity) -> Self {
        AuditRule {
            point: any(),
            component: None,
            outcome: None,
            severity,
        }
    }
    /// Only at that point or pattern.
    pub fn point(mut self, pattern: impl Into<String>) -> Self {
        self.point = pattern.into();
        self
    }
    /// Only for that component.
    pub fn component(mut self, name: impl Into<String>) -> Self {
        self.component = Some(name.into());
        self
    }
    /// Only the lines of calls that ended so.
    pub fn outcome(mut self, outcome: Outcome) -> Self {
        self.outcome = Some(outcome);
        self
    }
}

/// Rules whose patterns were read.
pub(super) struct Severities {
    rules: Vec<(Pattern, AuditRule)>,
    min: Severity,
}

impl Severities {
    pub(super) fn new(
        kind: &'static str,
        rules: &[AuditRule],
        min: Severity,
    ) -> Result<Self, BuiltinError> {
        let read = |rule: &AuditRule| match Pattern::parse(&rule.point) {
            Ok((pattern, None)) => Ok((pattern, rule.clone())),
            Ok((_, Some(phase))) => Err(format!(
                "`{}` names the phase {}; write the point",
                rule.point,
                phase.as_str()
            )),
            Err(error) => Err(error.to_string()),
        };
        let rules = rules.iter().map(read).collect::<Result<_, _>>();
        let rules = rules.map_err(|why: String| BuiltinError::BadOption {
            kind,
            option: "rules",
            why: why.into(),
        })?;
        Ok(Severities { rules, min })
    }

    /// `None`: it matters too little.
    pub(super) fn of(
        &self,
        point: &str,
        component: Option<&str>,
        outcome: Option<Outcome>,
    ) -> Option<Severity> {
        let fits = |(pattern, rule): &&(Pattern, AuditRule)| {
            pattern.matches(point)
                && (rule.component.is_none() || rule.component.as_deref() == component)
                && (rule.outcome.is_none() || rule.outcome == outcome)
        };
        let ruled = self.rules.iter().find(fits).map(|(_, rule)| rule.severity);
        let severity = ruled.unwrap_or(match outcome {
            Some(Outcome::Panicked) => Severity::Critical,
            Some(Outcome::Failed | Outcome::Refused) => Severity::Warning,
            _ => Severity::Info,
        });
        (severity >= self.min).then_some(severity)
    }
}
