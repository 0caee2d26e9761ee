//! Who may use a Lua state now.

use std::marker::PhantomData;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::thread::{self, ThreadId};
use std::time::Instant;

/// A lock that its thread may take again, that a hook waits for no longer than its deadline, and that a future
/// waits for without blocking its thread.
///
/// mlua has a re-entrant lock of its own, which can only be waited for without end: two scripts whose hooks are
/// asked from each other's threads would stop for ever. So every use of a state goes through its gate first.
#[derive(Default)]
pub(crate) struct Gate {
    inner: Mutex<Inner>,
    free: Condvar,
}

#[derive(Default)]
struct Inner {
    owner: Option<ThreadId>,
    depth: usize,
    waiting: Vec<Waker>,
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
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn held(&self) -> Held<'_> {
        Held {
            gate: self,
            _bound_to_the_thread: PhantomData,
        }
    }

    /// Takes it if it is free or this thread's already.
    pub(crate) fn try_enter(&self) -> Option<Held<'_>> {
        let taken = self.lock().take();
        taken.then(|| self.held())
    }

    /// Waits until `deadline`; `None`: others held it all that time.
    pub(crate) fn enter_until(&self, deadline: Instant) -> Option<Held<'_>> {
        let mut inner = self.lock();
        while !inner.take() {
            let left = deadline.checked_duration_since(Instant::now())?;
            inner = match self.free.wait_timeout(inner, left) {
                Ok((inner, _)) => inner,
                Err(poisoned) => poisoned.into_inner().0,
            };
        }
        drop(inner);
        Some(self.held())
    }

    /// Takes it, or has the task woken when it is free.
    pub(crate) fn poll_enter(&self, cx: &mut Context<'_>) -> Poll<Held<'_>> {
        let mut inner = self.lock();
        if inner.take() {
            drop(inner);
            return Poll::Ready(self.held());
        }
        // Polled again meanwhile, it waits once.
        if !inner
            .waiting
            .iter()
            .any(|waker| waker.will_wake(cx.waker()))
        {
            inner.waiting.push(cx.waker().clone());
        }
        Poll::Pending
    }
}

impl Inner {
    fn take(&mut self) -> bool {
        let me = thread::current().id();
        if self.owner.is_some_and(|owner| owner != me) {
            return false;
        }
        self.owner = Some(me);
        self.depth += 1;
        true
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        let mut inner = self.gate.lock();
        inner.depth -= 1;
        if inner.depth > 0 {
            return;
        }
        inner.owner = None;
        let waiting = std::mem::take(&mut inner.waiting);
        drop(inner);
        self.gate.free.notify_one();
        waiting.into_iter().for_each(Waker::wake);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
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
}
