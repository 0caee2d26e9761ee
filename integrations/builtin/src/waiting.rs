//! Waiting inside of a hook, at asynchronous and at synchronous sites.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;
use std::time::Duration;

use hooks_runtime::Clock;

/// Awaits at an asynchronous site. At a synchronous one, where a hook must be ready at once, the thread of the
/// caller is parked: it would wait for the body as well.
pub(crate) async fn wait_at<F: Future>(is_async: bool, future: F) -> F::Output {
    if is_async {
        return future.await;
    }
    struct Unpark(Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let mut cx = Context::from_waker(&waker);
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut cx) {
            Poll::Ready(output) => return output,
            Poll::Pending => std::thread::park(),
        }
    }
}

/// What the future gives, if that is before `limit` has passed.
pub(crate) async fn within<F: Future>(
    clock: Clock,
    limit: Duration,
    future: F,
) -> Option<F::Output> {
    let mut sleep = pin!(clock.sleep(limit));
    let mut future = pin!(future);
    std::future::poll_fn(|cx| match future.as_mut().poll(cx) {
        Poll::Ready(output) => Poll::Ready(Some(output)),
        Poll::Pending => sleep.as_mut().poll(cx).map(|()| None),
    })
    .await
}
