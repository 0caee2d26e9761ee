//! Hooks and events as one system.

mod loops;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use hooks_events::{
    Delivery, Event, EventBus, EventError, HookEventSystem, Overflow, Subscription,
    UnifiedHookEventSystem,
};
use hooks_runtime::{
    DecisionRecord, HookPoint, HookRefusal, HookRegistry, HookScope, Vote, hooked,
};
use serde::{Deserialize, Serialize};
use serde_json::json;

const SOON: Duration = Duration::from_secs(20);

#[hooked(point = "system_test.charge", component = account)]
fn charge(account: &str, cents: u64) -> Result<u64, HookRefusal> {
    let _ = account;
    Ok(cents)
}

#[hooked(point = "system_test.notice", observe)]
fn notice(text: &str) -> usize {
    text.len()
}

/// A system of an isolated registry in which charges over 100 are refused.
struct Fixture {
    registry: HookRegistry,
    scope: HookScope,
}

impl Fixture {
    fn new() -> Fixture {
        let registry = HookRegistry::new();
        let scope = HookScope::isolated(&registry);
        let limit = registry.guard("limit", "system_test.charge", |cx| {
            Ok(Vote::cancel_if(
                *cx.arg::<u64>("cents")? > 100,
                "over the limit",
            ))
        });
        limit.unwrap().forget();
        Fixture { registry, scope }
    }

    fn system(&self, calls: &[&str]) -> HookEventSystem {
        let builder = HookEventSystem::builder().registry(self.registry.clone());
        let with =
            |builder: hooks_events::HookEventSystemBuilder, p: &&str| builder.publish_calls(*p);
        calls.iter().fold(builder, with).build().unwrap()
    }
}

async fn next(events: &mut Subscription) -> Arc<Event> {
    match tokio::time::timeout(SOON, events.recv()).await {
        Ok(Some(Delivery::Event(event))) => event,
        other => panic!("no event: {other:?}"),
    }
}

#[tokio::test]
async fn refusals_become_events_and_other_calls_where_they_are_wanted() {
    let fixture = Fixture::new();
    let _entered = fixture.scope.enter();
    let system = fixture.system(&[]);
    let mut all = system.bus().subscribe("hook.>").stream().unwrap();
    charge("ada", 10).unwrap();
    charge("ada", 200).unwrap_err();
    let refused = next(&mut all).await;
    assert_eq!(refused.topic().as_str(), "hook.system_test.charge.refused");
    assert_eq!(refused.subject(), Some("ada"));
    let data = refused.json().unwrap();
    assert_eq!(data["refusal"]["reason"], "over the limit");
    let record = refused.data::<DecisionRecord<'static>>().unwrap();
    assert_eq!(record.refusal().unwrap().hook(), "limit");
    assert_eq!(refused.correlation_id(), Some(&**record.correlation_id()));
    drop(system);
    let system = fixture.system(&["system_test.*"]);
    let mut all = system.bus().subscribe("hook.*.*.*").stream().unwrap();
    charge("ada", 10).unwrap();
    charge("ada", 200).unwrap_err();
    for expected in ["returned", "refused"] {
        assert_eq!(next(&mut all).await.topic().tokens().last(), Some(expected));
    }
    assert!(all.try_recv().unwrap().is_none(), "each call once");
}

#[tokio::test]
async fn nothing_that_subscribers_do_reaches_the_call() {
    let fixture = Fixture::new();
    let _entered = fixture.scope.enter();
    let system = fixture.system(&[]);
    let full = |overflow| {
        system
            .bus()
            .subscribe("hook.>")
            .capacity(1)
            .overflow(overflow)
            .stream()
            .unwrap()
    };
    let mut queues = [
        full(Overflow::Block),
        full(Overflow::Error),
        full(Overflow::DropNewest),
    ];
    let panics = system
        .bus()
        .subscribe("hook.>")
        .inline(|event: &Event| assert!(event.subject().is_none(), "in a handler"));
    let _panics = panics.unwrap();
    let fails = system
        .bus()
        .subscribe("hook.>")
        .inline(|_: &Event| Err::<(), _>("failed"));
    let _fails = fails.unwrap();
    for _ in 0..3 {
        let refused = charge("ada", 200).unwrap_err();
        assert_eq!(refused.reason(), "over the limit");
    }
    for queue in &mut queues {
        next(queue).await;
        let Some(Delivery::Gap(gap)) = queue.recv().await else {
            panic!("no gap");
        };
        assert_eq!(gap.count(), 2);
    }
}

#[tokio::test]
async fn rules_that_could_not_be_kept_are_events() {
    let fixture = Fixture::new();
    let _entered = fixture.scope.enter();
    let system = fixture.system(&[]);
    let mut violations = system.bus().subscribe("system.violation").stream().unwrap();
    let refuses = fixture
        .registry
        .guard("refuses", "system_test.*", |_| Ok(Vote::cancel("never")));
    let _refuses = refuses.unwrap();
    assert_eq!(notice("text"), 4, "hooks may only watch");
    let event = next(&mut violations).await;
    let data = event.json().unwrap();
    assert_eq!(data["point"], "system_test.notice");
    assert_eq!(
        (&data["kind"], &data["hook"]),
        (&json!("unenforceable"), &json!("refuses"))
    );
}

#[tokio::test]
async fn hooks_and_subscribers_hear_of_the_start_and_of_the_end() {
    let fixture = Fixture::new();
    let _entered = fixture.scope.enter();
    let heard = Arc::new(Mutex::new(Vec::new()));
    let seen = heard.clone();
    let watch = fixture
        .registry
        .on("watch")
        .point("system.startup")
        .point("system.shutdown");
    let _watch = watch.pre().intercept(move |cx| {
        seen.lock().unwrap().push(cx.point_name());
        Ok::<_, hooks_runtime::HookError>(())
    });
    let bus = EventBus::new();
    let mut events = bus.subscribe("system.*").stream().unwrap();
    let builder = UnifiedHookEventSystem::builder().registry(fixture.registry.clone());
    let system = builder.bus(bus.clone()).build().unwrap();
    assert_eq!(next(&mut events).await.topic().as_str(), "system.startup");
    let (end, report) = tokio::join!(next(&mut events), system.shutdown(SOON));
    assert_eq!(end.topic().as_str(), "system.shutdown");
    assert!(report.is_complete(), "{report:?}");
    assert!(events.recv().await.is_none());
    assert_eq!(
        *heard.lock().unwrap(),
        ["system.startup", "system.shutdown"]
    );
    assert!(charge("ada", 200).is_err(), "hooks stay in force");
    assert!(matches!(
        bus.try_publish(Event::try_new("late", 1).unwrap()),
        Err(EventError::Closed { .. })
    ));
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Order {
    cents: u64,
}

#[tokio::test]
async fn events_ask_hooks_and_requests_get_what_came_of_it() {
    let fixture = Fixture::new();
    let system = fixture.system(&[]);
    let told = Arc::new(Mutex::new(Vec::new()));
    let seen = told.clone();
    let _entered = fixture.scope.enter();
    let orders = system
        .on_event("order.*")
        .as_hook_then("orders.accept", move |event, asked| {
            let result = asked
                .as_ref()
                .map(|_| "accepted")
                .map_err(HookRefusal::reason);
            seen.lock()
                .unwrap()
                .push(format!("{} {result:?}", event.topic()));
        });
    let orders = orders.unwrap();
    assert_eq!(orders.site().info().point, "orders.accept");
    let discount = fixture
        .registry
        .intercept("discount", "orders.accept", |cx| {
            let event = cx.arg_mut::<Event>("event")?;
            let order: Order = event.decode().map_err(|error| error.to_string())?;
            *event = event.clone().with_data(Order {
                cents: order.cents - 5,
            });
            Ok::<_, hooks_runtime::HookError>(())
        });
    let _discount = discount.unwrap();
    let small = fixture.registry.guard("small", "orders.accept", |cx| {
        let order: Order = cx
            .arg::<Event>("event")?
            .decode()
            .map_err(|error| error.to_string())?;
        Ok(Vote::cancel_if(
            order.cents > 1000,
            "too much for one order",
        ))
    });
    let _small = small.unwrap();
    let ask = |topic: &str, cents| {
        let event = Event::try_new(topic, Order { cents }).unwrap();
        system.bus().request(event, SOON)
    };
    let reply = ask("order.created", 100).await.unwrap();
    assert_eq!(reply.decode::<Order>().unwrap(), Order { cents: 95 });
    let error = ask("order.created", 5000).await.unwrap_err();
    assert!(
        matches!(&error, EventError::RequestFailed { message, .. } if &**message == "too much for one order"),
        "{error}"
    );
    // Not every event waits for an answer.
    system
        .bus()
        .publish(Event::try_new("order.changed", Order { cents: 7 }).unwrap())
        .await
        .unwrap();
    system.shutdown(SOON).await;
    let expected = [
        "order.created Ok(\"accepted\")",
        "order.created Err(\"too much for one order\")",
        "order.changed Ok(\"accepted\")",
    ];
    assert_eq!(*told.lock().unwrap(), expected);
}

#[test]
fn bad_points_and_patterns_say_what_to_write() {
    let registry = HookRegistry::new();
    let builder = || HookEventSystem::builder().registry(registry.clone());
    assert!(builder().publish_calls("tool.exekute").build().is_err());
    let system = builder().build().unwrap();
    for point in ["tool.execute", "orders.*", ""] {
        let Err(error) = system.on_event("order.>").as_hook(point) else {
            panic!("{point}");
        };
        assert!(matches!(error, EventError::Hook(_)), "{error}");
    }
}

#[tokio::test]
async fn a_system_that_is_gone_is_told_nothing() {
    let fixture = Fixture::new();
    let _entered = fixture.scope.enter();
    let system = fixture.system(&["system_test.*"]);
    let bus = system.bus().clone();
    let mut all = bus.subscribe("hook.>").stream().unwrap();
    drop(system);
    charge("ada", 200).unwrap_err();
    assert!(all.try_recv().unwrap().is_none());
}

#[test]
fn the_predecessors_names_are_points() {
    for (alias, point) in [
        ("BeforeEventEmit", HookPoint::EventPublish),
        ("AfterEventEmit", HookPoint::EventPublish),
        ("EventHandlerError", HookPoint::EventDeliver),
        ("SystemStartup", HookPoint::SystemStartup),
        ("SystemShutdown", HookPoint::SystemShutdown),
    ] {
        assert_eq!(HookPoint::parse(alias), point, "{alias}");
    }
}

#[test]
fn nobody_else_publishes_what_the_system_says() {
    let fixture = Fixture::new();
    let system = fixture.system(&[]);
    for topic in ["hook.x.refused", "system.violation"] {
        let event = Event::try_new(topic, 1).unwrap();
        let error = system.bus().try_publish(event).unwrap_err();
        assert!(matches!(error, EventError::ReservedTopic { .. }), "{error}");
    }
}
