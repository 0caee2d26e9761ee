//! One thread of the program that interrupts code that has run too long.
//!
//! A call that begins writes one number, and reads no clock: the watchdog looks at the numbers every eighth of the
//! shortest limit that it has met lately, and counts a call's time from when it first saw it. So a call is never
//! stopped before its limit, and is stopped after at most 1.25 times its limit, with [`SHORTEST_LOOK`] as the least
//! unit, if the system lets the watchdog run. While no limited call is seen, it sleeps.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use crate::control::Control;

/// The least time between two looks.
const SHORTEST_LOOK: Duration = Duration::from_micros(500);
/// How many looks find nothing that needs them before they become rarer.
const PATIENCE: u32 = 64;
/// The time between two looks, in nanoseconds, of a watchdog that sleeps.
const ASLEEP: u64 = u64::MAX;

/// The watchdog as the states see it.
struct Watchdog {
    /// Nanoseconds between two looks.
    interval: AtomicU64,
    states: Mutex<Vec<Weak<Control>>>,
    thread: OnceLock<Thread>,
}

static WATCHDOG: Watchdog = Watchdog {
    interval: AtomicU64::new(ASLEEP),
    states: Mutex::new(Vec::new()),
    thread: OnceLock::new(),
};

/// The time between looks for this limit.
fn look_every(limit: Duration) -> Duration {
    (limit / 8).max(SHORTEST_LOOK)
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(ASLEEP)
}

/// Has the state watched until it is dropped.
///
/// # Errors
/// The system gives no thread.
pub(crate) fn watch(control: &Arc<Control>) -> std::io::Result<()> {
    let mut states = WATCHDOG.lock();
    // Under the lock, so only once.
    if WATCHDOG.thread.get().is_none() {
        let builder = thread::Builder::new().name("hookpoint-lua-watchdog".into());
        let spawned = builder.spawn(|| WATCHDOG.run())?;
        WATCHDOG.thread.get_or_init(|| spawned.thread().clone());
    }
    // Those that are gone go when room is needed anyway.
    if states.len() == states.capacity() {
        states.retain(|state| state.strong_count() > 0);
    }
    states.push(Arc::downgrade(control));
    Ok(())
}

/// A call with this limit, in microseconds, has begun. Costs one load where such calls are no news.
#[inline]
pub(crate) fn begun(limit_micros: u32) {
    let enough = u64::from(limit_micros) * (1000 / 4);
    if WATCHDOG.interval.load(Ordering::Relaxed) > enough {
        WATCHDOG.hurry(Duration::from_micros(limit_micros.into()));
    }
}

impl Watchdog {
    fn lock(&self) -> MutexGuard<'_, Vec<Weak<Control>>> {
        self.states.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[cold]
    fn hurry(&self, limit: Duration) {
        let wanted = nanos(look_every(limit));
        if self.interval.fetch_min(wanted, Ordering::AcqRel) > wanted
            && let Some(thread) = self.thread.get()
        {
            thread.unpark();
        }
    }

    fn run(&self) {
        let mut idle = 0;
        loop {
            let interval = self.interval.load(Ordering::Acquire);
            let wanted = self.look();
            idle = if wanted <= interval { 0 } else { idle + 1 };
            if wanted < interval {
                self.interval.fetch_min(wanted, Ordering::AcqRel);
            }
            if idle > PATIENCE {
                idle = 0;
                // A call that began meanwhile and wants more has lowered it, which then stays.
                let relaxed = self.interval.compare_exchange(
                    interval,
                    wanted,
                    Ordering::AcqRel,
                    Ordering::Relaxed,
                );
                // One that read the shorter interval just before did not ask for it, and is seen by a last look
                // after it: the number it wrote first is visible by then.
                if relaxed.is_ok() {
                    thread::park_timeout(Duration::from_nanos(interval));
                    continue;
                }
            }
            match self.interval.load(Ordering::Acquire) {
                ASLEEP => thread::park(),
                interval => thread::park_timeout(Duration::from_nanos(interval)),
            }
        }
    }

    /// Interrupts what has run too long; the interval that what runs wants.
    fn look(&self) -> u64 {
        let now = Instant::now();
        let mut wanted = ASLEEP;
        self.lock().retain(|state| {
            let Some(control) = state.upgrade() else {
                return false;
            };
            if let Some(limit) = control.look(now) {
                wanted = wanted.min(nanos(look_every(limit)));
            }
            true
        });
        wanted
    }
}
