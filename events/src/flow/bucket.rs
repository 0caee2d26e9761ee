//! One token bucket, as the time at which it will be full (the generic cell rate algorithm): one number, changed
//! by one atomic operation.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Tokens that come at a rate, up to a burst.
pub(super) struct Bucket {
    begin: Instant,
    /// What one token takes to come, in nanoseconds.
    token_ns: u64,
    /// What all take.
    burst_ns: u64,
    /// When it will be full, in nanoseconds since the beginning; in the past if it is.
    full_at_ns: AtomicU64,
}

impl Bucket {
    /// One a day.
    pub(super) const SLOWEST_PER_SECOND: f64 = 1.0 / 86_400.0;
    /// One a nanosecond.
    pub(super) const FASTEST_PER_SECOND: f64 = 1e9;

    /// Full.
    pub(super) fn new(per_second: f64, burst: u32, now: Instant) -> Self {
        let token_ns = (1e9 / per_second).round().max(1.0) as u64;
        Bucket {
            begin: now,
            token_ns,
            burst_ns: token_ns.saturating_mul(u64::from(burst)),
            full_at_ns: AtomicU64::new(0),
        }
    }

    /// Takes a token, or says in what time there will be one.
    pub(super) fn take(&self, now: Instant) -> Result<(), Duration> {
        let since_begin = now.saturating_duration_since(self.begin);
        let now_ns = u64::try_from(since_begin.as_nanos()).unwrap_or(u64::MAX);
        let mut missing_ns = 0;
        let taken =
            self.full_at_ns
                .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |full_at_ns| {
                    let after_ns = full_at_ns.max(now_ns).saturating_add(self.token_ns);
                    missing_ns = (after_ns - now_ns).saturating_sub(self.burst_ns);
                    (missing_ns == 0).then_some(after_ns)
                });
        taken
            .map(|_| ())
            .map_err(|_| Duration::from_nanos(missing_ns))
    }

    /// Puts a token back that was taken just now.
    pub(super) fn give_back(&self) {
        self.full_at_ns.fetch_sub(self.token_ns, Ordering::Relaxed);
    }
}
