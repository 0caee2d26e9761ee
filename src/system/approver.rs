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
/// kind = "webhook"          # by a service, over HTTP; needs the feature `webhook`
/// url = "https://desk.example/approvals"
/// secret_env = "DESK_SECRET" # and the other options of `WebhookApprover`
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

    /// The variable of the environment that has the approver's secret, if one is named: programs that are started by
    /// this one need not have it.
    pub fn secret_variable(&self) -> Option<&str> {
        self.table.get("secret_env").and_then(Value::as_str)
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
            Some("webhook") => self.install_webhook(options, registry)?,
            _ => {
                let why = "write `kind = \"terminal\"`, `kind = \"webhook\"` or `kind = \"token\"`";
                return Err(self.wrong(why));
            }
        }
        Ok(())
    }

    #[cfg(feature = "webhook")]
    fn install_webhook(&self, options: Table, registry: &HookRegistry) -> Result<(), HookError> {
        let approver: hooks_builtin::WebhookApprover = self.read(options)?;
        registry.set_approver(approver.open().map_err(|error| self.failed(&error))?);
        Ok(())
    }

    #[cfg(all(feature = "builtin", not(feature = "webhook")))]
    fn install_webhook(&self, _: Table, _: &HookRegistry) -> Result<(), HookError> {
        Err(self.wrong("webhooks need the feature `webhook` of the crate `hookpoint`"))
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
