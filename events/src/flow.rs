//! How many events may be published: rate limits by topic.

mod bucket;

use std::sync::Arc;
use std::time::Duration;

use hooks_runtime::clock::Clock;

use crate::error::EventError;
use crate::pattern::TopicPattern;
use crate::route::{RouteKey, Router};
use crate::topic::Topic;
use bucket::Bucket;

/// Limits how fast events may be published, by pattern. Without a limit, which is the default, nothing is looked at.
///
/// Each limit is a token bucket: it holds up to `burst` tokens and gains `per_second` of them in a second; an event
/// takes one from every limit whose pattern covers its topic, or is refused and takes none. A clone is the same
/// controller.
///
/// ```
/// use hooks_events::flow::{FlowController, Rate};
/// use hooks_events::{EventError, Topic, TopicPattern};
///
/// let flow = FlowController::new();
/// flow.limit(&TopicPattern::new("log.>")?, Rate::per_second(100.0).burst(2))?;
/// let line = Topic::new("log.line")?;
/// assert!(flow.admit(&line).is_ok() && flow.admit(&line).is_ok());
/// assert!(matches!(flow.admit(&line), Err(EventError::RateLimited { .. })));
/// # Ok::<(), EventError>(())
/// ```
#[derive(Clone)]
pub struct FlowController {
    limits: Router<Arc<Limit>>,
    clock: Clock,
}

struct Limit {
    pattern: TopicPattern,
    bucket: Bucket,
}

/// How fast: events per second, and how many at once.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rate {
    per_second: f64,
    burst: u32,
}

impl Rate {
    /// So many events per second on average; at once as many as come in a second, at least one.
    pub fn per_second(events: f64) -> Self {
        Rate {
            per_second: events,
            burst: events.ceil().clamp(1.0, f64::from(u32::MAX)) as u32,
        }
    }

    /// With so many events at once.
    #[must_use]
    pub fn burst(mut self, events: u32) -> Self {
        self.burst = events;
        self
    }

    fn check(self) -> Result<(), EventError> {
        let is_rate = self.per_second.is_finite() && self.per_second >= Bucket::SLOWEST_PER_SECOND;
        if is_rate && self.per_second <= Bucket::FASTEST_PER_SECOND && self.burst > 0 {
            return Ok(());
        }
        Err(EventError::BadRate {
            per_second: self.per_second,
            burst: self.burst,
        })
    }
}

/// Which limit to lift.
#[derive(Clone, Debug)]
pub struct LimitKey(RouteKey);

impl FlowController {
    /// Without limits.
    pub fn new() -> Self {
        FlowController::with_clock(Clock::system())
    }

    /// Goes by that clock, which tests move.
    pub fn with_clock(clock: Clock) -> Self {
        FlowController {
            limits: Router::new(),
            clock,
        }
    }

    /// Limits the events whose topics the pattern covers, all together, from now on.
    ///
    /// # Errors
    /// [`EventError::BadRate`]: the rate is not a number between one event a day and a thousand million a second, or
    /// no event fits into the burst.
    pub fn limit(&self, pattern: &TopicPattern, rate: Rate) -> Result<LimitKey, EventError> {
        rate.check()?;
        let bucket = Bucket::new(rate.per_second, rate.burst, self.clock.now());
        let limit = Limit {
            pattern: pattern.clone(),
            bucket,
        };
        Ok(LimitKey(self.limits.insert(pattern, Arc::new(limit))))
    }

    /// Lifts a limit; `false`: it was lifted before.
    pub fn lift(&self, key: &LimitKey) -> bool {
        self.limits.remove(&key.0).is_some()
    }

    /// Lets one event of that topic pass, if all limits do.
    ///
    /// # Errors
    /// [`EventError::RateLimited`] says which limit does not, and when it would.
    pub fn admit(&self, topic: &Topic) -> Result<(), EventError> {
        if self.limits.is_empty() {
            return Ok(());
        }
        self.limits.with(topic, |limits| match limits {
            [] => Ok(()),
            limits => self.admit_all(topic, limits),
        })
    }

    fn admit_all(&self, topic: &Topic, limits: &[Arc<Limit>]) -> Result<(), EventError> {
        let now = self.clock.now();
        for (nth, limit) in limits.iter().enumerate() {
            if let Err(retry_after) = limit.bucket.take(now) {
                // What is refused costs nothing elsewhere.
                limits[..nth]
                    .iter()
                    .for_each(|taken| taken.bucket.give_back());
                return Err(rate_limited(topic, limit, retry_after));
            }
        }
        Ok(())
    }
}

#[cold]
fn rate_limited(topic: &Topic, limit: &Limit, retry_after: Duration) -> EventError {
    EventError::RateLimited {
        topic: topic.as_str().into(),
        limit: limit.pattern.as_str().into(),
        retry_after,
    }
}

impl Default for FlowController {
    fn default() -> Self {
        FlowController::new()
    }
}

impl std::fmt::Debug for FlowController {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FlowController")
            .field("limits", &self.limits.len())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flow() -> (FlowController, Clock) {
        let clock = Clock::fake();
        (FlowController::with_clock(clock.clone()), clock)
    }

    fn topic(text: &str) -> Topic {
        Topic::new(text).unwrap()
    }

    fn pattern(text: &str) -> TopicPattern {
        TopicPattern::new(text).unwrap()
    }

    #[test]
    fn without_limits_everything_passes() {
        let (flow, _) = flow();
        assert!((0..10_000).all(|_| flow.admit(&topic("a.b")).is_ok()));
    }

    #[test]
    fn a_limit_says_when_to_try_again_and_keeps_its_word() {
        let (flow, clock) = flow();
        flow.limit(&pattern("a.>"), Rate::per_second(4.0).burst(2))
            .unwrap();
        let at = topic("a.b");
        assert!(flow.admit(&at).is_ok() && flow.admit(&at).is_ok());
        let Err(EventError::RateLimited {
            limit, retry_after, ..
        }) = flow.admit(&at)
        else {
            panic!("three at once pass a burst of two");
        };
        assert_eq!((&*limit, retry_after), ("a.>", Duration::from_millis(250)));
        clock.advance(retry_after - Duration::from_nanos(1));
        assert!(flow.admit(&at).is_err());
        clock.advance(Duration::from_nanos(1));
        assert!(flow.admit(&at).is_ok() && flow.admit(&at).is_err());
        assert!(flow.admit(&topic("b")).is_ok());
    }

    #[test]
    fn what_one_limit_refuses_costs_nothing_in_another() {
        let (flow, clock) = flow();
        flow.limit(&pattern(">"), Rate::per_second(1.0).burst(3))
            .unwrap();
        let narrow = flow
            .limit(&pattern("a.b"), Rate::per_second(1.0).burst(1))
            .unwrap();
        let at = topic("a.b");
        assert!(flow.admit(&at).is_ok());
        assert!((0..10).all(|_| flow.admit(&at).is_err()));
        assert!(flow.lift(&narrow) && !flow.lift(&narrow));
        assert!(flow.admit(&at).is_ok() && flow.admit(&at).is_ok() && flow.admit(&at).is_err());
        clock.advance(Duration::from_secs(3600));
        assert_eq!((0..10).filter(|_| flow.admit(&at).is_ok()).count(), 3);
    }

    #[test]
    fn rates_that_are_none_are_refused() {
        let (flow, _) = flow();
        for rate in [0.0, -1.0, f64::NAN, f64::INFINITY, 1e10, 1e-9] {
            assert!(
                flow.limit(&pattern(">"), Rate::per_second(rate)).is_err(),
                "{rate}"
            );
        }
        let error = flow
            .limit(&pattern(">"), Rate::per_second(1.0).burst(0))
            .unwrap_err();
        assert!(error.to_string().contains("burst"), "{error}");
    }

    #[test]
    fn threads_together_get_what_the_limit_gives() {
        let (flow, _) = flow();
        flow.limit(&pattern(">"), Rate::per_second(1.0).burst(1_000))
            .unwrap();
        let passed = || {
            (0..1_000)
                .filter(|_| flow.admit(&topic("a")).is_ok())
                .count()
        };
        let total: usize = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(passed)).collect();
            threads
                .into_iter()
                .map(|thread| thread.join().unwrap())
                .sum()
        });
        assert_eq!(total, 1_000);
    }
}
