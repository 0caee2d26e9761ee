//! `hookpoint mcp` over HTTP, at either side and at both.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use super::{COMMAND, Session, example, notes, refused, said};

/// The command that listens; it ends with the test, however that ends.
struct Listening {
    child: Child,
    url: String,
}

impl Listening {
    /// With those options, which name the server too.
    fn start(folder: &Path, options: &[&str]) -> Listening {
        let mut child = Command::new(COMMAND)
            .args(["mcp", "--listen", "127.0.0.1:0"])
            .args(options)
            .current_dir(folder)
            .stderr(Stdio::piped())
            .spawn()
            .expect("it starts");
        let stderr = child.stderr.take().expect("it was asked for");
        let mut listening = Listening {
            child,
            url: String::new(),
        };
        let mut lines = BufReader::new(stderr).lines();
        let mut before = Vec::new();
        while listening.url.is_empty() {
            let line = lines.next().unwrap_or_else(|| panic!("{before:?}"));
            let line = line.expect("it is text");
            match line.strip_prefix("listening on ") {
                Some(url) => url.clone_into(&mut listening.url),
                None => before.push(line),
            }
        }
        // Read on, so that what it says later has a place to go.
        std::thread::spawn(move || lines.for_each(drop));
        listening
    }

    /// In front of `notes`.
    fn with_notes(folder: &Path, options: &[&str]) -> Listening {
        let server = notes().display().to_string();
        Listening::start(folder, &[options, &["--", &server]].concat())
    }

    /// Tells it to end.
    fn end(mut self) -> ExitStatus {
        kill_process(Pid::from_child(&self.child), Signal::TERM).expect("it is there");
        self.child.wait().expect("it ends")
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        if let Ok(None) = self.child.try_wait() {
            self.child.kill().expect("it is ours");
            self.child.wait().expect("it ends");
        }
    }
}

/// A client over standard input and output, of a server at that URL.
fn begun(folder: &Path, options: &[&str], url: &str) -> Session {
    let options = [options, &["--http", url]].concat();
    let mut session = Session::start(folder, &options, &[]);
    let begin = json!({"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}});
    let begun = session.ask("initialize", begin);
    assert!(begun["result"]["serverInfo"].is_object(), "{begun}");
    session.say(json!({"jsonrpc": "2.0", "method": "notifications/initialized"}));
    session
}

fn text(result: &Value) -> &str {
    result["content"][0]["text"].as_str().expect("a text")
}

#[test]
fn a_policy_in_front_of_a_server_at_a_url() {
    let folder = tempfile::tempdir().unwrap();
    let far = Listening::with_notes(folder.path(), &[]);
    assert!(far.url.ends_with("/mcp"), "{}", far.url);
    let policy = example("read_only.lua").display().to_string();
    let options = ["--policy", &policy, "--allow-writable-policy"];
    let mut session = begun(folder.path(), &options, &far.url);
    assert_eq!(
        session.tools(),
        ["read_note", "list_notes", "count", "think", "wait"]
    );
    let write = session.call("write_note", json!({"path": "a", "text": "b"}));
    refused(&write, "this session only reads");
    let output = session.end();
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    assert_eq!(far.end().code(), Some(0));
}

/// Refuses to delete notes.
const POLICY: &str = r#"
Hook.register("tool.execute", function(ctx)
    if ctx.component == "delete_note" then return Result.cancel("notes stay") end
end, {role = "guard", name = "notes-stay"})
"#;

/// Two sessions at once: each has a server of its own, and the policy decides in both.
fn two_sessions_are_apart_and_decided(folder: &Path, url: &str) {
    let mut sessions = [begun(folder, &[], url), begun(folder, &[], url)];
    for (session, said) in sessions.iter_mut().zip(["one", "two"]) {
        // The command has a hook against such algorithms, which is for its own tools.
        let note = json!({"path": "n", "text": said, "algorithm": "md5"});
        assert_eq!(text(&session.call("write_note", note)), "written");
    }
    for (session, said) in sessions.iter_mut().zip(["one", "two"]) {
        let deleted = session.call("delete_note", json!({"path": "n"}));
        refused(&deleted, "notes stay");
        let note = session.call("read_note", json!({"path": "n"}));
        assert_eq!(text(&note), said);
    }
    for session in sessions {
        let output = session.end();
        assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    }
}

#[test]
fn clients_that_come_to_a_server_of_their_own() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("policy.lua"), POLICY).unwrap();
    let policy = ["--policy", "policy.lua", "--allow-writable-policy"];
    let near = Listening::with_notes(folder.path(), &policy);
    two_sessions_are_apart_and_decided(folder.path(), &near.url);
    assert_eq!(near.end().code(), Some(0));
}

#[test]
fn clients_that_come_to_a_server_at_a_url() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("policy.lua"), POLICY).unwrap();
    let far = Listening::with_notes(folder.path(), &[]);
    let policy = ["--policy", "policy.lua", "--allow-writable-policy"];
    let options = [&policy[..], &["--http", &far.url]].concat();
    let near = Listening::start(folder.path(), &options);
    two_sessions_are_apart_and_decided(folder.path(), &near.url);
    assert_eq!(near.end().code(), Some(0));
    assert_eq!(far.end().code(), Some(0));
}

#[test]
fn what_is_wrong_with_a_side_over_http_is_said_before_anything_starts() {
    let folder = tempfile::tempdir().unwrap();
    for (options, code, expected) in [
        (&["--http", "ftp://host/"][..], 1, "http://host"),
        (
            &["--http", "http://h/", "--header", "Mcp-Session-Id: s3cret"],
            1,
            "sets this header itself",
        ),
        (
            &[
                "--http",
                "http://h/",
                "--header-env",
                "A=HOOKPOINT_NO_SUCH_VARIABLE",
            ],
            1,
            "is not set",
        ),
        (
            &["--http", "https://h/", "--ca", "none.pem"],
            1,
            "none.pem must hold the authorities' certificates",
        ),
        (&["--listen", "0.0.0.0:0", "--", "true"], 1, "--allow-host"),
        (
            &["--http", "http://h/", "--", "true"],
            2,
            "cannot be used with",
        ),
        (&[], 2, "required"),
    ] {
        let command = Command::new(COMMAND)
            .arg("mcp")
            .args(options)
            .current_dir(folder.path())
            .output();
        let output = command.unwrap();
        let said = said(&output);
        assert_eq!(output.status.code(), Some(code), "{options:?}: {said}");
        assert!(
            said.contains(expected) && !said.contains("s3cret"),
            "{options:?}: {said}"
        );
    }
}
