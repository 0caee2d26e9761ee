//! `hookpoint replay`: records that a program has written, and other hooks.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use hookpoint::builtin::{BuiltinHook as _, Placement, RecordsHook};
use hookpoint::{ArgLevel, HookRefusal, HookRegistry, HookScope, Vote, hooked};
use serde_json::{Value, json};

#[hooked(point = "replay_test.pay", component = to)]
fn pay(to: &str, cents: u64) -> Result<u64, HookRefusal> {
    let _ = to; // for hooks
    Ok(cents)
}

/// Payments of 5, 50 and 500 cents under a limit of 100.
fn records(folder: &Path, level: ArgLevel) -> PathBuf {
    let path = folder.join("records.jsonl");
    let registry = HookRegistry::new();
    let scope = HookScope::isolated(&registry);
    let _entered = scope.enter();
    let at = Placement::new("records").point("replay_test.*");
    let records = RecordsHook::new(&path).args(level).register(&registry, at);
    let records = records.expect("it is registered");
    let limit = registry.guard("limit", "replay_test.pay", |cx| {
        Ok(Vote::cancel_if(*cx.arg::<u64>("cents")? > 100, "over 100"))
    });
    let _limit = limit.expect("it is registered");
    for cents in [5, 50, 500] {
        assert_eq!(pay("shop", cents).is_ok(), cents <= 100);
    }
    drop(records);
    path
}

fn replay(records: &Path, with: &[&Path], args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hookpoint"));
    command.arg("replay").arg(records).args(args);
    for with in with {
        command.arg("--with").arg(with);
    }
    command.output().expect("it starts")
}

fn json(output: &Output) -> Value {
    let errors = String::from_utf8_lossy(&output.stderr);
    serde_json::from_slice(&output.stdout).unwrap_or_else(|e| panic!("{e}: {errors}"))
}

fn file(folder: &Path, name: &str, text: &str) -> PathBuf {
    let path = folder.join(name);
    std::fs::write(&path, text).expect("a file");
    path
}

/// A limit of 10 as a schema, beside a kind that cannot be run and one that only watches.
const SCHEMA: &str = r#"
[[hook]]
kind = "schema"
id = "small"
points = ["replay_test.pay"]
arguments = { cents = { maximum = 10 } }

[[hook]]
kind = "audit"
id = "audit"
points = ["replay_test.*"]
path = "must-not-be-made.jsonl"
"#;

#[test]
fn a_configuration_says_what_would_change_and_because_of_whom() {
    let folder = tempfile::tempdir().expect("a folder");
    let records = records(folder.path(), ArgLevel::Full);
    let rules = file(folder.path(), "rules.toml", SCHEMA);
    let output = replay(&records, &[&rules], &["--json"]);
    assert!(output.status.success());
    let found = json(&output);
    let counts = ["calls", "same", "changed", "undecidable"].map(|key| &found[key]);
    assert_eq!(counts, [3, 1, 2, 0], "{found}");
    assert_eq!(
        found["by_hook"]["small"],
        json!({ "refused": 2, "passes": 0 })
    );
    assert_eq!(
        found["by_hook"]["limit"],
        json!({ "refused": 0, "passes": 1 })
    );
    let shown = &found["shown"];
    assert_eq!(
        (&shown[0]["change"], &shown[0]["by"]),
        (&json!("refused"), &json!("small"))
    );
    assert!(
        shown[0]["at"]
            .as_str()
            .is_some_and(|at| at.ends_with("records.jsonl:2"))
    );
    assert_eq!(shown[1]["was_by"], "limit");

    let text = replay(&records, &[&rules], &[]);
    let text = String::from_utf8_lossy(&text.stdout).into_owned();
    assert!(
        text.contains("replay_test.pay shop: passed; small would refuse it"),
        "{text}"
    );
    assert!(
        text.ends_with("3 calls: 1 the same, 2 another way, 0 undecidable\n"),
        "{text}"
    );
    assert!(
        !Path::new("must-not-be-made.jsonl").exists(),
        "nothing is written"
    );

    let check = replay(&records, &[&rules], &["--check", "--max-shown", "0"]);
    assert_eq!(check.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&check.stdout).contains("… and 2 more"));
}

#[test]
fn a_script_decides_too() {
    let folder = tempfile::tempdir().expect("a folder");
    let records = records(folder.path(), ArgLevel::Full);
    let policy = file(
        folder.path(),
        "policy.lua",
        "Hook.register('replay_test.*', function(ctx)
            if ctx.args.cents > 100 then return Result.cancel('over 100') end
        end, {role = 'guard', pure = true, name = 'lua-limit'})",
    );
    let found = json(&replay(&records, &[&policy], &["--json", "--check"]));
    let counts = ["calls", "same", "changed"].map(|key| &found[key]);
    assert_eq!(counts, [3, 2, 1], "{found}");
    assert_eq!(found["shown"][0]["was_by"], "limit");
    assert_eq!(found["shown"][0]["by"], "lua-limit");
    assert_eq!(found["shown"][0]["reason"], "over 100");
}

#[test]
fn what_cannot_be_decided_is_said_with_its_reason() {
    let folder = tempfile::tempdir().expect("a folder");
    let records = records(folder.path(), ArgLevel::Digest);
    let rules = file(
        folder.path(),
        "rules.toml",
        &format!(
            "{SCHEMA}\n[[hook]]\nkind = \"rate_limit\"\nid = \"rate\"\npoints = [\"replay_test.*\"]\npermits = 1\nper_ms = 1000\n"
        ),
    );
    let output = replay(&records, &[&rules], &["--json", "--check"]);
    assert_eq!(output.status.code(), Some(1));
    let found = json(&output);
    assert_eq!(found["undecidable"], 3, "{found}");
    let open = found["open"].as_object().expect("reasons");
    let reasons: Vec<_> = open.keys().collect();
    assert!(
        reasons[0].starts_with("rate: it is not declared pure"),
        "{reasons:?}"
    );
    assert!(
        reasons[1].starts_with("small: the record does not hold"),
        "{reasons:?}"
    );
}

#[test]
fn mistakes_say_where() {
    let folder = tempfile::tempdir().expect("a folder");
    let rules = file(folder.path(), "rules.toml", SCHEMA);
    let wrong_kind = SCHEMA.replace("schema", "shema");
    let wrong_kind = file(folder.path(), "wrong.toml", &wrong_kind);
    let good = records(folder.path(), ArgLevel::Full);
    let lines = std::fs::read_to_string(&good).expect("records");
    let no_record = file(
        folder.path(),
        "a.jsonl",
        &format!("{lines}{{\"call_id\":1}}\n"),
    );
    let torn = file(folder.path(), "b.jsonl", lines.trim_end());
    for (records, with, wanted) in [
        (
            &no_record,
            &rules,
            ["a.jsonl", "line 4 is no record: missing field `point`"],
        ),
        (&torn, &rules, ["b.jsonl", "line 3 has no end"]),
        (
            &folder.path().join("none.jsonl"),
            &rules,
            ["none.jsonl", "No such file"],
        ),
        (
            &good,
            &wrong_kind,
            ["wrong.toml:2:1", "did you mean `schema`?"],
        ),
        (&good, &good, ["records.jsonl", "`.toml`"]),
    ] {
        let output = replay(records, &[with], &[]);
        assert_eq!(output.status.code(), Some(1));
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(wanted.iter().all(|part| error.contains(part)), "{error}");
    }
    let lost = file(
        folder.path(),
        "c.jsonl",
        &format!("{lines}{{\"lost\":7}}\n"),
    );
    assert_eq!(json(&replay(&lost, &[&rules], &["--json"]))["lost"], 7);
}
