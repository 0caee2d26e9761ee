//! What is noted of a call once a hook has something to say, and of calls that are never quiet if somebody may be
//! told of them. Most calls never have one.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use super::cache::Stored;
use super::call::Call;
use super::verdict::Said;
use crate::answer::Replacement;
use crate::context::Plan;
use crate::hook::Entry;
use crate::record::SealedArg;
use crate::refusal::HookRefusal;
use crate::view::Kept;

/// How many notes about items a call of a stream keeps, of hooks that let an item pass and once more of hooks
/// that did something. A stream may have any number of items; what is beyond is counted and not kept.
pub(crate) const MAX_ITEM_NOTES: u64 = 64;

/// The note on a proposal that came after another one.
pub(crate) const OUTRANKED: &str = "outranked";

/// The notes about items of a stream that were given.
#[derive(Default)]
pub(crate) struct ItemNotes {
    passed: u64,
    acted: u64,
    pub(crate) left_out: u64,
}

/// What a hook proposed, and whether it had changed a value.
pub(crate) struct Proposed<'s, T> {
    pub(crate) by: &'s Entry,
    pub(crate) what: T,
    pub(crate) dirty: bool,
}

#[derive(Default)]
pub(crate) struct Ledger<'s> {
    pub(crate) said: Vec<Said<'s>>,
    /// Where in `said` the votes of this stage (before or after the body) begin.
    pub(crate) stage: usize,
    pub(crate) item_notes: ItemNotes,
    pub(crate) plan_by: Option<&'s Entry>,
    /// Whether that hook had changed a value when it proposed the plan.
    pub(crate) plan_dirty: bool,
    /// The plans that it outranks, in order: the next one counts if it turns out to be impossible.
    pub(crate) plans: VecDeque<Proposed<'s, Plan>>,
    /// Replacements proposed after the body, in order.
    pub(crate) replacements: VecDeque<Proposed<'s, Replacement>>,
    /// Another attempt that was asked for: after how long, and of how many.
    pub(crate) retry: Option<(Duration, u32)>,
    /// Why the body cannot run again, besides what the site says.
    pub(crate) cannot_repeat: Option<&'static str>,
    /// What views of moved arguments point to.
    pub(crate) kept: Vec<Kept>,
    pub(crate) args: Vec<SealedArg>,
    pub(crate) refusal: Option<HookRefusal>,
    /// A hook that runs once has run: it must be taken out.
    pub(crate) spent: Vec<&'s Arc<Entry>>,
    /// What a `Cache` plan keeps when the call is done.
    pub(crate) to_keep: Option<Stored>,
    /// Time in the body, if a sink takes every record of the point.
    pub(crate) work: Duration,
    /// Time spent waiting for an approver or the next attempt.
    pub(crate) waited: Duration,
}

impl<'s> Call<'s> {
    /// The ledger, opened if there was none.
    pub(crate) fn ledger(&mut self) -> &mut Ledger<'s> {
        if self.ledger.is_none() {
            self.open_ledger();
        }
        self.ledger.as_mut().expect("opened just now")
    }

    fn open_ledger(&mut self) {
        let mut ledger = Box::<Ledger<'_>>::default();
        if self.recording {
            ledger.said.reserve_exact(self.set.asked());
        }
        self.ledger = Some(ledger);
    }

    /// Notes what a hook, or a rule of the runtime, said.
    pub(crate) fn note(&mut self, mut said: Said<'s>) {
        said.item = self.meta.item(said.phase);
        said.reason = said.reason.map(|text| self.set.registry.redacted(text));
        self.ledger().said.push(said);
    }

    /// All that was said.
    pub(crate) fn said(&self) -> &[Said<'s>] {
        self.ledger.as_ref().map_or(&[], |ledger| &ledger.said)
    }

    /// What was said in this stage.
    pub(crate) fn said_in_stage(&self) -> &[Said<'s>] {
        let ledger = self.ledger.as_ref();
        ledger.map_or(&[], |ledger| &ledger.said[ledger.stage..])
    }

    /// Votes from here on are of another stage.
    pub(crate) fn next_stage(&mut self) {
        if let Some(ledger) = &mut self.ledger {
            ledger.stage = ledger.said.len();
        }
    }

    /// The item of this stage is given: of what was said about it, keeps what there is room for.
    pub(crate) fn close_item(&mut self) {
        let Some(ledger) = &mut self.ledger else {
            return;
        };
        let (stage, notes) = (ledger.stage, &mut ledger.item_notes);
        let mut at = 0;
        ledger.said.retain(|said| {
            at += 1;
            if at <= stage {
                return true;
            }
            let kept = if said.acted() {
                &mut notes.acted
            } else {
                &mut notes.passed
            };
            let room = *kept < MAX_ITEM_NOTES;
            *kept += u64::from(room);
            notes.left_out += u64::from(!room);
            room
        });
    }

    /// Who proposed the plan, and whether that hook had changed a value.
    pub(crate) fn take_planner(&mut self) -> Option<(&'s Entry, bool)> {
        let ledger = self.ledger.as_mut()?;
        let entry = ledger.plan_by.take()?;
        Some((entry, ledger.plan_dirty))
    }

    /// What a hook proposed counts now.
    pub(crate) fn is_planner(&mut self, by: &'s Entry, dirty: bool) {
        let ledger = self.ledger();
        (ledger.plan_by, ledger.plan_dirty) = (Some(by), dirty);
        let stage = ledger.said[ledger.stage..].iter_mut();
        let own = stage.filter(|said| said.entry.is_some_and(|entry| std::ptr::eq(entry, by)));
        for said in own.filter(|said| said.note == Some(OUTRANKED)) {
            said.note = None;
        }
    }
}
