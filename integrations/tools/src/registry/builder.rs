//! Configuration of a registry.

use crate::{SecurityLevel, ToolLimits, ToolRegistry};

/// The settings of a [`ToolRegistry`], each with a default.
#[derive(Clone, Debug)]
pub struct ToolRegistryBuilder {
    pub(super) max_security: SecurityLevel,
    pub(super) max_concurrent: usize,
    pub(super) limits: ToolLimits,
}

impl Default for ToolRegistryBuilder {
    fn default() -> Self {
        ToolRegistryBuilder {
            max_security: SecurityLevel::Restricted,
            max_concurrent: 16,
            limits: ToolLimits::default(),
        }
    }
}

impl ToolRegistryBuilder {
    /// The furthest-reaching tools that are called. Default [`SecurityLevel::Restricted`].
    #[must_use]
    pub fn max_security(mut self, level: SecurityLevel) -> Self {
        self.max_security = level;
        self
    }

    /// How many calls run at a time, at least 1; further ones wait. Default 16.
    #[must_use]
    pub fn max_concurrent(mut self, calls: usize) -> Self {
        self.max_concurrent = calls.clamp(1, tokio::sync::Semaphore::MAX_PERMITS);
        self
    }

    /// The limits of each call; hooks at `tool.acquire` may change them for a call.
    #[must_use]
    pub fn limits(mut self, limits: ToolLimits) -> Self {
        self.limits = limits;
        self
    }

    /// An empty registry with these settings.
    pub fn build(self) -> ToolRegistry {
        ToolRegistry::with_settings(self)
    }
}
