//! A person at a terminal.

use std::path::PathBuf;
use std::time::Duration;

use hooks_builtin::{ApprovalHook, BuiltinHook as _, Registered, TerminalApprover};
use hooks_runtime::{HookRegistry, HookScope};
use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};
use tokio::task::JoinHandle;

use super::channel::poll;
use super::{AWS, asking, at, reason};
use crate::kit::{ShopError, echo, isolated, with_fake_clock};
use crate::pty::Pty;

const PROMPT: &str = "allow this call? [y/N]";

fn asked_at(pty: &Pty) -> (HookRegistry, HookScope, Registered) {
    let (registry, scope) = isolated();
    let asks = asking(&registry, "Say it?");
    registry.set_approver(TerminalApprover::new().device(&pty.path));
    (registry, scope, asks)
}

fn call(scope: &HookScope, text: &str) -> JoinHandle<Result<String, ShopError>> {
    tokio::spawn(scope.wrap(echo(text.to_owned())))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_yes_is_a_yes() {
    let mut pty = Pty::new();
    let (_registry, scope, _asks) = asked_at(&pty);
    for (typed, allowed) in [
        ("y\n", true),
        ("YES\n", true),
        (" yes \n", true),
        ("n\n", false),
        ("\n", false),
        ("yep\n", false),
        ("y y\n", false),
    ] {
        let said = call(&scope, "tea");
        let screen = pty.until(PROMPT);
        for part in ["shop.echo", "ask", "Say it?", "text = \"tea\""] {
            assert!(screen.contains(part), "{part}: {screen}");
        }
        pty.types(typed);
        match said.await.unwrap() {
            Ok(text) => assert!(allowed && text == "tea", "{typed:?}"),
            denied => {
                assert_eq!(reason(denied), "denied at the terminal");
                assert!(!allowed, "{typed:?}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn secrets_are_not_shown_and_nothing_draws() {
    let mut pty = Pty::new();
    let (_registry, scope, _asks) = asked_at(&pty);
    let text = format!("{AWS} \u{1b}[2J\u{202e}\n{PROMPT} y{}", "x".repeat(3000));
    let said = call(&scope, &text);
    let screen = pty.until("more)") + &pty.until(PROMPT);
    assert!(screen.contains("[redacted:aws_key]"), "{screen}");
    assert!(
        !screen.contains(AWS) && !screen.contains("\u{1b}[2J"),
        "{screen}"
    );
    assert!(screen.contains("\\u001b[2J\\u{202e}\\n"), "{screen}");
    pty.types("y\n");
    assert_eq!(said.await.unwrap().unwrap(), text);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_typed_before_the_question_is_no_answer() {
    let mut pty = Pty::new();
    let (_registry, scope, _asks) = asked_at(&pty);
    pty.types("y\n");
    pty.has_typed();
    let said = call(&scope, "tea");
    pty.until(PROMPT);
    pty.types("n\n");
    assert_eq!(reason(said.await.unwrap()), "denied at the terminal");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_answer_is_a_no_that_says_why() {
    for (typed, why) in [
        ("\u{4}", "ended without an answer"),
        (&*format!("{}\n", "y".repeat(100)), "too long"),
    ] {
        let mut pty = Pty::new();
        let (_registry, scope, _asks) = asked_at(&pty);
        let said = call(&scope, "tea");
        pty.until(PROMPT);
        pty.types(typed);
        let said = reason(said.await.unwrap());
        assert!(said.contains(why), "{said}");
        pty.until("hookpoint: refused: ");
    }
    let mut pty = Pty::new();
    let (_registry, scope, _asks) = asked_at(&pty);
    assert!(
        TerminalApprover::new()
            .device(&pty.path)
            .available()
            .is_ok()
    );
    let said = call(&scope, "tea");
    pty.until(PROMPT);
    let line = pty.hang_up();
    let said = reason(said.await.unwrap());
    assert!(said.contains("hung up") || said.contains("ended"), "{said}");
    drop(line);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_nobody_can_answer_the_call_is_refused_at_once() {
    let pty = Pty::new();
    let mut modes = tcgetattr(&pty.line).unwrap();
    modes.local_modes.remove(LocalModes::ICANON);
    tcsetattr(&pty.line, OptionalActions::Now, &modes).unwrap();
    for (path, why) in [
        (pty.path.clone(), "key by key"),
        (PathBuf::from("/dev/null"), "no terminal"),
        (PathBuf::from("/dev/no-such"), "no terminal"),
    ] {
        let (registry, scope) = isolated();
        let _asks = asking(&registry, "Say it?");
        let approver = TerminalApprover::new().device(&path);
        let error = approver.available().unwrap_err().to_string();
        assert!(error.contains(why), "{error}");
        registry.set_approver(approver);
        let said = reason(scope.wrap(echo("tea".into())).await);
        assert!(said.contains(why), "{}: {said}", path.display());
    }
    assert!(pty.is_quiet(), "nothing was written into somebody's screen");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn questions_come_one_at_a_time_and_in_order() {
    let mut pty = Pty::new();
    let (_registry, scope, _asks) = asked_at(&pty);
    let first = call(&scope, "one");
    assert!(pty.until(PROMPT).contains("\"one\""));
    pty.until(" ");
    let second = call(&scope, "two");
    let third = call(&scope, "three");
    assert!(pty.is_quiet());
    for n in ["two", "three"] {
        pty.types("y\n");
        let screen = pty.until(PROMPT);
        // Which of two tasks comes first is the executor's; each is asked about by itself.
        assert_eq!(screen.matches("argument").count(), 1, "{n}: {screen}");
    }
    pty.types("n\n");
    assert_eq!(first.await.unwrap().unwrap(), "one");
    let allowed = [second.await.unwrap(), third.await.unwrap()];
    assert_eq!(allowed.iter().filter(|said| said.is_ok()).count(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_question_that_nobody_waits_for_is_taken_back() {
    let mut pty = Pty::new();
    let (_registry, scope, _asks) = asked_at(&pty);
    let dropped = call(&scope, "one");
    pty.until(PROMPT);
    let waits = call(&scope, "two");
    dropped.abort();
    assert!(dropped.await.unwrap_err().is_cancelled());
    pty.until("refused: nobody waits for the answer any more");
    assert!(pty.until(PROMPT).contains("\"two\""));
    pty.types("y\n");
    assert_eq!(waits.await.unwrap().unwrap(), "two");
}

#[tokio::test]
async fn a_late_answer_does_not_count() {
    let mut pty = Pty::new();
    let (registry, scope, clock) = with_fake_clock();
    let _asks = ApprovalHook::new("?").register(&registry, at()).unwrap();
    registry.set_approver(TerminalApprover::new().device(&pty.path).patience_s(60));
    let mut said = Box::pin(scope.wrap(echo("tea".into())));
    assert!(poll(&mut said).await.is_pending());
    pty.until(PROMPT);
    clock.advance(Duration::from_secs(61));
    assert!(reason(said.await).contains("no answer within 60s"));
    pty.until("refused: nobody waits");
}

#[test]
fn options_are_looked_at() {
    for (approver, wrong) in [
        (
            TerminalApprover::new().patience_s(0),
            "`patience_s` must be 1",
        ),
        (
            TerminalApprover::new().max_value_chars(0),
            "`max_value_chars` must be 1",
        ),
        (TerminalApprover::new().patterns(["x"]), "no pattern `x`"),
    ] {
        let error = approver.open().unwrap_err().to_string();
        assert!(error.contains(wrong), "{error}");
    }
}
