//! `hookpoint run` at a terminal.

use std::process::{Command, Stdio};

use crate::built_example;
use crate::pty::Pty;

const SCRIPT: &str = r#"
local answer = Approval.request{ question = "Deploy it?", details = { stage = "live\27[2J" } }
print(if answer.approved then "deployed" else "not deployed: " .. tostring(answer.reason))
"#;

fn run(pty: &mut Pty, options: &[&str], typed: Option<&str>) -> String {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("deploy.lua"), SCRIPT).expect("a file");
    let child = Command::new(built_example("at_terminal"))
        .arg(&pty.path)
        .arg(env!("CARGO_BIN_EXE_hookpoint"))
        .args(["run", "deploy.lua", "--no-report", "--no-socket"])
        .args(["--allow", "standard", "--allow", "approval"])
        .args(options)
        .current_dir(folder.path())
        .env("NO_COLOR", "1")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it starts");
    if let Some(typed) = typed {
        let screen = pty.until("allow this call? [y/N]");
        assert!(screen.contains("Deploy it?"), "{screen}");
        assert!(!screen.contains('\u{1b}'), "{screen}");
        pty.types(typed);
    }
    let output = child.wait_with_output().expect("it ends");
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

#[test]
fn a_script_asks_whoever_sits_there() {
    let mut pty = Pty::new();
    assert!(run(&mut pty, &[], Some("y\n")).contains("deployed"));
    let denied = run(&mut pty, &[], Some("n\n"));
    assert!(denied.contains("not deployed: "), "{denied}");
    let nobody = run(&mut pty, &["--approve", "none"], None);
    assert!(nobody.contains("not deployed: "), "{nobody}");
}
