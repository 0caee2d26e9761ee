//! The typed half of an active call: its arguments, its body and its value, behind three traits without the
//! user's types, so that the executor is compiled once and not once for every annotated function.
//!
//! Arguments and value stand in [`Slot`]s of the shell's frame. Both halves refer to them, and hooks look at
//! them through views; nobody keeps a reference from one step to the next.

use std::cell::UnsafeCell;
use std::pin::Pin;
use std::task::{Context, Poll};

use super::run::{Parts, Redirect, ReturnOps};
use crate::answer::Replacement;
use crate::error::HookError;
use crate::executor::{Args, Body, Value};
use crate::refusal::HookRefusal;
use crate::view::RawView;

/// A place for a value that several parts of one call use in turn.
pub(super) struct Slot<T>(UnsafeCell<Option<T>>);

// SAFETY: the parts that refer to a slot belong to one call and take turns: the executor runs one step after
// the other, and the views of hooks are used within a step. So a slot is used by one thread at a time, and may
// move to another between two polls if its value may.
unsafe impl<T: Send> Sync for Slot<T> {}

impl<T> Slot<T> {
    pub(super) fn new(value: T) -> Self {
        Slot(UnsafeCell::new(Some(value)))
    }
    pub(super) fn empty() -> Self {
        Slot(UnsafeCell::new(None))
    }
    /// The place itself; the reference is used up before any other is made.
    #[allow(clippy::mut_from_ref, reason = "see the SAFETY of each use")]
    unsafe fn place(&self) -> &mut Option<T> {
        // SAFETY: the caller's: no other reference into the slot is used while this one is.
        unsafe { &mut *self.0.get() }
    }
    pub(super) fn put(&self, value: T) {
        // SAFETY: the old value is dropped when the new one is in its place, out of the reference's reach.
        let before = unsafe { self.place() }.replace(value);
        drop(before);
    }
    /// The value at the end of the call.
    #[inline]
    pub(super) fn take_value(&self) -> T {
        // SAFETY: used up in this statement.
        let value = unsafe { self.place() }.take();
        value.expect("the executor leaves a value: the body's, a hook's or the refusal")
    }
    /// The item of a stream that is given to the caller.
    #[inline]
    pub(super) fn take(&self) -> Option<T> {
        // SAFETY: used up in this statement.
        unsafe { self.place() }.take()
    }
    /// The arguments, for a body.
    #[inline]
    fn take_args(&self) -> T {
        // SAFETY: used up in this statement; views of the arguments say `Moved` from here on.
        let args = unsafe { self.place() }.take();
        args.expect("the executor starts a body when the arguments are there")
    }
}

/// A copy of the arguments for another attempt, if body and argument types allow one.
pub(super) trait Copies<A> {
    /// `false`: there are none, ever.
    const POSSIBLE: bool;
    fn copy(&self, args: &A) -> Result<A, &'static str>;
}

/// The body runs at most once.
pub(super) struct NoCopy;

impl<A> Copies<A> for NoCopy {
    const POSSIBLE: bool = false;
    fn copy(&self, _args: &A) -> Result<A, &'static str> {
        Err(
            "the body cannot run again: it takes `&mut` or consumes `self`; see `retry` in the attribute's reference",
        )
    }
}

/// Copied by what the expansion found of the argument types.
pub(super) struct Dup<D>(pub(super) D);

impl<A, D: Fn(&A) -> Option<A>> Copies<A> for Dup<D> {
    const POSSIBLE: bool = true;
    fn copy(&self, args: &A) -> Result<A, &'static str> {
        (self.0)(args)
            .ok_or("the body cannot run again: an argument that is passed by value is not `Clone`")
    }
}

/// What the executor needs of the arguments.
pub(super) struct Arguments<'a, A, V, D> {
    args: &'a Slot<A>,
    views: V,
    copies: D,
    kept: Option<A>,
}

impl<'a, A, V, D> Arguments<'a, A, V, D> {
    pub(super) fn new(args: &'a Slot<A>, views: V, copies: D) -> Self {
        Arguments {
            args,
            views,
            copies,
            kept: None,
        }
    }
}

impl<A, V, D, const N: usize> Args for Arguments<'_, A, V, D>
where
    V: FnMut(&mut A) -> [RawView; N],
    D: Copies<A>,
{
    fn look(&mut self, seen: &mut [RawView]) {
        // SAFETY: the views that this makes are used until the arguments are taken or looked at again.
        if let Some(args) = unsafe { self.args.place() }
            && let Ok(seen) = <&mut [RawView; N]>::try_from(seen)
        {
            *seen = (self.views)(args);
        }
    }

    fn keep(&mut self) -> Result<(), &'static str> {
        // SAFETY: only looked at; nobody writes to the arguments between two steps. The views of them are used
        // after this, so no exclusive reference may be made here.
        if let Some(args) = unsafe { &*self.args.0.get() } {
            self.kept = Some(self.copies.copy(args)?);
        }
        Ok(())
    }

    fn has_kept(&self) -> bool {
        self.kept.is_some()
    }

    fn again(&mut self) -> bool {
        if !D::POSSIBLE {
            return false;
        }
        let next = self
            .kept
            .as_ref()
            .and_then(|kept| self.copies.copy(kept).ok());
        match std::mem::replace(&mut self.kept, next) {
            Some(args) => {
                self.args.put(args);
                true
            }
            None => false,
        }
    }
}

/// What the executor needs of the value. Of its type alone, so that functions that return the same share it.
pub(super) struct Returned<'a, R> {
    value: &'a Slot<R>,
    ret: ReturnOps<R>,
}

impl<'a, R> Returned<'a, R> {
    pub(super) fn new(value: &'a Slot<R>, ret: ReturnOps<R>) -> Self {
        Returned { value, ret }
    }
}

impl<R> Value for Returned<'_, R> {
    fn set(&mut self, replacement: Replacement) -> Result<(), HookError> {
        self.value.put((self.ret.replace)(replacement)?);
        Ok(())
    }

    fn clear(&mut self) {
        // SAFETY: taken out in this statement, and dropped out of the reference's reach.
        let before = unsafe { self.value.place() }.take();
        drop(before);
    }

    fn refuse(&mut self, refusal: HookRefusal) {
        let refuse = self
            .ret
            .refuse
            .expect("a site that cannot refuse never has a verdict above none");
        self.value.put(refuse(refusal));
    }

    #[inline]
    fn parts(&mut self) -> Option<Parts> {
        // SAFETY: the views that this makes are used until the value is replaced, taken or looked at again.
        unsafe { self.value.place() }.as_mut().map(self.ret.parts)
    }
}

/// A body: what is called with the arguments.
pub(super) trait Callable<A> {
    type Out;
    fn call(&mut self, args: A) -> Self::Out;
}

/// It runs at most once.
pub(super) struct Once<F>(Option<F>);

impl<F> Once<F> {
    pub(super) fn new(body: F) -> Self {
        Once(Some(body))
    }
}

impl<A, R, F: FnOnce(A) -> R> Callable<A> for Once<F> {
    type Out = R;
    #[inline]
    fn call(&mut self, args: A) -> R {
        let body = self
            .0
            .take()
            .expect("only a body whose arguments can be copied is called again");
        body(args)
    }
}

/// It can run again.
pub(super) struct Repeat<F>(pub(super) F);

impl<A, R, F: FnMut(A) -> R> Callable<A> for Repeat<F> {
    type Out = R;
    #[inline]
    fn call(&mut self, args: A) -> R {
        (self.0)(args)
    }
}

/// The body of a synchronous site.
pub(super) struct SyncBody<'a, A, R, B, X> {
    args: &'a Slot<A>,
    value: &'a Slot<R>,
    body: B,
    redirect: X,
}

impl<'a, A, R, B, X> SyncBody<'a, A, R, B, X> {
    pub(super) fn new(args: &'a Slot<A>, value: &'a Slot<R>, body: B, redirect: X) -> Self {
        SyncBody {
            args,
            value,
            body,
            redirect,
        }
    }
}

impl<A, R, B, X> Body for SyncBody<'_, A, R, B, X>
where
    B: Callable<A, Out = R>,
    X: Redirect<A, Out = R>,
{
    #[inline]
    fn start(&mut self) {
        self.value.put(self.body.call(self.args.take_args()));
    }

    fn redirect(&mut self, to: &str) -> bool {
        match self.redirect.call(to, self.args.take_args()) {
            Ok(value) => self.value.put(value),
            Err(args) => {
                self.args.put(args);
                return false;
            }
        }
        true
    }

    fn poll(&mut self, _cx: &mut Context<'_>) -> Poll<()> {
        Poll::Ready(())
    }

    fn stop(&mut self) {}
}

/// The body of an asynchronous site, with the future that it gave.
///
/// The futures are parameters of their own, and there is no bound: a projection such as `B::Out` in what a future
/// holds across an await makes the compiler ask for `B: Callable<A>` for any lifetimes, which no closure is.
pub(super) struct AsyncBody<'a, A, R, B, X, F, G> {
    args: &'a Slot<A>,
    value: &'a Slot<R>,
    body: B,
    redirect: X,
    running: Running<F, G>,
}

enum Running<F, G> {
    Nothing,
    Body(F),
    Redirected(G),
}

impl<'a, A, R, B, X, F, G> AsyncBody<'a, A, R, B, X, F, G> {
    /// # Safety
    /// It does not move from the first call of one of its methods until it is dropped.
    pub(super) unsafe fn new(args: &'a Slot<A>, value: &'a Slot<R>, body: B, redirect: X) -> Self {
        AsyncBody {
            args,
            value,
            body,
            redirect,
            running: Running::Nothing,
        }
    }
}

impl<A, R, B, X, F, G> Body for AsyncBody<'_, A, R, B, X, F, G>
where
    F: Future<Output = R>,
    G: Future<Output = R>,
    B: Callable<A, Out = F>,
    X: Redirect<A, Out = G>,
{
    fn start(&mut self) {
        self.running = Running::Body(self.body.call(self.args.take_args()));
    }

    fn redirect(&mut self, to: &str) -> bool {
        match self.redirect.call(to, self.args.take_args()) {
            Ok(future) => self.running = Running::Redirected(future),
            Err(args) => {
                self.args.put(args);
                return false;
            }
        }
        true
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        // SAFETY: the futures are pinned: `self` does not move (`new`), and they are dropped in their place,
        // by an assignment to `running` or with `self`.
        let polled = unsafe {
            match &mut self.running {
                Running::Nothing => return Poll::Ready(()),
                Running::Body(future) => Pin::new_unchecked(future).poll(cx),
                Running::Redirected(future) => Pin::new_unchecked(future).poll(cx),
            }
        };
        polled.map(|value| self.value.put(value))
    }

    fn stop(&mut self) {
        self.running = Running::Nothing;
    }
}
