//! What does not fit its schema does not pass.

use futures_util::StreamExt as _;
use hooks_builtin::{BuiltinHook as _, Placement, Registered, SchemaHook, kind};
use hooks_runtime::{HookRegistry, OnFailure};
use serde_json::{Value, json};

use crate::kit::{Runs, ShopError, buy, chat, echo, isolated, order, write};

fn place(registry: &HookRegistry, point: &str, hook: SchemaHook) -> Registered {
    hook.register(registry, Placement::new("schema").point(point))
        .unwrap()
}

fn refusal<T: std::fmt::Debug>(result: Result<T, ShopError>) -> (String, bool) {
    let Err(ShopError::Refused(refusal)) = result else {
        panic!("not refused: {result:?}");
    };
    (refusal.reason().to_owned(), refusal.executed())
}

fn cheap() -> Value {
    json!({ "properties": { "cents": { "maximum": 100 }, "item": { "pattern": "^[a-z]+$" } } })
}

/// Refuses orders that are not cheap.
fn cheap_orders(registry: &HookRegistry) -> Registered {
    let hook = SchemaHook::new().arguments([("order", cheap())]);
    place(registry, "shop.buy", hook)
}

#[test]
fn arguments_are_checked_before_the_body_and_values_are_not_quoted() {
    let (registry, scope) = isolated();
    let _entered = scope.enter();
    let _schema = cheap_orders(&registry);
    let runs = Runs::default();
    buy("corner", order("tea", 100), &runs).unwrap();
    let (why, executed) = refusal(buy("corner", order("MARKER", 101), &runs));
    assert!(
        why.contains("`order`") && why.contains("`/properties/cents/maximum`"),
        "{why}"
    );
    assert!(why.contains("`/properties/item/pattern`"), "{why}");
    assert!(!why.contains("MARKER") && !why.contains("101"), "{why}");
    assert_eq!((executed, runs.count()), (false, 1));
}

#[test]
fn what_other_hooks_make_of_an_argument_is_what_is_checked() {
    let (registry, scope) = isolated();
    let _entered = scope.enter();
    let _schema = cheap_orders(&registry);
    let _rebate = registry.intercept("rebate", "shop.buy", |cx| {
        cx.arg_mut::<crate::kit::Order>("order")?.cents /= 2;
        Ok(())
    });
    let runs = Runs::default();
    buy("corner", order("tea", 200), &runs).unwrap();
    refusal(buy("corner", order("tea", 202), &runs));
}

#[tokio::test]
async fn results_and_items_are_withheld() {
    let (registry, scope) = isolated();
    let short = json!({ "type": "string", "maxLength": 3 });
    let hook = SchemaHook::new().result(short.clone());
    let _echo = place(&registry, "shop.echo", hook.clone());
    let at = Placement::new("items").point("shop.chat");
    let _chat = hook.register(&registry, at).unwrap();
    scope
        .wrap(async {
            assert_eq!(echo("abc".into()).await.unwrap(), "abc");
            let (why, executed) = refusal(echo("MARKER".into()).await);
            assert_eq!(why, "the result is not what its schema says: `/maxLength`");
            assert!(executed);
            let pieces = ["abc", "abcd", "a"].map(str::to_owned).to_vec();
            let mut items: Vec<_> = chat(pieces).collect().await;
            assert_eq!((items.len(), items[0].as_deref().ok()), (2, Some("abc")));
            assert!(!refusal(items.remove(1)).0.contains("abcd"));
        })
        .await;
}

#[test]
fn the_configuration_has_every_option() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, schema: Value| {
        let path = folder.path().join(name);
        std::fs::write(&path, schema.to_string()).unwrap();
        path
    };
    let (registry, scope) = isolated();
    let _entered = scope.enter();
    let data = json!({
        "$defs": { "mail": { "type": "string", "format": "email" } },
        "type": "object",
        "properties": { "a": { "$ref": "#/$defs/mail" } },
        "required": ["a", "b", "c"],
        "maxProperties": 0,
    });
    let options = json!({
        "arguments": { "text": { "maxLength": 4 } },
        "argument_files": { "data": file("data.json", data) },
        "result_file": file("result.json", json!({ "prefixItems": [{ "enum": ["ok"] }] })),
        "formats": true,
        "max_problems": 1,
    });
    let at = Placement::new("schema").point("shop.write");
    let hooks = kind("schema").unwrap().prepare(options, &at).unwrap();
    let _schema = registry.replace(&[], hooks).unwrap();
    let call = |text: &str, data: Value| write("corner", text.into(), data, None);
    assert!(refusal(call("too long", json!({}))).0.contains("`text`"));
    let (why, _) = refusal(call("ok", json!({ "a": "none" })));
    assert!(
        why.contains("`data`") && why.ends_with(", and more"),
        "{why}"
    );
    assert_eq!(why.matches('`').count(), 4, "{why}");
    drop(_schema);
    let only_format = json!({ "properties": { "a": { "format": "email" } } });
    for (formats, passes) in [(true, false), (false, true)] {
        let hook = SchemaHook::new().arguments([("data", only_format.clone())]);
        let hook = hook
            .result_file(folder.path().join("result.json"))
            .formats(formats);
        let _schema = place(&registry, "shop.write", hook);
        assert_eq!(call("ok", json!({ "a": "none" })).is_ok(), passes);
        let (_, executed) = refusal(call("no", json!({ "a": "a@example.com" })));
        assert!(executed, "the result was checked");
    }
}

#[test]
fn what_cannot_be_checked_refuses_unless_the_hook_is_open() {
    let (registry, scope) = isolated();
    let _entered = scope.enter();
    let runs = Runs::default();
    let hook = SchemaHook::new().arguments([("runs", json!(true))]);
    {
        let _schema = place(&registry, "shop.buy", hook.clone());
        refusal(buy("corner", order("tea", 1), &runs));
    }
    let at = Placement::new("schema").point("shop.buy");
    let _schema = hook
        .register(&registry, at.on_failure(OnFailure::Open))
        .unwrap();
    buy("corner", order("tea", 1), &runs).unwrap();
}

#[test]
fn eight_threads_check_with_one_schema() {
    let (registry, scope) = isolated();
    let _schema = cheap_orders(&registry);
    let runs = Runs::default();
    std::thread::scope(|threads| {
        for _ in 0..8 {
            threads.spawn(|| {
                let _entered = scope.enter();
                for cents in 1..=200 {
                    let fits = buy("corner", order("tea", cents), &runs).is_ok();
                    assert_eq!(fits, cents <= 100);
                }
            });
        }
    });
    assert_eq!(runs.count(), 800);
}

#[test]
fn bad_options_are_named_and_nothing_is_fetched() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("schema.json");
    std::fs::write(&path, "{").unwrap();
    let other = folder.path().join("other.json");
    std::fs::write(&other, "true").unwrap();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let remote = format!("http://{}/schema.json", listener.local_addr().unwrap());
    let local = format!("file://{}", other.display());
    let argument = |schema: Value| SchemaHook::new().arguments([("order", schema)]);
    let at = Placement::new("schema").point("shop.buy");
    for (hook, option) in [
        (SchemaHook::new(), "`arguments`"),
        (argument(json!({ "type": 3 })), "`arguments`"),
        (argument(json!({ "$ref": remote })), "another document"),
        (argument(json!({ "$ref": local })), "another document"),
        (
            argument(json!({ "format": "emial" })).formats(true),
            "emial",
        ),
        (argument(json!(true)).max_problems(0), "`max_problems`"),
        (
            argument(json!(true)).argument_files([("order", &other)]),
            "`argument_files`",
        ),
        (
            SchemaHook::new().argument_files([("order", &path)]),
            "schema.json",
        ),
        (
            SchemaHook::new().result(json!({ "pattern": "(" })),
            "`result`",
        ),
        (
            SchemaHook::new().result_file(folder.path().join("none")),
            "No such file",
        ),
        (
            SchemaHook::new().result(json!(true)).result_file(&other),
            "`result_file`",
        ),
    ] {
        let Err(error) = hook.prepare(&at) else {
            panic!("{option} was taken");
        };
        assert!(error.to_string().contains(option), "{option}: {error}");
    }
    let asked = listener.accept().map_err(|error| error.kind());
    assert_eq!(asked.err(), Some(std::io::ErrorKind::WouldBlock));
    let (registry, _scope) = isolated();
    let typo = SchemaHook::new().arguments([("ordre", json!(true))]);
    let error = typo.register(&registry, at).unwrap_err().to_string();
    assert!(error.contains("ordre"), "{error}");
}
