//! Who may use a Lua state now.

use std::marker::PhantomData;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Instant;

/// A lock that its thread may take again, that a hook waits for no longer than its deadline, and that a future
/// waits for without blocking its thread.
///
/// mlua has a re-entrant lock of its own, which can only be waited for without end: two scripts whose hooks are
/// asked from each other's threads would stop for ever. So every use of a state goes through its gate first.
///
/// Nobody is lost between the last look and the wait: who waits says so in `waiters` before it looks again, and who
/// leaves looks at `waiters` after it has left, both sequentially consistent; and who waits holds the lock of
/// `wakers` from before it says so until it sleeps, which who leaves takes before it wakes anybody.
#[derive(Default)]
pub(crate) struct Gate {
    /// The mark of the thread that holds it; 0: free.
    owner: AtomicUsize,
    /// How many times that thread has entered; its own.
    depth: AtomicUsize,
    /// Threads and tasks that wait.
    waiters: AtomicUsize,
    wakers: Mutex<Vec<Waker>>,
    free: Condvar,
}

/// A number that tells this thread from all others that live.
pub(crate) fn thread_mark() -> usize {
    thread_local!(static MARK: u8 = const { 0 });
    MARK.with(|mark| std::ptr::from_ref(mark) as usize)
}

/// The gate is held until this is dropped, on the thread that took it.
pub(crate) struct Held<'g> {
    gate: &'g Gate,
    _bound_to_the_thread: PhantomData<*const ()>,
}

impl Gate {
    fn lock(&self) -> MutexGuard<'_, Vec<Waker>> {
        self.wakers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes it if it is free or this thread's already.
    pub(crate) fn try_enter(&self) -> Option<Held<'_>> {
        let me = thread_mark();
        if self.owner.load(Ordering::Relaxed) != me {
            let taken = self
                .owner
                .compare_exchange(0, me, Ordering::SeqCst, Ordering::SeqCst);
            taken.ok()?;
        }
        let depth = self.depth.load(Ordering::Relaxed);
        self.depth.store(depth + 1, Ordering::Relaxed);
        Some(Held {
            gate: self,
            _bound_to_the_thread: PhantomData,
        })
    }

    /// Waits until `deadline`; `None`: others held it all that time.
    pub(crate) fn enter_until(&self, deadline: Instant) -> Option<Held<'_>> {
        let mut wakers = self.lock();
        self.waiters.fetch_add(1, Ordering::SeqCst);
        let entered = loop {
            if let Some(held) = self.try_enter() {
                break Some(held);
            }
            let Some(left) = deadline.checked_duration_since(Instant::now()) else {
                break None;
            };
            wakers = match self.free.wait_timeout(wakers, left) {
                Ok((wakers, _)) => wakers,
                Err(poisoned) => poisoned.into_inner().0,
            };
        };
        self.waiters.fetch_sub(1, Ordering::SeqCst);
        entered
    }

    /// Takes it, or has the task woken when it is free.
    pub(crate) fn poll_enter(&self, cx: &mut Context<'_>) -> Poll<Held<'_>> {
        if let Some(held) = self.try_enter() {
            return Poll::Ready(held);
        }
        let mut wakers = self.lock();
        // Polled again meanwhile, it waits once.
        if !wakers.iter().any(|waker| waker.will_wake(cx.waker())) {
            wakers.push(cx.waker().clone());
            self.waiters.fetch_add(1, Ordering::SeqCst);
        }
        // Free by now, it is woken once too often.
        self.try_enter().map_or(Poll::Pending, Poll::Ready)
    }

    #[cold]
    fn wake(&self) {
        let mut wakers = self.lock();
        let woken = std::mem::take(&mut *wakers);
        self.waiters.fetch_sub(woken.len(), Ordering::SeqCst);
        drop(wakers);
        self.free.notify_one();
        woken.into_iter().for_each(Waker::wake);
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        let gate = self.gate;
        let depth = gate.depth.load(Ordering::Relaxed) - 1;
        gate.depth.store(depth, Ordering::Relaxed);
        if depth > 0 {
            return;
        }
        gate.owner.store(0, Ordering::SeqCst);
        if gate.waiters.load(Ordering::SeqCst) > 0 {
            gate.wake();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;
    use std::time::Duration;

    #[test]
    fn its_thread_enters_again_and_others_give_up_at_the_deadline() {
        let gate = Gate::default();
        let soon = || Instant::now() + Duration::from_millis(1);
        let outer = gate.enter_until(soon()).unwrap();
        let inner = gate.enter_until(soon()).unwrap();
        let other = || thread::scope(|s| s.spawn(|| gate.enter_until(soon()).is_some()).join());
        assert!(!other().unwrap());
        drop(inner);
        assert!(!other().unwrap());
        drop(outer);
        assert!(other().unwrap());
    }

    #[test]
    fn threads_that_wait_get_their_turn() {
        let (gate, total) = (Gate::default(), AtomicUsize::new(0));
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..2_000 {
                        let held = gate.enter_until(Instant::now() + Duration::from_secs(60));
                        let held = held.expect("nobody keeps it");
                        // Not one step: two threads inside would lose some.
                        let before = total.load(Ordering::Relaxed);
                        std::hint::spin_loop();
                        total.store(before + 1, Ordering::Relaxed);
                        drop(held);
                    }
                });
            }
        });
        assert_eq!(total.into_inner(), 8_000);
        assert_eq!(gate.waiters.into_inner(), 0);
    }
}
