//! Done: the outcome is fixed, the record complete, what hooks kept is dropped, observers are told.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::ask::message;
use super::call::Call;
use crate::ambient::{self, MAX_DEPTH};
use crate::context::Plan;
use crate::hook::{Entry, Mode};
use crate::record::{ArgLevel, ArgRecord, DecisionRecord, HookRecord, Outcome};
use crate::sink::Signal;
use crate::view::RawView;

impl Drop for Call<'_> {
    #[inline]
    fn drop(&mut self) {
        let uneventful = self.outcome == Some(Outcome::Returned)
            && self.ledger.is_none()
            && self.locals.is_empty()
            && !self.set.record_all;
        if uneventful {
            if self.meta.id == self.meta.root {
                ambient::end_root(self.meta.id);
            }
            ambient::take_spawned_refusal(self.meta.id);
        } else {
            self.done();
        }
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
        if self.meta.id == self.meta.root {
            ambient::end_root(self.meta.id);
        }
        if self.rehearsal {
            return;
        }
        for (serial, _, value) in std::mem::take(&mut self.locals) {
            // Dropping it is the hook's work: it is not asked about calls that this makes, and its panic is
            // not the call's.
            let running = ambient::enter_hook(self.meta.id, self.meta.root, serial);
            if catch_unwind(AssertUnwindSafe(|| drop(value))).is_err() {
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
            self.tell(&self.record(outcome), exceptional);
        }
        ambient::take_spawned_refusal(self.meta.id);
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

impl Call<'_> {
    /// Observers in the order of their ids, then sinks; a panic in one is nobody else's.
    fn tell(&self, record: &DecisionRecord, exceptional: bool) {
        // Beyond the limit observers would cause calls that cause calls; sinks are still told.
        let too_deep = ambient::depth() >= MAX_DEPTH;
        for entry in self.set.observers.iter().filter(|_| !too_deep) {
            let crate::hook::Callee::Observe(observer) = &entry.callee else {
                continue;
            };
            if ambient::runs(entry.serial) {
                continue;
            }
            let components = &entry.meta.components;
            let component = record.component.as_deref();
            if !components.is_empty()
                && !component.is_some_and(|c| components.iter().any(|w| **w == *c))
            {
                continue;
            }
            if entry.meta.once
                && entry
                    .claimed
                    .swap(true, std::sync::atomic::Ordering::AcqRel)
            {
                continue;
            }
            let running = ambient::enter_hook(self.meta.id, self.meta.root, entry.serial);
            let told = catch_unwind(AssertUnwindSafe(|| observer(record)));
            drop(running);
            if let Err(payload) = told {
                let message = message(&*payload);
                tracing::error!(hook = entry.id(), point = record.point(), %message, "an observer panicked");
                self.signal(&Signal::ObserverFailed {
                    hook: entry.id(),
                    message: &message,
                });
            }
            if entry.meta.once {
                retire(entry);
            }
        }
        for listener in &self.set.sinks {
            let wanted = exceptional || listener.takes_every(record.point());
            if wanted && catch_unwind(AssertUnwindSafe(|| listener.sink.record(record))).is_err() {
                tracing::error!(point = record.point(), "a sink panicked on a record");
            }
        }
    }

    fn signal(&self, signal: &Signal<'_>) {
        for sink in self.set.all_sinks() {
            if catch_unwind(AssertUnwindSafe(|| sink.signal(signal))).is_err() {
                tracing::error!("a sink panicked on a signal");
            }
        }
    }

    pub(crate) fn record(&self, outcome: Outcome) -> DecisionRecord {
        let now = self.now();
        let ledger = self.ledger.as_deref();
        let hooks = self.said().iter().map(|said| HookRecord {
            hook: said
                .entry
                .map_or_else(|| said.rule.into(), |e| e.named.clone()),
            source: said
                .entry
                .map_or_else(|| "the runtime".into(), |e| e.from.clone()),
            phase: said.phase,
            role: said.entry.map(|e| e.role()),
            mode: said.entry.map_or(Mode::Enforce, |e| e.meta.mode),
            answer: said.answer,
            restriction: said.restriction,
            reason: said.reason.clone(),
            error: said.error,
            note: said.note,
            elapsed: said.elapsed,
            item: said.item,
        });
        DecisionRecord {
            call_id: self.meta.id,
            parent_id: (self.meta.parent != 0).then_some(self.meta.parent),
            correlation_id: match self.meta.correlation() {
                Some(id) => id.clone(),
                None => format!("call-{}", self.meta.root).into(),
            },
            attempts: self.meta.attempt,
            items: self.meta.site.flags.is_stream.then_some(self.meta.items),
            site: self.meta.site,
            component: self.meta.facts.named().map(Into::into),
            fields: self.meta.facts.fields().to_vec(),
            args: ledger.map_or_else(Vec::new, |l| l.args.clone()),
            hooks: hooks.collect(),
            notes_left_out: ledger.map_or(0, |l| l.item_notes.left_out),
            plan: self.plan.word(),
            cache_hit: self.cache_hit,
            outcome,
            refusal: ledger.and_then(|l| l.refusal.clone()),
            executed: self.executed,
            at: SystemTime::now(),
            total: self
                .meta
                .started
                .map_or(Duration::ZERO, |t| now.saturating_duration_since(t)),
            work: ledger.map_or(Duration::ZERO, |l| l.work),
            waited: ledger.map_or(Duration::ZERO, |l| l.waited),
        }
    }

    /// The arguments for the record, at the highest level that a sink wants.
    pub(crate) fn record_args(&mut self, views: &[RawView]) {
        let level = self
            .set
            .sinks
            .iter()
            .map(|s| s.args())
            .max()
            .unwrap_or_default();
        let digest = (level >= ArgLevel::Digest).then(|| self.set.registry.digest());
        let of = |(info, view): (&crate::site::ArgInfo, &RawView)| {
            let json = digest.as_ref().and_then(|_| view.to_json().ok());
            let shown = json.as_ref().zip(digest.as_ref());
            ArgRecord {
                name: info.name,
                ty: info.ty,
                digest: shown.map(|(json, digest)| digest.digest(json.to_string().as_bytes())),
                value: json.filter(|_| level >= ArgLevel::Full),
            }
        };
        let args = self.meta.site.args.iter().zip(views).map(of).collect();
        self.ledger().args = args;
    }
}
