//! What observers and sinks are told, whichever way a call went.

use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Waker};
use std::time::Duration;

use hookpoint::sink::Wants;
use hookpoint::test::registry;
use hookpoint::*;

use crate::sites::quiet;

#[hooked(point = "records.site")]
fn site(n: u32) -> Result<u32, HookRefusal> {
    Ok(n)
}

#[hooked(point = "records.later")]
async fn later(n: u32) -> Result<u32, HookRefusal> {
    tokio::task::yield_now().await;
    Ok(n)
}

/// A registry without a sink: its calls are not timed.
fn bare() -> (HookRegistry, HookScope) {
    let bare = HookRegistry::new();
    let isolated = HookScope::isolated(&bare);
    (bare, isolated)
}

/// Keeps what it is told.
struct Keeps(Wants, Mutex<Vec<DecisionRecord<'static>>>);

impl Keeps {
    fn added_to(registry: &HookRegistry, wants: Wants) -> Arc<Self> {
        let keeps = Arc::new(Keeps(wants, Mutex::default()));
        registry.add_sink(keeps.clone());
        keeps
    }

    fn only(&self) -> DecisionRecord<'static> {
        let kept = self.1.lock().unwrap();
        assert_eq!(kept.len(), 1, "{kept:?}");
        kept[0].clone()
    }
}

impl Sink for Keeps {
    fn wants(&self) -> Wants {
        self.0.clone()
    }
    fn record(&self, record: &DecisionRecord) {
        self.1.lock().unwrap().push(record.to_owned());
    }
}

fn said(record: &DecisionRecord) -> Vec<String> {
    let of = |h: &HookRecord| format!("{} {} {}", h.hook, h.phase.as_str(), h.answer);
    record.hooks().iter().map(of).collect()
}

#[test]
fn an_observer_for_one_call_is_gone_also_if_it_panics() {
    quiet();
    let (bare, isolated) = bare();
    let _entered = isolated.enter();
    bare.on("watches-once")
        .point("records.site")
        .once()
        .observe(|_| panic!("the observer panics"))
        .unwrap()
        .forget();
    site(1).unwrap();
    assert!(bare.list().is_empty(), "{:?}", bare.list());
}

/// What it panics with panics again when it is dropped.
struct PanicsAgain;

impl Drop for PanicsAgain {
    fn drop(&mut self) {
        panic!("panics");
    }
}

#[test]
fn an_observer_whose_panic_panics_harms_nobody() {
    quiet();
    let (bare, isolated) = bare();
    let _entered = isolated.enter();
    let _panics = bare
        .observe("a", "records.site", |_| std::panic::panic_any(PanicsAgain))
        .unwrap();
    let told = Arc::new(Mutex::new(Vec::new()));
    let tell = told.clone();
    let _told = bare
        .observe("b", "records.site", move |record| {
            tell.lock().unwrap().push(record.outcome());
        })
        .unwrap();
    site(1).unwrap();
    assert_eq!(*told.lock().unwrap(), [Outcome::Returned]);
}

#[test]
fn a_sink_of_exceptional_calls_is_told_of_every_hook() {
    let (bare, isolated) = bare();
    let _entered = isolated.enter();
    let sink = Keeps::added_to(&bare, Wants::exceptional());
    for id in ["a", "c"] {
        bare.intercept(id, "records.site", |_| ()).unwrap().forget();
    }
    let _b = bare
        .intercept("b", "records.site", |_| HookResult::cancel("no"))
        .unwrap();
    site(1).unwrap_err();
    let told = said(&sink.only());
    assert_eq!(told, ["a pre continue", "b pre cancel", "c pre continue"]);
}

#[test]
fn a_hook_that_acted_before_the_body_has_its_arguments_in_the_record() {
    let (bare, isolated) = bare();
    let _entered = isolated.enter();
    let sink = Keeps::added_to(&bare, Wants::exceptional().args(ArgLevel::Full));
    let _fails = bare
        .on("fails")
        .point("records.site")
        .on_failure(OnFailure::Open)
        .intercept(|_| -> Result<HookResult, HookError> { Err("fails".into()) })
        .unwrap();
    site(7).unwrap();
    assert_eq!(sink.only().args()[0].value, Some(7.into()));
}

#[test]
fn a_value_that_a_hook_gives_is_not_in_the_record() {
    let (bare, isolated) = bare();
    let _entered = isolated.enter();
    let sink = Keeps::added_to(&bare, Wants::exceptional().args(ArgLevel::Names));
    let _replaces = bare
        .intercept("replaces", "records.site", |_| {
            HookResult::replace_json(424_242)
        })
        .unwrap();
    assert_eq!(site(1).unwrap(), 424_242);
    let record = serde_json::to_string(&sink.only()).unwrap();
    assert!(!record.contains("424242"), "{record}");
}

type Under = Pin<Box<dyn Future<Output = Result<u32, HookRefusal>> + Send>>;

fn poll(future: &mut Under) -> bool {
    let mut cx = Context::from_waker(Waker::noop());
    future.as_mut().poll(&mut cx).is_ready()
}

/// A hook is not asked about calls that it makes, and finishing one that others began is making it.
#[test]
fn a_hook_that_was_not_asked_because_it_runs_is_not_in_the_record() {
    let (bare, isolated) = bare();
    let _entered = isolated.enter();
    let told = Arc::new(Mutex::new(Vec::new()));
    let tell = told.clone();
    let _observer = bare
        .observe("observer", "records.later", move |record| {
            tell.lock().unwrap().extend(said(record));
        })
        .unwrap();
    let under_way: Arc<Mutex<Option<Under>>> = Arc::default();
    let taken = under_way.clone();
    let _polls = bare
        .on("polls")
        .point("records.*")
        .pre()
        .post()
        .intercept(move |_| {
            let future = taken.lock().unwrap().take();
            if let Some(mut future) = future {
                assert!(poll(&mut future));
            }
        })
        .unwrap();
    let mut future: Under = Box::pin(later(1));
    assert!(!poll(&mut future));
    *under_way.lock().unwrap() = Some(future);
    site(1).unwrap();
    assert_eq!(*told.lock().unwrap(), ["polls pre continue"]);
}

#[test]
fn what_observers_take_is_not_the_time_of_hooks() {
    let kit = Arc::new(registry());
    let _entered = kit.enter();
    let time = Arc::downgrade(&kit);
    let _slow = kit
        .observe("slow", "records.site", move |_| {
            let kit = time.upgrade().expect("the test has it");
            kit.clock().advance(Duration::from_secs(5));
        })
        .unwrap();
    site(1).unwrap();
    let record = kit.last("records.site");
    assert_eq!(record.elapsed(), Duration::ZERO);
    assert_eq!(record.hook_time(), Some(Duration::ZERO));
}
