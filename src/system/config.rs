//! `hookpoint.toml`.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

#[cfg(feature = "builtin")]
use hooks_builtin::{RedactionHook, Registered};
use hooks_runtime::HookError;
#[cfg(feature = "builtin")]
use hooks_runtime::HookRegistry;
use serde::Deserialize;

use super::approver::ApproverEntry;
#[cfg(feature = "builtin")]
use super::entries::HookEntry;
use super::scripts::ScriptEntry;

/// What an application's policy consists of.
///
/// ```toml
/// required = ["no-etc"]          # the system does not start without these hooks
/// closed = ["tool.execute"]      # calls at these points need a grant
/// plugins = ["acme-hooks"]       # link-time hooks of other crates are not used
/// scripts = ["policy.lua"]       # loaded before the system serves, see `ScriptEntry`
///
/// [approver]                     # who answers `Ask`, see `ApproverEntry`
/// kind = "terminal"
///
/// [budgets]                      # see `HookRegistry::set_budget`
/// "tool.*" = 500                 # microseconds for all hooks of a call
///
/// [redaction]                    # what records at the level `redacted` do not show
/// keys = ["password"]
///
/// [[hook]]                       # a built-in hook, see `HookEntry`
/// kind = "logging"
/// id = "log"
/// points = ["tool.*"]
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Config {
    /// Ids of hooks without which the system does not start.
    pub required: Vec<String>,
    /// Points and patterns whose calls need a grant.
    pub closed: Vec<String>,
    /// The crates whose link-time hooks are used; absent: all.
    pub plugins: Option<Vec<String>>,
    /// Scripts to load, relative to the file.
    pub scripts: Vec<ScriptEntry>,
    /// Who answers `Ask`; absent: whom the program says.
    pub approver: Option<ApproverEntry>,
    /// How long all hooks may take in one call before lossy observers are left out, by pattern.
    pub budgets: BTreeMap<String, Duration>,
    /// What takes secrets out of records.
    #[cfg(feature = "builtin")]
    pub redaction: Option<RedactionHook>,
    /// Built-in hooks.
    #[cfg(feature = "builtin")]
    pub hooks: Vec<HookEntry>,
}

/// The file as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    #[serde(default)]
    required: Vec<String>,
    #[serde(default)]
    closed: Vec<String>,
    plugins: Option<Vec<String>>,
    #[serde(default)]
    scripts: Vec<toml::Spanned<toml::Value>>,
    approver: Option<toml::Spanned<toml::Table>>,
    /// In microseconds.
    #[serde(default)]
    budgets: BTreeMap<String, u64>,
    redaction: Option<toml::Spanned<toml::Table>>,
    #[serde(default)]
    hook: Vec<toml::Spanned<toml::Table>>,
}

impl Config {
    /// Reads a file.
    ///
    /// # Errors
    /// [`HookError::Configuration`] with file, line and column.
    pub fn read(path: impl AsRef<Path>) -> Result<Config, HookError> {
        let path = path.as_ref();
        let text = std::fs::read_to_string(path).map_err(|error| HookError::Configuration {
            what: path.display().to_string().into(),
            cause: format!("cannot be read: {error}").into(),
        })?;
        let mut config = Config::parse(&text, &path.display().to_string())?;
        let folder = path.parent().unwrap_or(Path::new(""));
        for script in &mut config.scripts {
            script.resolve(folder);
        }
        if let Some(approver) = &mut config.approver {
            approver.resolve(folder);
        }
        Ok(config)
    }

    /// Reads text; `name` stands for the file in messages.
    ///
    /// # Errors
    /// [`HookError::Configuration`] with line and column.
    pub fn parse(text: &str, name: &str) -> Result<Config, HookError> {
        let written: Written = toml::from_str(text).map_err(|error| {
            let place = error.span().map(|span| place(text, span.start));
            HookError::Configuration {
                what: format!("{name}{}", place.unwrap_or_default()).into(),
                cause: error.message().replace('\n', " ").into(),
            }
        })?;
        let at = |entry: &toml::Spanned<toml::Table>| {
            format!("{name}{}", place(text, entry.span().start))
        };
        #[cfg(not(feature = "builtin"))]
        if let Some(entry) = written.hook.first().or(written.redaction.as_ref()) {
            return Err(HookError::Configuration {
                what: at(entry).into(),
                cause: "built-in hooks need the feature `builtin` of the crate `hookpoint`".into(),
            });
        }
        Ok(Config {
            required: written.required,
            closed: written.closed,
            plugins: written.plugins,
            scripts: (written.scripts.into_iter())
                .map(|entry| {
                    let at = format!("{name}{}", place(text, entry.span().start));
                    ScriptEntry::read(at, entry.into_inner())
                })
                .collect::<Result<_, _>>()?,
            approver: written.approver.map(|entry| ApproverEntry {
                at: at(&entry),
                table: entry.into_inner(),
            }),
            budgets: (written.budgets.into_iter())
                .map(|(pattern, us)| (pattern, Duration::from_micros(us)))
                .collect(),
            #[cfg(feature = "builtin")]
            redaction: match written.redaction {
                Some(table) => Some(redaction(&at(&table), table.into_inner())?),
                None => None,
            },
            #[cfg(feature = "builtin")]
            hooks: (written.hook.into_iter())
                .map(|entry| HookEntry {
                    at: at(&entry),
                    table: entry.into_inner(),
                })
                .collect(),
        })
    }
}

#[cfg(feature = "builtin")]
impl Config {
    /// Registers what a [replay](HookRegistry::replay) can say about the entries and closed points: built-in hooks
    /// that depend on nothing but the call, and hooks that stand for those that do not and come out as undecidable.
    /// Nothing is opened or written. Scripts are not loaded.
    ///
    /// # Errors
    /// An entry or a pattern is wrong.
    pub fn register_for_replay(
        &self,
        registry: &HookRegistry,
    ) -> Result<Vec<Registered>, HookError> {
        for pattern in &self.closed {
            registry.close_point(pattern)?;
        }
        let mut hooks = Vec::new();
        for entry in &self.hooks {
            hooks.extend(entry.register_for_replay(registry)?);
        }
        Ok(hooks)
    }
}

/// The options of the kind `redaction` that are about what is found, not about where.
#[cfg(feature = "builtin")]
const REDACTION: &[&str] = &["patterns", "regexes", "keys", "replacement", "max_bytes"];

#[cfg(feature = "builtin")]
fn redaction(at: &str, table: toml::Table) -> Result<RedactionHook, HookError> {
    let wrong = |cause: String| HookError::Configuration {
        what: at.into(),
        cause: cause.into(),
    };
    if let Some(key) = table.keys().find(|key| !REDACTION.contains(&key.as_str())) {
        let known = REDACTION.join(", ");
        return Err(wrong(format!(
            "`redaction` has no option `{key}` (there are: {known})"
        )));
    }
    let hook: RedactionHook = toml::Value::Table(table)
        .try_into()
        .map_err(|error: toml::de::Error| wrong(error.message().to_owned()))?;
    // Whether it can be used is known here, where the place is.
    hook.redactor().map_err(|error| wrong(error.to_string()))?;
    Ok(hook)
}

/// `:line:column`, both from 1.
fn place(text: &str, at: usize) -> String {
    let before = &text[..at.min(text.len())];
    let line = before.matches('\n').count() + 1;
    let column = before.chars().rev().take_while(|c| *c != '\n').count() + 1;
    format!(":{line}:{column}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_mistake_has_its_place() {
        for (text, wanted) in [
            (
                "required = [\"a\"]\nclosd = []",
                ["hookpoint.toml:2:1", "closd"],
            ),
            ("required = \"a\"", ["hookpoint.toml:1:12", "sequence"]),
            ("required = [", ["hookpoint.toml:1", "array"]),
            (
                "[budgets]\n\"tool.*\" = \"5ms\"",
                ["hookpoint.toml:2:12", "u64"],
            ),
        ] {
            let error = Config::parse(text, "hookpoint.toml")
                .unwrap_err()
                .to_string();
            for part in wanted {
                assert!(error.contains(part), "{text}: {error}");
            }
        }
    }

    #[cfg(feature = "builtin")]
    #[test]
    fn redaction_has_the_options_that_say_what_is_found() {
        for (option, wanted) in [
            ("stream_text = \"/text\"", "no option `stream_text`"),
            ("patterns = [\"secret\"]", "has no pattern `secret`"),
            ("keys = 7", "sequence"),
        ] {
            let text = format!("closed = []\n\n[redaction]\n{option}");
            let error = Config::parse(&text, "hookpoint.toml")
                .unwrap_err()
                .to_string();
            let found = error.contains("hookpoint.toml:3:1") && error.contains(wanted);
            assert!(found, "{option}: {error}");
        }
        let config = Config::parse("[redaction]\nkeys = [\"pin\"]", "hookpoint.toml").unwrap();
        assert_eq!(config.redaction, Some(RedactionHook::new().keys(["pin"])));
    }

    #[test]
    fn a_missing_file_is_named() {
        let error = Config::read("no/such/hookpoint.toml")
            .unwrap_err()
            .to_string();
        assert!(error.contains("no/such/hookpoint.toml"), "{error}");
    }
}
