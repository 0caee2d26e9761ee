//! Lua from the command line: the examples, watching, tests, and the REPL.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("the workspace")
}

fn hookpoint(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hookpoint"));
    command
        .args(args)
        .current_dir(root())
        .env_remove("HOOKPOINT_REQUIRE_POLICY");
    command
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn output(args: &[&str]) -> Output {
    hookpoint(args).output().expect("it starts")
}

/// Whole at once: whoever watches it never sees a half-written one.
fn file(folder: &tempfile::TempDir, name: &str, source: &str) -> PathBuf {
    let path = folder.path().join(name);
    let mut file = tempfile::NamedTempFile::new_in(folder).expect("a file");
    file.write_all(source.as_bytes()).expect("its text");
    file.persist(&path).expect("its name");
    path
}

#[test]
fn every_example_prints_what_stands_beside_it() {
    let folder = root().join("examples/lua");
    let readme = std::fs::read_to_string(folder.join("README.md")).expect("a list");
    let mut names: Vec<String> = std::fs::read_dir(&folder)
        .expect("the folder")
        .map(|entry| {
            entry
                .expect("a file")
                .file_name()
                .to_string_lossy()
                .into_owned()
        })
        .filter_map(|name| name.strip_suffix(".lua").map(str::to_owned))
        .collect();
    names.sort();
    assert!(names.len() > 12, "{names:?}");
    for name in names {
        assert!(
            readme.contains(&format!("({name}.lua)")),
            "{name} is not in the list"
        );
        if name == "quickstart" {
            continue; // has a test of its own, because it prints figures of the repository
        }
        let path = format!("examples/lua/{name}.lua");
        let source = std::fs::read_to_string(root().join(&path)).expect("the script");
        let command = source
            .lines()
            .find_map(|line| line.strip_prefix("--     hookpoint "));
        let command = command.expect("a comment says the command");
        assert!(command.contains(&path), "{command}");
        let mut args: Vec<&str> = command.split(' ').collect();
        args.extend(["--no-report", "--no-socket", "--approve", "none"]);
        let ran = output(&args);
        assert!(ran.status.success(), "{name}: {}", text(&ran.stderr));
        let expected = folder.join(format!("expected/{name}.txt"));
        if std::env::var_os("HOOKPOINT_WRITE_EXPECTED").is_some() {
            std::fs::write(&expected, &ran.stdout).expect("it can be written");
        }
        let expected = std::fs::read_to_string(expected).expect("what it is to print");
        assert_eq!(text(&ran.stdout), expected, "{name}");
    }
}

#[test]
fn the_example_of_tests_passes() {
    let ran = output(&["lua", "test", "examples/lua/tested"]);
    assert!(
        ran.status.success(),
        "{}{}",
        text(&ran.stdout),
        text(&ran.stderr)
    );
    assert!(
        text(&ran.stdout).ends_with("4 passed, 0 failed\n"),
        "{}",
        text(&ran.stdout)
    );
}

#[test]
fn values_of_the_command_line_are_in_env() {
    let folder = tempfile::tempdir().expect("a folder");
    let script = file(
        &folder,
        "a.lua",
        "return {Env.STAGE, Env.EMPTY, Env.PATH == nil, pcall(function() Env.X = 1 end)}",
    );
    let path = script.to_str().expect("UTF-8");
    let ran = output(&[
        "run",
        path,
        "--json",
        "--env",
        "STAGE=a=b",
        "--env",
        "EMPTY=",
    ]);
    let printed: Value = serde_json::from_slice(&ran.stdout).expect("JSON");
    let result = &printed["scripts"][0]["result"];
    assert_eq!(
        json!([result[0], result[1], result[2], result[3]]),
        json!(["a=b", "", true, false])
    );
    let wrong = output(&["run", path, "--env", "STAGE"]);
    assert_eq!(wrong.status.code(), Some(2));
    assert!(text(&wrong.stderr).contains("KEY=VALUE"));
}

#[cfg(unix)]
#[test]
fn a_watched_script_is_reloaded_until_the_process_is_to_end() {
    let folder = tempfile::tempdir().expect("a folder");
    let hook = |name: &str| {
        format!("Hook.register('tool.execute', function() end, {{name = '{name}'}}) require('lib')")
    };
    file(&folder, "lib.lua", "return 1");
    let script = file(&folder, "a.lua", &hook("one"));
    let mut child = hookpoint(&[
        "run",
        script.to_str().expect("UTF-8"),
        "--watch",
        "--no-report",
        "--no-socket",
    ])
    .stdout(Stdio::null())
    .stderr(Stdio::piped())
    .spawn()
    .expect("it starts");
    let mut lines = BufReader::new(child.stderr.take().expect("piped")).lines();
    let mut next = |wanted: &str| {
        let found = lines
            .by_ref()
            .map(|line| line.expect("text"))
            .find(|line| line.contains(wanted));
        found.unwrap_or_else(|| panic!("no line with {wanted}"))
    };
    next("watching");
    file(&folder, "a.lua", &hook("two"));
    next("hooks: two");
    file(&folder, "lib.lua", "error('broken')");
    assert!(next("not reloaded").contains("lib.lua:1: broken"));
    file(&folder, "lib.lua", "return 2");
    next("hooks: two");
    let killed = Command::new("kill").arg(child.id().to_string()).status();
    assert!(killed.expect("kill").success());
    assert!(child.wait().expect("it ends").success());
}

#[test]
fn a_watched_script_that_failed_at_first_starts_when_it_is_mended() {
    let folder = tempfile::tempdir().expect("a folder");
    let script = file(&folder, "a.lua", "local = 1");
    let mut child = hookpoint(&[
        "run",
        script.to_str().expect("UTF-8"),
        "--watch",
        "--no-report",
        "--no-socket",
    ])
    .stdout(Stdio::null())
    .stderr(Stdio::piped())
    .spawn()
    .expect("it starts");
    let mut lines = BufReader::new(child.stderr.take().expect("piped")).lines();
    let mut seen = Vec::new();
    let mut next = |wanted: &str| {
        for line in lines.by_ref() {
            seen.push(line.expect("text"));
            if seen.last().is_some_and(|line| line.contains(wanted)) {
                return seen.clone();
            }
        }
        panic!("no line with {wanted}: {seen:?}")
    };
    assert!(next("watching")[0].contains("syntax error"));
    file(&folder, "a.lua", "error('still wrong')");
    let seen = next("not reloaded");
    assert!(
        seen.last().is_some_and(|line| line.contains("still wrong")),
        "{seen:?}"
    );
    assert_eq!(seen.len(), 3, "the first mistake is told once: {seen:?}");
    file(
        &folder,
        "a.lua",
        "Hook.register('tool.execute', function() end, {name = 'mended'})",
    );
    next("hooks: mended");
    let killed = Command::new("kill").arg(child.id().to_string()).status();
    assert!(killed.expect("kill").success());
    assert!(
        child.wait().expect("it ends").success(),
        "what failed was mended"
    );
}

#[test]
fn every_command_that_runs_scripts_takes_what_they_may_do() {
    let folder = tempfile::tempdir().expect("a folder");
    let guard = "Hook.register('tool.execute', function() end, {role = 'guard', name = 'g'})";
    let script = file(&folder, "a.lua", guard);
    let test = file(
        &folder,
        "a_test.lua",
        &format!("it('guards', function() {guard} end)"),
    );
    let (script, test) = (
        script.to_str().expect("UTF-8"),
        test.to_str().expect("UTF-8"),
    );
    for command in [
        &["run", script, "--no-report", "--no-socket"][..],
        &["hooks", "--script", script],
        &["doctor", "--script", script],
        &["explain", "tool.execute", "--script", script],
        &["lua", "test", test],
    ] {
        let with = |allow: &[&str]| {
            let mut args = command.to_vec();
            args.extend(allow.iter().flat_map(|allow| ["--allow", allow]));
            let ran = output(&args);
            (ran.status.success(), text(&ran.stdout) + &text(&ran.stderr))
        };
        assert!(with(&[]).0, "{command:?}");
        assert!(with(&["agent", "hook:tool.*:guard"]).0, "{command:?}");
        let (ok, said) = with(&["hook:tool.*:observe"]);
        assert!(
            !ok && said.contains("lacks the capability `hook:tool.execute:guard`"),
            "{command:?}: {said}"
        );
        let (ok, said) = with(&["hok:tool.*:observe"]);
        assert!(
            !ok && said.contains("did you mean `hook`"),
            "{command:?}: {said}"
        );
    }
    let repl = |allow: &str| {
        let mut child = hookpoint(&["lua", "repl", "--allow", allow])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("it starts");
        let mut input = child.stdin.take().expect("piped");
        writeln!(input, "{guard} print('done')").expect("it reads");
        drop(input);
        let ended = child.wait_with_output().expect("it ends");
        text(&ended.stdout) + &text(&ended.stderr)
    };
    assert!(repl("standard").contains("done"));
    let said = repl("agent");
    assert!(
        said.contains("lacks the capability `hook:tool.execute:guard`"),
        "{said}"
    );
}

#[test]
fn tests_of_scripts_say_what_failed() {
    let folder = tempfile::tempdir().expect("a folder");
    file(&folder, "a_test.lua", "
        describe('sums', function()
            local order = {}
            before_each(function() table.insert(order, 'before') end)
            after_each(function() table.insert(order, 'after') end)
            it('add up', function() expect(Tool.invoke('calculator', {expression = '1 + 1'}).result):to_be(2) end)
            it('are wrong', function() expect({a = 1}):to_equal({a = 2}) end)
            it('came in order', function() expect(order):to_equal({'before', 'after', 'before', 'after', 'before'}) end)
        end)
        Hook.register('tool.execute', function() return Result.cancel('no') end, {name = 'h', role = 'guard'})");
    file(
        &folder,
        "b_test.lua",
        "
        it('sees no hook of another file', function()
            expect(#Hook.list('tool.execute')):to_be(1)
            expect('tea'):never():to_contain('x')
            expect(function() expect(1):to_bee(1) end):to_fail('there is no to_bee')
        end)",
    );
    file(
        &folder,
        "c_test.lua",
        "it('ok', function() end) error('late')",
    );
    file(&folder, "d_test.lua", "return 1");
    file(&folder, "e_test.lua", "while true do end");
    file(&folder, "other.lua", "error('no test')");
    let ran = output(&[
        "lua",
        "test",
        folder.path().to_str().expect("UTF-8"),
        "--json",
        "--timeout",
        "1",
    ]);
    assert_eq!(ran.status.code(), Some(1), "{}", text(&ran.stderr));
    let said: Value = serde_json::from_slice(&ran.stdout).expect("JSON");
    assert_eq!(
        (&said["passed"], &said["failed"]),
        (&json!(4), &json!(4)),
        "{said}"
    );
    let wrong = &said["files"][0]["tests"][1];
    assert_eq!(wrong["name"], "sums are wrong");
    let error = wrong["error"].as_str().expect("text");
    assert!(
        error.contains("a_test.lua:7: expected {\"a\":1} to equal {\"a\":2}"),
        "{error}"
    );
    for (file, why) in [(2, "late"), (3, "no tests"), (4, "stopped")] {
        let error = said["files"][file]["error"].as_str().expect("text");
        assert!(error.contains(why), "{error}");
    }
    let none = output(&["lua", "test", "examples/plugin"]);
    assert_eq!(none.status.code(), Some(1));
}

#[test]
fn the_repl_prints_values_and_outlives_errors() {
    let mut child = hookpoint(&["lua", "repl"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it starts");
    let input = "1 + 1\n'a', {b = {1, 2}}\nx = 20\nx + 1\nfunction f(y)\n  return y * 2\nend\nf(x)\nerror('boom')\nlocal = 1\n{\n1,\n2}\nnil\nTool.invoke('calculator', {expression = '6 * 7'}).result\nfor i = 1, 2 do\n";
    child
        .stdin
        .take()
        .expect("piped")
        .write_all(input.as_bytes())
        .expect("it reads");
    let ran = child.wait_with_output().expect("it ends");
    assert!(ran.status.success());
    assert_eq!(
        text(&ran.stdout),
        "2\n\"a\"\t{\"b\":[1,2]}\n21\n40\n[1,2]\n42\n"
    );
    let errors = text(&ran.stderr);
    for why in ["boom", "syntax error at repl:1", "<eof>"] {
        assert!(errors.contains(why), "{errors}");
    }
}
