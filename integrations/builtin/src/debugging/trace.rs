//! One call as it is kept.

use std::time::Duration;

use hooks_runtime::{DecisionRecord, HookRecord, Outcome};
use serde_json::{Value, json};

use super::Debugging;
use super::calls::UnderWay;
use super::stack::Stack;
use crate::audit::timestamp;
use crate::redaction::WrittenForm;

/// What a kept call takes beside its texts, in bytes: itself, and its places in the ring.
const OVERHEAD: usize = size_of::<CallTrace>() + 192;

/// One call of a ring.
pub struct CallTrace {
    call_id: u64,
    point: &'static str,
    component: Option<Box<str>>,
    outcome: Outcome,
    /// As a JSON text: so it is known how much memory it takes.
    text: Box<str>,
    pub(super) stack: Stack,
    max_stack_bytes: usize,
}

impl CallTrace {
    /// The id of the call.
    pub fn call_id(&self) -> u64 {
        self.call_id
    }
    /// Its point.
    pub fn point(&self) -> &'static str {
        self.point
    }
    /// Its component, redacted, if the site names one.
    pub fn component(&self) -> Option<&str> {
        self.component.as_deref()
    }
    /// How it ended.
    pub fn outcome(&self) -> Outcome {
        self.outcome
    }
    /// The stack that it ended on, if it was kept. The first time this looks functions and lines up, which may take
    /// a while; calls do not wait for it.
    pub fn stack(&self) -> Option<String> {
        self.stack.text(self.max_stack_bytes)
    }
    /// All of it.
    pub fn to_json(&self) -> Value {
        let mut json: Value = serde_json::from_str(&self.text).expect("it was written from JSON");
        if let Some(stack) = self.stack() {
            json["stack"] = stack.into();
        }
        json
    }

    /// What it takes in memory, without its stack.
    pub(super) fn bytes(&self) -> usize {
        OVERHEAD + self.text.len() + self.component.as_ref().map_or(0, |name| name.len())
    }
}

impl std::fmt::Debug for CallTrace {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CallTrace")
            .field("text", &self.text)
            .finish_non_exhaustive()
    }
}

impl Debugging {
    /// A call is done.
    pub(super) fn keep(&self, record: &DecisionRecord<'_>) {
        let (outcome, options) = (record.outcome(), &self.options);
        let call = self.calls.end(record.call_id());
        if !options.only.is_empty() && !options.only.contains(&outcome) {
            return;
        }
        let stack = match options.stacks.contains(&outcome) {
            true => Stack::capture(),
            false => Stack::none(),
        };
        let component = record.component().map(|name| self.written.text(name));
        self.ring.push(CallTrace {
            call_id: record.call_id(),
            point: record.point(),
            text: self
                .text(record, component.as_deref(), call)
                .to_string()
                .into(),
            component: component.map(Into::into),
            outcome,
            stack,
            max_stack_bytes: options.max_stack_bytes,
        });
        if let Some(dumps) = &self.dumps
            && options.dump_on.contains(&outcome)
        {
            dumps.write(record.call_id(), || {
                self.json(&super::CallFilter::default())
            });
        }
    }

    fn text(&self, record: &DecisionRecord<'_>, component: Option<&str>, call: UnderWay) -> Value {
        let written = &self.written;
        let site = record.site();
        let fields = record.fields().iter();
        let fields = fields.map(|(name, value)| ((*name).to_owned(), value.clone()));
        let args = site
            .args
            .iter()
            .map(|arg| json!({ "name": arg.name, "type": arg.ty }));
        let mut json = json!({
            "at": timestamp(record.at()),
            "call_id": record.call_id(),
            "parents": self.calls.chain(record.parent_id()),
            "correlation_id": written.text(record.correlation_id()),
            "thread": std::thread::current().name(),
            "point": record.point(),
            "site": { "path": site.path, "file": site.file, "line": site.line },
            "component": component,
            "fields": written.fields(fields),
            "arguments": args.collect::<Vec<_>>(),
            "hooks": record.hooks().iter().map(|said| hook(written, said)).collect::<Vec<_>>(),
            "plan": record.plan(),
            "cache_hit": record.cache_hit(),
            "attempts": record.attempts(),
            "items": record.items(),
            "outcome": record.outcome(),
            "executed": record.executed(),
            "refusal": record.refusal().map(|refusal| json!({
                "hook": refusal.hook(),
                "reason": written.text(refusal.reason()),
                "source": refusal.source_location(),
            })),
            "elapsed_ns": ns(record.elapsed()),
            "work_ns": record.work().map(ns),
            "waited_ns": ns(record.waited()),
        });
        for (name, text) in [
            ("args", call.args),
            ("result", call.result),
            ("error", call.error),
        ] {
            if let Some(text) = text {
                json[name] = serde_json::from_str(&text).expect("it was written from JSON");
            }
        }
        json
    }
}

fn hook(written: &WrittenForm, said: &HookRecord) -> Value {
    json!({
        "hook": &*said.hook,
        "source": &*said.source,
        "phase": said.phase,
        "role": said.role,
        "mode": said.mode,
        "answer": said.answer,
        "restriction": said.restriction,
        "reason": said.reason.as_deref().map(|reason| written.text(reason)),
        "error": said.error,
        "note": said.note,
        "elapsed_ns": said.elapsed.map(ns),
        "item": said.item,
    })
}

fn ns(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}
