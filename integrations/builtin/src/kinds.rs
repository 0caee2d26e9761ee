//! The list of all kinds, and what each of them is.

use std::path::PathBuf;

use hooks_runtime::point::suggest;
use hooks_runtime::{HookRegistry, PreparedHook};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::approval::ApprovalHook;
use crate::audit::AuditHook;
use crate::caching::CachingHook;
use crate::cel::CelHook;
use crate::cost::CostHook;
use crate::debugging::DebuggingHook;
use crate::error::BuiltinError;
use crate::logging::LoggingHook;
use crate::metrics::MetricsHook;
use crate::placement::{Placement, Registered};
use crate::rate_limit::RateLimitHook;
use crate::records::RecordsHook;
use crate::redaction::RedactionHook;
use crate::retry::RetryHook;
use crate::schema::SchemaHook;

/// What a replay of recorded calls can say about the hooks of a kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Replay {
    /// They are run: what they say depends on nothing but the call.
    Runs,
    /// They have a say, which depends on other calls, on time or on people.
    Undecidable,
    /// They have no say in what happens before the body.
    Watches,
}

/// What hooks reach beside the calls that they are asked about, and whether they can let calls pass that need a
/// grant: what whoever places them has to be trusted with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Needs {
    /// Files and folders that are read.
    pub reads: Vec<PathBuf>,
    /// Files and folders that are written.
    pub writes: Vec<PathBuf>,
    /// Whether an answer may be Allow.
    pub allows: bool,
}

impl Needs {
    /// The calls, and nothing else.
    pub fn nothing() -> Self {
        Needs::default()
    }
    /// Reads that file.
    pub fn read(mut self, path: impl Into<PathBuf>) -> Self {
        self.reads.push(path.into());
        self
    }
    /// Writes that file, or beneath that folder.
    pub fn write(mut self, path: impl Into<PathBuf>) -> Self {
        self.writes.push(path.into());
        self
    }
    /// An answer may be Allow.
    pub fn allow(mut self) -> Self {
        self.allows = true;
        self
    }
}

/// Options that become hooks.
///
/// Its fields are the options of a configuration, and it has a method of the same name for each of them.
pub trait BuiltinHook: DeserializeOwned + Sized {
    /// The word for it in configurations.
    const KIND: &'static str;
    /// What a replay can say about them.
    const REPLAY: Replay;

    /// What they reach with these options. Nothing is opened for it.
    fn needs(&self) -> Needs;

    /// The hooks that it consists of.
    ///
    /// # Errors
    /// [`BuiltinError::BadOption`], and whatever keeps it from working: files that cannot be opened, rules that
    /// cannot be read.
    fn prepare(self, at: &Placement) -> Result<Vec<PreparedHook>, BuiltinError>;

    /// Registers it, all of its hooks or none.
    ///
    /// # Errors
    /// As [`BuiltinHook::prepare`], and what [`HookRegistry::register`] refuses.
    fn register(self, registry: &HookRegistry, at: Placement) -> Result<Registered, BuiltinError> {
        Ok(Registered::all(registry, self.prepare(&at)?)?)
    }
}

/// One kind, for configurations.
pub struct Kind {
    /// The word for it.
    pub name: &'static str,
    /// What a replay can say about its hooks.
    pub replay: Replay,
    needs: fn(Value) -> Result<Needs, BuiltinError>,
    prepare: fn(Value, &Placement) -> Result<Vec<PreparedHook>, BuiltinError>,
}

/// All kinds, by name.
pub const KINDS: &[Kind] = &[
    Kind::of::<ApprovalHook>(),
    Kind::of::<AuditHook>(),
    Kind::of::<CachingHook>(),
    Kind::of::<CelHook>(),
    Kind::of::<CostHook>(),
    Kind::of::<DebuggingHook>(),
    Kind::of::<LoggingHook>(),
    Kind::of::<MetricsHook>(),
    Kind::of::<RateLimitHook>(),
    Kind::of::<RecordsHook>(),
    Kind::of::<RedactionHook>(),
    Kind::of::<RetryHook>(),
    Kind::of::<SchemaHook>(),
];

/// The kind of that name.
///
/// # Errors
/// [`BuiltinError::UnknownKind`], with what was probably meant.
pub fn kind(name: &str) -> Result<&'static Kind, BuiltinError> {
    let found = KINDS.iter().find(|kind| kind.name == name);
    found.ok_or_else(|| {
        let names = || KINDS.iter().map(|kind| kind.name);
        let near = suggest(name, names());
        BuiltinError::UnknownKind {
            kind: name.into(),
            hint: near.map_or("".into(), |near| format!("; did you mean `{near}`?").into()),
            known: names().collect::<Vec<_>>().join(", ").into(),
        }
    })
}

impl Kind {
    const fn of<H: BuiltinHook>() -> Kind {
        Kind {
            name: H::KIND,
            replay: H::REPLAY,
            needs: |options| Ok(read::<H>(options)?.needs()),
            prepare: |options, at| read::<H>(options)?.prepare(at),
        }
    }

    /// What hooks of that kind reach with these options, an object. Nothing is opened for it.
    ///
    /// # Errors
    /// [`BuiltinError::BadOptions`].
    pub fn needs(&self, options: Value) -> Result<Needs, BuiltinError> {
        (self.needs)(options)
    }

    /// The hooks of that kind with these options, an object.
    ///
    /// # Errors
    /// [`BuiltinError::BadOptions`], and those of [`BuiltinHook::prepare`].
    pub fn prepare(
        &self,
        options: Value,
        at: &Placement,
    ) -> Result<Vec<PreparedHook>, BuiltinError> {
        (self.prepare)(options, at)
    }
}

fn read<H: BuiltinHook>(options: Value) -> Result<H, BuiltinError> {
    serde_json::from_value(options).map_err(|error| BuiltinError::BadOptions {
        kind: H::KIND,
        why: error.to_string().into(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_sorted_and_mistakes_are_named() {
        assert!(KINDS.is_sorted_by_key(|kind| kind.name));
        let Err(error) = kind("loging") else {
            panic!("there is no such kind");
        };
        assert!(
            error.to_string().contains("did you mean `logging`?"),
            "{error}"
        );
        let at = Placement::new("log").point("tool.*");
        let options = serde_json::json!({ "levle": "debug" });
        let Err(error) = kind("logging").and_then(|kind| kind.prepare(options, &at)) else {
            panic!("there is no such option");
        };
        assert!(
            error.to_string().contains("levle") && error.to_string().contains("level"),
            "{error}"
        );
    }

    #[test]
    fn what_hooks_reach_is_known_before_they_are_made() {
        use serde_json::json;
        let needs = |name: &str, options: Value| kind(name).unwrap().needs(options).unwrap();
        for (name, options, expected) in [
            ("logging", json!({}), Needs::nothing()),
            (
                "audit",
                json!({"path": "a.log"}),
                Needs::nothing().write("a.log"),
            ),
            (
                "records",
                json!({"path": "r.jsonl", "keep": 2}),
                Needs::nothing()
                    .write("r.jsonl")
                    .write("r.jsonl.1")
                    .write("r.jsonl.2"),
            ),
            (
                "records",
                json!({"path": "r.jsonl", "keep": 0}),
                Needs::nothing().write("r.jsonl"),
            ),
            ("debugging", json!({}), Needs::nothing()),
            (
                "debugging",
                json!({"dump_dir": "dumps"}),
                Needs::nothing().write("dumps"),
            ),
            (
                "schema",
                json!({"result_file": "r.json", "argument_files": {"a": "a.json"}}),
                Needs::nothing().read("a.json").read("r.json"),
            ),
            (
                "cel",
                json!({"rules": [{"when": "true", "then": "cancel"}]}),
                Needs::nothing(),
            ),
            (
                "cel",
                json!({"rules": [{"when": "true", "then": "allow"}]}),
                Needs::nothing().allow(),
            ),
            (
                "cel",
                json!({"rules_file": "rules.toml"}),
                Needs::nothing().read("rules.toml").allow(),
            ),
        ] {
            assert_eq!(needs(name, options.clone()), expected, "{name} {options}");
        }
    }
}
