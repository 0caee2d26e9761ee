//! The limits of a state, as its interrupt sees them.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::task::Poll;
use std::time::{Duration, Instant};

use tokio::sync::Notify;

/// Deadline of the hook call under way, and whether the state may be used at all. Read by the interrupt of the
/// state, which Luau calls at every loop, call and step of a pattern match.
pub(crate) struct Control {
    born: Instant,
    /// Nanoseconds since `born`; 0: no limit.
    deadline: AtomicU64,
    /// Hook calls under way, one inside the other.
    hooks: AtomicUsize,
    unusable: OnceLock<String>,
    /// Told when the use of the state has ended.
    ends: Notify,
}

/// Restores the deadline of the call around this one.
pub(crate) struct Limited<'c> {
    control: &'c Control,
    before: u64,
    /// How many hook calls it is.
    hooks: usize,
}

impl Control {
    pub(crate) fn new() -> Self {
        Control {
            born: Instant::now(),
            deadline: AtomicU64::new(0),
            hooks: AtomicUsize::new(0),
            unusable: OnceLock::new(),
            ends: Notify::new(),
        }
    }

    /// A hook call begins. The deadline of one around it stays if it is nearer.
    pub(crate) fn limit(&self, deadline: Instant) -> Limited<'_> {
        self.hooks.fetch_add(1, Ordering::AcqRel);
        let mut limited = self.limit_step(deadline);
        limited.hooks = 1;
        limited
    }

    /// Code begins that may run until then, and that may wait.
    pub(crate) fn limit_step(&self, deadline: Instant) -> Limited<'_> {
        let nanos = |d: Duration| u64::try_from(d.as_nanos()).unwrap_or(u64::MAX);
        let at = nanos(deadline.saturating_duration_since(self.born)).max(1);
        let before = self.deadline.load(Ordering::Acquire);
        let nearer = if before == 0 { at } else { at.min(before) };
        self.deadline.store(nearer, Ordering::Release);
        Limited {
            control: self,
            before,
            hooks: 0,
        }
    }

    /// Whether a hook is running now.
    pub(crate) fn in_hook(&self) -> bool {
        self.hooks.load(Ordering::Acquire) > 0
    }

    /// Ends the use of the state for good; the first reason stays.
    pub(crate) fn end(&self, why: impl Into<String>) {
        // A second reason changes nothing.
        let _ = self.unusable.set(why.into());
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
        self.unusable.get().map(String::as_str)
    }

    /// What the interrupt asks: may the script go on?
    pub(crate) fn check(&self) -> Result<(), &str> {
        let deadline = self.deadline.load(Ordering::Acquire);
        if deadline != 0 && self.born.elapsed().as_nanos() >= u128::from(deadline) {
            self.end(
                "it ran longer than a hook call or an event handler may; shorten it, or raise the time limit of hooks",
            );
        }
        self.ended().map_or(Ok(()), Err)
    }
}

impl Drop for Limited<'_> {
    fn drop(&mut self) {
        self.control.deadline.store(self.before, Ordering::Release);
        self.control.hooks.fetch_sub(self.hooks, Ordering::AcqRel);
    }
}
