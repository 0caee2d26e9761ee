use std::sync::Arc;

use hooks_tools::fs::{FileSearch, FileSearchOutput, Root};
use hooks_tools::{Tool, ToolError};
use serde_json::{Value, json};

fn tree(files: &[(&str, &str)]) -> (tempfile::TempDir, FileSearch) {
    let temp = tempfile::tempdir().unwrap();
    for (path, text) in files {
        let path = temp.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    let tool = FileSearch::beneath(Arc::new(Root::open(temp.path()).unwrap()));
    (temp, tool)
}

fn sources() -> (tempfile::TempDir, FileSearch) {
    tree(&[
        ("a.rs", "fn one() {}\nlet x = 1;\nfn two() {}\n"),
        ("b.txt", "one (two)\r\nFN three\r\n"),
        ("deep/er/c.rs", "// fn four\n"),
        ("deep/notes.md", "nothing\n"),
        (".secret", "fn hidden\n"),
        (".gitignore", "ignored/\n"),
        ("ignored/d.rs", "fn ignored\n"),
    ])
}

async fn search(tool: &FileSearch, params: Value) -> FileSearchOutput {
    tool.execute(params).await.unwrap().read().unwrap()
}

async fn found(tool: &FileSearch, params: Value) -> Vec<String> {
    search(tool, params)
        .await
        .matches
        .iter()
        .map(|m| format!("{}:{}:{}", m.path, m.line, m.column))
        .collect()
}

#[tokio::test]
async fn finds_by_expression_by_text_and_without_case() {
    let (_temp, tool) = sources();
    assert_eq!(
        found(&tool, json!({"pattern": r"fn \w+"})).await,
        ["a.rs:1:1", "a.rs:3:1", "deep/er/c.rs:1:4"]
    );
    assert_eq!(
        found(&tool, json!({"pattern": "(two)", "literal": true})).await,
        ["b.txt:1:5"]
    );
    assert_eq!(
        found(&tool, json!({"pattern": "^fn t", "ignore_case": true})).await,
        ["a.rs:3:1", "b.txt:2:1"]
    );
    assert!(found(&tool, json!({"pattern": "absent"})).await.is_empty());
    let output = search(&tool, json!({"pattern": "three"})).await;
    assert_eq!(output.matches[0].text, "FN three");
    assert_eq!((output.files_searched, output.truncated), (4, false));
}

#[tokio::test]
async fn globs_and_directories_narrow_the_search() {
    let (temp, tool) = sources();
    let pattern = "fn|nothing";
    assert_eq!(
        found(&tool, json!({"pattern": pattern, "globs": ["*.md"]})).await,
        ["deep/notes.md:1:1"]
    );
    assert_eq!(
        found(&tool, json!({"pattern": pattern, "globs": ["!*.rs"]})).await,
        ["deep/notes.md:1:1"]
    );
    assert_eq!(
        found(&tool, json!({"pattern": pattern, "path": "deep"})).await,
        ["deep/er/c.rs:1:4", "deep/notes.md:1:1"]
    );
    let absolute = temp.path().canonicalize().unwrap().join("deep/er");
    assert_eq!(
        found(&tool, json!({"pattern": pattern, "path": absolute})).await,
        ["deep/er/c.rs:1:4"]
    );
    let shallow = tool.max_depth(1);
    assert_eq!(
        found(&shallow, json!({"pattern": "four|one"})).await,
        ["a.rs:1:4", "b.txt:1:1"]
    );
}

#[tokio::test]
async fn hidden_and_ignored_files_are_left_out_unless_asked_for() {
    let (_temp, tool) = sources();
    assert!(
        found(&tool, json!({"pattern": "hidden|ignored"}))
            .await
            .is_empty()
    );
    let hidden = found(&tool, json!({"pattern": "hidden|ignored", "hidden": true})).await;
    assert_eq!(hidden, [".gitignore:1:1", ".secret:1:4"]);
}

#[tokio::test]
async fn context_lines_go_to_every_match_they_are_near() {
    let (_temp, tool) = tree(&[("f", "1\n2 hit\n3\n4 hit\n5\n6\n7\n8 hit\n")]);
    let output = search(&tool, json!({"pattern": "hit", "context_lines": 2})).await;
    let shown: Vec<_> = output
        .matches
        .iter()
        .map(|m| (m.before.clone(), m.text.as_str(), m.after.clone()))
        .collect();
    let lines = |text: &[&str]| text.iter().map(|l| (*l).to_owned()).collect::<Vec<_>>();
    assert_eq!(
        shown,
        [
            (lines(&["1"]), "2 hit", lines(&["3", "4 hit"])),
            (lines(&["2 hit", "3"]), "4 hit", lines(&["5", "6"])),
            (lines(&["6", "7"]), "8 hit", lines(&[])),
        ]
    );
    let none = search(&tool, json!({"pattern": "hit"})).await;
    assert!(
        none.matches
            .iter()
            .all(|m| m.before.is_empty() && m.after.is_empty())
    );
}

#[tokio::test]
async fn results_lines_and_files_are_bounded() {
    let (_temp, tool) = tree(&[
        ("a", "x\nx\nx\n"),
        ("b", "x\n"),
        ("big", &"x\n".repeat(100)),
        ("c", "é".repeat(9).as_str()),
    ]);
    let tool = tool.max_results(6).max_file_bytes(20).max_line_bytes(3);
    let two = search(&tool, json!({"pattern": "x", "max_results": 2})).await;
    assert_eq!((two.matches.len(), two.truncated), (2, true));
    let four = search(&tool, json!({"pattern": "x", "max_results": 4})).await;
    assert_eq!((four.matches.len(), four.truncated), (4, false));
    assert_eq!(four.skipped.len(), 1);
    assert_eq!(four.skipped[0].path, "big");
    assert!(
        four.skipped[0]
            .reason
            .contains("larger than the limit of 20 bytes")
    );
    assert_eq!(
        search(&tool, json!({"pattern": "é"})).await.matches[0].text,
        "é…"
    );
    let error = tool
        .execute(json!({"pattern": "x", "max_results": 7}))
        .await
        .unwrap_err();
    assert!(error.to_string().contains("returns at most 6"), "{error}");
}

#[tokio::test]
async fn binary_files_are_named_as_skipped() {
    let (_temp, tool) = tree(&[("bin", "hit\0hit\n"), ("text", "hit\n")]);
    let output = search(&tool, json!({"pattern": "hit"})).await;
    assert_eq!(output.skipped[0].path, "bin");
    assert_eq!(output.skipped[0].reason, "binary");
    assert!(output.matches.iter().any(|m| m.path == "text"));
}

#[tokio::test]
async fn bad_parameters_say_what_to_write() {
    let (_temp, tool) = sources();
    for (params, reason) in [
        (json!({"pattern": "("}), "set `literal`"),
        (json!({"pattern": ""}), "`pattern` is empty"),
        (json!({"pattern": "x", "globs": ["a{"]}), "is not a glob"),
        (json!({"pattern": "x", "max_results": 0}), "at least 1"),
        (json!({"pattern": "x", "context_lines": 21}), "more than 20"),
        (json!({"pattern": "x", "context_lines": 999}), "expected u8"),
        (json!({"patern": "x"}), "unknown field `patern`"),
        (json!(["x"]), "an array"),
    ] {
        let error = tool.execute(params.clone()).await.unwrap_err();
        assert!(
            matches!(error, ToolError::Parameters { .. }),
            "{params}: {error}"
        );
        assert!(error.to_string().contains(reason), "{params}: {error}");
    }
}

#[tokio::test]
async fn no_path_and_no_link_leads_out() {
    let (temp, tool) = sources();
    let failure = async |path: &str| {
        tool.execute(json!({"pattern": "fn", "path": path}))
            .await
            .unwrap_err()
            .to_string()
    };
    assert!(failure("..").await.contains("has a `..`"));
    assert!(failure("deep/../..").await.contains("has a `..`"));
    assert!(failure("/etc").await.contains("outside the root directory"));
    assert!(failure("a.rs").await.contains("is not a directory"));
    assert!(failure("none").await.contains("No such file"));
    #[cfg(unix)]
    {
        use std::os::unix::fs::symlink;
        let outside = tempfile::tempdir().unwrap();
        std::fs::write(outside.path().join("o.rs"), "fn outside\n").unwrap();
        symlink(outside.path(), temp.path().join("dir_link")).unwrap();
        symlink(outside.path().join("o.rs"), temp.path().join("link.rs")).unwrap();
        symlink("a.rs", temp.path().join("inner.rs")).unwrap();
        assert!(
            failure("dir_link")
                .await
                .contains("leads outside the root directory")
        );
        let matches = found(&tool, json!({"pattern": "fn"})).await;
        assert_eq!(matches, ["a.rs:1:1", "a.rs:3:1", "deep/er/c.rs:1:4"]);
    }
    drop(temp);
}
