//! The time that the runtime goes by: the machine's, or one that a test moves by hand.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::Waker;
use std::time::{Duration, Instant};

/// A source of time for deadlines, caches and records.
#[derive(Clone, Debug, Default)]
pub struct Clock(Option<Arc<Fake>>);

#[derive(Debug)]
struct Fake {
    base: Instant,
    state: Mutex<Timers>,
    offset: Mutex<Duration>,
}

#[derive(Debug, Default)]
struct Timers {
    next: u64,
    waiting: Vec<(Instant, u64, Waker)>,
}

impl Timers {
    fn take_due(&mut self, now: Instant) -> Vec<Waker> {
        let due = self.waiting.extract_if(.., |(at, _, _)| *at <= now);
        due.map(|(_, _, waker)| waker).collect()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Clock {
    /// The machine's monotonic clock.
    pub fn system() -> Self {
        Clock(None)
    }

    /// A clock that stands still until [`Clock::advance`].
    pub fn fake() -> Self {
        Clock(Some(Arc::new(Fake {
            base: Instant::now(),
            state: Mutex::default(),
            offset: Mutex::new(Duration::ZERO),
        })))
    }

    /// Now.
    pub fn now(&self) -> Instant {
        match &self.0 {
            None => Instant::now(),
            Some(fake) => fake.base + *lock(&fake.offset),
        }
    }

    /// Moves a fake clock and wakes what was waiting for the time between.
    ///
    /// # Panics
    /// On the system clock, which nobody moves.
    pub fn advance(&self, by: Duration) {
        let fake = self
            .0
            .as_ref()
            .expect("only a fake clock can be advanced: build it with `Clock::fake`");
        *lock(&fake.offset) += by;
        let due = lock(&fake.state).take_due(self.now());
        due.into_iter().for_each(Waker::wake);
    }

    /// A future that is ready once `duration` has passed, whatever executor polls it. A duration that goes
    /// beyond what an [`Instant`] can hold, such as [`Duration::MAX`], is a year.
    pub fn sleep(&self, duration: Duration) -> Sleep {
        const YEAR: Duration = Duration::from_secs(365 * 24 * 60 * 60);
        let now = self.now();
        Sleep {
            clock: self.clone(),
            at: now.checked_add(duration).unwrap_or_else(|| now + YEAR),
            key: None,
        }
    }

    fn enqueue(&self, at: Instant, waker: Waker) -> u64 {
        match &self.0 {
            Some(fake) => push(&mut lock(&fake.state), at, waker),
            None => {
                let timer = Timer::get();
                let key = push(&mut lock(&timer.timers), at, waker);
                timer.changed.notify_one();
                key
            }
        }
    }

    fn forget(&self, key: u64) {
        let timers = match &self.0 {
            Some(fake) => &fake.state,
            None => &Timer::get().timers,
        };
        lock(timers).waiting.retain(|(_, k, _)| *k != key);
    }
}

fn push(timers: &mut Timers, at: Instant, waker: Waker) -> u64 {
    timers.next += 1;
    timers.waiting.push((at, timers.next, waker));
    timers.next
}

/// See [`Clock::sleep`].
#[must_use = "nothing waits before it is awaited"]
pub struct Sleep {
    clock: Clock,
    at: Instant,
    key: Option<u64>,
}

impl Future for Sleep {
    type Output = ();
    fn poll(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<()> {
        if let Some(key) = self.key.take() {
            self.clock.forget(key);
        }
        if self.clock.now() >= self.at {
            return std::task::Poll::Ready(());
        }
        self.key = Some(self.clock.enqueue(self.at, cx.waker().clone()));
        // The time may have come between the look and the entry; the entry would then never be taken.
        if self.clock.now() >= self.at {
            std::task::Poll::Ready(())
        } else {
            std::task::Poll::Pending
        }
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        if let Some(key) = self.key.take() {
            self.clock.forget(key);
        }
    }
}

/// One thread for all deadlines of the process: hooked calls run under any executor, or under none, so no
/// executor's timer can be relied on. It sleeps until the nearest deadline and starts with the first one.
struct Timer {
    timers: Mutex<Timers>,
    changed: Condvar,
}

impl Timer {
    fn get() -> &'static Timer {
        static TIMER: OnceLock<&'static Timer> = OnceLock::new();
        TIMER.get_or_init(|| {
            let timer: &'static Timer = Box::leak(Box::new(Timer {
                timers: Mutex::default(),
                changed: Condvar::new(),
            }));
            std::thread::Builder::new()
                .name("hookpoint-timer".into())
                .spawn(|| timer.run())
                .expect("the timer thread could not be started");
            timer
        })
    }

    fn run(&self) {
        let mut timers = lock(&self.timers);
        loop {
            let now = Instant::now();
            let due = timers.take_due(now);
            if !due.is_empty() {
                drop(timers);
                due.into_iter().for_each(Waker::wake);
                timers = lock(&self.timers);
                continue;
            }
            let next = timers.waiting.iter().map(|(at, _, _)| *at).min();
            timers = match next {
                None => self
                    .changed
                    .wait(timers)
                    .unwrap_or_else(PoisonError::into_inner),
                Some(at) => {
                    let wait = self.changed.wait_timeout(timers, at - now);
                    wait.unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::pin::pin;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::{Context, Poll, Wake};

    struct Count(AtomicUsize);
    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    #[test]
    fn a_fake_clock_wakes_exactly_what_is_due() {
        let clock = Clock::fake();
        let count = Arc::new(Count(AtomicUsize::new(0)));
        let waker = Waker::from(count.clone());
        let mut cx = Context::from_waker(&waker);
        let mut short = pin!(clock.sleep(Duration::from_millis(10)));
        let mut long = pin!(clock.sleep(Duration::from_millis(30)));
        assert!(
            short.as_mut().poll(&mut cx).is_pending() && long.as_mut().poll(&mut cx).is_pending()
        );
        clock.advance(Duration::from_millis(10));
        assert_eq!(count.0.load(Ordering::SeqCst), 1);
        assert_eq!(short.as_mut().poll(&mut cx), Poll::Ready(()));
        assert!(long.as_mut().poll(&mut cx).is_pending());
        clock.advance(Duration::from_millis(20));
        assert_eq!(long.as_mut().poll(&mut cx), Poll::Ready(()));
    }

    #[test]
    fn a_duration_without_end_is_a_long_one() {
        for clock in [Clock::fake(), Clock::system()] {
            let mut cx = Context::from_waker(Waker::noop());
            assert!(
                pin!(clock.sleep(Duration::MAX))
                    .as_mut()
                    .poll(&mut cx)
                    .is_pending()
            );
        }
    }

    #[test]
    fn the_system_clock_wakes_without_an_executor() {
        struct Unpark(std::thread::Thread);
        impl Wake for Unpark {
            fn wake(self: Arc<Self>) {
                self.0.unpark();
            }
        }
        let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
        let mut cx = Context::from_waker(&waker);
        let started = Instant::now();
        let mut sleep = pin!(Clock::system().sleep(Duration::from_millis(5)));
        while sleep.as_mut().poll(&mut cx).is_pending() {
            std::thread::park();
        }
        assert!(started.elapsed() >= Duration::from_millis(5));
    }
}
