//! The last calls, and how much of them there may be.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hooks_runtime::Outcome;
use serde::Serialize;
use serde_json::{Value, json};

use super::trace::CallTrace;
use super::{Debugging, dump};
use crate::error::BuiltinError;

/// The options, checked.
pub(super) struct Limits {
    pub(super) calls: usize,
    pub(super) calls_per_point: usize,
    pub(super) bytes: usize,
    pub(super) stacks: usize,
    pub(super) stack_bytes: usize,
}

/// The last calls, by the order in which they were done.
pub(super) struct Ring {
    limits: Limits,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    next: u64,
    calls: BTreeMap<u64, Arc<CallTrace>>,
    by_point: HashMap<&'static str, VecDeque<u64>>,
    /// Those with a stack.
    stacks: VecDeque<u64>,
    bytes: usize,
    displaced: u64,
    too_large: u64,
}

impl State {
    /// Takes the oldest call out, of a point or of all.
    fn pop(&mut self, point: Option<&'static str>, limits: &Limits) -> Option<Arc<CallTrace>> {
        let at = match point {
            Some(point) => *self.by_point.get(point)?.front()?,
            None => *self.calls.first_key_value()?.0,
        };
        let call = self.calls.remove(&at)?;
        if let Some(of_point) = self.by_point.get_mut(call.point()) {
            of_point.pop_front();
            if of_point.is_empty() {
                self.by_point.remove(call.point());
            }
        }
        if let Ok(place) = self.stacks.binary_search(&at) {
            self.stacks.remove(place);
            self.bytes -= limits.stack_bytes;
        }
        self.bytes -= call.bytes();
        self.displaced += 1;
        Some(call)
    }

    /// The oldest stack; its call stays.
    fn pop_stack(&mut self, limits: &Limits) -> Option<Arc<CallTrace>> {
        let at = self.stacks.pop_front()?;
        self.bytes -= limits.stack_bytes;
        self.calls.get(&at).cloned()
    }
}

impl Ring {
    pub(super) fn new(limits: Limits) -> Self {
        Ring {
            limits,
            state: Mutex::default(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps a call; older ones make room. What goes is dropped when nobody waits for it.
    pub(super) fn push(&self, call: CallTrace) {
        let limits = &self.limits;
        let (mut gone, mut stackless) = (Vec::new(), Vec::new());
        let has_stack = call.stack.is_there();
        let bytes = call.bytes() + if has_stack { limits.stack_bytes } else { 0 };
        let mut state = self.state();
        if bytes > limits.bytes {
            state.too_large += 1;
            return;
        }
        let of_point = state.by_point.get(call.point()).map_or(0, VecDeque::len);
        if of_point >= limits.calls_per_point {
            gone.extend(state.pop(Some(call.point()), limits));
        }
        while state.calls.len() >= limits.calls || state.bytes + bytes > limits.bytes {
            gone.extend(state.pop(None, limits));
        }
        let at = state.next;
        state.next += 1;
        state
            .by_point
            .entry(call.point())
            .or_default()
            .push_back(at);
        state.calls.insert(at, Arc::new(call));
        state.bytes += bytes;
        if has_stack {
            if state.stacks.len() >= limits.stacks {
                stackless.extend(state.pop_stack(limits));
            }
            state.stacks.push_back(at);
        }
        drop(state);
        stackless.iter().for_each(|call| call.stack.clear());
    }
}

/// Which calls of a ring; without anything said, all.
#[derive(Clone, Debug, Default)]
pub struct CallFilter {
    outcomes: Vec<Outcome>,
    point: Option<String>,
    component: Option<String>,
}

impl CallFilter {
    /// All calls.
    pub fn new() -> Self {
        CallFilter::default()
    }
    /// Only those that ended so; several add up.
    pub fn outcome(mut self, outcome: Outcome) -> Self {
        self.outcomes.push(outcome);
        self
    }
    /// Only those of that point.
    pub fn point(mut self, point: impl Into<String>) -> Self {
        self.point = Some(point.into());
        self
    }
    /// Only those of that component, as it was redacted.
    pub fn component(mut self, component: impl Into<String>) -> Self {
        self.component = Some(component.into());
        self
    }

    fn takes(&self, call: &CallTrace) -> bool {
        (self.outcomes.is_empty() || self.outcomes.contains(&call.outcome()))
            && self
                .point
                .as_deref()
                .is_none_or(|point| point == call.point())
            && (self.component.is_none() || self.component.as_deref() == call.component())
    }
}

/// How much a ring keeps, and how much it has not.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct RingFigures {
    /// Calls that are kept.
    pub calls: usize,
    /// What they take in memory, in bytes, each stack as it is when it was read.
    pub bytes: usize,
    /// Stacks that are kept.
    pub stacks: usize,
    /// Calls that made room for later ones.
    pub displaced: u64,
    /// Calls that were larger than all that may be kept.
    pub too_large: u64,
    /// Calls that are not done.
    pub under_way: usize,
    /// Dumps that were written.
    pub dumps: u64,
    /// Dumps that were not: there were too many already, or the file could not be written.
    pub dumps_left_out: u64,
}

/// The calls that a [`DebuggingHook`](super::DebuggingHook) keeps. Reading them holds no call up for longer than it
/// takes to find them: texts and stacks are made afterwards.
#[derive(Clone)]
pub struct CallRing(pub(super) Arc<Debugging>);

impl CallRing {
    /// Calls that are kept, the oldest first.
    pub fn calls(&self, filter: &CallFilter) -> Vec<Arc<CallTrace>> {
        self.0.calls(filter)
    }
    /// How much there is.
    pub fn figures(&self) -> RingFigures {
        self.0.figures()
    }
    /// The calls (`calls`, the oldest first) and the figures (`figures`) as JSON.
    pub fn json(&self, filter: &CallFilter) -> Value {
        self.0.json(filter)
    }
    /// Writes the same into a file, for its owner only, in the place of one of that name.
    ///
    /// # Errors
    /// [`BuiltinError::Dump`]: it cannot be written.
    pub fn dump(&self, path: impl AsRef<Path>, filter: &CallFilter) -> Result<(), BuiltinError> {
        dump::write(path.as_ref(), &self.json(filter))
    }
}

impl Debugging {
    pub(super) fn calls(&self, filter: &CallFilter) -> Vec<Arc<CallTrace>> {
        let state = self.ring.state();
        let calls = state.calls.values().filter(|call| filter.takes(call));
        calls.cloned().collect()
    }

    fn figures(&self) -> RingFigures {
        let (dumps, dumps_left_out) = self.dumps.as_ref().map_or((0, 0), dump::Dumps::counts);
        let under_way = self.calls.count();
        let state = self.ring.state();
        RingFigures {
            calls: state.calls.len(),
            bytes: state.bytes,
            stacks: state.stacks.len(),
            displaced: state.displaced,
            too_large: state.too_large,
            under_way,
            dumps,
            dumps_left_out,
        }
    }

    pub(super) fn json(&self, filter: &CallFilter) -> Value {
        let calls = self.calls(filter);
        let calls: Vec<_> = calls.iter().map(|call| call.to_json()).collect();
        json!({ "calls": calls, "figures": self.figures() })
    }
}
