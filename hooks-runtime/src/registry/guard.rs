//! The handle of a registration.

use std::sync::Weak;
use std::sync::atomic::Ordering;

use super::inner::Inner;
use crate::error::HookError;
use crate::hook::Entry;

/// Keeps a hook registered: dropping it unregisters the hook.
///
/// A required hook stays registered whatever happens to its guard.
#[must_use = "dropping it unregisters the hook at once; bind it, or call `.forget()`"]
#[derive(Debug)]
pub struct HookGuard {
    registry: Weak<Inner>,
    id: Box<str>,
    entry: Weak<Entry>,
    armed: bool,
}

impl HookGuard {
    pub(crate) fn new(registry: Weak<Inner>, id: &str, entry: Weak<Entry>) -> Self {
        HookGuard {
            registry,
            id: id.into(),
            entry,
            armed: true,
        }
    }

    /// The hook's id.
    pub fn id(&self) -> &str {
        &self.id
    }

    pub(super) fn entry(&self) -> &Weak<Entry> {
        &self.entry
    }

    /// Whether the hook is gone: it was there for one call, or was unregistered by its id, and no call uses it any more.
    pub fn is_gone(&self) -> bool {
        self.entry.strong_count() == 0
    }

    /// Leaves the hook registered for as long as its registry lives.
    pub fn forget(mut self) {
        self.armed = false;
    }

    /// Asks the hook again, after [`HookGuard::disable`].
    ///
    /// # Errors
    /// [`HookError::UnknownHook`] if it is no longer registered.
    pub fn enable(&self) -> Result<(), HookError> {
        self.set_enabled(true)
    }

    /// Stops asking the hook, and keeps it registered.
    ///
    /// # Errors
    /// [`HookError::Required`] for a required hook, [`HookError::UnknownHook`] if it is no longer registered.
    pub fn disable(&self) -> Result<(), HookError> {
        self.set_enabled(false)
    }

    fn set_enabled(&self, enabled: bool) -> Result<(), HookError> {
        match self.registry.upgrade() {
            Some(registry) => registry.set_enabled(&self.id, enabled),
            None => Err(HookError::UnknownHook {
                id: self.id.clone(),
                suggestion: None,
            }),
        }
    }

    /// Unregisters the hook and waits until no call uses it any more; then what it captured is dropped.
    ///
    /// # Errors
    /// [`HookError::Required`] for a required hook, which stays.
    pub async fn close(mut self) -> Result<(), HookError> {
        self.armed = false;
        let gone = self.entry.upgrade().map(|entry| entry.gone.0.clone());
        if let Some(registry) = self.registry.upgrade() {
            registry.remove(&self.id, Some(&self.entry))?;
        }
        let Some(gone) = gone else { return Ok(()) };
        loop {
            let notified = gone.notify.notified();
            let mut notified = std::pin::pin!(notified);
            notified.as_mut().enable();
            if gone.dropped.load(Ordering::Acquire) {
                return Ok(());
            }
            notified.await;
        }
    }
}

impl Drop for HookGuard {
    fn drop(&mut self) {
        if !self.armed {
            return;
        }
        if let Some(registry) = self.registry.upgrade()
            && let Err(error) = registry.remove(&self.id, Some(&self.entry))
        {
            tracing::warn!(hook = %self.id, %error, "the guard of a hook was dropped, the hook stays");
        }
    }
}
