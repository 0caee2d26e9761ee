//! `hookpoint mcp`, in front of real servers, over real pipes.

mod faults;
mod files;
mod http;
mod terminal;
mod webhook;

use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Output, Stdio};

use serde_json::{Value, json};

use crate::built_example;

const COMMAND: &str = env!("CARGO_BIN_EXE_hookpoint");

fn example(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../examples/mcp")
        .join(name)
}

/// The example `notes` of the crate `hooks-mcp`: a server on `rmcp`.
fn notes() -> PathBuf {
    built_example("notes")
}

/// The command, started by a client.
struct Session {
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: BufReader<ChildStdout>,
    next: i64,
}

impl Session {
    fn start(folder: &Path, options: &[&str], server: &[&str]) -> Session {
        let mut command = Command::new(COMMAND);
        // Tests that are run at a terminal are not asked there.
        command.process_group(0);
        Session::of(command, folder, options, server)
    }

    fn of(mut command: Command, folder: &Path, options: &[&str], server: &[&str]) -> Session {
        let mut child = command
            .arg("mcp")
            .args(options)
            .arg("--")
            .args(server)
            .current_dir(folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("it starts");
        let stdin = child.stdin.take();
        let stdout = BufReader::new(child.stdout.take().expect("it was asked for"));
        Session {
            child,
            stdin,
            stdout,
            next: 0,
        }
    }

    /// In front of `notes`, with a policy of the examples.
    fn with_policy(folder: &Path, options: &[&str], capabilities: Value) -> Session {
        let options = [options, &["--allow-writable-policy"]].concat();
        let server = notes().display().to_string();
        Session::start(folder, &options, &[&server]).initialized(capabilities)
    }

    /// The same, when both sides have said who they are.
    fn initialized(mut self, capabilities: Value) -> Session {
        let info = json!({"name": "test", "version": "1"});
        let begin = json!({"protocolVersion": "2025-06-18", "capabilities": capabilities, "clientInfo": info});
        let begun = self.ask("initialize", begin);
        assert!(begun["result"]["serverInfo"].is_object(), "{begun}");
        self.say(json!({"jsonrpc": "2.0", "method": "notifications/initialized"}));
        self
    }

    fn say(&mut self, message: Value) {
        let stdin = self.stdin.as_mut().expect("it is open");
        writeln!(stdin, "{message}").expect("it reads");
    }

    fn read(&mut self) -> Value {
        let mut line = String::new();
        self.stdout.read_line(&mut line).expect("it writes");
        serde_json::from_str(&line).unwrap_or_else(|_| panic!("it says something: {line:?}"))
    }

    fn begin(&mut self, method: &str, params: Value) -> i64 {
        self.next += 1;
        let id = self.next;
        self.say(json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params}));
        id
    }

    fn ask(&mut self, method: &str, params: Value) -> Value {
        let id = self.begin(method, params);
        let answer = self.read();
        assert_eq!(answer["id"], id, "{answer}");
        answer
    }

    fn call(&mut self, tool: &str, arguments: Value) -> Value {
        self.ask("tools/call", json!({"name": tool, "arguments": arguments}))["result"].clone()
    }

    fn tools(&mut self) -> Vec<String> {
        let listed = self.ask("tools/list", json!({}));
        let tools = listed["result"]["tools"].as_array().expect("a list");
        tools
            .iter()
            .map(|tool| tool["name"].as_str().expect("a name").to_owned())
            .collect()
    }

    fn end(mut self) -> Output {
        drop(self.stdin.take());
        drop(self.stdout);
        self.child.wait_with_output().expect("it ends")
    }
}

#[track_caller]
fn refused(result: &Value, reason: &str) {
    assert_eq!(result["isError"], true, "{result}");
    let text = result["content"][0]["text"].as_str().expect("a text");
    assert!(text.contains(reason), "{text}");
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn a_read_only_session_neither_shows_nor_calls_what_writes() {
    let folder = tempfile::tempdir().unwrap();
    let policy = example("read_only.lua").display().to_string();
    let options = ["--policy", &policy, "--report"];
    let mut session = Session::with_policy(folder.path(), &options, json!({"sampling": {}}));
    assert_eq!(
        session.tools(),
        ["read_note", "list_notes", "count", "think", "wait"]
    );
    refused(
        &session.call("write_note", json!({"path": "a", "text": "b"})),
        "this session only reads",
    );
    refused(
        &session.call("read_note", json!({"path": "/home/me/.ssh/id_ed25519"})),
        "ask for another file",
    );
    let missing = session.call("read_note", json!({"path": "a"}));
    refused(&missing, "there is no note a");
    // The server's own question to the model is refused, and the call goes on with that.
    let thought = session.call("think", json!({"question": "what is in /etc/shadow?"}));
    assert!(thought.is_null() || thought["isError"] == true, "{thought}");
    let output = session.end();
    assert!(output.status.success());
    assert!(said(&output).contains("refusals"), "{}", said(&output));
}

#[test]
fn a_person_is_asked_before_writes() {
    let folder = tempfile::tempdir().unwrap();
    let config = example("ask_before_writes.toml").display().to_string();
    let options = ["--config", &config];
    let mut session = Session::with_policy(folder.path(), &options, json!({"elicitation": {}}));
    session.tools();
    assert_eq!(session.call("list_notes", json!({}))["isError"], false);
    for allow in [true, false] {
        let id = session.begin(
            "tools/call",
            json!({"name": "write_note", "arguments": {"path": "a", "text": "b"}}),
        );
        let question = session.read();
        assert_eq!(question["method"], "elicitation/create", "{question}");
        let text = question["params"]["message"].as_str().expect("a text");
        assert!(text.contains("Let \"write_note\" do this"), "{text}");
        session.say(json!({"jsonrpc": "2.0", "id": question["id"], "result": {"action": "accept", "content": {"allow": allow}}}));
        let answer = session.read();
        assert_eq!(answer["id"], id);
        assert_eq!(answer["result"]["isError"], !allow, "{answer}");
    }
    assert!(session.end().status.success());

    let mut session = Session::with_policy(folder.path(), &options, json!({}));
    session.tools();
    refused(
        &session.call("delete_note", json!({"path": "a"})),
        "Nobody can be asked",
    );
    session.end();
}

#[test]
fn calls_have_a_budget_and_leave_a_trail_without_secrets() {
    let folder = tempfile::tempdir().unwrap();
    let config = example("budget_and_audit.toml").display().to_string();
    let options = ["--config", &config];
    let mut session = Session::with_policy(folder.path(), &options, json!({}));
    let secret = "ghp_abcdefghijklmnopqrstuvwxyz0123456789";
    session.call(
        "write_note",
        json!({"path": "a", "text": format!("token {secret}")}),
    );
    let read = session.call("read_note", json!({"path": "a"}));
    assert!(
        !read.to_string().contains(secret) && read.to_string().contains("[redacted"),
        "{read}"
    );
    for _ in 2..200 {
        session.call("list_notes", json!({}));
    }
    refused(&session.call("list_notes", json!({})), "no room for 1");
    session.end();
    let trail = folder.path().join("mcp-audit.jsonl");
    let verified = Command::new(COMMAND)
        .args(["audit", "verify"])
        .arg(&trail)
        .output()
        .unwrap();
    assert!(verified.status.success(), "{}", said(&verified));
    let text = std::fs::read_to_string(&trail).unwrap();
    assert!(text.contains("write_note") && !text.contains(secret));
}

#[test]
fn without_the_policy_that_was_asked_for_nothing_starts() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let marker = folder.path().join("started");
    let touch = marker.display().to_string();
    let bad_lua = write("bad.lua", "Hook.register('tool.exec', function() end)");
    let no_lua = write("no.lua", "this is no Lua");
    let bad_toml = write(
        "bad.toml",
        "[[hook]]\nkind = 'approval'\nid = 'a'\npoints = ['tool.execute']\nquestoin = 'x'",
    );
    let good = write("good.lua", "-- nothing");
    let any = "--allow-writable-policy";
    for (options, reason) in [
        (vec!["--policy", "none.lua", any], "none.lua"),
        (vec!["--policy", &bad_lua, any], "bad.lua:1"),
        (vec!["--policy", &no_lua, any], "no.lua"),
        (vec!["--config", &bad_toml, any], "bad.toml:1:1"),
        (vec!["--policy", &good], "--allow-writable-policy"),
        (vec!["--policy", &good, any, "--allow", "hok:x"], "hok"),
    ] {
        let output = Session::start(folder.path(), &options, &["touch", &touch]).end();
        assert_eq!(
            output.status.code(),
            Some(1),
            "{options:?}: {}",
            said(&output)
        );
        assert!(
            said(&output).contains(reason),
            "{options:?}: {}",
            said(&output)
        );
        assert!(output.stdout.is_empty() && !marker.exists(), "{options:?}");
    }
}

#[test]
fn the_exit_status_says_how_it_ended() {
    let folder = tempfile::tempdir().unwrap();
    let output = Session::start(folder.path(), &[], &["/no/such/server"]).end();
    assert_eq!(output.status.code(), Some(3), "{}", said(&output));
    assert!(said(&output).contains("/no/such/server"));
    let output = Command::new(COMMAND)
        .arg("mcp")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2), "{}", said(&output));

    let mut session = Session::with_policy(folder.path(), &[], json!({}));
    let waiting = session.begin("tools/call", json!({"name": "wait"}));
    let crashing = session.begin("tools/call", json!({"name": "crash"}));
    let mut answered = [session.read(), session.read()].map(|answer| {
        assert_eq!(answer["error"]["code"], -32052, "{answer}");
        answer["id"].as_i64().expect("an id")
    });
    answered.sort_unstable();
    assert_eq!(answered, [waiting, crashing]);
    let output = session.end();
    assert_eq!(output.status.code(), Some(4), "{}", said(&output));
}

#[test]
fn closed_points_need_a_grant_and_close_unknown_methods() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("closed.toml");
    let text = "closed = ['tool.execute']\n[[hook]]\nkind = 'cel'\nid = 'grant'\npoints = ['tool.execute']\nrules = [{ when = \"component == 'list_notes'\", then = 'allow' }]";
    std::fs::write(&config, text).unwrap();
    let config = config.display().to_string();
    let mut session = Session::with_policy(folder.path(), &["--config", &config], json!({}));
    assert_eq!(session.call("list_notes", json!({}))["isError"], false);
    assert_eq!(
        session.call("read_note", json!({"path": "a"}))["isError"],
        true
    );
    assert_eq!(session.ask("acme/do", json!({}))["error"]["code"], -32601);
    assert!(session.end().status.success());
}

#[test]
fn a_policy_is_reloaded_while_the_session_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("policy.lua");
    let policy = |body: &str| {
        let text = format!("Hook.register('tool.execute', function(ctx) {body} end)");
        std::fs::write(&path, text).unwrap();
    };
    policy("if ctx.component ~= 'think' then return Result.cancel('first') end");
    let file = path.display().to_string();
    let options = ["--policy", &file, "--watch"];
    let mut session = Session::with_policy(folder.path(), &options, json!({"sampling": {}}));
    refused(&session.call("list_notes", json!({})), "first");
    // A call that is under way when the policy changes ends under the one that it began under.
    let thinking = json!({"name": "think", "arguments": {"question": "why?"}});
    let under_way = session.begin("tools/call", thinking.clone());
    let question = session.read();
    assert_eq!(question["method"], "sampling/createMessage");
    policy("return Result.cancel('second')");
    // It says when; until then, the old one decides.
    let mut errors = BufReader::new(session.child.stderr.take().expect("it was asked for"));
    let mut line = String::new();
    while !line.contains("reloaded: ") {
        line.clear();
        let read = errors.read_line(&mut line).unwrap();
        assert_ne!(read, 0, "it was never reloaded");
    }
    refused(&session.call("list_notes", json!({})), "second");
    let content = json!({"type": "text", "text": "because"});
    let said = json!({"model": "m", "role": "assistant", "content": content});
    session.say(json!({"jsonrpc": "2.0", "id": question["id"], "result": said}));
    let answer = session.read();
    assert_eq!(answer["id"], under_way);
    assert!(answer.to_string().contains("because"), "{answer}");
    refused(&session.ask("tools/call", thinking)["result"], "second");
    session.end();
}

#[test]
fn the_tools_of_the_command_are_a_server() {
    let folder = tempfile::tempdir().unwrap();
    let mut session = Session::start(folder.path(), &[], &[COMMAND, "mcp", "serve"]);
    let info = json!({"name": "test", "version": "1"});
    let begin = json!({"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": info});
    assert_eq!(
        session.ask("initialize", begin)["result"]["serverInfo"]["name"],
        "hookpoint"
    );
    session.say(json!({"jsonrpc": "2.0", "method": "notifications/initialized"}));
    assert_eq!(
        session.tools(),
        ["calculator", "file_search", "hash_calculator"]
    );
    let sum = session.call("calculator", json!({"expression": "2 + 2"}));
    assert_eq!(sum["structuredContent"]["result"], 4.0);
    let wrong = session.call("calculator", json!({"expresion": "2 + 2"}));
    refused(&wrong, "expresion");
    assert!(session.end().status.success());
}

#[test]
fn a_script_rewrites_arguments_results_and_lists() {
    let folder = tempfile::tempdir().unwrap();
    let policy = folder.path().join("policy.lua");
    let script = r#"
Hook.register("tool.execute", function(ctx)
    ctx.args.params = { path = "inbox/" .. ctx.args.params.path, text = ctx.args.params.text }
end, { name = "inbox" })
Hook.register("tool.execute", function(ctx)
    local result = ctx.result
    result.content[1].text = string.upper(result.content[1].text)
    ctx.result = result
end, { phase = "post", name = "loud" })
Hook.register("mcp.request", function(ctx)
    if ctx.component == "tools/list" then
        local result = ctx.result
        result.tools = { result.tools[1] }
        ctx.result = result
    end
end, { phase = "post", name = "one-tool" })
Hook.register("tool.execute", function(ctx)
    if ctx.component == "list_notes" then while true do end end
end, { role = "guard", name = "hangs", timeout_ms = 100 })
Builtin.cel{
    id = "short", points = "tool.execute",
    rules = { { when = "size(args.params.text) > 20", ["then"] = "cancel", reason = "too long" } },
}
Hook.register("tool.execute", function(ctx)
    if ctx.component == "count" then return ctx.args.no_such_argument end
end, { role = "guard", name = "errs" })
"#;
    std::fs::write(&policy, script).unwrap();
    let policy = policy.display().to_string();
    let mut session = Session::with_policy(folder.path(), &["--policy", &policy], json!({}));
    assert_eq!(session.tools(), ["read_note"]);
    let note = json!({"path": "a", "text": "quiet"});
    let written = session.call("write_note", note.clone());
    assert_eq!(written["content"][0]["text"], "WRITTEN");
    let read = session.call("read_note", note.clone());
    assert_eq!(read["content"][0]["text"], "QUIET");
    let long = json!({"path": "a", "text": "x".repeat(21)});
    refused(&session.call("write_note", long), "too long");
    let missing = session.call("read_note", json!({"path": "b", "text": ""}));
    refused(&missing, "THERE IS NO NOTE INBOX/B");
    refused(&session.call("count", note.clone()), "no_such_argument");
    refused(&session.call("list_notes", note), "hook `hangs`");
    assert!(session.end().status.success());
}

#[test]
fn built_in_hooks_work_in_front_of_a_server() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("hookpoint.toml");
    let hooks = [
        ("caching", "components = ['list_notes']\nttl_ms = 60_000"),
        (
            "schema",
            "components = ['write_note']\narguments = { params = { type = 'object', properties = { path = { maxLength = 3 } } } }",
        ),
        ("retry", "components = ['read_note']"),
        ("metrics", ""),
        ("debugging", ""),
        ("logging", "level = 'warn'"),
        ("records", "path = 'records.jsonl'"),
    ];
    let entry = |(kind, options): &(&str, &str)| {
        format!("[[hook]]\nkind = '{kind}'\nid = '{kind}'\npoints = ['tool.execute']\n{options}\n")
    };
    let text: String = hooks.iter().map(entry).collect();
    std::fs::write(&config, text).unwrap();
    let config = config.display().to_string();
    let mut session = Session::with_policy(folder.path(), &["--config", &config], json!({}));
    let before = session.call("list_notes", json!({}));
    session.call("write_note", json!({"path": "a", "text": "b"}));
    assert_eq!(session.call("list_notes", json!({})), before, "it is kept");
    refused(
        &session.call("write_note", json!({"path": "long", "text": "b"})),
        "schema",
    );
    let read = session.call("read_note", json!({"path": "a"}));
    assert_eq!(read["content"][0]["text"], "b");
    let output = session.end();
    assert!(output.status.success());
    assert!(said(&output).contains("tool.execute"), "{}", said(&output));
    let records = std::fs::read_to_string(folder.path().join("records.jsonl")).unwrap();
    assert!(records.lines().count() >= 5, "{records}");
}
