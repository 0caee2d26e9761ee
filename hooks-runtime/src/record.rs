//! The record of one call: who decided what, where in the source, how long it took.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use serde::Serialize;
use serde_json::Value;

use crate::answer::Restriction;
use crate::hook::{Mode, Role};
use crate::point::Phase;
use crate::refusal::HookRefusal;
use crate::site::SiteInfo;

/// Version of the record's form; it grows when a field changes its meaning.
pub const SCHEMA_VERSION: u32 = 1;

/// How a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Outcome {
    /// The caller got a value (for `Result`: `Ok`).
    Returned,
    /// The caller got the body's error.
    Failed,
    /// Hooks refused the call, or withheld its result.
    Refused,
    /// The body panicked.
    Panicked,
    /// The future was dropped before it was ready, or the stream before its end.
    Cancelled,
}

impl Outcome {
    /// The lower-case name.
    pub fn as_str(self) -> &'static str {
        match self {
            Outcome::Returned => "returned",
            Outcome::Failed => "failed",
            Outcome::Refused => "refused",
            Outcome::Panicked => "panicked",
            Outcome::Cancelled => "cancelled",
        }
    }
}

/// How much of the arguments a record holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum ArgLevel {
    /// Names and types.
    #[default]
    Names,
    /// Also a keyed digest of each value: equal values of one process have equal digests.
    Digest,
    /// Also the values, as JSON.
    Full,
}

/// One argument in a record.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct ArgRecord {
    /// The name that hooks use.
    pub name: &'static str,
    /// Its type as written.
    #[serde(rename = "type")]
    pub ty: &'static str,
    /// Keyed digest of its JSON; `None` below [`ArgLevel::Digest`] and for types without JSON.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// The value; `None` below [`ArgLevel::Full`] and for types without JSON.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<Value>,
}

/// What one hook said.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct HookRecord {
    /// The hook; the runtime's own rules have ids that start with `hookpoint.`.
    #[serde(serialize_with = "as_text")]
    pub hook: Arc<str>,
    /// Where it was registered.
    #[serde(serialize_with = "as_text")]
    pub source: Arc<str>,
    /// When it was asked.
    pub phase: Phase,
    /// What it may do; `None` for the runtime's own rules.
    pub role: Option<Role>,
    /// Whether its answer counts.
    pub mode: Mode,
    /// Its answer's word (`continue`, `cancel`, …), `fail`, `skip` (a condition did not hold) or `not asked`.
    pub answer: &'static str,
    /// How much it restricts.
    pub restriction: Restriction,
    /// Its reason, question or plan.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<Box<str>>,
    /// The kind of its failure ([`crate::HookError::kind`]).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<&'static str>,
    /// `outranked`, `would_grant`, `unenforceable`, …
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<&'static str>,
    /// How long it took, if a sink takes every record of the point, or the hook has a timeout.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub elapsed: Option<Duration>,
    /// The number of the stream's item that it was asked about, from 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub item: Option<u64>,
}

fn as_text<S: serde::Serializer>(text: &Arc<str>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(text)
}

/// Everything about one call, complete when observers and sinks get it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct DecisionRecord {
    /// Unique in the process.
    pub call_id: u64,
    /// The call that this one was made in.
    pub parent_id: Option<u64>,
    /// The same for all calls of one run or root call.
    pub correlation_id: Arc<str>,
    /// How many times the body was tried, 1 for the first.
    pub attempts: u32,
    /// At the site of a stream: how many items the caller got, not counting one that stands for a refusal.
    pub items: Option<u64>,
    /// The annotated function.
    pub site: &'static SiteInfo,
    /// The component, if the site names one.
    pub component: Option<Box<str>>,
    /// The extra facts.
    pub fields: Vec<(&'static str, Value)>,
    /// The arguments as sealed.
    pub args: Vec<ArgRecord>,
    /// What the hooks said, in the order in which they were asked.
    pub hooks: Vec<HookRecord>,
    /// How much hooks said about items of a stream that is not in `hooks`: of each stream, the first 64 notes of
    /// hooks that let an item pass are kept, and the first 64 of hooks that did something. What ends a call is
    /// always kept.
    pub notes_left_out: u64,
    /// `run`, `replace`, `cache`, `redirect`.
    pub plan: &'static str,
    /// Whether the answer came from the cache.
    pub cache_hit: bool,
    /// How it ended.
    pub outcome: Outcome,
    /// The refusal that the caller got.
    pub refusal: Option<HookRefusal>,
    /// Whether the body ran.
    pub executed: bool,
    /// When it ended, by the wall clock.
    pub at: SystemTime,
    /// From the first hook to the outcome.
    pub total: Duration,
    /// The part of it spent in the body (or what stood in for it).
    pub work: Duration,
    /// The part of it spent waiting: for an approver, for the next attempt, or for the caller of a stream to ask
    /// for the next item.
    pub waited: Duration,
}

impl DecisionRecord {
    /// The point's name.
    pub fn point(&self) -> &'static str {
        self.site.point
    }
    /// From the first hook to the outcome.
    pub fn elapsed(&self) -> Duration {
        self.total
    }
    /// The time that hooks took.
    pub fn hook_time(&self) -> Duration {
        self.total
            .saturating_sub(self.work)
            .saturating_sub(self.waited)
    }
    /// The record as one JSON object.
    pub fn to_json(&self) -> Value {
        let mut json = serde_json::json!({
            "schema_version": SCHEMA_VERSION,
            "call_id": self.call_id,
            "parent_id": self.parent_id,
            "correlation_id": &*self.correlation_id,
            "attempts": self.attempts,
            "point": self.site.point,
            "site": { "path": self.site.path, "file": self.site.file, "line": self.site.line },
            "component": self.component,
            "fields": self.fields.iter().map(|(n, v)| ((*n).to_owned(), v.clone())).collect::<serde_json::Map<_, _>>(),
            "args": self.args,
            "hooks": self.hooks,
            "plan": self.plan,
            "cache_hit": self.cache_hit,
            "outcome": self.outcome,
            "refusal": self.refusal.as_ref().map(|r| serde_json::json!({
                "hook": r.hook(), "reason": r.reason(), "source": r.source_location(), "executed": r.executed(),
            })),
            "executed": self.executed,
            "total_ns": self.total.as_nanos() as u64,
            "work_ns": self.work.as_nanos() as u64,
            "hook_ns": self.hook_time().as_nanos() as u64,
        });
        if let Some(items) = self.items {
            json["items"] = items.into();
            json["notes_left_out"] = self.notes_left_out.into();
        }
        json
    }
}
