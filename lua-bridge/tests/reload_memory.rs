//! What registering, unregistering and reloading leave in memory: nothing.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicIsize, Ordering};

use hooks_lua::LuaEngine;
use hooks_runtime::test::registry;

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

/// The only test of this program: nothing else allocates meanwhile. Luau's memory comes from the same allocator.
#[test]
fn cycles_of_registering_and_reloading_do_not_grow() {
    // A debug build takes ten times as long for a cycle.
    let cycles = if cfg!(debug_assertions) {
        1_000
    } else {
        10_000
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let (registry, engine) = (registry(), LuaEngine::builder().build());
    registry.stop_recording();
    let code = "
        local big = string.rep('x', 100000)
        local passing = Hook.register('tool.execute', function() return big and nil end)
        Hook.register('tool.execute', function() return big and nil end, {name = 'stays'})
        passing:unregister()";
    let script = engine.load_source("shop.lua", code).unwrap();
    let cycle = || {
        runtime
            .block_on(registry.wrap(script.reload_source(code)))
            .unwrap();
    };
    runtime.block_on(registry.wrap(script.execute())).unwrap();
    // What is made once, and what is kept to a limit, is there after some cycles.
    (0..50).for_each(|_| cycle());
    let before = LIVE_BYTES.load(Ordering::SeqCst);
    (0..cycles).for_each(|_| cycle());
    let after = LIVE_BYTES.load(Ordering::SeqCst);
    assert_eq!(engine.states(), 1);
    println!("{before} bytes before {cycles} cycles, {after} after");
    assert!(before > 100_000, "Luau's memory is counted: {before} bytes");
    assert!(
        after <= before + before / 10,
        "{before} bytes before {cycles} cycles, {after} bytes after"
    );
}
