//! What the handlers of what hooks did make hooks do is not told again: it would go on for ever.

use std::cell::Cell;
use std::pin::Pin;
use std::task::{Context, Poll};

thread_local! {
    static UNHEARD: Cell<u32> = const { Cell::new(0) };
}

/// Whether this thread is in a handler of `hook.>`.
pub(super) fn is_unheard() -> bool {
    UNHEARD.with(|depth| depth.get() > 0)
}

/// While it lives, what hooks do on this thread becomes no event.
pub(crate) struct UnheardGuard(());

impl UnheardGuard {
    pub(crate) fn enter() -> Self {
        UNHEARD.with(|depth| depth.set(depth.get() + 1));
        UnheardGuard(())
    }
}

impl Drop for UnheardGuard {
    fn drop(&mut self) {
        UNHEARD.with(|depth| depth.set(depth.get() - 1));
    }
}

/// A future in which what hooks do becomes no event.
pub(crate) struct Unheard<F>(Pin<Box<F>>);

pub(crate) fn unheard<F: Future>(future: F) -> Unheard<F> {
    Unheard(Box::pin(future))
}

impl<F: Future> Future for Unheard<F> {
    type Output = F::Output;
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let _unheard = UnheardGuard::enter();
        self.0.as_mut().poll(cx)
    }
}
