//! Carrying out the plan: the body, a planned value, a kept answer, another component, another attempt.

use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use super::cache::{CacheKey, Stored};
use super::call::Call;
use super::run::Frame;
use super::wait::block_on;
use crate::ambient;
use crate::answer::Replacement;
use crate::context::Plan;
use crate::error::HookError;
use crate::point::Phase;
use crate::private::Parts;

impl Call<'_> {
    /// Makes a planned replacement the value; one of another type is a failure of its hook.
    #[inline]
    pub(crate) fn plan_value(&mut self, frame: &mut Frame<'_>) -> bool {
        while let Some(replacement) = self.take_replacement() {
            match frame.value.set(replacement) {
                Ok(()) => return true,
                Err(error) => self.plan_failed(error),
            }
        }
        false
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
        if let Some(ledger) = &mut self.ledger {
            ledger.kept.clear();
        }
        let why = format!("the site's resolver knows no component `{to}`");
        self.plan_failed(HookError::Unsupported {
            answer: "redirect",
            why: why.into(),
        });
    }

    fn cache_key(&self) -> Option<(CacheKey, Duration)> {
        let (Plan::Cache { key, ttl }, Some(entry)) = (&self.plan, self.ledger.as_ref()?.plan_by)
        else {
            return None;
        };
        let key = CacheKey::new(&self.meta, entry.serial, key);
        Some((key, *ttl))
    }

    /// Makes the kept answer of a `Cache` plan the value, if there is one.
    pub(crate) fn cached(&mut self, frame: &mut Frame<'_>) -> bool {
        let answer = self
            .cache_key()
            .and_then(|(key, _)| self.set.registry.cache.get(&key, self.now()));
        self.cache_hit = answer.is_some_and(|answer| frame.value.set(answer).is_ok());
        self.cache_hit
    }

    /// Holds the body's raw `Ok`, before any settling hook has touched it; the last attempt's counts.
    #[inline]
    pub(crate) fn hold(&mut self, parts: &Parts) {
        if matches!(self.plan, Plan::Cache { .. }) && !self.cache_hit {
            self.hold_copy(parts);
        }
    }

    fn hold_copy(&mut self, parts: &Parts) {
        self.ledger().to_keep = match parts {
            Parts::Err(_) => None,
            Parts::Ok(view) | Parts::Plain(view) => match view.clone_value() {
                Ok(kept) => Some(Stored::Typed(Arc::new(Mutex::new(kept)))),
                Err(_) => view.to_json().ok().map(Stored::Json),
            },
        };
    }

    /// Puts what was held into the cache.
    #[inline]
    pub(crate) fn store(&mut self) {
        if matches!(self.plan, Plan::Cache { .. }) {
            self.store_held();
        }
    }

    fn store_held(&mut self) {
        let stored = self.ledger.as_mut().and_then(|l| l.to_keep.take());
        let (Some(stored), Some((key, ttl))) = (stored, self.cache_key()) else {
            return;
        };
        self.set.registry.cache.put(key, stored, ttl, self.now());
    }

    /// Keeps a copy of the sealed arguments, if a hook of the set may ask for another attempt.
    #[inline]
    pub(crate) fn keep(&mut self, frame: &mut Frame<'_>) {
        if self.set.may_retry
            && self.meta.site.flags.repeatable
            && let Err(why) = frame.args.keep()
        {
            self.ledger().cannot_repeat = Some(why);
        }
    }

    /// Why there can be no other attempt.
    pub(crate) fn cannot_repeat(&self) -> Option<&'static str> {
        if self.meta.site.flags.is_stream {
            return Some(
                "items that were given cannot be taken back: a stream is not started again",
            );
        }
        if !self.meta.site.flags.repeatable {
            return Some("the body cannot run again; see `retry` in the attribute's reference");
        }
        self.ledger.as_ref()?.cannot_repeat
    }

    /// The value was planned or kept: another attempt would give the same.
    pub(crate) fn forbid_retry(&mut self) {
        self.ledger().cannot_repeat = Some(
            "the body did not run: another attempt would give the same planned or cached value",
        );
    }

    /// Puts the arguments of the next attempt in their place.
    pub(crate) fn again(&mut self, frame: &mut Frame<'_>) -> bool {
        let again = frame.args.again();
        self.meta.attempt += u32::from(again);
        again
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
            let waited = self.now().saturating_duration_since(started);
            self.ledger().waited += waited;
        }
    }

    /// Puts a replacement that was proposed after the body in the place of the value; the next one in order if it
    /// cannot be made a value.
    pub(crate) fn replace(
        &mut self,
        frame: &mut Frame<'_>,
        phase: Phase,
        mut replacement: Replacement,
    ) {
        while let Err(error) = frame.value.set(replacement) {
            self.proposal_failed(phase, error);
            let Some(next) = self.ledger().replacements.pop_front() else {
                return;
            };
            self.is_planner(next.by, next.dirty);
            replacement = next.what;
        }
        let ledger = self.ledger();
        ledger.plan_by = None;
        ledger.replacements.clear();
    }
}

/// The body of an asynchronous site, started: the current call is set on each poll, and the time from the first
/// poll to the end counts as work, the waits in it included.
pub(crate) struct InBody<'a, 's, 'f> {
    call: &'a mut Call<'s>,
    frame: &'a mut Frame<'f>,
    redirected: bool,
    started: Option<Instant>,
}

impl<'a, 's, 'f> InBody<'a, 's, 'f> {
    pub(crate) fn new(call: &'a mut Call<'s>, frame: &'a mut Frame<'f>, redirected: bool) -> Self {
        call.executed = true;
        call.inner_refusal = false;
        let started = call.work_begins();
        InBody {
            call,
            frame,
            redirected,
            started,
        }
    }
}

impl Future for InBody<'_, '_, '_> {
    type Output = ();
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        let (id, root) = (this.call.meta.id, this.call.meta.root);
        let deeper = this.redirected.then(ambient::enter_redirect);
        let inside = ambient::enter_call(id, root);
        this.call.in_user_code = true;
        let polled = this.frame.body.poll(cx);
        this.call.in_user_code = false;
        this.call.inner_refusal |= ambient::inner_refusal();
        drop(inside);
        drop(deeper);
        if polled.is_ready() {
            this.call.inner_refusal |= ambient::take_spawned_refusal(id);
        }
        polled
    }
}

impl Drop for InBody<'_, '_, '_> {
    /// What the body holds is dropped as a part of the call.
    fn drop(&mut self) {
        let inside = ambient::enter_call(self.call.meta.id, self.call.meta.root);
        self.frame.body.stop();
        drop(inside);
        self.call.work_ends(self.started);
    }
}
