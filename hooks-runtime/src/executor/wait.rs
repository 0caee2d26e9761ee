//! Waiting for asynchronous hooks, under any executor or none.

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use crate::ambient;
use crate::clock::{Clock, Sleep};
use crate::error::HookError;
use crate::hook::BoxFuture;
use crate::panic::caught;

/// What a site does with a hook that is not ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wait {
    /// An asynchronous site: it waits with its future.
    Async,
    /// A synchronous site: the hook fails with `WouldBlock`.
    Never,
    /// A synchronous site with `blocking`: the caller's thread is parked.
    Block,
}

/// One asynchronous hook: stopped at its deadline, its panics caught, known as running while it is polled.
pub(crate) struct AskFuture<'a, T> {
    /// `None`: it has ended, or was stopped.
    future: Option<BoxFuture<'a, Result<T, HookError>>>,
    /// Why there is none from the beginning.
    failed: Option<HookError>,
    serial: u32,
    call: u64,
    root: u64,
    clock: &'a Clock,
    limit: Duration,
    /// Armed after the first poll that was not ready.
    deadline: Option<Pin<Box<Sleep>>>,
    wait: Wait,
}

impl<'a, T> AskFuture<'a, T> {
    pub(crate) fn new(
        make: impl FnOnce() -> BoxFuture<'a, Result<T, HookError>>,
        serial: u32,
        call: u64,
        root: u64,
        clock: &'a Clock,
        limit: Duration,
        wait: Wait,
    ) -> Self {
        let running = ambient::enter_hook(call, root, serial);
        let made = caught(make);
        drop(running);
        let (future, failed) = match made {
            Ok(future) => (Some(future), None),
            Err(message) => (None, Some(HookError::Panicked(message))),
        };
        AskFuture {
            future,
            failed,
            serial,
            call,
            root,
            clock,
            limit,
            deadline: None,
            wait,
        }
    }

    fn poll_hook(&mut self, cx: &mut Context<'_>) -> Poll<Result<T, HookError>> {
        let Some(future) = &mut self.future else {
            return Poll::Ready(Err(self.failed.take().unwrap_or(HookError::WouldBlock)));
        };
        let _running = ambient::enter_hook(self.call, self.root, self.serial);
        match caught(|| future.as_mut().poll(cx)) {
            Ok(poll) => poll,
            Err(message) => Poll::Ready(Err(HookError::Panicked(message))),
        }
    }
}

impl<T> Future for AskFuture<'_, T> {
    type Output = Result<T, HookError>;
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        if let Poll::Ready(answer) = this.poll_hook(cx) {
            return Poll::Ready(answer);
        }
        if this.wait == Wait::Never {
            return Poll::Ready(Err(HookError::WouldBlock));
        }
        let (clock, limit) = (this.clock, this.limit);
        let deadline = this
            .deadline
            .get_or_insert_with(|| Box::pin(clock.sleep(limit)));
        match deadline.as_mut().poll(cx) {
            Poll::Ready(()) => Poll::Ready(Err(HookError::Timeout(limit))),
            Poll::Pending => Poll::Pending,
        }
    }
}

impl<T> Drop for AskFuture<'_, T> {
    /// Stopping a hook runs the destructors of what it was doing: its panics are caught there as well.
    fn drop(&mut self) {
        let Some(future) = self.future.take() else {
            return;
        };
        let _running = ambient::enter_hook(self.call, self.root, self.serial);
        if caught(|| drop(future)).is_err() {
            tracing::error!("a hook panicked when it was stopped");
        }
    }
}

/// The value of a future that is ready at once; `None` if it is not.
pub(crate) fn poll_ready<T>(future: impl Future<Output = T>) -> Option<T> {
    let mut cx = Context::from_waker(Waker::noop());
    match pin!(future).poll(&mut cx) {
        Poll::Ready(value) => Some(value),
        Poll::Pending => None,
    }
}

/// Parks the thread until the future is ready.
pub(crate) fn block_on<T>(future: impl Future<Output = T>) -> T {
    /// The flag, because whatever the future does on this thread may use up the thread's one unpark token.
    struct Unpark(std::thread::Thread, AtomicBool);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.1.store(true, Ordering::Release);
            self.0.unpark();
        }
    }
    let unpark = Arc::new(Unpark(std::thread::current(), AtomicBool::new(false)));
    let waker = Waker::from(unpark.clone());
    let mut cx = Context::from_waker(&waker);
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(value) = future.as_mut().poll(&mut cx) {
            return value;
        }
        while !unpark.1.swap(false, Ordering::Acquire) {
            std::thread::park();
        }
    }
}
