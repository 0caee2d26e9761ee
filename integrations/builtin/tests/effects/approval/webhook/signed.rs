//! Answers that nobody in between can have written.

use std::sync::{Arc, Mutex};

use hyper::HeaderMap;

use super::desk::{Desk, SECRET, Said, now, says, sign, signature};
use super::{asked_by, reason};
use crate::kit::echo;

const ALLOW: &str = r#"{"allow":true}"#;

fn signed(secret: &str, id: &str, time: i64, body: &str) -> Said {
    let mut said = says(body);
    sign(said.headers_mut(), secret, id, time, body);
    said
}

#[tokio::test]
async fn only_an_answer_that_is_signed_for_its_question_allows() {
    let before: Arc<Mutex<Option<HeaderMap>>> = Arc::default();
    let kept = Arc::clone(&before);
    let desk = Desk::unsigned(move |headers, asked| {
        let id = asked["id"].as_str().unwrap();
        let good = signed(SECRET, id, now(), ALLOW);
        let mut kept = kept.lock().unwrap();
        let with = |headers: &HeaderMap| {
            let mut said = says(ALLOW);
            *said.headers_mut() = headers.clone();
            said
        };
        match asked["arguments"]["text"].as_str().unwrap() {
            "unsigned" => says(ALLOW),
            "other secret" => signed("another secret, as long", id, now(), ALLOW),
            "other question" => signed(SECRET, "ask_0", now(), ALLOW),
            "replayed" => with(kept.as_ref().unwrap()),
            "old" => signed(SECRET, id, now() - 301, ALLOW),
            "early" => signed(SECRET, id, now() + 302, ALLOW),
            // Signed a denial, and somebody has changed it.
            "changed" => with(signed(SECRET, id, now(), r#"{"allow":false}"#).headers()),
            "echoed" => {
                let mut said = says(&asked.to_string());
                for name in ["webhook-id", "webhook-timestamp", "webhook-signature"] {
                    said.headers_mut().insert(name, headers[name].clone());
                }
                said
            }
            "two secrets" => {
                let mut said = good;
                let both = format!(
                    "v1,AAAA {} v2,x",
                    said.headers()["webhook-signature"].to_str().unwrap()
                );
                said.headers_mut()
                    .insert("webhook-signature", both.parse().unwrap());
                said
            }
            _ => {
                *kept = Some(good.headers().clone());
                good
            }
        }
    })
    .await;
    let (_registry, scope, _asks) = asked_by(desk.approver());
    for (text, why) in [
        ("good", None),
        ("unsigned", Some("it is not signed")),
        ("other secret", Some("signature is wrong")),
        ("other question", Some("another question")),
        ("replayed", Some("another question")),
        ("old", Some("five minutes")),
        ("early", Some("five minutes")),
        ("changed", Some("signature is wrong")),
        ("echoed", Some("is not `{\"allow\": true}`")),
        ("two secrets", None),
    ] {
        let said = scope.wrap(echo(text.to_owned())).await;
        match why {
            None => assert_eq!(said.unwrap(), text),
            Some(why) => {
                let said = reason(said);
                assert!(
                    said.contains(why) && !said.contains(SECRET),
                    "{text}: {said}"
                );
            }
        }
    }
}

#[tokio::test]
async fn questions_are_signed_so_that_the_service_knows_who_asks() {
    let desk = Desk::unsigned(|headers, asked| {
        let text = |name: &str| headers[name].to_str().unwrap().to_owned();
        let time = text("webhook-timestamp").parse().unwrap();
        let id = asked["id"].as_str().unwrap();
        // The order of the members is that of the text.
        let wanted = signature(SECRET, &text("webhook-id"), time, &asked.to_string());
        assert_eq!(text("webhook-signature"), wanted);
        signed(SECRET, id, now(), ALLOW)
    })
    .await;
    let (_registry, scope, _asks) = asked_by(desk.approver());
    assert!(scope.wrap(echo("tea".into())).await.is_ok());
}
