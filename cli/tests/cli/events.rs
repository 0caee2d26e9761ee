//! `hookpoint events`, beside a script that runs in another process.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use serde_json::Value;

const TICKS: &str = "
    local inbox = Event.subscribe('never')
    print('ready')
    for n = 1, 1000000 do
        Event.publish('tick', {n = n}, {subject = 'clock'})
        Event.publish('tock', n)
        inbox:receive(5)
    end";

fn hookpoint(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hookpoint"));
    command
        .env("HOOKPOINT_RUN_DIR", folder.join("run"))
        .env_remove("HOOKPOINT_REQUIRE_POLICY")
        .current_dir(folder);
    command
}

fn events(folder: &Path, args: &[&str]) -> Output {
    hookpoint(folder)
        .arg("events")
        .args(args)
        .output()
        .expect("it starts")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A script that runs until this is dropped.
struct Running(Child);

impl Running {
    fn start(folder: &Path, args: &[&str]) -> Running {
        std::fs::write(folder.join("ticks.lua"), TICKS).expect("a file");
        let mut command = hookpoint(folder);
        let command = command.args(["run", "ticks.lua"]).args(args);
        let mut child = command.stdout(Stdio::piped()).spawn().expect("it starts");
        let mut line = String::new();
        let out = child.stdout.as_mut().expect("piped");
        BufReader::new(out).read_line(&mut line).expect("a line");
        assert_eq!(line, "ready\n");
        Running(child)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.kill().expect("it runs");
        self.0.wait().expect("it ends");
    }
}

#[test]
fn tail_follows_a_running_script_and_stats_shows_its_bus() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    let script = Running::start(folder, &[]);
    let tail = events(folder, &["tail", "tick", "--count", "3", "--json"]);
    assert!(tail.status.success(), "{}", text(&tail.stderr));
    let lines: Vec<Value> = text(&tail.stdout)
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    assert_eq!(lines.len(), 3);
    let numbers: Vec<_> = lines
        .iter()
        .map(|line| line["data"]["n"].as_u64().expect("a number"))
        .collect();
    assert!(
        numbers[1] == numbers[0] + 1 && numbers[2] == numbers[0] + 2,
        "{numbers:?}"
    );
    for line in &lines {
        assert_eq!(line["specversion"], "1.0");
        assert_eq!(
            (line["type"].as_str(), line["subject"].as_str()),
            (Some("tick"), Some("clock"))
        );
    }
    let past = events(
        folder,
        &["tail", "script.started", "--historic", "5", "--count", "1"],
    );
    assert!(
        text(&past.stdout).contains("script.started {\"script\":\"ticks.lua\"}"),
        "{}",
        text(&past.stdout)
    );
    let people = events(folder, &["tail", "--count", "2"]);
    let people = text(&people.stdout);
    assert!(
        people.contains(" tick {\"n\":") && people.contains(" tock "),
        "{people}"
    );
    let stats = events(
        folder,
        &["stats", "--json", "--pid", &script.0.id().to_string()],
    );
    let stats: Value = serde_json::from_slice(&stats.stdout).expect("JSON");
    assert!(stats["bus"]["published"].as_u64() > Some(4), "{stats}");
    let named = |one: &Value| one["name"] == "ticks.lua:2" && one["pattern"] == "never";
    assert!(
        stats["subscriptions"]
            .as_array()
            .expect("a list")
            .iter()
            .any(named),
        "{stats}"
    );
    let people = text(&events(folder, &["stats"]).stdout);
    assert!(
        people.contains("published") && people.contains("ticks.lua:2"),
        "{people}"
    );
    let report = hookpoint(folder)
        .args(["report", "--json"])
        .output()
        .expect("it starts");
    let report: Value = serde_json::from_slice(&report.stdout).expect("JSON");
    assert!(
        report["report"]["points"]["event.publish"]["calls"].as_u64() > Some(3),
        "{report}"
    );
    let point =
        |one: &Value| one["point"] == "event.publish" && one["calls"]["count"].as_u64() > Some(0);
    assert!(
        report["performance"]["points"]
            .as_array()
            .expect("a list")
            .iter()
            .any(point),
        "{report}"
    );
    let people = hookpoint(folder).arg("report").output().expect("it starts");
    let people = text(&people.stdout);
    assert!(
        people.contains("hooked calls at") && people.contains("measured calls"),
        "{people}"
    );
    let bad = events(folder, &["tail", "a..b"]);
    assert_eq!(bad.status.code(), Some(1));
    assert!(text(&bad.stderr).contains("a..b"), "{}", text(&bad.stderr));
    drop(script);
    // The socket of a process that was killed is there and answers nobody.
    let gone = events(folder, &["stats"]);
    assert_eq!(gone.status.code(), Some(1));
    assert!(
        text(&gone.stderr).contains("no script is running"),
        "{}",
        text(&gone.stderr)
    );
}

#[test]
fn of_several_scripts_one_is_chosen() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    let (one, two) = (Running::start(folder, &[]), Running::start(folder, &[]));
    let hidden = Running::start(folder, &["--no-socket"]);
    let which = events(folder, &["stats"]);
    let said = text(&which.stderr);
    for running in [&one, &two] {
        assert!(
            said.contains("--pid") && said.contains(&running.0.id().to_string()),
            "{said}"
        );
    }
    let other = events(folder, &["stats", "--pid", &hidden.0.id().to_string()]);
    assert!(
        text(&other.stderr).contains("no socket of it"),
        "{}",
        text(&other.stderr)
    );
}

#[test]
fn a_run_does_not_wait_for_who_follows_its_events_and_reads_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    let script = "
        local inbox = Event.subscribe('never')
        print('ready')
        while true do
            for n = 1, 100 do Event.publish('tick', string.rep('x', 4000)) end
            Event.publish('hundred', 1)
            inbox:receive(5)
        end";
    std::fs::write(folder.join("burst.lua"), script).expect("a file");
    let mut command = hookpoint(folder);
    let command = command.args(["run", "burst.lua", "--no-report"]);
    let command = command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("it starts");
    let mut line = String::new();
    let mut out = BufReader::new(child.stdout.take().expect("piped"));
    out.read_line(&mut line).expect("a line");
    let socket = folder.join(format!("run/{}.sock", child.id()));
    let follow = |pattern: &str| {
        let mut stream = UnixStream::connect(&socket).expect("it answers");
        let request = serde_json::json!({ "tail": { "pattern": pattern, "historic": 1 } });
        writeln!(stream, "{request}").expect("it listens");
        BufReader::new(stream)
    };
    // One that reads its first line, and then nothing: soon nothing more fits between the two.
    let (mut silent, mut reads) = (follow("tick"), follow("hundred"));
    silent.read_line(&mut line).expect("an event");
    for _ in 0..20 {
        line.clear();
        reads.read_line(&mut line).expect("an event");
        assert!(line.contains("hundred"), "{line}");
    }
    let pid = child.id().to_string();
    let told = Command::new("kill").args(["-INT", &pid]).status();
    assert!(told.expect("it is told").success());
    let ended = child.wait_with_output().expect("it ends");
    let said = text(&ended.stderr);
    assert!(
        said.contains("stopped") && !said.contains("was not done"),
        "{said}"
    );
    drop((silent, reads));
}
