//! `hookpoint audit verify`

use std::path::Path;
use std::process::{Command, Output};

use hookpoint::builtin::{AuditHook, BuiltinHook as _, Placement};
use hookpoint::{HookRefusal, HookRegistry, HookScope, hooked};

#[hooked(point = "audit_test.pay")]
fn pay(cents: u64) -> Result<u64, HookRefusal> {
    Ok(cents)
}

fn verify(trail: &Path, args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hookpoint"));
    command.args(["audit", "verify"]).arg(trail).args(args);
    command.output().expect("it starts")
}

#[test]
fn a_trail_is_checked_line_by_line() {
    let folder = tempfile::tempdir().expect("a folder");
    let trail = folder.path().join("audit.jsonl");
    let registry = HookRegistry::new();
    let scope = HookScope::isolated(&registry);
    let audit =
        AuditHook::new(&trail).register(&registry, Placement::new("audit").point("audit_test.*"));
    let audit = audit.expect("it is registered");
    {
        let _entered = scope.enter();
        (0..3).for_each(|cents| drop(pay(cents)));
    }
    drop(audit);
    let good = verify(&trail, &["--json"]);
    let found: serde_json::Value = serde_json::from_slice(&good.stdout).expect("JSON");
    assert_eq!(
        (&found["lines"], &found["torn_bytes"]),
        (&9.into(), &0.into())
    );
    let head = found["head"].as_str().expect("a hash");
    assert!(verify(&trail, &["--head", head]).status.success());

    let text = std::fs::read_to_string(&trail).expect("a trail");
    let cut: String = text
        .lines()
        .take(8)
        .map(|line| format!("{line}\n"))
        .collect();
    std::fs::write(&trail, cut).expect("a file");
    assert!(
        verify(&trail, &[]).status.success(),
        "a chain, but not the whole one"
    );
    let shorter = verify(&trail, &["--head", head]);
    assert_eq!(shorter.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&shorter.stderr).contains("cut off"));

    std::fs::write(&trail, text.replacen("audit_test.pay", "audit_test.bay", 1)).expect("a file");
    let changed = verify(&trail, &[]);
    assert_eq!(changed.status.code(), Some(1));
    let said = String::from_utf8_lossy(&changed.stderr).into_owned();
    assert!(said.contains("audit.jsonl") && said.contains('1'), "{said}");
}
