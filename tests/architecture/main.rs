//! Holds the workspace against ARCHITECTURE.md: who imports whom, what the runtime weighs, how files are cut.

use std::path::Path;
use std::process::Command;

mod files;
mod imports;
mod origins;
mod weight;

/// The folder of the workspace.
fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// What cargo prints for these arguments; it neither downloads nor writes.
fn cargo(arguments: &[&str]) -> String {
    run(Command::new(env!("CARGO"))
        .args(arguments)
        .args(["--offline", "--locked"]))
}

/// The text files that git tracks, by path relative to the root.
fn tracked() -> Vec<(String, String)> {
    // In a container the clone often belongs to another user, and git would refuse to look at it.
    let mut git = Command::new("git");
    git.args(["-c", "safe.directory=*", "ls-files", "-z"]);
    let read = |path: &str| {
        // Neither what was deleted and is not yet committed, nor what is not text.
        let text = std::fs::read_to_string(root().join(path)).ok()?;
        Some((path.to_owned(), text))
    };
    let files: Vec<_> = run(&mut git).split('\0').filter_map(read).collect();
    assert!(
        files.iter().any(|(path, _)| path == "Cargo.toml"),
        "git lists no Cargo.toml: {} files",
        files.len()
    );
    files
}

fn run(command: &mut Command) -> String {
    let output = command.current_dir(root()).output();
    let output = output.unwrap_or_else(|error| panic!("{command:?} did not start: {error}"));
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?} failed:\n{errors}");
    String::from_utf8(output.stdout).expect("cargo and git print UTF-8")
}

/// Fails with all that was found, one a line.
#[track_caller]
fn assert_none(found: &[String], rule: &str) {
    assert!(found.is_empty(), "{rule}\n  {}", found.join("\n  "));
}
