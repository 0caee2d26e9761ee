//! So many calls in a time, and no more.

use std::sync::Arc;
use std::time::Duration;

use hooks_runtime::{GuardContext, HookError, PreparedHook, Priority, Vote};
use serde::Deserialize;

use crate::error::BuiltinError;
use crate::keys::Keys;
use crate::kinds::{BuiltinHook, Needs, Replay};
use crate::placement::Placement;
use crate::waiting::wait_at;

mod buckets;

use buckets::{Buckets, Denied, Key, Limits};

/// What calls are counted by; calls that differ in it do not share permits.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Per {
    /// The point.
    Point,
    /// The component, such as the tool's name.
    Component,
    /// Whom the call is made for ([`hooks_runtime::HookScope::principal`]).
    Principal,
    /// The run or session that the call belongs to, by its correlation id.
    Correlation,
    /// A fact of the site (`fields(…)`). A site without it is a failure of the hook.
    Field(Box<str>),
    /// An argument, by its JSON. A site without it is a failure of the hook.
    Argument(Box<str>),
}

/// What becomes of a call that finds no permit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum RateAction {
    /// It is refused; the reason says when there is one.
    #[default]
    Refuse,
    /// It waits for one, if that is no longer than [`RateLimitHook::max_delay_ms`]; else it is refused.
    Delay,
    /// It waits for one, if no more than [`RateLimitHook::max_queue`] calls wait for the same; else it is refused.
    Queue,
}

/// Lets so many calls pass in a time. A guard: what is counted is what was sealed.
///
/// A call that another guard refuses has used its permit; another attempt of the same call needs none.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RateLimitHook {
    permits: u32,
    per_ms: u64,
    burst: Option<u32>,
    by: Vec<Per>,
    action: RateAction,
    max_delay_ms: u64,
    max_queue: u32,
    max_keys: usize,
}

impl Default for RateLimitHook {
    fn default() -> Self {
        RateLimitHook {
            permits: 0,
            per_ms: 1000,
            burst: None,
            by: Vec::new(),
            action: RateAction::Refuse,
            max_delay_ms: 1000,
            max_queue: 100,
            max_keys: 10_000,
        }
    }
}

const HOUR_MS: u64 = 3_600_000;

impl RateLimitHook {
    /// That many calls in a second, all together; others are refused.
    pub fn new(permits: u32) -> Self {
        RateLimitHook {
            permits,
            ..RateLimitHook::default()
        }
    }
    /// How many calls pass in the time, from 1 to 1,000,000. It must be given.
    pub fn permits(mut self, permits: u32) -> Self {
        self.permits = permits;
        self
    }
    /// The time, in milliseconds from 1 to a day. Permits come back evenly over it. Default: 1,000.
    pub fn per_ms(mut self, milliseconds: u64) -> Self {
        self.per_ms = milliseconds;
        self
    }
    /// How many pass at once after a time without calls, from 1 to 1,000,000. Default: as many as `permits`.
    pub fn burst(mut self, calls: u32) -> Self {
        self.burst = Some(calls);
        self
    }
    /// What calls are counted by; several add up. Default: nothing, all calls share the permits.
    pub fn by(mut self, per: Per) -> Self {
        self.by.push(per);
        self
    }
    /// What becomes of a call that finds no permit. Waiting calls have the order in which they came; at
    /// synchronous sites the thread waits. A hook that is in the shadow waits for nothing. Default: refuse.
    pub fn action(mut self, action: RateAction) -> Self {
        self.action = action;
        self
    }
    /// With [`RateAction::Delay`]: how long a call waits at most, in milliseconds, up to an hour. Default: 1,000.
    pub fn max_delay_ms(mut self, milliseconds: u64) -> Self {
        self.max_delay_ms = milliseconds;
        self
    }
    /// With [`RateAction::Queue`]: how many calls wait at most for permits of the same key, from 1 to 100,000;
    /// the last of them may have to wait for an hour at most. Default: 100.
    pub fn max_queue(mut self, calls: u32) -> Self {
        self.max_queue = calls;
        self
    }
    /// How many keys are kept that have used a permit and not got it back, from 1 to 1,000,000; calls with one
    /// more are refused. Default: 10,000.
    pub fn max_keys(mut self, keys: usize) -> Self {
        self.max_keys = keys;
        self
    }

    fn check(&self) -> Result<(), BuiltinError> {
        let burst = self.burst.unwrap_or(1);
        let queued_ms = u64::from(self.max_queue) * self.per_ms / u64::from(self.permits.max(1));
        for (option, value, least, most) in [
            ("permits", u64::from(self.permits), 1, 1_000_000),
            ("per_ms", self.per_ms, 1, 24 * HOUR_MS),
            ("burst", u64::from(burst), 1, 1_000_000),
            ("max_delay_ms", self.max_delay_ms, 0, HOUR_MS),
            ("max_queue", u64::from(self.max_queue), 1, 100_000),
            ("max_keys", self.max_keys as u64, 1, 1_000_000),
        ] {
            if !(least..=most).contains(&value) {
                let why = format!("is {value}: write {least} to {most}");
                return Err(bad(option, why));
            }
        }
        if self.action == RateAction::Queue && queued_ms > HOUR_MS {
            let why = format!(
                "lets the last call wait for {queued_ms} ms: write less, an hour is the most"
            );
            return Err(bad("max_queue", why));
        }
        Ok(())
    }

    fn limits(&self) -> Limits {
        let (max_delay, max_queue) = match self.action {
            RateAction::Refuse => (Duration::ZERO, 0),
            RateAction::Delay => (Duration::from_millis(self.max_delay_ms), u64::MAX),
            RateAction::Queue => (Duration::MAX, u64::from(self.max_queue)),
        };
        Limits {
            permits: self.permits,
            per: Duration::from_millis(self.per_ms),
            burst: self.burst.unwrap_or(self.permits),
            max_delay,
            max_queue,
            max_keys: self.max_keys,
        }
    }
}

fn bad(option: &'static str, why: String) -> BuiltinError {
    BuiltinError::BadOption {
        kind: RateLimitHook::KIND,
        option,
        why: why.into(),
    }
}

impl BuiltinHook for RateLimitHook {
    const KIND: &'static str = "rate_limit";
    const REPLAY: Replay = Replay::Undecidable;

    fn needs(&self) -> Needs {
        Needs::nothing()
    }

    fn prepare(self, at: &Placement) -> Result<Vec<PreparedHook>, BuiltinError> {
        self.check()?;
        // No wait is longer than an hour, and each ends by itself.
        let longest = Duration::from_millis(HOUR_MS) + Duration::from_secs(60);
        let meta = at
            .only(Priority::NORMAL)
            .describe("limits the rate of calls");
        let meta = self
            .by
            .iter()
            .fold(meta.timeout(longest), |meta, per| match per {
                Per::Argument(name) => meta.uses(name.clone()),
                _ => meta,
            });
        let limiter = Arc::new(Limiter {
            buckets: Arc::new(Buckets::new(self.limits())),
            keys: Keys::new(),
            waits: !at.is_shadow(),
            options: self,
        });
        Ok(vec![PreparedHook::guard_async_with(
            meta,
            limiter,
            |limiter, cx| Box::pin(async move { limiter.vote(cx).await }),
        )])
    }
}

struct Limiter {
    options: RateLimitHook,
    keys: Keys,
    buckets: Arc<Buckets>,
    waits: bool,
}

impl Limiter {
    async fn vote(&self, cx: &mut GuardContext<'_>) -> Result<Vote, HookError> {
        let key: Key = Keys::counted(self.keys.begin(), cx, &self.options.by)?;
        let clock = cx.clock().clone();
        let slot = match self.buckets.take(key, clock.now()) {
            Ok(slot) => slot,
            Err(denied) => return Ok(Vote::cancel(self.reason(denied))),
        };
        if !slot.wait.is_zero() && self.waits {
            wait_at(cx.site().flags.is_async, clock.sleep(slot.wait)).await;
        }
        slot.spend();
        Ok(Vote::Pass)
    }

    fn reason(&self, denied: Denied) -> String {
        let (permits, per) = (self.options.permits, self.options.per_ms);
        match denied {
            Denied::Wait(wait) => {
                let again = wait.as_nanos().div_ceil(1_000_000);
                format!("more than {permits} calls in {per} ms; again in {again} ms")
            }
            Denied::Keys => format!(
                "calls with more than {} different keys; again within {per} ms",
                self.options.max_keys
            ),
        }
    }
}
