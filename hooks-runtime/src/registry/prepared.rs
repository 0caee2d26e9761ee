//! Hooks that are ready to be registered, many of them in one step.

use std::sync::Arc;
use std::time::Duration;

use crate::answer::{HookResult, IntoAnswer, Vote};
use crate::context::{GuardContext, HookContext};
use crate::error::HookError;
use crate::hook::{BoxFuture, Callee, HookMetadata, Role, Source};
use crate::record::DecisionRecord;

/// A hook that is ready to be registered, see [`HookRegistry::replace`](crate::HookRegistry::replace).
pub struct PreparedHook {
    meta: HookMetadata,
    callee: Callee,
}

impl PreparedHook {
    /// How it finishes what it has put off, such as records that wait to be written: a function that does it within the
    /// time that it is given, and says whether it did. For [`HookRegistry::flush`](crate::HookRegistry::flush).
    pub fn flushed_by(mut self, flush: impl Fn(Duration) -> bool + Send + Sync + 'static) -> Self {
        self.meta.flush = Some(Arc::new(flush));
        self
    }
    /// The id that it will have.
    pub fn id(&self) -> &str {
        &self.meta.id
    }
    /// Who wrote it, and where.
    pub fn source(&self) -> &Source {
        &self.meta.source
    }
    /// What it may do.
    pub fn role(&self) -> Role {
        self.callee.role()
    }
    /// The points and patterns that it is for, as they were written.
    pub fn points(&self) -> impl Iterator<Item = &str> {
        self.meta.patterns.iter().map(|pattern| &**pattern)
    }

    /// A synchronous intercept.
    pub fn intercept<R: IntoAnswer>(
        meta: HookMetadata,
        hook: impl Fn(&mut HookContext<'_>) -> R + Send + Sync + 'static,
    ) -> Self {
        PreparedHook {
            meta,
            callee: Callee::Intercept(Box::new(move |cx| hook(cx).into_answer())),
        }
    }
    /// A synchronous guard.
    pub fn guard(
        meta: HookMetadata,
        hook: impl Fn(&GuardContext<'_>) -> Result<Vote, HookError> + Send + Sync + 'static,
    ) -> Self {
        PreparedHook {
            meta,
            callee: Callee::Guard(Box::new(hook)),
        }
    }
    /// An asynchronous intercept that gets a clone of `state` for each call, see
    /// [`HookBuilder::intercept_async_with`](crate::HookBuilder::intercept_async_with).
    pub fn intercept_async_with<S, F>(meta: HookMetadata, state: S, hook: F) -> Self
    where
        S: Clone + Send + Sync + 'static,
        F: for<'a> Fn(S, &'a mut HookContext<'a>) -> BoxFuture<'a, Result<HookResult, HookError>>
            + Send
            + Sync
            + 'static,
    {
        PreparedHook {
            meta,
            callee: Callee::InterceptAsync(Box::new(move |cx| hook(state.clone(), cx))),
        }
    }
    /// An asynchronous guard that gets a clone of `state` for each call, see [`HookBuilder::guard_async_with`](crate::HookBuilder::guard_async_with).
    pub fn guard_async_with<S, F>(meta: HookMetadata, state: S, hook: F) -> Self
    where
        S: Clone + Send + Sync + 'static,
        F: for<'a> Fn(S, &'a mut GuardContext<'a>) -> BoxFuture<'a, Result<Vote, HookError>>
            + Send
            + Sync
            + 'static,
    {
        PreparedHook {
            meta,
            callee: Callee::GuardAsync(Box::new(move |cx| hook(state.clone(), cx))),
        }
    }
    /// An observer.
    pub fn observe(
        meta: HookMetadata,
        hook: impl Fn(&DecisionRecord) + Send + Sync + 'static,
    ) -> Self {
        PreparedHook {
            meta,
            callee: Callee::Observe(Box::new(hook)),
        }
    }
}

/// What the registry keeps of them.
pub(super) fn parts(hooks: Vec<PreparedHook>) -> Vec<(HookMetadata, Callee)> {
    let parts = |hook: PreparedHook| (hook.meta, hook.callee);
    hooks.into_iter().map(parts).collect()
}
