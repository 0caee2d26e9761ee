//! `[approver]` of a configuration: who answers `Ask`.

use std::path::Path;

use hooks_runtime::{HookError, HookRegistry};
use toml::{Table, Value};

/// Who answers `Ask`.
///
/// ```toml
/// [approver]
/// kind = "terminal"         # at the terminal that the program was started from
/// patience_s = 60           # how long to wait for an answer, and the other options of `TerminalApprover`
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
    #[cfg(feature = "builtin")]
    pub(super) fn install(&self, registry: &HookRegistry) -> Result<(), HookError> {
        use hooks_builtin::{TerminalApprover, TokenApprover};
        let mut options = self.table.clone();
        let kind = options.remove("kind");
        match kind.as_ref().and_then(Value::as_str) {
            Some("terminal") => {
                let approver: TerminalApprover = self.read(options)?;
                registry.set_approver(approver.open().map_err(|error| self.failed(&error))?);
            }
            Some("token") => {
                let approver: TokenApprover = self.read(options)?;
                registry.set_approver(approver.open().map_err(|error| self.failed(&error))?);
            }
            _ => return Err(self.wrong("write `kind = \"terminal\"` or `kind = \"token\"`")),
        }
        Ok(())
    }

    #[cfg(not(feature = "builtin"))]
    pub(super) fn install(&self, _: &HookRegistry) -> Result<(), HookError> {
        Err(self.wrong("approvers need the feature `builtin` of the crate `hookpoint`"))
    }

    #[cfg(feature = "builtin")]
    fn failed(&self, error: &hooks_builtin::ApprovalError) -> HookError {
        self.wrong(error.to_string())
    }

    #[cfg(feature = "builtin")]
    fn read<T: serde::de::DeserializeOwned>(&self, options: Table) -> Result<T, HookError> {
        let read = Value::Table(options).try_into();
        read.map_err(|error: toml::de::Error| self.wrong(error.message().replace('\n', " ")))
    }
}
