//! What goes wrong in front of a real server: every request is answered once, and nothing passes undecided.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;

use rustix::process::{Pid, test_kill_process};
use serde_json::{Value, json};

use super::{Session, notes, refused, said};

fn with_script(folder: &Path, script: &str, options: &[&str], capabilities: Value) -> Session {
    let policy = folder.join("policy.lua");
    std::fs::write(&policy, script).expect("a file");
    let policy = policy.display().to_string();
    let options = [&["--policy", &policy], options].concat();
    Session::with_policy(folder, &options, capabilities)
}

impl Session {
    /// Everything that comes until the command closes its output, by id.
    fn rest(&mut self) -> BTreeMap<i64, Value> {
        let mut answers = BTreeMap::new();
        loop {
            let mut line = String::new();
            if self.stdout.read_line(&mut line).expect("it writes") == 0 {
                return answers;
            }
            let answer: Value = serde_json::from_str(&line).expect("every line is JSON");
            let id = answer["id"].as_i64().expect("an answer");
            let twice = answers.insert(id, answer);
            assert!(twice.is_none(), "{id} was answered twice");
        }
    }

    fn raw(&mut self, bytes: &[u8]) {
        let stdin = self.stdin.as_mut().expect("it is open");
        stdin.write_all(bytes).expect("it reads");
    }
}

#[test]
fn guards_that_cannot_decide_refuse_and_observers_do_not_count() {
    let folder = tempfile::tempdir().unwrap();
    let script = r#"
local function at(tool, role, run, more)
    local options = more or {}
    options.name, options.role = tool .. "-" .. role, role
    Hook.register("tool.execute", function(ctx)
        if ctx.component == tool then return run(ctx) end
    end, options)
end
at("read_note", "guard", function() error("no idea") end)
at("list_notes", "observe", function() error("no idea") end)
at("count", "guard", function() while true do end end, {timeout_ms = 200})
at("write_note", "intercept", function() Time.sleep(1e8) end, {timeout_ms = 200, async = true})
at("delete_note", "guard", function()
    local all = {}
    while true do all[#all + 1] = string.rep("x", 1e6) .. #all end
end)
"#;
    let mut session = with_script(folder.path(), script, &[], json!({}));
    // All at the same time: none waits for another one.
    let begun: BTreeMap<i64, &str> = ["read_note", "list_notes", "count", "write_note"]
        .into_iter()
        .map(|tool| {
            let call = json!({"name": tool, "arguments": {"path": "a", "text": "b"}});
            (session.begin("tools/call", call), tool)
        })
        .collect();
    let mut answered = BTreeMap::new();
    for _ in &begun {
        let answer = session.read();
        let tool = begun[&answer["id"].as_i64().expect("an id")];
        assert!(answered.insert(tool, answer["result"].clone()).is_none());
    }
    refused(&answered["read_note"], "no idea");
    refused(&answered["count"], "count-guard");
    refused(&answered["write_note"], "write_note-intercept");
    assert_eq!(answered["list_notes"]["isError"], false);
    // Whatever the memory did to the script, what it guards stays refused.
    for _ in 0..3 {
        let answer = session.call("delete_note", json!({"path": "a"}));
        assert_eq!(answer["isError"], true, "{answer}");
        let hook = &answer["_meta"]["hookpoint/refusal"]["executed"];
        assert_ne!(hook, true, "{answer}");
    }
    assert!(session.end().status.success());
}

#[test]
fn a_question_that_waits_while_the_policy_is_reloaded_is_answered_once() {
    let folder = tempfile::tempdir().unwrap();
    let asks = "Hook.register('tool.execute', function(ctx) return Result.ask('first?') end, {role = 'guard'})";
    let elicits = json!({"elicitation": {}});
    let mut session = with_script(folder.path(), asks, &["--watch"], elicits);
    let waits: Vec<_> = [true, false]
        .map(|allow| {
            let call = json!({"name": "list_notes", "arguments": {}});
            let id = session.begin("tools/call", call);
            let question = session.read();
            assert_eq!(question["method"], "elicitation/create");
            (id, question["id"].clone(), allow)
        })
        .into();
    let refuses = "Hook.register('tool.execute', function() return Result.cancel('second') end)";
    std::fs::write(folder.path().join("policy.lua"), refuses).unwrap();
    let mut errors = BufReader::new(session.child.stderr.take().expect("it was asked for"));
    let mut line = String::new();
    while !line.contains("reloaded: ") {
        line.clear();
        assert_ne!(
            errors.read_line(&mut line).unwrap(),
            0,
            "it was never reloaded"
        );
    }
    refused(&session.call("list_notes", json!({})), "second");
    // The calls go on under the policy that has asked.
    for (id, question, allow) in waits {
        let form = json!({"action": "accept", "content": {"allow": allow}});
        session.say(json!({"jsonrpc": "2.0", "id": question, "result": form}));
        let answer = session.read();
        assert_eq!(answer["id"], id);
        assert_eq!(answer["result"]["isError"], !allow, "{answer}");
    }
    session.end();
}

#[test]
fn a_client_that_dies_takes_the_server_with_it() {
    let folder = tempfile::tempdir().unwrap();
    let server = notes().display().to_string();
    let server = ["sh", "-c", "echo $$ > pid; exec \"$0\"", &server];
    let mut session = Session::start(folder.path(), &[], &server).initialized(json!({}));
    session.begin("tools/call", json!({"name": "wait"}));
    session.begin("tools/call", json!({"name": "list_notes"}));
    // Half a line is what a client leaves that was killed; its output is gone as well.
    session.raw(br#"{"jsonrpc":"2.0","id":9,"method":"tools/ca"#);
    let output = session.end();
    assert!(output.status.code().is_some(), "{}", said(&output));
    let pid = std::fs::read_to_string(folder.path().join("pid")).unwrap();
    let pid = Pid::from_raw(pid.trim().parse().unwrap()).unwrap();
    assert!(test_kill_process(pid).is_err(), "the server is still there");
}

#[test]
fn half_a_line_is_no_request_of_either_side() {
    let folder = tempfile::tempdir().unwrap();
    let server = r#"read line; printf '{"jsonrpc":"2.0","id":1,"result":{"cont'"#;
    let mut session = Session::start(folder.path(), &[], &["sh", "-c", server]);
    session.begin("tools/call", json!({"name": "t"}));
    session.begin("tools/call", json!({"name": "t"}));
    let answers = session.rest();
    assert_eq!(answers.keys().copied().collect::<Vec<_>>(), [1, 2]);
    assert!(
        answers
            .values()
            .all(|answer| answer["error"]["code"].is_i64()),
        "{answers:?}"
    );
    assert_eq!(session.end().status.code(), Some(4));
}

#[test]
fn fifty_megabytes_pass_whole_and_more_than_allowed_is_answered() {
    let folder = tempfile::tempdir().unwrap();
    // What the client asks comes back as the server's request, and what it answers as the server's answer.
    let mut session = Session::start(folder.path(), &[], &["cat"]);
    let text = "0123456789".repeat(5 << 20);
    let id = session.begin("acme/echo", json!({ "text": text }));
    let asked = session.read();
    assert_eq!(asked["id"], id);
    assert_eq!(asked["method"], "acme/echo");
    assert!(
        asked["params"]["text"] == text.as_str(),
        "it is not the same"
    );
    session.say(json!({"jsonrpc": "2.0", "id": id, "result": { "text": text }}));
    let answer = session.read();
    assert_eq!(answer["id"], id);
    assert!(
        answer["result"]["text"] == text.as_str(),
        "it is not the same"
    );
    let id = session.begin("acme/echo", json!({ "text": text.repeat(2) }));
    let answer = session.read();
    assert_eq!(answer["id"], id);
    assert_eq!(answer["error"]["code"], -32600);
    let id = session.begin("acme/echo", json!({}));
    assert_eq!(session.read()["id"], id, "the session goes on");
    session.end();
}

#[test]
fn a_client_that_reads_late_gets_everything() {
    let folder = tempfile::tempdir().unwrap();
    let mut session = with_script(folder.path(), "", &[], json!({}));
    let text = "x".repeat(1 << 20);
    session.call("write_note", json!({"path": "a", "text": text}));
    // More than the gateway and all pipes keep.
    let asked: Vec<i64> = (0..200)
        .map(|_| {
            let call = json!({"name": "read_note", "arguments": {"path": "a"}});
            session.begin("tools/call", call)
        })
        .collect();
    let answers: BTreeMap<i64, Value> = (asked.iter())
        .map(|_| session.read())
        .map(|answer| (answer["id"].as_i64().expect("an id"), answer))
        .collect();
    assert!(
        answers.keys().eq(asked.iter()),
        "each request is answered once"
    );
    for answer in answers.values() {
        let read = answer["result"]["content"][0]["text"].as_str();
        assert_eq!(read.map(str::len), Some(1 << 20));
    }
    assert!(session.end().status.success());
}

#[test]
fn a_server_that_never_reads_is_ended() {
    let folder = tempfile::tempdir().unwrap();
    let mut session = Session::start(folder.path(), &[], &["sleep", "1000"]);
    let text = "x".repeat(1 << 20);
    for _ in 0..8 {
        session.begin(
            "tools/call",
            json!({"name": "t", "arguments": {"text": text}}),
        );
    }
    drop(session.stdin.take());
    let answers = session.rest();
    assert!(
        answers.values().all(|answer| answer["error"].is_object()),
        "{answers:?}"
    );
    let output = session.end();
    let left = said(&output);
    assert!(output.status.code().is_some(), "{left}");
    assert_eq!(answers.len(), 8, "{left}");
}
