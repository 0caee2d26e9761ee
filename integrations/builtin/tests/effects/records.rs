//! Records in files, and what is decided about them once more.

use std::path::{Path, PathBuf};

use hooks_builtin::{
    BuiltinHook as _, Full, Placement, RecordsHook, RedactionHook, Registered, kind,
};
use hooks_runtime::{ArgLevel, Change, HookRegistry, Outcome, RecordedCall, Vote};
use serde_json::{Value, json};

use crate::kit::{Order, Runs, buy, isolated, order, refused_options};

const AWS: &str = "AKIAABCDEFGHIJKLMNOP";

fn place(registry: &HookRegistry, hook: RecordsHook) -> Registered {
    hook.register(registry, Placement::new("records").point("shop.*"))
        .unwrap()
}

fn folder() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("records.jsonl");
    (folder, path)
}

fn lines(path: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(path).unwrap();
    let lines = text.lines().map(serde_json::from_str);
    lines.collect::<Result<_, _>>().unwrap()
}

/// Buys for 1 cent, for 200, which is refused, and nothing, which fails.
fn three_calls(registry: &HookRegistry) {
    let limit = registry.guard("limit", "shop.buy", |cx| {
        let order = cx.arg::<Order>("order")?;
        let reason = format!("too dear: {}", order.item);
        Ok(Vote::cancel_if(order.cents > 100, reason))
    });
    let _limit = limit.unwrap();
    let runs = Runs::default();
    buy("corner", order(AWS, 1), &runs).unwrap();
    buy("corner", order(AWS, 200), &runs).unwrap_err();
    buy("corner", order("", 1), &runs).unwrap_err();
}

/// The lines of three calls.
fn recorded(hook: impl FnOnce(&Path) -> RecordsHook) -> (Vec<Value>, String) {
    let (_folder, path) = folder();
    let (registry, scope) = isolated();
    let _entered = scope.enter();
    registry.set_redactor(RedactionHook::new().redactor().unwrap());
    let records = place(&registry, hook(&path));
    three_calls(&registry);
    drop(records);
    (lines(&path), std::fs::read_to_string(&path).unwrap())
}

#[test]
fn each_call_is_a_line_without_secrets() {
    let (lines, text) = recorded(|path| RecordsHook::new(path));
    assert!(
        !text.contains(AWS) && !text.contains("an order of nothing"),
        "{text}"
    );
    let outcomes: Vec<_> = lines
        .iter()
        .map(|l| l["outcome"].as_str().unwrap())
        .collect();
    assert_eq!(outcomes, ["returned", "refused", "failed"]);
    assert_eq!(
        lines[1]["refusal"]["reason"],
        "too dear: [redacted:aws_key]"
    );
    assert_eq!(
        lines[1]["hooks"][0]["reason"],
        "too dear: [redacted:aws_key]"
    );
    assert_eq!(lines[0]["component"], "corner");
    assert_eq!(lines[0]["args"][1]["name"], "order");
    assert!(lines[0]["args"][1]["digest"].is_string() && lines[0]["args"][1]["value"].is_null());
    assert!(lines[0]["at_ms"].as_u64().unwrap() > 1_700_000_000_000);
}

#[test]
fn arguments_are_there_at_the_level_that_was_chosen() {
    for (level, item) in [
        (ArgLevel::Names, None),
        (ArgLevel::Redacted, Some("[redacted:aws_key]")),
        (ArgLevel::Full, Some(AWS)),
    ] {
        let (lines, text) = recorded(|path| RecordsHook::new(path).args(level));
        assert_eq!(
            lines[0]["args"][1]["value"]["item"],
            json!(item),
            "{level:?}"
        );
        assert_eq!(text.contains(AWS), level == ArgLevel::Full, "{level:?}");
        assert_eq!(
            text.contains("digest"),
            level > ArgLevel::Names,
            "{level:?}"
        );
    }
}

#[test]
fn only_the_calls_that_are_wanted() {
    let only = [Outcome::Refused, Outcome::Failed];
    let (lines, _) = recorded(|path| RecordsHook::new(path).only(only));
    assert_eq!(lines.len(), 2);
    assert_eq!(lines[0]["outcome"], "refused");
}

#[test]
fn what_was_written_is_decided_about_once_more() {
    let (lines, _) = recorded(|path| RecordsHook::new(path).args(ArgLevel::Full));
    let lax = HookRegistry::new();
    let limit = lax.on("lax").point("shop.buy").pure();
    let limit = limit.guard(|cx| {
        let order = cx.arg_json("order")?;
        Ok(Vote::cancel_if(order["item"] == "", "an order of nothing"))
    });
    limit.unwrap().forget();
    let calls = lines
        .into_iter()
        .map(serde_json::from_value::<RecordedCall>);
    let changes: Vec<Change> = calls
        .map(|call| lax.replay(&call.unwrap()).unwrap().change)
        .collect();
    let passes = Change::Passes {
        was_by: "limit".into(),
        reason: "too dear: [redacted:aws_key]".into(),
    };
    let refused = Change::Refused {
        by: "lax".into(),
        reason: "an order of nothing".into(),
    };
    assert_eq!(changes, [Change::None, passes, refused]);
}

#[test]
fn long_files_are_put_aside_and_the_oldest_goes() {
    let (_folder, path) = folder();
    let (registry, scope) = isolated();
    let _entered = scope.enter();
    let hook = RecordsHook::new(&path).max_file_bytes(4096).keep(2);
    let records = place(&registry, hook);
    let runs = Runs::default();
    for cents in 0..200 {
        buy("corner", order("tea", cents), &runs).unwrap();
    }
    drop(records);
    let numbered = |number: u32| path.with_extension(format!("jsonl.{number}"));
    let ids = |path: &Path| -> Vec<u64> {
        let ids = lines(path).into_iter().map(|l| l["call_id"].as_u64());
        ids.collect::<Option<_>>().unwrap()
    };
    let all = [ids(&numbered(2)), ids(&numbered(1)), ids(&path)].concat();
    assert!(all.is_sorted() && all.len() > 10, "{all:?}");
    assert!(all.windows(2).all(|two| two[1] == two[0] + 1), "{all:?}");
    for older in [numbered(1), numbered(2)] {
        let length = std::fs::metadata(older).unwrap().len();
        assert!((4096..8192).contains(&length), "{length}");
    }
    assert!(!numbered(3).exists());
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}

#[test]
fn records_of_eight_threads_are_all_written_or_counted() {
    for when_full in [Full::Drop, Full::Wait] {
        let (_folder, path) = folder();
        let (registry, scope) = isolated();
        let hook = RecordsHook::new(&path).capacity(8).when_full(when_full);
        let records = place(&registry, hook);
        std::thread::scope(|threads| {
            for _ in 0..8 {
                threads.spawn(|| {
                    let _entered = scope.enter();
                    let runs = Runs::default();
                    for cents in 0..500 {
                        buy("corner", order("tea", cents), &runs).unwrap();
                    }
                });
            }
        });
        drop(records);
        let (mut ids, mut lost) = (Vec::new(), 0);
        for line in lines(&path) {
            match line["lost"].as_u64() {
                Some(count) => lost += count,
                None => ids.push(line["call_id"].as_u64().unwrap()),
            }
        }
        let written = ids.len();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), written, "none twice");
        assert_eq!(written as u64 + lost, 4000, "{when_full:?}");
        assert!(lost == 0 || when_full == Full::Drop, "{lost} lost");
    }
}

#[test]
fn a_file_goes_on_and_has_one_writer() {
    let (_folder, path) = folder();
    let (registry, scope) = isolated();
    let _entered = scope.enter();
    for round in 1..=2 {
        let records = place(&registry, RecordsHook::new(&path));
        let second = RecordsHook::new(&path).prepare(&Placement::new("second").point("shop.*"));
        let error = second.map(drop).unwrap_err().to_string();
        assert!(error.contains("another hook writes it"), "{error}");
        three_calls(&registry);
        drop(records);
        assert_eq!(lines(&path).len(), 3 * round);
    }
}

#[test]
fn a_configuration_has_the_same_words() {
    let (_folder, path) = folder();
    let options = json!({
        "path": path, "args": "redacted", "only": ["refused"], "max_file_bytes": 10_000, "keep": 1,
        "max_age_ms": 5, "capacity": 10, "when_full": "wait",
    });
    let (registry, scope) = isolated();
    let _entered = scope.enter();
    let at = Placement::new("records").point("shop.*");
    let hooks = kind("records").unwrap().prepare(options, &at).unwrap();
    let records = Registered::all(&registry, hooks).unwrap();
    three_calls(&registry);
    drop(records);
    let lines = lines(&path);
    assert_eq!(lines.len(), 1);
    assert_eq!(
        lines[0]["args"][1]["value"]["item"], "<text>",
        "no redactor was set"
    );
}

#[test]
fn mistakes_are_named() {
    let (folder, path) = folder();
    let nowhere = folder.path().join("no/such/folder/records.jsonl");
    for (options, wanted) in [
        (json!({}), "`path` must be given"),
        (json!({ "path": nowhere }), "no/such/folder"),
        (
            json!({ "path": path, "keep": 1001 }),
            "`keep` must be at most 1000",
        ),
        (
            json!({ "path": path, "max_file_bytes": 100 }),
            "at least 4096",
        ),
        (json!({ "path": path, "max_age_ms": 0 }), "`max_age_ms`"),
        (json!({ "path": path, "capacity": 0 }), "`capacity`"),
        (json!({ "path": path, "args": "all" }), "`redacted`"),
        (json!({ "path": path, "when_full": "block" }), "`drop`"),
    ] {
        let error = refused_options("records", options);
        assert!(error.contains(wanted), "{error}");
    }
}
