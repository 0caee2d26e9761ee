//! `scripts` of a configuration.

use std::path::Path;

use hooks_runtime::HookError;
use serde::Deserialize;

#[cfg(feature = "lua")]
use super::files::FileCheck;

/// A script of a configuration.
///
/// ```toml
/// scripts = [
///     "policy.lua",                                            # may do everything, Allow among it
///     { path = "audit.lua", allow = ["hook:tool.*:observe"] }, # may do only this
/// ]
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ScriptEntry {
    /// `file:line:column`; for a script that the program named, its path.
    at: String,
    /// The script, relative to the file.
    pub path: String,
    /// What it may do, in the words of `hooks_lua::Capability`; absent: everything.
    pub allow: Option<Vec<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    path: String,
    allow: Vec<String>,
}

impl ScriptEntry {
    /// A script that may do everything.
    pub(super) fn of(path: String) -> Self {
        ScriptEntry {
            at: path.clone(),
            path,
            allow: None,
        }
    }

    /// # Errors
    /// It is neither a path nor a table of a path and what is allowed.
    pub(super) fn read(at: String, value: toml::Value) -> Result<Self, HookError> {
        if let toml::Value::String(path) = value {
            let allow = None;
            return Ok(ScriptEntry { at, path, allow });
        }
        match value.try_into() {
            Ok(Written { path, allow }) => Ok(ScriptEntry {
                at,
                path,
                allow: Some(allow),
            }),
            Err(error) => {
                let why: toml::de::Error = error;
                let why = why.message();
                Err(wrong(
                    &at,
                    format!(
                        "a script is a path, or {{ path = \"policy.lua\", allow = [\"hook:tool.*:guard\"] }}: {why}"
                    ),
                ))
            }
        }
    }

    /// Lets the path be relative to the file.
    pub(super) fn resolve(&mut self, folder: &Path) {
        self.path = folder.join(&self.path).display().to_string();
    }

    /// What the script may do.
    ///
    /// # Errors
    /// A text is no capability.
    #[cfg(feature = "lua")]
    pub(super) fn rights(&self) -> Result<hooks_lua::Rights, HookError> {
        match &self.allow {
            None => Ok(hooks_lua::Rights::everything()),
            Some(allowed) => hooks_lua::Rights::parse(allowed)
                .map_err(|error| wrong(&self.at, format!("in `allow`: {error}"))),
        }
    }
}

/// What every script has of this crate: conditions as text are CEL, as `when` of a configuration is, and built-in
/// hooks have the words of one.
#[cfg(all(feature = "lua", feature = "builtin"))]
pub(crate) fn with_builtins(
    builder: hooks_lua::LuaEngineBuilder,
    files: &FileCheck,
) -> hooks_lua::LuaEngineBuilder {
    let builtins = crate::script::Builtins::checked(files.clone());
    builder.conditions(Cel).builtins(builtins)
}

/// Without the feature `builtin`, conditions are functions.
#[cfg(all(feature = "lua", not(feature = "builtin")))]
pub(crate) fn with_builtins(
    builder: hooks_lua::LuaEngineBuilder,
    _: &FileCheck,
) -> hooks_lua::LuaEngineBuilder {
    builder
}

#[cfg(all(feature = "lua", feature = "builtin"))]
struct Cel;

#[cfg(all(feature = "lua", feature = "builtin"))]
impl hooks_lua::host::ConditionHost for Cel {
    fn compile(
        &self,
        text: &str,
    ) -> Result<Box<dyn hooks_runtime::Condition>, hooks_lua::host::HostError> {
        Ok(Box::new(hooks_builtin::CelCondition::new(text)?))
    }
}

fn wrong(at: &str, cause: String) -> HookError {
    HookError::Configuration {
        what: at.into(),
        cause: cause.into(),
    }
}
