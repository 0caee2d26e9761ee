//! What a script has registered, and may therefore manage.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use hooks_runtime::{HookGuard, HookRegistry, hooks};

use crate::bind::ApiResult;

/// What a script has registered. Dropped with the script, and the hooks with it; what the script does with the
/// handles changes nothing.
#[derive(Default)]
pub(crate) struct Registrations {
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    registered: BTreeMap<String, Registered>,
    /// How many ids were made.
    count: u32,
}

struct Registered {
    guard: HookGuard,
    registry: HookRegistry,
}

impl Registrations {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The ids, sorted.
    pub(crate) fn ids(&self) -> Vec<String> {
        self.lock().registered.keys().cloned().collect()
    }

    /// Keeps the guard of a hook.
    pub(crate) fn add(&self, guard: HookGuard, registry: HookRegistry) {
        let id = guard.id().to_owned();
        let before = self
            .lock()
            .registered
            .insert(id, Registered { guard, registry });
        // A spent `once` hook of that id, which the registry has forgotten; its guard does nothing any more.
        drop(before);
    }

    /// The default id of the next hook.
    pub(crate) fn next_id(&self, stem: &str) -> String {
        let mut inner = self.lock();
        inner.count += 1;
        format!("{stem}.{}", inner.count)
    }

    /// Unregisters a hook; `false`: there is none of that id.
    pub(crate) fn remove(&self, id: &str) -> ApiResult<bool> {
        let registry = self
            .lock()
            .registered
            .get(id)
            .map(|registered| registered.registry.clone());
        let Some(registry) = registry else {
            return foreign(id).map(|()| false);
        };
        if registry
            .list()
            .iter()
            .any(|hook| &*hook.id == id && hook.required)
        {
            return Err(format!(
                "hook `{id}` is required by the configuration: it can't be unregistered"
            )
            .into());
        }
        let removed = self.lock().registered.remove(id);
        // The guard is dropped outside of the lock: it unregisters exactly the hook that this script registered.
        Ok(removed.is_some())
    }

    /// Asks the hook again, or stops asking it.
    pub(crate) fn set_enabled(&self, id: &str, enabled: bool) -> ApiResult<()> {
        let inner = self.lock();
        let Some(registered) = inner.registered.get(id) else {
            return Err(format!("hook `{id}` is no longer registered").into());
        };
        let switched = match enabled {
            true => registered.guard.enable(),
            false => registered.guard.disable(),
        };
        Ok(switched?)
    }
}

/// Fails for a hook that somebody else registered.
fn foreign(id: &str) -> ApiResult<()> {
    match hooks().list().iter().find(|hook| &*hook.id == id) {
        None => Ok(()),
        Some(hook) => Err(format!(
            "hook `{id}` was registered at {}, not by this script: a script manages only its own hooks",
            hook.source
        )
        .into()),
    }
}
