//! `[approver]` of a configuration: who answers `Ask`.

use std::path::Path;
use std::time::Duration;

use hooks_runtime::{Approver as _, HookError, HookRegistry};
use serde::Deserialize;
use toml::{Table, Value};

use super::terminal::TerminalApprover;

/// The longest patience, in seconds: a day.
const MAX_PATIENCE_S: u64 = 24 * 60 * 60;

/// Who answers `Ask`.
///
/// ```toml
/// [approver]
/// kind = "terminal"         # at the terminal that the program was started from
/// patience_s = 60           # how long to wait for an answer, in seconds up to a day; absent: five minutes
/// ```
///
/// ```toml
/// [approver]
/// kind = "token"            # by `hookpoint approvals`, also when this program has ended
/// folder = "approvals"      # where requests are kept, relative to this file
/// expires_s = 3600          # and the other options of `TokenApprover`
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct ApproverEntry {
    /// `file:line:column`.
    pub(super) at: String,
    pub(super) table: Table,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Terminal {
    patience_s: Option<u64>,
}

impl ApproverEntry {
    pub(super) fn wrong(&self, cause: impl Into<Box<str>>) -> HookError {
        HookError::Configuration {
            what: self.at.as_str().into(),
            cause: cause.into(),
        }
    }

    /// Lets a folder be relative to the file.
    pub(super) fn resolve(&mut self, base: &Path) {
        if let Some(Value::String(folder)) = self.table.get_mut("folder")
            && !folder.is_empty()
        {
            *folder = base.join(&*folder).display().to_string();
        }
    }

    /// Makes it the approver of a registry.
    pub(super) fn install(&self, registry: &HookRegistry) -> Result<(), HookError> {
        let mut options = self.table.clone();
        let kind = options.remove("kind");
        match kind.as_ref().and_then(Value::as_str) {
            Some("terminal") => {
                let approver: Terminal = self.read(options)?;
                match approver.patience_s {
                    None => registry.set_approver(TerminalApprover),
                    Some(seconds @ 1..=MAX_PATIENCE_S) => {
                        let patience = Duration::from_secs(seconds);
                        registry.set_approver(TerminalApprover.with_patience(patience));
                    }
                    Some(_) => {
                        let why = format!("`patience_s` must be 1 to {MAX_PATIENCE_S}");
                        return Err(self.wrong(why));
                    }
                }
                Ok(())
            }
            Some("token") => self.install_token(options, registry),
            _ => Err(self.wrong("write `kind = \"terminal\"` or `kind = \"token\"`")),
        }
    }

    #[cfg(feature = "builtin")]
    fn install_token(&self, options: Table, registry: &HookRegistry) -> Result<(), HookError> {
        let approver: hooks_builtin::TokenApprover = self.read(options)?;
        let approver = approver.open();
        registry.set_approver(approver.map_err(|error| self.wrong(error.to_string()))?);
        Ok(())
    }

    #[cfg(not(feature = "builtin"))]
    fn install_token(&self, _: Table, _: &HookRegistry) -> Result<(), HookError> {
        Err(self.wrong("tokens need the feature `builtin` of the crate `hookpoint`"))
    }

    fn read<T: serde::de::DeserializeOwned>(&self, options: Table) -> Result<T, HookError> {
        let read = Value::Table(options).try_into();
        read.map_err(|error: toml::de::Error| self.wrong(error.message().replace('\n', " ")))
    }
}
