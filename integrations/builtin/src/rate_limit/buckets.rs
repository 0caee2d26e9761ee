//! Permits, by key.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// What is written on a bucket.
pub(super) type Key = [u8; 32];

/// How many permits there are, and what becomes of those who find none.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub(super) permits: u32,
    pub(super) per: Duration,
    pub(super) burst: u32,
    /// How long a call may wait for its permit.
    pub(super) max_delay: Duration,
    /// How many calls may wait for one of the same bucket.
    pub(super) max_queue: u64,
    pub(super) max_keys: usize,
}

/// The buckets of one hook, after the generic cell rate algorithm (ITU-T I.371, appendix A): a bucket is the
/// time at which it is full again. A call that has to wait takes a time slot of its own, so those who wait are in
/// the order in which they came.
pub(super) struct Buckets {
    limits: Limits,
    state: Mutex<State>,
}

/// Time counts in parts of a nanosecond, as many as there are permits: so that a permit, `per / permits`, is a
/// whole number of them.
type Ticks = u128;

#[derive(Default)]
struct State {
    base: Option<Instant>,
    buckets: HashMap<Key, Bucket>,
    /// Full buckets are looked for no sooner.
    sweep_at: Ticks,
}

#[derive(Default)]
struct Bucket {
    /// When the bucket is full again.
    full_at: Ticks,
    /// Slots in the future whose calls went away.
    free: BTreeSet<Ticks>,
}

/// Why there is no permit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Denied {
    /// There is one after that long.
    Wait(Duration),
    /// There are as many keys as may be, and none of their buckets is full.
    Keys,
}

/// A permit for a time to come; dropped before it is used, it is somebody else's.
pub(super) struct Slot {
    buckets: Arc<Buckets>,
    key: Key,
    at: Ticks,
    pub(super) wait: Duration,
}

impl Buckets {
    pub(super) fn new(limits: Limits) -> Self {
        Buckets {
            limits,
            state: Mutex::default(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A permit of that bucket: usable at once, or at the time that it names.
    pub(super) fn take(self: &Arc<Self>, key: Key, now: Instant) -> Result<Slot, Denied> {
        let limits = &self.limits;
        let permits = Ticks::from(limits.permits);
        let each = limits.per.as_nanos();
        let mut state = self.lock();
        let base = *state.base.get_or_insert(now);
        let now = now.saturating_duration_since(base).as_nanos() * permits;
        let bucket = state.bucket(key, now, each, limits.max_keys)?;
        bucket.free = bucket.free.split_off(&now);
        let full_at = bucket.full_at.max(now);
        let last = full_at.saturating_sub(each * Ticks::from(limits.burst - 1));
        let at = bucket.free.first().copied().unwrap_or(last).max(now);
        let wait = nanos((at - now).div_ceil(permits));
        let ahead = (at - now).div_ceil(each);
        if wait > limits.max_delay || ahead > Ticks::from(limits.max_queue) {
            return Err(Denied::Wait(wait));
        }
        if bucket.free.pop_first().is_none() {
            bucket.full_at = full_at + each;
        }
        Ok(Slot {
            buckets: self.clone(),
            key,
            at,
            wait,
        })
    }
}

impl State {
    fn bucket(
        &mut self,
        key: Key,
        now: Ticks,
        each: Ticks,
        max_keys: usize,
    ) -> Result<&mut Bucket, Denied> {
        if self.buckets.len() >= max_keys && !self.buckets.contains_key(&key) {
            if self.sweep_at <= now {
                // A full bucket is as good as none.
                self.buckets.retain(|_, bucket| bucket.full_at > now);
                self.sweep_at = now + each;
            }
            if self.buckets.len() >= max_keys {
                return Err(Denied::Keys);
            }
        }
        Ok(self.buckets.entry(key).or_default())
    }
}

impl Slot {
    /// It was used.
    pub(super) fn spend(mut self) {
        self.wait = Duration::ZERO;
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        if !self.wait.is_zero()
            && let Some(bucket) = self.buckets.lock().buckets.get_mut(&self.key)
        {
            bucket.free.insert(self.at);
        }
    }
}

fn nanos(nanos: Ticks) -> Duration {
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: Key = [0; 32];

    fn buckets(permits: u32, burst: u32, max_queue: u64) -> Arc<Buckets> {
        Arc::new(Buckets::new(Limits {
            permits,
            per: Duration::from_secs(1),
            burst,
            max_delay: Duration::MAX,
            max_queue,
            max_keys: 2,
        }))
    }

    fn waits(buckets: &Arc<Buckets>, at: Instant) -> Result<u128, Denied> {
        let slot = buckets.take(KEY, at)?;
        let wait = slot.wait.as_nanos();
        slot.spend();
        Ok(wait)
    }

    #[test]
    fn permits_that_do_not_divide_a_second_add_up_to_it() {
        let (three, start) = (buckets(3, 3, 0), Instant::now());
        for second in 0..1000 {
            let at = start + Duration::from_secs(second);
            for _ in 0..3 {
                assert_eq!(waits(&three, at), Ok(0), "second {second}");
            }
            assert!(waits(&three, at).is_err());
        }
    }

    #[test]
    fn those_who_wait_have_slots_of_their_own_and_leave_them_to_others() {
        let (queue, now) = (buckets(10, 1, 3), Instant::now());
        assert_eq!(waits(&queue, now), Ok(0));
        let first = queue.take(KEY, now).unwrap();
        assert_eq!(first.wait, Duration::from_millis(100));
        assert_eq!(waits(&queue, now), Ok(200_000_000));
        assert_eq!(waits(&queue, now), Ok(300_000_000));
        let denied = Denied::Wait(Duration::from_millis(400));
        assert_eq!(waits(&queue, now), Err(denied));
        drop(first);
        assert_eq!(waits(&queue, now), Ok(100_000_000), "the slot of the first");
        assert_eq!(waits(&queue, now), Err(denied));
    }

    #[test]
    fn full_buckets_make_room_for_others() {
        let (buckets, now) = (buckets(1, 1, 0), Instant::now());
        for key in [1, 2] {
            buckets.take([key; 32], now).unwrap().spend();
        }
        assert_eq!(buckets.take([3; 32], now).err(), Some(Denied::Keys));
        let later = now + Duration::from_secs(1);
        buckets.take([3; 32], later).unwrap().spend();
        assert_eq!(buckets.lock().buckets.len(), 1);
    }
}
