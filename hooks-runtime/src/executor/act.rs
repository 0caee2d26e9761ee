//! Carrying out the plan: the body, a planned value, a kept answer, another component, another attempt.

use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use super::cache::{CacheKey, Stored};
use super::call::Call;
use super::wait::block_on;
use crate::ambient;
use crate::answer::Replacement;
use crate::context::Plan;
use crate::error::HookError;
use crate::point::Phase;
use crate::private::{Parts, ReturnOps};

impl Call<'_> {
    /// A planned replacement as a return value; one of another type is a failure of its hook.
    pub(crate) fn plan_value<R>(&mut self, ret: &ReturnOps<R>) -> Option<R> {
        let replacement = self.take_replacement()?;
        match (ret.replace)(replacement) {
            Ok(value) => Some(value),
            Err(error) => {
                self.plan_failed(error);
                None
            }
        }
    }

    /// A plan whose value is no longer there is no plan.
    pub(crate) fn plan_lost(&mut self) {
        self.plan_failed(HookError::Replacement(
            "the planned value was used up".into(),
        ));
    }

    pub(crate) fn no_such_component(&mut self, to: &str) {
        // Nothing has run, and the copies were made for hooks after a body.
        self.executed = false;
        self.kept.clear();
        let why = format!("the site's resolver knows no component `{to}`");
        self.plan_failed(HookError::Unsupported {
            answer: "redirect",
            why: why.into(),
        });
    }

    fn cache_key(&self) -> Option<(CacheKey, Duration)> {
        let (Plan::Cache { key, ttl }, Some(entry)) = (&self.plan, self.plan_by) else {
            return None;
        };
        let key = CacheKey {
            point: self.meta.site.point,
            path: self.meta.site.path,
            component: self.meta.facts.component.clone(),
            principal: self.link.as_ref().and_then(|l| l.principal.clone()),
            hook: entry.serial,
            key: key.clone(),
        };
        Some((key, *ttl))
    }

    /// The kept answer of a `Cache` plan.
    pub(crate) fn cached<R>(&mut self, ret: &ReturnOps<R>) -> Option<R> {
        let (key, _) = self.cache_key()?;
        let answer = self.set.registry.cache.get(&key, self.now())?;
        let value = (ret.replace)(answer).ok()?;
        self.cache_hit = true;
        Some(value)
    }

    /// Holds the body's raw `Ok`, before any settling hook has touched it; the last attempt's counts.
    pub(crate) fn hold(&mut self, parts: &Parts) {
        if !matches!(self.plan, Plan::Cache { .. }) || self.cache_hit {
            return;
        }
        self.to_keep = match parts {
            Parts::Err(_) => None,
            Parts::Ok(view) | Parts::Plain(view) => match view.clone_value() {
                Ok(kept) => Some(Stored::Typed(Arc::new(Mutex::new(kept)))),
                Err(_) => view.to_json().ok().map(Stored::Json),
            },
        };
    }

    /// Puts what was held into the cache.
    pub(crate) fn store(&mut self) {
        let (Some(stored), Some((key, ttl))) = (self.to_keep.take(), self.cache_key()) else {
            return;
        };
        self.set.registry.cache.put(key, stored, ttl, self.now());
    }

    /// A copy of the sealed arguments, if a hook of the set may ask for another attempt.
    pub(crate) fn keep<A>(&mut self, dup: impl FnOnce() -> Result<A, &'static str>) -> Option<A> {
        if !self.set.may_retry || self.can.repeat.is_err() {
            return None;
        }
        match dup() {
            Ok(copy) => Some(copy),
            Err(why) => {
                self.can.repeat = Err(why);
                None
            }
        }
    }

    /// The value was planned or kept: another attempt would give the same.
    pub(crate) fn cannot_repeat(&mut self) {
        self.can.repeat = Err(
            "the body did not run: another attempt would give the same planned or cached value",
        );
    }

    /// The arguments of the next attempt.
    pub(crate) fn again<A>(
        &mut self,
        keep: &mut Option<A>,
        dup: impl FnOnce(&A) -> Result<A, &'static str>,
    ) -> Option<A> {
        let next = dup(keep.as_ref()?).ok();
        let again = std::mem::replace(keep, next)?;
        self.meta.attempt += 1;
        Some(again)
    }

    pub(crate) fn wait_sync_for(&mut self, delay: Duration) {
        block_on(self.wait_for(delay));
    }

    /// Waits between two attempts; that is nobody's work.
    pub(crate) async fn wait_for(&mut self, delay: Duration) {
        if delay > Duration::ZERO {
            let started = self.now();
            let sleep = self.meta.clock.sleep(delay);
            sleep.await;
            self.waited += self.now().saturating_duration_since(started);
        }
    }

    /// Puts a replacement that was proposed after the body in the place of the value.
    pub(crate) fn replace<R>(
        &mut self,
        ret: &ReturnOps<R>,
        value: &mut R,
        replacement: Replacement,
    ) {
        let phase = if matches!((ret.parts)(value), Parts::Err(_)) {
            Phase::Error
        } else {
            Phase::Post
        };
        match (ret.replace)(replacement) {
            Ok(new) => {
                *value = new;
                self.plan_by = None;
            }
            Err(error) => self.replacement_failed(phase, error),
        }
    }
}

/// The body of an asynchronous site: the current call is set on each poll, and the time from the first poll
/// to the end counts as work, the waits in it included.
pub(crate) struct InBody<'a, 's, F> {
    call: &'a mut Call<'s>,
    /// Taken out to be dropped as a part of the call.
    future: Option<Pin<Box<F>>>,
    redirected: bool,
    started: Option<Instant>,
}

impl<'a, 's, F: Future> InBody<'a, 's, F> {
    pub(crate) fn new(call: &'a mut Call<'s>, make: impl FnOnce() -> F, redirected: bool) -> Self {
        call.executed = true;
        call.inner_refusal = false;
        let started = call.recording.then(|| call.now());
        InBody {
            call,
            future: Some(Box::pin(make())),
            redirected,
            started,
        }
    }
}

impl<F: Future> Future for InBody<'_, '_, F> {
    type Output = F::Output;
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = &mut *self;
        let (id, root) = (this.call.meta.id, this.call.meta.root);
        let deeper = this.redirected.then(ambient::enter_redirect);
        let inside = ambient::enter_call(id, root);
        this.call.in_user_code = true;
        let future = this.future.as_mut().expect("taken only on drop");
        let polled = future.as_mut().poll(cx);
        this.call.in_user_code = false;
        this.call.inner_refusal |= ambient::current().inner_refusal;
        drop(inside);
        drop(deeper);
        if polled.is_ready() {
            this.call.inner_refusal |= ambient::take_spawned_refusal(id);
        }
        polled
    }
}

impl<F> Drop for InBody<'_, '_, F> {
    fn drop(&mut self) {
        let inside = ambient::enter_call(self.call.meta.id, self.call.meta.root);
        drop(self.future.take());
        drop(inside);
        if let Some(started) = self.started {
            self.call.work += self.call.now().saturating_duration_since(started);
        }
    }
}
