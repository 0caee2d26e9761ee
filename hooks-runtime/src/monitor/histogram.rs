//! Durations in buckets of about the same relative width.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde::Serialize;

/// Each power of two is cut into so many buckets, so that a bucket is at most a quarter of its value wide.
const STEPS: u64 = 4;
/// The first `STEPS` buckets are of one nanosecond each; the others reach to 2⁶⁴ ns.
const BUCKETS: usize = (STEPS as usize) * 63;

/// Counts durations in buckets that are at most a quarter as wide as their value; 2 KiB. Adding one is a relaxed
/// addition, from any thread.
///
/// ```
/// use std::time::Duration;
/// use hooks_runtime::monitor::Histogram;
/// let times = Histogram::default();
/// (1..=100).for_each(|ms| times.record(Duration::from_millis(ms)));
/// let timing = times.timing();
/// assert_eq!((timing.count, timing.max_ns), (100, 100_000_000));
/// assert!((50_000_000..=62_500_000).contains(&timing.p50_ns));
/// ```
pub struct Histogram {
    buckets: Box<[AtomicU64; BUCKETS]>,
    max_ns: AtomicU64,
}

/// How long things took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Timing {
    /// How many were measured.
    pub count: u64,
    /// Half of them took at most this long, in nanoseconds. As of the other quantiles, the value is the upper end
    /// of a bucket, at most a quarter too high.
    pub p50_ns: u64,
    /// 90 of 100.
    pub p90_ns: u64,
    /// 99 of 100.
    pub p99_ns: u64,
    /// The longest, exactly.
    pub max_ns: u64,
}

impl Default for Histogram {
    fn default() -> Self {
        Histogram {
            buckets: Box::new([const { AtomicU64::new(0) }; BUCKETS]),
            max_ns: AtomicU64::new(0),
        }
    }
}

fn bucket(ns: u64) -> usize {
    if ns < STEPS {
        return ns as usize;
    }
    let power = u64::from(ns.ilog2());
    // The two bits after the first one.
    let step = (ns >> (power - 2)) & (STEPS - 1);
    ((power - 1) * STEPS + step) as usize
}

/// The largest value that falls into the bucket.
fn upper_end_ns(bucket: usize) -> u64 {
    let bucket = bucket as u64;
    if bucket < STEPS {
        return bucket;
    }
    let power = bucket / STEPS + 1;
    let step = u128::from(bucket % STEPS);
    // In 128 bits, because the end of the last bucket is the end of the type.
    (((u128::from(STEPS) + step + 1) << (power - 2)) - 1) as u64
}

impl Histogram {
    /// Counts one.
    pub fn record(&self, latency: Duration) {
        let ns = u64::try_from(latency.as_nanos()).unwrap_or(u64::MAX);
        self.buckets[bucket(ns)].fetch_add(1, Ordering::Relaxed);
        self.max_ns.fetch_max(ns, Ordering::Relaxed);
    }

    /// What was counted so far.
    pub fn timing(&self) -> Timing {
        Histogram::sum(std::iter::once(self))
    }

    /// What several counted.
    pub fn sum<'a>(all: impl Iterator<Item = &'a Histogram>) -> Timing {
        let (mut counts, mut max_ns) = ([0_u64; BUCKETS], 0);
        for histogram in all {
            for (count, bucket) in counts.iter_mut().zip(histogram.buckets.iter()) {
                *count += bucket.load(Ordering::Relaxed);
            }
            max_ns = histogram.max_ns.load(Ordering::Relaxed).max(max_ns);
        }
        let count: u64 = counts.iter().sum();
        let quantile = |percent: u64| {
            let rank = (count * percent).div_ceil(100);
            let mut seen = 0;
            let at = counts.iter().position(|here| {
                seen += here;
                seen >= rank && seen > 0
            });
            at.map_or(0, |bucket| upper_end_ns(bucket).min(max_ns))
        };
        Timing {
            count,
            p50_ns: quantile(50),
            p90_ns: quantile(90),
            p99_ns: quantile(99),
            max_ns,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_are_in_order_and_at_most_a_quarter_wide() {
        let mut values: Vec<u64> = (0..5000).collect();
        values.extend((10..64).flat_map(|power| {
            let at = 1_u64 << power;
            [at - 1, at, at + at / 3]
        }));
        values.push(u64::MAX);
        values.sort_unstable();
        for pair in values.windows(2) {
            assert!(bucket(pair[0]) <= bucket(pair[1]), "{pair:?}");
        }
        for ns in values {
            let end = upper_end_ns(bucket(ns));
            assert!(
                end >= ns && end - ns <= ns / STEPS,
                "{ns} is in a bucket up to {end}"
            );
            assert!(end == u64::MAX || bucket(end + 1) == bucket(ns) + 1);
        }
        assert_eq!(bucket(u64::MAX), BUCKETS - 1);
    }

    #[test]
    fn quantiles_are_those_of_what_was_recorded() {
        let histogram = Histogram::default();
        assert_eq!(histogram.timing(), Timing::default());
        for ns in 1..=1000 {
            histogram.record(Duration::from_nanos(ns));
        }
        let timing = histogram.timing();
        assert_eq!((timing.count, timing.max_ns), (1000, 1000));
        for (quantile, exact) in [
            (timing.p50_ns, 500),
            (timing.p90_ns, 900),
            (timing.p99_ns, 990),
        ] {
            assert!(
                (exact..=exact + exact / 4).contains(&quantile),
                "{timing:?}"
            );
        }
    }
}
