//! Hooks that fail again and again are left alone for a while.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde::Serialize;

/// When a hook's breaker opens, and for how long.
///
/// A hook whose breaker is open is not asked: it has failed, which is a vote by its `on_failure`. So the breaker of
/// a guard that is closed refuses calls, at once instead of after a timeout; it never lets one pass. When the time
/// is up, one call asks the hook again: if it answers, the breaker closes; if it fails, it stays open for twice as
/// long.
///
/// ```
/// use std::time::Duration;
/// use hooks_runtime::breaker::BreakerPolicy;
/// use hooks_runtime::{Vote, hooks};
///
/// let policy = BreakerPolicy::default().failures(3).within(Duration::from_secs(60));
/// let _remote = hooks().on("remote").point("tool.*").breaker(policy).guard(|_| Ok(Vote::Pass))?;
/// # Ok::<(), hooks_runtime::HookError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
#[must_use]
pub struct BreakerPolicy {
    failures: u32,
    window: Duration,
    open_for: Duration,
    max_open: Duration,
    pub(crate) slow: Option<Duration>,
}

impl Default for BreakerPolicy {
    fn default() -> Self {
        BreakerPolicy {
            failures: 5,
            window: Duration::from_secs(30),
            open_for: Duration::from_secs(1),
            max_open: Duration::from_secs(60),
            slow: None,
        }
    }
}

impl BreakerPolicy {
    /// It opens after so many failures and panics; at least 1. Late answers count too if the failure of the hook is
    /// open; arguments that a call does not have never do. Default 5.
    pub fn failures(mut self, count: u32) -> Self {
        self.failures = count.max(1);
        self
    }
    /// Those that are longer ago do not count. Default 30 s.
    pub fn within(mut self, window: Duration) -> Self {
        self.window = window;
        self
    }
    /// For how long it is open the first time. Default 1 s.
    pub fn open_for(mut self, time: Duration) -> Self {
        self.open_for = time;
        self
    }
    /// The longest time that it is open at once. Default 1 min.
    pub fn max_open(mut self, time: Duration) -> Self {
        self.max_open = time;
        self
    }
    /// An answer that takes longer counts as a failure of the breaker, though not of the hook. Only for hooks whose
    /// failure is open: a guard that is slow under load must not be made to refuse.
    pub fn slow(mut self, limit: Duration) -> Self {
        self.slow = Some(limit);
        self
    }
}

/// Whether a hook is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum BreakerState {
    /// It is.
    Closed,
    /// It is not.
    Open,
    /// One call tries it.
    HalfOpen,
}

/// The breaker of a hook.
pub(crate) struct Breaker {
    /// It is not closed. Read for every question, and nothing else while the hook is healthy.
    tripped: AtomicBool,
    /// Apart, because most hooks have none.
    rules: Option<Box<Rules>>,
}

struct Rules {
    policy: BreakerPolicy,
    state: Mutex<State>,
}

const YEAR: Duration = Duration::from_secs(365 * 24 * 60 * 60);

#[derive(Default)]
struct State {
    failures: VecDeque<Instant>,
    open_until: Option<Instant>,
    /// How often it was opened without a good answer between.
    times: u32,
    /// The call that tries the hook.
    probe: Option<u64>,
    /// The call that tried it last and closed the breaker, and how often it had been opened.
    closed_by: Option<(u64, u32)>,
}

impl Breaker {
    pub(crate) fn new(policy: Option<BreakerPolicy>) -> Self {
        let rules = policy.map(|policy| {
            let state = Mutex::default();
            Box::new(Rules { policy, state })
        });
        Breaker {
            tripped: AtomicBool::new(false),
            rules,
        }
    }

    /// From when on an answer is slow.
    pub(crate) fn slow(&self) -> Option<Duration> {
        self.rules.as_ref()?.policy.slow
    }

    #[inline]
    pub(crate) fn is_tripped(&self) -> bool {
        self.tripped.load(Ordering::Relaxed)
    }

    /// Whether that call may ask the hook now; `Err`: for how long nobody may. The first call after the time is up
    /// tries it, and until it says what came of it nobody else does.
    pub(crate) fn admit(&self, now: Instant, call: u64) -> Result<(), Duration> {
        let Some(rules) = self.rules.as_ref().filter(|_| self.is_tripped()) else {
            return Ok(());
        };
        let mut state = rules.lock();
        if !self.is_tripped() || state.probe == Some(call) {
            return Ok(());
        }
        let until = state.open_until;
        let left = until.map_or(Duration::ZERO, |until| until.saturating_duration_since(now));
        if !left.is_zero() || state.probe.is_some() {
            return Err(left);
        }
        state.probe = Some(call);
        Ok(())
    }

    /// The call that tried the hook was dropped before there was an answer: another one may try.
    pub(crate) fn abandoned(&self, call: u64) {
        let Some(rules) = self.rules.as_ref().filter(|_| self.is_tripped()) else {
            return;
        };
        let mut state = rules.lock();
        if state.probe == Some(call) {
            state.probe = None;
        }
    }

    /// The hook has failed; how long the breaker is open, if it opens now.
    #[cold]
    pub(crate) fn failed(&self, now: Instant, call: u64) -> Option<Duration> {
        let rules = self.rules.as_ref()?;
        let mut state = rules.lock();
        if self.is_tripped() {
            // A call that had begun before the breaker opened tells nothing new.
            let tried = state.probe == Some(call);
            return tried.then(|| state.open(&rules.policy, now));
        }
        state.failures.push_back(now);
        let window = rules.policy.window;
        while let Some(first) = state.failures.front()
            && now.saturating_duration_since(*first) > window
        {
            state.failures.pop_front();
        }
        if state.failures.len() < rules.policy.failures as usize {
            return None;
        }
        self.tripped.store(true, Ordering::Relaxed);
        Some(state.open(&rules.policy, now))
    }

    /// The hook has answered; `true`: the breaker closes.
    #[cold]
    pub(crate) fn answered(&self, call: u64) -> bool {
        let Some(rules) = &self.rules else {
            return false;
        };
        let mut state = rules.lock();
        if state.probe != Some(call) {
            // A call that had begun before the breaker opened.
            return false;
        }
        *state = State {
            closed_by: Some((call, state.times)),
            ..State::default()
        };
        self.tripped.store(false, Ordering::Relaxed);
        true
    }

    /// The answer of the hook turned out to be none, before the call of its failure: if it closed the breaker, it is
    /// as if it had not.
    #[cold]
    pub(crate) fn retracted(&self, call: u64) {
        let Some(rules) = &self.rules else {
            return;
        };
        let mut state = rules.lock();
        let Some((_, times)) = state.closed_by.filter(|(by, _)| *by == call) else {
            return;
        };
        if !self.is_tripped() {
            (state.times, state.probe) = (times, Some(call));
            self.tripped.store(true, Ordering::Relaxed);
        }
    }

    /// Whether the hook is asked, if it has a breaker.
    pub(crate) fn state(&self) -> Option<BreakerState> {
        let state = self.rules.as_ref()?.lock();
        Some(match (self.is_tripped(), state.probe) {
            (false, _) => BreakerState::Closed,
            (true, Some(_)) => BreakerState::HalfOpen,
            (true, None) => BreakerState::Open,
        })
    }
}

impl Rules {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Opens the breaker; for how long.
    fn open(&mut self, policy: &BreakerPolicy, now: Instant) -> Duration {
        let twice = 1_u32.checked_shl(self.times).unwrap_or(u32::MAX);
        let time = policy.open_for.saturating_mul(twice).min(policy.max_open);
        self.times = self.times.saturating_add(1);
        self.failures.clear();
        self.probe = None;
        // Longer than an `Instant` can say is a year.
        self.open_until = now.checked_add(time).or_else(|| now.checked_add(YEAR));
        time
    }
}
