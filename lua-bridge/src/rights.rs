//! What a script may do: what its operator grants, cut down to what its manifest asks for.

mod capability;

use std::sync::Arc;

use hooks_runtime::point::suggest;
use mlua::Lua;

use crate::bind::{ApiError, ApiResult};
use crate::error::{LuaError, ScriptError};

pub(crate) use capability::Access;
pub use capability::{Capability, CapabilityError};

/// A set of capabilities, for [`LuaEngineBuilder::grant`](crate::LuaEngineBuilder::grant).
///
/// ```
/// use hooks_lua::{LuaEngine, Rights};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let engine = LuaEngine::builder().grant(Rights::parse(["hook:tool.*:observe"])?).build();
/// let script = engine.load_source("policy.lua", r#"
///     Hook.register("tool.execute", function(ctx) end, {role = "guard"})
/// "#)?;
/// # let runtime = tokio::runtime::Builder::new_current_thread().build()?;
/// let error = runtime.block_on(script.execute()).unwrap_err().to_string();
/// assert!(error.contains("hook:tool.execute:guard"), "{error}");
/// # Ok(()) }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rights(Vec<Capability>);

/// The word that stands for [`Rights::standard`].
const STANDARD: &str = "standard";

impl Rights {
    /// No capability.
    pub fn none() -> Self {
        Rights(Vec::new())
    }

    /// Hooks, events, calls at points of its own, tools, agents and workflows, but no Allow and no files: what a script
    /// gets that its operator chose himself.
    pub fn standard() -> Self {
        Rights(Capability::standard().to_vec())
    }

    /// Every capability, Allow and files among them; calls at points that functions of the program have are still to
    /// be granted by name, as `call:shop.*`.
    pub fn everything() -> Self {
        let mut rights = Rights::standard();
        rights.0.push(Capability::grant(">"));
        rights.0.push(Capability::file(Access::Read, "*"));
        rights.0.push(Capability::file(Access::Write, "*"));
        rights
    }

    /// Reads capabilities; the word `standard` stands for those of [`Rights::standard`].
    ///
    /// # Errors
    /// The first text that is no capability.
    pub fn parse<T: AsRef<str>>(
        texts: impl IntoIterator<Item = T>,
    ) -> Result<Self, CapabilityError> {
        let mut rights = Rights::none();
        for text in texts {
            match text.as_ref().trim() {
                STANDARD => rights.0.extend(Rights::standard().0),
                text => rights.0.push(text.parse()?),
            }
        }
        Ok(rights)
    }

    /// Whether they allow all that the capability allows.
    pub fn allow(&self, wanted: &Capability) -> bool {
        self.0.iter().any(|capability| capability.covers(wanted))
    }

    /// As they are written.
    pub fn to_strings(&self) -> Vec<String> {
        self.0.iter().map(Capability::to_string).collect()
    }
}

/// The rights of one script, kept in its state.
pub(crate) struct ScriptRights {
    script: Box<str>,
    granted: Rights,
    /// What the script says that it needs; nothing: it says nothing.
    manifest: Option<Rights>,
}

impl ScriptRights {
    /// # Errors
    /// A line of the manifest is wrong.
    pub(crate) fn read(script: &str, source: &str, granted: &Rights) -> Result<Self, ScriptError> {
        let manifest = manifest(source).map_err(|(line, why)| {
            ScriptError::Manifest(LuaError::new(format!("{script}:{line}: {why}")))
        })?;
        Ok(ScriptRights {
            script: script.into(),
            granted: granted.clone(),
            manifest,
        })
    }

    /// Keeps them in the state.
    pub(crate) fn install(self, lua: &Lua) {
        lua.set_app_data(Arc::new(self));
    }

    /// Those of the script that runs in this state.
    pub(crate) fn of(lua: &Lua) -> ApiResult<Arc<Self>> {
        let rights = lua.app_data_ref::<Arc<ScriptRights>>();
        // A state without any is not one of a script: nothing may be done in it.
        let rights = rights.ok_or("this state has no rights")?;
        Ok(Arc::clone(&rights))
    }

    /// Fails if the script may not do that, and says who can change it.
    pub(crate) fn check(&self, what: &str, wanted: &Capability) -> ApiResult<()> {
        let script = &self.script;
        if !self.granted.allow(wanted) {
            return Err(ApiError::Said(format!(
                "{what}: `{script}` lacks the capability `{wanted}`; its operator grants it with `--allow {wanted}`, with `scripts = [{{ path = \"{script}\", allow = [\"{wanted}\"] }}]` in the configuration, or with `LuaEngineBuilder::grant`"
            )));
        }
        match &self.manifest {
            Some(manifest) if !manifest.allow(wanted) => Err(ApiError::Said(format!(
                "{what}: `{script}` does not ask for the capability `{wanted}`: add the line `-- @capability {wanted}` to its manifest, the comments at its top"
            ))),
            _ => Ok(()),
        }
    }

    /// What is granted, and what the manifest asks for.
    pub(crate) fn shown(&self) -> serde_json::Value {
        serde_json::json!({
            "granted": self.granted.to_strings(),
            "asked": self.manifest.as_ref().map(Rights::to_strings),
        })
    }
}

/// Fails if the script may not do that.
pub(crate) fn check(lua: &Lua, what: &str, wanted: &Capability) -> ApiResult<()> {
    ScriptRights::of(lua)?.check(what, wanted)
}

/// The lines `-- @capability …` among the comments before the first code. On a mistake, its line and what is wrong.
fn manifest(source: &str) -> Result<Option<Rights>, (usize, String)> {
    const WORD: &str = "capability";
    let mut found: Option<Rights> = None;
    for (at, line) in source.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || (at == 0 && line.starts_with("#!")) {
            continue;
        }
        let Some(comment) = line.strip_prefix("--") else {
            break;
        };
        let Some(said) = comment.trim_start_matches('-').trim().strip_prefix('@') else {
            continue;
        };
        let mut words = said.split([' ', '\t', ',']).filter(|word| !word.is_empty());
        let word = words.next().unwrap_or_default();
        if word != WORD {
            // A misspelt line would take nothing away from the script.
            if suggest(word, [WORD]).is_some() || word.starts_with("cap") {
                return Err((at + 1, format!("write `@{WORD}`, not `@{word}`")));
            }
            continue;
        }
        let read = Rights::parse(words).map_err(|error| (at + 1, error.to_string()))?;
        if read.0.is_empty() {
            return Err((
                at + 1,
                format!("`@{WORD}` without any; write for example `-- @{WORD} hook:tool.*:guard`"),
            ));
        }
        found.get_or_insert_with(Rights::none).0.extend(read.0);
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_standard_set_is_everything_but_allow() {
        let standard = Rights::standard().to_strings();
        assert_eq!(Rights::parse(&standard), Ok(Rights::standard()));
        assert_eq!(
            Rights::parse(["standard", "grant:>", "fs:read:*", "fs:write:*"]),
            Ok(Rights::everything())
        );
        let grant = Capability::grant("tool.execute");
        assert!(Rights::everything().allow(&grant) && !Rights::standard().allow(&grant));
    }

    #[test]
    fn a_manifest_is_the_comments_at_the_top() {
        let source = "--!strict\n-- Keeps tools in the workspace.\n-- @capability hook:tool.*:guard, tool:calculator\n\n--- @capability event:publish:app.>\nlocal x = 1\n-- @capability grant:>\n";
        let found = manifest(source).unwrap().unwrap();
        assert_eq!(
            found.to_strings(),
            [
                "hook:tool.*:guard",
                "tool:calculator",
                "event:publish:app.>"
            ]
        );
        assert_eq!(manifest("-- @param x\nreturn 1"), Ok(None));
    }

    #[test]
    fn a_wrong_manifest_says_the_line() {
        for (source, line, why) in [
            ("\n-- @capability hook:tool.*", 2, "names no role"),
            ("-- @capabilty hook:tool.*:guard", 1, "write `@capability`"),
            ("-- @capability", 1, "without any"),
        ] {
            let (at, said) = manifest(source).unwrap_err();
            assert!(at == line && said.contains(why), "{source}: {at} {said}");
        }
    }
}
