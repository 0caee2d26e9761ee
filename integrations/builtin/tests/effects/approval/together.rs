//! One approval, one call: among threads, and among programs.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Barrier;
use std::sync::atomic::{AtomicUsize, Ordering};

use hooks_builtin::{ApprovalFolder, ApprovalState, TokenApprover};

use super::{asking, kept, pay, reason, token};
use crate::kit::isolated;

const FOLDER: &str = "HOOKS_BUILTIN_APPROVALS";
const QUESTION: &str = "Pay {args.data.cents}?";

#[test]
fn eight_threads_share_one_question_and_one_answer() {
    let keep = tempfile::tempdir().unwrap();
    let folder = keep.path().join("approvals");
    let (registry, scope) = isolated();
    let _asks = asking(&registry, QUESTION);
    registry.set_approver(TokenApprover::new(&folder));
    for round in 0..10 {
        let barrier = Barrier::new(8);
        let all = |call: &(dyn Fn() + Sync)| {
            std::thread::scope(|threads| {
                for _ in 0..8 {
                    threads.spawn(|| {
                        let _entered = scope.enter();
                        barrier.wait();
                        call();
                    });
                }
            });
        };
        all(&|| drop(token(&reason(pay("corner", round)))));
        let pending: Vec<_> = kept(&folder)
            .into_iter()
            .filter(|request| request.args["data"]["cents"] == round)
            .collect();
        assert_eq!(pending.len(), 1, "they asked one question");
        let decisions = ApprovalFolder::open(&folder).unwrap();
        decisions.allow(&pending[0].token).unwrap();
        let passed = AtomicUsize::new(0);
        all(&|| {
            if pay("corner", round).is_ok() {
                passed.fetch_add(1, Ordering::SeqCst);
            }
        });
        assert_eq!(passed.into_inner(), 1);
    }
}

/// What the programs run that the test below starts.
#[test]
fn pays_again_and_again_when_it_is_told_to() {
    let Ok(folder) = std::env::var(FOLDER) else {
        return;
    };
    let (registry, scope) = isolated();
    let _entered = scope.enter();
    let _asks = asking(&registry, QUESTION);
    registry.set_approver(TokenApprover::new(folder).open().unwrap());
    println!("\nready");
    let mut line = String::new();
    std::io::stdin().lock().read_line(&mut line).unwrap();
    let passed = (0..50).filter(|_| pay("corner", 7).is_ok()).count();
    println!("\npassed {passed}");
}

fn program(folder: &Path) -> std::process::Child {
    let mut command = Command::new(std::env::current_exe().unwrap());
    let test = "approval::together::pays_again_and_again_when_it_is_told_to";
    command
        .args(["--exact", test, "--nocapture"])
        .env(FOLDER, folder);
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    command.spawn().unwrap()
}

#[test]
fn of_two_programs_one_makes_the_call() {
    let keep = tempfile::tempdir().unwrap();
    let folder = keep.path().join("approvals");
    let asked = {
        let (registry, scope) = isolated();
        let _entered = scope.enter();
        let _asks = asking(&registry, QUESTION);
        registry.set_approver(TokenApprover::new(&folder));
        token(&reason(pay("corner", 7)))
    };
    ApprovalFolder::open(&folder)
        .unwrap()
        .allow(&asked)
        .unwrap();
    let mut programs = [program(&folder), program(&folder)];
    let mut outputs = programs.each_mut().map(|program| {
        let mut lines = BufReader::new(program.stdout.take().unwrap()).lines();
        assert!(lines.by_ref().any(|line| line.unwrap() == "ready"));
        lines
    });
    for program in &mut programs {
        program.stdin.take().unwrap().write_all(b"go\n").unwrap();
    }
    let passed = outputs.each_mut().map(|lines| {
        let said = lines.map(|line| line.unwrap());
        let passed = said.filter_map(|line| line.strip_prefix("passed ")?.parse::<usize>().ok());
        passed.sum::<usize>()
    });
    for program in &mut programs {
        assert!(program.wait().unwrap().success());
    }
    assert_eq!(passed.iter().sum::<usize>(), 1, "{passed:?}");
    let states: Vec<_> = kept(&folder)
        .into_iter()
        .map(|request| request.state)
        .collect();
    assert_eq!(states, [ApprovalState::Used, ApprovalState::Pending]);
}
