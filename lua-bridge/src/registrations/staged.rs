//! Hooks of a version that waits to take the place of another one.

use hooks_runtime::{HookError, HookRegistry, PreparedHook};

use crate::bind::ApiResult;

#[derive(Default)]
pub(super) struct Staged {
    /// Where all of them were registered.
    pub(super) registry: Option<HookRegistry>,
    hooks: Vec<StagedHook>,
}

pub(super) struct StagedHook {
    hook: PreparedHook,
    pub(super) enabled: bool,
}

impl Staged {
    /// Adds all of them, or none.
    pub(super) fn add(
        &mut self,
        registry: &HookRegistry,
        hooks: Vec<PreparedHook>,
    ) -> ApiResult<()> {
        let before = self.hooks.len();
        for hook in hooks {
            if let Err(error) = self.add_one(registry, hook) {
                self.hooks.truncate(before);
                return Err(error);
            }
        }
        Ok(())
    }

    fn add_one(&mut self, registry: &HookRegistry, hook: PreparedHook) -> ApiResult<()> {
        if let Some(first) = self.hooks.iter().find(|first| first.hook.id() == hook.id()) {
            return Err(HookError::Duplicate {
                id: first.hook.id().into(),
                first: first.hook.source().to_string().into(),
                second: hook.source().to_string().into(),
            }
            .into());
        }
        if self.registry.get_or_insert_with(|| registry.clone()) != registry {
            return Err("a script that is reloaded registers its hooks in one scope, because they take the place of the old ones in one step; register those of other scopes later, in a hook or handler".into());
        }
        let enabled = true;
        self.hooks.push(StagedHook { hook, enabled });
        Ok(())
    }

    pub(super) fn ids(&self) -> impl Iterator<Item = String> {
        self.hooks.iter().map(|staged| staged.hook.id().to_owned())
    }

    /// The ids of those that are not to be asked.
    pub(super) fn switched_off(&self) -> Vec<String> {
        let off = self.hooks.iter().filter(|staged| !staged.enabled);
        off.map(|staged| staged.hook.id().to_owned()).collect()
    }

    pub(super) fn get_mut(&mut self, id: &str) -> Option<&mut StagedHook> {
        self.hooks.iter_mut().find(|staged| staged.hook.id() == id)
    }

    pub(super) fn remove(&mut self, id: &str) -> Option<StagedHook> {
        let at = self
            .hooks
            .iter()
            .position(|staged| staged.hook.id() == id)?;
        Some(self.hooks.remove(at))
    }

    pub(super) fn into_hooks(self) -> Vec<PreparedHook> {
        self.hooks.into_iter().map(|staged| staged.hook).collect()
    }
}
