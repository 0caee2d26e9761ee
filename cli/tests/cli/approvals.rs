//! `hookpoint approvals`, and `[approver]` of a configuration: programs that ask, a person who decides.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use hookpoint::{
    Approval, ApprovalRequest, HookRefusal, HookRegistry, HookScope, HookSystem, Life, hooked,
};
use serde_json::Value;

const CONFIG: &str = "HOOKPOINT_TEST_APPROVALS";

const POLICY: &str = r#"
[approver]
kind = "token"
folder = "approvals"
expires_s = 600

[[hook]]
kind = "approval"
id = "ask"
points = ["approvals_test.*"]
question = "Pay {args.cents} to {component}?"
required = true
"#;

#[hooked(point = "approvals_test.pay", component = to)]
fn pay(to: &str, cents: u64, password: &str) -> Result<u64, HookRefusal> {
    let _ = (to, password); // for hooks
    Ok(cents)
}

/// What the programs run that the tests below start.
#[tokio::test]
async fn pays_when_it_is_told_to() {
    let Ok(config) = std::env::var(CONFIG) else {
        return;
    };
    let registry = HookRegistry::new();
    let paid = HookScope::isolated(&registry).wrap(async {
        let builder = HookSystem::builder().config(config).expect("it is read");
        let _system = builder.build().await.expect("it starts");
        pay("corner\u{202e}shop", 250, "hunter2")
    });
    match paid.await {
        Ok(cents) => println!("\npaid {cents}"),
        Err(refusal) => println!("\nrefused {}", refusal.reason()),
    }
}

/// What a program that pays says, when it has ended.
fn program(config: &Path) -> String {
    let mut command = Command::new(std::env::current_exe().expect("it has a path"));
    let test = "approvals::pays_when_it_is_told_to";
    command
        .args(["--exact", test, "--nocapture"])
        .env(CONFIG, config);
    let output = command.output().expect("it starts");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let said = text
        .lines()
        .find(|line| line.starts_with("paid") || line.starts_with("refused"));
    said.unwrap_or_else(|| panic!("{text}")).to_owned()
}

fn token(said: &str) -> String {
    let is_token = |word: &&str| word.len() == 32 && word.bytes().all(|b| b.is_ascii_hexdigit());
    let found = said.split([' ', ',']).find(is_token);
    found
        .unwrap_or_else(|| panic!("no token: {said}"))
        .to_owned()
}

struct Desk {
    _keep: tempfile::TempDir,
    config: PathBuf,
    folder: PathBuf,
}

impl Desk {
    fn new() -> Desk {
        let keep = tempfile::tempdir().expect("a folder");
        let config = keep.path().join("hookpoint.toml");
        std::fs::write(&config, POLICY).expect("a file");
        Desk {
            config,
            folder: keep.path().join("approvals"),
            _keep: keep,
        }
    }

    fn run(&self, args: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_hookpoint"));
        command
            .arg("approvals")
            .args(args)
            .arg("--folder")
            .arg(&self.folder);
        command.output().expect("it starts")
    }

    fn good(&self, args: &[&str]) -> String {
        let output = self.run(args);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{args:?}: {said}");
        String::from_utf8(output.stdout).expect("text")
    }

    fn json(&self, args: &[&str]) -> Value {
        let args = [args, &["--json"]].concat();
        serde_json::from_str(&self.good(&args)).expect("JSON")
    }

    fn bad(&self, args: &[&str]) -> String {
        let output = self.run(args);
        assert_eq!(output.status.code(), Some(1), "{args:?}");
        String::from_utf8_lossy(&output.stderr).into_owned()
    }
}

#[test]
fn what_a_person_allows_goes_on_once_in_another_program() {
    let desk = Desk::new();
    let asked = token(&program(&desk.config));
    // The program that asked has ended.
    let listed = desk.good(&["list"]);
    let question = "Pay 250 to \"corner\\u{202e}shop\"?";
    for part in [&*asked, "pending", "approvals_test.pay", question] {
        assert!(listed.contains(part), "{part}: {listed}");
    }
    let shown = desk.good(&["show", &asked]);
    for part in [
        "argument cents: 250",
        "component: corner\\u{202e}shop",
        "plan: run",
        "ask asks: Pay 250",
    ] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    let json = desk.json(&["show", &asked]);
    assert_eq!(json["args"]["password"], "[redacted:key]");
    assert_eq!(json["site"], "cli::approvals::pay");
    for text in [listed, shown, json.to_string()] {
        assert!(!text.contains("hunter2"), "{text}");
    }
    assert_eq!(token(&program(&desk.config)), asked, "it waits still");
    assert!(
        desk.good(&["allow", &asked])
            .contains(&format!("{asked} allowed"))
    );
    assert_eq!(program(&desk.config), "paid 250");
    let next = token(&program(&desk.config));
    assert_ne!(next, asked);
    let listed = desk.json(&["list"]);
    let states: Vec<_> = [0, 1]
        .map(|n| listed["requests"][n]["state"].clone())
        .into();
    assert_eq!(states, ["used", "pending"]);
    assert!(
        desk.bad(&["allow", &asked])
            .contains("its call has gone on")
    );
}

#[test]
fn what_a_person_denies_stays_refused() {
    let desk = Desk::new();
    let asked = token(&program(&desk.config));
    assert_eq!(desk.json(&["deny", &asked])["state"], "denied");
    let said = program(&desk.config);
    assert!(said.contains("denied") && token(&said) == asked, "{said}");
    assert!(
        desk.bad(&["allow", &asked])
            .contains("stands until it expires")
    );
    assert!(
        desk.bad(&["show", "0123"])
            .contains("there is no request 0123")
    );
}

#[test]
fn folders_that_are_none_and_changed_files_are_errors() {
    let desk = Desk::new();
    assert!(desk.bad(&["list"]).contains("the folder of approvals"));
    assert!(!desk.folder.exists(), "a listing makes no folder");
    let asked = token(&program(&desk.config));
    let entries = std::fs::read_dir(&desk.folder).expect("a folder");
    let mut paths = entries.map(|entry| entry.expect("an entry").path());
    let path = paths
        .find(|path| path.extension().is_some_and(|end| end == "json"))
        .expect("a request");
    let text = std::fs::read_to_string(&path).expect("text");
    std::fs::write(&path, text.replace("\"pending\"", "\"allowed\"")).expect("a file");
    assert!(desk.bad(&["list"]).contains("was changed"));
    assert!(desk.bad(&["allow", &asked]).contains("there is no request"));
    assert!(program(&desk.config).contains("was changed"));
}

async fn start(text: &str, own: bool) -> Result<HookSystem, String> {
    let keep = tempfile::tempdir().expect("a folder");
    let path = keep.path().join("hookpoint.toml");
    std::fs::write(&path, text).expect("a file");
    let registry = HookRegistry::new();
    let started = HookScope::isolated(&registry).wrap(async {
        let mut builder = HookSystem::builder().config(path)?;
        if own {
            builder = builder.approver(|request: &ApprovalRequest| -> Approval { request.allow() });
        }
        builder.build().await
    });
    let started = started.await.map_err(|error| error.to_string());
    let life = if started.is_ok() {
        Life::Serving
    } else {
        Life::Starting
    };
    assert_eq!(registry.life(), life);
    started
}

#[tokio::test]
async fn an_approver_of_a_configuration_is_right_or_an_error() {
    for text in [
        "[approver]\nkind = \"terminal\"\n",
        "[approver]\nkind = \"terminal\"\npatience_s = 60\n",
        // Any variable that is long enough wherever this is built.
        "[approver]\nkind = \"webhook\"\nurl = \"http://localhost:1/ask\"\nsecret_env = \"CARGO_PKG_DESCRIPTION\"\npatience_s = 60\n",
        "[approver]\nkind = \"token\"\nfolder = \"a\"\nmax_pending = 3\nkeys = [\"pin\"]\n",
    ] {
        start(text, false).await.expect("it starts");
    }
    for (text, wanted) in [
        ("[approver]\nfolder = \"a\"", "write `kind = "),
        ("[approver]\nkind = \"nobody\"", "write `kind = "),
        ("[approver]\nkind = \"token\"", "`folder` is missing"),
        (
            "[approver]\nkind = \"token\"\nfolder = \"a\"\nexpires_s = 0",
            "`expires_s` must be",
        ),
        (
            "[approver]\nkind = \"token\"\nfolder = \"a\"\npatience_s = 1",
            "patience_s",
        ),
        (
            "[approver]\nkind = \"token\"\nfolder = \"hookpoint.toml\"",
            "the folder of approvals",
        ),
        ("[approver]\nkind = \"terminal\"\nfolder = \"a\"", "folder"),
        ("[approver]\nkind = \"webhook\"", "`url` is missing"),
        (
            "[approver]\nkind = \"webhook\"\nurl = \"http://desk.example/\"",
            "`url` is `http://` on another machine",
        ),
        (
            "[approver]\nkind = \"webhook\"\nurl = \"http://localhost/\"",
            "`secret_env` is missing",
        ),
        (
            "[approver]\nkind = \"webhook\"\nurl = \"http://localhost/\"\nsecret = \"x\"",
            "secret",
        ),
        (
            "[approver]\nkind = \"webhook\"\nurl = \"http://localhost/\"\nsecret_env = \"HOOKPOINT_NOT_SET\"",
            "`HOOKPOINT_NOT_SET`, which is not set",
        ),
        (
            "[approver]\nkind = \"terminal\"\npatience_s = 0",
            "`patience_s` must be 1",
        ),
    ] {
        let error = start(text, false).await.err().expect("it does not start");
        assert!(
            error.contains("hookpoint.toml:1:1: ") && error.contains(wanted),
            "{text}: {error}"
        );
    }
    let error = start("[approver]\nkind = \"terminal\"", true).await.err();
    let error = error.expect("two approvers are one too many");
    assert!(
        error.contains("hookpoint.toml:1:1: the program has an approver of its own"),
        "{error}"
    );
}

#[tokio::test]
async fn two_files_do_not_both_name_an_approver() {
    let desk = Desk::new();
    let registry = HookRegistry::new();
    let read = HookScope::isolated(&registry).wrap(async {
        let builder = HookSystem::builder().config(&desk.config)?;
        builder.config(&desk.config).map(drop)
    });
    let error = read.await.unwrap_err().to_string();
    assert!(
        error.contains("hookpoint.toml:2:1: there is an approver at"),
        "{error}"
    );
}
