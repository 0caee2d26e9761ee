//! The global `Event`.

use std::time::Duration;

use hooks_events::{Delivery, Event, EventBus};
use hooks_lua::{Script, ScriptError};
use hooks_runtime::Vote;
use hooks_runtime::test::{TestRegistry, registry};
use serde_json::{Value, json};

use crate::kit::{Printed, buy, engine, order};

const SOON: Duration = Duration::from_secs(20);

/// A script that ran with a bus, on the runtime of the test.
struct Ran {
    bus: EventBus,
    registry: TestRegistry,
    printed: Printed,
    script: Script,
    result: Result<Value, ScriptError>,
}

async fn run_on(bus: EventBus, code: &str) -> Ran {
    let (registry, printed) = (registry(), Printed::default());
    let engine = engine().events(bus.clone()).output(printed.clone()).build();
    let script = engine.load_source("shop.lua", code).unwrap();
    let result = registry.wrap(script.execute()).await;
    Ran {
        bus,
        registry,
        printed,
        script,
        result,
    }
}

async fn run(code: &str) -> Ran {
    run_on(EventBus::new(), code).await
}

impl Ran {
    /// What it returned, or a panic with what went wrong.
    #[track_caller]
    fn value(&self) -> &Value {
        match &self.result {
            Ok(value) => value,
            Err(error) => panic!("the script failed: {error:?}"),
        }
    }

    /// What the script and its handlers printed once all events were handled.
    async fn printed(self) -> String {
        self.value();
        self.script.end_receiving();
        let report = self.bus.drain(SOON).await;
        assert!(report.is_complete(), "{report:?}");
        self.printed.text()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_script_publishes_reaches_rust_and_its_own_handlers() {
    let bus = EventBus::new();
    let mut orders = bus.subscribe("order.*").stream().unwrap();
    let ran = run_on(
        bus,
        "
        Event.subscribe('order.>', function(event)
            print(event.topic, event.data.total, event.subject, event.language, event.source)
        end)
        local id = Event.publish('order.created', {total = 42}, {subject = 'order/17', correlation_id = 'run-7'})
        return {id = id}",
    )
    .await;
    let Some(Delivery::Event(event)) = orders.recv().await else {
        panic!("no event");
    };
    assert_eq!(ran.value()["id"], *event.id());
    assert_eq!(event.json().unwrap(), &json!({"total": 42}));
    assert_eq!(event.correlation_id(), Some("run-7"));
    drop(orders);
    let printed = ran.printed().await;
    assert_eq!(printed, "order.created\t42\torder/17\tlua\tlua:shop.lua\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn handlers_may_wait_and_get_events_in_order() {
    let ran = run("
        local seen = {}
        Event.subscribe('count', function(event)
            local reply = Event.request('double', event.data)
            table.insert(seen, reply)
            if event.data == 20 then print(table.concat(seen, ' ')) end
        end)
        Event.subscribe('double', function(event) return event.data * 2 end)
        for n = 1, 20 do Event.publish('count', n) end")
    .await;
    let bus = ran.bus.clone();
    // `drain` would take no more requests: wait until the last number was doubled.
    while bus.metrics().totals.delivered < 40 {
        tokio::task::yield_now().await;
    }
    let doubled: Vec<_> = (1..=20).map(|n| (n * 2).to_string()).collect();
    assert_eq!(ran.printed().await.trim_end(), doubled.join(" "));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_script_receives_in_its_own_time() {
    let ran = run("
        local inbox = Event.subscribe('order.*', {capacity = 2, overflow = 'drop_oldest'})
        for n = 1, 3 do Event.publish('order.created', n) end
        local gap, two, three = inbox:receive(), Event.receive(inbox), Event.receive(inbox:id())
        local nothing = inbox:receive(1)
        local listed = Event.list()
        local ended = {inbox:unsubscribe(), Event.unsubscribe(inbox)}
        return {gap = gap.gap, two = two.data, three = three.data, nothing = nothing == nil, listed = listed, ended = ended}")
    .await;
    let value = ran.value();
    assert_eq!(value["gap"]["count"], 1);
    assert_eq!((&value["two"], &value["three"]), (&json!(2), &json!(3)));
    assert_eq!(value["nothing"], true);
    assert_eq!(value["listed"][0]["pattern"], "order.*");
    assert_eq!(value["listed"][0]["location"], "shop.lua:2");
    assert_eq!(value["ended"], json!([true, false]));
    assert!(ran.bus.subscriptions().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_script_looks_back_where_events_are_kept() {
    let code = "
        for n = 1, 5 do Event.publish('count.' .. n, n) end
        local inbox = Event.subscribe('count.*', {historic = 2})
        Event.publish('count.6', 6)
        local got = {}
        for i = 1, 3 do got[i] = inbox:receive().data end
        local past = Event.history('count.*', 3)
        return {got = got, past = past[1].topic, published = Event.stats().bus.published}";
    let kept = EventBus::builder().keep(hooks_events::store::Retention::default());
    let ran = run_on(kept.build(), code).await;
    let value = ran.value();
    assert_eq!(value["got"], json!([4, 5, 6]));
    assert_eq!(value["past"], "count.4");
    assert_eq!(value["published"], 6);
    let error = run("Event.history('a')")
        .await
        .result
        .unwrap_err()
        .to_string();
    assert!(error.contains("keeps no events"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn hooks_publish_without_waiting() {
    let bus = EventBus::new();
    let mut bought = bus.subscribe("shop.bought").capacity(1).stream().unwrap();
    let ran = run_on(
        bus,
        "Hook.register('shop.buy', function(ctx)
            Event.publish('shop.bought', {item = ctx.args.order.item})
        end)",
    )
    .await;
    ran.value();
    let buy = || {
        let _entered = ran.registry.enter();
        buy("corner", order("tea"))
    };
    buy().unwrap();
    let refused = buy().unwrap_err().to_string();
    assert!(
        refused.contains("is full") && refused.contains("shop.lua:2"),
        "{refused}"
    );
    let Some(Delivery::Event(event)) = bought.recv().await else {
        panic!("no event");
    };
    assert_eq!(event.json().unwrap()["item"], "tea");
}

#[tokio::test(flavor = "multi_thread")]
async fn hooks_decide_about_what_scripts_publish() {
    let bus = EventBus::new();
    let (registry, printed) = (registry(), Printed::default());
    let no_spam = registry.guard("no-spam", "event.publish", |cx| {
        let event: &Event = cx.arg("event")?;
        Ok(Vote::cancel_if(
            event.topic().as_str().starts_with("spam"),
            "no spam",
        ))
    });
    let _no_spam = no_spam.unwrap();
    let engine = engine().events(bus).output(printed.clone()).build();
    let script = engine.load_source(
        "shop.lua",
        "print(pcall(Event.publish, 'spam.mail', 1)) Event.publish('ham', 1)",
    );
    let script = script.unwrap();
    registry.wrap(script.execute()).await.unwrap();
    let printed = printed.text();
    assert!(
        printed.starts_with("false\tshop.lua:1: ") && printed.contains("no spam"),
        "{printed}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handler_that_fails_or_loops_is_a_dead_letter_and_harms_nobody() {
    let ran = run("
        Event.subscribe('order', function(event) if event.data == 2 then error('no two') end print(event.data) end)
        for n = 1, 3 do Event.publish('order', n) end")
    .await;
    let bus = ran.bus.clone();
    assert_eq!(ran.printed().await, "1\n3\n");
    let [letter] = &bus.dead_letters()[..] else {
        panic!("{:?}", bus.dead_letters());
    };
    assert!(
        letter.cause.to_string().contains("shop.lua:2: no two"),
        "{}",
        letter.cause
    );

    let (registry, bus) = (registry(), EventBus::new());
    let mut healthy = bus.subscribe("order").stream().unwrap();
    let engine = hooks_lua::LuaEngine::builder().hook_time_limit(Duration::from_millis(50));
    let script = engine.events(bus.clone()).build().load_source(
        "loops.lua",
        "Event.subscribe('order', function() while true do end end) Event.publish('order', 1)",
    );
    let script = script.unwrap();
    // The handler may loop, and be stopped with its script, before the script has ended.
    match registry.wrap(script.execute()).await {
        Ok(_) | Err(ScriptError::Stopped { .. }) => {}
        Err(error) => panic!("{error:?}"),
    }
    assert!(healthy.recv().await.unwrap().event().is_some());
    while bus.dead_letters().is_empty() {
        tokio::task::yield_now().await;
    }
    let cause = bus.dead_letters()[0].cause.to_string();
    assert!(cause.contains("ran longer than"), "{cause}");
    assert!(script.stopped().is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_nobody_can_answer_says_so() {
    let ran = run("
        Event.subscribe('broken', function() error('it is broken') end)
        local said = {}
        for _, topic in {'nobody', 'broken'} do
            local ok, why = pcall(Event.request, topic, {})
            table.insert(said, why)
        end
        return said")
    .await;
    let said = ran.value();
    assert!(
        said[0]
            .as_str()
            .unwrap()
            .contains("nobody answers requests to `nobody`"),
        "{said}"
    );
    assert!(said[1].as_str().unwrap().contains("it is broken"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn subscriptions_end_with_their_script() {
    let ran = run("Event.subscribe('a', function() end) Event.subscribe('b')").await;
    ran.value();
    assert_eq!(ran.bus.subscriptions().len(), 2);
    drop(ran.script);
    assert!(ran.bus.subscriptions().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn mistakes_say_what_to_write() {
    for (code, expected) in [
        ("Event.publish(7)", "the first argument is a topic"),
        ("Event.publish('a..b')", "a..b"),
        ("Event.publish('hook.mine', 1)", "topics under `hook.`"),
        (
            "Event.publish('a', 1, {subjekt = 'x'})",
            "did you mean `subject`?",
        ),
        ("Event.publish('a', print)", "function"),
        ("Event.subscribe('a.>.b', print)", "a.>.b"),
        (
            "Event.subscribe('a', 'b')",
            "the second argument is the function",
        ),
        (
            "Event.subscribe('a', print, {overflow = 'drop'})",
            "is one of block, drop_oldest",
        ),
        ("Event.subscribe('a', print, {sample = 0})", "at least 1"),
        ("Event.receive(7)", "there is no subscription 7"),
        (
            "Event.receive(Event.subscribe('a', print))",
            "go to its function",
        ),
        (
            "Event.unsubscribe('a')",
            "a subscription, as Event.subscribe returned it",
        ),
    ] {
        let ran = run(code).await;
        let error = ran.result.unwrap_err().to_string();
        assert!(error.contains(expected), "{code}: {error}");
        assert!(error.starts_with("shop.lua:1: "), "{code}: {error}");
    }
}

#[tokio::test]
async fn history_passes_the_deliver_hooks() {
    use hooks_events::store::Retention;
    let bus = EventBus::builder().keep(Retention::default()).build();
    let (registry, printed) = (registry(), Printed::default());
    let _g = registry
        .guard("no-secrets", "event.deliver", |cx| {
            Ok(Vote::cancel_if(
                cx.arg::<Event>("event")?
                    .topic()
                    .as_str()
                    .starts_with("secret."),
                "secret",
            ))
        })
        .unwrap();
    let engine = engine().events(bus.clone()).output(printed.clone()).build();
    let script = engine
        .load_source(
            "shop.lua",
            r#"
        Event.publish("secret.key", {v = "hunter2"})
        local h = Event.history("secret.>", 10)
        local s = Event.subscribe("secret.>", {historic = 10})
        return { n = #h, live = s:receive(200) }
    "#,
        )
        .unwrap();
    let v = registry.wrap(script.execute()).await.unwrap();
    assert_eq!(v["n"], 0, "{v}");
}

#[tokio::test]
async fn once_is_not_kept_for_ever() {
    let ran = run(r#"
        local f = function(e) end
        for i = 1, 50 do
            Event.subscribe("a.b", f, {once = true})
            Event.publish("a.b", i)
        end
        local s = Event.subscribe("never.x")
        s:receive(300)
        return #Event.list()
    "#)
    .await;
    assert_eq!(ran.value(), &json!(1));
}

#[tokio::test]
async fn a_script_does_not_forge_system_events() {
    let ran = run(r#"
        Event.publish("system.violation", {kind = "x"}, {source = "hookpoint"})
        return 1
    "#)
    .await;
    assert!(ran.result.is_err());
}

#[tokio::test]
async fn stop_while_waiting() {
    let (registry, printed) = (registry(), Printed::default());
    let engine = engine()
        .events(EventBus::new())
        .output(printed.clone())
        .build();
    let script = engine
        .load_source(
            "shop.lua",
            r#"
        local s = Event.subscribe("never.x")
        return s:receive(4294967295)
    "#,
        )
        .unwrap();
    let stopper = script.stopper();
    let end = async {
        // Until the script waits.
        for _ in 0..1000 {
            tokio::task::yield_now().await;
        }
        stopper.stop();
        std::future::pending::<()>().await
    };
    let r = tokio::time::timeout(Duration::from_secs(3), async {
        tokio::select! { r = registry.wrap(script.execute()) => r.map(|_| ()), () = end => Ok(()) }
    })
    .await;
    assert!(r.is_ok(), "stop does not end a wait");
}

/// The bus calls handlers from tasks of its own, which are in no scope.
#[tokio::test(flavor = "multi_thread")]
async fn a_handler_runs_in_the_scope_that_it_was_subscribed_in() {
    let code = "
        local function add(name)
            Hook.register('shop.buy', function() return Result.cancel(name) end, {role = 'guard', name = name})
        end
        add('first')
        Event.subscribe('add', function(event)
            add(event.data)
            Hook.unregister('first')
            local names = {}
            for _, hook in Hook.list() do table.insert(names, hook.id) end
            local ok, called = pcall(Hook.call, 'app.made', {of = event.data})
            return {hooks = names, called = called}
        end)";
    let ran = run(code).await;
    ran.value();
    let _sees = ran
        .registry
        .guard("sees", "app.made", |_| Ok(Vote::cancel("seen")))
        .unwrap();
    for reload in [false, true] {
        if reload {
            let reloaded = ran.registry.wrap(ran.script.reload_source(code)).await;
            assert_eq!(reloaded.unwrap().hooks, ["first"]);
        }
        let event = Event::try_new("add", json!("late")).unwrap();
        let reply = ran.bus.request(event, SOON).await.unwrap();
        let reply = reply.json().unwrap().clone();
        assert_eq!(reply["hooks"], json!(["late", "sees"]));
        let called = reply["called"].as_str().unwrap();
        assert!(called.contains("seen"), "{called}");
        assert_eq!(ran.script.hooks(), ["late"]);
        let entered = ran.registry.enter();
        let refused = buy("corner", order("tea")).unwrap_err().to_string();
        assert!(refused.contains("`late`"), "{refused}");
        drop(entered);
    }
    let everybodys = hooks_runtime::HookRegistry::global().list();
    assert!(!everybodys.iter().any(|hook| &*hook.id == "late"));
}
