//! Answers from the program itself.

use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use hooks_builtin::{BuiltinError, ChannelApprover};
use hooks_runtime::Approver as _;
use serde_json::json;

use super::{asking, reason};
use crate::kit::{echo, isolated, with_fake_clock};

pub(super) async fn poll<F: Future>(future: &mut Pin<Box<F>>) -> Poll<F::Output> {
    std::future::poll_fn(|cx| Poll::Ready(future.as_mut().poll(cx))).await
}

#[tokio::test]
async fn calls_are_allowed_denied_and_edited() {
    let (registry, scope) = isolated();
    let _asks = asking(&registry, "Say {args.text}?");
    let (approver, mut questions) = ChannelApprover::new(4).unwrap();
    registry.set_approver(approver);
    let answering = async {
        let question = questions.receive().await.unwrap();
        assert_eq!(&*question.request().questions[0].1, "Say \"one\"?");
        assert!(question.allow());
        assert!(questions.receive().await.unwrap().deny("not two"));
        let edit = [("text", json!("four"))];
        assert!(questions.receive().await.unwrap().edit(edit));
        // Edited arguments are decided once more.
        let question = questions.receive().await.unwrap();
        assert_eq!(&*question.request().questions[0].1, "Say \"four\"?");
        assert!(question.allow());
    };
    let calling = scope.wrap(async {
        assert_eq!(echo("one".into()).await.unwrap(), "one");
        assert_eq!(reason(echo("two".into()).await), "not two");
        assert_eq!(echo("three".into()).await.unwrap(), "four");
    });
    tokio::join!(answering, calling);
}

#[tokio::test]
async fn dropped_handles_full_queues_and_nobody_there_refuse() {
    let (registry, scope) = isolated();
    let _asks = asking(&registry, "?");
    let (approver, mut questions) = ChannelApprover::new(1).unwrap();
    registry.set_approver(approver);
    let mut first = Box::pin(scope.wrap(echo("first".into())));
    assert!(poll(&mut first).await.is_pending());
    let full = scope.wrap(echo("second".into())).await;
    assert!(reason(full).contains("too many questions wait"));
    drop(questions.receive().await.unwrap());
    assert!(reason(first.await).contains("dropped without an answer"));
    drop(questions);
    let closed = scope.wrap(echo("third".into())).await;
    assert!(reason(closed).contains("nobody answers"));
}

#[tokio::test]
async fn calls_that_no_longer_wait_are_not_asked_about() {
    let (registry, scope, clock) = with_fake_clock();
    let _asks = asking(&registry, "?");
    let (approver, mut questions) = ChannelApprover::new(4).unwrap();
    registry.set_approver(approver.with_patience(Duration::from_secs(60)));
    let mut dropped = Box::pin(scope.wrap(echo("dropped".into())));
    assert!(poll(&mut dropped).await.is_pending());
    drop(dropped);
    let mut late = Box::pin(scope.wrap(echo("late".into())));
    assert!(poll(&mut late).await.is_pending());
    let question = questions.receive().await.unwrap();
    assert_eq!(
        question.request().args[0].1,
        "late",
        "the other one is left out"
    );
    clock.advance(Duration::from_secs(59));
    assert!(poll(&mut late).await.is_pending());
    clock.advance(Duration::from_secs(1));
    let Poll::Ready(result) = poll(&mut late).await else {
        panic!("it lost its patience");
    };
    assert!(reason(result).contains("no answer within 60s"));
    drop(late);
    assert!(!question.is_waiting() && !question.allow());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn each_of_many_tasks_gets_its_own_answer() {
    let (registry, scope) = isolated();
    let _asks = asking(&registry, "?");
    let (approver, mut questions) = ChannelApprover::new(64).unwrap();
    registry.set_approver(approver);
    let answering = tokio::spawn(async move {
        for _ in 0..64 {
            let question = questions.receive().await.unwrap();
            let text = question.request().args[0].1.as_str().unwrap().to_owned();
            let answered = match text.ends_with('0') {
                true => question.deny(text),
                false => question.allow(),
            };
            assert!(answered);
        }
    });
    let calls = (0..64).map(|n| {
        let scope = scope.clone();
        tokio::spawn(async move {
            let text = format!("{n}");
            let said = scope.wrap(echo(text.clone())).await;
            match n % 10 {
                0 => assert_eq!(reason(said), text),
                _ => assert_eq!(said.unwrap(), text),
            }
        })
    });
    for call in calls.collect::<Vec<_>>() {
        call.await.unwrap();
    }
    answering.await.unwrap();
}

#[test]
fn a_queue_has_a_length() {
    for capacity in [0, 65_537] {
        let error = ChannelApprover::new(capacity).unwrap_err();
        assert!(
            matches!(
                error,
                BuiltinError::BadOption {
                    option: "capacity",
                    ..
                }
            ),
            "{error}"
        );
    }
}
