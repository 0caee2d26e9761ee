//! Done: the outcome is fixed, the record complete, what hooks kept is dropped, observers are told.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::SystemTime;

use super::ask::message;
use super::call::Call;
use crate::ambient;
use crate::context::Plan;
use crate::hook::Mode;
use crate::record::{ArgLevel, ArgRecord, DecisionRecord, HookRecord, Outcome};
use crate::sink::{Interest, Signal};
use crate::view::RawView;

impl Drop for Call<'_> {
    fn drop(&mut self) {
        let outcome = *self.outcome.get_or_insert_with(|| {
            if std::thread::panicking() {
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
        // A value that a hook kept may panic when it is dropped; that must not end the process.
        let locals = std::mem::take(&mut self.locals);
        if catch_unwind(AssertUnwindSafe(|| drop(locals))).is_err() {
            tracing::error!(
                point = self.meta.site.point,
                "a value kept by a hook panicked when it was dropped"
            );
        }
        let exceptional = outcome != Outcome::Returned
            || self.refusal.is_some()
            || !matches!(self.plan, Plan::Run);
        if self.set.record_all || (exceptional && !self.set.sinks.is_empty()) {
            self.tell(&self.record(outcome), exceptional);
        }
        for entry in std::mem::take(&mut self.spent) {
            // It was the hook's only call. A required hook is never `once`; one that is gone already is fine.
            if let Err(error) = self.set.registry.remove(entry.id(), None) {
                tracing::trace!(hook = entry.id(), %error, "a spent hook was gone already");
            }
        }
    }
}

impl Call<'_> {
    /// Observers in the order of their ids, then sinks; a panic in one is nobody else's.
    fn tell(&self, record: &DecisionRecord, exceptional: bool) {
        for entry in &self.set.observers {
            let crate::hook::Callee::Observe(observer) = &entry.callee else {
                continue;
            };
            let current = ambient::current();
            if current.hooks[..usize::from(current.depth)].contains(&entry.serial) {
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
            if entry.meta.once
                && let Err(error) = self.set.registry.remove(entry.id(), None)
            {
                tracing::trace!(hook = entry.id(), %error, "a spent observer was gone already");
            }
        }
        for sink in &self.set.sinks {
            let wanted = match sink.interest(record.point()) {
                Interest::Always => true,
                Interest::Exceptional => exceptional,
                Interest::Never => false,
            };
            if wanted && catch_unwind(AssertUnwindSafe(|| sink.record(record))).is_err() {
                tracing::error!(point = record.point(), "a sink panicked on a record");
            }
        }
    }

    fn signal(&self, signal: &Signal<'_>) {
        for sink in self.set.registry.all_sinks() {
            if catch_unwind(AssertUnwindSafe(|| sink.signal(signal))).is_err() {
                tracing::error!("a sink panicked on a signal");
            }
        }
    }

    pub(crate) fn record(&self, outcome: Outcome) -> DecisionRecord {
        let now = self.now();
        let hooks = self.said.iter().map(|said| HookRecord {
            hook: said.id().into(),
            source: said.entry.map_or_else(
                || "the runtime".into(),
                |e| e.meta.source.to_string().into(),
            ),
            phase: said.phase,
            role: said.entry.map(|e| e.role()),
            mode: said.entry.map_or(Mode::Enforce, |e| e.meta.mode),
            answer: said.answer,
            restriction: said.restriction,
            reason: said.reason.clone(),
            error: said.error,
            note: said.note,
            elapsed: said.elapsed,
        });
        DecisionRecord {
            call_id: self.meta.id,
            parent_id: (self.meta.parent != 0).then_some(self.meta.parent),
            correlation_id: match &self.meta.correlation {
                Some(id) => id.clone(),
                None => format!("call-{}", self.meta.root).into(),
            },
            attempts: self.meta.attempt,
            site: self.meta.site,
            component: self.meta.facts.component.clone(),
            fields: self.meta.facts.fields.clone(),
            args: self.args.clone(),
            hooks: hooks.collect(),
            plan: self.plan.word(),
            cache_hit: self.cache_hit,
            outcome,
            refusal: self.refusal.clone(),
            executed: self.executed,
            at: SystemTime::now(),
            total: self.meta.started.map_or(std::time::Duration::ZERO, |t| {
                now.saturating_duration_since(t)
            }),
            work: self.work,
            waited: self.waited,
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
        let digest = self.set.registry.digest();
        let of = |(info, view): (&crate::site::ArgInfo, &RawView)| {
            let json = if level >= ArgLevel::Digest {
                view.to_json().ok()
            } else {
                None
            };
            ArgRecord {
                name: info.name,
                ty: info.ty,
                digest: json
                    .as_ref()
                    .map(|json| digest.digest(json.to_string().as_bytes())),
                value: json.filter(|_| level >= ArgLevel::Full),
            }
        };
        self.args = self.meta.site.args.iter().zip(views).map(of).collect();
    }
}
