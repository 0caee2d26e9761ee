//! `[[hook]]` of a configuration: built-in hooks, entry by entry.

use hooks_builtin::{BuiltinError, CelCondition, Placement, Registered, Replay, kind};
use hooks_runtime::{HookRegistry, OnFailure, PreparedHook, Priority, Source};
use serde::Deserialize;
use toml::{Table, Value};

use super::files::FileCheck;

/// One built-in hook of a configuration.
///
/// ```toml
/// [[hook]]
/// kind = "logging"          # which built-in hook
/// id = "log"                # its id in records, refusals and lists
/// points = ["tool.*"]       # where it is asked
/// components = ["shell"]    # only for these components; absent: all
/// when = "args.path != ''"  # only for calls for which this holds, in CEL; absent: all
/// priority = "high"         # highest, high, normal, low, lowest, or a number
/// on_failure = "closed"     # or "open", with allow_open = true beside it
/// mode = "enforce"          # or "shadow": its answers are recorded and never count
/// required = true           # the system does not start without it
/// level = "debug"           # and the options of its kind
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct HookEntry {
    /// `file:line:column`.
    pub(super) at: String,
    pub(super) table: Table,
}

/// What is wrong with one entry of a configuration, which is left out.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Problem {
    /// `file:line:column` of the entry.
    pub at: String,
    /// What is wrong, and what to write instead.
    pub what: String,
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.at, self.what)
    }
}

/// What every kind has.
#[derive(Deserialize)]
struct Common {
    kind: String,
    id: String,
    points: Vec<String>,
    #[serde(default)]
    components: Vec<String>,
    when: Option<String>,
    priority: Option<Order>,
    on_failure: Option<Failure>,
    #[serde(default)]
    allow_open: bool,
    #[serde(default)]
    mode: Mode,
    #[serde(default, rename = "required")]
    _required: bool,
}

const COMMON: &[&str] = &[
    "kind",
    "id",
    "points",
    "components",
    "when",
    "priority",
    "on_failure",
    "allow_open",
    "mode",
    "required",
];

#[derive(Deserialize)]
#[serde(untagged)]
enum Order {
    Number(i32),
    Word(Word),
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Word {
    Highest,
    High,
    Normal,
    Low,
    Lowest,
}

#[derive(PartialEq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Failure {
    Open,
    Closed,
}

#[derive(Default, PartialEq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Mode {
    #[default]
    Enforce,
    Shadow,
}

impl HookEntry {
    /// An entry that stands somewhere else than in a file; `at` is where.
    #[cfg(feature = "lua")]
    pub(crate) fn new(at: String, table: Table) -> Self {
        HookEntry { at, table }
    }

    /// Whether the system may not start without it. What cannot be read as `false` is meant to be `true`.
    pub(super) fn is_required(&self) -> bool {
        let required = self.table.get("required");
        required.is_some_and(|required| *required != Value::Boolean(false))
    }

    fn problem(&self, what: String) -> Problem {
        Problem {
            at: self.at.clone(),
            what,
        }
    }

    /// What all kinds have in common, and the options of this one.
    fn read(&self) -> Result<(Common, serde_json::Value), Problem> {
        let (common, options): (Table, Table) =
            (self.table.clone().into_iter()).partition(|(key, _)| COMMON.contains(&key.as_str()));
        let common: Common = Value::Table(common)
            .try_into()
            .map_err(|error: toml::de::Error| self.problem(error.message().to_owned()))?;
        if common.on_failure == Some(Failure::Open) && !common.allow_open {
            return Err(self.problem(
                "`on_failure = \"open\"` lets calls pass when the hook fails: write `allow_open = true` beside it if that is meant".into(),
            ));
        }
        let options = serde_json::to_value(options);
        Ok((
            common,
            options.map_err(|error| self.problem(error.to_string()))?,
        ))
    }

    /// # Errors
    /// One of the files that its hooks read may not be used.
    pub(super) fn check_files(&self, check: &FileCheck) -> Result<(), Problem> {
        let checked = check.all(&self.needs()?.reads);
        checked.map_err(|error| self.problem(error.to_string()))
    }

    /// What its hooks reach.
    pub(crate) fn needs(&self) -> Result<hooks_builtin::Needs, Problem> {
        let (common, options) = self.read()?;
        let needs = kind(&common.kind).and_then(|kind| kind.needs(options));
        needs.map_err(|error| self.problem(error.to_string()))
    }

    /// Its hooks.
    pub(super) fn prepare(&self) -> Result<Vec<PreparedHook>, Problem> {
        self.prepare_from(Source::configuration(self.at.clone()))
    }

    /// Its hooks, written by somebody else than a configuration.
    pub(crate) fn prepare_from(&self, source: Source) -> Result<Vec<PreparedHook>, Problem> {
        let (common, options) = self.read()?;
        let prepared = kind(&common.kind)
            .and_then(|kind| kind.prepare(options, &self.placement(&common, source)?));
        prepared.map_err(|error: BuiltinError| self.problem(error.to_string()))
    }

    fn placement(&self, common: &Common, source: Source) -> Result<Placement, BuiltinError> {
        let placement = Placement::new(common.id.as_str()).source(source);
        let points = common.points.iter().map(String::as_str);
        let placement = points.fold(placement, Placement::point);
        let components = common.components.iter().map(String::as_str);
        let mut placement = components.fold(placement, Placement::component);
        if let Some(when) = &common.when {
            placement = placement.when(CelCondition::new(when)?);
        }
        if let Some(order) = &common.priority {
            placement = placement.priority(match order {
                Order::Number(number) => Priority(*number),
                Order::Word(Word::Highest) => Priority::HIGHEST,
                Order::Word(Word::High) => Priority::HIGH,
                Order::Word(Word::Normal) => Priority::NORMAL,
                Order::Word(Word::Low) => Priority::LOW,
                Order::Word(Word::Lowest) => Priority::LOWEST,
            });
        }
        if let Some(failure) = &common.on_failure {
            placement = placement.on_failure(match failure {
                Failure::Open => OnFailure::Open,
                Failure::Closed => OnFailure::Closed,
            });
        }
        Ok(match common.mode {
            Mode::Enforce => placement,
            Mode::Shadow => placement.shadow(),
        })
    }

    /// Registers what a replay can say about it: hooks that depend on nothing but the call, and hooks that stand for
    /// those that do not. Nothing is opened or written.
    pub(super) fn register_for_replay(
        &self,
        registry: &HookRegistry,
    ) -> Result<Option<Registered>, Problem> {
        let (common, options) = self.read()?;
        let kind = kind(&common.kind).map_err(|error| self.problem(error.to_string()))?;
        let placement = self.placement(&common, Source::configuration(self.at.clone()));
        let placement = placement.map_err(|error| self.problem(error.to_string()))?;
        let hooks = match kind.replay {
            Replay::Watches => return Ok(None),
            Replay::Runs => kind.prepare(options, &placement),
            _ => Ok(vec![PreparedHook::guard(
                placement.only(Priority::NORMAL),
                |_| Err("it is not run in a replay".into()),
            )]),
        };
        let hooks = hooks.map_err(|error| self.problem(error.to_string()))?;
        let registered = Registered::all(registry, hooks);
        registered
            .map(Some)
            .map_err(|error| self.problem(error.to_string()))
    }

    /// Registers its hooks, all or none.
    pub(super) fn register(&self, registry: &HookRegistry) -> Result<Registered, Problem> {
        let registered = Registered::all(registry, self.prepare()?);
        registered.map_err(|error| self.problem(error.to_string()))
    }
}
