//! `explain`: who would be asked at a point, in which order, and what pure hooks would say.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use serde::Serialize;
use serde_json::Value;

use super::hooks::HookRegistry;
use super::replay::undecided;
use super::set::HookSet;
use crate::answer::Restriction;
use crate::catalogue::sites_at;
use crate::error::HookError;
use crate::executor::{Call, Can, Scope, Wait, poll_ready};
use crate::hook::{Mode, OnFailure, Priority, Role};
use crate::pattern;
use crate::point::{HookPoint, Phase};
use crate::private::Facts;
use crate::record::{DecisionRecord, HookRecord, Outcome};
use crate::site::{ArgInfo, ArgMode, SCHEMA_VERSION, SiteFlags, SiteInfo};
use crate::view::{Access, RawPtr, RawView};

/// One hook of an [`Explanation`].
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct HookLine {
    /// The hook.
    pub hook: Box<str>,
    /// When it is asked.
    pub phase: Phase,
    /// What it may do.
    pub role: Role,
    /// Its priority.
    pub priority: Priority,
    /// What its failure in that phase means.
    pub on_failure: OnFailure,
    /// Whether its answers count.
    pub mode: Mode,
    /// Whether `explain` may run it.
    pub pure: bool,
    /// Where it was registered.
    pub source: String,
}

/// What happens at a point.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Explanation {
    /// The point.
    pub point: String,
    /// Its sites, as `path (file:line)`.
    pub sites: Vec<String>,
    /// Whether calls need a grant.
    pub closed: bool,
    /// The hooks in the order in which they are asked.
    pub hooks: Vec<HookLine>,
    /// What the pure hooks say of a call with the given arguments.
    pub rehearsal: Option<Rehearsal>,
}

/// The result of running the pure hooks of a point on given arguments.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Rehearsal {
    /// `pass`, `ask`, `cancel` or `halt`.
    pub verdict: &'static str,
    /// What would run: `run`, `replace`, `cache`, `redirect`.
    pub plan: &'static str,
    /// What each hook said; `undecidable`: it is not declared pure and did not run.
    pub said: Vec<HookRecord>,
    /// How many hooks did not run.
    pub undecidable: usize,
    /// The arguments as the hooks left them.
    pub args: Value,
}

impl HookRegistry {
    /// Who is asked at a point, in order; with arguments, also what the pure hooks among them say.
    ///
    /// The arguments are a JSON object by name; hooks see each as a [`serde_json::Value`], so hooks that want
    /// a Rust type fail here, which the rehearsal shows.
    ///
    /// # Errors
    /// The point is unknown, or the arguments are not an object.
    pub fn explain(&self, point: &str, args: Option<&Value>) -> Result<Explanation, HookError> {
        let point = HookPoint::parse(point);
        let sites = sites_at(point.name());
        if !point.is_builtin() && sites.is_empty() && !self.inner().allows_unmatched() {
            return Err(pattern::unknown(point.name()));
        }
        let info: &SiteInfo = match sites.first() {
            Some(site) => site.info(),
            None => rehearsal_site(point.name(), &[]),
        };
        let set = HookSet::build(info, self.inner(), &[]);
        let line = |phase: Phase, e: &crate::hook::Entry| HookLine {
            hook: e.meta.id.clone(),
            phase,
            role: e.role(),
            priority: e.meta.priority,
            on_failure: e.on_failure(phase),
            mode: e.meta.mode,
            pure: e.meta.pure,
            source: e.meta.source.to_string(),
        };
        Ok(Explanation {
            point: point.name().to_owned(),
            sites: sites
                .iter()
                .map(|s| s.info())
                .map(|s| format!("{} ({}:{})", s.path, s.file, s.line))
                .collect(),
            closed: set.closed,
            hooks: set.all().map(|(phase, e)| line(phase, e)).collect(),
            rehearsal: args
                .map(|args| self.rehearse(point.name(), args))
                .transpose()?,
        })
    }

    fn rehearse(&self, point: &str, args: &Value) -> Result<Rehearsal, HookError> {
        let object = args.as_object().ok_or_else(|| HookError::Configuration {
            what: "the arguments".into(),
            cause:
                "must be a JSON object of arguments by name, for example {\"params\": {\"a\": 1}}"
                    .into(),
        })?;
        let mut values: Vec<(String, Value)> =
            object.iter().map(|(k, v)| (k.clone(), v.clone())).collect();
        let names: Vec<_> = values.iter().map(|(name, _)| name.clone()).collect();
        let info = rehearsal_site(point, &names);
        let (record, restriction) =
            simulate(self, info, Facts::new(), &mut json_views(&mut values), true);
        Ok(Rehearsal {
            verdict: word(restriction),
            plan: record.plan(),
            undecidable: undecided(record.hooks()).count(),
            said: record.hooks().to_vec(),
            args: values.into_iter().collect::<serde_json::Map<_, _>>().into(),
        })
    }
}

fn json_views(values: &mut [(String, Value)]) -> Vec<RawView> {
    let view = |value: &mut Value| {
        // SAFETY: the table is for `Value`; the views are used while `values` is borrowed by the caller, who
        // looks at the values only afterwards. `Value` is `Send`.
        unsafe {
            RawView::new(
                RawPtr::new(value),
                &crate::view::JSON_TABLE,
                Access::Write,
                true,
            )
        }
    };
    values.iter_mut().map(|(_, value)| view(value)).collect()
}

/// The verdict in a word.
pub(super) fn word(restriction: Restriction) -> &'static str {
    match restriction {
        Restriction::None => "pass",
        Restriction::Ask => "ask",
        Restriction::Cancel => "cancel",
        Restriction::Halt => "halt",
    }
}

type Shape = (Box<str>, Box<[String]>);

/// A site that exists only in a rehearsal or test. It is made once for each point and list of arguments, and leaked:
/// records refer to sites as `'static`.
pub(crate) fn rehearsal_site(point: &str, args: &[String]) -> &'static SiteInfo {
    static KNOWN: Mutex<BTreeMap<Shape, &'static SiteInfo>> = Mutex::new(BTreeMap::new());
    let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    let shape = (point.into(), args.into());
    known.entry(shape).or_insert_with(|| leak_site(point, args))
}

fn leak_site(point: &str, args: &[String]) -> &'static SiteInfo {
    let leak = |text: &str| -> &'static str { Box::leak(text.to_owned().into_boxed_str()) };
    let args: Vec<ArgInfo> = args
        .iter()
        .map(|name| ArgInfo {
            name: leak(name),
            ty: "?",
            by: ArgMode::Value,
        })
        .collect();
    let flags = SiteFlags {
        repeatable: true,
        redirect: true,
        ..SiteFlags::default()
    };
    Box::leak(Box::new(SiteInfo {
        schema_version: SCHEMA_VERSION,
        point: leak(point),
        path: "(rehearsal)",
        file: "(rehearsal)",
        line: 0,
        package: "",
        version: "",
        args: Vec::leak(args),
        fields: &[],
        returns: "?",
        flags,
    }))
}

/// Steps 1 to 3 of a call that never happens.
pub(crate) fn simulate(
    registry: &HookRegistry,
    info: &'static SiteInfo,
    facts: Facts,
    args: &mut [RawView],
    rehearsal: bool,
) -> (DecisionRecord<'static>, Restriction) {
    let set = HookSet::build(info, registry.inner(), &[]);
    let can = Can::new(!info.flags.observe, true, true, true);
    let scope = Scope::here();
    let mut call = Call::begin(info, &set, &scope, facts, can, None);
    call.recording = true;
    call.rehearsal = rehearsal;
    let decided = poll_ready(async {
        call.propose(args, 0, Wait::Never).await;
        call.decide(args, None, 0, Wait::Never).await;
    });
    debug_assert!(decided.is_some(), "with `Wait::Never` nothing is pending");
    call.record_args(args);
    let restriction = call.restriction;
    if restriction > Restriction::None {
        drop(call.refuse());
    } else {
        call.finish(Outcome::Returned);
    }
    let outcome = call.outcome.unwrap_or(Outcome::Returned);
    let record = call.record(outcome).to_owned();
    // Neither a rehearsal nor a decision in a test is a call that observers should hear of.
    call.rehearsal = true;
    (record, restriction)
}
