//! Messages are passed on in the order in which they came, unless a hook makes one wait.

use std::any::Any;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};

use tokio::sync::{oneshot, watch};

/// Whoever holds it has the turn: the reader of that direction waits until it is dropped.
#[derive(Debug)]
pub(super) struct Turn {
    _ends_when_dropped: oneshot::Sender<()>,
}

impl Turn {
    /// A turn, and what waits for its end.
    pub(super) fn new() -> (Turn, oneshot::Receiver<()>) {
        let (_ends_when_dropped, ended) = oneshot::channel();
        (Turn { _ends_when_dropped }, ended)
    }
}

/// Where a message that is being passed on keeps its turn.
#[derive(Clone, Debug, Default)]
pub(super) struct TurnPlace(Arc<Mutex<Option<Turn>>>);

impl TurnPlace {
    pub(super) fn keep(&self, turn: Turn) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(turn);
    }

    fn give_up(&self) {
        let turn = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        drop(turn);
    }
}

/// What passes one message on. It gives its turn up when it must wait, and a panic does not leave it.
pub(super) struct Passing<F> {
    inner: Pin<Box<F>>,
    turn: TurnPlace,
}

/// What a panic said.
pub(super) type Panic = Box<dyn Any + Send>;

impl<F: Future> Passing<F> {
    pub(super) fn new(inner: F, turn: TurnPlace) -> Self {
        let inner = Box::pin(inner);
        Passing { inner, turn }
    }

    /// Goes as far as it can without waiting.
    pub(super) fn begin(&mut self) -> Poll<Result<F::Output, Panic>>
    where
        F: Future,
    {
        let mut nobody = Context::from_waker(Waker::noop());
        Pin::new(self).poll(&mut nobody)
    }
}

impl<F: Future> Future for Passing<F> {
    type Output = Result<F::Output, Panic>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        let inner = this.inner.as_mut();
        // The future is not polled again after a panic.
        let polled = catch_unwind(AssertUnwindSafe(|| inner.poll(cx)));
        this.turn.give_up();
        match polled {
            Ok(Poll::Pending) => Poll::Pending,
            Ok(Poll::Ready(output)) => Poll::Ready(Ok(output)),
            Err(panic) => Poll::Ready(Err(panic)),
        }
    }
}

/// The notifications of one direction that hooks make wait: nothing that came after one overtakes it.
#[derive(Debug, Default)]
pub(super) struct Lane(Mutex<Option<watch::Receiver<()>>>);

/// Waits for the notifications that came before.
#[derive(Clone, Debug)]
pub(super) struct Before(Option<watch::Receiver<()>>);

impl Before {
    pub(super) async fn passed(mut self) {
        if let Some(before) = &mut self.0 {
            // It never changes: an error says that whoever was before is through.
            while before.changed().await.is_ok() {}
        }
    }
}

impl Lane {
    /// What a message that comes now has to wait for.
    pub(super) fn before(&self) -> Before {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if last
            .as_ref()
            .is_some_and(|last| last.has_changed().is_err())
        {
            *last = None;
        }
        Before(last.clone())
    }

    /// A notification waits. Whatever comes now waits until the sender is dropped.
    pub(super) fn wait_for(&self, notification: watch::Receiver<()>) {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *last = Some(notification);
    }
}
