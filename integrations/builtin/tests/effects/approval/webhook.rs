//! A service that answers, over real connections.

mod desk;
mod signed;

use std::time::Duration;

use hooks_builtin::{Registered, WebhookApprover};
use hooks_runtime::{HookRegistry, HookScope, hooked};
use hyper::header::LOCATION;
use hyper::{Response, StatusCode};
use serde_json::{Value, json};

use super::channel::poll;
use super::{AWS, asking, reason};
use crate::kit::{ShopError, echo, isolated, with_fake_clock};
use desk::{Desk, SECRET, says};

fn asked_by(approver: WebhookApprover) -> (HookRegistry, HookScope, Registered) {
    let (registry, scope) = isolated();
    let asks = asking(&registry, "Say {args.text}?");
    registry.set_approver(approver);
    (registry, scope, asks)
}

#[tokio::test]
async fn a_service_allows_and_denies() {
    let mut desk = Desk::new(|_, asked| {
        let allow = asked["arguments"]["text"] != "no";
        says(&json!({ "allow": allow, "reason": "not\u{1b}[2J today" }).to_string())
    })
    .await;
    let (_registry, scope, _asks) = asked_by(desk.approver());
    let scope = scope.principal("ann");
    let secret = format!("tea {AWS}");
    assert_eq!(scope.wrap(echo(secret.clone())).await.unwrap(), secret);
    let (headers, asked) = desk.asked().await;
    assert_eq!(headers["content-type"], "application/json");
    assert_eq!(headers["webhook-id"], asked["id"].as_str().unwrap());
    let time = |key: &str| {
        asked[key]
            .as_str()
            .unwrap()
            .parse::<jiff::Timestamp>()
            .unwrap()
    };
    let patience = time("deadline").duration_since(time("asked_at"));
    assert_eq!(patience.as_secs(), 300);
    let question = json!([{ "hook": "ask", "question": "Say \"tea [redacted:aws_key]\"?" }]);
    for (key, wanted) in [
        ("version", json!(1)),
        ("point", json!("shop.echo")),
        ("site", json!("effects::kit::echo")),
        ("component", Value::Null),
        ("principal", json!("ann")),
        ("plan", json!("run")),
        ("planned", Value::Null),
        ("questions", question),
        ("arguments", json!({ "text": "tea [redacted:aws_key]" })),
    ] {
        assert_eq!(asked[key], wanted, "{key}");
    }
    assert!(!asked["digest"].as_str().unwrap().is_empty());
    let denied = reason(scope.wrap(echo("no".into())).await);
    assert_eq!(denied, "not\\u{1b}[2J today");
    let (_, second) = desk.asked().await;
    assert_ne!(second["id"], asked["id"]);
}

#[tokio::test]
async fn whatever_else_it_says_refuses_the_call() {
    let allows = Desk::new(|_, _| says(r#"{"allow":true}"#)).await;
    let elsewhere = allows.url.clone();
    let desk = Desk::new(move |_, asked| {
        let mut said = says(r#"{"allow":true}"#);
        let mut status = |code: u16| *said.status_mut() = StatusCode::from_u16(code).unwrap();
        match asked["arguments"]["text"].as_str().unwrap() {
            "moved" => {
                status(307);
                let to = elsewhere.parse().unwrap();
                said.headers_mut().insert(LOCATION, to);
            }
            "made" => status(201),
            "broken" => status(500),
            "long" => {
                let text = format!(r#"{{"allow":true,"note":"{}"}}"#, "x".repeat(70_000));
                said = says(&text);
            }
            "word" => said = says(r#"{"allow":"yes"}"#),
            "nothing" => said = Response::default(),
            "no" => said = says(r#"{"allow":false}"#),
            _ => {}
        }
        said
    })
    .await;
    let (_registry, scope, _asks) = asked_by(desk.approver());
    for (text, why) in [
        ("moved", "not followed"),
        ("made", "status 201"),
        ("broken", "status 500"),
        ("long", "longer than 65536"),
        ("word", "is not `{\"allow\": true}`"),
        ("nothing", "is not `{\"allow\": true}`"),
        ("no", "denied by the webhook"),
    ] {
        let said = reason(scope.wrap(echo(text.to_owned())).await);
        assert!(said.contains(why), "{text}: {said}");
    }
    assert!(scope.wrap(echo("fine".into())).await.is_ok());
    assert_eq!(allows.count(), 0, "the redirect was followed");
}

#[tokio::test]
async fn a_service_that_is_not_there_refuses() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let nobody = listener.local_addr().unwrap();
    drop(listener);
    let hangs_up = desk::hangs_up().await;
    for address in [nobody, hangs_up] {
        let approver = WebhookApprover::new(format!("http://{address}/?key=s3cret")).secret(SECRET);
        assert!(!format!("{approver:?}").contains("s3cret"));
        let (_registry, scope, _asks) = asked_by(approver);
        let said = reason(scope.wrap(echo("tea".into())).await);
        assert!(said.contains("cannot be reached"), "{said}");
        assert!(!said.contains("s3cret"), "{said}");
    }
}

#[tokio::test]
async fn who_listens_in_place_of_the_service_is_not_asked_without_a_secret() {
    let desk = Desk::unsigned(|_, _| says(r#"{"allow":true}"#)).await;
    let (_registry, scope, _asks) = asked_by(WebhookApprover::new(&desk.url));
    let said = reason(scope.wrap(echo("tea".into())).await);
    assert!(said.contains("`secret_env` is missing"), "{said}");
    assert_eq!(desk.count(), 0);
}

#[tokio::test]
async fn what_does_not_speak_tls_is_not_believed() {
    let desk = Desk::new(|_, _| says(r#"{"allow":true}"#)).await;
    let approver = WebhookApprover::new(desk.url.replace("http:", "https:")).open();
    match approver {
        Ok(approver) => {
            let (_registry, scope, _asks) = asked_by(approver);
            let said = reason(scope.wrap(echo("tea".into())).await);
            assert!(said.contains("cannot be reached"), "{said}");
        }
        // A machine without certificates.
        Err(error) => assert!(error.to_string().contains("TLS"), "{error}"),
    }
    assert_eq!(desk.count(), 0);
}

#[tokio::test]
async fn a_late_answer_does_not_count_and_the_connection_is_closed() {
    let (mut desk, mut closed) = Desk::silent().await;
    let (registry, scope, clock) = with_fake_clock();
    let _asks = asking(&registry, "?");
    registry.set_approver(desk.approver().patience_s(60));
    let mut said = Box::pin(scope.wrap(echo("tea".into())));
    assert!(poll(&mut said).await.is_pending());
    desk.asked().await;
    clock.advance(Duration::from_secs(61));
    assert!(reason(said.await).contains("no answer within 60s"));
    closed.recv().await.unwrap();
}

#[tokio::test]
async fn only_so_many_questions_wait() {
    let (mut desk, mut closed) = Desk::silent().await;
    let (_registry, scope, _asks) = asked_by(desk.approver().max_waiting(1));
    let mut first = Box::pin(scope.wrap(echo("first".into())));
    assert!(poll(&mut first).await.is_pending());
    desk.asked().await;
    let said = reason(scope.wrap(echo("second".into())).await);
    assert!(said.contains("too many questions wait"), "{said}");
    drop(first);
    closed.recv().await.unwrap();
    // Its place is free again.
    let mut third = Box::pin(scope.wrap(echo("third".into())));
    assert!(poll(&mut third).await.is_pending());
    let (_, asked) = desk.asked().await;
    assert_eq!(asked["arguments"]["text"], "third");
}

#[hooked(point = "shop.stamp", blocking)]
fn stamp(text: String) -> Result<String, ShopError> {
    Ok(text)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn synchronous_calls_that_block_are_answered_without_an_executor() {
    let desk = Desk::new(|_, _| says(r#"{"allow":true}"#)).await;
    let (_registry, scope, _asks) = asked_by(desk.approver());
    let calling = std::thread::spawn(move || {
        let _entered = scope.enter();
        stamp("tea".into())
    });
    let said = tokio::task::spawn_blocking(move || calling.join().unwrap());
    assert_eq!(said.await.unwrap().unwrap(), "tea");
}

#[test]
fn options_are_looked_at() {
    let url = "https://127.0.0.1/";
    for (approver, wrong) in [
        (WebhookApprover::new(""), "`url` is missing"),
        (
            WebhookApprover::new("http://desk.example/"),
            "`url` is `http://`",
        ),
        (
            WebhookApprover::new(url).patience_s(0),
            "`patience_s` must be 1",
        ),
        (
            WebhookApprover::new(url).max_waiting(0),
            "`max_waiting` must be 1",
        ),
        (WebhookApprover::new(url).secret("short"), "shorter than 16"),
        (
            WebhookApprover::new(url).secret_env("HOOKPOINT_NOT_SET"),
            "not set",
        ),
        (
            WebhookApprover::new("http://127.0.0.1/"),
            "`secret_env` is missing",
        ),
        (WebhookApprover::new(url).patterns(["x"]), "no pattern `x`"),
    ] {
        let error = approver.open().unwrap_err().to_string();
        assert!(error.contains(wrong), "{error}");
    }
}
