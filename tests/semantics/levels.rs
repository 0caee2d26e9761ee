//! How much of the arguments each taker of records gets, whatever others want.

use std::sync::{Arc, Mutex};

use hookpoint::record::ArgRecord;
use hookpoint::sink::Wants;
use hookpoint::*;
use serde_json::{Value, json};

const SECRET: &str = "sk-levels-7f3a";

#[hooked(point = "levels.site")]
fn site(name: &str, sum: u32) -> Result<u32, HookRefusal> {
    let _ = name; // for hooks
    Ok(sum)
}

#[hooked(point = "levels.later")]
async fn later(name: String) -> Result<usize, HookRefusal> {
    tokio::task::yield_now().await;
    Ok(name.len())
}

/// Keeps the arguments that it is told.
struct Keeps(ArgLevel, Mutex<Vec<Vec<ArgRecord>>>);

impl Sink for Keeps {
    fn wants(&self) -> Wants {
        Wants::always().args(self.0)
    }
    fn record(&self, record: &DecisionRecord) {
        self.1.lock().unwrap().push(record.to_owned().args());
    }
}

const ALL: [ArgLevel; 4] = [
    ArgLevel::Names,
    ArgLevel::Digest,
    ArgLevel::Redacted,
    ArgLevel::Full,
];

/// Whether the first argument has a digest, and its value.
fn shown(args: &[ArgRecord]) -> (bool, Option<Value>) {
    assert_eq!((args[0].name, args[0].ty), ("name", "&str"));
    (args[0].digest.is_some(), args[0].value.clone())
}

/// What a taker at that level is to get.
fn wanted(level: ArgLevel, redacted: &str) -> (bool, Option<Value>) {
    match level {
        ArgLevel::Names => (false, None),
        ArgLevel::Digest => (true, None),
        ArgLevel::Redacted => (true, Some(redacted.into())),
        _ => (true, Some(SECRET.into())),
    }
}

#[test]
fn sinks_beside_each_other_get_what_each_wants() {
    let registry = HookRegistry::new();
    let scope = HookScope::isolated(&registry);
    let _entered = scope.enter();
    let sinks = ALL.map(|level| Arc::new(Keeps(level, Mutex::default())));
    for sink in &sinks {
        registry.add_sink(sink.clone());
    }
    site(SECRET, 7).unwrap();
    for sink in &sinks {
        let kept = sink.1.lock().unwrap();
        assert_eq!(shown(&kept[0]), wanted(sink.0, "<text>"), "{:?}", sink.0);
    }
}

#[test]
fn observers_beside_each_other_get_what_each_wants() {
    let registry = HookRegistry::new();
    let scope = HookScope::isolated(&registry);
    let _entered = scope.enter();
    let kept = Arc::new(Mutex::new(Vec::new()));
    for level in ALL {
        let list = kept.clone();
        let observer = registry.on(format!("{level:?}")).point("levels.site");
        let observer = observer.record_args(level).observe(move |record| {
            list.lock().unwrap().push((level, record.args()));
        });
        observer.unwrap().forget();
    }
    site(SECRET, 7).unwrap();
    let kept = kept.lock().unwrap();
    assert_eq!(kept.len(), ALL.len());
    for (level, args) in &*kept {
        assert_eq!(shown(args), wanted(*level, "<text>"), "{level:?}");
    }
}

#[test]
fn an_observer_that_says_nothing_gets_names_also_beside_a_sink_that_wants_all() {
    let registry = HookRegistry::new();
    let scope = HookScope::isolated(&registry);
    let _entered = scope.enter();
    registry.add_sink(Arc::new(Keeps(ArgLevel::Full, Mutex::default())));
    let kept = Arc::new(Mutex::new(String::new()));
    let list = kept.clone();
    let _observer = registry.observe("it", "levels.site", move |record| {
        *list.lock().unwrap() = format!("{record:?} {} {:?}", record.to_json(), record.args());
    });
    site(SECRET, 7).unwrap();
    let kept = kept.lock().unwrap();
    assert!(
        kept.contains("\"name\"") && !kept.contains(SECRET),
        "{kept}"
    );
}

#[tokio::test]
async fn arguments_that_the_body_took_are_in_the_record() {
    let registry = HookRegistry::new();
    let scope = HookScope::isolated(&registry);
    let kept = Arc::new(Mutex::new(Vec::new()));
    let list = kept.clone();
    let observer = registry.on("it").point("levels.later");
    let observer = observer.record_args(ArgLevel::Full).observe(move |record| {
        list.lock().unwrap().push(record.args()[0].value.clone());
    });
    observer.unwrap().forget();
    scope.wrap(later("Ada".to_owned())).await.unwrap();
    assert_eq!(*kept.lock().unwrap(), [Some("Ada".into())]);
}

/// Keeps the first letter.
struct Initial;

impl Redactor for Initial {
    fn redact(&self, name: &str, value: &mut Value) {
        assert_ne!(name, "sum", "it panics");
        if let Value::String(text) = value {
            text.truncate(1);
        }
    }
}

#[test]
fn a_redactor_decides_what_is_left_and_its_panic_leaves_nothing() {
    crate::sites::quiet();
    let registry = HookRegistry::new();
    let scope = HookScope::isolated(&registry);
    let _entered = scope.enter();
    registry.set_redactor(Initial);
    let sink = Arc::new(Keeps(ArgLevel::Redacted, Mutex::default()));
    registry.add_sink(sink.clone());
    assert_eq!(site(SECRET, 7).unwrap(), 7, "the call goes on");
    let kept = sink.1.lock().unwrap();
    let values: Vec<_> = kept[0].iter().map(|arg| json!(arg.value)).collect();
    assert_eq!(values, [json!("s"), Value::Null]);
}

/// Takes a word out of what hooks say.
struct Word;

impl Redactor for Word {
    fn redact(&self, _: &str, _: &mut Value) {}
    fn redact_text(&self, text: &mut String) {
        assert!(!text.contains("panics"), "it panics");
        *text = text.replace(SECRET, "…");
    }
}

type Says = fn(&str) -> Result<Vote, HookError>;

#[test]
fn what_hooks_say_is_redacted_for_the_caller_and_for_records() {
    crate::sites::quiet();
    let say: [Says; 6] = [
        |text| Ok(Vote::cancel(text)),
        |text| Ok(Vote::ask(text)),
        |text| Ok(Vote::halt(text)),
        |text| Err(text.into()),
        |text| panic!("{text}"),
        |_| Ok(Vote::cancel("the redactor panics")),
    ];
    for (case, say) in say.into_iter().enumerate() {
        let registry = HookRegistry::new();
        let scope = HookScope::isolated(&registry);
        let _entered = scope.enter();
        registry.set_redactor(Word);
        let text = format!("no {SECRET}");
        let guard = registry.guard("it", "levels.site", move |_| say(&text));
        guard.unwrap().forget();
        let kept = Arc::new(Mutex::new(String::new()));
        let list = kept.clone();
        let _observer = registry.observe("o", "levels.*", move |record| {
            *list.lock().unwrap() = format!("{record:?} {}", record.to_json());
        });
        let refusal = site("x", 1).unwrap_err();
        let all = format!("{refusal} {refusal:?} {}", kept.lock().unwrap());
        assert!(!all.contains(SECRET), "{case}: {all}");
        let wanted = if case == 5 {
            "(the redactor panicked)"
        } else {
            "no …"
        };
        assert!(refusal.reason().contains(wanted), "{case}: {refusal}");
    }
}
