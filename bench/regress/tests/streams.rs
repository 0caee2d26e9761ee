//! What a hooked stream allocates: nothing while nobody listens, and never for an item. One test, because
//! whether somebody listens is a matter of the process.

use std::hint::black_box;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

use futures_util::{Stream, stream};
use hookpoint::{HookRefusal, HookResult, Vote, hooked, hooks};
use hookpoint_regress::allocations::{CountingAllocator, of};

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;

type Item = Result<u64, HookRefusal>;

#[hooked(point = "streams.open", stream)]
fn open(n: u64) -> impl Stream<Item = Item> {
    stream::iter((0..n).map(Ok))
}

#[hooked(point = "streams.boxed", stream)]
fn boxed(n: u64) -> Pin<Box<dyn Stream<Item = Item>>> {
    Box::pin(stream::iter((0..n).map(Ok)))
}

/// Allocations from the call to the end.
fn whole(make: fn(u64) -> Pin<Box<dyn Stream<Item = Item>>>, n: u64) -> u64 {
    of(|| assert_eq!(count(make(n)), n))
}

fn count(stream: impl Stream<Item = Item>) -> u64 {
    let mut stream = pin!(stream);
    let mut cx = Context::from_waker(Waker::noop());
    let mut items = 0;
    while let Poll::Ready(Some(item)) = stream.as_mut().poll_next(&mut cx) {
        assert_eq!(black_box(item).unwrap(), items);
        items += 1;
    }
    items
}

#[test]
fn nothing_is_allocated_for_an_item() {
    // The first call of a site finds out that nobody listens.
    assert_eq!((count(open(1)), count(boxed(1))), (1, 1));
    assert_eq!(of(|| assert_eq!(count(open(100)), 100)), 0, "idle");
    // The function's own box, and one for what stands around it.
    assert_eq!(whole(boxed, 100), 2, "idle and boxed");

    let watch = hooks()
        .on("watch")
        .point("streams.*")
        .pre()
        .post()
        .intercept(|_| HookResult::Continue)
        .unwrap();
    let guard = hooks()
        .on("guard")
        .point("streams.*")
        .post()
        .guard(|cx| Ok(Vote::cancel_if(*cx.result::<u64>()? > 1_000, "too many")))
        .unwrap();
    let active = |n| of(|| assert_eq!(count(open(n)), n));
    // The first call after a registration publishes the set of hooks.
    active(1);
    assert_eq!(active(1_000), active(1));
    assert!(active(1) <= 4, "{}", active(1));
    drop((watch, guard));
    assert_eq!(of(|| assert_eq!(count(open(100)), 100)), 0, "idle again");
}
