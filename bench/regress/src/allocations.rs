//! A global allocator that counts what the current thread asks of it.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

thread_local! {
    // Constant and without a destructor: the allocator may not allocate, and is used while threads end.
    static COUNT: Cell<u64> = const { Cell::new(0) };
}

/// The system's allocator, with a count for each thread; other threads do not disturb it.
///
/// ```
/// use hookpoint_regress::allocations::{CountingAllocator, of};
///
/// #[global_allocator]
/// static ALLOCATOR: CountingAllocator = CountingAllocator;
///
/// assert_eq!(of(|| drop(std::hint::black_box(Box::new(1)))), 1);
/// ```
pub struct CountingAllocator;

impl CountingAllocator {
    fn count() {
        COUNT.with(|count| count.set(count.get() + 1));
    }
}

// SAFETY: every call is passed on to the system's allocator as it is; counting neither allocates nor unwinds.
unsafe impl GlobalAlloc for CountingAllocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        CountingAllocator::count();
        // SAFETY: what the caller promises of `layout` is what the system's allocator asks for.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        CountingAllocator::count();
        // SAFETY: as in `alloc`.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        CountingAllocator::count();
        // SAFETY: the pointer came from this allocator, which is the system's; the rest as in `alloc`.
        unsafe { System.realloc(pointer, layout, new_size) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the pointer came from this allocator, which is the system's.
        unsafe { System.dealloc(pointer, layout) }
    }
}

/// How often this thread allocates or grows memory while it runs `work`.
///
/// Always 0 in a program whose global allocator is not [`CountingAllocator`].
pub fn of(work: impl FnOnce()) -> u64 {
    let before = COUNT.with(Cell::get);
    work();
    COUNT.with(Cell::get) - before
}
