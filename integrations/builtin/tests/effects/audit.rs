//! Lines of the audit trail, what they keep to themselves, and what happens when they cannot be written.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::task::Poll;

use futures_util::StreamExt as _;
use hooks_builtin::{
    AuditHook, AuditRule, BuiltinHook as _, Placement, Registered, Severity, kind, verify,
};
use hooks_runtime::{HookRegistry, Outcome, Vote};
use serde_json::{Value, json};

use crate::kit::{Order, Runs};
use crate::kit::{ShopError, buy, chat, echo, isolated, order, write};

const AWS: &str = "AKIAABCDEFGHIJKLMNOP";
const LIMITED: &str = "HOOKS_BUILTIN_LIMITED_TRAIL";

fn place(registry: &HookRegistry, hook: AuditHook) -> Registered {
    hook.register(registry, Placement::new("audit").point("shop.*"))
        .unwrap()
}

fn lines(path: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(path).unwrap();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn folder() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("audit.jsonl");
    (folder, path)
}

#[test]
fn a_call_has_a_line_before_the_body_one_before_the_result_and_one_at_its_end() {
    let (_folder, path) = folder();
    let (registry, scope) = isolated();
    let _entered = scope.enter();
    let _audit = place(&registry, AuditHook::new(&path));
    let _limit = registry.guard("limit", "shop.buy", |cx| {
        let dear = cx.arg::<Order>("order")?.cents > 100;
        Ok(Vote::cancel_if(dear, format!("too dear for {AWS}")))
    });
    let runs = Runs::default();
    buy("corner", order(AWS, 1), &runs).unwrap();
    buy("corner", order(AWS, 200), &runs).unwrap_err();
    buy("corner", order("", 1), &runs).unwrap_err();
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(
        !text.contains(AWS) && !text.contains("an order of nothing"),
        "{text}"
    );
    let lines = lines(&path);
    let events: Vec<_> = lines.iter().map(|l| l["event"].as_str().unwrap()).collect();
    assert_eq!(
        events,
        ["call", "result", "done", "call", "done", "call", "done"]
    );
    assert_eq!(lines[0]["point"], "shop.buy");
    assert_eq!(lines[0]["component"], "corner");
    assert_eq!(lines[2]["outcome"], "returned");
    assert_eq!(lines[2]["call_id"], lines[0]["call_id"]);
    let refused = &lines[4];
    assert_eq!(
        (&refused["outcome"], &refused["severity"]),
        (&json!("refused"), &json!("warning"))
    );
    assert_eq!(refused["refused_by"], "limit");
    assert_eq!(refused["reason"], "too dear for [redacted:aws_key]");
    assert_eq!(
        (&refused["executed"], &lines[6]["outcome"]),
        (&json!(false), &json!("failed"))
    );
    let found = verify(&path).unwrap();
    assert_eq!((found.lines, found.torn_bytes), (7, 0));
    assert_eq!(lines[6]["hash"], found.head);
    use std::os::unix::fs::PermissionsExt as _;
    assert_eq!(
        std::fs::metadata(&path).unwrap().permissions().mode() & 0o777,
        0o600
    );
}

#[test]
fn values_are_written_if_asked_for_and_redacted() {
    let (_folder, path) = folder();
    let (registry, scope) = isolated();
    let _entered = scope.enter();
    let options = json!({
        "path": path,
        "refuse": true,
        "fsync_every": 2,
        "values": true,
        "max_value_bytes": 60,
        "rules": [
            { "point": "shop.write", "component": "back", "severity": "warning" },
            { "outcome": "failed", "severity": "critical" },
        ],
        "min_severity": "warning",
        "patterns": ["secrets"],
        "regexes": { "badge": "B-[0-9]{4}" },
        "keys": ["password", "pin"],
    });
    let at = Placement::new("audit").point("shop.*");
    let hooks = kind("audit").unwrap().prepare(options, &at).unwrap();
    let _audit = registry.replace(&[], hooks).unwrap();
    let data = json!({ "pin": "1", "badge": "B-1234", "key": AWS });
    write("back", "x".repeat(61), data.clone(), Some("hunter".into())).unwrap();
    // It matters too little.
    write("corner", "x".into(), data, None).unwrap();
    write("corner", format!("fail {AWS}"), Value::Null, None).unwrap_err();
    let lines = lines(&path);
    assert_eq!(lines.len(), 4, "{lines:#?}");
    let args = json!({
        "shop": "back",
        "text": { "bytes": 63 },
        "data": { "pin": "[redacted:key]", "badge": "[redacted:badge]", "key": "[redacted:aws_key]" },
        "password": "[redacted:key]",
    });
    assert_eq!(lines[0]["args"], args);
    assert!(lines[1]["result"]["bytes"].is_u64(), "{}", lines[1]);
    assert_eq!(lines[3]["severity"], "critical");
    assert_eq!(verify(&path).unwrap().lines, 4);
}

#[test]
fn changed_missing_and_moved_lines_are_found() {
    let (folder, path) = folder();
    {
        let (registry, scope) = isolated();
        let _entered = scope.enter();
        let _audit = place(&registry, AuditHook::new(&path).refuse(false));
        let runs = Runs::default();
        for cents in 0..4 {
            buy("corner", order("tea", cents), &runs).unwrap();
        }
    }
    let text = std::fs::read_to_string(&path).unwrap();
    let whole: Vec<&str> = text.lines().collect();
    assert_eq!(whole.len(), 4);
    let other = folder.path().join("other.jsonl");
    let check = |lines: &[&str]| {
        std::fs::write(&other, lines.join("\n") + "\n").unwrap();
        verify(&other)
            .map(|found| found.lines)
            .map_err(|e| e.to_string())
    };
    assert_eq!(check(&whole), Ok(4));
    let forged = whole[1].replace("corner", "korner");
    for (lines, at) in [
        (vec![whole[0], &forged, whole[2], whole[3]], "line 2"),
        (vec![whole[0], whole[2], whole[3]], "line 2"),
        (vec![whole[1], whole[2], whole[3]], "line 1"),
        (vec![whole[0], whole[1], whole[3], whole[2]], "line 3"),
        (vec![whole[0], whole[0], whole[1]], "line 2"),
        (vec!["{}", whole[0]], "line 1"),
    ] {
        let error = check(&lines).unwrap_err();
        assert!(error.contains(at), "{error}");
    }
    // A trail that is not whole is not gone on with.
    let at = Placement::new("audit").point("shop.*");
    let Err(error) = AuditHook::new(&other).prepare(&at) else {
        panic!("a broken trail was taken");
    };
    assert!(error.to_string().contains("line 1"), "{error}");
}

#[test]
fn a_trail_goes_on_where_it_was_and_says_what_was_torn() {
    let (_folder, path) = folder();
    let (registry, scope) = isolated();
    let _entered = scope.enter();
    let runs = Runs::default();
    {
        let _audit = place(&registry, AuditHook::new(&path).refuse(false));
        buy("corner", order("tea", 1), &runs).unwrap();
        // Another writer would break the chain.
        let at = Placement::new("second").point("shop.*");
        let Err(error) = AuditHook::new(&path).prepare(&at) else {
            panic!("two hooks write one file");
        };
        assert!(error.to_string().contains("another audit hook"), "{error}");
    }
    let mut bytes = std::fs::read(&path).unwrap();
    bytes.extend(b"{\"seq\":1,\"at\"");
    std::fs::write(&path, bytes).unwrap();
    assert_eq!(verify(&path).unwrap().torn_bytes, 13);
    let _audit = place(&registry, AuditHook::new(&path).refuse(false));
    buy("corner", order("tea", 1), &runs).unwrap();
    let found = verify(&path).unwrap();
    assert_eq!((found.lines, found.torn_bytes), (2, 0));
    assert_eq!(lines(&path)[1]["torn_bytes"], 13);
}

#[test]
fn eight_threads_write_one_chain() {
    let (_folder, path) = folder();
    let (registry, scope) = isolated();
    let _audit = place(&registry, AuditHook::new(&path).fsync_every(0));
    std::thread::scope(|threads| {
        for _ in 0..8 {
            threads.spawn(|| {
                let _entered = scope.enter();
                let runs = Runs::default();
                for _ in 0..100 {
                    buy("corner", order("tea", 1), &runs).unwrap();
                }
            });
        }
    });
    assert_eq!(verify(&path).unwrap().lines, 2400);
    let lines = lines(&path);
    let calls: HashSet<_> = lines
        .iter()
        .map(|l| l["call_id"].as_u64().unwrap())
        .collect();
    assert_eq!(calls.len(), 800);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn asynchronous_calls_streams_panics_and_dropped_futures_have_their_lines() {
    let (_folder, path) = folder();
    let (registry, scope) = isolated();
    let rule = AuditRule::new(Severity::Critical).point("shop.echo");
    let rules = [
        rule.component("none"),
        AuditRule::new(Severity::Info).outcome(Outcome::Cancelled),
    ];
    let _audit = place(&registry, AuditHook::new(&path).rules(rules));
    scope
        .wrap(async {
            echo("hello".into()).await.unwrap();
            let mut dropped = Box::pin(echo("dropped".into()));
            let polled = std::future::poll_fn(|cx| Poll::Ready(dropped.as_mut().poll(cx))).await;
            assert!(polled.is_pending());
            drop(dropped);
            let pieces = vec!["a".to_owned(), "b".to_owned(), "c".to_owned()];
            assert_eq!(chat(pieces).count().await, 3);
        })
        .await;
    let lines = lines(&path);
    let ends: Vec<_> = lines.iter().filter(|l| l["event"] == "done").collect();
    let outcomes: Vec<_> = ends
        .iter()
        .map(|l| l["outcome"].as_str().unwrap())
        .collect();
    assert_eq!(outcomes, ["returned", "cancelled", "returned"]);
    assert_eq!(ends[2]["items"], 3);
    assert_eq!(lines.len(), 7, "a stream has no line for each item");
    assert_eq!(verify(&path).unwrap().lines, 7);
}

#[test]
fn a_full_disk_refuses_calls_until_there_is_room() {
    let (_folder, path) = folder();
    // A limit on the size of files stands in for the disk; it holds for a whole process, so this is another one.
    let script =
        "trap '' XFSZ; ulimit -S -f 4; exec \"$0\" --exact audit::with_a_limited_trail --nocapture";
    let output = Command::new("bash")
        .args(["-c", script])
        .arg(std::env::current_exe().unwrap())
        .env(LIMITED, &path)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success() && text.contains("room again"),
        "{text}{errors}"
    );
    let found = verify(&path).unwrap();
    assert_eq!(found.torn_bytes, 0);
    let lines = lines(&path);
    assert!(
        lines.iter().any(|line| line["lost"].as_u64() >= Some(2)),
        "{lines:#?}"
    );
}

/// The other process of the test above; by itself it has nothing to do.
#[test]
fn with_a_limited_trail() {
    let Ok(path) = std::env::var(LIMITED) else {
        return;
    };
    let (registry, scope) = isolated();
    let _entered = scope.enter();
    let _audit = place(&registry, AuditHook::new(path));
    let runs = Runs::default();
    let refused = loop {
        let before = runs.count();
        match buy("corner", order("tea", 1), &runs) {
            Ok(_) => assert!(runs.count() < 100, "the trail was never full"),
            Err(ShopError::Refused(refusal)) if refusal.executed() => {
                assert_eq!(runs.count(), before + 1);
            }
            Err(error) => {
                assert_eq!(runs.count(), before, "the body ran without a line");
                break error.to_string();
            }
        }
    };
    assert!(
        refused.contains("the audit trail cannot be written"),
        "{refused}"
    );
    buy("corner", order("tea", 1), &runs).unwrap_err();
    let pid = format!("--pid={}", std::process::id());
    let raised = Command::new("prlimit")
        .args([&pid, "--fsize=unlimited"])
        .status();
    assert!(raised.unwrap().success());
    buy("corner", order("tea", 1), &runs).unwrap();
    println!("room again");
}

#[test]
fn bad_options_are_named() {
    let (folder, path) = folder();
    let at = Placement::new("audit").point("shop.*");
    let rule = AuditRule::new(Severity::Info).point("shop..buy");
    for (hook, what) in [
        (AuditHook::new(""), "`path`"),
        (AuditHook::new(folder.path()), "the audit trail"),
        (
            AuditHook::new(folder.path().join("no/such/folder")),
            "No such file",
        ),
        (AuditHook::new(&path).rules([rule]), "`rules`"),
        (AuditHook::new(&path).patterns(["secret"]), "`patterns`"),
        (
            AuditHook::new(&path)
                .min_severity(Severity::Info)
                .keys(["k"])
                .regexes([("x", "(")]),
            "`regexes`",
        ),
    ] {
        let Err(error) = hook.prepare(&at) else {
            panic!("{what} was taken");
        };
        assert!(error.to_string().contains(what), "{error}");
    }
    assert!(!path.exists(), "no file is made for options that cannot be");
}
