//! How often and how long a delivery is attempted.

use std::time::Duration;

/// What a handler gets before an event is given up. By default: one attempt, for as long as it takes.
#[derive(Clone, Debug, PartialEq)]
pub struct DeliveryPolicy {
    /// How long one attempt may take; `None`: for ever. Needs a runtime with timers.
    pub timeout: Option<Duration>,
    /// How often it is attempted, the first time included; at least 1.
    pub max_attempts: u32,
    /// How long it waits between two attempts.
    pub backoff: Backoff,
}

impl Default for DeliveryPolicy {
    fn default() -> Self {
        DeliveryPolicy {
            timeout: None,
            max_attempts: 1,
            backoff: Backoff::default(),
        }
    }
}

/// Waits that grow from attempt to attempt, and differ a little, so that what failed together is not tried again
/// together.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Backoff {
    /// The wait after the first attempt. Default 100 ms.
    pub first: Duration,
    /// By how much each wait is longer than the one before. Default 2.
    pub factor: f64,
    /// The longest wait. Default 30 s.
    pub max: Duration,
    /// How much of a wait is up to chance, from 0 to 1: with 0.5 it is between half of it and all of it.
    /// Default 0.5.
    pub jitter: f64,
}

impl Default for Backoff {
    fn default() -> Self {
        Backoff {
            first: Duration::from_millis(100),
            factor: 2.0,
            max: Duration::from_secs(30),
            jitter: 0.5,
        }
    }
}

impl Backoff {
    /// The wait after that attempt, from 1. `chance` is from 0 to 1.
    pub(crate) fn wait(&self, attempt: u32, chance: f64) -> Duration {
        let exponent = i32::try_from(attempt.saturating_sub(1)).unwrap_or(i32::MAX);
        let seconds = self.first.as_secs_f64() * self.factor.max(1.0).powi(exponent);
        let capped = seconds.min(self.max.as_secs_f64());
        let jitter = self.jitter.clamp(0.0, 1.0);
        Duration::try_from_secs_f64(capped * (1.0 - jitter * chance)).unwrap_or(self.max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_up_to_the_longest() {
        let backoff = Backoff {
            jitter: 0.0,
            ..Backoff::default()
        };
        let waits: Vec<u128> = [1, 2, 3, 9, 10, u32::MAX]
            .iter()
            .map(|attempt| backoff.wait(*attempt, 0.7).as_millis())
            .collect();
        assert_eq!(waits, [100, 200, 400, 25_600, 30_000, 30_000]);
    }

    #[test]
    fn chance_shortens_a_wait_by_the_jitter_at_most() {
        let backoff = Backoff::default();
        assert_eq!(backoff.wait(2, 0.0).as_millis(), 200);
        assert_eq!(backoff.wait(2, 1.0).as_millis(), 100);
        let odd = Backoff {
            factor: f64::NAN,
            jitter: 7.0,
            ..backoff
        };
        assert_eq!(odd.wait(5, 1.0), Duration::ZERO);
    }
}
