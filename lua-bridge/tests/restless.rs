//! Guards that unregister themselves, register themselves anew, or each other, while they are asked.
//!
//! A call asks the hooks that there are when it begins, to its end, so what they do to each other counts for the next
//! call: each is refused. Nothing is left behind.

#[path = "bridge/allocator.rs"]
mod allocator;
// Not all of it is of use here.
#[allow(dead_code)]
#[path = "bridge/kit.rs"]
mod kit;

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use allocator::live_bytes;
use hooks_events::EventBus;
use hooks_lua::Script;
use hooks_runtime::{GuardContext, Vote, hooks};

use kit::{block_on, buy, count, engine, fetch, order, run_with};

/// The code, and how many hooks there are after each call.
const RESTLESS: &[(&str, usize)] = &[
    // Itself, under the same id.
    (
        "local handle
        local function arm()
            handle = Hook.register('shop.buy', function(ctx)
                assert(handle:unregister())
                arm()
                return Result.cancel('no')
            end, {role = 'guard', name = 'g'})
        end
        arm()",
        1,
    ),
    // Itself, under another id, before it goes.
    (
        "local n = 0
        local function arm()
            n += 1
            local handle
            handle = Hook.register('shop.buy', function(ctx)
                arm()
                handle:unregister()
                return Result.cancel('no')
            end, {role = 'guard', name = 'g' .. n})
        end
        arm()",
        1,
    ),
    // After the body.
    (
        "local function arm()
            Hook.register('shop.buy', function(ctx)
                if ctx.phase == 'pre' then return end
                Hook.unregister('g')
                arm()
                return Result.cancel('no')
            end, {role = 'guard', name = 'g', phase = {'pre', 'post'}})
        end
        arm()",
        1,
    ),
    // Before the body, with the same call's phase after it still to come.
    (
        "local function arm()
            Hook.register('shop.buy', function(ctx)
                if ctx.phase == 'post' then return Result.cancel('no') end
                Hook.unregister('g')
                arm()
            end, {role = 'guard', name = 'g', phase = {'pre', 'post'}})
        end
        arm()",
        1,
    ),
    // Each other.
    (
        "local arm
        local function guard(own, other)
            return function(ctx)
                Hook.unregister(other)
                arm(other, own)
                return Result.cancel('no ' .. own)
            end
        end
        function arm(own, other)
            Hook.register('shop.buy', guard(own, other), {role = 'guard', name = own})
        end
        arm('one', 'two')
        arm('two', 'one')",
        2,
    ),
    // All at once.
    (
        "local function arm()
            for i = 1, 5 do
                Hook.register('shop.buy', function(ctx)
                    if i ~= 3 then return end
                    assert(Hook.clear() == 5)
                    arm()
                    return Result.cancel('no')
                end, {role = 'guard', name = 'g' .. i})
            end
        end
        arm()",
        5,
    ),
    // There for one call, and the next one for the next.
    (
        "local function arm()
            Hook.register('shop.buy', function(ctx)
                arm()
                return Result.cancel('no')
            end, {role = 'guard', once = true})
        end
        arm()",
        1,
    ),
    // On and off.
    (
        "local handle
        handle = Hook.register('shop.buy', function(ctx)
            handle:disable()
            handle:enable()
            return Result.cancel('no')
        end, {role = 'guard', name = 'g'})",
        1,
    ),
    // An intercept takes the guard away that is asked after it.
    (
        "local function arm()
            Hook.register('shop.buy', function(ctx) return Result.cancel('no') end, {role = 'guard', name = 'g'})
        end
        arm()
        Hook.register('shop.buy', function(ctx)
            assert(Hook.unregister('g'))
            arm()
        end, {name = 'thief'})",
        2,
    ),
];

/// Another script's hook and one in Rust.
struct Others {
    _script: Script,
    _rust: hooks_runtime::HookGuard,
}

/// In the registry that is current.
fn others() -> Others {
    let script = engine().build().load_source(
        "other.lua",
        "Hook.register('shop.count', function() return Result.replace(7) end)",
    );
    let script = script.unwrap();
    block_on(script.execute()).unwrap();
    let rust = |_: &GuardContext<'_>| Ok(Vote::cancel("sold out"));
    Others {
        _rust: hooks().guard("rust", "shop.fetch", rust).unwrap(),
        _script: script,
    }
}

/// A call that is refused, and the other hooks that go on.
fn once(code: &str) {
    let refusal = buy("corner", order("tea")).unwrap_err().to_string();
    assert!(refusal.contains(": no"), "{code}: {refusal}");
}

fn others_go_on(code: &str) {
    assert_eq!(count("x".into()).unwrap(), 7, "{code}");
    let fetched = fetch("tea".into()).unwrap_err().to_string();
    assert!(fetched.contains("sold out"), "{code}: {fetched}");
}

fn restless(code: &str, hooks: usize, calls: usize) {
    let ran = run_with(engine(), code).ok();
    ran.registry.stop_recording();
    let _entered = ran.registry.enter();
    let _others = others();
    // What is made once is there after some calls.
    (0..200).for_each(|_| once(code));
    let before = live_bytes();
    (0..calls).for_each(|_| once(code));
    let after = live_bytes();
    others_go_on(code);
    assert_eq!(ran.registry.list().len(), hooks + 2, "{code}");
    assert_eq!(ran.script.hooks().len(), hooks, "{code}");
    assert_eq!(ran.script.stopped(), None, "{code}");
    assert!(
        after <= before + before / 10,
        "{before} bytes before {calls} calls, {after} after: {code}"
    );
}

/// One that goes for good is asked to the end of its call, and not in the next one.
fn gone_after_its_call(code: &str) {
    let ran = run_with(engine(), code).ok();
    assert!(ran.refusal().contains(": no"), "{code}");
    assert!(ran.buy(order("tea")).is_ok(), "{code}");
    assert!(ran.script.hooks().is_empty(), "{code}");
}

/// The guard is exchanged by events of another script, while other threads are asked. In the registry of the program:
/// handlers run outside of every scope.
fn exchanged_by_the_events_of_another_script() {
    let bus = EventBus::new();
    let code = "
        local n, handle = 0, nil
        local function arm()
            local old = handle
            n += 1
            handle = Hook.register('shop.buy', function() return Result.cancel('no') end, {role = 'guard', name = 'g' .. n})
            if old then assert(old:unregister()) end
        end
        arm()
        Event.subscribe('rearm', function() arm() end)";
    let kicker = "for i = 1, 2000 do Event.publish('rearm', {}) end";
    let _others = others();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    let over = AtomicBool::new(false);
    let load = |name, code| {
        let engine = engine().events(bus.clone()).build();
        engine.load_source(name, code).unwrap()
    };
    let (guard, kicker) = (load("guard.lua", code), load("kicker.lua", kicker));
    runtime.block_on(guard.execute()).unwrap();
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while !over.load(Ordering::Acquire) {
                    once("exchanged");
                    others_go_on("exchanged");
                }
            });
        }
        let done = runtime.block_on(async {
            kicker.execute().await.unwrap();
            bus.drain(Duration::from_secs(60)).await
        });
        over.store(true, Ordering::Release);
        assert!(done.undelivered.is_empty(), "{done:?}");
        assert_eq!(guard.hooks(), ["g2001"]);
    });
}

/// The only test of this program: nothing else allocates meanwhile.
#[test]
fn hooks_that_manage_each_other_while_they_run_refuse_and_leave_nothing() {
    for (code, hooks) in RESTLESS {
        restless(code, *hooks, 10_000);
    }
    for phase in ["pre", "post"] {
        let take = format!(
            "local handle
            handle = Hook.register('shop.buy', function() handle:unregister() return Result.cancel('no') end,
                {{role = 'guard', phase = '{phase}'}})"
        );
        gone_after_its_call(&take);
        let clear = format!(
            "Hook.register('shop.buy', function() Hook.clear() return Result.cancel('no') end, {{role = 'guard', phase = '{phase}'}})
            Hook.register('shop.buy', function() return Result.cancel('no') end, {{role = 'guard', phase = '{phase}'}})"
        );
        gone_after_its_call(&clear);
    }
    exchanged_by_the_events_of_another_script();
}
