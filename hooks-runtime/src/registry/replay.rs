//! `replay`: what the pure hooks of this registry would have decided about a call that another one recorded.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};

use super::explain::{Rehearsal, rehearsal_site, simulate, word};
use super::hooks::HookRegistry;
use crate::answer::Restriction;
use crate::error::HookError;
use crate::hook::{Mode, Role};
use crate::private::Facts;
use crate::record::HookRecord;
use crate::scope::HookScope;
use crate::view::{Access, JSON_TABLE, RawPtr, RawView};

/// A call, as the JSON of a [`DecisionRecord`](crate::DecisionRecord) tells of it.
#[derive(Clone, Debug, Deserialize)]
#[non_exhaustive]
pub struct RecordedCall {
    /// Unique in the process that made the record.
    pub call_id: u64,
    /// The point.
    pub point: String,
    /// The component, if the site named one.
    pub component: Option<String>,
    /// Whom the call was made for.
    #[serde(default)]
    pub principal: Option<String>,
    /// The extra facts.
    #[serde(default)]
    pub fields: Map<String, Value>,
    /// The arguments as they were sealed.
    pub args: Vec<RecordedArg>,
    /// What was carried out: `run`, `replace`, `cache`, `redirect`.
    pub plan: String,
    /// Who refused the call or withheld its result.
    pub refusal: Option<RecordedRefusal>,
}

/// One argument of a [`RecordedCall`].
#[derive(Clone, Debug, Deserialize)]
#[non_exhaustive]
pub struct RecordedArg {
    /// Its name.
    pub name: String,
    /// Its value; `None`: the record does not hold it.
    #[serde(default, deserialize_with = "some")]
    pub value: Option<Value>,
}

/// The refusal of a [`RecordedCall`].
#[derive(Clone, Debug, Deserialize)]
#[non_exhaustive]
pub struct RecordedRefusal {
    /// Who refused.
    pub hook: String,
    /// Why.
    pub reason: String,
    /// Whether the body had run: its result was withheld.
    pub executed: bool,
}

/// `null` is a value, too.
fn some<'de, D: Deserializer<'de>>(value: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(value).map(Some)
}

/// What a call would come to under other hooks, against what it came to.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case", tag = "change")]
#[non_exhaustive]
pub enum Change {
    /// The same: it passes, or the same hook refuses.
    None,
    /// It passed, and would be refused, or asked about.
    Refused {
        /// Who would.
        by: String,
        /// Why.
        reason: String,
    },
    /// It was refused, and would pass.
    Passes {
        /// Who refused it.
        was_by: String,
        /// Why.
        reason: String,
    },
    /// It was refused, and would be by somebody else.
    RefusedBy {
        /// Who refused it.
        was_by: String,
        /// Who would.
        by: String,
        /// Why.
        reason: String,
    },
    /// It passes, but something else would be carried out.
    Plan {
        /// What was carried out.
        was: String,
        /// What would be.
        plan: &'static str,
    },
    /// Hooks that cannot be run would have a say.
    Undecidable {
        /// Which, and why.
        hooks: Vec<(String, String)>,
    },
}

/// A call that was decided about once more.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Replayed {
    /// What would be another way.
    #[serde(flatten)]
    pub change: Change,
    /// What each hook said.
    pub rehearsal: Rehearsal,
}

impl HookRegistry {
    /// Asks the hooks of this registry that declared themselves `pure` about a recorded call, and compares. Nothing is
    /// carried out.
    ///
    /// Only what is decided before the body is looked at: a result is not in a record. Arguments are as they were
    /// sealed: intercepts get what they may have changed already.
    ///
    /// # Errors
    /// The record says of an argument twice what it was.
    pub fn replay(&self, call: &RecordedCall) -> Result<Replayed, HookError> {
        let mut names: Vec<String> = Vec::new();
        for arg in &call.args {
            if names.contains(&arg.name) {
                return Err(HookError::Configuration {
                    what: format!("the record of call {}", call.call_id).into(),
                    cause: format!("it has the argument `{}` twice", arg.name).into(),
                });
            }
            names.push(arg.name.clone());
        }
        let mut values: Vec<Option<Value>> = call.args.iter().map(|a| a.value.clone()).collect();
        let mut views: Vec<RawView> = values.iter_mut().map(view).collect();
        let scope = HookScope::run("replay");
        let scope = match &call.principal {
            Some(principal) => scope.principal(principal.as_str()),
            None => scope,
        };
        let info = rehearsal_site(&call.point, &names);
        let facts = match &call.component {
            Some(component) => Facts::new().component(component),
            None => Facts::new(),
        };
        let facts = (call.fields.iter()).fold(facts, |facts, (name, value)| {
            facts.field(interned(name), value.clone())
        });
        let entered = scope.enter();
        let (record, restriction) = simulate(self, info, facts, &mut views, true);
        drop((entered, views));
        let args = names.into_iter().zip(values);
        let args = args.filter_map(|(name, value)| Some((name, value?)));
        let rehearsal = Rehearsal {
            verdict: word(restriction),
            plan: record.plan(),
            undecidable: undecided(record.hooks()).count(),
            said: record.hooks().to_vec(),
            args: args.collect::<Map<_, _>>().into(),
        };
        let refusal = record
            .refusal()
            .map(|r| (r.hook().to_owned(), r.reason().to_owned()));
        Ok(Replayed {
            change: change(call, restriction, refusal, &rehearsal),
            rehearsal,
        })
    }
}

fn view(value: &mut Option<Value>) -> RawView {
    match value {
        None => RawView::unrecorded(),
        // SAFETY: the table is for `Value`; the caller uses the views while it does not touch the values. `Value` is
        // `Send`.
        Some(value) => unsafe {
            RawView::new(RawPtr::new(value), &JSON_TABLE, Access::Write, true)
        },
    }
}

/// Hooks that would count and could not be run.
pub(super) fn undecided(said: &[HookRecord]) -> impl Iterator<Item = &HookRecord> {
    said.iter().filter(|said| said.answer == "undecidable")
}

fn change(
    call: &RecordedCall,
    restriction: Restriction,
    refusal: Option<(String, String)>,
    rehearsal: &Rehearsal,
) -> Change {
    let open: Vec<&HookRecord> = undecided(&rehearsal.said)
        .filter(|said| said.mode == Mode::Enforce)
        .collect();
    // Votes only add up, so a refusal stands whatever the others would say; but an intercept could have changed what
    // was refused.
    let may_change = open.iter().any(|said| said.role == Some(Role::Intercept));
    if may_change || (restriction == Restriction::None && !open.is_empty()) {
        let why = |said: &&HookRecord| {
            let reason = said.reason.as_deref().unwrap_or("it is not declared pure");
            (said.hook.to_string(), reason.to_owned())
        };
        return Change::Undecidable {
            hooks: open.iter().map(why).collect(),
        };
    }
    // What was decided about the result is not decided again.
    let before = call.refusal.as_ref().filter(|refusal| !refusal.executed);
    match (before, refusal) {
        (None, None) if call.plan != rehearsal.plan => Change::Plan {
            was: call.plan.clone(),
            plan: rehearsal.plan,
        },
        (None, None) => Change::None,
        (None, Some((by, reason))) => Change::Refused { by, reason },
        (Some(was), None) => Change::Passes {
            was_by: was.hook.clone(),
            reason: was.reason.clone(),
        },
        (Some(was), Some((by, _))) if was.hook == by => Change::None,
        (Some(was), Some((by, reason))) => Change::RefusedBy {
            was_by: was.hook.clone(),
            by,
            reason,
        },
    }
}

/// The text for ever: names in records are `'static`, and there are few of them.
fn interned(text: &str) -> &'static str {
    static KNOWN: Mutex<Option<HashSet<&'static str>>> = Mutex::new(None);
    let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    let known = known.get_or_insert_default();
    if let Some(known) = known.get(text) {
        return known;
    }
    let leaked: &'static str = Box::leak(text.to_owned().into_boxed_str());
    known.insert(leaked);
    leaked
}
