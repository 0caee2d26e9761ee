//! Done: the outcome is fixed, the record complete, what hooks kept is dropped, observers are told.

use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use super::call::Call;
use super::violation::tell_sinks;
use crate::ambient::{self, MAX_DEPTH};
use crate::context::Plan;
use crate::hook::{Callee, Entry};
use crate::monitor::Sample;
use crate::panic::caught;
use crate::record::{Brief, DecisionRecord, Lent, Outcome, SealedArg};
use crate::registry::HookSet;
use crate::sink::Signal;
use crate::view::RawView;

impl Drop for Call<'_> {
    #[inline]
    fn drop(&mut self) {
        let uneventful = self.outcome == Some(Outcome::Returned)
            && self.ledger.is_none()
            && self.locals.is_empty()
            && self.meta.kept.get().is_none()
            && self.sample.is_none()
            && !self.set.record_all;
        if !uneventful {
            self.done();
        }
        ambient::end_call(self.meta.id, self.meta.root);
    }
}

impl Call<'_> {
    fn done(&mut self) {
        let outcome = *self.outcome.get_or_insert_with(|| {
            // Unwinding out of the body is its panic; a future that is dropped, also by somebody else's
            // unwinding, was cancelled.
            if self.in_user_code && std::thread::panicking() {
                Outcome::Panicked
            } else {
                Outcome::Cancelled
            }
        });
        if self.rehearsal {
            return;
        }
        if let Some(kept) = self.meta.kept.take() {
            let kept = kept.into_inner().unwrap_or_else(PoisonError::into_inner);
            self.locals.extend(kept);
        }
        for (serial, _, value) in std::mem::take(&mut self.locals) {
            // Dropping it is the hook's work: it is not asked about calls that this makes, and its panic is
            // not the call's.
            let running = ambient::enter_hook(self.meta.id, self.meta.root, serial);
            if caught(|| drop(value)).is_err() {
                let point = self.meta.site.point;
                tracing::error!(point, "a value kept by a hook panicked when it was dropped");
            }
            drop(running);
        }
        let exceptional = outcome != Outcome::Returned
            || self.meta.attempt > 1
            || !matches!(self.plan, Plan::Run)
            || self.said().iter().any(super::verdict::Said::acted);
        if self.set.record_all || (exceptional && !self.set.sinks.is_empty()) {
            tell(self.set, &mut self.record(outcome), exceptional);
        }
        if self.executed {
            // A body that panicked never came to its end.
            Sample::work_ends(&mut self.sample, self.set);
            let waited = self.ledger.as_ref().map_or(Duration::ZERO, |l| l.waited);
            Sample::end(self.sample.take(), self.set, waited);
        }
        if let Some(ledger) = &mut self.ledger {
            std::mem::take(&mut ledger.spent)
                .into_iter()
                .for_each(retire);
        }
    }
}

/// Takes a hook out that was there for one call, from the registry that it is in.
fn retire(entry: &Arc<Entry>) {
    let Some(owner) = entry.owner.upgrade() else {
        return;
    };
    // A required hook is never `once`, and one that was replaced or removed meanwhile is left alone.
    if let Err(error) = owner.remove(entry.id(), Some(&Arc::downgrade(entry))) {
        tracing::warn!(hook = entry.id(), %error, "a hook that was for one call stays");
    }
}

/// Observers in the order of their ids, then sinks; a panic in one is nobody else's.
pub(super) fn tell(set: &HookSet, record: &mut DecisionRecord<'_>, exceptional: bool) {
    // Beyond the limit observers would cause calls that cause calls; sinks are still told.
    if ambient::depth() < MAX_DEPTH {
        let mut at = 0;
        while let Err(message) = tell_from(set, &mut at, record) {
            let entry = &set.observers[at];
            observer_failed(set, entry.id(), record.point(), message);
            if entry.meta.once {
                retire(entry);
            }
            at += 1;
        }
    }
    for listener in &set.sinks {
        let wanted = exceptional || listener.takes_every(record.point());
        record.level = listener.args();
        if wanted && caught(|| listener.sink.record(record)).is_err() {
            tracing::error!(point = record.point(), "a sink panicked on a record");
        }
    }
}

/// Tells the observers from `at` on, up to one that panics.
#[inline]
fn tell_from(
    set: &HookSet,
    at: &mut usize,
    record: &mut DecisionRecord<'_>,
) -> Result<(), Box<str>> {
    let running = ambient::enter_hooks(record.brief.call_id, record.brief.root);
    let told = caught(|| {
        while let Some(entry) = set.observers.get(*at) {
            if let Callee::Observe(observer) = &entry.callee
                && !running.runs(entry.serial)
                && is_for(entry, record)
                && !is_shed(set, entry, record)
                && is_claimed(entry)
            {
                running.next(entry.serial);
                record.level = entry.meta.record_args;
                observer(record);
                if entry.meta.once {
                    retire(entry);
                }
            }
            *at += 1;
        }
    });
    running.leave_row();
    told
}

/// Whether the hooks of the point have had their time, so that the observer is not told; that is counted.
#[inline]
fn is_shed(set: &HookSet, entry: &Entry, record: &mut DecisionRecord<'_>) -> bool {
    let shed = entry.meta.lossy
        && set
            .budget
            .is_some_and(|budget| record.hook_time_so_far() > budget);
    record.shed += u32::from(shed);
    shed
}

#[cold]
fn observer_failed(set: &HookSet, hook: &str, point: &str, message: Box<str>) {
    let message = &*set.registry.redacted(message);
    tracing::error!(hook, point, message, "an observer panicked");
    tell_sinks(&set.all_sinks(), &Signal::ObserverFailed { hook, message });
}

/// Whether the observer is for that component.
#[inline]
fn is_for(entry: &Entry, record: &DecisionRecord<'_>) -> bool {
    let components = &entry.meta.components;
    components.is_empty()
        || record
            .component()
            .is_some_and(|name| components.iter().any(|wanted| **wanted == *name))
}

/// Whether it may be told: one that is told once has not been before.
#[inline]
fn is_claimed(entry: &Entry) -> bool {
    !entry.meta.once || !entry.claimed.swap(true, Ordering::AcqRel)
}

impl Call<'_> {
    pub(crate) fn record(&self, outcome: Outcome) -> DecisionRecord<'_> {
        let (meta, ledger) = (&self.meta, self.ledger.as_deref());
        let brief = Brief {
            call_id: meta.id,
            parent: meta.parent,
            root: meta.root,
            attempts: meta.attempt,
            items: meta.site.flags.is_stream.then_some(meta.items),
            site: meta.site,
            notes_left_out: ledger.map_or(0, |l| l.item_notes.left_out),
            plan: self.plan.word(),
            cache_hit: self.cache_hit,
            outcome,
            executed: self.executed,
            started: meta.started,
            work: self
                .set
                .timed
                .then(|| ledger.map_or(Duration::ZERO, |l| l.work)),
            waited: ledger.map_or(Duration::ZERO, |l| l.waited),
        };
        let lent = Lent {
            facts: &meta.facts,
            correlation: meta.correlation(),
            principal: meta.link.and_then(|link| link.principal.as_ref()),
            clock: meta.clock,
            passed: self.passed,
            said: self.said(),
            args: ledger.map_or(&[], |l| &l.args),
            refusal: ledger.and_then(|l| l.refusal.as_ref()),
        };
        let record = DecisionRecord::new(brief, lent);
        if self.set.timed {
            // What observers take is not the time of hooks.
            record.elapsed();
        }
        record
    }

    /// Keeps of the arguments what the takers of the record want.
    pub(crate) fn record_args(&mut self, views: &[RawView]) {
        let levels = self.set.levels;
        if !levels.want_values() {
            // The record takes them from the site.
            return;
        }
        let (digest, redactor) = (self.set.registry.digest(), self.set.registry.redactor());
        let args = self.meta.site.args.iter().zip(views);
        let sealed = args
            .map(|(info, view)| SealedArg::new(info.name, view, levels, &*digest, &*redactor))
            .collect();
        self.ledger().args = sealed;
    }
}
