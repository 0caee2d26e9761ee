//! The first whole run, as the README shows it: on the repository's own files, under hooks of all three kinds.

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

fn run(args: &[&str]) -> (String, String) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("the workspace");
    let mut command = Command::new(env!("CARGO_BIN_EXE_hookpoint"));
    command
        .args(["run", "examples/lua/quickstart.lua"])
        .args(args)
        .current_dir(root);
    let output = command.output().expect("it starts");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "{}", text(&output.stderr));
    (text(&output.stdout), text(&output.stderr))
}

#[test]
fn the_quickstart_does_what_it_says() {
    let (text, _) = run(&[]);
    for line in [
        "hook\tshort-sums\tguard\texamples/lua/quickstart.lua:",
        "tool\thash_calculator\t",
        "sum\t42\n",
        "replaced\t42\n",
        "hash\tsha256\t64 digits\t",
        "refused by hook `short-sums`: too long to be a sum\n",
        "refused by hook `example-plugin.strong-hashes`: md5 is broken",
        "refused by hook `cli.workspace`: `../secret.txt` leads out of the folder",
        "agent\tThe total is 23.75 EUR.\t2 steps\tready\n",
        "agent tool\t4\n",
        "workflow\t3 steps\tcount ",
        "── report ──",
        ", 4 refused\n",
        "event\tstock.low\ttea\t1\n",
        "reply\t3\n",
        "heard\thook.tool.execute.refused\ttoo long to be a sum\n",
        "\nhook.tool.execute.refused                                         4\n",
        "\nsystem.startup                                                    1\n",
        "\nstock.count                                                       1\n",
        "by short-sums (examples/lua/quickstart.lua:",
        "by example-plugin.strong-hashes (examples/plugin/src/lib.rs:",
        "by cli.workspace (cli/src/run.rs:",
        "time in hooks ",
    ] {
        assert!(text.contains(line), "{line:?} is not in:\n{text}");
    }
    // The intercept trimmed the pattern and asked for three matches at most.
    assert_eq!(
        text.lines()
            .filter(|line| line.starts_with("found\t"))
            .count(),
        3,
        "{text}"
    );
}

#[test]
fn its_report_counts_what_happened() {
    let (text, _) = run(&["--json"]);
    let printed: Value = serde_json::from_str(&text).expect("JSON and nothing else");
    assert_eq!(
        printed["scripts"][0]["result"],
        json!({ "hooks": 3, "answer": 42 })
    );
    let report = &printed["report"];
    let execute = &report["points"]["tool.execute"];
    assert_eq!(execute["refused"], 4);
    assert_eq!(
        execute["calls"].as_u64(),
        execute["returned"].as_u64().map(|n| n + 4),
        "{execute}"
    );
    assert_eq!(
        report["points"]["agent.transition"]["calls"], 4,
        "init, start, finish, stop"
    );
    assert_eq!(report["points"]["workflow.step"]["returned"], 3);
    for (hook, said) in [
        ("tidy-search", "continue"),
        ("deep-thought", "replace"),
        ("short-sums", "cancel"),
    ] {
        assert!(
            report["hooks"][hook]["said"][said].as_u64() >= Some(1),
            "{hook} {said}"
        );
    }
    let (total, hooks) = (report["total_ns"].as_u64(), report["hook_ns"].as_u64());
    assert!(hooks > Some(0) && hooks < total, "{total:?} {hooks:?}");
}
