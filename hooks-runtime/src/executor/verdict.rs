//! What hooks said, and what it comes to: the maximum of the restrictions, or of the grants.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::call::Call;
use super::ledger::{OUTRANKED, Proposed};
use super::violation::{tell_sinks, violation};
use crate::answer::{HookResult, Reach, Restriction, Vote};
use crate::context::Plan;
use crate::error::HookError;
use crate::hook::{Answer, Entry, Mode, OnFailure, Role};
use crate::point::Phase;
use crate::record::HookRecord;
use crate::refusal::{HookRefusal, Refusal};
use crate::sink::Signal;

/// A `Retry` that would wait longer is a mistake: at a synchronous site it would keep its thread.
const MAX_RETRY_DELAY: Duration = Duration::from_secs(24 * 60 * 60);

/// One answer, as the record will show it.
pub(crate) struct Said<'s> {
    /// `None`: one of the runtime's own rules.
    pub(crate) entry: Option<&'s Entry>,
    pub(crate) rule: &'static str,
    pub(crate) phase: Phase,
    pub(crate) answer: &'static str,
    pub(crate) restriction: Restriction,
    pub(crate) reason: Option<Box<str>>,
    pub(crate) error: Option<&'static str>,
    pub(crate) note: Option<&'static str>,
    pub(crate) elapsed: Option<Duration>,
    /// The number of the stream's item that it is about.
    pub(crate) item: Option<u64>,
    /// Whether its restriction is part of the verdict.
    pub(crate) counts: bool,
}

impl Said<'_> {
    pub(crate) fn id(&self) -> &str {
        self.entry.map_or(self.rule, Entry::id)
    }

    /// As it stands in a record.
    pub(crate) fn record(&self) -> HookRecord {
        let text = |text: &'static str| Arc::<str>::from(text);
        let (hook, source) = match self.entry {
            Some(entry) => (entry.named.clone(), entry.from.clone()),
            None => (text(self.rule), text("the runtime")),
        };
        HookRecord {
            hook,
            source,
            phase: self.phase,
            role: self.entry.map(Entry::role),
            mode: self.entry.map_or(Mode::Enforce, |entry| entry.meta.mode),
            answer: self.answer,
            restriction: self.restriction,
            reason: self.reason.clone(),
            error: self.error,
            note: self.note,
            elapsed: self.elapsed,
            item: self.item,
        }
    }

    /// Whether it did more than let the call pass.
    pub(crate) fn acted(&self) -> bool {
        !matches!(self.answer, "continue" | "allow" | "skip" | "not asked")
    }
}

impl<'s> Call<'s> {
    /// Takes a hook's answer in.
    pub(crate) fn take(
        &mut self,
        entry: &'s Entry,
        phase: Phase,
        answer: Answer,
        elapsed: Option<Duration>,
    ) {
        if let (Some(elapsed), Some(sample)) = (elapsed, &self.sample)
            && sample.each
        {
            entry.time.get_or_init(Box::default).record(elapsed);
        }
        if self.rehearsal && self.is_undecidable(entry, phase) {
            return;
        }
        match answer {
            Ok(HookResult::Continue) => {
                self.has_answered(entry, elapsed);
                if self.recording {
                    self.note(plain(entry, phase, "continue", elapsed));
                }
            }
            Err(error) => self.fail(entry, phase, error, elapsed),
            Ok(answer) => match self.possible(entry, phase, &answer) {
                Ok(()) => {
                    self.has_answered(entry, elapsed);
                    self.apply(entry, phase, answer, elapsed);
                }
                Err(error) => self.fail(entry, phase, error, elapsed),
            },
        }
    }

    /// A slow answer counts as a failure of the breaker; a good one closes it. Failures come to [`Call::fail`].
    fn has_answered(&mut self, entry: &'s Entry, elapsed: Option<Duration>) {
        if self.rehearsal {
            return;
        }
        let slow = elapsed.zip(entry.breaker.slow());
        if slow.is_some_and(|(took, limit)| took > limit) {
            self.count_failure(entry);
        } else if entry.breaker.is_tripped() && entry.breaker.answered(self.meta.id) {
            tracing::info!(hook = entry.id(), "the breaker of a hook is closed again");
        }
    }

    fn count_failure(&self, entry: &Entry) {
        // A rehearsal says nothing about real calls: hooks that want a Rust type always fail in one.
        if self.rehearsal {
            return;
        }
        let Some(open_for) = entry.breaker.failed(self.now(), self.meta.id) else {
            return;
        };
        tracing::warn!(hook = entry.id(), ?open_for, "the breaker of a hook opens");
        let opened = Signal::BreakerOpened {
            hook: entry.id(),
            point: self.meta.site.point,
            open_for,
        };
        tell_sinks(&self.set.all_sinks(), &opened);
    }

    /// Whether the answer can take effect here.
    fn possible(&self, entry: &Entry, phase: Phase, answer: &HookResult) -> Result<(), HookError> {
        let no = |why: &str| {
            Err(HookError::Unsupported {
                answer: answer.word(),
                why: why.into(),
            })
        };
        let settling = matches!(phase, Phase::Post | Phase::Error);
        let changes = !matches!(
            answer,
            HookResult::Allow
                | HookResult::Ask(_)
                | HookResult::Cancel(_)
                | HookResult::Halt { .. }
        );
        if changes && !self.can.refuse() {
            return no("the site is an `observe` site: hooks may only watch it");
        }
        let recovers = matches!(answer, HookResult::Replace(_) | HookResult::Retry { .. })
            && phase == Phase::Error;
        if recovers && self.inner_refusal && !entry.meta.recover_refusals {
            return no(
                "the error comes from a refusal further inside; declare `recover_refusals` on the hook to override it",
            );
        }
        match answer {
            HookResult::Continue | HookResult::Cancel(_) | HookResult::Halt { .. } => Ok(()),
            HookResult::Allow | HookResult::Ask(_) if phase != Phase::Pre => {
                no("it is a vote on a call that has not run yet: give it in phase pre")
            }
            HookResult::Allow | HookResult::Ask(_) => Ok(()),
            HookResult::Cache { .. } | HookResult::Redirect { .. } if phase != Phase::Pre => {
                no("the body has run already: propose it in phase pre")
            }
            HookResult::Retry { .. } if !settling => {
                no("nothing has run yet: ask for it in phase post or error")
            }
            HookResult::Replace(_) if !self.can.replace() => no(
                "the result type is neither `'static` nor readable from JSON, so nobody else can make a value of it",
            ),
            HookResult::Cache { .. } if self.meta.site.flags.is_stream => no(
                "a stream is not kept: its items are given one by one, and nobody knows whether there will be an end",
            ),
            HookResult::Redirect { .. } if self.meta.site.flags.is_stream => no(
                "the call that made the stream has run when hooks are asked, and another component would need its arguments",
            ),
            HookResult::Cache { .. } if !self.can.cache() => {
                no("the result type can neither be cloned nor written and read as JSON")
            }
            HookResult::Redirect { .. } if !self.can.redirect() => {
                no("the site has no resolver: add `redirect = …` to its attribute")
            }
            HookResult::Retry { delay, .. } if *delay > MAX_RETRY_DELAY => {
                no("it would wait for more than a day: ask for a shorter delay")
            }
            HookResult::Retry { .. } => match self.cannot_repeat() {
                Some(why) => no(why),
                None if !entry.meta.may_retry => no(
                    "declare `may_retry` on the hook, so that calls keep a copy of their arguments",
                ),
                None => Ok(()),
            },
            HookResult::Replace(_) | HookResult::Cache { .. } | HookResult::Redirect { .. } => {
                Ok(())
            }
        }
    }

    fn apply(
        &mut self,
        entry: &'s Entry,
        phase: Phase,
        answer: HookResult,
        elapsed: Option<Duration>,
    ) {
        let mut said = plain(entry, phase, answer.word(), elapsed);
        let shadow = entry.meta.mode == Mode::Shadow;
        said.counts = !shadow;
        said.note = shadow.then_some("shadow");
        match answer {
            HookResult::Continue => {}
            HookResult::Allow => {
                let counts = !shadow && entry.meta.may_grant;
                self.granted |= counts;
                if !counts {
                    said.note = Some("would_grant");
                }
            }
            HookResult::Ask(_) | HookResult::Cancel(_) | HookResult::Halt { .. } => {
                let vote = match answer {
                    HookResult::Ask(request) => Vote::Ask(request),
                    HookResult::Halt { reason, reach } => {
                        self.halt(entry, shadow, &reason, reach);
                        Vote::Halt { reason, reach }
                    }
                    HookResult::Cancel(reason) => Vote::Cancel(reason),
                    _ => Vote::Pass,
                };
                said.reason = vote.reason().map(Into::into);
                let outside = matches!(vote, Vote::Halt { .. }) && !self.in_run();
                said.restriction = if outside {
                    Restriction::Cancel
                } else {
                    vote.restriction()
                };
                return self.restrict(said);
            }
            HookResult::Retry {
                delay,
                max_attempts,
            } => {
                said.reason = Some(format!("after {delay:?}, {max_attempts} attempts").into());
                if !shadow {
                    let retry = &mut self.ledger().retry;
                    let (longest, fewest) = retry.unwrap_or((delay, max_attempts));
                    *retry = Some((longest.max(delay), fewest.min(max_attempts)));
                }
            }
            HookResult::Replace(value) if phase != Phase::Pre => {
                said.reason = Some(format!("{value:?}").into());
                if !shadow {
                    let dirty = self.meta.dirty.load(Ordering::Relaxed);
                    let replacements = &mut self.ledger().replacements;
                    said.note = (!replacements.is_empty()).then_some(OUTRANKED);
                    replacements.push_back(Proposed {
                        by: entry,
                        what: value,
                        dirty,
                    });
                }
            }
            HookResult::Replace(_) | HookResult::Cache { .. } | HookResult::Redirect { .. } => {
                said.reason = self.plan_for(entry, shadow, answer, &mut said.note);
            }
        }
        self.note(said);
    }

    /// The first plan in order counts.
    fn plan_for(
        &mut self,
        entry: &'s Entry,
        shadow: bool,
        answer: HookResult,
        note: &mut Option<&'static str>,
    ) -> Option<Box<str>> {
        let (plan, text) = match answer {
            HookResult::Replace(value) => {
                let text = format!("{value:?}");
                (Plan::Replace(Some(value)), text)
            }
            HookResult::Cache { key, ttl } => {
                // The key may be made of arguments.
                let text = format!("for {ttl:?}");
                (Plan::Cache { key, ttl }, text)
            }
            HookResult::Redirect { to } => (Plan::Redirect { to: to.clone() }, to),
            _ => return None,
        };
        let dirty = self.meta.dirty.load(Ordering::Relaxed);
        if shadow {
        } else if self.ledger().plan_by.is_some() {
            *note = Some(OUTRANKED);
            self.ledger().plans.push_back(Proposed {
                by: entry,
                what: plan,
                dirty,
            });
        } else {
            self.plan = plan;
            self.is_planner(entry, dirty);
        }
        Some(text.into())
    }

    fn in_run(&self) -> bool {
        self.meta.link.is_some_and(|l| l.run.is_some())
    }

    fn halt(&mut self, entry: &Entry, shadow: bool, reason: &str, reach: Reach) {
        if shadow || self.rehearsal {
            return;
        }
        let reason = self.set.registry.redacted(reason.into());
        let halted = self
            .meta
            .link
            .is_some_and(|l| l.halt(entry.id(), &reason, reach));
        if !halted {
            let detail = "a hook answered Halt outside of any run: only this call is refused";
            violation(
                self.set,
                self.meta.site,
                "halt_outside_run",
                entry.id(),
                detail,
            );
        }
    }

    /// The arguments or the plan are others than those that were decided on: only what intercepts said stands,
    /// and their grants only if the arguments are the same.
    pub(crate) fn reopen(&mut self, same_arguments: bool) {
        self.restriction = Restriction::None;
        self.granted = false;
        let Some(ledger) = &mut self.ledger else {
            return;
        };
        for said in &mut ledger.said[ledger.stage..] {
            let proposed = said.entry.is_some_and(|e| e.role() == Role::Intercept);
            if !proposed {
                said.counts = false;
                said.note.get_or_insert("superseded");
            } else if said.counts {
                self.restriction = self.restriction.max(said.restriction);
                self.granted |= same_arguments && said.answer == "allow" && said.note.is_none();
            }
        }
    }

    /// A failure is a vote by the hook's `on_failure`.
    pub(crate) fn fail(
        &mut self,
        entry: &'s Entry,
        phase: Phase,
        error: HookError,
        elapsed: Option<Duration>,
    ) {
        // A hook that may refuse must not refuse more because it is slow.
        let slow =
            matches!(error, HookError::Timeout(_)) && entry.on_failure(phase) == OnFailure::Closed;
        let counts = !slow && is_its_own(&error);
        self.fail_counted(entry, phase, error, elapsed, counts);
    }

    /// The same, where it is known whether the breaker of the hook counts it.
    pub(crate) fn fail_counted(
        &mut self,
        entry: &'s Entry,
        phase: Phase,
        error: HookError,
        elapsed: Option<Duration>,
        counts: bool,
    ) {
        if counts {
            self.count_failure(entry);
        } else {
            // If this call tried the hook, nobody knows more than before: the next one tries it.
            entry.breaker.abandoned(self.meta.id);
        }
        let changed = phase != Phase::Error && self.meta.dirty.load(Ordering::Relaxed);
        let closed = changed || entry.on_failure(phase) == OnFailure::Closed;
        let mut said = plain(entry, phase, "fail", elapsed);
        said.error = Some(error.kind());
        said.reason = Some(error.to_string().into());
        let shadow = entry.meta.mode == Mode::Shadow;
        said.note = if shadow {
            Some("shadow")
        } else {
            (!closed).then_some("open")
        };
        said.counts = closed && !shadow;
        if closed {
            said.restriction = Restriction::Cancel;
        }
        // What it says is in the record, redacted.
        let (hook, point, error) = (entry.id(), self.meta.site.point, error.kind());
        tracing::debug!(hook, point, error, closed, "a hook failed");
        self.restrict(said);
    }

    /// A rule of the runtime's own.
    pub(crate) fn rule(
        &mut self,
        rule: &'static str,
        restriction: Restriction,
        reason: String,
        error: Option<&'static str>,
    ) {
        let answer = match restriction {
            Restriction::None => "pass",
            Restriction::Ask => "ask",
            Restriction::Cancel => "cancel",
            Restriction::Halt => "halt",
        };
        let reason = Some(reason.into());
        let (entry, phase, note, elapsed) = (None, Phase::Pre, None, None);
        self.restrict(Said {
            entry,
            rule,
            phase,
            answer,
            restriction,
            reason,
            error,
            note,
            elapsed,
            item: None,
            counts: true,
        });
    }

    /// Joins a vote into the verdict, or notes that it has no force here.
    fn restrict(&mut self, mut said: Said<'s>) {
        if said.counts && said.restriction > Restriction::None {
            if self.can.refuse() {
                self.restriction = self.restriction.max(said.restriction);
            } else {
                said.counts = false;
                said.note = Some("unenforceable");
                if !self.rehearsal {
                    let detail = "a refusal at an `observe` site has no force";
                    violation(self.set, self.meta.site, "unenforceable", said.id(), detail);
                }
            }
        }
        self.note(said);
    }

    /// The refusal that the votes of this stage come to.
    pub(crate) fn refuse(&mut self) -> HookRefusal {
        let mut votes: Vec<&Said<'s>> = self
            .said_in_stage()
            .iter()
            .filter(|s| s.counts && s.restriction > Restriction::None)
            .collect();
        // By weight, then by name: not by who was asked first.
        votes.sort_by(|a, b| {
            b.restriction
                .cmp(&a.restriction)
                .then_with(|| a.id().cmp(b.id()))
        });
        let text = |said: &Said<'_>| -> Box<str> {
            let reason = said.reason.as_deref().unwrap_or("no reason given");
            if said.error.is_some() {
                format!("the hook failed: {reason}").into()
            } else {
                reason.into()
            }
        };
        let source = |said: &Said<'_>| {
            said.entry
                .map_or_else(|| "the runtime".into(), |e| e.meta.source.to_string())
        };
        let refusal = HookRefusal::new(match votes.split_first() {
            Some((first, others)) => Refusal {
                point: self.meta.site.point.into(),
                hook: first.id().into(),
                reason: text(first),
                source: source(first).into(),
                others: others.iter().map(|s| (s.id().into(), text(s))).collect(),
                executed: self.executed,
                restriction: first.restriction,
            },
            None => Refusal {
                point: self.meta.site.point.into(),
                hook: "hookpoint".into(),
                reason: "refused".into(),
                source: "the runtime".into(),
                others: Vec::new(),
                executed: self.executed,
                restriction: self.restriction,
            },
        });
        self.ledger().refusal = Some(refusal.clone());
        self.finish(crate::record::Outcome::Refused);
        if !self.rehearsal {
            crate::ambient::note_inner_refusal();
        }
        refusal
    }
}

/// Whether it says something about the hook: not if it was not asked, the site cannot wait for it, or a call has not
/// the arguments that it wants, with which whoever calls could make it refuse everybody.
pub(crate) fn is_its_own(error: &HookError) -> bool {
    !matches!(
        error,
        HookError::BreakerOpen { .. } | HookError::WouldBlock | HookError::Arg(_)
    )
}

pub(crate) fn plain<'s>(
    entry: &'s Entry,
    phase: Phase,
    answer: &'static str,
    elapsed: Option<Duration>,
) -> Said<'s> {
    Said {
        entry: Some(entry),
        rule: "",
        phase,
        answer,
        restriction: Restriction::None,
        reason: None,
        error: None,
        note: None,
        elapsed,
        item: None,
        counts: true,
    }
}
