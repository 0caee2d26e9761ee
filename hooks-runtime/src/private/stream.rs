//! What a function with the key `stream` returns: the user's stream, hooked from its first poll on.

use std::marker::PhantomData;
use std::mem::{replace, transmute};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_core::Stream;

use super::frame::{Arguments, NoCopy, Returned, Slot};
use super::run::{Facts, ReturnOps};
use crate::executor::{self, Body, Can, Frame, Outlet};
use crate::site::HookSite;
use crate::view::RawView;

/// Where an active call puts its items.
pub struct Place<I> {
    item: Slot<I>,
    outlet: Outlet,
}

/// The stream of a hooked function: the user's own while nobody listens, else the items that hooks let pass.
///
/// `M` begins the active call.
pub struct HookedStream<S, I, M> {
    site: &'static HookSite,
    state: State<S, I, M>,
}

enum State<S, I, M> {
    /// Not polled yet, if `begin` is there; else nobody listened at the first poll.
    Plain {
        stream: S,
        begin: Option<M>,
        ended: bool,
    },
    Active {
        call: ActiveStream<S, I>,
        place: Arc<Place<I>>,
    },
    Over,
}

/// The hooked stream; `begin` is [`run_stream`].
pub fn streamed<S, I, M>(site: &'static HookSite, stream: S, begin: M) -> HookedStream<S, I, M>
where
    S: Stream<Item = I>,
    M: FnOnce(S, Arc<Place<I>>) -> ActiveStream<S, I>,
{
    HookedStream {
        site,
        state: State::Plain {
            stream,
            begin: Some(begin),
            ended: false,
        },
    }
}

/// The place on the heap for a function that returns `Pin<Box<dyn Stream>>`.
pub fn pinned<S>(stream: S) -> Pin<Box<S>> {
    Box::pin(stream)
}

impl<S, I, M> Stream for HookedStream<S, I, M>
where
    S: Stream<Item = I>,
    M: FnOnce(S, Arc<Place<I>>) -> ActiveStream<S, I>,
{
    type Item = I;

    #[inline]
    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<I>> {
        // SAFETY: only the user's stream needs its place. It is moved out before its first poll at the latest
        // (`activate`); once it was polled here it stays, and is dropped, where it is. `state` is assigned to only
        // in `activate` and in `poll_call`, when there is no user's stream in it.
        let this = unsafe { self.get_unchecked_mut() };
        if let State::Plain { begin, .. } = &mut this.state
            && begin.is_some()
        {
            if this.site.is_idle() {
                *begin = None;
            } else {
                this.state.activate();
            }
        }
        match &mut this.state {
            State::Plain { ended: true, .. } | State::Over => Poll::Ready(None),
            State::Plain { stream, ended, .. } => {
                // SAFETY: as above.
                let item = unsafe { Pin::new_unchecked(stream) }.poll_next(cx);
                *ended = matches!(item, Poll::Ready(None));
                item
            }
            State::Active { .. } => this.state.poll_call(cx),
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        match &self.state {
            State::Plain {
                stream,
                begin: None,
                ended: false,
            } => stream.size_hint(),
            // A refusal may be the only item.
            State::Plain {
                stream,
                ended: false,
                ..
            } => (0, stream.size_hint().1.map(|most| most.max(1))),
            State::Active { .. } => (0, None),
            State::Plain { .. } | State::Over => (0, Some(0)),
        }
    }
}

impl<S, I, M> State<S, I, M>
where
    M: FnOnce(S, Arc<Place<I>>) -> ActiveStream<S, I>,
{
    /// The call begins. The stream, which was not polled yet, moves into it.
    #[cold]
    #[inline(never)]
    fn activate(&mut self) {
        if let State::Plain {
            stream,
            begin: Some(begin),
            ..
        } = replace(self, State::Over)
        {
            let place = Arc::new(Place {
                item: Slot::empty(),
                outlet: Outlet::default(),
            });
            let call = begin(stream, place.clone());
            *self = State::Active { call, place };
        }
    }

    #[inline(never)]
    fn poll_call(&mut self, cx: &mut Context<'_>) -> Poll<Option<I>> {
        /// A stream that panicked is over.
        struct Over<'a, S, I, M>(&'a mut State<S, I, M>);
        impl<S, I, M> Drop for Over<'_, S, I, M> {
            fn drop(&mut self) {
                *self.0 = State::Over;
            }
        }
        let over = Over(self);
        let State::Active { call, place } = &mut *over.0 else {
            return Poll::Ready(None);
        };
        let item = match call.future.as_mut().poll(cx) {
            // The last item, if there is one: a refusal, or what a hook brought in place of the stream.
            Poll::Ready(()) => return Poll::Ready(place.item.take()),
            Poll::Pending if place.outlet.take() => Poll::Ready(place.item.take()),
            Poll::Pending => Poll::Pending,
        };
        std::mem::forget(over);
        item
    }
}

/// An active call of a stream of the type `S` and its items `I`: the future of `call`, behind a pointer that
/// does not say what is in it. Else the compiler would walk through all of the executor for each hooked function,
/// to find out whether its stream is `Send`.
pub struct ActiveStream<S, I> {
    future: Pin<Box<dyn Future<Output = ()>>>,
    made_of: PhantomData<(S, I)>,
}

// SAFETY: `run_stream` is the only place that makes one. That the future is `Send` if these types are is checked
// by the compiler, in `is_send` below.
unsafe impl<S: Send, I: Send> Send for ActiveStream<S, I> {}

// The future is pinned by its own box; `S` and `I` are not there.
impl<S, I> Unpin for ActiveStream<S, I> {}

/// The compiler checks this function, nobody calls it.
#[allow(dead_code)]
fn is_send<S: Stream<Item = I> + Send, I: Send>(
    site: &'static HookSite,
    facts: Facts,
    stream: S,
    ret: ReturnOps<I>,
    place: Arc<Place<I>>,
) -> impl Send {
    call(site, facts, stream, ret, place)
}

/// An active call of a stream begins.
pub fn run_stream<S, I>(
    site: &'static HookSite,
    facts: Facts,
    stream: S,
    ret: ReturnOps<I>,
    place: Arc<Place<I>>,
) -> ActiveStream<S, I>
where
    S: Stream<Item = I>,
{
    let future: Pin<Box<dyn Future<Output = ()> + '_>> =
        Box::pin(call(site, facts, stream, ret, place));
    // SAFETY: only the lifetime is another. What the future is made of lives as long as `S` and `I`, which the
    // type of what holds it names as if it held them, so that it neither outlives them nor is dropped after them;
    // and it is never taken out.
    let future = unsafe {
        transmute::<Pin<Box<dyn Future<Output = ()> + '_>>, Pin<Box<dyn Future<Output = ()>>>>(
            future,
        )
    };
    ActiveStream {
        future,
        made_of: PhantomData,
    }
}

async fn call<S, I>(
    site: &'static HookSite,
    facts: Facts,
    stream: S,
    ret: ReturnOps<I>,
    place: Arc<Place<I>>,
) where
    S: Stream<Item = I>,
{
    let can = Can::new(ret.refuse.is_some(), ret.replaceable, false, false);
    let args = Slot::new(());
    let mut arguments = Arguments::new(&args, no_arguments, NoCopy);
    let mut returned = Returned::new(&place.item, ret);
    // SAFETY: it stays in this future, which is pinned when it is polled.
    let mut body = unsafe { StreamBody::new(&place.item, stream) };
    let frame = Frame::new(&mut arguments, &mut returned, &mut body);
    executor::stream(site, facts, can, frame, &place.outlet).await;
}

fn no_arguments(_: &mut ()) -> [RawView; 0] {
    []
}

/// The user's stream as a body: ready when the next item is in its place, or nothing because it has ended.
struct StreamBody<'a, S, I> {
    item: &'a Slot<I>,
    stream: Option<S>,
}

impl<'a, S, I> StreamBody<'a, S, I> {
    /// # Safety
    /// It does not move from the first call of one of its methods until it is dropped.
    unsafe fn new(item: &'a Slot<I>, stream: S) -> Self {
        StreamBody {
            item,
            stream: Some(stream),
        }
    }
}

impl<S: Stream<Item = I>, I> Body for StreamBody<'_, S, I> {
    /// The call that made the stream has started it.
    fn start(&mut self) {}

    fn redirect(&mut self, _to: &str) -> bool {
        false
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(stream) = &mut self.stream else {
            return Poll::Ready(());
        };
        // SAFETY: the stream is pinned: `self` does not move (`new`), and the stream is dropped in its place, by
        // `stop` or with `self`.
        let polled = unsafe { Pin::new_unchecked(stream) }.poll_next(cx);
        polled.map(|item| {
            if let Some(item) = item {
                self.item.put(item);
            }
        })
    }

    fn stop(&mut self) {
        self.stream = None;
    }
}
