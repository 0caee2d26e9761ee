//! Calls whose hooks are not timed take a shorter way, until a hook speaks. What comes of them must be the same.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use hookpoint::test::registry;
use hookpoint::{
    DecisionRecord, HookRecord, HookRefusal, HookRegistry, HookResult, HookScope, Life, Outcome,
    Sink, hooked,
};
use proptest::prelude::*;

use crate::random::{Seen, Spec, spec};
use crate::sites::quiet;

#[derive(Debug, PartialEq)]
enum Failure {
    Refused(String),
    Own(String),
}

impl From<HookRefusal> for Failure {
    fn from(refusal: HookRefusal) -> Self {
        Failure::Refused(format!(
            "{} {} {:?} {}",
            refusal.hook(),
            refusal.reason(),
            refusal.others().collect::<Vec<_>>(),
            refusal.executed()
        ))
    }
}

fn body(input: &str, seen: &Seen) -> Result<String, Failure> {
    seen.lock().unwrap().push(format!("body {input}"));
    match input {
        text if text.starts_with("bad") => Err(Failure::Own(text.to_owned())),
        text if text.starts_with("panic") => panic!("{text}"),
        text => Ok(format!("<{text}>")),
    }
}

#[hooked(point = "quiet.sync")]
fn sync(input: String, seen: &Seen) -> Result<String, Failure> {
    body(&input, seen)
}

#[hooked(point = "quiet.async")]
async fn asynchronous(input: String, seen: &Seen) -> Result<String, Failure> {
    tokio::task::yield_now().await;
    body(&input, seen)
}

/// Calls another hooked function, whose refusal it may pass on.
#[hooked(point = "quiet.outer")]
fn outer(input: String, seen: &Seen) -> Result<String, Failure> {
    sync(input, seen)
}

#[hooked(point = "quiet.observe", observe)]
fn watched(input: String, seen: &Seen) -> usize {
    seen.lock().unwrap().push(format!("body {input}"));
    input.len()
}

/// What records say: what each hook said, and how it ended.
fn written(record: &DecisionRecord) -> String {
    let said: Vec<_> = record
        .hooks()
        .iter()
        .map(|h| {
            (
                &*h.hook,
                h.phase,
                h.answer,
                h.restriction,
                h.note,
                h.reason.as_deref(),
            )
        })
        .collect();
    let (outcome, executed, plan) = (record.outcome(), record.executed(), record.plan());
    let passed = |h: &HookRecord| matches!(h.answer, "continue" | "allow" | "skip" | "not asked");
    let uneventful =
        outcome == Outcome::Returned && plan == "run" && record.hooks().iter().all(passed);
    let word = if uneventful { PLAIN } else { RECORD };
    format!("{word} {outcome:?} {executed} {plan} {said:?}")
}

const RECORD: &str = "record";
const PLAIN: &str = "plain record";

/// Who is told.
#[derive(Clone, Copy)]
enum Told {
    Nobody,
    Observer,
    /// A sink of calls that did not plainly return, or on which a hook acted.
    Sink,
}

impl Told {
    fn add(self, registry: &HookRegistry, seen: &Seen) {
        let seen = seen.clone();
        match self {
            Told::Nobody => {}
            Told::Observer => {
                let observed = registry.observe("observer", "quiet.*", move |record| {
                    seen.lock().unwrap().push(written(record));
                });
                observed.expect("it is registered").forget();
            }
            Told::Sink => registry.add_sink(Arc::new(Writes(seen))),
        }
    }
}

struct Writes(Seen);

impl Sink for Writes {
    fn record(&self, record: &DecisionRecord) {
        self.0.lock().unwrap().push(written(record));
    }
}

/// Calls in every form with these hooks: what the callers got and what was seen.
fn run(registry: &HookRegistry, specs: &[Spec], told: Told) -> Vec<String> {
    let seen = Seen::default();
    told.add(registry, &seen);
    for (at, spec) in specs.iter().enumerate() {
        spec.clone()
            .add(registry, "quiet.*", format!("h{at}"), &seen);
    }
    let got = |text: String| seen.lock().unwrap().push(text);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let scope = HookScope::run("work");
    for input in ["in", "bad", "panic"] {
        let call = |what: &dyn Fn() -> String| {
            let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(what));
            got(result.unwrap_or_else(|_| "panicked".into()));
        };
        call(&|| format!("{:?}", sync(input.into(), &seen)));
        call(&|| format!("{:?}", runtime.block_on(asynchronous(input.into(), &seen))));
        call(&|| format!("{:?}", outer(input.into(), &seen)));
        call(&|| {
            let _inside = scope.enter();
            format!(
                "{:?} {:?}",
                sync(input.into(), &seen),
                scope.halted().is_some()
            )
        });
        call(&|| format!("{:?}", watched(input.into(), &seen)));
        // Dropped in its body.
        call(&|| {
            let mut future = Box::pin(asynchronous(input.into(), &seen));
            let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
            format!("{:?}", future.as_mut().poll(&mut cx))
        });
    }
    let seen = seen.lock().unwrap();
    seen.clone()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, ..ProptestConfig::default() })]

    /// The kit's registry remembers every call with times, so each hook is asked by itself and no call is quiet;
    /// in the others, hooks are asked in rows, in quiet calls if all are plain.
    #[test]
    fn recorded_or_not_a_call_is_the_same(specs in prop::collection::vec(spec(), 0..7)) {
        quiet();
        let timed = {
            let kit = registry();
            let _entered = kit.enter();
            run(&kit, &specs, Told::Observer)
        };
        let bare = |told: Told| {
            let bare = HookRegistry::new();
            let isolated = HookScope::isolated(&bare);
            let _entered = isolated.enter();
            run(&bare, &specs, told)
        };
        prop_assert_eq!(&bare(Told::Observer), &timed);
        let without = |word: &str| -> Vec<_> {
            timed.iter().filter(|seen| !seen.contains(word)).cloned().collect()
        };
        // Of calls about which no hook is asked, sinks of what is exceptional are told nothing.
        if specs.iter().any(|spec| !spec.once) {
            prop_assert_eq!(bare(Told::Sink), without(PLAIN));
        }
        prop_assert_eq!(bare(Told::Nobody), without(RECORD));
    }
}

/// Whoever stops the system does so also for calls whose hooks are being asked.
#[test]
fn a_call_needs_a_grant_if_serving_ends_while_its_hooks_are_asked() {
    let bare = HookRegistry::new();
    let isolated = HookScope::isolated(&bare);
    let _entered = isolated.enter();
    let stopping = bare.clone();
    let _drains = bare
        .intercept("drains", "quiet.sync", move |_| {
            stopping.set_life(Life::Draining);
            Ok(HookResult::Continue)
        })
        .unwrap();
    let seen = Seen::default();
    let Err(Failure::Refused(refusal)) = sync("in".into(), &seen) else {
        panic!("it ran: {seen:?}");
    };
    assert!(refusal.starts_with("hookpoint.life"), "{refusal}");
    assert!(seen.lock().unwrap().is_empty());
}

#[hooked(point = "quiet.computed", args(input, words = count(input)))]
fn computed(input: &str) -> Result<(), HookRefusal> {
    let _ = input;
    Ok(())
}

static COUNTED: AtomicUsize = AtomicUsize::new(0);

fn count(text: &str) -> usize {
    COUNTED.fetch_add(1, Ordering::Relaxed);
    text.split(' ').count()
}

/// A site is active as soon as somebody somewhere might listen; its expressions are for who does.
#[test]
fn what_hooks_see_is_not_computed_when_nobody_is_asked() {
    let bare = HookRegistry::new();
    let isolated = HookScope::isolated(&bare);
    let _entered = isolated.enter();
    computed("one two").unwrap();
    assert_eq!(COUNTED.load(Ordering::Relaxed), 0);
    let _asks = bare
        .intercept("asks", "quiet.computed", |cx| {
            assert_eq!(cx.arg_json("words")?, 2);
            Ok(HookResult::Continue)
        })
        .unwrap();
    computed("one two").unwrap();
    assert_eq!(COUNTED.load(Ordering::Relaxed), 1);
}
