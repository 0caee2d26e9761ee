//! Definitions of tools that must not change behind the user's back.
//!
//! What a tool is called, says of itself and takes is what a user or a model has decided by. A server that changes
//! it later (a "rug pull") is asked about: the guard `mcp.pins` at `tool.discover` asks before the changed tool is
//! shown or called, and only a definition that was let pass is remembered.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::{Mutex, MutexGuard, PoisonError};

use hooks_runtime::{HookError, HookGuard, HookRegistry, Vote};
use serde_json::Value;

/// The most tools that are remembered.
pub const MAX_PINS: usize = 100_000;

/// By server and tool, the digest of the definition that was accepted, in hexadecimal.
type Pinned = BTreeMap<String, BTreeMap<String, String>>;

/// What the definitions of tools were when they were accepted.
#[derive(Debug, Default)]
pub struct Pins {
    pinned: Mutex<Pinned>,
    file: Option<PathBuf>,
}

impl Pins {
    /// Pins that are forgotten when the program ends.
    pub fn in_memory() -> Self {
        Pins::default()
    }

    /// Pins that are kept in a file of JSON. It is made when the first tool is accepted.
    ///
    /// # Errors
    /// The file is there and cannot be read, or holds something else.
    pub fn in_file(path: impl AsRef<Path>) -> Result<Self, HookError> {
        let path = path.as_ref();
        let wrong = |cause: String| HookError::Configuration {
            what: path.display().to_string().into(),
            cause: cause.into(),
        };
        let pinned = match std::fs::read_to_string(path) {
            Ok(text) => serde_json::from_str(&text)
                .map_err(|error| wrong(format!("is no file of pinned tools: {error}")))?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Pinned::new(),
            Err(error) => return Err(wrong(format!("cannot be read: {error}"))),
        };
        Ok(Pins {
            pinned: Mutex::new(pinned),
            file: Some(path.to_owned()),
        })
    }

    /// Registers the guard that asks about changed definitions.
    ///
    /// # Errors
    /// There is a hook with the id `mcp.pins` already.
    pub fn register(self: &Arc<Self>, registry: &HookRegistry) -> Result<HookGuard, HookError> {
        let pins = Arc::clone(self);
        let guard = registry.on("mcp.pins").point("tool.discover");
        let guard = guard.describe("asks about tools whose definition has changed");
        guard.guard(move |cx| {
            // Tools of this program are what they are.
            if !cx.arg_names().any(|name| name == "definition") {
                return Ok(Vote::Pass);
            }
            let definition: &Value = cx.arg("definition")?;
            let (server, tool) = (cx.arg_json("server")?, cx.component().unwrap_or_default());
            Ok(if pins.has_changed(server.as_str().unwrap_or_default(), tool, definition) {
                Vote::ask("the server has changed the description or the parameters of this tool since it was first used: use the changed one?")
            } else {
                Vote::Pass
            })
        })
    }

    fn lock(&self) -> MutexGuard<'_, Pinned> {
        self.pinned.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn has_changed(&self, server: &str, tool: &str, definition: &Value) -> bool {
        if definition.is_null() {
            return false;
        }
        let pinned = self.lock();
        let known = pinned.get(server).and_then(|tools| tools.get(tool));
        known.is_some_and(|known| *known != digest(definition))
    }

    /// The definition, as the server gave it, was let pass.
    pub(crate) fn accept(&self, server: &str, tool: &str, definition: &Value) {
        if definition.is_null() {
            return;
        }
        let mut pinned = self.lock();
        let count: usize = pinned.values().map(BTreeMap::len).sum();
        let tools = pinned.entry(server.to_owned()).or_default();
        let digest = digest(definition);
        match tools.get_mut(tool) {
            Some(known) if *known == digest => return,
            Some(known) => *known = digest,
            None if count >= MAX_PINS => {
                tracing::warn!(server, tool, "too many tools are pinned to pin this one");
                return;
            }
            None => {
                tools.insert(tool.to_owned(), digest);
            }
        }
        if let Some(file) = &self.file
            && let Err(error) = write(file, &pinned)
        {
            tracing::error!(file = %file.display(), %error, "the pinned tools cannot be written");
        }
    }
}

/// Whole or not at all.
fn write(file: &Path, pinned: &Pinned) -> std::io::Result<()> {
    let mut new = file.as_os_str().to_owned();
    new.push(".new");
    let mut out = std::fs::File::create(&new)?;
    serde_json::to_writer_pretty(&mut out, pinned)?;
    out.write_all(b"\n")?;
    out.sync_all()?;
    std::fs::rename(&new, file)
}

/// The same for definitions that differ in the order of their keys only.
fn digest(definition: &Value) -> String {
    let mut hasher = blake3::Hasher::new();
    hasher.update(sorted(definition).to_string().as_bytes());
    hasher.finalize().to_hex().to_string()
}

fn sorted(value: &Value) -> Value {
    match value {
        Value::Object(members) => {
            let members: BTreeMap<&String, Value> = members
                .iter()
                .map(|(key, value)| (key, sorted(value)))
                .collect();
            members
                .into_iter()
                .map(|(key, value)| (key.clone(), value))
                .collect()
        }
        Value::Array(items) => items.iter().map(sorted).collect(),
        _ => value.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_file_of_pins_is_read_again() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("pins.json");
        let (tool, same, other) = (
            json!({"name": "t", "inputSchema": {"a": 1, "b": [2]}}),
            json!({"inputSchema": {"b": [2], "a": 1}, "name": "t"}),
            json!({"name": "t", "inputSchema": {"a": 1, "b": [3]}}),
        );
        Pins::in_file(&file).unwrap().accept("s", "t", &tool);
        let pins = Pins::in_file(&file).unwrap();
        assert!(!pins.has_changed("s", "t", &same));
        assert!(pins.has_changed("s", "t", &other));
        assert!(!pins.has_changed("another", "t", &other));
        assert!(!pins.has_changed("s", "t", &Value::Null));
        std::fs::write(&file, "[]").unwrap();
        let error = Pins::in_file(&file).unwrap_err().to_string();
        assert!(
            error.contains("pins.json") && error.contains("pinned tools"),
            "{error}"
        );
    }
}
