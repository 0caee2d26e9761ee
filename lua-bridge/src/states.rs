//! How many Lua states an engine has.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Counts states, each of which holds a handle.
#[derive(Clone, Default)]
pub(crate) struct States(Arc<AtomicUsize>);

/// In a state for as long as it lives.
pub(crate) struct StateHandle(States);

impl States {
    /// For one more state.
    pub(crate) fn handle(&self) -> StateHandle {
        self.0.fetch_add(1, Ordering::Relaxed);
        StateHandle(self.clone())
    }

    pub(crate) fn count(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

impl Drop for StateHandle {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::Relaxed);
    }
}
