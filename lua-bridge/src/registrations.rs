//! What a script has registered, and may therefore manage.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use hooks_runtime::{HookError, HookGuard, HookInfo, HookRegistry, PreparedHook, hooks};

use crate::bind::ApiResult;

mod staged;

use staged::{Staged, StagedHook};

/// So many hooks are not looked through.
const FEW: usize = 16;
const RELOADED: &str = "the script was reloaded: this version of it can't register hooks any more";

/// What a script has registered. Dropped with the script, and the hooks with it; what the script does with the
/// handles changes nothing.
#[derive(Default)]
pub(crate) struct Registrations {
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    stage: Stage,
    registered: BTreeMap<String, Registered>,
    /// By id of the hook.
    groups: BTreeMap<String, String>,
    /// The ids of the hooks that were registered together, by the id that the script gave.
    parts: BTreeMap<String, Vec<String>>,
    /// How many ids were made.
    count: u32,
    /// With so many hooks, those that are gone are looked for.
    look_at: usize,
}

/// Where a version of a script is in its life.
#[derive(Default)]
enum Stage {
    /// Hooks are asked from when they are registered.
    #[default]
    Live,
    /// The version before is still asked; these take its place in one step.
    Staged(Staged),
    /// Another version has taken its place.
    Over,
}

struct Registered {
    guard: HookGuard,
    registry: HookRegistry,
}

impl Registrations {
    /// Of a version whose hooks wait until it takes the place of another one.
    pub(crate) fn staged() -> Self {
        Registrations {
            inner: Mutex::new(Inner {
                stage: Stage::Staged(Staged::default()),
                ..Inner::default()
            }),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes the group that a hook belongs to.
    pub(crate) fn set_group(&self, id: &str, group: Option<String>) {
        let mut inner = self.lock();
        match group {
            Some(group) => inner.groups.insert(id.to_owned(), group),
            None => inner.groups.remove(id),
        };
    }

    /// Notes the hooks that a script knows by one id.
    pub(crate) fn set_parts(&self, id: &str, parts: &[String]) {
        if parts != [id] {
            let mut inner = self.lock();
            let known = inner.parts.entry(id.to_owned()).or_default();
            known.retain(|part| !parts.contains(part));
            known.extend_from_slice(parts);
        }
    }

    /// The ids of the hooks that a script knows by that id: mostly, itself.
    pub(crate) fn parts_of(&self, id: &str) -> Vec<String> {
        let parts = self.lock().parts.get(id).cloned();
        parts.unwrap_or_else(|| vec![id.to_owned()])
    }

    /// The ids of the hooks of a group, sorted.
    pub(crate) fn ids_of(&self, group: &str) -> Vec<String> {
        let mut ids = self.ids();
        let groups = &self.lock().groups;
        ids.retain(|id| groups.get(id).is_some_and(|known| known == group));
        ids
    }

    /// The ids, sorted.
    pub(crate) fn ids(&self) -> Vec<String> {
        let inner = self.lock();
        let there = inner.registered.iter();
        let there = there.filter(|(_, registered)| !registered.guard.is_gone());
        let mut ids: Vec<_> = there.map(|(id, _)| id.clone()).collect();
        if let Stage::Staged(staged) = &inner.stage {
            ids.extend(staged.ids());
            ids.sort_unstable();
        }
        ids
    }

    /// Registers hooks, all or none, now or with the others of its version.
    pub(crate) fn add(&self, added: Vec<PreparedHook>) -> ApiResult<()> {
        let registry = hooks();
        let mut inner = self.lock();
        match &mut inner.stage {
            Stage::Live => {}
            Stage::Staged(staged) => return staged.add(&registry, added),
            Stage::Over => return Err(RELOADED.into()),
        }
        drop(inner);
        // Out of the lock: a hook that is asked meanwhile may register another one.
        let guards = registry.replace(&[], added)?;
        let mut inner = self.lock();
        if matches!(inner.stage, Stage::Over) {
            drop(inner);
            drop(guards);
            return Err(RELOADED.into());
        }
        let mut before = inner.keep(guards, &registry);
        before.extend(inner.spent());
        drop(inner);
        // Spent `once` hooks, which the registry has forgotten; their guards do nothing any more.
        drop(before);
        Ok(())
    }

    /// The default id of the next hook.
    pub(crate) fn next_id(&self, stem: &str) -> String {
        let mut inner = self.lock();
        inner.count += 1;
        format!("{stem}.{}", inner.count)
    }

    /// Unregisters hooks; `false`: there is none of these ids.
    pub(crate) fn remove_all(&self, ids: &[String]) -> ApiResult<bool> {
        let mut removed = false;
        for id in ids {
            removed |= self.remove(id)?;
        }
        Ok(removed)
    }

    /// Unregisters a hook; `false`: there is none of that id.
    pub(crate) fn remove(&self, id: &str) -> ApiResult<bool> {
        let mut inner = self.lock();
        if let Some(hook) = inner.take_staged(id) {
            inner.forget(id);
            drop(inner);
            drop(hook);
            return Ok(true);
        }
        let registry = inner
            .registered
            .get(id)
            .map(|registered| registered.registry.clone());
        drop(inner);
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
        let mut inner = self.lock();
        inner.forget(id);
        let removed = inner.registered.remove(id);
        drop(inner);
        // The guard is dropped outside of the lock: it unregisters exactly the hook that this script registered.
        Ok(removed.is_some())
    }

    /// Asks the hook again, or stops asking it.
    pub(crate) fn set_enabled(&self, id: &str, enabled: bool) -> ApiResult<()> {
        let mut inner = self.lock();
        if let Some(staged) = inner.staged(id) {
            staged.enabled = enabled;
            return Ok(());
        }
        let Some(registered) = inner.registered.get(id) else {
            return Err(format!("hook `{id}` is no longer registered").into());
        };
        Ok(registered.switch(enabled)?)
    }

    /// Unregisters all, for good.
    pub(crate) fn end(&self) {
        let mut inner = self.lock();
        let stage = std::mem::replace(&mut inner.stage, Stage::Over);
        let gone = std::mem::take(&mut inner.registered);
        drop(inner);
        drop((stage, gone));
    }

    /// Puts the staged hooks in the place of those of `old` in one step, and ends `old`: it can't register any more.
    ///
    /// # Errors
    /// The registry refuses one of them; then nothing has changed.
    pub(crate) fn take_over(&self, old: &Registrations) -> Result<(), HookError> {
        let mut inner = self.lock();
        let Stage::Staged(staged) = std::mem::replace(&mut inner.stage, Stage::Live) else {
            return Ok(());
        };
        let mut before = old.lock();
        let first = before.registered.values().next();
        let known = staged.registry.clone();
        let registry = known.or_else(|| Some(first?.registry.clone()));
        let Some(registry) = registry else {
            // Neither of them has hooks.
            before.stage = Stage::Over;
            return Ok(());
        };
        let switched_off = staged.switched_off();
        let required =
            |hook: &HookInfo| hook.required && switched_off.iter().any(|id| **id == *hook.id);
        if let Some(hook) = registry.list().into_iter().find(required) {
            return Err(HookError::Required {
                id: hook.id,
                action: "disabled",
            });
        }
        let guards: Vec<_> = before.registered.values().map(|r| &r.guard).collect();
        let guards = registry.replace_own(&guards, staged.into_hooks())?;
        before.stage = Stage::Over;
        let gone = std::mem::take(&mut before.registered);
        drop(before);
        let none = inner.keep(guards, &registry);
        for id in &switched_off {
            let switched = inner.registered.get(id).map(|hook| hook.switch(false));
            match switched {
                // A `once` hook that was asked in this very moment is gone, which is as good.
                None | Some(Ok(()) | Err(HookError::UnknownHook { .. })) => {}
                Some(Err(error)) => return Err(error),
            }
        }
        drop(inner);
        drop((gone, none));
        Ok(())
    }
}

impl Registered {
    fn switch(&self, enabled: bool) -> Result<(), HookError> {
        match enabled {
            true => self.guard.enable(),
            false => self.guard.disable(),
        }
    }
}

impl Inner {
    /// Keeps guards; what they take the place of is to be dropped out of the lock.
    fn keep(&mut self, guards: Vec<HookGuard>, registry: &HookRegistry) -> Vec<Registered> {
        let kept = guards.into_iter().filter_map(|guard| {
            let (id, registry) = (guard.id().to_owned(), registry.clone());
            self.registered.insert(id, Registered { guard, registry })
        });
        kept.collect()
    }

    /// Takes out hooks that were there for one call and are gone. Looks for them once there are twice as many hooks as
    /// the last time.
    fn spent(&mut self) -> Vec<Registered> {
        if self.registered.len() < self.look_at {
            return Vec::new();
        }
        let spent = self
            .registered
            .extract_if(.., |_, registered| registered.guard.is_gone());
        let (ids, spent): (Vec<_>, Vec<_>) = spent.unzip();
        ids.iter().for_each(|id| self.forget(id));
        self.look_at = (2 * self.registered.len()).max(FEW);
        spent
    }

    /// What was noted of a hook that goes.
    fn forget(&mut self, id: &str) {
        self.groups.remove(id);
        self.parts.retain(|_, parts| {
            parts.retain(|part| part != id);
            !parts.is_empty()
        });
    }

    fn staged(&mut self, id: &str) -> Option<&mut StagedHook> {
        let Stage::Staged(staged) = &mut self.stage else {
            return None;
        };
        staged.get_mut(id)
    }

    fn take_staged(&mut self, id: &str) -> Option<StagedHook> {
        let Stage::Staged(staged) = &mut self.stage else {
            return None;
        };
        staged.remove(id)
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
