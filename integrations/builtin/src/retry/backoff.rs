//! How long to wait before another attempt.

use std::hash::{BuildHasher as _, RandomState};
use std::time::Duration;

use serde::Deserialize;

/// How the wait grows from attempt to attempt.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Backoff {
    /// It is always the same.
    Fixed,
    /// It grows by as much as the first.
    Linear,
    /// It doubles.
    #[default]
    Exponential,
}

/// How chance shortens a wait, so that calls that failed together do not come back together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Jitter {
    /// Not at all.
    None,
    /// To something between its half and all of it.
    Equal,
    /// To something between nothing and all of it. Source: M. Brooker, *Exponential Backoff And Jitter* (AWS
    /// Architecture Blog, 2015), which compares them.
    #[default]
    Full,
}

impl Backoff {
    /// The wait after the attempt of that number, from 1.
    pub(super) fn after(self, attempt: u32, first: Duration, most: Duration) -> Duration {
        let times = match self {
            Backoff::Fixed => 1,
            Backoff::Linear => attempt,
            Backoff::Exponential => 1_u32.checked_shl(attempt - 1).unwrap_or(u32::MAX),
        };
        first.saturating_mul(times).min(most)
    }
}

impl Jitter {
    pub(super) fn shorten(self, wait: Duration) -> Duration {
        // Each `RandomState` has keys of its own: a hash under them is a number that nobody foresees.
        let chance = RandomState::new().hash_one(0_u8) as f64 / u64::MAX as f64;
        match self {
            Jitter::None => wait,
            Jitter::Equal => wait / 2 + (wait / 2).mul_f64(chance),
            Jitter::Full => wait.mul_f64(chance),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_as_their_names_say_up_to_the_most() {
        let (first, most) = (Duration::from_millis(100), Duration::from_millis(700));
        let waits = |backoff: Backoff| {
            [1, 2, 3, 4, 40, u32::MAX].map(|n| backoff.after(n, first, most).as_millis())
        };
        assert_eq!(waits(Backoff::Fixed), [100; 6]);
        assert_eq!(waits(Backoff::Linear), [100, 200, 300, 400, 700, 700]);
        assert_eq!(waits(Backoff::Exponential), [100, 200, 400, 700, 700, 700]);
    }

    #[test]
    fn chance_stays_in_its_range_and_uses_it() {
        let wait = Duration::from_millis(1000);
        assert_eq!(Jitter::None.shorten(wait), wait);
        for (jitter, least) in [(Jitter::Equal, 500), (Jitter::Full, 0)] {
            let waits: Vec<_> = (0..1000).map(|_| jitter.shorten(wait)).collect();
            let least = Duration::from_millis(least);
            assert!(waits.iter().all(|w| (least..=wait).contains(w)));
            let middle = least + (wait - least) / 2;
            let below = waits.iter().filter(|w| **w < middle).count();
            // 500 expected with a deviation of 16: outside of this is less likely than 10^-30.
            assert!((300..=700).contains(&below), "{below}");
        }
    }
}
