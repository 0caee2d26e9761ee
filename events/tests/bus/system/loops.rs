//! What handlers cause is not told to them again, and again.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;

#[tokio::test]
async fn handlers_of_what_hooks_did_cause_no_more_of_it() {
    let fixture = Fixture::new();
    let _entered = fixture.scope.enter();
    let system = fixture.system(&["system_test.*"]);
    let calls = Arc::new(AtomicUsize::new(0));
    let (inline, later) = (calls.clone(), calls.clone());
    let called_inline = system.bus().subscribe("hook.>").inline(move |_: &Event| {
        inline.fetch_add(1, Ordering::SeqCst);
        let _refused = charge("inline", 500);
    });
    let _inline = called_inline.unwrap();
    let scope = fixture.scope.clone();
    let called_later = system
        .bus()
        .subscribe("hook.>")
        .handler(move |_: Arc<Event>| {
            let (later, scope) = (later.clone(), scope.clone());
            async move {
                later.fetch_add(1, Ordering::SeqCst);
                let work = async {
                    tokio::task::yield_now().await;
                    charge("later", 500)
                };
                let _refused = scope.wrap(work).await;
            }
        });
    let _later = called_later.unwrap();
    charge("ada", 10).unwrap();
    charge("ada", 200).unwrap_err();
    let report = system.shutdown(SOON).await;
    assert!(report.is_complete(), "{report:?}");
    assert_eq!(calls.load(Ordering::SeqCst), 4, "two calls, two handlers");
}

#[tokio::test]
async fn what_publishing_asks_of_hooks_is_never_published() {
    let fixture = Fixture::new();
    let _entered = fixture.scope.enter();
    let system = fixture.system(&["event.*", "system_test.*"]);
    let mut all = system.bus().subscribe("hook.>").stream().unwrap();
    let no_spam = fixture.registry.guard("no-spam", "event.publish", |cx| {
        let event: &Event = cx.arg("event")?;
        Ok(Vote::cancel_if(event.topic().as_str() == "spam", "no spam"))
    });
    let _no_spam = no_spam.unwrap();
    let spam = system.bus().try_publish(Event::try_new("spam", 1).unwrap());
    assert!(matches!(spam, Err(EventError::Refused(_))), "{spam:?}");
    system
        .bus()
        .try_publish(Event::try_new("ham", 1).unwrap())
        .unwrap();
    charge("ada", 1).unwrap();
    assert_eq!(
        next(&mut all).await.topic().as_str(),
        "hook.system_test.charge.returned"
    );
    assert!(all.try_recv().unwrap().is_none());
}

/// Counts the violations that subscribers are told of.
struct Violations {
    fixture: Fixture,
    system: HookEventSystem,
    count: Arc<AtomicUsize>,
}

impl Violations {
    fn new() -> Violations {
        let fixture = Fixture::new();
        let refuses = fixture
            .registry
            .guard("refuses", "system_test.*", |_| Ok(Vote::cancel("never")));
        refuses.unwrap().forget();
        Violations {
            system: fixture.system(&[]),
            fixture,
            count: Arc::default(),
        }
    }

    /// What there was when the call of which a handler is told has come to its end, and everything that it caused.
    async fn of_one_call(self) -> usize {
        let entered = self.fixture.scope.enter();
        assert_eq!(notice("once"), 4);
        drop(entered);
        let report = self.system.shutdown(SOON).await;
        assert!(report.is_complete(), "{report:?}");
        self.count.load(Ordering::SeqCst)
    }
}

#[tokio::test]
async fn a_handler_of_violations_is_not_told_of_its_own() {
    let violations = Violations::new();
    let (count, scope) = (violations.count.clone(), violations.fixture.scope.clone());
    let events = violations.system.bus().subscribe("system.violation");
    let handler = events.handler(move |_: Arc<Event>| {
        count.fetch_add(1, Ordering::SeqCst);
        scope.wrap(async { assert_eq!(notice("in the handler"), 14) })
    });
    let _handler = handler.unwrap();
    assert_eq!(violations.of_one_call().await, 1);
}

#[tokio::test]
async fn an_inline_handler_of_violations_is_not_told_of_its_own() {
    let violations = Violations::new();
    let count = violations.count.clone();
    let events = violations.system.bus().subscribe("system.violation");
    let handler = events.inline(move |_: &Event| {
        count.fetch_add(1, Ordering::SeqCst);
        notice("in the handler");
    });
    let _handler = handler.unwrap();
    assert_eq!(violations.of_one_call().await, 1);
}

#[tokio::test]
async fn a_halted_delivery_causes_no_other() {
    let fixture = Fixture::new();
    let _entered = fixture.scope.enter();
    let system = fixture.system(&[]);
    let asked = Arc::new(Mutex::new(Vec::new()));
    let about = asked.clone();
    let kill_switch = fixture
        .registry
        .guard("kill-switch", "event.deliver", move |cx| {
            let event: &Event = cx.arg("event")?;
            about.lock().unwrap().push(event.topic().to_string());
            Ok(Vote::halt("everything stops"))
        });
    let _kill_switch = kill_switch.unwrap();
    let all = system.bus().subscribe(">");
    let _all = all.handler(async |_: Arc<Event>| ()).unwrap();
    let event = Event::try_new("a.b", 1).unwrap();
    system.bus().try_publish(event).unwrap();
    let report = system.shutdown(SOON).await;
    assert!(report.is_complete(), "{report:?}");
    // Once for each event, the system's own last one among them.
    assert_eq!(*asked.lock().unwrap(), ["a.b", "system.shutdown"]);
}
