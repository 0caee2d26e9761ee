//! Runs every row of `docs/reference/decisions.csv`.

use std::any::Any;
use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::time::Duration;

use hookpoint::test::{TestRegistry, registry};
use hookpoint::{
    Approval, ApprovalRequest, GuardContext, HookContext, HookError, HookRefusal, HookResult,
    HookScope, OnFailure, Phase, Priority, Reach, Vote,
};
use serde_json::json;

use crate::sites::{Behaviour, Error, Out, Probe, asynchronous, blocking};

#[cfg(feature = "lua")]
mod lua;

/// One row, by column name; `notes` by its own words.
struct Row {
    columns: HashMap<String, String>,
    notes: HashMap<String, String>,
}

impl Row {
    fn get(&self, column: &str) -> &str {
        &self.columns[column]
    }
    fn note(&self, word: &str) -> Option<&str> {
        self.notes.get(word).map(String::as_str)
    }
    fn phase(&self) -> Phase {
        match self.get("phase") {
            "pre" => Phase::Pre,
            "post" => Phase::Post,
            "error" => Phase::Error,
            _ => Phase::Done,
        }
    }
}

fn rows() -> Vec<Row> {
    let text = include_str!("../../docs/reference/decisions.csv");
    let mut lines = text.lines();
    let header: Vec<&str> = lines.next().expect("a header").split(',').collect();
    let row = |line: &str| {
        let cells: Vec<&str> = line.split(',').collect();
        assert_eq!(cells.len(), header.len(), "{line}");
        let columns: HashMap<_, _> = header
            .iter()
            .map(|h| (*h).to_owned())
            .zip(cells.iter().map(|c| (*c).to_owned()))
            .collect();
        let words = cells[header.len() - 1]
            .split(';')
            .map(str::trim)
            .filter(|w| !w.is_empty());
        let notes = words
            .filter_map(|w| w.split_once('='))
            .map(|(k, v)| (k.into(), v.into()))
            .collect();
        Row { columns, notes }
    };
    lines.map(row).collect()
}

/// What the hook of a row does; shared with its closure.
struct Script {
    answer: String,
    phase: Phase,
    changes: bool,
    /// After the row: let calls pass.
    done: AtomicBool,
}

impl Script {
    fn answer(&self, cx: &mut HookContext<'_>) -> Result<HookResult, HookError> {
        if !self.takes_turn(cx) {
            return Ok(HookResult::Continue);
        }
        if self.changes {
            match self.phase {
                Phase::Pre => cx.arg_mut::<String>("input")?.push('!'),
                _ => cx.result_mut::<Out>()?.text.push('!'),
            }
        }
        Ok(match self.answer.as_str() {
            "replace" => HookResult::replace(Out::new("replaced")),
            "replace_wrong_type" => HookResult::replace(7_u8),
            "replace_json" => HookResult::replace_json(json!({ "text": "replaced" })),
            "cache" => HookResult::cache("key", Duration::from_secs(60)),
            "redirect" => HookResult::redirect("other"),
            "retry" => HookResult::retry(Duration::ZERO, 3),
            _ => self.vote()?.into(),
        })
    }

    fn takes_turn(&self, cx: &GuardContext<'_>) -> bool {
        !self.done.load(Ordering::SeqCst)
            && cx.phase() == self.phase
            && cx.component() == Some("main")
    }

    fn vote(&self) -> Result<Vote, HookError> {
        Ok(match self.answer.as_str() {
            "continue" => Vote::Pass,
            "allow" => Vote::Allow,
            "ask" | "ask_approved" | "ask_denied" => Vote::ask("may it?"),
            "cancel" => Vote::cancel("no"),
            "halt" | "halt_in_run" => Vote::halt("no more"),
            "halt_root" => Vote::Halt {
                reason: "no more".into(),
                reach: Reach::Root,
            },
            "fail" => return Err(HookError::other("the hook fails")),
            "panic" => panic!("the hook panics"),
            other => panic!("the table has an answer that this test does not know: {other}"),
        })
    }

    fn guard(&self, cx: &GuardContext<'_>) -> Result<Vote, HookError> {
        if self.takes_turn(cx) {
            self.vote()
        } else {
            Ok(Vote::Pass)
        }
    }
}

/// Pends once and wakes itself.
async fn pend_once() {
    let mut pended = false;
    std::future::poll_fn(|cx| {
        if std::mem::replace(&mut pended, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

fn register(row: &Row, kit: &TestRegistry, script: &Arc<Script>, seen: &Seen) -> Kept {
    let pattern = &pattern(row);
    let mut hook = kit.on("hook").point(pattern.as_str()).may_retry();
    if row.get("on_failure") == "open" {
        hook = hook.on_failure(OnFailure::Open);
    }
    let pends = row.get("hook") == "async_pending";
    let s = script.clone();
    let guard = match (row.get("role"), row.get("hook")) {
        ("observe", _) => {
            let (seen, fails) = (seen.clone(), row.get("answer") == "panic");
            hook.observe(move |record| {
                if record.component() == Some("main") {
                    seen.lock().unwrap().push(record.outcome().as_str().into());
                }
                assert!(!fails, "the observer panics");
            })
        }
        ("intercept", "sync") => hook.pre().post().error().intercept(move |cx| s.answer(cx)),
        ("intercept", _) => hook
            .pre()
            .post()
            .error()
            .intercept_async_with(s, move |s, cx| {
                Box::pin(async move {
                    if pends && s.takes_turn(cx) {
                        pend_once().await;
                    }
                    s.answer(cx)
                })
            }),
        ("guard", "sync") => hook.pre().post().guard(move |cx| s.guard(cx)),
        _ => hook.pre().post().guard_async_with(s, move |s, cx| {
            Box::pin(async move {
                if pends && s.takes_turn(cx) {
                    pend_once().await;
                }
                s.guard(cx)
            })
        }),
    };
    guard.expect("the row's hook is registered").forget();
    Box::new(())
}

/// The outcomes that the row's observer was told.
type Seen = Arc<Mutex<Vec<String>>>;

/// What has to live as long as the row's hook.
type Kept = Box<dyn Any>;

/// Registers the row's hook, which is called `hook`.
type Register = fn(&Row, &TestRegistry, &Arc<Script>, &Seen) -> Kept;

fn pattern(row: &Row) -> String {
    match row.note("register") {
        Some("pattern") => "decisions.*".into(),
        _ => format!("decisions.{}", row.get("site")),
    }
}

fn companion(row: &Row, kit: &TestRegistry, pattern: &str) {
    let companion = kit.on("companion").point(pattern).priority(Priority::HIGH);
    let guard = match row.note("with") {
        None => return,
        Some("grant") => companion.guard(|_| Ok(Vote::Allow)),
        Some("cancel") => companion.guard(|_| Ok(Vote::cancel("the companion says no"))),
        Some("cancel_target") => companion.guard(|cx| {
            Ok(Vote::cancel_if(
                cx.component() == Some("other"),
                "not that one",
            ))
        }),
        Some("earlier_replace") => companion.intercept(|_| HookResult::replace(Out::new("other"))),
        Some(other) => panic!("the table has a companion that this test does not know: {other}"),
    };
    guard.expect("the companion is registered").forget();
}

/// What the caller of the site got.
#[derive(Debug, PartialEq)]
enum Got {
    Value(String),
    Error,
    Refusal { executed: bool },
    Panic,
}

fn of_result(result: Result<Out, Error>) -> Got {
    match result {
        Ok(out) => Got::Value(out.text),
        Err(Error::Body) => Got::Error,
        Err(Error::Refused(refusal)) => of_refusal(&refusal),
    }
}

fn of_refusal(refusal: &HookRefusal) -> Got {
    Got::Refusal {
        executed: refusal.executed(),
    }
}

fn of_value(out: Out) -> Got {
    match out.text.strip_prefix("refused executed=") {
        Some(executed) => Got::Refusal {
            executed: executed == "true",
        },
        None => Got::Value(out.text),
    }
}

fn call(row: &Row, site: &str, probe: &Probe) -> Got {
    let input = || "input".to_owned();
    let called = catch_unwind(AssertUnwindSafe(|| match row.get("site_mode") {
        "sync" => match site {
            "fallible" => of_result(blocking::fallible(input(), probe)),
            "fallible_once" => of_result(blocking::fallible_once(input(), probe, &mut 0)),
            "infallible" => of_value(blocking::infallible(input(), probe)),
            "observe" => of_value(blocking::observe(input(), probe)),
            _ => of_result(blocking::closed(input(), probe)),
        },
        _ => futures_executor(async {
            match site {
                "fallible" => of_result(asynchronous::fallible(input(), probe).await),
                "fallible_once" => {
                    of_result(asynchronous::fallible_once(input(), probe, &mut 0).await)
                }
                "infallible" => of_value(asynchronous::infallible(input(), probe).await),
                "observe" => of_value(asynchronous::observe(input(), probe).await),
                _ => of_result(asynchronous::closed(input(), probe).await),
            }
        }),
    }));
    called.unwrap_or(Got::Panic)
}

fn futures_executor<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("a runtime")
        .block_on(future)
}

/// Runs a row; what differs from the table, in words.
fn run(row: &Row, register: Register) -> Vec<String> {
    let kit = registry();
    let _entered = kit.enter();
    let script = Arc::new(Script {
        answer: row.get("answer").into(),
        phase: row.phase(),
        changes: row.note("changed") == Some("yes"),
        done: AtomicBool::new(false),
    });
    let seen = Arc::new(Mutex::new(Vec::new()));
    let _kept = register(row, &kit, &script, &seen);
    companion(row, &kit, &pattern(row));
    let asked = Arc::new(AtomicUsize::new(0));
    if row.get("approver") != "none" {
        let (asked, allows) = (asked.clone(), row.get("approver") == "allows");
        kit.set_approver(move |request: &ApprovalRequest| -> Approval {
            asked.fetch_add(1, Ordering::SeqCst);
            if allows {
                request.allow()
            } else {
                request.deny("no")
            }
        });
    }
    let behaviour = match row.note("body") {
        Some("err") => Behaviour::Error,
        Some("err_then_ok") => Behaviour::ErrorThenValue,
        Some("panic") => Behaviour::Panic,
        _ => Behaviour::Value,
    };
    let probe = Probe {
        behaviour,
        ..Probe::default()
    };
    let calls = row
        .note("calls")
        .map_or(1, |n| n.parse().expect("a number"));
    let outer = HookScope::run("outer");
    let entered_outer = (row.get("in_run") != "no").then(|| outer.enter());
    let mut got = Got::Panic;
    {
        let inner = (row.get("in_run") == "nested").then(|| HookScope::run("inner"));
        let _entered_inner = inner.as_ref().map(|run| run.enter());
        for _ in 0..calls {
            got = call(row, row.get("site"), &probe);
        }
    }
    let records: Vec<_> = kit
        .records()
        .into_iter()
        .filter(|r| r.component() == Some("main"))
        .collect();
    let mut wrong = Vec::new();
    let mut check = |what: &str, actual: String, expected: &str| {
        if actual != expected {
            wrong.push(format!("{what}: expected {expected}, got {actual}"));
        }
    };
    check("result", shown(&got, row), row.get("result"));
    check(
        "body_runs",
        probe.runs.load(Ordering::SeqCst).to_string(),
        row.get("body_runs"),
    );
    check(
        "calls recorded",
        records.len().to_string(),
        &calls.to_string(),
    );
    for record in &records {
        check(
            "outcome",
            record.outcome().as_str().into(),
            row.get("outcome"),
        );
    }
    if let Some(record) = records.last() {
        let hook = record
            .hooks()
            .iter()
            .filter(|h| &*h.hook == "hook" && h.phase == row.phase());
        let hook: Vec<_> = hook.collect();
        let errors: Vec<_> = hook.iter().filter_map(|h| h.error).collect();
        let notes: Vec<_> = hook.iter().filter_map(|h| h.note).collect();
        let recorded = match row.get("recorded") {
            note @ ("outranked" | "unenforceable") => notes.iter().find(|n| **n == note).copied(),
            _ => errors.first().copied(),
        };
        check(
            "recorded",
            recorded.unwrap_or("-").into(),
            row.get("recorded"),
        );
        if let Some(vote) = row.note("vote") {
            check("vote", notes.first().copied().unwrap_or("-").into(), vote);
        }
    }
    let violated = !kit.violations().is_empty();
    check(
        "violation",
        if violated { "yes" } else { "no" }.into(),
        row.get("violation"),
    );
    if let (Some(executed), Got::Refusal { executed: actual }) = (row.note("executed"), &got) {
        check(
            "executed",
            if *actual { "yes" } else { "no" }.into(),
            executed,
        );
    }
    if let Some(times) = row.note("asked") {
        check("asked", asked.load(Ordering::SeqCst).to_string(), times);
    }
    if let Some(runs) = row.note("target_runs") {
        check(
            "target_runs",
            probe.other_runs.load(Ordering::SeqCst).to_string(),
            runs,
        );
    }
    if row.get("role") == "observe" {
        let seen = seen.lock().unwrap().clone();
        check(
            "observed",
            format!("{seen:?}"),
            &format!("{:?}", vec![row.get("outcome"); calls]),
        );
    }
    if let Some(next) = row.note("next") {
        script.done.store(true, Ordering::SeqCst);
        kit.set_enabled("hook", false)
            .expect("the row's hook is registered");
        let actual = match call(row, "fallible", &Probe::default()) {
            Got::Refusal { .. } => "refused",
            Got::Value(_) => "runs",
            _ => "something else",
        };
        check("next", actual.into(), next);
    }
    drop(entered_outer);
    wrong
}

fn shown(got: &Got, row: &Row) -> String {
    match got {
        Got::Refusal { .. } => "refusal".into(),
        Got::Error => "error".into(),
        Got::Panic => "-".into(),
        Got::Value(text) => match (text.as_str(), row.get("result")) {
            ("body", expected @ ("cached" | "retried")) => expected.into(),
            ("other", "replaced") if row.note("value") == Some("other") => "replaced".into(),
            (text, _) => text.into(),
        },
    }
}

/// Runs rows with hooks that `register` makes; fails if a cell differs.
fn all_hold<'r>(rows: impl Iterator<Item = &'r Row>, register: Register) {
    let differs = |row: &Row| -> Vec<String> {
        let differs = run(row, register).into_iter();
        differs
            .map(|cell| format!("{}: {cell}", row.get("id")))
            .collect()
    };
    let wrong: Vec<String> = rows.flat_map(differs).collect();
    let some: Vec<_> = wrong.iter().take(60).cloned().collect();
    assert!(
        wrong.is_empty(),
        "{} cells differ, among them:\n{}",
        wrong.len(),
        some.join("\n")
    );
}

#[test]
fn every_row_of_the_decision_table_holds() {
    crate::sites::quiet();
    let rows = rows();
    assert!(rows.len() > 1000, "only {} rows were read", rows.len());
    all_hold(rows.iter(), register);
}
