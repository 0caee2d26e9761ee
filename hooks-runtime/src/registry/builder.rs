//! `hooks().on("id").point("tool.*").post().intercept(…)`.

use std::sync::Arc;
use std::time::Duration;

use super::guard::HookGuard;
use super::hooks::HookRegistry;
use crate::answer::{HookResult, IntoAnswer, Vote};
use crate::condition::Condition;
use crate::context::{GuardContext, HookContext};
use crate::error::HookError;
use crate::hook::{
    BoxFuture, Callee, DynGuardAsync, DynInterceptAsync, HookMetadata, Mode, OnFailure, Priority,
    Source, setters,
};
use crate::point::Phase;
use crate::record::DecisionRecord;

/// A hook in the making: options first, then the code, which registers it.
#[must_use = "nothing is registered before `.intercept(…)`, `.guard(…)` or `.observe(…)`"]
pub struct HookBuilder {
    registry: HookRegistry,
    meta: HookMetadata,
}

/// An asynchronous intercept: `async |cx: &mut HookContext<'_>| …`, with a future that is `Send`.
///
/// Implemented for closures; it exists because a bound on the future of an async closure cannot be written yet.
pub trait AsyncIntercept<'a>: Fn(&'a mut HookContext<'a>) -> Self::Future {
    /// What the closure returns.
    type Future: Future<Output = Self::Out> + Send + 'a;
    /// What the future gives.
    type Out: IntoAnswer;
}

impl<'a, F, Fut> AsyncIntercept<'a> for F
where
    F: Fn(&'a mut HookContext<'a>) -> Fut,
    Fut: Future + Send + 'a,
    Fut::Output: IntoAnswer,
{
    type Future = Fut;
    type Out = Fut::Output;
}

/// An asynchronous guard: `async |cx: &mut GuardContext<'_>| …`, with a future that is `Send`.
pub trait AsyncGuard<'a>: Fn(&'a mut GuardContext<'a>) -> Self::Future {
    /// What the closure returns.
    type Future: Future<Output = Result<Vote, HookError>> + Send + 'a;
}

impl<'a, F, Fut> AsyncGuard<'a> for F
where
    F: Fn(&'a mut GuardContext<'a>) -> Fut,
    Fut: Future<Output = Result<Vote, HookError>> + Send + 'a,
{
    type Future = Fut;
}

impl HookBuilder {
    pub(crate) fn new(registry: HookRegistry, meta: HookMetadata) -> Self {
        HookBuilder { registry, meta }
    }

    setters!(self => self.meta);

    /// Registers a synchronous intercept.
    ///
    /// # Errors
    /// What [`HookRegistry::register`] refuses.
    pub fn intercept<R: IntoAnswer>(
        self,
        hook: impl Fn(&mut HookContext<'_>) -> R + Send + Sync + 'static,
    ) -> Result<HookGuard, HookError> {
        self.registry.insert(
            self.meta,
            Callee::Intercept(Box::new(move |cx| hook(cx).into_answer())),
        )
    }

    /// Registers an asynchronous intercept. At a synchronous site it must be ready at once.
    ///
    /// The closure's future may not borrow from the closure; for state, see
    /// [`HookBuilder::intercept_async_with`] or [`crate::Hook`].
    ///
    /// # Errors
    /// What [`HookRegistry::register`] refuses.
    pub fn intercept_async<F, R>(self, hook: F) -> Result<HookGuard, HookError>
    where
        R: IntoAnswer,
        F: AsyncFn(&mut HookContext<'_>) -> R + for<'a> AsyncIntercept<'a> + Send + Sync + 'static,
    {
        let callee: Box<DynInterceptAsync> = Box::new(move |cx| {
            let future = hook(cx);
            Box::pin(async move { future.await.into_answer() })
        });
        self.registry
            .insert(self.meta, Callee::InterceptAsync(callee))
    }

    /// Registers an asynchronous intercept that gets a clone of `state` for each call.
    ///
    /// # Errors
    /// What [`HookRegistry::register`] refuses.
    pub fn intercept_async_with<S, F>(self, state: S, hook: F) -> Result<HookGuard, HookError>
    where
        S: Clone + Send + Sync + 'static,
        F: for<'a> Fn(S, &'a mut HookContext<'a>) -> BoxFuture<'a, Result<HookResult, HookError>>
            + Send
            + Sync
            + 'static,
    {
        let callee: Box<DynInterceptAsync> = Box::new(move |cx| hook(state.clone(), cx));
        self.registry
            .insert(self.meta, Callee::InterceptAsync(callee))
    }

    /// Registers a synchronous guard.
    ///
    /// # Errors
    /// What [`HookRegistry::register`] refuses.
    pub fn guard(
        self,
        hook: impl Fn(&GuardContext<'_>) -> Result<Vote, HookError> + Send + Sync + 'static,
    ) -> Result<HookGuard, HookError> {
        self.registry
            .insert(self.meta, Callee::Guard(Box::new(hook)))
    }

    /// Registers an asynchronous guard. At a synchronous site it must be ready at once.
    ///
    /// # Errors
    /// What [`HookRegistry::register`] refuses.
    pub fn guard_async<F>(self, hook: F) -> Result<HookGuard, HookError>
    where
        F: AsyncFn(&mut GuardContext<'_>) -> Result<Vote, HookError>
            + for<'a> AsyncGuard<'a>
            + Send
            + Sync
            + 'static,
    {
        let callee: Box<DynGuardAsync> = Box::new(move |cx| Box::pin(hook(cx)));
        self.registry.insert(self.meta, Callee::GuardAsync(callee))
    }

    /// Registers an asynchronous guard that gets a clone of `state` for each call.
    ///
    /// # Errors
    /// What [`HookRegistry::register`] refuses.
    pub fn guard_async_with<S, F>(self, state: S, hook: F) -> Result<HookGuard, HookError>
    where
        S: Clone + Send + Sync + 'static,
        F: for<'a> Fn(S, &'a mut GuardContext<'a>) -> BoxFuture<'a, Result<Vote, HookError>>
            + Send
            + Sync
            + 'static,
    {
        self.registry.insert(
            self.meta,
            Callee::GuardAsync(Box::new(move |cx| hook(state.clone(), cx))),
        )
    }

    /// Registers an observer: called once for every call, when it is done.
    ///
    /// # Errors
    /// What [`HookRegistry::register`] refuses.
    pub fn observe(
        self,
        observer: impl Fn(&DecisionRecord) + Send + Sync + 'static,
    ) -> Result<HookGuard, HookError> {
        self.registry
            .insert(self.meta, Callee::Observe(Box::new(observer)))
    }
}
