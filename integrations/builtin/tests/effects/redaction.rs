//! What is replaced, and that it is written nowhere.

use std::sync::{Arc, Mutex};

use futures_util::StreamExt as _;
use hooks_builtin::{BuiltinHook as _, Placement, RedactionHook, Registered, Unseen, kind};
use hooks_runtime::{ArgLevel, DecisionRecord, HookRegistry, OnFailure, Sink, sink::Wants};
use serde_json::{Value, json};

use crate::kit::{Chunk, Order, Runs, ShopError, answer, buy, chat, echo, isolated, order, write};

const AWS: &str = "AKIAABCDEFGHIJKLMNOP";
const MAIL: &str = "bob@example.com";

fn place(registry: &HookRegistry, hook: RedactionHook) -> Registered {
    let at = Placement::new("redact");
    let at = ["write", "echo", "chat", "answer"]
        .iter()
        .fold(at, |at, name| at.point(format!("shop.{name}")));
    hook.register(registry, at).unwrap()
}

fn refusal<T: std::fmt::Debug>(result: Result<T, ShopError>) -> String {
    let Err(ShopError::Refused(refusal)) = result else {
        panic!("not refused: {result:?}");
    };
    refusal.reason().to_owned()
}

/// Keeps records with all that they can hold.
#[derive(Default)]
struct Full(Mutex<Vec<String>>);

impl Sink for Full {
    fn wants(&self) -> Wants {
        Wants::always().args(ArgLevel::Full)
    }
    fn record(&self, record: &DecisionRecord) {
        self.0
            .lock()
            .unwrap()
            .push(format!("{} {record:?}", record.to_json()));
    }
}

#[test]
fn arguments_are_redacted_before_guards_and_the_body_see_them() {
    let (registry, scope) = isolated();
    let _entered = scope.enter();
    let _redact = place(&registry, RedactionHook::new());
    let seen: Arc<Mutex<Vec<String>>> = Arc::default();
    let list = seen.clone();
    let _guard = registry.guard("look", "shop.write", move |cx| {
        list.lock().unwrap().push(cx.arg::<String>("text")?.clone());
        Ok(hooks_runtime::Vote::Pass)
    });
    let data = json!({ "deep": [{ "mail": MAIL, "n": 3 }], "api_key": "any", AWS: true });
    let got = write(
        "corner",
        format!("use {AWS} now"),
        data,
        Some("hunter".into()),
    )
    .unwrap();
    assert_eq!(got.0, "use [redacted:aws_key] now");
    let data = json!({
        "deep": [{ "mail": "[redacted:email]", "n": 3 }],
        "api_key": "[redacted:key]",
        "[redacted:aws_key]": true,
    });
    assert_eq!((got.1, got.2.as_deref()), (data, Some("[redacted:key]")));
    assert_eq!(*seen.lock().unwrap(), ["use [redacted:aws_key] now"]);
    // What cannot be changed refuses.
    let why = refusal(write(AWS, "x".into(), Value::Null, None));
    assert!(why.contains("shop") && why.contains("read only"), "{why}");
}

#[tokio::test]
async fn results_are_redacted_for_the_caller_and_errors_withheld() {
    let (registry, scope) = isolated();
    let only_results = RedactionHook::new().arguments([""; 0]);
    let _redact = place(&registry, only_results);
    scope
        .wrap(async {
            assert_eq!(
                echo(format!("to {MAIL}.")).await.unwrap(),
                "to [redacted:email]."
            );
            let got = write("corner", AWS.into(), json!([AWS]), None).unwrap();
            assert_eq!(got.0, "[redacted:aws_key]");
            assert_eq!(got.1, json!(["[redacted:aws_key]"]));
            let why = refusal(write("corner", format!("fail {AWS}"), Value::Null, None));
            assert_eq!(why, "the error has something to redact in it");
            let error = write("corner", "fail plainly".into(), Value::Null, None).unwrap_err();
            assert_eq!(error.to_string(), "plainly");
        })
        .await;
}

#[test]
fn all_kinds_of_secrets_are_found_and_nothing_else() {
    let (registry, scope) = isolated();
    let _entered = scope.enter();
    let _redact = place(&registry, RedactionHook::new());
    let token = "a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8";
    for (text, name) in [
        (format!("ghp_{token}"), "github_token"),
        (format!("glpat-{token}"), "gitlab_token"),
        (format!("xoxb-{token}"), "slack_token"),
        (format!("sk_live_{token}"), "stripe_key"),
        (format!("sk-ant-{token}"), "model_key"),
        (format!("AIza{}", &token[..35]), "google_key"),
        (format!("eyJ{token}.eyJ{token}.{token}"), "jwt"),
        (format!("Bearer {token}"), "bearer"),
        ("postgres://me:pass@db".to_owned(), "url_password"),
        ("password = \"hunter22".to_owned(), "assignment"),
        ("4111 1111 1111 1111".to_owned(), "card"),
        ("DE89 3704 0044 0532 0130 00".to_owned(), "iban"),
        ("123-45-6789".to_owned(), "us_ssn"),
        ("+49 170 1234567".to_owned(), "phone"),
    ] {
        let got = write("corner", format!("<{text}>"), Value::Null, None)
            .unwrap()
            .0;
        assert!(got.contains(&format!("[redacted:{name}]")), "{text}: {got}");
        assert!(!got.contains(&text), "{got}");
    }
    let key = format!("-----BEGIN RSA PRIVATE KEY-----\n{token}\n-----END RSA PRIVATE KEY-----");
    let got = write("corner", format!("a {key} b"), Value::Null, None)
        .unwrap()
        .0;
    assert_eq!(got, "a [redacted:private_key] b");
    for text in [
        "order 4111 1111 1111 1112 of 2026-11-22",
        "https://example.com/a?b=c",
        "the password is not here; ask-me-anything-about-risk-sk-1",
        "1.2.3.4 and a@b",
    ] {
        let got = write("corner", text.into(), json!({ "t": text }), None).unwrap();
        assert_eq!((got.0.as_str(), &got.1["t"]), (text, &json!(text)));
    }
}

#[tokio::test]
async fn a_secret_in_pieces_is_held_back_until_the_end() {
    let (registry, scope) = isolated();
    let hook = RedactionHook::new()
        .stream_text("/text")
        .stream_end("/finish");
    let _redact = place(&registry, hook.hold_back_bytes(32).max_held_bytes(128));
    let chunk = |text: &str| Chunk {
        text: Some(text.to_owned()),
        ..Chunk::default()
    };
    let long = "words that are given while more of them come ".repeat(3);
    let end = Chunk {
        finish: Some("stop".into()),
        ..Chunk::default()
    };
    let note = Chunk {
        note: format!("by {MAIL}"),
        ..Chunk::default()
    };
    let chunks = vec![
        chunk(&long),
        chunk("key AKIAABC"),
        note,
        chunk("DEFGHIJKLMNOP!"),
        end,
    ];
    scope
        .wrap(async {
            let items: Vec<Chunk> = answer(chunks).map(Result::unwrap).collect().await;
            assert_eq!(items.len(), 5);
            assert_eq!(items[0].text.as_deref(), Some(&long[..long.len() - 32]));
            assert_eq!(items[2].note, "by [redacted:email]");
            let text: String = items.iter().filter_map(|item| item.text.clone()).collect();
            assert_eq!(text, format!("{long}key [redacted:aws_key]!"));
            // More than may be held ends the stream.
            let begin = "-----BEGIN PRIVATE KEY-----";
            let chunks = vec![chunk(begin), chunk(&"A".repeat(200)), chunk("never")];
            let mut items: Vec<_> = answer(chunks).collect().await;
            assert_eq!(items.len(), 2);
            let why = refusal(items.remove(1));
            assert!(why.contains("max_held_bytes"), "{why}");
        })
        .await;
}

#[tokio::test]
async fn without_a_mark_of_the_end_nothing_is_held_and_no_secret_completed() {
    let (registry, scope) = isolated();
    let _redact = place(&registry, RedactionHook::new());
    let texts = |pieces: &[&str]| pieces.iter().map(|p| (*p).to_owned()).collect::<Vec<_>>();
    scope
        .wrap(async {
            let items: Vec<_> = chat(texts(&["hello ", AWS, " there"])).collect().await;
            let items: Vec<String> = items.into_iter().map(Result::unwrap).collect();
            assert_eq!(items, ["hello ", "[redacted:aws_key]", " there"]);
            let mut items: Vec<_> = chat(texts(&["AKIAABCDEF", "GHIJKLMNOP", "x"]))
                .collect()
                .await;
            assert_eq!(items.len(), 2);
            let why = refusal(items.remove(1));
            assert!(why.contains("stream_end"), "{why}");
        })
        .await;
}

#[test]
fn what_cannot_be_seen_refuses_unless_it_may_pass() {
    let (registry, scope) = isolated();
    let _entered = scope.enter();
    let runs = Runs::default();
    let at = || Placement::new("redact").point("shop.buy");
    {
        let _redact = RedactionHook::new().register(&registry, at()).unwrap();
        let why = refusal(buy("corner", order(MAIL, 1), &runs));
        assert!(why.contains("runs"), "{why}");
        assert_eq!(runs.count(), 0);
    }
    let redacted = order("[redacted:email]", 1);
    {
        let hook = RedactionHook::new().unseen(Unseen::Pass);
        let _redact = hook.register(&registry, at()).unwrap();
        assert_eq!(buy("corner", order(MAIL, 1), &runs).unwrap(), redacted);
    }
    {
        let hook = RedactionHook::new().arguments(["shop", "order"]);
        let _redact = hook.register(&registry, at()).unwrap();
        assert_eq!(buy("corner", order(MAIL, 1), &runs).unwrap(), redacted);
    }
    let hook = RedactionHook::new().arguments(["ordre"]);
    let error = hook.register(&registry, at()).unwrap_err().to_string();
    assert!(error.contains("ordre"), "{error}");
}

#[test]
fn the_configuration_has_every_option() {
    let (registry, scope) = isolated();
    let _entered = scope.enter();
    let options = json!({
        "patterns": ["email"],
        "regexes": { "badge": "B-[0-9]{4}" },
        "keys": ["pin"],
        "replacement": "<{name}>",
        "arguments": ["text", "data"],
        "results": false,
        "errors": false,
        "unseen": "pass",
        "max_bytes": 64,
        "hold_back_bytes": 16,
        "max_held_bytes": 32,
        "stream_text": "/text",
        "stream_end": "/finish",
    });
    let at = Placement::new("redact").point("shop.write");
    let hooks = kind("redaction").unwrap().prepare(options, &at).unwrap();
    let _redact = registry.replace(&[], hooks).unwrap();
    let data = json!({ "PIN": "12", "password": "x" });
    let text = format!("{MAIL} B-1234 {AWS}");
    let got = write("corner", text, data, Some(MAIL.into())).unwrap();
    assert_eq!(got.0, format!("<email> <badge> {AWS}"));
    assert_eq!(got.1, json!({ "PIN": "<key>", "password": "x" }));
    assert_eq!(got.2.as_deref(), Some(MAIL));
    let failed = write("corner", format!("fail B-{}", "x"), Value::Null, None);
    assert!(matches!(failed, Err(ShopError::Failed(_))));
    let why = refusal(write("corner", "x".repeat(65), Value::Null, None));
    assert!(why.contains("max_bytes"), "{why}");
}

#[test]
fn bad_options_are_named() {
    let at = Placement::new("redact").point("shop.write");
    for (hook, option) in [
        (RedactionHook::new().patterns(["emial"]), "patterns"),
        (RedactionHook::new().regexes([("x", "(")]), "regexes"),
        (RedactionHook::new().regexes([("x", "a*")]), "regexes"),
        (RedactionHook::new().replacement("a@b.com"), "replacement"),
        (RedactionHook::new().max_bytes(0), "max_bytes"),
        (RedactionHook::new().hold_back_bytes(0), "hold_back_bytes"),
        (RedactionHook::new().max_held_bytes(1), "max_held_bytes"),
        (RedactionHook::new().stream_text("text"), "stream_text"),
        (RedactionHook::new().stream_end(""), "stream_end"),
        (
            RedactionHook::new()
                .arguments([""; 0])
                .results(false)
                .errors(false),
            "arguments",
        ),
    ] {
        let Err(error) = hook.prepare(&at) else {
            panic!("`{option}` was taken");
        };
        assert!(
            error.to_string().contains(&format!("`{option}`")),
            "{error}"
        );
    }
}

#[test]
fn eight_threads_get_their_own_texts_and_no_record_has_a_secret() {
    let (registry, scope) = isolated();
    let _redact = place(&registry, RedactionHook::new());
    let sink = Arc::new(Full::default());
    registry.add_sink(sink.clone());
    std::thread::scope(|threads| {
        for thread in 0..8 {
            let scope = &scope;
            threads.spawn(move || {
                let _entered = scope.enter();
                for call in 0..100 {
                    let text = format!("{thread} {AWS} {call}");
                    let got = write("corner", text, json!({ "m": MAIL }), Some(AWS.into()));
                    let got = got.unwrap();
                    assert_eq!(got.0, format!("{thread} [redacted:aws_key] {call}"));
                    let failed = write("corner", format!("fail {AWS}"), Value::Null, None);
                    assert_eq!(failed.unwrap_err().to_string(), "[redacted:aws_key]");
                }
            });
        }
    });
    // Arguments are taken into the record when they are sealed.
    let records = sink.0.lock().unwrap();
    assert_eq!(records.len(), 1600);
    let secrets = [AWS, MAIL];
    let leaks = |record: &&String| secrets.iter().any(|secret| record.contains(secret));
    assert_eq!(records.iter().find(leaks), None);
}

#[test]
fn an_open_hook_lets_go_what_it_cannot_see_and_never_what_it_began_to_change() {
    let (registry, scope) = isolated();
    let _entered = scope.enter();
    let runs = Runs::default();
    let at = Placement::new("redact").point("shop.buy");
    let at = at.on_failure(OnFailure::Open);
    let _redact = RedactionHook::new().register(&registry, at).unwrap();
    let plain = Order {
        item: "tea".into(),
        cents: 1,
    };
    assert_eq!(buy("corner", plain.clone(), &runs).unwrap(), plain);
    refusal(buy("corner", order(MAIL, 1), &runs));
}
