//! Calls that are not done.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use hooks_runtime::GuardContext;
use serde_json::{Value, json};

/// How long a chain of calls is followed.
const MAX_CHAIN: usize = 32;

/// Calls under way, by id, with what is known of them so far.
pub(super) struct Calls {
    max: usize,
    max_bytes: usize,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// The order in which they began.
    next: u64,
    begun: BTreeMap<u64, u64>,
    calls: BTreeMap<u64, UnderWay>,
    bytes: usize,
}

/// One of them.
#[derive(Debug, Default)]
pub(super) struct UnderWay {
    begun: u64,
    parent: Option<u64>,
    point: &'static str,
    component: Option<Box<str>>,
    /// As JSON texts: so it is known how much memory they take.
    pub(super) args: Option<Box<str>>,
    pub(super) result: Option<Box<str>>,
    pub(super) error: Option<Box<str>>,
}

impl UnderWay {
    fn bytes(&self) -> usize {
        let texts = [&self.component, &self.args, &self.result, &self.error];
        texts.into_iter().flatten().map(|text| text.len()).sum()
    }
}

impl State {
    fn remove(&mut self, id: u64) -> Option<UnderWay> {
        let call = self.calls.remove(&id)?;
        self.begun.remove(&call.begun);
        self.bytes -= call.bytes();
        Some(call)
    }
}

impl Calls {
    pub(super) fn new(max: usize, max_bytes: usize) -> Self {
        Calls {
            max,
            max_bytes,
            state: Mutex::default(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What fits into what is left; a note that it does not.
    fn fitting(&self, state: &State, value: &Value) -> Box<str> {
        let text = value.to_string();
        if state.bytes + text.len() > self.max_bytes {
            return json!({ "left_out": "calls under way have more values than `max_bytes` allows" })
                .to_string()
                .into();
        }
        text.into()
    }

    pub(super) fn begin(
        &self,
        cx: &GuardContext<'_>,
        component: Option<String>,
        args: Option<Value>,
    ) {
        let mut state = self.state();
        state.remove(cx.call_id());
        while state.calls.len() >= self.max {
            let Some((_, oldest)) = state.begun.pop_first() else {
                break;
            };
            state.remove(oldest);
        }
        let args = args.map(|args| self.fitting(&state, &args));
        let call = UnderWay {
            begun: state.next,
            parent: cx.parent_id(),
            point: cx.point_name(),
            component: component.map(Into::into),
            args,
            ..UnderWay::default()
        };
        state.next += 1;
        state.bytes += call.bytes();
        state.begun.insert(call.begun, cx.call_id());
        state.calls.insert(cx.call_id(), call);
    }

    /// The result of an attempt, in the place of that of an earlier one.
    pub(super) fn result(&self, id: u64, value: &Value) {
        self.value(id, value, |call| &mut call.result);
    }

    /// The error of an attempt.
    pub(super) fn error(&self, id: u64, value: &Value) {
        self.value(id, value, |call| &mut call.error);
    }

    fn value(&self, id: u64, value: &Value, place: fn(&mut UnderWay) -> &mut Option<Box<str>>) {
        let mut state = self.state();
        let text = self.fitting(&state, value);
        let State { calls, bytes, .. } = &mut *state;
        if let Some(call) = calls.get_mut(&id) {
            *bytes -= call.bytes();
            *place(call) = Some(text);
            *bytes += call.bytes();
        }
    }

    /// The call is done.
    pub(super) fn end(&self, id: u64) -> UnderWay {
        self.state().remove(id).unwrap_or_default()
    }

    /// The calls that one was made in, the nearest first. The last of them may be known by its id only: it is asked
    /// about by other hooks.
    pub(super) fn chain(&self, parent: Option<u64>) -> Vec<Value> {
        let (state, mut next, mut chain) = (self.state(), parent, Vec::new());
        while let Some(id) = next.filter(|_| chain.len() < MAX_CHAIN) {
            let call = state.calls.get(&id);
            chain.push(match call {
                Some(call) => {
                    json!({ "call_id": id, "point": call.point, "component": call.component })
                }
                None => json!({ "call_id": id }),
            });
            next = call.and_then(|call| call.parent);
        }
        chain
    }

    pub(super) fn count(&self) -> usize {
        self.state().calls.len()
    }
}
