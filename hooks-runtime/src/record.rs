//! The record of one call: who decided what, where in the source, how long it took.

mod args;

use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant, SystemTime};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::answer::Restriction;
use crate::clock::Clock;
use crate::executor::{Said, plain};
use crate::hook::{Entry, Mode, Role};
use crate::point::Phase;
use crate::private::Facts;
use crate::refusal::HookRefusal;
use crate::site::SiteInfo;

pub use args::{ArgLevel, ArgRecord, Redactor, ShapeOnly};
pub(crate) use args::{Levels, SealedArg};

/// Version of the record's form; it grows when a field changes its meaning.
pub const SCHEMA_VERSION: u32 = 2;

/// How a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
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
    /// How long it took, if that was measured: for asynchronous hooks and those with a timeout always, for others if
    /// a sink takes every record of the point.
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
///
/// Observers are told of every call, and most of them look at little: so what is costly to make (what each hook
/// said, the arguments, the correlation id, the time) is made when it is asked for. Such a record borrows from
/// the call; [`DecisionRecord::to_owned`] is one to keep.
///
/// ```
/// use std::sync::{Arc, Mutex};
/// use hooks_runtime::{DecisionRecord, hooks};
///
/// let kept: Arc<Mutex<Vec<DecisionRecord<'static>>>> = Arc::default();
/// let list = kept.clone();
/// let _observer = hooks().observe("keep", "tool.*", move |record| {
///     list.lock().unwrap().push(record.to_owned());
/// })?;
/// # Ok::<(), hooks_runtime::HookError>(())
/// ```
pub struct DecisionRecord<'a> {
    pub(crate) brief: Brief,
    /// `None`: all of it was made.
    pub(crate) lent: Option<Lent<'a>>,
    /// How much of the arguments the one who gets it wants.
    pub(crate) level: ArgLevel,
    /// Lossy observers that were not told, see [`DecisionRecord::shed`].
    pub(crate) shed: u32,
    made: OnceLock<Box<Made>>,
    total: OnceLock<Duration>,
}

/// What costs nothing to write down.
#[derive(Clone, Copy)]
pub(crate) struct Brief {
    pub(crate) call_id: u64,
    pub(crate) parent: u64,
    pub(crate) root: u64,
    pub(crate) attempts: u32,
    pub(crate) items: Option<u64>,
    pub(crate) site: &'static SiteInfo,
    pub(crate) notes_left_out: u64,
    pub(crate) plan: &'static str,
    pub(crate) cache_hit: bool,
    pub(crate) outcome: Outcome,
    pub(crate) executed: bool,
    pub(crate) started: Option<Instant>,
    /// Time in the body, if it was measured.
    pub(crate) work: Option<Duration>,
    pub(crate) waited: Duration,
}

/// What the rest is made from.
#[derive(Clone, Copy)]
pub(crate) struct Lent<'a> {
    pub(crate) facts: &'a Facts,
    pub(crate) correlation: Option<&'a Arc<str>>,
    pub(crate) principal: Option<&'a Arc<str>>,
    pub(crate) clock: &'a Clock,
    /// Who let the call pass, one after the other, before anything was said.
    pub(crate) passed: Passed<'a>,
    pub(crate) said: &'a [Said<'a>],
    pub(crate) args: &'a [SealedArg],
    pub(crate) refusal: Option<&'a HookRefusal>,
}

/// Hooks that were asked and had nothing to say.
#[derive(Clone, Copy, Default)]
pub(crate) struct Passed<'a> {
    pub(crate) before: &'a [Arc<Entry>],
    pub(crate) after: &'a [Arc<Entry>],
    pub(crate) failed: bool,
}

/// What is made when it is asked for.
#[derive(Clone)]
struct Made {
    correlation_id: Arc<str>,
    principal: Option<Arc<str>>,
    component: Option<Box<str>>,
    fields: Vec<(&'static str, Value)>,
    /// Of a record that borrows nothing.
    args: Vec<ArgRecord>,
    hooks: Vec<HookRecord>,
    refusal: Option<HookRefusal>,
    at: SystemTime,
}

impl<'a> DecisionRecord<'a> {
    #[inline]
    pub(crate) fn new(brief: Brief, lent: Lent<'a>) -> Self {
        DecisionRecord {
            brief,
            lent: Some(lent),
            level: ArgLevel::Names,
            shed: 0,
            made: OnceLock::new(),
            total: OnceLock::new(),
        }
    }

    fn made(&self) -> &Made {
        self.made.get_or_init(|| {
            let lent = self.lent.as_ref();
            Box::new(
                lent.expect("a record that borrows nothing was made")
                    .make(self),
            )
        })
    }

    /// The same, all of it made, so that it can be kept. It holds as much of the arguments as this one shows.
    #[allow(
        clippy::should_implement_trait,
        reason = "`ToOwned` cannot change a lifetime"
    )]
    pub fn to_owned(&self) -> DecisionRecord<'static> {
        DecisionRecord {
            brief: self.brief,
            lent: None,
            level: self.level,
            shed: self.shed,
            made: Box::new(Made {
                args: self.args(),
                ..self.made().clone()
            })
            .into(),
            total: self.elapsed().into(),
        }
    }

    /// Unique in the process.
    pub fn call_id(&self) -> u64 {
        self.brief.call_id
    }
    /// The call that this one was made in.
    pub fn parent_id(&self) -> Option<u64> {
        (self.brief.parent != 0).then_some(self.brief.parent)
    }
    /// The same for all calls of one run or root call.
    pub fn correlation_id(&self) -> &Arc<str> {
        let given = self.lent.as_ref().and_then(|lent| lent.correlation);
        given.unwrap_or_else(|| &self.made().correlation_id)
    }
    /// Whom the call was made for, if a scope says so.
    pub fn principal(&self) -> Option<&str> {
        match &self.lent {
            Some(lent) => lent.principal.map(|name| &**name),
            None => self.made().principal.as_deref(),
        }
    }
    /// How many times the body was tried, 1 for the first.
    pub fn attempts(&self) -> u32 {
        self.brief.attempts
    }
    /// At the site of a stream: how many items the caller got, not counting one that stands for a refusal.
    pub fn items(&self) -> Option<u64> {
        self.brief.items
    }
    /// The annotated function.
    pub fn site(&self) -> &'static SiteInfo {
        self.brief.site
    }
    /// The point's name.
    pub fn point(&self) -> &'static str {
        self.brief.site.point
    }
    /// The component, if the site names one.
    pub fn component(&self) -> Option<&str> {
        match &self.lent {
            Some(lent) => lent.facts.named(),
            None => self.made().component.as_deref(),
        }
    }
    /// The extra facts.
    pub fn fields(&self) -> &[(&'static str, Value)] {
        match &self.lent {
            Some(lent) => lent.facts.fields(),
            None => &self.made().fields,
        }
    }
    /// The arguments as sealed: names and types, and more if the taker of the record wants more ([`ArgLevel`]: of an
    /// observer [`HookMetadata::record_args`](crate::HookMetadata::record_args), of a sink
    /// [`Wants::args`](crate::Wants::args)) and the call was not over before it was decided on.
    pub fn args(&self) -> Vec<ArgRecord> {
        let Some(lent) = &self.lent else {
            return self.made().args.clone();
        };
        let mut sealed = lent.args.iter();
        let of = |info| match sealed.next() {
            Some(arg) => arg.at(self.level, info),
            None => ArgRecord::named(info),
        };
        self.site().args.iter().map(of).collect()
    }
    /// How many observers that are `lossy` were not told of this call, because the hooks of the point were over their
    /// time budget. Complete for sinks, which are told last.
    pub fn shed(&self) -> u32 {
        self.shed
    }
    /// What the hooks said, in the order in which they were asked.
    pub fn hooks(&self) -> &[HookRecord] {
        &self.made().hooks
    }
    /// How much hooks said about items of a stream that is not in `hooks`: of each stream, the first 64 notes of
    /// hooks that let an item pass are kept, and the first 64 of hooks that did something. What ends a call is
    /// always kept.
    pub fn notes_left_out(&self) -> u64 {
        self.brief.notes_left_out
    }
    /// `run`, `replace`, `cache`, `redirect`.
    pub fn plan(&self) -> &'static str {
        self.brief.plan
    }
    /// Whether the answer came from the cache.
    pub fn cache_hit(&self) -> bool {
        self.brief.cache_hit
    }
    /// How it ended.
    pub fn outcome(&self) -> Outcome {
        self.brief.outcome
    }
    /// The refusal, if hooks refused.
    pub fn refusal(&self) -> Option<&HookRefusal> {
        match &self.lent {
            Some(lent) => lent.refusal,
            None => self.made().refusal.as_ref(),
        }
    }
    /// Whether the body ran.
    pub fn executed(&self) -> bool {
        self.brief.executed
    }
    /// When it was done.
    pub fn at(&self) -> SystemTime {
        self.made().at
    }
    /// From the first hook to the outcome; zero if nothing measured it.
    ///
    /// Unless a sink takes every record of the point, the time of the outcome is taken when somebody first asks, so
    /// for the observers after the first it may hold what those before them took.
    pub fn elapsed(&self) -> Duration {
        *self
            .total
            .get_or_init(|| match (&self.lent, self.brief.started) {
                (Some(lent), Some(started)) => lent.clock.now().saturating_duration_since(started),
                _ => Duration::ZERO,
            })
    }
    /// Time in the body, nested calls included; `None` unless a sink takes every record of the point: two more
    /// looks at a clock cost more than most hooks.
    pub fn work(&self) -> Option<Duration> {
        self.brief.work
    }
    /// Time spent waiting for an approver, for the next attempt, or for the caller of a stream to ask for the
    /// next item.
    pub fn waited(&self) -> Duration {
        self.brief.waited
    }
    /// The time that hooks took; `None` where [`DecisionRecord::work`] is.
    pub fn hook_time(&self) -> Option<Duration> {
        let rest = self.elapsed().saturating_sub(self.work()?);
        Some(rest.saturating_sub(self.waited()))
    }
    /// The time that hooks took until now, observers that were told already included.
    pub(crate) fn hook_time_so_far(&self) -> Duration {
        let (Some(lent), Some(started)) = (&self.lent, self.brief.started) else {
            return Duration::ZERO;
        };
        let spent = lent.clock.now().saturating_duration_since(started);
        spent.saturating_sub(self.brief.work.unwrap_or_default() + self.brief.waited)
    }
    /// The record as one JSON object.
    pub fn to_json(&self) -> Value {
        let ns = |d: Duration| u64::try_from(d.as_nanos()).unwrap_or(u64::MAX);
        let field = |(name, value): &(&str, Value)| ((*name).to_owned(), value.clone());
        let mut json = serde_json::json!({
            "schema_version": SCHEMA_VERSION,
            "call_id": self.call_id(),
            "parent_id": self.parent_id(),
            "correlation_id": &**self.correlation_id(),
            "attempts": self.attempts(),
            "point": self.point(),
            "site": { "path": self.site().path, "file": self.site().file, "line": self.site().line },
            "at_ms": since_epoch_ms(self.at()),
            "component": self.component(),
            "principal": self.principal(),
            "fields": self.fields().iter().map(field).collect::<serde_json::Map<_, _>>(),
            "args": self.args(),
            "hooks": self.hooks(),
            "plan": self.plan(),
            "cache_hit": self.cache_hit(),
            "outcome": self.outcome(),
            "refusal": self.refusal().map(|r| serde_json::json!({
                "hook": r.hook(), "reason": r.reason(), "source": r.source_location(), "executed": r.executed(),
            })),
            "executed": self.executed(),
            "total_ns": ns(self.elapsed()),
            "work_ns": self.work().map(ns),
            "hook_ns": self.hook_time().map(ns),
        });
        if let Some(items) = self.items() {
            json["items"] = items.into();
            json["notes_left_out"] = self.notes_left_out().into();
        }
        if self.shed > 0 {
            json["shed"] = self.shed.into();
        }
        json
    }
}

/// 0 if the clock of the system is set to a time before 1970.
fn since_epoch_ms(at: SystemTime) -> u64 {
    let since = at
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

impl Clone for DecisionRecord<'static> {
    fn clone(&self) -> Self {
        self.to_owned()
    }
}

/// As [`DecisionRecord::to_json`].
impl Serialize for DecisionRecord<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.to_json().serialize(serializer)
    }
}

impl std::fmt::Debug for DecisionRecord<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DecisionRecord")
            .field("point", &self.point())
            .field("component", &self.component())
            .field("call_id", &self.call_id())
            .field("outcome", &self.outcome())
            .field("plan", &self.plan())
            .field("refusal", &self.refusal())
            .field("elapsed", &self.elapsed())
            .field("hooks", &self.hooks())
            .finish_non_exhaustive()
    }
}

impl Lent<'_> {
    fn make(&self, record: &DecisionRecord<'_>) -> Made {
        // The system's time is not asked for in each call: from the end of this one it is some time ago.
        let end = record
            .brief
            .started
            .map(|started| started + record.elapsed());
        let ago = end.map_or(Duration::ZERO, |end| {
            self.clock.now().saturating_duration_since(end)
        });
        Made {
            correlation_id: match self.correlation {
                Some(id) => id.clone(),
                None => format!("call-{}", record.brief.root).into(),
            },
            principal: self.principal.cloned(),
            component: self.facts.named().map(Into::into),
            fields: self.facts.fields().to_vec(),
            args: Vec::new(),
            hooks: self
                .passed
                .hooks()
                .chain(self.said.iter().map(Said::record))
                .collect(),
            refusal: self.refusal.cloned(),
            at: SystemTime::now() - ago,
        }
    }
}

impl Passed<'_> {
    fn hooks(&self) -> impl Iterator<Item = HookRecord> {
        let of = |list: &'_ [Arc<Entry>], phase| {
            let said = move |entry: &Arc<Entry>| plain(entry, phase, "continue", None).record();
            list.iter().map(said).collect::<Vec<_>>()
        };
        let phase = if self.failed {
            Phase::Error
        } else {
            Phase::Post
        };
        of(self.before, Phase::Pre)
            .into_iter()
            .chain(of(self.after, phase))
    }
}
