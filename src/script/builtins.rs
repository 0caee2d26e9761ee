//! `Builtin`

use hooks_builtin::KINDS;
use hooks_lua::host::{BuiltinHost, BuiltinNeeds, HostError};
use hooks_runtime::{PreparedHook, Source};
use serde_json::{Map, Value};

use crate::system::{FileCheck, HookEntry, Problem};

/// The built-in hooks, each with the words of a configuration: what a script says is read as an entry of one.
#[derive(Default)]
pub struct Builtins {
    files: FileCheck,
}

impl Builtins {
    /// Those whose files are asked about before they are read.
    pub(crate) fn checked(files: FileCheck) -> Self {
        Builtins { files }
    }
}

impl BuiltinHost for Builtins {
    fn kinds(&self) -> Vec<&'static str> {
        KINDS.iter().map(|kind| kind.name).collect()
    }

    fn needs(&self, kind: &str, options: &Map<String, Value>) -> Result<BuiltinNeeds, HostError> {
        let entry = entry(kind, options.clone(), String::new())?;
        let needs = entry.needs().map_err(said)?;
        self.files.all(&needs.reads)?;
        Ok(BuiltinNeeds {
            reads: needs.reads,
            writes: needs.writes,
            allows: needs.allows,
        })
    }

    fn prepare(
        &self,
        kind: &str,
        options: Map<String, Value>,
        source: Source,
    ) -> Result<Vec<PreparedHook>, HostError> {
        let entry = entry(kind, options, source.location.to_string())?;
        entry.prepare_from(source).map_err(said)
    }
}

fn entry(kind: &str, mut options: Map<String, Value>, at: String) -> Result<HookEntry, HostError> {
    options.insert("kind".to_owned(), kind.into());
    Ok(HookEntry::new(at, toml::Table::try_from(options)?))
}

/// Without the place, which scripts put in front of every message.
fn said(problem: Problem) -> HostError {
    HostError::message(problem.what)
}
