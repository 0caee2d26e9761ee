//! How long code of a script may run that can wait.

use std::cell::RefCell;
use std::future::poll_fn;
use std::pin::pin;
use std::time::{Duration, Instant};

use hooks_runtime::Clock;

use crate::error::LuaError;

/// What a coroutine of a script may take.
#[derive(Clone, Debug)]
pub(crate) enum Allowance {
    /// As long as it likes: the script itself.
    Free,
    /// So long between two waits.
    Each(Duration),
    /// So long in all, waits included.
    Until(Deadline),
}

/// When the call of a hook is over, by the clock of its registry.
#[derive(Clone, Debug)]
pub(crate) struct Deadline {
    limit: Duration,
    at: Instant,
    clock: Clock,
}

thread_local! {
    /// What the coroutine may take whose wait this thread polls; nothing: it polls none.
    static CURRENT: RefCell<Option<Allowance>> = const { RefCell::new(None) };
}

impl Deadline {
    /// `limit` from now on. One beyond what an [`Instant`] can hold is in a year.
    pub(crate) fn after(limit: Duration, clock: &Clock) -> Self {
        const YEAR: Duration = Duration::from_secs(365 * 24 * 60 * 60);
        let now = clock.now();
        Deadline {
            limit,
            at: now.checked_add(limit).unwrap_or_else(|| now + YEAR),
            clock: clock.clone(),
        }
    }

    pub(crate) fn left(&self) -> Duration {
        self.at.saturating_duration_since(self.clock.now())
    }
}

impl Allowance {
    /// How long the code may run up to its next wait; `None`: as long as it likes.
    ///
    /// A hook that goes on just before its deadline has a quarter of its limit for that: to be stopped in its code
    /// would cost the whole script its state. So it is stopped after at most 1.4 times its limit.
    ///
    /// # Errors
    /// Its time is over.
    pub(crate) fn next_step(&self) -> Result<Option<Duration>, LuaError> {
        match self {
            Allowance::Free => Ok(None),
            Allowance::Each(limit) => Ok(Some(*limit)),
            Allowance::Until(deadline) => match deadline.left() {
                Duration::ZERO => Err(LuaError::new(format!(
                    "no answer within {:?}, waits included",
                    deadline.limit
                ))),
                left => Ok(Some(left.max(deadline.limit / 4))),
            },
        }
    }

    /// Polls what a coroutine waits for: functions of the script that run meanwhile, as the steps of a workflow do,
    /// are a part of what it may take.
    pub(crate) async fn during<T>(&self, wait: impl Future<Output = T>) -> T {
        let mut wait = pin!(wait);
        poll_fn(|cx| {
            let _outside = Restore(CURRENT.replace(Some(self.clone())));
            wait.as_mut().poll(cx)
        })
        .await
    }

    /// What the coroutine may take whose wait this thread polls now.
    pub(crate) fn of_the_wait() -> Option<Allowance> {
        CURRENT.with_borrow(Clone::clone)
    }
}

/// Puts back what was current before.
struct Restore(Option<Allowance>);

impl Drop for Restore {
    fn drop(&mut self) {
        CURRENT.set(self.0.take());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deadline_leaves_less_and_less_and_then_nothing() {
        let clock = Clock::fake();
        let limit = Duration::from_secs(10);
        let allowance = Allowance::Until(Deadline::after(limit, &clock));
        let mut steps = Vec::new();
        while let Ok(step) = allowance.next_step() {
            steps.push(step.map(|step| step.as_millis()));
            clock.advance(Duration::from_secs(3));
        }
        // The last one has a quarter and no less.
        assert_eq!(steps, [Some(10_000), Some(7_000), Some(4_000), Some(2_500)]);
        let endless = Deadline::after(Duration::MAX, &clock);
        assert!(endless.left() > limit);
    }

    #[tokio::test]
    async fn what_runs_during_a_wait_sees_the_innermost_one() {
        let seen = || match Allowance::of_the_wait() {
            Some(Allowance::Each(limit)) => limit.as_secs(),
            Some(_) => 100,
            None => 0,
        };
        let each = |secs| Allowance::Each(Duration::from_secs(secs));
        let outer = each(2);
        let nested = async {
            let before = seen();
            let inner = each(1);
            let inside = inner.during(async {
                tokio::task::yield_now().await;
                seen()
            });
            (before, inside.await, seen())
        };
        assert_eq!((outer.during(nested).await, seen()), ((2, 1, 2), 0));
    }
}
