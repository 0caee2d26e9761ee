//! Who called what, and what came of it, in a file that shows when it was changed.

mod chain;
mod rule;
mod trail;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;

use hooks_runtime::{
    DecisionRecord, GuardContext, HookError, Outcome, Phase, PreparedHook, Priority, Vote,
};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::error::BuiltinError;
use crate::kinds::{BuiltinHook, Needs, Replay};
use crate::placement::Placement;
use crate::redaction::{Rules, SECRET_KEYS, Wanted, WrittenForm, redaction_words};
pub use chain::{Verified, verify};
use rule::Severities;
pub use rule::{AuditRule, Severity};
use trail::Trail;

/// Writes an audit trail: lines of JSON, each with the hash of the one before it, so that [`verify`] finds what
/// was changed, left out or put in between.
///
/// A call has a line before its body runs (`call`), one before its result is released (`result`), and one when it
/// is done (`done`), with outcome, refusal and time. If a line cannot be written, the call is refused, or its
/// result withheld; see [`AuditHook::refuse`]. Everything is redacted before it is written; arguments and results
/// are written only with [`AuditHook::values`].
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AuditHook {
    path: PathBuf,
    refuse: bool,
    fsync_every: u64,
    values: bool,
    max_value_bytes: usize,
    rules: Vec<AuditRule>,
    min_severity: Severity,
    patterns: Vec<String>,
    regexes: BTreeMap<String, String>,
    keys: Vec<String>,
}

impl Default for AuditHook {
    fn default() -> Self {
        AuditHook {
            path: PathBuf::new(),
            refuse: true,
            fsync_every: 1,
            values: false,
            max_value_bytes: 16 << 10,
            rules: Vec::new(),
            min_severity: Severity::Info,
            patterns: vec!["secrets".to_owned(), "pii".to_owned()],
            regexes: BTreeMap::new(),
            keys: SECRET_KEYS.map(str::to_owned).to_vec(),
        }
    }
}

impl AuditHook {
    /// A trail in that file, which is made if it is not there, readable for its owner only. A trail that is there
    /// is checked and goes on.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        AuditHook::default().path(path)
    }
    /// The file. It belongs to one hook of one process at a time. Must be given.
    pub fn path(mut self, path: impl Into<PathBuf>) -> Self {
        self.path = path.into();
        self
    }
    /// Whether calls whose lines cannot be written are refused. Without it there are only the lines of calls that
    /// are done, and one that cannot be written is an error in the log; this is for sites where hooks may only
    /// watch. Default: yes.
    pub fn refuse(mut self, refuse: bool) -> Self {
        self.refuse = refuse;
        self
    }
    /// After how many lines the file is brought to the disk, before the call goes on; 1: after each; 0: when the
    /// system sees fit, so that what it had not written is lost when the machine stops. Default: 1.
    pub fn fsync_every(mut self, lines: u64) -> Self {
        self.fsync_every = lines;
        self
    }
    /// Whether arguments and results are written, redacted, as JSON; not the items of streams. Default: no.
    pub fn values(mut self, values: bool) -> Self {
        self.values = values;
        self
    }
    /// A value whose JSON is longer, in bytes, is replaced by its length. Default: 16 KiB.
    pub fn max_value_bytes(mut self, bytes: usize) -> Self {
        self.max_value_bytes = bytes;
        self
    }
    /// What matters how much; the first rule that fits counts. Without one, panics are critical, failed and
    /// refused calls warnings, all others infos. Default: none.
    pub fn rules(mut self, rules: impl IntoIterator<Item = AuditRule>) -> Self {
        self.rules = rules.into_iter().collect();
        self
    }
    /// Lines that matter less are not written. Before a call is done its outcome is not known: rules with outcomes
    /// do not fit there. Default: [`Severity::Info`], so all are.
    pub fn min_severity(mut self, severity: Severity) -> Self {
        self.min_severity = severity;
        self
    }
    redaction_words!(self => self);
}

impl BuiltinHook for AuditHook {
    const KIND: &'static str = "audit";
    const REPLAY: Replay = Replay::Watches;

    fn needs(&self) -> Needs {
        Needs::nothing().write(&self.path)
    }

    fn prepare(self, at: &Placement) -> Result<Vec<PreparedHook>, BuiltinError> {
        if self.path.as_os_str().is_empty() {
            return Err(BuiltinError::BadOption {
                kind: AuditHook::KIND,
                option: "path",
                why: "is missing: name the file".into(),
            });
        }
        let redacted = Rules::new(&Wanted {
            kind: AuditHook::KIND,
            patterns: &self.patterns,
            regexes: &self.regexes,
            keys: &self.keys,
            replacement: "[redacted:{name}]",
        })?;
        let audit = Arc::new(Audit {
            written: WrittenForm::new(redacted, self.max_value_bytes),
            severities: Severities::new(AuditHook::KIND, &self.rules, self.min_severity)?,
            trail: Trail::open(&self.path, self.fsync_every)?,
            values: self.values,
        });
        let mut hooks = Vec::new();
        if self.refuse {
            let meta = at.part("trail", Priority::NORMAL).pre().post();
            let meta = meta.describe("writes the audit trail before and after the body");
            let audit = audit.clone();
            hooks.push(PreparedHook::guard(meta, move |cx| audit.vote(cx)));
        }
        let meta = at.part("done", Priority::LOW);
        let meta = meta.describe("writes the audit trail of calls that are done");
        hooks.push(PreparedHook::observe(meta, move |record| {
            if let Err(error) = audit.done(record) {
                tracing::error!(target: "hookpoint", point = record.point(), %error, "an audit line was not written");
            }
        }));
        Ok(hooks)
    }
}

struct Audit {
    written: WrittenForm,
    severities: Severities,
    trail: Trail,
    values: bool,
}

impl Audit {
    fn vote(&self, cx: &GuardContext<'_>) -> Result<Vote, HookError> {
        // The end of a stream is its `done`; its items would be lines without number.
        if cx.phase() == Phase::Post && cx.site().flags.is_stream {
            return Ok(Vote::Pass);
        }
        let written = match self.severities.of(cx.point_name(), cx.component(), None) {
            Some(severity) => self.trail.append(self.body(cx, severity)),
            None => self.trail.is_writable(),
        };
        let why = |error| format!("the audit trail cannot be written: {error}");
        Ok(written.map(|()| Vote::Pass).map_err(why)?)
    }

    fn body(&self, cx: &GuardContext<'_>, severity: Severity) -> Map<String, Value> {
        let is_call = cx.phase() == Phase::Pre;
        let mut body = fields(json!({
            "at": timestamp(SystemTime::now()),
            "event": if is_call { "call" } else { "result" },
            "severity": severity,
            "call_id": cx.call_id(),
            "parent_id": cx.parent_id(),
            "correlation_id": self.written.text(&cx.correlation_id()),
            "point": cx.point_name(),
            "site": cx.site().path,
            "component": cx.component().map(|name| self.written.text(name)),
            "plan": cx.plan().word(),
            "attempt": cx.attempt(),
        }));
        if self.values && is_call {
            let names = cx.arg_names();
            let value = |name: &'static str| Some((name.to_owned(), cx.arg_json(name).ok()?));
            body.insert("args".into(), self.written.fields(names.filter_map(value)));
        } else if self.values
            && let Ok(json) = cx.result_json()
        {
            body.insert("result".into(), self.written.value(json));
        }
        body
    }

    fn done(&self, record: &DecisionRecord<'_>) -> std::io::Result<()> {
        let (point, component, outcome) = (record.point(), record.component(), record.outcome());
        let Some(severity) = self.severities.of(point, component, Some(outcome)) else {
            return Ok(());
        };
        let refusal = record.refusal();
        let elapsed = u64::try_from(record.elapsed().as_micros()).unwrap_or(u64::MAX);
        self.trail.append(fields(json!({
            "at": timestamp(record.at()),
            "event": "done",
            "severity": severity,
            "call_id": record.call_id(),
            "parent_id": record.parent_id(),
            "correlation_id": self.written.text(record.correlation_id()),
            "point": point,
            "site": record.site().path,
            "component": component.map(|name| self.written.text(name)),
            "plan": record.plan(),
            "attempts": record.attempts(),
            "outcome": outcome,
            "executed": record.executed(),
            "cache_hit": record.cache_hit(),
            "items": record.items(),
            "elapsed_us": elapsed,
            "refused_by": refusal.map(|refusal| refusal.hook()),
            "reason": refusal.map(|refusal| self.written.text(refusal.reason())),
        })))
    }
}

fn fields(json: Value) -> Map<String, Value> {
    match json {
        Value::Object(fields) => fields.into_iter().filter(|(_, v)| !v.is_null()).collect(),
        _ => Map::new(),
    }
}

/// As RFC 3339 writes it.
pub(crate) fn timestamp(at: SystemTime) -> String {
    jiff::Timestamp::try_from(at).map_or_else(|_| String::new(), |at| at.to_string())
}
