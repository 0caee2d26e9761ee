//! What registering, unregistering and reloading leave in memory: nothing.

#[path = "bridge/allocator.rs"]
mod allocator;

use allocator::live_bytes;
use hooks_lua::LuaEngine;
use hooks_runtime::test::registry;

/// The only test of this program: nothing else allocates meanwhile.
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
    let before = live_bytes();
    (0..cycles).for_each(|_| cycle());
    let after = live_bytes();
    assert_eq!(engine.states(), 1);
    println!("{before} bytes before {cycles} cycles, {after} after");
    assert!(before > 100_000, "Luau's memory is counted: {before} bytes");
    assert!(
        after <= before + before / 10,
        "{before} bytes before {cycles} cycles, {after} bytes after"
    );
}
