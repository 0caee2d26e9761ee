//! What hooks keep for the program to look at, by the id of the hook.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

/// Finds what a hook keeps for as long as it is registered; a later hook of the same id displaces an earlier one.
pub(crate) struct Live<T>(Mutex<BTreeMap<String, Weak<T>>>);

impl<T> Live<T> {
    pub(crate) const fn new() -> Self {
        Live(Mutex::new(BTreeMap::new()))
    }

    /// Makes it known, and forgets those that are gone.
    pub(crate) fn put(&self, id: &str, kept: &Arc<T>) {
        let mut live = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        live.retain(|_, kept| kept.strong_count() > 0);
        live.insert(id.to_owned(), Arc::downgrade(kept));
    }

    /// What the hook of that id keeps.
    pub(crate) fn get(&self, id: &str) -> Option<Arc<T>> {
        let live = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        live.get(id)?.upgrade()
    }
}
