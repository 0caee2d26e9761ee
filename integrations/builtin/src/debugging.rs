//! The last calls, to look at when something has gone wrong.

mod calls;
mod dump;
mod ring;
mod stack;
mod trace;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use hooks_runtime::panic::caught;
use hooks_runtime::{ArgError, HookContext, Outcome, Phase, PreparedHook, Priority};
use serde::Deserialize;

use crate::error::BuiltinError;
use crate::kinds::{BuiltinHook, Needs, Replay};
use crate::live::Live;
use crate::placement::Placement;
use crate::redaction::{Rules, SECRET_KEYS, Wanted, WrittenForm, redaction_words};
use calls::Calls;
use dump::Dumps;
pub use ring::{CallFilter, CallRing, RingFigures};
use ring::{Limits, Ring};
pub use trace::CallTrace;

/// The rings of the process, by the id of their hook.
static RINGS: Live<Debugging> = Live::new();

/// Keeps the last calls in a ring: point, component, ids, the calls that they were made in, fields, what each hook
/// said, plan, outcome, times, and, if asked for, arguments, results, errors and stacks. [`DebuggingHook::ring`]
/// gives them, and they can be dumped into files.
///
/// Texts are redacted before they are kept. Arguments, results and errors are kept only with
/// [`DebuggingHook::values`].
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DebuggingHook {
    max_calls: usize,
    max_calls_per_point: usize,
    max_bytes: usize,
    max_under_way: usize,
    only: Vec<Outcome>,
    values: bool,
    max_value_bytes: usize,
    stacks: Vec<Outcome>,
    max_stacks: usize,
    max_stack_bytes: usize,
    dump_on: Vec<Outcome>,
    dump_dir: PathBuf,
    max_dumps: usize,
    patterns: Vec<String>,
    regexes: BTreeMap<String, String>,
    keys: Vec<String>,
}

impl Default for DebuggingHook {
    fn default() -> Self {
        DebuggingHook {
            max_calls: 1000,
            max_calls_per_point: 100,
            max_bytes: 8 << 20,
            max_under_way: 10_000,
            only: Vec::new(),
            values: false,
            max_value_bytes: 4 << 10,
            stacks: Vec::new(),
            max_stacks: 32,
            max_stack_bytes: 16 << 10,
            dump_on: Vec::new(),
            dump_dir: PathBuf::new(),
            max_dumps: 16,
            patterns: vec!["secrets".to_owned(), "pii".to_owned()],
            regexes: BTreeMap::new(),
            keys: SECRET_KEYS.map(str::to_owned).to_vec(),
        }
    }
}

impl DebuggingHook {
    /// The last 1,000 calls, without values and stacks.
    pub fn new() -> Self {
        DebuggingHook::default()
    }
    /// How many calls are kept, 1 to 100,000. Default: 1,000.
    pub fn max_calls(mut self, calls: usize) -> Self {
        self.max_calls = calls;
        self
    }
    /// How many calls of each point are kept, 1 to 100,000. Default: 100.
    pub fn max_calls_per_point(mut self, calls: usize) -> Self {
        self.max_calls_per_point = calls;
        self
    }
    /// How much memory the kept calls take, in bytes from 64 KiB to 1 GiB, their stacks included as they are when
    /// they were read; the values of calls that are under way take as much at most. Older calls make room. A call
    /// that is larger by itself is not kept. Default: 8 MiB.
    pub fn max_bytes(mut self, bytes: usize) -> Self {
        self.max_bytes = bytes;
        self
    }
    /// How many calls that are not done are known, 1 to 1,000,000: for the chain of calls that a call was made in,
    /// and for values. Beyond, the oldest are forgotten. Default: 10,000.
    pub fn max_under_way(mut self, calls: usize) -> Self {
        self.max_under_way = calls;
        self
    }
    /// Only calls that ended so; several add up. Default: all.
    pub fn only(mut self, outcome: Outcome) -> Self {
        self.only.push(outcome);
        self
    }
    /// Whether arguments, results and errors (as their `Debug` shows them) are kept, redacted; not the items of
    /// streams. Default: no.
    pub fn values(mut self, values: bool) -> Self {
        self.values = values;
        self
    }
    /// A value whose JSON is longer, in bytes, is replaced by its length. Default: 4 KiB.
    pub fn max_value_bytes(mut self, bytes: usize) -> Self {
        self.max_value_bytes = bytes;
        self
    }
    /// Calls that end so are kept with the stack that they end on, of an asynchronous one the stack of its last
    /// poll; several add up. Functions and lines are looked up when a stack is read first. Default: none.
    pub fn stacks(mut self, outcome: Outcome) -> Self {
        self.stacks.push(outcome);
        self
    }
    /// How many stacks are kept, 1 to 1,000; beyond, the oldest goes, and its call stays. Until it is read, a stack
    /// takes about a hundred bytes for each frame. Default: 32.
    pub fn max_stacks(mut self, stacks: usize) -> Self {
        self.max_stacks = stacks;
        self
    }
    /// How much of the text of a stack is kept, in bytes from 1 KiB to 1 MiB. Default: 16 KiB.
    pub fn max_stack_bytes(mut self, bytes: usize) -> Self {
        self.max_stack_bytes = bytes;
        self
    }
    /// When a call ends so, what is kept is written into a file of `dump_dir`, before its caller goes on; several
    /// add up. Default: none.
    pub fn dump_on(mut self, outcome: Outcome) -> Self {
        self.dump_on.push(outcome);
        self
    }
    /// The folder of dumps; it is made for its owner only if it is not there. Default: none.
    pub fn dump_dir(mut self, folder: impl Into<PathBuf>) -> Self {
        self.dump_dir = folder.into();
        self
    }
    /// How many dumps of this hook may be in the folder, 1 to 1,000. Beyond, none is written until some are removed.
    /// Default: 16.
    pub fn max_dumps(mut self, dumps: usize) -> Self {
        self.max_dumps = dumps;
        self
    }
    redaction_words!(self => self);

    /// The calls that the hook of that id keeps, for as long as it is registered.
    pub fn ring(id: &str) -> Option<CallRing> {
        RINGS.get(id).map(CallRing)
    }

    fn check(&self) -> Result<(), BuiltinError> {
        let bad = |option, why: &str| {
            Err(BuiltinError::BadOption {
                kind: DebuggingHook::KIND,
                option,
                why: why.into(),
            })
        };
        let ranges = [
            ("max_calls", self.max_calls, 1, 100_000),
            ("max_calls_per_point", self.max_calls_per_point, 1, 100_000),
            ("max_bytes", self.max_bytes, 64 << 10, 1 << 30),
            ("max_under_way", self.max_under_way, 1, 1_000_000),
            ("max_stacks", self.max_stacks, 1, 1000),
            ("max_stack_bytes", self.max_stack_bytes, 1 << 10, 1 << 20),
            ("max_dumps", self.max_dumps, 1, 1000),
        ];
        for (option, value, least, most) in ranges {
            if !(least..=most).contains(&value) {
                return bad(option, &format!("must be {least} to {most}"));
            }
        }
        let is_kept = |outcome: &Outcome| self.only.is_empty() || self.only.contains(outcome);
        for (option, outcomes) in [("stacks", &self.stacks), ("dump_on", &self.dump_on)] {
            if let Some(outcome) = outcomes.iter().find(|outcome| !is_kept(outcome)) {
                let why = format!(
                    "has `{0}`, and `only` has not: add it there",
                    outcome.as_str()
                );
                return bad(option, &why);
            }
        }
        match (
            self.dump_on.is_empty(),
            self.dump_dir.as_os_str().is_empty(),
        ) {
            (false, true) => bad("dump_dir", "is missing: name the folder of the dumps"),
            (true, false) => bad("dump_on", "is missing: name the outcomes that are dumped"),
            _ => Ok(()),
        }
    }

    fn open(self, id: &str) -> Result<Debugging, BuiltinError> {
        self.check()?;
        let rules = Rules::new(&Wanted {
            kind: DebuggingHook::KIND,
            patterns: &self.patterns,
            regexes: &self.regexes,
            keys: &self.keys,
            replacement: "[redacted:{name}]",
        })?;
        let dumps = match self.dump_on.is_empty() {
            true => None,
            false => Some(Dumps::new(&self.dump_dir, id, self.max_dumps)?),
        };
        Ok(Debugging {
            written: WrittenForm::new(rules, self.max_value_bytes),
            calls: Calls::new(self.max_under_way, self.max_bytes),
            ring: Ring::new(Limits {
                calls: self.max_calls,
                calls_per_point: self.max_calls_per_point,
                bytes: self.max_bytes,
                stacks: self.max_stacks,
                stack_bytes: self.max_stack_bytes,
            }),
            dumps,
            options: self,
        })
    }
}

impl BuiltinHook for DebuggingHook {
    const KIND: &'static str = "debugging";
    const REPLAY: Replay = Replay::Watches;

    fn needs(&self) -> Needs {
        match self.dump_dir.as_os_str().is_empty() {
            true => Needs::nothing(),
            false => Needs::nothing().write(&self.dump_dir),
        }
    }

    fn prepare(self, at: &Placement) -> Result<Vec<PreparedHook>, BuiltinError> {
        let values = self.values;
        let debugging = Arc::new(self.open(at.id())?);
        RINGS.put(at.id(), &debugging);
        // Not a guard, so that it can be placed where hooks may only watch.
        let meta = at.part("calls", Priority::LOWEST).pre();
        let meta = meta.describe("notes calls that are under way, for debugging");
        let meta = if values { meta.post().error() } else { meta };
        let noting = debugging.clone();
        let calls = PreparedHook::intercept(meta, move |cx| noting.note(cx));
        let meta = at.part("done", Priority::LOW);
        let meta = meta.describe("keeps the last calls, for debugging");
        let done = PreparedHook::observe(meta, move |record| debugging.keep(record));
        Ok(vec![calls, done])
    }
}

/// What the two hooks share.
struct Debugging {
    options: DebuggingHook,
    written: WrittenForm,
    calls: Calls,
    ring: Ring,
    dumps: Option<Dumps>,
}

impl Debugging {
    /// A call is under way. It says nothing to it, and nothing that it cannot see is its failure.
    fn note(&self, cx: &mut HookContext<'_>) {
        match cx.phase() {
            Phase::Pre => {
                let values = self.options.values;
                let json =
                    |name: &'static str| Some((name.to_owned(), seen(|| cx.arg_json(name))?));
                let args = values.then(|| self.written.fields(cx.arg_names().filter_map(json)));
                let component = cx.component().map(|name| self.written.text(name));
                self.calls.begin(cx, component, args);
            }
            Phase::Post if !cx.site().flags.is_stream => {
                if let Some(json) = seen(|| cx.result_json()) {
                    self.calls.result(cx.call_id(), &self.written.value(json));
                }
            }
            Phase::Error => {
                if let Some(text) = seen(|| cx.error_text()) {
                    let text = self.written.text(&text).into();
                    self.calls.error(cx.call_id(), &self.written.value(text));
                }
            }
            _ => {}
        }
    }
}

/// What a call shows, unless its type has no such form, or panics: that is not for debugging to refuse.
fn seen<T>(show: impl FnOnce() -> Result<T, ArgError>) -> Option<T> {
    caught(show).ok()?.ok()
}
