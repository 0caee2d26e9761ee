//! The files that a policy reads.

use std::path::Path;
use std::sync::Arc;

use hooks_runtime::HookError;

type Check = dyn Fn(&Path) -> Result<(), HookError> + Send + Sync;

/// Asked before a file is read that decides.
#[derive(Clone, Default)]
pub(crate) struct FileCheck(Option<Arc<Check>>);

impl FileCheck {
    pub(super) fn new(
        check: impl Fn(&Path) -> Result<(), HookError> + Send + Sync + 'static,
    ) -> Self {
        FileCheck(Some(Arc::new(check)))
    }

    /// # Errors
    /// The file may not be used.
    #[cfg(feature = "builtin")]
    pub(crate) fn all<'a>(
        &self,
        files: impl IntoIterator<Item = &'a (impl AsRef<Path> + ?Sized + 'a)>,
    ) -> Result<(), HookError> {
        match &self.0 {
            Some(check) => files.into_iter().try_for_each(|file| check(file.as_ref())),
            None => Ok(()),
        }
    }
}
