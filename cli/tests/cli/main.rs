//! The command, and the system that it is built on, as people and programs meet them.

#[cfg(unix)]
mod approvals;
mod audit;
mod builtins;
mod commands;
mod configurations;
mod docs;
mod entries;
#[cfg(unix)]
mod events;
mod lua;
mod markers;
#[cfg(unix)]
mod mcp;
#[cfg(unix)]
#[path = "../../../integrations/builtin/tests/effects/pty.rs"]
#[expect(dead_code, reason = "the tests of the approver use all of it")]
mod pty;
mod quickstart;
mod replay;
mod system;
#[cfg(unix)]
mod terminal;

/// An example of a crate of the workspace, which was built with the tests.
#[cfg(unix)]
fn built_example(name: &str) -> std::path::PathBuf {
    let mut path = std::env::current_exe().expect("a test has a program");
    path.pop();
    path.pop();
    path.push("examples");
    path.push(name);
    assert!(
        path.is_file(),
        "there is no {}: cargo build --workspace --examples",
        path.display()
    );
    path
}
