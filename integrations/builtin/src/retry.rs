//! Another attempt of what failed.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hooks_runtime::{
    ArgError, GuardContext, HookContext, HookError, HookResult, Phase, PreparedHook, Priority,
};
use regex::{RegexSet, RegexSetBuilder};
use serde::Deserialize;
use serde_json::Value;

use crate::error::BuiltinError;
use crate::keys::Keys;
use crate::kinds::{BuiltinHook, Needs, Replay};
use crate::placement::Placement;

mod backoff;

pub use backoff::{Backoff, Jitter};

/// Runs the body of a call that failed again, with the same arguments, after a wait.
///
/// Calls that hooks refused are no failures and not repeated, and neither are errors that come from a refusal
/// further inside. The site must be repeatable (`retry` in the attribute's reference); one that is not is a failure
/// of this hook, which leaves the error as it was.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RetryHook {
    max_attempts: u32,
    backoff: Backoff,
    first_delay_ms: u64,
    max_delay_ms: u64,
    jitter: Jitter,
    max_elapsed_ms: Option<u64>,
    retry_on: Vec<Box<str>>,
    never_on: Vec<Box<str>>,
    idempotency_key: Option<Box<str>>,
    #[serde(skip)]
    retry_if: Option<Predicate>,
}

type AskError = dyn Fn(&GuardContext<'_>) -> Result<bool, ArgError> + Send + Sync;

#[derive(Clone)]
struct Predicate(Arc<AskError>);

impl fmt::Debug for Predicate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Predicate")
    }
}

impl Default for RetryHook {
    fn default() -> Self {
        RetryHook {
            max_attempts: 3,
            backoff: Backoff::default(),
            first_delay_ms: 100,
            max_delay_ms: 60_000,
            jitter: Jitter::default(),
            max_elapsed_ms: None,
            retry_on: Vec::new(),
            never_on: Vec::new(),
            idempotency_key: None,
            retry_if: None,
        }
    }
}

const DAY_MS: u64 = 86_400_000;

/// How large a set of expressions may be once it is compiled, in bytes.
const MAX_PATTERN_BYTES: usize = 1 << 20;

impl RetryHook {
    /// Three attempts of every call that fails, with waits of up to 100 and 200 milliseconds.
    pub fn new() -> Self {
        RetryHook::default()
    }
    /// How many attempts a call may have in all, the first included, from 2 to 100. Default: 3.
    pub fn max_attempts(mut self, attempts: u32) -> Self {
        self.max_attempts = attempts;
        self
    }
    /// How the wait grows. Default: it doubles.
    pub fn backoff(mut self, backoff: Backoff) -> Self {
        self.backoff = backoff;
        self
    }
    /// The wait before the second attempt, in milliseconds up to a day; 0: none, and none later. Default: 100.
    pub fn first_delay_ms(mut self, milliseconds: u64) -> Self {
        self.first_delay_ms = milliseconds;
        self
    }
    /// The longest wait, in milliseconds up to a day. Default: 60,000.
    pub fn max_delay_ms(mut self, milliseconds: u64) -> Self {
        self.max_delay_ms = milliseconds;
        self
    }
    /// How chance shortens a wait. Default: to anything between nothing and all of it.
    pub fn jitter(mut self, jitter: Jitter) -> Self {
        self.jitter = jitter;
        self
    }
    /// No attempt begins later than that after the call, in milliseconds from 1. Default: no limit.
    pub fn max_elapsed_ms(mut self, milliseconds: u64) -> Self {
        self.max_elapsed_ms = Some(milliseconds);
        self
    }
    /// A regular expression (of the crate `regex`) that the error, as its `Debug` shows it, must match somewhere;
    /// several are alternatives. The text is not kept. Default: all errors.
    pub fn retry_on(mut self, pattern: impl Into<Box<str>>) -> Self {
        self.retry_on.push(pattern.into());
        self
    }
    /// One that it must not match; several add up. Default: none.
    pub fn never_on(mut self, pattern: impl Into<Box<str>>) -> Self {
        self.never_on.push(pattern.into());
        self
    }
    /// In Rust only: whether an error is worth another attempt, besides what the expressions say. An error of
    /// another type is a failure of the hook, so the error stands.
    pub fn retry_if<E: 'static>(
        mut self,
        worth_it: impl Fn(&E) -> bool + Send + Sync + 'static,
    ) -> Self {
        let ask: Arc<AskError> = Arc::new(move |cx| cx.error::<E>().map(&worth_it));
        self.retry_if = Some(Predicate(ask));
        self
    }
    /// The argument or field (`fields(…)`) that holds the key by which the other side knows a call that it has
    /// seen. Only calls that have one are repeated. An argument that is empty (null or `""`) gets a new one of 32
    /// hexadecimal digits, before the guards are asked; all attempts have the same. One that is passed as `&T` cannot
    /// be given one, which is a failure of the hook. Default: none is needed.
    pub fn idempotency_key(mut self, name: impl Into<Box<str>>) -> Self {
        self.idempotency_key = Some(name.into());
        self
    }

    fn check(&self) -> Result<(), BuiltinError> {
        let most = u64::from(u32::MAX);
        for (option, value, least, most) in [
            ("max_attempts", u64::from(self.max_attempts), 2, 100),
            ("first_delay_ms", self.first_delay_ms, 0, DAY_MS),
            ("max_delay_ms", self.max_delay_ms, 0, DAY_MS),
            ("max_elapsed_ms", self.max_elapsed_ms.unwrap_or(1), 1, most),
        ] {
            if !(least..=most).contains(&value) {
                return Err(bad(option, format!("is {value}: write {least} to {most}")));
            }
        }
        Ok(())
    }
}

fn bad(option: &'static str, why: String) -> BuiltinError {
    BuiltinError::BadOption {
        kind: RetryHook::KIND,
        option,
        why: why.into(),
    }
}

fn patterns(option: &'static str, list: &[Box<str>]) -> Result<Option<RegexSet>, BuiltinError> {
    if list.is_empty() {
        return Ok(None);
    }
    let built = RegexSetBuilder::new(list)
        .size_limit(MAX_PATTERN_BYTES)
        .build();
    let why = |error| format!("is not a list of regular expressions: {error}");
    built.map(Some).map_err(|error| bad(option, why(error)))
}

impl BuiltinHook for RetryHook {
    const KIND: &'static str = "retry";
    const REPLAY: Replay = Replay::Watches;

    fn needs(&self) -> Needs {
        Needs::nothing()
    }

    fn prepare(self, at: &Placement) -> Result<Vec<PreparedHook>, BuiltinError> {
        self.check()?;
        let meta = at
            .only(Priority::NORMAL)
            .describe("repeats calls that fail");
        let mut meta = meta.error().may_retry();
        if self.max_elapsed_ms.is_some() || self.idempotency_key.is_some() {
            meta = meta.pre();
        }
        let retrier = Retrier {
            retry_on: patterns("retry_on", &self.retry_on)?,
            never_on: patterns("never_on", &self.never_on)?,
            keys: Keys::new(),
            options: self,
        };
        Ok(vec![PreparedHook::intercept(meta, move |cx| {
            retrier.answer(cx)
        })])
    }
}

/// What is known of a call from before its body.
struct Begun {
    at: Instant,
    has_key: bool,
}

struct Retrier {
    options: RetryHook,
    retry_on: Option<RegexSet>,
    never_on: Option<RegexSet>,
    keys: Keys,
}

impl Retrier {
    fn answer(&self, cx: &mut HookContext<'_>) -> Result<HookResult, HookError> {
        if cx.phase() == Phase::Pre {
            let begun = Begun {
                at: cx.clock().now(),
                has_key: self.give_key(cx)?,
            };
            cx.local(begun);
            return Ok(HookResult::Continue);
        }
        let options = &self.options;
        if cx.attempt() >= options.max_attempts || !self.is_worth_it(cx)? {
            return Ok(HookResult::Continue);
        }
        let millis = Duration::from_millis;
        let (first, most) = (millis(options.first_delay_ms), millis(options.max_delay_ms));
        let wait = options.backoff.after(cx.attempt(), first, most);
        let wait = options.jitter.shorten(wait);
        if !self.may_begin(cx, wait) {
            return Ok(HookResult::Continue);
        }
        Ok(HookResult::retry(wait, options.max_attempts))
    }

    fn is_worth_it(&self, cx: &GuardContext<'_>) -> Result<bool, HookError> {
        if let Some(Predicate(ask)) = &self.options.retry_if
            && !ask(cx)?
        {
            return Ok(false);
        }
        if self.retry_on.is_none() && self.never_on.is_none() {
            return Ok(true);
        }
        let error = cx.error_text()?;
        let matches = |set: &RegexSet| set.is_match(&error);
        Ok(self.retry_on.as_ref().is_none_or(matches)
            && !self.never_on.as_ref().is_some_and(matches))
    }

    /// Whether time and key allow an attempt after that wait.
    fn may_begin(&self, cx: &mut HookContext<'_>, wait: Duration) -> bool {
        let now = cx.clock().now();
        let Some(begun) = cx.get_local::<Begun>() else {
            return self.options.max_elapsed_ms.is_none() && self.options.idempotency_key.is_none();
        };
        let begins = now.saturating_duration_since(begun.at) + wait;
        let limit = self.options.max_elapsed_ms.map(Duration::from_millis);
        begun.has_key && limit.is_none_or(|limit| begins <= limit)
    }

    /// Whether the call has a key or needs none; an empty argument gets one.
    fn give_key(&self, cx: &mut HookContext<'_>) -> Result<bool, HookError> {
        let Some(name) = &self.options.idempotency_key else {
            return Ok(true);
        };
        let is_empty = |value: &Value| match value {
            Value::Null => true,
            Value::String(text) => text.is_empty(),
            _ => false,
        };
        if !cx.arg_names().any(|known| *known == **name) {
            return Ok(cx.field(name).is_some_and(|value| !is_empty(value)));
        }
        if is_empty(&cx.arg_json(name)?) {
            let mut hasher = self.keys.begin();
            hasher.update(&cx.call_id().to_le_bytes());
            let key = hasher.finalize().to_hex();
            cx.set_arg_json(name, Value::from(&key[..32]))?;
        }
        Ok(true)
    }
}
