//! Secrets that calls carry are in nothing that is written about the calls: every built-in hook, the event bus, the
//! report, the monitor and the log are there, and everything that they gave is searched.

use std::path::Path;
use std::sync::{Arc, Mutex, Once};

use futures_util::StreamExt as _;
use hookpoint::builtin::{DebuggingHook, KINDS, Metrics};
use hookpoint::events::Event;
use hookpoint::monitor::Thresholds;
use hookpoint::report::Report;
use hookpoint::{
    ArgLevel, GuardContext, HookContext, HookError, HookGuard, HookRefusal, HookRegistry,
    HookResult, HookScope, HookSystem, Vote, hooked,
};
use serde::{Deserialize, Serialize};
use serde_json::json;

/// Looks like a key of a cloud.
const KEY: &str = "AKIAMARKERMARKER2345";
/// Looks like nothing, and stands under a name that says what it is.
const PASSWORD: &str = "marker-hunter2-7f3a";
/// Looks like nothing and stands anywhere: it may only be where an option asks for values.
const PRIVATE: &str = "marker-private-9c1d";

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Login {
    user: String,
    password: String,
    pin: u32,
}

#[derive(Debug, thiserror::Error)]
enum Failed {
    #[error(transparent)]
    Refused(#[from] HookRefusal),
    #[error("{0}")]
    Text(String),
}

/// What the body does with what it gets.
#[derive(Clone, Copy, Debug)]
enum How {
    Return,
    Fail,
    Panic,
}

fn body(login: Login, text: String, how: How) -> Result<Login, Failed> {
    let all = format!("{text} {login:?}");
    match how {
        How::Return => Ok(Login { user: all, ..login }),
        How::Fail => Err(Failed::Text(all)),
        How::Panic => panic!("{all}"),
    }
}

macro_rules! sites {
    ($($name:ident = $point:literal,)*) => {
        $(
            #[hooked(point = $point, component = "desk", retry, skip(how))]
            fn $name(login: Login, password: String, text: String, how: How) -> Result<Login, Failed> {
                let _ = password; // for hooks
                body(login, text, how)
            }
        )*
        /// One call at every site.
        fn call_all(how: How) {
            for call in [$($name),*] {
                let ended = std::panic::catch_unwind(|| call(login(), PASSWORD.into(), text(), how));
                if let Ok(Err(Failed::Refused(refusal))) = ended {
                    // What the caller is told is written somewhere sooner or later.
                    told(&format!("{refusal} {refusal:?}"));
                }
            }
        }
    };
}

sites! {
    plain = "markers.plain",
    asked = "markers.asked",
    cached = "markers.cached",
    limited = "markers.limited",
    redacted = "markers.redacted",
    retried = "markers.retried",
    checked = "markers.checked",
    ruled = "markers.ruled",
    paid = "markers.paid",
}

#[hooked(point = "markers.later", retry, skip(how))]
async fn later(login: Login, text: String, how: How) -> Result<Login, Failed> {
    tokio::task::yield_now().await;
    body(login, text, how)
}

#[hooked(point = "markers.items", stream)]
fn items(text: String) -> impl futures_util::Stream<Item = Result<String, Failed>> {
    futures_util::stream::iter([Ok(text.clone()), Err(Failed::Text(text))])
}

fn login() -> Login {
    Login {
        user: PRIVATE.to_owned(),
        password: PASSWORD.to_owned(),
        pin: 7,
    }
}

fn text() -> String {
    format!("{KEY} {PRIVATE}")
}

/// What callers, logs and handlers of events were told, of all threads.
static TOLD: Mutex<String> = Mutex::new(String::new());

fn told(text: &str) {
    let mut told = TOLD.lock().expect("a text");
    told.push_str(text);
    told.push('\n');
}

/// Takes every line of every log, down to the last.
struct Lines;

impl tracing::Subscriber for Lines {
    fn enabled(&self, _: &tracing::Metadata<'_>) -> bool {
        true
    }
    fn new_span(&self, span: &tracing::span::Attributes<'_>) -> tracing::Id {
        told(&format!("{span:?}"));
        tracing::Id::from_u64(1)
    }
    fn record(&self, _: &tracing::Id, record: &tracing::span::Record<'_>) {
        told(&format!("{record:?}"));
    }
    fn record_follows_from(&self, _: &tracing::Id, _: &tracing::Id) {}
    fn event(&self, event: &tracing::Event<'_>) {
        told(&format!("{event:?}"));
    }
    fn enter(&self, _: &tracing::Id) {}
    fn exit(&self, _: &tracing::Id) {}
}

/// Every kind of built-in hook, in a folder.
fn configuration(folder: &Path, values: bool) -> String {
    let folder = folder.display();
    let level = if values { "redacted" } else { "digest" };
    // A question names what its template names, and a request that waits for a person shows the arguments.
    let (approver, question) = match values {
        true => (
            format!(r#"approver = {{ kind = "token", folder = "{folder}/approvals" }}"#),
            "Let {args.login} in with {args.text}?",
        ),
        false => (String::new(), "Let somebody in?"),
    };
    format!(
        r#"
        {approver}
        hook = [
            {{ kind = "approval", id = "ask", points = ["markers.asked"], question = "{question}" }},
            {{ kind = "audit", id = "audit", points = ["markers.*"], path = "{folder}/audit.jsonl", values = {values} }},
            {{ kind = "caching", id = "cache", points = ["markers.cached"] }},
            {{ kind = "cel", id = "rules", points = ["markers.ruled"], when = "args.login.password != '' && component == 'desk'", rules = [{{ when = "int(args.text) == 1 || args.login.user > 3", then = "cancel" }}] }},
            {{ kind = "cost", id = "cost", points = ["markers.paid"], keep_failed = true, prices = [{{ call = 1, units = [{{ argument = "/login/pin", price = 1 }}, {{ result = "/user", price = 1, max = 1 }}] }}], budgets = [{{ limit = 10, by = [{{ argument = "text" }}], alerts = [50] }}] }},
            {{ kind = "debugging", id = "debug", points = ["markers.*"], values = {values}, stacks = ["panicked"], dump_on = ["failed", "panicked", "refused"], dump_dir = "{folder}/dumps" }},
            {{ kind = "logging", id = "log", points = ["markers.*"], level = "trace" }},
            {{ kind = "metrics", id = "metrics", points = ["markers.*"] }},
            {{ kind = "rate_limit", id = "rate", points = ["markers.limited"], permits = 1, by = [{{ argument = "text" }}] }},
            {{ kind = "records", id = "records", points = ["markers.*"], path = "{folder}/records.jsonl", args = "{level}" }},
            {{ kind = "redaction", id = "redact", points = ["markers.redacted"] }},
            {{ kind = "retry", id = "retry", points = ["markers.retried"], first_delay_ms = 0, retry_on = ["marker"] }},
            {{ kind = "schema", id = "schema", points = ["markers.checked"], arguments = {{ text = {{ maxLength = 3 }}, login = {{ required = ["nothing"] }} }} }},
        ]
        "#
    )
}

type Register = fn(&HookRegistry) -> Result<HookGuard, HookError>;

/// Hooks that fail with what they see in every way that there is, one at a time.
const FAILING: &[(&str, Register)] = &[
    ("nobody", |r| {
        r.guard("bad", "markers.plain", |_| Ok(Vote::Pass))
    }),
    ("wrong type", |r| {
        r.guard("bad", "markers.*", |cx| {
            cx.arg::<u32>("text")
                .map(|_| Vote::Pass)
                .map_err(Into::into)
        })
    }),
    ("wrong JSON", |r| {
        r.intercept("bad", "markers.*", |cx| -> Result<(), HookError> {
            let text = cx.arg_json("text")?;
            cx.set_arg_json(
                "login",
                json!({ "user": "x", "password": PASSWORD, "pin": text }),
            )?;
            Ok(())
        })
    }),
    ("parses", |r| {
        r.guard("bad", "markers.*", |cx| {
            let login: Result<(u32, u32), _> = serde_json::from_value(cx.arg_json("password")?);
            login.map(|_| Vote::Pass).map_err(Into::into)
        })
    }),
    ("wrong replacement", |r| {
        r.intercept("bad", "markers.*", |_| {
            HookResult::replace_json(json!([PASSWORD, KEY, PRIVATE]))
        })
    }),
    ("wrong result", |r| {
        r.on("bad")
            .point("markers.*")
            .post()
            .intercept(|cx: &mut HookContext<'_>| {
                cx.set_result_json(json!({ "user": 7, "password": PRIVATE }))
                    .map_err(HookError::from)
            })
    }),
    ("reason", |r| {
        r.guard("bad", "markers.*", |_| {
            Ok(Vote::cancel(format!("not {KEY}")))
        })
    }),
    ("question", |r| {
        r.guard("bad", "markers.*", |_| Ok(Vote::ask(format!("{KEY}?"))))
    }),
    ("halt", |r| {
        r.guard("bad", "markers.*", |_| {
            Ok(Vote::halt(format!("because of {KEY}")))
        })
    }),
    ("error", |r| {
        r.guard("bad", "markers.*", |_| Err(format!("no {KEY}").into()))
    }),
    ("panic", |r| {
        r.guard("bad", "markers.*", |_| panic!("what is {KEY}"))
    }),
    ("shadow", |r| {
        r.on("bad")
            .point("markers.*")
            .shadow()
            .guard(|_| Err(format!("no {KEY}").into()))
    }),
    ("condition", |r| {
        let fails =
            |_: &GuardContext<'_>| -> Result<bool, HookError> { Err(format!("no {KEY}").into()) };
        r.on("bad")
            .point("markers.*")
            .when(fails)
            .guard(|_| Ok(Vote::Pass))
    }),
    ("after a failure", |r| {
        r.on("bad").point("markers.*").error().intercept(
            |cx: &mut HookContext<'_>| -> Result<(), HookError> {
                Err(HookError::from(format!(
                    "no {KEY}, {}",
                    cx.phase().as_str()
                )))
            },
        )
    }),
    ("observer", |r| {
        r.observe("bad", "markers.*", |_| panic!("what is {KEY}"))
    }),
    ("plan", |r| {
        r.intercept("bad", "markers.*", |_| HookResult::redirect("nowhere"))
    }),
    ("cache", |r| {
        r.intercept("bad", "markers.*", |_| {
            HookResult::cache(PASSWORD, std::time::Duration::from_secs(9))
        })
    }),
];

async fn all_calls() {
    for how in [How::Return, How::Fail, How::Panic] {
        call_all(how);
        let ended = tokio::spawn(hookpoint::inherit(later(login(), text(), how))).await;
        if let Ok(Err(Failed::Refused(refusal))) = ended {
            told(&refusal.to_string());
        }
    }
    let mut items = std::pin::pin!(items(text()));
    while let Some(item) = items.next().await {
        if let Err(Failed::Refused(refusal)) = item {
            told(&refusal.to_string());
        }
    }
}

/// Everything that was written, by what wrote it.
async fn written(values: bool) -> Vec<(String, String)> {
    static LOG: Once = Once::new();
    LOG.call_once(|| tracing::subscriber::set_global_default(Lines).expect("the only one"));
    let folder = tempfile::tempdir().expect("a folder");
    let config = folder.path().join("hookpoint.toml");
    std::fs::write(&config, configuration(folder.path(), values)).expect("a file");
    let registry = HookRegistry::new();
    let scope = HookScope::isolated(&registry).principal("ada");
    let report = Arc::new(Report::default());
    registry.add_sink(report.clone());
    registry
        .monitor()
        .start(Thresholds::default().sample_every(1));
    let level = if values {
        ArgLevel::Redacted
    } else {
        ArgLevel::Digest
    };
    let made = scope.wrap(async {
        let builder = HookSystem::builder()
            .publish_calls("markers.*")
            .publish_args(level);
        builder.config(&config)?.build().await
    });
    let system = made.await.expect("it is in force");
    assert_eq!(system.problems(), [], "every entry is right");
    let every: Vec<_> = registry
        .list()
        .iter()
        .map(|hook| hook.id.to_string())
        .collect();
    let text = std::fs::read_to_string(&config).expect("a file");
    for kind in KINDS {
        assert!(
            text.contains(&format!("kind = \"{}\"", kind.name)),
            "{} is not in {every:?}",
            kind.name
        );
    }
    let bus = system.events().bus().clone();
    let events = bus
        .subscribe(">")
        .inline(|event: &Event| told(&json!(event).to_string()));
    let _events = events.expect("a subscription");
    for (name, fail) in FAILING {
        let bad = fail(&registry).unwrap_or_else(|error| panic!("{name}: {error}"));
        scope.wrap(all_calls()).await;
        drop(bad);
    }
    let mut written = vec![
        (
            "report".to_owned(),
            format!("{} {}", report.text(), json!(report.snapshot())),
        ),
        (
            "monitor".to_owned(),
            json!(registry.monitor().snapshot()).to_string(),
        ),
        (
            "list of hooks".to_owned(),
            json!(registry.list()).to_string(),
        ),
    ];
    let metrics = Metrics::of("metrics").expect("it counts");
    written.push((
        "metrics".to_owned(),
        format!("{} {}", metrics.prometheus(), metrics.snapshot()),
    ));
    let ring = DebuggingHook::ring("debug").expect("it keeps");
    written.push((
        "ring".to_owned(),
        ring.json(&hookpoint::builtin::CallFilter::default())
            .to_string(),
    ));
    let args = json!({ "login": login(), "text": text, "password": PASSWORD });
    drop(args);
    system.shutdown(std::time::Duration::from_secs(10)).await;
    drop(system);
    files(folder.path(), &mut written);
    written.push((
        "log, events and refusals".to_owned(),
        std::mem::take(&mut TOLD.lock().expect("a text")),
    ));
    written
}

/// The files of a folder and the folders in it.
fn files(folder: &Path, into: &mut Vec<(String, String)>) {
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("a file").path();
        if path.is_dir() {
            files(&path, into);
        } else {
            let bytes = std::fs::read(&path).expect("a file");
            into.push((
                path.display().to_string(),
                String::from_utf8_lossy(&bytes).into_owned(),
            ));
        }
    }
}

fn found(written: &[(String, String)], markers: &[&str]) -> Vec<String> {
    let mut found = Vec::new();
    for (by, text) in written {
        for marker in markers {
            if let Some(at) = text.find(marker) {
                let from = text.floor_char_boundary(at.saturating_sub(300));
                let to = text.floor_char_boundary((at + 60).min(text.len()));
                found.push(format!("{by}: …{}…", &text[from..to]));
            }
        }
    }
    // Enough to see where they come from.
    found.truncate(12);
    found
}

#[tokio::test(flavor = "current_thread")]
async fn secrets_of_calls_are_in_nothing_that_is_written() {
    let with_values = written(true).await;
    let leaks = found(&with_values, &[KEY, PASSWORD]);
    assert!(leaks.is_empty(), "{leaks:#?}");
    // The search finds what is there: with values, what looks like nothing is.
    for by in [
        "audit.jsonl",
        "records.jsonl",
        "dumps",
        "ring",
        "log, events",
    ] {
        let there = |(name, text): &(String, String)| name.contains(by) && text.contains(PRIVATE);
        assert!(with_values.iter().any(there), "{by}");
    }
    let without = written(false).await;
    let leaks = found(&without, &[KEY, PASSWORD, PRIVATE]);
    assert!(leaks.is_empty(), "{leaks:#?}");
    for by in [
        "audit.jsonl",
        "records.jsonl",
        "dumps",
        "ring",
        "log, events",
        "metrics",
        "report",
    ] {
        let there =
            |(name, text): &(String, String)| name.contains(by) && text.contains("markers.plain");
        assert!(without.iter().any(there), "{by} tells of no call");
    }
}
