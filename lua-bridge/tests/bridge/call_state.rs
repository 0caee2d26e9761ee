//! `ctx.state`: a table for one hook in one call.

use std::sync::atomic::AtomicU32;

use hooks_runtime::{HookRefusal, hooked};

use crate::kit::{block_on, count, engine, order, restock, run, run_with};

/// Waits for ever.
#[hooked(point = "shop.wait")]
async fn wait(item: String) -> Result<String, HookRefusal> {
    let _ = item;
    std::future::pending().await
}

#[test]
fn it_is_the_same_table_in_all_phases_of_a_call_and_new_in_the_next() {
    let ran = run("
        seen = {}
        Hook.register('shop.buy', function(ctx)
            local state = ctx.state
            assert(state == ctx.state, 'one table')
            table.insert(seen, ctx.phase .. (state.note or 'none'))
            state.note = ctx.args.order.item
            if ctx.phase == 'post' then ctx.result = table.concat(seen, ' ') end
        end, {phase = {'pre', 'post'}, args_after = true})")
    .ok();
    assert_eq!(ran.buy(order("tea")).unwrap(), "prenone posttea");
    assert_eq!(
        ran.buy(order("ink")).unwrap(),
        "prenone posttea prenone postink"
    );
}

#[test]
fn guards_conditions_and_attempts_have_it_too() {
    let ran = run("
        Hook.register('shop.buy', function(ctx)
            if ctx.phase == 'pre' then ctx.state.asked = (ctx.state.asked or 0) + 1 return end
            return Result.cancel('asked ' .. ctx.state.asked .. ', looked ' .. ctx.state.looked)
        end, {role = 'guard', phase = {'pre', 'post'}, when = function(ctx)
            ctx.state.looked = (ctx.state.looked or 0) + 1
            return true
        end})")
    .ok();
    for _ in 0..2 {
        let refusal = ran.refusal();
        assert!(refusal.ends_with("asked 1, looked 2"), "{refusal}");
    }
    let ran = run("
        Hook.register('shop.restock', function(ctx)
            ctx.state.failed = (ctx.state.failed or 0) + 1
            if ctx.state.failed < 4 then return Result.retry{max_attempts = 9} end
        end, {phase = 'error', may_retry = true})")
    .ok();
    let _entered = ran.registry.enter();
    for _ in 0..2 {
        let attempts = AtomicU32::new(0);
        restock("tea".into(), &attempts, 99).unwrap_err();
        assert_eq!(attempts.into_inner(), 4);
    }
}

#[test]
fn another_hook_and_a_call_inside_have_their_own() {
    let ran = run("
        for _, name in {'one', 'two'} do
            Hook.register('shop.*', function(ctx)
                assert(ctx.state.of == nil, 'it is mine')
                ctx.state.of = name .. ctx.point
            end, {name = name})
            Hook.register('shop.*', function(ctx)
                assert(next(ctx.state) == nil, 'of another registration')
            end, {phase = 'post'})
        end")
    .ok();
    let inner = |_: &mut hooks_runtime::HookContext<'_>| {
        count("x".into())
            .map(|_| ())
            .map_err(hooks_runtime::HookError::other)
    };
    let _inner = ran.registry.intercept("inner", "shop.buy", inner).unwrap();
    ran.buy(order("tea")).unwrap();
}

#[test]
fn it_stays_when_another_hook_answers_meanwhile() {
    let ran = run("
        Hook.register('shop.buy', function(ctx)
            if ctx.phase == 'pre' then ctx.state.note = 'kept' return end
            assert(ctx.state.note == 'kept', 'it was lost')
        end, {phase = {'pre', 'post'}, priority = 'highest'})
        -- Asked before it after the body.
        Hook.register('shop.buy', function() return Result.replace('answered') end, {phase = 'post', priority = 'lowest'})")
    .ok();
    // A call that nobody records has no more than it needs until a hook answers.
    ran.registry.stop_recording();
    for _ in 0..2 {
        assert_eq!(ran.buy(order("tea")).unwrap(), "answered");
    }
}

#[test]
fn its_fields_are_set_and_it_is_not() {
    let ran = run("Hook.register('shop.buy', function(ctx) ctx.state = {} end)").ok();
    let refusal = ran.refusal();
    assert!(
        refusal.contains("`ctx.state` can't be assigned"),
        "{refusal}"
    );
}

/// A hook that keeps a tenth of the memory limit for each call.
const GREEDY: &str = "
    Hook.register('shop.*', function(ctx)
        ctx.state.much = table.create(100000, 0.5)
    end)";
const CALLS: usize = 100;

#[test]
fn it_goes_with_the_call() {
    let ran = run_with(engine().memory_limit(16 << 20), GREEDY).ok();
    for _ in 0..CALLS {
        ran.buy(order("tea")).unwrap();
    }
    assert_eq!(ran.script.stopped(), None);
}

#[test]
fn it_goes_with_a_call_that_is_dropped() {
    let ran = run_with(engine().memory_limit(16 << 20), GREEDY).ok();
    block_on(ran.registry.wrap(async {
        for _ in 0..CALLS {
            let mut call = std::pin::pin!(wait("tea".into()));
            std::future::poll_fn(|cx| {
                assert!(call.as_mut().poll(cx).is_pending(), "its body waits");
                std::task::Poll::Ready(())
            })
            .await;
        }
    }));
    assert_eq!(ran.script.stopped(), None);
}

#[test]
fn those_of_calls_under_way_are_within_the_memory_limit() {
    let ran = run_with(engine().memory_limit(16 << 20), GREEDY).ok();
    block_on(ran.registry.wrap(async {
        let mut calls = Vec::new();
        for _ in 0..CALLS {
            let mut call = Box::pin(wait("tea".into()));
            let polled = std::future::poll_fn(|cx| std::task::Poll::Ready(call.as_mut().poll(cx)));
            match polled.await {
                std::task::Poll::Pending => calls.push(call),
                std::task::Poll::Ready(answer) => {
                    let refusal = answer.unwrap_err().to_string();
                    assert!(refusal.contains("more memory than it may"), "{refusal}");
                    assert!(calls.len() > 3, "{}", calls.len());
                    return;
                }
            }
        }
        panic!("{} calls hold more than there is", calls.len());
    }));
}
