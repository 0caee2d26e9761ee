//! Answers that are kept.

use std::sync::Arc;
use std::time::Duration;

use hooks_runtime::{HookContext, HookError, HookResult, KeptAnswer, PreparedHook, Priority};
use serde::Deserialize;

use crate::error::BuiltinError;
use crate::keys::Keys;
use crate::kinds::{BuiltinHook, Needs, Replay};
use crate::placement::Placement;
use crate::waiting::{wait_at, within};

mod answers;
mod flight;

use answers::{Answers, Turn};

/// Keeps what bodies returned, and answers later calls with the same arguments with it.
///
/// An answer is kept for one function, component and principal ([`hooks_runtime::HookScope::principal`]) and never
/// shared between them. Errors are not kept. Guards and the hooks after the body see a kept answer as they would
/// see one of the body. A call whose arguments have no JSON, or whose result can neither be cloned nor written and
/// read as JSON, is a failure of this hook, and so is a stream.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CachingHook {
    ttl_ms: u64,
    max_entries: usize,
    args: Vec<Box<str>>,
    skip_args: Vec<Box<str>>,
    single_flight: bool,
    max_wait_ms: u64,
}

impl Default for CachingHook {
    fn default() -> Self {
        CachingHook {
            ttl_ms: 300_000,
            max_entries: 1000,
            args: Vec::new(),
            skip_args: Vec::new(),
            single_flight: true,
            max_wait_ms: 30_000,
        }
    }
}

impl CachingHook {
    /// All arguments count, 1,000 answers are kept for five minutes.
    pub fn new() -> Self {
        CachingHook::default()
    }
    /// How long an answer is used, in milliseconds from 1. Default: 300,000.
    pub fn ttl_ms(mut self, milliseconds: u64) -> Self {
        self.ttl_ms = milliseconds;
        self
    }
    /// How many answers are kept, from 1 to 4,096, which is what a registry keeps of all hooks together; beyond,
    /// the one that was not used for longest goes. Default: 1,000.
    pub fn max_entries(mut self, entries: usize) -> Self {
        self.max_entries = entries;
        self
    }
    /// An argument that the answer depends on; several add up, and others do not count. Default: all count.
    pub fn args(mut self, name: impl Into<Box<str>>) -> Self {
        self.args.push(name.into());
        self
    }
    /// An argument that the answer does not depend on; several add up. Not together with
    /// [`CachingHook::args`]. Default: none.
    pub fn skip_args(mut self, name: impl Into<Box<str>>) -> Self {
        self.skip_args.push(name.into());
        self
    }
    /// Whether a call waits for one with the same arguments that is under way, instead of doing its work a second
    /// time. At synchronous sites the thread waits. Default: yes.
    pub fn single_flight(mut self, single_flight: bool) -> Self {
        self.single_flight = single_flight;
        self
    }
    /// How long it waits at most, in milliseconds, up to an hour, before it runs the body after all. Without a
    /// limit two calls that make each other's calls would wait for ever. Default: 30,000.
    pub fn max_wait_ms(mut self, milliseconds: u64) -> Self {
        self.max_wait_ms = milliseconds;
        self
    }

    fn check(&self) -> Result<(), BuiltinError> {
        let bad = |option, why: String| {
            Err(BuiltinError::BadOption {
                kind: Self::KIND,
                option,
                why: why.into(),
            })
        };
        if self.ttl_ms == 0 {
            return bad("ttl_ms", "is 0: write how long an answer is used".into());
        }
        if !(1..=KeptAnswer::MAX).contains(&self.max_entries) {
            let why = format!("is {}: write 1 to {}", self.max_entries, KeptAnswer::MAX);
            return bad("max_entries", why);
        }
        if self.max_wait_ms > 3_600_000 {
            return bad("max_wait_ms", "is more than an hour (3600000)".into());
        }
        if !self.args.is_empty() && !self.skip_args.is_empty() {
            let why = "goes not with `args`, which leaves out all others: write one of the two";
            return bad("skip_args", why.into());
        }
        Ok(())
    }

    fn counts(&self, name: &str) -> bool {
        let in_list = |list: &[Box<str>]| list.iter().any(|listed| **listed == *name);
        (self.args.is_empty() || in_list(&self.args)) && !in_list(&self.skip_args)
    }
}

impl BuiltinHook for CachingHook {
    const KIND: &'static str = "caching";
    const REPLAY: Replay = Replay::Undecidable;

    fn needs(&self) -> Needs {
        Needs::nothing()
    }

    fn prepare(mut self, at: &Placement) -> Result<Vec<PreparedHook>, BuiltinError> {
        self.check()?;
        // The answers of a shadow are thrown away: nobody may wait for one.
        self.single_flight &= !at.is_shadow();
        let meta = at.only(Priority::LOWEST).describe("keeps answers");
        // The wait ends by itself; what is on top is for the key.
        let meta = meta.timeout(Duration::from_millis(self.max_wait_ms) + Duration::from_secs(5));
        let named = self.args.iter().chain(&self.skip_args).cloned();
        let meta = named.fold(meta, |meta, name| meta.uses(name));
        let cache = Arc::new(Cache {
            answers: Arc::new(Answers::new(self.max_entries)),
            keys: Keys::new(),
            options: self,
        });
        Ok(vec![PreparedHook::intercept_async_with(
            meta,
            cache,
            |cache, cx| Box::pin(async move { cache.answer(cx).await }),
        )])
    }
}

struct Cache {
    options: CachingHook,
    keys: Keys,
    answers: Arc<Answers>,
}

impl Cache {
    async fn answer(&self, cx: &mut HookContext<'_>) -> Result<HookResult, HookError> {
        let key = self.keys.of_call(cx, |name| self.options.counts(name))?;
        let (shared, place) = (Arc::<str>::from(&*key), cx.kept_answer(&key));
        let answer = HookResult::cache(key, Duration::from_millis(self.options.ttl_ms));
        if cx.site().flags.is_stream {
            // Not possible, as the runtime says; nobody may wait for it.
            return Ok(answer);
        }
        if !self.options.single_flight {
            cx.local(self.answers.alone(&shared, &place));
            return Ok(answer);
        }
        let (clock, is_async) = (cx.clock().clone(), cx.site().flags.is_async);
        let limit = Duration::from_millis(self.options.max_wait_ms);
        let until = clock.now() + limit;
        loop {
            match self.answers.turn(&shared, &place) {
                Turn::Hit => return Ok(answer),
                Turn::Lead(pending) => {
                    cx.local(pending);
                    return Ok(answer);
                }
                Turn::Wait(flight) => {
                    let left = until.saturating_duration_since(clock.now());
                    let landed = within(clock.clone(), left, flight.landing());
                    if wait_at(is_async, landed).await.is_none() {
                        cx.local(self.answers.alone(&shared, &place));
                        return Ok(answer);
                    }
                }
            }
        }
    }
}
