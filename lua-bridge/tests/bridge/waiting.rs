//! Hooks that wait: for tools, for time, and in vain.

use std::sync::Arc;
use std::time::Duration;

use hooks_events::EventBus;
use hooks_lua::host::{BoxFuture, HostError, ToolHost};
use hooks_lua::{LuaEngine, LuaEngineBuilder, Script};
use hooks_runtime::test::{TestRegistry, registry};
use serde_json::{Value, json};
use tokio::sync::{Mutex, mpsc, oneshot};

use crate::globals::hosted;
use crate::kit::{Order, ShopError, buy, engine, fetch, order, reserve, run, run_with, ship};

/// A tool call that the test answers.
struct Request {
    params: Value,
    answer: oneshot::Sender<Value>,
}

/// Tools whose calls are answered by the test.
struct Desk(mpsc::UnboundedSender<Request>);

impl ToolHost for Desk {
    fn list(&self) -> Vec<Value> {
        Vec::new()
    }
    fn get(&self, name: &str) -> Result<Value, HostError> {
        Err(HostError::message(format!("no tool is called `{name}`")))
    }
    fn call<'a>(&'a self, _: &'a str, params: Value) -> BoxFuture<'a, Result<Value, HostError>> {
        Box::pin(async move {
            let (answer, answered) = oneshot::channel();
            self.0.send(Request { params, answer })?;
            Ok(answered.await?)
        })
    }
}

/// A script in a registry of its own, with a [`Desk`].
struct Shop {
    registry: Arc<TestRegistry>,
    engine: LuaEngine,
    script: Script,
    requests: Mutex<mpsc::UnboundedReceiver<Request>>,
}

async fn shop(code: &str) -> Shop {
    shop_with(engine(), code).await
}

async fn shop_with(engine: LuaEngineBuilder, code: &str) -> Shop {
    let (sender, requests) = mpsc::unbounded_channel();
    let engine = engine.tools(Desk(sender)).build();
    let script = engine.load_source("shop.lua", code).unwrap();
    let registry = Arc::new(registry());
    registry.wrap(script.execute()).await.unwrap();
    Shop {
        registry,
        engine,
        script,
        requests: Mutex::new(requests),
    }
}

type Shipped = Result<Value, ShopError>;

/// Fails the test, instead of keeping it for ever, if the future does not end.
async fn in_time<F: Future>(future: F) -> F::Output {
    let ended = tokio::time::timeout(Duration::from_secs(60), future);
    ended.await.expect("it ends")
}

impl Shop {
    /// Begins a call on a task of its own.
    fn ship(&self, order: Order) -> tokio::task::JoinHandle<Shipped> {
        let registry = self.registry.clone();
        tokio::spawn(async move { in_time(registry.wrap(ship("corner", order))).await })
    }

    async fn request(&self) -> Request {
        let mut requests = self.requests.lock().await;
        in_time(requests.recv()).await.unwrap()
    }

    async fn value(&self, code: &str) -> Value {
        let evaluated = self.script.evaluate("shop.lua", code);
        self.registry.wrap(evaluated).await.unwrap()
    }

    fn buy(&self, order: Order) -> Shipped {
        let _entered = self.registry.enter();
        buy("corner", order)
    }
}

/// A hook that notes what the desk says.
const NOTES: &str = "resumed = 0
    Hook.register('shop.ship', function(ctx)
        local note = Tool.invoke('desk', {item = ctx.args.order.item})
        resumed += 1
        ctx.args.order.note = note
    end, {async = true, name = 'notes', timeout_ms = 100";

fn notes(options: &str) -> String {
    format!("{NOTES}, {options}}})")
}

fn reason(shipped: Shipped) -> String {
    match shipped {
        Err(error @ ShopError::Refused(_)) => error.to_string(),
        other => panic!("{other:?}"),
    }
}

/// The same on one thread and no task: what a script does with tools that have their answer at once.
fn shipped(code: &str, order: Order) -> Shipped {
    let ran = run_with(hosted(), code).ok();
    crate::kit::block_on(ran.registry.wrap(ship("corner", order)))
}

#[test]
fn a_guard_asks_a_tool_and_refuses() {
    let code = "Hook.register('shop.ship', function(ctx)
            local price = Tool.invoke('calculator', {expression = ctx.args.order.count .. ' * 3'}).result
            if price > 10 then return Result.cancel('too dear: ' .. price) end
        end, {role = 'guard', async = true})";
    assert_eq!(shipped(code, order("tea")).unwrap()["body"], true);
    let mut dear = order("tea");
    dear.count = 4;
    let said = reason(shipped(code, dear));
    assert!(said.ends_with("too dear: 12"), "{said}");
    // What a guard changes of what is sealed is an error, before and after a wait.
    let changing = "Hook.register('shop.ship', function(ctx)
            ctx.args.order.item = 'milk'
            Tool.invoke('calculator', {expression = '1'})
        end, {role = 'guard', async = true})";
    let said = reason(shipped(changing, order("tea")));
    assert!(said.contains("can't be changed by a guard"), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn calls_in_flight_are_not_mixed_up() {
    for (parameters, options, order_of) in [
        ("ctx", "async = true", "ctx.args.order"),
        ("o, shop", "async = true, args = {'order', 'shop'}", "o"),
    ] {
        let shop = shop(&format!(
            "Hook.register('shop.ship', function({parameters})
                local item = {order_of}.item
                {order_of}.note = 'asked'
                for turn = 1, 3 do
                    local said = Tool.invoke('desk', {{item = item}})
                    assert({order_of}.item == item and said == item)
                    {order_of}.count += turn
                    table.insert({order_of}.tags, said .. turn)
                end
                {order_of}.note = item
            end, {{{options}}})
            Hook.register('shop.buy', function(ctx)
                ctx.args.order.note = 'bought'
            end)"
        ))
        .await;
        let calls: Vec<_> = (0..100)
            .map(|number| shop.ship(order(&format!("item-{number}"))))
            .collect();
        for _ in 0..3 {
            let mut requests = Vec::new();
            for _ in 0..100 {
                requests.push(shop.request().await);
            }
            // Answered in another order than asked, with calls at another point in between.
            requests.sort_by_key(|request| request.params["item"].to_string().len());
            requests.rotate_left(37);
            for Request { params, answer } in requests.into_iter().rev() {
                answer.send(params["item"].clone()).unwrap();
                assert_eq!(shop.buy(order("tea")).unwrap()["order"]["note"], "bought");
            }
        }
        for (number, call) in calls.into_iter().enumerate() {
            let item = format!("item-{number}");
            let tags: Vec<_> = (1..=3).map(|turn| format!("{item}{turn}")).collect();
            assert_eq!(
                call.await.unwrap().unwrap()["order"],
                json!({"item": item, "count": 7, "note": item, "tags": tags})
            );
        }
    }
}

#[tokio::test]
async fn a_context_that_is_kept_is_about_the_call_that_uses_it() {
    let shop = shop(
        "Hook.register('shop.ship', function(ctx)
            kept = ctx
            ctx.args.order.note = Tool.invoke('desk', {})
        end, {async = true})
        Hook.register('shop.buy', function(ctx)
            kept.args.order.item = 'stolen ' .. kept.point
        end)
        Hook.register('shop.fetch', function(item)
            local read, why = pcall(function() return kept.args.order end)
            local written = pcall(function() kept.args.order = {} end)
            assert(not read and not written)
            return Result.cancel(why)
        end, {args = {'item'}})",
    )
    .await;
    let call = shop.ship(order("tea"));
    let request = shop.request().await;
    let bought = shop.buy(order("milk")).unwrap();
    assert_eq!(bought["order"]["item"], "stolen shop.buy");
    let entered = shop.registry.enter();
    let said = fetch("tea".into()).unwrap_err().to_string();
    assert!(
        said.contains("`ctx` is of use only while its hook runs"),
        "{said}"
    );
    drop(entered);
    request.answer.send(json!("mine")).unwrap();
    let shipped = call.await.unwrap().unwrap();
    assert_eq!(shipped["order"]["item"], "tea");
    assert_eq!(shipped["order"]["note"], "mine");
}

#[test]
fn hooks_after_the_body_and_after_a_failure_wait_too() {
    let ask = "Tool.invoke('calculator', {expression = '6 * 7'}).result";
    let post = format!(
        "Hook.register('shop.ship', function(ctx)
            ctx.result.price = {ask}
            assert(ctx.result.body and ctx.phase == 'post')
            ctx.result.body = nil
        end, {{async = true, phase = 'post'}})"
    );
    let shipped_then = shipped(&post, order("tea")).unwrap();
    assert_eq!(shipped_then["price"], 42);
    assert_eq!(shipped_then.get("body"), None);

    let error = format!(
        "Hook.register('shop.ship', function(ctx)
            local price = {ask}
            return Result.replace{{instead = price, of = ctx.error}}
        end, {{async = true, phase = 'error'}})"
    );
    let mut none = order("tea");
    none.count = 0;
    assert_eq!(
        shipped(&error, none).unwrap(),
        json!({"instead": 42, "of": "Out(\"tea\")"})
    );
    let withheld = "Hook.register('shop.ship', function(ctx)
            Tool.invoke('calculator', {expression = '1'})
            return Result.cancel('not this one')
        end, {async = true, role = 'guard', phase = 'post'})";
    assert!(reason(shipped(withheld, order("tea"))).ends_with("not this one"));
}

#[test]
fn a_hook_is_not_asked_about_the_calls_that_it_makes_and_guards_end_at_a_depth() {
    let ran = run_with(
        hosted(),
        "asked = 0
        Hook.register('tool.execute', function(ctx)
            asked += 1
            if asked > 20 then error('endless') end
            ctx.args.params.expression = tostring(Tool.invoke('calculator', {expression = '20 + 1'}).result * 2)
        end, {async = true})
        local result = Tool.invoke('calculator', {expression = '1'}).result
        return {result, asked}",
    )
    .ok();
    assert_eq!(ran.result.unwrap(), json!([42, 1]));
    // A guard is asked about every call, its own among them: the runtime ends it.
    let ran = run_with(
        hosted(),
        "asked = 0
        local guard = Hook.register('tool.execute', function(ctx)
            asked += 1
            Tool.invoke('calculator', {expression = '1'})
        end, {async = true, role = 'guard'})
        local ok, said = pcall(Tool.invoke, 'calculator', {expression = '1'})
        guard:unregister()
        return {ok, said, asked, Tool.invoke('calculator', {expression = '2'}).result}",
    )
    .ok();
    let result = ran.result.unwrap();
    assert_eq!(
        json!([result[0], result[2], result[3]]),
        json!([false, 8, 2])
    );
    let said = result[1].as_str().unwrap();
    assert!(said.contains("calls nested more than 8 deep"), "{said}");
}

#[test]
fn errors_of_what_is_waited_for_can_be_caught() {
    let code = "Hook.register('shop.ship', function(ctx)
            local order = ctx.args.order
            local ok, said = pcall(Tool.invoke, 'calculatr', {})
            assert(not ok and said:find('did you mean `calculator`', 1, true), said)
            local _, value = pcall(function()
                return Tool.invoke('calculator', {expression = '6 * 7'}).result
            end)
            local seen = select(2, xpcall(function()
                Tool.invoke('calculator', {expression = '1'})
                error('after', 0)
            end, function(raised) return raised .. ' a wait' end))
            order.note = `{value} {seen}`
            Tool.invoke('calculatr', {})
        end, {async = true})";
    let said = reason(shipped(code, order("tea")));
    assert!(
        said.contains("shop.lua:13: ") && said.contains("did you mean `calculator`"),
        "{said}"
    );
    let code = code.replace("Tool.invoke('calculatr', {})\n        end", "end");
    let note = &shipped(&code, order("tea")).unwrap()["order"]["note"];
    assert_eq!(note, "42 after a wait");
}

#[tokio::test]
async fn its_own_script_answers_the_event_that_it_requests() {
    let registry = registry();
    let engine = engine().events(EventBus::new()).build();
    let script = engine
        .load_source(
            "shop.lua",
            "Event.subscribe('price.of', function(event)
                Time.sleep(0)
                return {cents = #event.data.item * 10}
            end)
            inbox = Event.subscribe('shipped.*')
            Hook.register('shop.ship', function(ctx)
                local order = ctx.args.order
                order.count = Event.request('price.of', {item = order.item}).cents
                Event.publish('shipped.' .. order.item, {})
                order.note = inbox:receive(60000).topic
            end, {async = true})",
        )
        .unwrap();
    registry.wrap(script.execute()).await.unwrap();
    let calls = ["tea", "milk", "bread"].map(|item| {
        let call = registry.wrap(ship("corner", order(item)));
        async move { (item, in_time(call).await.unwrap()) }
    });
    for call in calls {
        let (item, shipped) = call.await;
        assert_eq!(shipped["order"]["count"], 10 * item.len());
        assert_eq!(shipped["order"]["note"], format!("shipped.{item}"));
    }
}

#[tokio::test]
async fn its_state_is_that_of_the_call_after_each_wait_and_after_the_body() {
    let shop = shop(
        "Hook.register('shop.ship', function(ctx)
            if ctx.phase == 'pre' then ctx.state.item = ctx.args.order.item end
            local said = Tool.invoke('desk', {item = ctx.state.item})
            assert(said == ctx.state.item)
            if ctx.phase == 'post' then ctx.result.state = ctx.state.item end
        end, {async = true, phase = {'pre', 'post'}})",
    )
    .await;
    let items = ["tea", "milk", "bread"];
    let calls = items.map(|item| shop.ship(order(item)));
    for _ in ["pre", "post"] {
        let mut requests = Vec::new();
        while requests.len() < items.len() {
            requests.push(shop.request().await);
        }
        for Request { params, answer } in requests.into_iter().rev() {
            answer.send(params["item"].clone()).unwrap();
        }
    }
    for (item, call) in items.into_iter().zip(calls) {
        assert_eq!(call.await.unwrap().unwrap()["state"], item);
    }
}

#[tokio::test]
async fn in_shadow_mode_it_waits_and_changes_nothing() {
    let shop = shop(&notes("mode = 'shadow'")).await;
    let call = shop.ship(order("tea"));
    shop.request().await.answer.send(json!("unseen")).unwrap();
    let shipped = call.await.unwrap().unwrap();
    assert_eq!(shipped["order"]["note"], Value::Null);
    assert_eq!(shop.value("return resumed").await, 1);
}

#[test]
fn coroutines_of_the_script_itself_cannot_wait() {
    let code = "Hook.register('shop.ship', function(ctx)
            local inner = coroutine.wrap(function()
                coroutine.yield('first')
                Tool.invoke('calculator', {expression = '1'})
            end)
            assert(inner() == 'first')
            Tool.invoke('calculator', {expression = '1'})
            inner()
        end, {async = true})";
    let said = reason(shipped(code, order("tea")));
    assert!(
        said.contains(
            "shop.lua:4: Tool.invoke has to wait, which coroutines of the script's own can't"
        ),
        "{said}"
    );
}

#[tokio::test]
async fn a_limit_that_is_reached_while_it_waits_is_a_failure_of_the_hook() {
    for (options, refuses) in [
        ("", true),
        ("on_failure = 'open'", false),
        ("role = 'guard'", true),
    ] {
        let shop = shop(&notes(options)).await;
        let call = shop.ship(order("tea"));
        let request = shop.request().await;
        shop.registry.clock().advance(Duration::from_millis(99));
        tokio::task::yield_now().await;
        assert!(!call.is_finished() && !request.answer.is_closed());
        shop.registry.clock().advance(Duration::from_millis(1));
        let shipped = call.await.unwrap();
        // Nobody waits for the answer any more.
        assert!(request.answer.is_closed());
        if refuses {
            let said = reason(shipped);
            assert!(said.contains("no answer within 100ms"), "{said}");
        } else {
            assert_eq!(shipped.unwrap()["order"]["note"], Value::Null);
        }
        // The state is as good as before.
        assert_eq!(shop.script.stopped(), None);
        assert_eq!(shop.value("return resumed").await, 0);
        if !options.contains("guard") {
            let call = shop.ship(order("tea"));
            shop.request().await.answer.send(json!("in time")).unwrap();
            assert_eq!(call.await.unwrap().unwrap()["order"]["note"], "in time");
        }
    }
}

#[tokio::test]
async fn without_a_limit_of_its_own_it_has_that_of_the_engine() {
    let limit = Duration::from_secs(3);
    let code = notes("").replace(", timeout_ms = 100", "");
    let shop = shop_with(engine().hook_time_limit(limit), &code).await;
    let call = shop.ship(order("tea"));
    let request = shop.request().await;
    shop.registry.clock().advance(limit);
    let said = reason(call.await.unwrap());
    assert!(said.contains("no answer within 3s"), "{said}");
    drop(request);
    // And `timeout_ms` does not make it longer.
    let code = notes("").replace("timeout_ms = 100", "timeout_ms = 10000");
    let shop = shop_with(engine().hook_time_limit(limit), &code).await;
    let call = shop.ship(order("tea"));
    let _request = shop.request().await;
    shop.registry.clock().advance(limit);
    let said = reason(call.await.unwrap());
    assert!(said.contains("no answer within 3s"), "{said}");
}

#[tokio::test]
async fn a_call_is_dropped_at_once_while_its_state_is_busy() {
    let (busy, is_busy) = std::sync::mpsc::channel();
    let engine = engine().log(move |_| busy.send(()).unwrap());
    let shop = shop_with(engine, &notes("")).await;
    let mut call = Box::pin(shop.registry.wrap(ship("corner", order("tea"))));
    let request = tokio::select! {
        shipped = &mut call => panic!("{shipped:?}"),
        request = shop.request() => request,
    };
    std::thread::scope(|scope| {
        let spinning = scope.spawn(|| {
            let code = "Log.info('in') while true do end";
            crate::kit::block_on(shop.script.evaluate("shop.lua", code))
        });
        is_busy.recv().unwrap();
        let (dropped, is_dropped) = std::sync::mpsc::channel();
        scope.spawn(move || {
            drop(call);
            dropped.send(()).unwrap();
        });
        let in_time = is_dropped.recv_timeout(Duration::from_secs(10));
        shop.script.stopper().stop();
        spinning.join().unwrap().unwrap_err();
        assert!(in_time.is_ok(), "it waited for the state");
    });
    assert!(request.answer.is_closed());
}

#[tokio::test]
async fn a_dropped_call_drops_what_its_hook_waits_for() {
    let shop = shop(&notes("")).await;
    let call = shop.ship(order("tea"));
    let request = shop.request().await;
    call.abort();
    assert!(call.await.unwrap_err().is_cancelled());
    assert!(request.answer.send(json!("too late")).is_err());
    assert_eq!(shop.value("return resumed").await, 0);
    let call = shop.ship(order("tea"));
    shop.request().await.answer.send(json!("in time")).unwrap();
    assert_eq!(call.await.unwrap().unwrap()["order"]["note"], "in time");
    assert_eq!(shop.value("return resumed").await, 1);
    drop(shop.script);
    assert_eq!(shop.engine.states(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn calls_that_are_dropped_at_any_moment_leave_the_state_as_it_was() {
    const AT_ONCE: usize = 8;
    let code = "Hook.register('shop.ship', function(ctx)
            local item = ctx.args.order.item
            for turn = 1, 3 do
                assert(Tool.invoke('desk', {item = item}) == item and ctx.args.order.item == item)
                ctx.args.order.count += 1
            end
        end, {async = true})";
    let shop = shop_with(engine().hooks_at_once(AT_ONCE), code).await;
    let answering = async {
        loop {
            let Request { params, answer } = shop.request().await;
            // The call may be gone.
            answer.send(params["item"].clone()).unwrap_or_default();
        }
    };
    let calling = async {
        let (mut ended, mut dropped) = (0, 0);
        for round in 0..100_u32 {
            let calls =
                (0..AT_ONCE as u32).map(|at| (at, shop.ship(order(&format!("{round}-{at}")))));
            let calls: Vec<_> = calls.collect();
            for (at, call) in calls {
                // One in two is left alone, the others end after so many turns of this task.
                for _ in 0..(round * 7 + at * 3) % 23 {
                    tokio::task::yield_now().await;
                }
                if at % 2 == 1 {
                    call.abort();
                }
                match call.await {
                    Ok(shipped) => {
                        assert_eq!(shipped.unwrap()["order"]["count"], 4);
                        ended += 1;
                    }
                    Err(error) => {
                        assert!(error.is_cancelled(), "{error}");
                        dropped += 1;
                    }
                }
            }
        }
        (ended, dropped)
    };
    let (ended, dropped) = tokio::select! {
        () = answering => unreachable!("it has no end"),
        counts = in_time(calling) => counts,
    };
    assert!(
        ended >= 400 && dropped > 0,
        "{ended} ended, {dropped} dropped"
    );
    assert_eq!(shop.script.stopped(), None);
    // As many as ever may wait at once.
    let calls: Vec<_> = (0..AT_ONCE).map(|_| shop.ship(order("tea"))).collect();
    for _ in 0..3 {
        let mut requests = Vec::new();
        while requests.len() < AT_ONCE {
            requests.push(shop.request().await);
        }
        for Request { params, answer } in requests {
            answer.send(params["item"].clone()).unwrap();
        }
    }
    for call in calls {
        call.await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn coroutines_of_dropped_calls_are_forgotten() {
    let shop = shop(&notes("")).await;
    for _ in 0..200 {
        let mut call = Box::pin(shop.registry.wrap(ship("corner", order("tea"))));
        tokio::select! {
            shipped = &mut call => panic!("{shipped:?}"),
            _ = shop.request() => {}
        }
    }
    // Where one of them was, a coroutine of the script's own may be now, and it can't wait.
    let code = "for i = 1, 2000 do local garbage = string.rep('x', 10000) .. i end
        for _ = 1, 500 do
            local ok, said = coroutine.wrap(pcall)(Tool.invoke, 'desk', {})
            assert(ok == false and said:find(\"coroutines of the script's own can't\", 1, true))
        end
        return true";
    assert_eq!(shop.value(code).await, true);
}

#[tokio::test]
async fn a_hook_that_cannot_wait_inside_of_one_that_waits_changes_nothing_for_it() {
    // What it logs asks another hook of the same script.
    let engine = engine().log(|_| drop(fetch("milk".into())));
    let shop = shop_with(
        engine,
        "Hook.register('shop.fetch', function(ctx)
            said = select(2, pcall(Tool.invoke, 'desk', {}))
        end)
        Hook.register('shop.ship', function(ctx)
            Log.info('fetch')
            ctx.args.order.tags = {Tool.invoke('desk', {}), said}
        end, {async = true})",
    )
    .await;
    let call = shop.ship(order("tea"));
    shop.request().await.answer.send(json!("waited")).unwrap();
    let shipped = call.await.unwrap().unwrap();
    let tags = shipped["order"]["tags"].as_array().unwrap();
    assert_eq!(tags[0], "waited");
    let said = tags[1].as_str().unwrap();
    assert!(said.contains("a hook can't unless"), "{said}");
}

#[tokio::test]
async fn calls_under_way_end_with_the_version_that_they_began_with() {
    let shop = shop(&notes("")).await;
    let call = shop.ship(order("tea"));
    let request = shop.request().await;
    let new = "Hook.register('shop.ship', function(ctx) ctx.args.order.note = 'new' end, {async = true, name = 'notes'})";
    let reloaded = shop.script.reload_source(new);
    shop.registry.wrap(reloaded).await.unwrap();
    assert_eq!(shop.engine.states(), 2);
    let newer = shop.ship(order("tea")).await.unwrap().unwrap();
    assert_eq!(newer["order"]["note"], "new");
    request.answer.send(json!("old")).unwrap();
    assert_eq!(call.await.unwrap().unwrap()["order"]["note"], "old");
    assert_eq!(shop.engine.states(), 1);
}

#[tokio::test]
async fn a_hook_that_is_unregistered_ends_the_calls_under_way() {
    let shop = shop(&notes("")).await;
    let call = shop.ship(order("tea"));
    let request = shop.request().await;
    assert_eq!(shop.value("return Hook.clear()").await, 1);
    let unasked = shop.ship(order("tea")).await.unwrap().unwrap();
    assert_eq!(unasked["order"]["note"], Value::Null);
    request.answer.send(json!("at last")).unwrap();
    assert_eq!(call.await.unwrap().unwrap()["order"]["note"], "at last");
}

#[tokio::test]
async fn a_hook_that_unregisters_itself_still_answers_the_call_under_way() {
    for (before, after) in [("handle:unregister()", ""), ("", "Hook.clear()")] {
        let shop = shop(&format!(
            "handle = Hook.register('shop.ship', function(ctx)
                {before}
                local said = Tool.invoke('desk', {{}})
                {after}
                return Result.cancel(said)
            end, {{async = true, role = 'guard'}})"
        ))
        .await;
        let call = shop.ship(order("tea"));
        let request = shop.request().await;
        request.answer.send(json!("the last word")).unwrap();
        assert!(reason(call.await.unwrap()).ends_with("the last word"));
        assert!(shop.ship(order("tea")).await.unwrap().is_ok());
    }
}

#[tokio::test]
async fn a_script_that_is_dropped_ends_the_calls_under_way() {
    let shop = shop(&notes("")).await;
    let call = shop.ship(order("tea"));
    let request = shop.request().await;
    drop(shop.script);
    assert_eq!((shop.engine.states(), shop.registry.list().len()), (1, 0));
    request.answer.send(json!("at last")).unwrap();
    assert_eq!(call.await.unwrap().unwrap()["order"]["note"], "at last");
    assert_eq!(shop.engine.states(), 0);
}

#[tokio::test]
async fn a_script_that_is_stopped_ends_its_waits() {
    let shop = shop(&notes("")).await;
    let call = shop.ship(order("tea"));
    let request = shop.request().await;
    shop.script.stopper().stop();
    let said = reason(call.await.unwrap());
    assert!(said.contains("the host stopped it"), "{said}");
    assert!(request.answer.is_closed());
}

#[tokio::test]
async fn only_so_many_calls_wait_at_once() {
    let shop = shop_with(engine().hooks_at_once(2), &notes("")).await;
    let calls = [shop.ship(order("one")), shop.ship(order("two"))];
    let requests = [shop.request().await, shop.request().await];
    let said = reason(shop.ship(order("three")).await.unwrap());
    assert!(
        said.contains("shop.lua:2: 2 calls are waiting in hooks of this script already"),
        "{said}"
    );
    for request in requests {
        request.answer.send(json!("answered")).unwrap();
    }
    for call in calls {
        assert!(call.await.unwrap().is_ok());
    }
    let call = shop.ship(order("four"));
    shop.request().await.answer.send(json!("answered")).unwrap();
    assert!(call.await.unwrap().is_ok());
}

#[test]
fn at_a_synchronous_site_it_has_to_be_ready() {
    let guard = |body: &str| {
        format!(
            "Hook.register('shop.buy', function(ctx) {body} end, {{role = 'guard', async = true}})"
        )
    };
    for body in ["Time.sleep(60000)", "pcall(Time.sleep, 60000)"] {
        let said = run(&guard(body)).ok().refusal();
        assert!(
            said.contains("an asynchronous hook had to wait at a synchronous site"),
            "{body}: {said}"
        );
    }
    for body in [
        "",
        "local sum = Tool.invoke('calculator', {expression = '1 + 1'}).result assert(sum == 2)",
    ] {
        let ran = run_with(hosted(), &guard(body)).ok();
        // The tools need a runtime.
        let bought = crate::kit::block_on(async { ran.buy(order("tea")) });
        assert_eq!(bought.unwrap()["body"], true, "{body}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_synchronous_site_that_may_be_blocked_waits() {
    let shop = shop(&notes("").replace("shop.ship", "shop.reserve")).await;
    let registry = shop.registry.clone();
    let call = tokio::task::spawn_blocking(move || {
        let _entered = registry.enter();
        reserve("corner", order("tea"))
    });
    shop.request().await.answer.send(json!("waited")).unwrap();
    let reserved = in_time(call).await.unwrap().unwrap();
    assert_eq!(reserved["order"]["note"], "waited");
}

#[test]
fn at_a_synchronous_site_a_busy_state_is_waited_for() {
    let ran = run_with(
        hosted(),
        "Hook.register('shop.buy', function(ctx)
            for turn = 1, 3 do
                for step = 1, 500 do ctx.args.order.note = tostring(step) end
                Tool.invoke('calculator', {expression = '1'})
            end
        end, {async = true})",
    )
    .ok();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                crate::kit::block_on(async {
                    for _ in 0..10 {
                        let bought = ran.buy(order("tea")).unwrap();
                        assert_eq!(bought["order"]["note"], "500");
                    }
                });
            });
        }
    });
}

#[test]
fn what_cannot_wait_says_so_and_what_to_do() {
    for (code, why) in [
        (
            "Hook.register('shop.buy', function() Time.sleep(1) end)",
            "Time.sleep has to wait, and a hook can't unless it is registered with `async = true`",
        ),
        (
            "Hook.register('shop.buy', print, {async = true, when = function() Time.sleep(1) return true end})",
            "Time.sleep has to wait, and a `when` can't: look at it in the hook itself",
        ),
    ] {
        let said = run(code).ok().refusal();
        assert!(
            said.contains("shop.lua:1: ") && said.contains(why),
            "{said}"
        );
    }
    let ran = run("said = 'nothing'
        Hook.register('shop.buy', function() said = select(2, pcall(Time.sleep, 1)) end, {role = 'observe'})
        Hook.register('shop.fetch', function() return Result.cancel(said) end)")
    .ok();
    ran.buy(order("tea")).unwrap();
    let _entered = ran.registry.enter();
    let said = fetch("tea".into()).unwrap_err().to_string();
    assert!(
        said.contains("an observer can't, because its call is over"),
        "{said}"
    );

    let said = run("Hook.register('shop.buy', print, {role = 'observe', async = true})").error();
    assert!(
        said.contains("shop.lua:1: Hook.register: `async` is for guards and intercepts"),
        "{said}"
    );
    let said = run("Hook.register('shop.buy', print, {async = 1})").error();
    assert!(said.contains("`async` must be true or false"), "{said}");
}

#[test]
fn a_hook_knows_how_much_time_is_left() {
    let ran = run_with(
        engine().hook_time_limit(Duration::from_secs(8)),
        "local function check(ctx, most)
            local left = ctx:deadline()
            assert(left > 0 and left <= most, left)
            return true
        end
        local options = {when = function(ctx) return check(ctx, 8000) end}
        Hook.register('shop.buy', function(ctx) kept = ctx check(ctx, 8000) end, options)
        Hook.register('shop.buy', function(ctx) check(ctx, 5000) end, {timeout_ms = 5000})
        Hook.register('shop.buy', function(ctx) check(ctx, 8000) end, {timeout_ms = 9000})
        Hook.register('shop.buy', function(shop) assert(not pcall(kept.deadline)) end, {args = {'shop'}})",
    )
    .ok();
    ran.buy(order("tea")).unwrap();
    let assigned = run("Hook.register('shop.buy', function(ctx) ctx.deadline = 1 end)").ok();
    assert!(
        assigned
            .refusal()
            .contains("`ctx.deadline` can't be assigned")
    );
}

#[tokio::test]
async fn the_time_that_is_left_shrinks_with_every_wait() {
    let shop = shop(
        "Hook.register('shop.ship', function(ctx)
            local seen = {}
            for turn = 1, 3 do
                Tool.invoke('desk', {})
                table.insert(seen, tostring(ctx:deadline()))
            end
            ctx.args.order.tags = seen
        end, {async = true, timeout_ms = 10000})",
    )
    .await;
    let call = shop.ship(order("tea"));
    for _ in 0..3 {
        let request = shop.request().await;
        shop.registry.clock().advance(Duration::from_secs(3));
        request.answer.send(json!(1)).unwrap();
    }
    let shipped = call.await.unwrap().unwrap();
    let tags = shipped["order"]["tags"].as_array().unwrap();
    for (left, most) in tags.iter().zip([7000.0, 4000.0, 1000.0]) {
        // The watchdog's clock goes on, while the registry's stands still.
        let left: f64 = left.as_str().unwrap().parse().unwrap();
        assert!(left <= most && left > most - 1000.0, "{left} of {most}");
    }
}

#[tokio::test]
async fn a_coroutine_that_the_script_resumes_itself_fails_its_own_call_only() {
    let shop = shop(
        "Hook.register('shop.ship', function(ctx)
            kept = coroutine.running()
            local note = Tool.invoke('desk', {})
            ctx.args.order.note = note
        end, {async = true})
        Hook.register('shop.buy', function(ctx)
            assert(coroutine.resume(kept, true, 'forged'))
        end)",
    )
    .await;
    let call = shop.ship(order("tea"));
    let request = shop.request().await;
    // It goes on inside of this call, and is about it.
    assert_eq!(shop.buy(order("milk")).unwrap()["order"]["note"], "forged");
    request.answer.send(json!("true")).unwrap();
    let said = reason(call.await.unwrap());
    assert!(said.contains("shop.lua"), "{said}");
    let call = shop.ship(order("tea"));
    shop.request().await.answer.send(json!("true")).unwrap();
    assert_eq!(call.await.unwrap().unwrap()["order"]["note"], "true");
}
