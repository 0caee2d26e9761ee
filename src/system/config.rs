//! `hookpoint.toml`.

use std::path::Path;

use hooks_runtime::HookError;
use serde::Deserialize;

use super::approver::ApproverEntry;
#[cfg(feature = "builtin")]
use super::entries::HookEntry;

/// What an application's policy consists of.
///
/// ```toml
/// required = ["no-etc"]          # the system does not start without these hooks
/// closed = ["tool.execute"]      # calls at these points need a grant
/// plugins = ["acme-hooks"]       # link-time hooks of other crates are not used
/// scripts = ["policy.lua"]       # loaded before the system serves, relative to this file
///
/// [approver]                     # who answers `Ask`, see `ApproverEntry`
/// kind = "terminal"
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
    pub scripts: Vec<String>,
    /// Who answers `Ask`; absent: whom the program says.
    pub approver: Option<ApproverEntry>,
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
    scripts: Vec<String>,
    approver: Option<toml::Spanned<toml::Table>>,
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
            *script = folder.join(&*script).display().to_string();
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
        if let Some(entry) = written.hook.first() {
            return Err(HookError::Configuration {
                what: at(entry).into(),
                cause: "built-in hooks need the feature `builtin` of the crate `hookpoint`".into(),
            });
        }
        Ok(Config {
            required: written.required,
            closed: written.closed,
            plugins: written.plugins,
            scripts: written.scripts,
            approver: written.approver.map(|entry| ApproverEntry {
                at: at(&entry),
                table: entry.into_inner(),
            }),
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
        ] {
            let error = Config::parse(text, "hookpoint.toml")
                .unwrap_err()
                .to_string();
            for part in wanted {
                assert!(error.contains(part), "{text}: {error}");
            }
        }
    }

    #[test]
    fn a_missing_file_is_named() {
        let error = Config::read("no/such/hookpoint.toml")
            .unwrap_err()
            .to_string();
        assert!(error.contains("no/such/hookpoint.toml"), "{error}");
    }
}
