//! The limits of a state, as its interrupt and the watchdog see them.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::task::Poll;
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use crate::raw::Switch;
use crate::watchdog;

/// Which limited call is under way, and whether the state may be used at all.
///
/// Everything but `expired`, `seen` and `unusable` is written only by who is in the state's gate.
pub(crate) struct Control {
    born: Instant,
    /// The outermost limited call: its number in the upper half, its limit in microseconds in the lower. 0 in the
    /// lower half: there is none.
    call: AtomicU64,
    /// What `call` was when the watchdog found that its time is over. Of use against that very call only: a number
    /// is not used again, so a call that ended in time can't be taken for a later one.
    expired: AtomicU64,
    /// The nearest deadline of the limited calls inside of that one, in nanoseconds since `born`; 0: there is none.
    inner: AtomicU64,
    /// What runs, as [`Runs`].
    runs: AtomicU8,
    unusable: OnceLock<Ended>,
    /// Told when the use of the state has ended.
    ends: Notify,
    /// Makes the state call [`Control::check`].
    pub(crate) switch: Arc<Switch>,
    /// The watchdog's: the call that it saw last, and since when.
    seen: Mutex<Option<(u64, Instant)>>,
}

/// Why a state can't be used any more.
struct Ended {
    why: String,
    /// It hit a limit; else the host stopped it.
    is_limit: bool,
}

/// What runs in a state, as far as waiting matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Runs {
    /// A coroutine that is driven from outside, and may wait; or nothing.
    Coroutine,
    /// A hook that has to answer at once.
    Hook,
    /// The `when` of a hook.
    Condition,
    /// An observer.
    Observer,
    /// What a script does last.
    Unload,
}

/// A limited call; it ends with this.
pub(crate) struct Limited<'c> {
    control: &'c Control,
    /// The inner deadline around it; `None` for the outermost call.
    around: Option<u64>,
    /// What ran around it.
    runs: u8,
}

const TOO_LONG: &str = "it ran longer than a hook call or an event handler may; shorten it, or raise the time limit of hooks";

/// The limit of a call as it is in the lower half.
fn limit_of(call: u64) -> u32 {
    call as u32
}

impl Control {
    pub(crate) fn new() -> Self {
        Control {
            born: Instant::now(),
            call: AtomicU64::new(0),
            expired: AtomicU64::new(0),
            inner: AtomicU64::new(0),
            runs: AtomicU8::new(Runs::Coroutine as u8),
            unusable: OnceLock::new(),
            ends: Notify::new(),
            switch: Arc::default(),
            seen: Mutex::new(None),
        }
    }

    /// Code begins that may run that long. The deadline of what is around it stays if it is nearer.
    pub(crate) fn limit(&self, limit: Duration, runs: Runs) -> Limited<'_> {
        let outside = self.runs.load(Ordering::Relaxed);
        self.runs.store(runs as u8, Ordering::Relaxed);
        let micros = limit.as_secs().saturating_mul(1_000_000);
        let micros = micros.saturating_add(limit.subsec_micros().into());
        let micros = u32::try_from(micros).unwrap_or(u32::MAX).max(1);
        let around = self.call.load(Ordering::Relaxed);
        let limited = if limit_of(around) == 0 {
            // The number wraps after 2^32 calls; the watchdog would have to miss all of them in a row.
            let number = (around >> 32).wrapping_add(1) << 32;
            self.call
                .store(number | u64::from(micros), Ordering::Release);
            None
        } else {
            let before = self.inner.load(Ordering::Relaxed);
            let at = self.since_birth(Instant::now() + limit);
            let nearest = if before == 0 { at } else { at.min(before) };
            self.inner.store(nearest, Ordering::Release);
            Some(before)
        };
        watchdog::begun(micros);
        Limited {
            control: self,
            around: limited,
            runs: outside,
        }
    }

    fn since_birth(&self, at: Instant) -> u64 {
        let since = at.saturating_duration_since(self.born).as_nanos();
        u64::try_from(since).unwrap_or(u64::MAX).max(1)
    }

    /// For the watchdog: interrupts the call if its time is over, and gives the shortest limit that it should look
    /// after; `None`: no limited call is under way.
    pub(crate) fn look(&self, now: Instant) -> Option<Duration> {
        let call = self.call.load(Ordering::Acquire);
        if limit_of(call) == 0 {
            return None;
        }
        let limit = Duration::from_micros(limit_of(call).into());
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        match *seen {
            Some((last, since)) if last == call => {
                if now.saturating_duration_since(since) >= limit {
                    self.expired.store(call, Ordering::Release);
                    self.switch.arm();
                }
            }
            // Not `now`, which may be from before it began.
            _ => *seen = Some((call, Instant::now())),
        }
        let inner = match self.inner.load(Ordering::Acquire) {
            0 => return Some(limit),
            inner => inner,
        };
        let left = inner.saturating_sub(self.since_birth(now));
        if left == 0 {
            self.switch.arm();
        }
        Some(limit.min(Duration::from_nanos(left)))
    }

    /// Whether the time of a call that is under way is over.
    fn is_late(&self) -> bool {
        let call = self.call.load(Ordering::Relaxed);
        if limit_of(call) != 0 && self.expired.load(Ordering::Acquire) == call {
            return true;
        }
        let inner = self.inner.load(Ordering::Relaxed);
        inner != 0 && self.since_birth(Instant::now()) >= inner
    }

    /// What runs now.
    pub(crate) fn runs(&self) -> Runs {
        let runs = self.runs.load(Ordering::Relaxed);
        let known = [Runs::Hook, Runs::Condition, Runs::Observer, Runs::Unload];
        let found = known.into_iter().find(|known| *known as u8 == runs);
        found.unwrap_or(Runs::Coroutine)
    }

    /// What the watchdog leaves the code that runs now; `None`: it is not limited. A call that it has not seen yet has
    /// all of its time.
    pub(crate) fn left(&self) -> Option<Duration> {
        let call = self.call.load(Ordering::Relaxed);
        if limit_of(call) == 0 {
            return None;
        }
        let (limit, now) = (Duration::from_micros(limit_of(call).into()), Instant::now());
        let seen = *self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let left = match seen {
            Some((last, since)) if last == call => {
                limit.saturating_sub(now.saturating_duration_since(since))
            }
            _ => limit,
        };
        Some(match self.inner.load(Ordering::Relaxed) {
            0 => left,
            inner => {
                let inner = inner.saturating_sub(self.since_birth(now));
                left.min(Duration::from_nanos(inner))
            }
        })
    }

    /// Ends the use of the state for good because it hit a limit; the first reason stays.
    pub(crate) fn end(&self, why: impl Into<String>) {
        self.end_for(why.into(), true);
    }

    /// The same because the host wants it.
    pub(crate) fn stop(&self, why: impl Into<String>) {
        self.end_for(why.into(), false);
    }

    fn end_for(&self, why: String, is_limit: bool) {
        // A second reason changes nothing.
        let _ = self.unusable.set(Ended { why, is_limit });
        self.switch.arm();
        self.ends.notify_waiters();
    }

    /// Waits for a future, but not longer than the state can be used; nothing: it can't.
    pub(crate) async fn unless_ended<T>(&self, future: impl Future<Output = T>) -> Option<T> {
        let (mut future, mut ends) = (pin!(future), pin!(self.ends.notified()));
        ends.as_mut().enable();
        if self.ended().is_some() {
            return None;
        }
        poll_fn(|cx| {
            if ends.as_mut().poll(cx).is_ready() {
                return Poll::Ready(None);
            }
            future.as_mut().poll(cx).map(Some)
        })
        .await
    }

    /// Why the state can't be used any more.
    pub(crate) fn ended(&self) -> Option<&str> {
        self.unusable.get().map(|ended| ended.why.as_str())
    }

    /// The limit that it hit, if that is why.
    pub(crate) fn hit_limit(&self) -> Option<&str> {
        let ended = self.unusable.get().filter(|ended| ended.is_limit);
        ended.map(|ended| ended.why.as_str())
    }

    /// What the interrupt asks: may the script go on?
    ///
    /// It is asked at every step while the switch is armed, so the switch goes off if there is no reason for it: the
    /// call that it was armed for has ended in time. First off, then the question: who arms it says why before.
    pub(crate) fn check(&self) -> Result<(), &str> {
        self.switch.disarm();
        if self.is_late() {
            self.end(TOO_LONG);
        }
        match self.ended() {
            None => Ok(()),
            Some(why) => {
                // It stays armed: what catches this error is interrupted again.
                self.switch.arm();
                Err(why)
            }
        }
    }
}

impl Drop for Limited<'_> {
    fn drop(&mut self) {
        let control = self.control;
        // It may have taken too long without an interrupt, in a function of the host.
        if control.is_late() {
            control.end(TOO_LONG);
        }
        match self.around {
            Some(before) => control.inner.store(before, Ordering::Release),
            None => {
                let number = control.call.load(Ordering::Relaxed) & !u64::from(u32::MAX);
                control.call.store(number, Ordering::Release);
            }
        }
        control.runs.store(self.runs, Ordering::Relaxed);
    }
}
