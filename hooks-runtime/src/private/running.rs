//! An active asynchronous call in the user's future.
//!
//! Whether a future is `Send` the compiler finds out by walking through everything that it may hold while it
//! waits. For the runner's future that is all of the executor, again for every hooked function, because its
//! type is made of that function's types: it took longer than checking the function itself. So the user's
//! future holds the runner behind a pointer without type, next to the list of what decides.

use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll};

use super::run::{Facts, Redirect, ReturnOps, run_async, run_async_repeat};
use crate::site::HookSite;
use crate::view::RawView;

/// A runner's future, of which only the result type is known; `W` holds the types that decide whether it may
/// go to another thread.
pub struct Running<'a, R, W> {
    future: Pin<Box<dyn Future<Output = R> + 'a>>,
    send: PhantomData<W>,
}

// SAFETY: `running` and `running_repeat` are the only places that make one; they put the future of a runner
// in, and as `W` all types that it is made of. That such a future is `Send` if these types are is checked by
// the compiler, in `proof` below.
unsafe impl<R, W: Send> Send for Running<'_, R, W> {}

// The future is pinned by its own box; `W` is not there.
impl<R, W> Unpin for Running<'_, R, W> {}

impl<R, W> Future for Running<'_, R, W> {
    type Output = R;
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<R> {
        self.future.as_mut().poll(cx)
    }
}

/// What a runner's future is made of: arguments, body, its future and value, views, redirect and its future.
type Parts<A, B, F, R, V, X, O> = (A, B, F, R, V, X, O);

/// [`run_async`], on the heap: the idle path must not pay for its size.
// The list of types is the point.
#[allow(clippy::type_complexity)]
pub fn running<'a, A, R, F, B, V, X, const N: usize>(
    site: &'static HookSite,
    facts: Facts,
    args: A,
    body: B,
    views: V,
    ret: ReturnOps<R>,
    redirect: X,
) -> Running<'a, R, Parts<A, B, F, R, V, X, X::Out>>
where
    A: 'a,
    R: 'a,
    F: Future<Output = R> + 'a,
    B: FnOnce(A) -> F + 'a,
    V: FnMut(&mut A) -> [RawView; N] + 'a,
    X: Redirect<A, Out: Future<Output = R>> + 'a,
{
    // The place first: so the future is written there, and not moved there.
    let place = Box::new_uninit();
    let future = Box::write(
        place,
        run_async(site, facts, args, body, views, ret, redirect),
    );
    Running {
        future: Box::into_pin(future),
        send: PhantomData,
    }
}

/// [`run_async_repeat`], on the heap.
#[allow(clippy::too_many_arguments, clippy::type_complexity)]
pub fn running_repeat<'a, A, R, F, B, V, D, X, const N: usize>(
    site: &'static HookSite,
    facts: Facts,
    args: A,
    body: B,
    views: V,
    dup: D,
    ret: ReturnOps<R>,
    redirect: X,
) -> Running<'a, R, Parts<A, B, F, R, (V, D), X, X::Out>>
where
    A: 'a,
    R: 'a,
    F: Future<Output = R> + 'a,
    B: FnMut(A) -> F + 'a,
    V: FnMut(&mut A) -> [RawView; N] + 'a,
    D: Fn(&A) -> Option<A> + 'a,
    X: Redirect<A, Out: Future<Output = R>> + 'a,
{
    let place = Box::new_uninit();
    let future = Box::write(
        place,
        run_async_repeat(site, facts, args, body, views, dup, ret, redirect),
    );
    Running {
        future: Box::into_pin(future),
        send: PhantomData,
    }
}

/// The two runners' futures are `Send` if their parts are: the compiler checks these functions, nobody calls
/// them.
#[allow(dead_code, clippy::too_many_arguments)]
mod proof {
    use super::*;

    fn once<A, R, F, B, V, X, const N: usize>(
        site: &'static HookSite,
        facts: Facts,
        args: A,
        body: B,
        views: V,
        ret: ReturnOps<R>,
        redirect: X,
    ) -> impl Send
    where
        A: Send,
        R: Send,
        F: Future<Output = R> + Send,
        B: FnOnce(A) -> F + Send,
        V: FnMut(&mut A) -> [RawView; N] + Send,
        X: Redirect<A, Out: Future<Output = R> + Send> + Send,
    {
        run_async(site, facts, args, body, views, ret, redirect)
    }

    fn repeat<A, R, F, B, V, D, X, const N: usize>(
        site: &'static HookSite,
        facts: Facts,
        args: A,
        body: B,
        views: V,
        dup: D,
        ret: ReturnOps<R>,
        redirect: X,
    ) -> impl Send
    where
        A: Send,
        R: Send,
        F: Future<Output = R> + Send,
        B: FnMut(A) -> F + Send,
        V: FnMut(&mut A) -> [RawView; N] + Send,
        D: Fn(&A) -> Option<A> + Send,
        X: Redirect<A, Out: Future<Output = R> + Send> + Send,
    {
        run_async_repeat(site, facts, args, body, views, dup, ret, redirect)
    }
}
