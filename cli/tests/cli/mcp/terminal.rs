//! `hookpoint mcp` at a real terminal, while the protocol goes through pipes.

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use super::{COMMAND, Session, example, notes, refused};
use crate::built_example;
use crate::pty::Pty;

const PROMPT: &str = "allow this call? [y/N]";

impl Session {
    /// In front of `notes`, started from that terminal.
    fn at(pty: &Pty, folder: &Path, options: &[&str], capabilities: Value) -> Session {
        let mut command = Command::new(built_example("at_terminal"));
        command.arg(&pty.path).arg(COMMAND).env("NO_COLOR", "1");
        let options = [options, &["--allow-writable-policy"]].concat();
        let server = notes().display().to_string();
        Session::of(command, folder, &options, &[&server]).initialized(capabilities)
    }

    fn begin_call(&mut self, tool: &str, arguments: Value) -> i64 {
        self.begin("tools/call", json!({"name": tool, "arguments": arguments}))
    }
}

fn config() -> String {
    example("ask_before_writes.toml").display().to_string()
}

#[test]
fn a_client_that_cannot_ask_leaves_it_to_the_terminal() {
    let folder = tempfile::tempdir().unwrap();
    let mut pty = Pty::new();
    let mut session = Session::at(&pty, folder.path(), &["--config", &config()], json!({}));
    session.tools();
    for (typed, text, written) in [("y\n", "tea", true), ("n\n", "coffee", false)] {
        let id = session.begin_call("write_note", json!({"path": "a", "text": text}));
        let screen = pty.until(PROMPT);
        for part in [
            "│ point      tool.execute",
            "│ component  write_note",
            "│ hook       ask-before-writes",
            "│ asks       Let \"write_note\" do this with",
            &format!("params = {{\"path\":\"a\",\"text\":\"{text}\"}}"),
        ] {
            assert!(screen.contains(part), "{part}: {screen}");
        }
        assert!(!screen.contains('\u{1b}'), "{screen}");
        pty.types(typed);
        let answer = session.read();
        assert_eq!(answer["id"], id);
        if written {
            assert_eq!(answer["result"]["isError"], false, "{answer}");
        } else {
            refused(&answer["result"], "denied at the terminal");
        }
    }
    // What only reads is not asked about, and what was denied was not written.
    let read = session.call("read_note", json!({"path": "a"}));
    assert_eq!(read["content"][0]["text"], "tea");
    assert!(session.end().status.success());
}

#[test]
fn the_list_says_who_is_asked() {
    let folder = tempfile::tempdir().unwrap();
    let elicits = json!({"elicitation": {}});
    let write = json!({"path": "a", "text": "b"});
    let mut pty = Pty::new();
    // The user of the client goes before the terminal.
    let mut session = Session::at(
        &pty,
        folder.path(),
        &["--config", &config()],
        elicits.clone(),
    );
    session.tools();
    session.begin_call("write_note", write.clone());
    assert_eq!(session.read()["method"], "elicitation/create");
    session.end();

    let options = ["--config", &config(), "--approve", "terminal"];
    let mut session = Session::at(&pty, folder.path(), &options, elicits.clone());
    session.tools();
    session.begin_call("write_note", write.clone());
    pty.until(PROMPT);
    pty.types("yes\n");
    assert_eq!(session.read()["result"]["isError"], false);
    session.end();

    for (who, capabilities) in [("none", &elicits), ("elicitation", &json!({}))] {
        let options = ["--config", &config(), "--approve", who];
        let mut session = Session::at(&pty, folder.path(), &options, capabilities.clone());
        session.tools();
        let denied = session.call("write_note", write.clone());
        refused(&denied, "--approve does not name the terminal");
        session.end();
    }
}

#[test]
fn two_approvers_are_one_too_many() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("two.toml");
    std::fs::write(&config, "[approver]\nkind = 'terminal'").unwrap();
    let config = config.display().to_string();
    let options = [
        "--config",
        &config,
        "--approve",
        "elicitation",
        "--allow-writable-policy",
    ];
    let output = Session::start(folder.path(), &options, &["true"]).end();
    assert_eq!(output.status.code(), Some(1));
    assert!(super::said(&output).contains("leave one of them out"));
}

#[test]
fn a_question_is_taken_back_when_the_client_or_the_server_is_gone() {
    let folder = tempfile::tempdir().unwrap();
    let mut pty = Pty::new();
    let write = json!({"path": "a", "text": "b"});
    let mut session = Session::at(&pty, folder.path(), &["--config", &config()], json!({}));
    session.tools();
    let cancelled = session.begin_call("write_note", write.clone());
    pty.until(PROMPT);
    session.say(json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": cancelled}}));
    pty.until("refused: nobody waits for the answer any more");
    // Nothing of it is answered, and the session goes on.
    assert_eq!(session.call("list_notes", json!({}))["isError"], false);

    let asked = session.begin_call("delete_note", json!({"path": "a"}));
    pty.until(PROMPT);
    let crashed = session.begin_call("crash", json!({}));
    // One question at a time: this one is allowed after the other.
    pty.types("n\n");
    let answer = session.read();
    assert_eq!(answer["id"], asked);
    pty.until(PROMPT);
    pty.types("y\n");
    let answer = session.read();
    assert_eq!(
        (&answer["id"], &answer["error"]["code"]),
        (&json!(crashed), &json!(-32052))
    );
    assert_eq!(session.end().status.code(), Some(4));
}
