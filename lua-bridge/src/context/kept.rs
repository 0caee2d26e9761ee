//! What a script has seen and set of a call, while the hook waits and others use the state.

use std::sync::Arc;

use serde_json::Value as Json;

use super::{Changes, Held, Now};
use crate::vm::{Slot, Vm};

/// The values of a call, out of the gate. It may be dropped anywhere: what it holds goes back to the state.
#[derive(Default)]
pub(crate) struct Kept {
    args: Vec<(usize, KeptValue)>,
    result: Option<KeptValue>,
}

struct KeptValue {
    original: Option<Box<Json>>,
    now: KeptNow,
}

enum KeptNow {
    Lua(Slot),
    Other(Now),
}

impl KeptValue {
    fn of(vm: &Arc<Vm>, held: Held) -> Self {
        KeptValue {
            original: held.original,
            now: match held.now {
                Now::Lua(value) => KeptNow::Lua(vm.keep(value)),
                other => KeptNow::Other(other),
            },
        }
    }

    fn into_held(self) -> Held {
        Held {
            original: self.original,
            now: match self.now {
                KeptNow::Lua(slot) => Now::Lua(slot.into_value()),
                KeptNow::Other(now) => now,
            },
        }
    }
}

impl Kept {
    /// The values again, to be used in the state's gate until they are settled or kept again.
    pub(crate) fn held(self) -> Changes {
        let args = self.args.into_iter();
        let args = args.map(|(at, value)| (at, value.into_held()));
        let changes = Changes::default();
        changes.args.borrow_mut().extend(args);
        *changes.result.borrow_mut() = self.result.map(KeptValue::into_held);
        changes
    }
}

impl Changes {
    /// Up to [`Kept::held`].
    pub(crate) fn keep(&self, vm: &Arc<Vm>) -> Kept {
        let args = self.args.take().into_iter();
        let args = args.map(|(at, held)| (at, KeptValue::of(vm, held)));
        let result = self.result.take();
        Kept {
            args: args.collect(),
            result: result.map(|held| KeptValue::of(vm, held)),
        }
    }
}
