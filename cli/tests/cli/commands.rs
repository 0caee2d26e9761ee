//! The command as a person or a program meets it.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("the workspace")
}

fn hookpoint(args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hookpoint"));
    command
        .args(args)
        .current_dir(root())
        .env_remove("HOOKPOINT_REQUIRE_POLICY")
        .output()
        .expect("it starts")
}

fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn json(args: &[&str]) -> Value {
    let output = hookpoint(args);
    assert!(output.status.success(), "{args:?}: {}", stderr(&output));
    serde_json::from_str(&stdout(&output)).expect("JSON and nothing else")
}

/// A script in a temporary folder; removed when dropped.
struct Script(tempfile::TempDir, PathBuf);

impl Script {
    fn new(text: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("script.lua");
        std::fs::write(&path, text).expect("a file");
        Script(folder, path)
    }
    fn path(&self) -> &str {
        assert!(self.0.path().exists());
        self.1.to_str().expect("UTF-8")
    }
}

#[test]
fn points_lists_all_53_and_every_site_with_its_place() {
    let points = json(&["points", "--json"]);
    let points = points.as_array().expect("a list");
    let builtin: Vec<_> = points.iter().filter(|p| p["builtin"] == true).collect();
    assert_eq!(builtin.len(), 53);
    for point in points {
        let sites = point["sites"].as_array().expect("a list");
        assert_eq!(point["fired"], !sites.is_empty(), "{point}");
        for site in sites {
            let file = root().join(site["file"].as_str().expect("a file"));
            let line = usize::try_from(site["line"].as_u64().expect("a line")).expect("small");
            let source = std::fs::read_to_string(&file).expect("the file is there");
            assert!((1..=source.lines().count()).contains(&line), "{site}");
        }
    }
    let execute = builtin
        .iter()
        .find(|p| p["name"] == "tool.execute")
        .expect("the point");
    // Those of the three tools, and that of the gateway.
    assert_eq!(execute["sites"].as_array().map(Vec::len), Some(4));
    let text = stdout(&hookpoint(&["points"]));
    assert!(
        text.contains("model.stream") && text.contains("not fired by this program"),
        "{text}"
    );
}

#[test]
fn hooks_and_doctor_know_the_plugin_and_the_commands_own_hook() {
    let hooks = json(&["hooks", "--json"]);
    let plugin = hooks
        .as_array()
        .expect("a list")
        .iter()
        .find(|h| h["id"] == "example-plugin.strong-hashes");
    let source = &plugin.expect("found at link time")["source"];
    assert_eq!(source["origin"]["package"], "hookpoint-example-plugin");
    assert!(
        source["location"]
            .as_str()
            .expect("a place")
            .starts_with("examples/plugin/src/lib.rs:")
    );
    let found = json(&["doctor", "--json"]);
    let sites = found["sites"].as_array().expect("a list");
    let guarded = sites
        .iter()
        .filter(|s| s["guards"].as_array().is_some_and(|g| g.len() == 2));
    assert!(guarded.count() >= 3, "both guard the tools");
    assert_eq!(
        found["gaps"].as_array().map(Vec::len),
        Some(0),
        "{}",
        found["gaps"]
    );
}

#[test]
fn explain_rehearses_pure_hooks() {
    let args = r#"{"params": {"algorithm": "md5", "input": "x"}}"#;
    let said = json(&["explain", "BeforeToolExecution", "--args", args, "--json"]);
    assert_eq!(said["point"], "tool.execute");
    assert_eq!(said["rehearsal"]["verdict"], "cancel");
    let strong = json(&[
        "explain",
        "tool.execute",
        "--args",
        r#"{"params": {"algorithm": "sha256"}}"#,
        "--json",
    ]);
    assert_eq!(strong["rehearsal"]["verdict"], "pass");
}

#[test]
fn mistakes_are_named_and_exit_with_1() {
    for (args, wanted) in [
        (
            &["explain", "tool.exekute"][..],
            "did you mean `tool.execute`?",
        ),
        (
            &["explain", "tool.execute", "--args", "{"],
            "--args is not JSON",
        ),
        (
            &["explain", "tool.execute", "--args", "3"],
            "must be a JSON object",
        ),
        (&["points", "*"], "write `>`"),
        (&["run", "no/such/script.lua"], "no/such/script.lua"),
        (
            &["hooks", "--script", "no/such/script.lua"],
            "no/such/script.lua",
        ),
    ] {
        let output = hookpoint(args);
        assert_eq!(output.status.code(), Some(1), "{args:?}");
        assert!(
            stderr(&output).contains(wanted),
            "{args:?}: {}",
            stderr(&output)
        );
    }
    assert_eq!(hookpoint(&["no-such-command"]).status.code(), Some(2));
}

#[test]
fn a_script_that_fails_has_its_line_and_disturbs_no_other() {
    let bad = Script::new("print('before')\nlocal x = nil\nprint(x.y)\n");
    let good = Script::new("return 42");
    let output = hookpoint(&["run", bad.path(), good.path(), "--json"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        stderr(&output).contains("script.lua:3:"),
        "{}",
        stderr(&output)
    );
    let printed: Value = serde_json::from_str(&stdout(&output)).expect("JSON and nothing else");
    assert_eq!(printed["scripts"][1]["result"], 42);
    let syntax = Script::new("local = 3");
    let output = hookpoint(&["run", syntax.path()]);
    assert!(
        stderr(&output).contains("script.lua:1:"),
        "{}",
        stderr(&output)
    );
}

#[test]
fn rust_plugin_and_lua_hooks_refuse_with_their_places() {
    let script = Script::new(
        r#"
Hook.register("tool.execute", function(ctx)
    if ctx.component == "calculator" then return Result.cancel("no sums today") end
end, {role = "guard", name = "no-sums"})
local said = {}
for name, params in pairs({
    calculator = {expression = "1 + 1"},
    hash_calculator = {operation = "hash", input = "x", algorithm = "md5"},
    file_search = {pattern = "x", path = "../elsewhere"},
}) do
    local ok, why = pcall(Tool.invoke, name, params)
    said[name] = {ok = ok, why = tostring(why)}
end
return said
"#,
    );
    let printed = json(&["run", script.path(), "--json"]);
    let said = &printed["scripts"][0]["result"];
    for (tool, why) in [
        ("calculator", "no sums today"),
        ("hash_calculator", "md5 is broken"),
        ("file_search", "leads out of the folder"),
    ] {
        assert_eq!(said[tool]["ok"], false, "{said}");
        assert!(
            said[tool]["why"]
                .as_str()
                .is_some_and(|text| text.contains(why)),
            "{said}"
        );
    }
    let refusals = printed["report"]["refusals"].as_array().expect("a list");
    let by = |hook: &str| {
        refusals
            .iter()
            .find(|r| r["hook"] == hook)
            .expect("refused by it")["source"]
            .to_string()
    };
    assert!(by("no-sums").contains("script.lua:2"));
    assert!(by("example-plugin.strong-hashes").contains("examples/plugin/src/lib.rs:"));
    assert!(by("cli.workspace").contains("cli/src/run.rs:"));
}

#[test]
fn scripts_may_do_what_is_allowed_and_no_more() {
    let guard = Script::new("Hook.register('tool.execute', print, {role = 'guard'})");
    assert!(hookpoint(&["run", guard.path()]).status.success());
    let allowed = ["run", "--allow", "hook:tool.*:guard", guard.path()];
    assert!(hookpoint(&allowed).status.success());
    let refused = hookpoint(&["run", "--allow", "tool:calculator", guard.path()]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(
        stderr(&refused).contains("--allow hook:tool.execute:guard"),
        "{}",
        stderr(&refused)
    );
    let wrong = hookpoint(&["run", "--allow", "hook:tool.*", guard.path()]);
    assert_eq!(wrong.status.code(), Some(1));
    assert!(
        stderr(&wrong).contains("names no role"),
        "{}",
        stderr(&wrong)
    );
    let grants = Script::new(
        "Hook.register('tool.execute', function() return Result.allow() end, {role = 'guard'})\nTool.invoke('calculator', {expression = '1'})",
    );
    assert!(!hookpoint(&["run", grants.path()]).status.success());
    let granted = [
        "run",
        "--allow",
        "standard",
        "--allow",
        "grant:tool.execute",
        grants.path(),
    ];
    assert!(hookpoint(&granted).status.success());
}

#[test]
fn types_for_editors_have_the_arguments_of_the_linked_tools() {
    let printed = hookpoint(&["lua", "meta"]);
    assert!(printed.status.success());
    let text = stdout(&printed);
    assert!(
        text.contains("---@class HookContext.tool.execute.args\n"),
        "{text}"
    );
    assert!(text.contains("---@field params any"), "{text}");
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("hookpoint.lua");
    let written = hookpoint(&["lua", "meta", "--out", path.to_str().expect("UTF-8")]);
    assert!(written.status.success() && stdout(&written).is_empty());
    assert_eq!(std::fs::read_to_string(&path).expect("it is there"), text);
    let nowhere = folder.path().join("no").join("such.lua");
    let failed = hookpoint(&["lua", "meta", "--out", nowhere.to_str().expect("UTF-8")]);
    assert_eq!(failed.status.code(), Some(1));
    assert!(
        stderr(&failed).contains("such.lua can't be written"),
        "{}",
        stderr(&failed)
    );
}

#[test]
fn conditions_of_scripts_may_be_cel() {
    let script = Script::new(
        "Hook.register('tool.execute', function() return Result.cancel('no sums') end,
        {role = 'guard', when = \"component == 'calculator'\"})
        local ok, said = pcall(Tool.invoke, 'calculator', {expression = '1'})
        return {ok = ok, said = said, cards = #Tool.list()}",
    );
    let run = json(&["run", "--json", script.path()]);
    let result = &run["scripts"][0]["result"];
    assert_eq!(result["ok"], false);
    assert!(
        result["said"].as_str().expect("text").contains("no sums"),
        "{result}"
    );
    let wrong = Script::new("Hook.register('tool.execute', print, {when = 'component =='})");
    assert!(stderr(&hookpoint(&["run", wrong.path()])).contains("`when = \"component ==\"`"));
}

#[test]
fn shells_complete_the_commands() {
    for (shell, word) in [
        ("bash", "_hookpoint"),
        ("zsh", "#compdef"),
        ("fish", "complete -c"),
    ] {
        let script = stdout(&hookpoint(&["completions", shell]));
        assert!(script.contains(word) && script.contains("mcp"), "{shell}");
    }
}
