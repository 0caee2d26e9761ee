//! What a subscription leaves in memory when it is gone: nothing.

use std::alloc::{GlobalAlloc, Layout, System};
use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicIsize, Ordering};

use hooks_events::{Event, EventBus, Overflow, Topic};

struct Counting;

static LIVE_BYTES: AtomicIsize = AtomicIsize::new(0);

// SAFETY: every call is passed on to the system's allocator as it is; counting neither allocates nor unwinds.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        LIVE_BYTES.fetch_add(layout.size() as isize, Ordering::SeqCst);
        // SAFETY: what the caller promises of `layout` is what the system's allocator asks for.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        LIVE_BYTES.fetch_sub(layout.size() as isize, Ordering::SeqCst);
        // SAFETY: the pointer came from this allocator, which is the system's.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn live() -> isize {
    LIVE_BYTES.load(Ordering::SeqCst)
}

/// The only test of this program: nothing else allocates meanwhile.
#[test]
fn a_thousand_subscriptions_leave_nothing() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let bus = EventBus::new();
    let topic = Topic::new("a.b").unwrap();
    let mut handle = bus.publisher(&topic);
    let payload = || vec![7_u8; 1000];

    let mut cycle = |nth: usize| {
        runtime.block_on(async {
            let payload_of_handler = Arc::new(payload());
            let plain = bus.subscribe("a.*").stream().unwrap();
            let another = bus.subscribe("a.*").name("another").stream().unwrap();
            let special = bus
                .subscribe("a.>")
                .filter(|_| true)
                .group("g")
                .capacity(2)
                .overflow(Overflow::DropOldest)
                .stream()
                .unwrap();
            let inline = bus
                .subscribe("a.b")
                .inline(move |_: &Event| {
                    black_box(&payload_of_handler);
                })
                .unwrap();
            let handler = bus
                .subscribe("*.b")
                .concurrency(3)
                .handler(async |event: Arc<Event>| drop(event))
                .unwrap();
            for _ in 0..4 {
                bus.publish(Event::new(&topic, payload())).await.unwrap();
                handle.publish(Event::new(&topic, payload())).await.unwrap();
                tokio::task::yield_now().await;
            }
            handler.stop().await;
            // In another order each time, with events that nobody has read.
            let mut all: Vec<Box<dyn std::any::Any>> =
                vec![Box::new(plain), Box::new(another), Box::new(special), Box::new(inline)];
            all.rotate_left(nth % 4);
            drop(all);
        });
        // The handle lets go of the routes that it knew.
        handle.try_publish(Event::without_data(&topic)).unwrap();
    };

    // Tables grow to the size that they need, caches are made.
    (0..50).for_each(&mut cycle);
    let before = live();
    (0..1000).for_each(&mut cycle);
    assert_eq!(live() - before, 0, "bytes are left after 1,000 cycles");
    assert_eq!(bus.metrics().subscriptions, 0);
}
