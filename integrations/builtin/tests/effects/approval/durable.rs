//! Requests that outlive the program.

use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use hooks_builtin::{
    ApprovalError, ApprovalFolder, ApprovalHook, ApprovalState, BuiltinHook as _, Placement,
    TokenApprover,
};
use hooks_runtime::{Clock, HookRegistry, HookResult};
use serde_json::json;

use super::{AWS, asking, kept, limit, pay, reason, refused, scope_of, token};
use crate::kit::{Runs, buy, isolated, order, write};

fn folder() -> (tempfile::TempDir, std::path::PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("in").join("approvals");
    (folder, path)
}

#[test]
fn an_allowed_token_lets_one_call_pass_also_after_a_restart() {
    let (_keep, folder) = folder();
    let asked = {
        let (registry, scope) = isolated();
        let _entered = scope.enter();
        let _asks = asking(&registry, "Pay {args.data.cents} to {component}?");
        registry.set_approver(TokenApprover::new(&folder).open().unwrap());
        let refusal = refused(pay("corner", 250));
        assert_eq!(refusal.hook(), "hookpoint.approver");
        let first = token(refusal.reason());
        assert_eq!(
            token(&reason(pay("corner", 250))),
            first,
            "it is the same question"
        );
        first
    };
    let folder_seen = ApprovalFolder::open(&folder).unwrap();
    let request = folder_seen.show(&asked).unwrap();
    assert_eq!(request.state, ApprovalState::Pending);
    assert_eq!(
        request.questions,
        [("ask".to_owned(), "Pay 250 to \"corner\"?".to_owned())]
    );
    assert_eq!(
        (request.point.as_str(), request.plan.as_str()),
        ("shop.write", "run")
    );
    assert_eq!(request.args["data"]["cents"], 250);
    assert!(request.expires_at > request.asked_at && request.decided_at.is_none());
    let allowed = folder_seen.allow(&asked).unwrap();
    assert!(allowed.state == ApprovalState::Allowed && allowed.decided_at.is_some());
    folder_seen.allow(&asked).unwrap();

    // Another program, with hooks of its own that all decide anew.
    let (registry, scope) = isolated();
    let _entered = scope.enter();
    let _asks = asking(&registry, "Pay {args.data.cents} to {component}?");
    registry.set_approver(TokenApprover::new(&folder));
    let strict = limit(&registry, 100);
    assert_eq!(reason(pay("corner", 250)), "too dear");
    drop(strict);
    assert_eq!(pay("corner", 250).unwrap()["cents"], 250);
    let second = token(&reason(pay("corner", 250)));
    assert_ne!(second, asked, "it was for one call");
    let states: Vec<_> = kept(&folder)
        .into_iter()
        .map(|request| request.state)
        .collect();
    assert_eq!(states, [ApprovalState::Used, ApprovalState::Pending]);
    for decided in [folder_seen.allow(&asked), folder_seen.deny(&asked)] {
        let why = decided.unwrap_err().to_string();
        assert!(why.contains("its call has gone on"), "{why}");
    }
}

#[test]
fn another_call_is_another_question() {
    let (_keep, folder) = folder();
    let (registry, _) = isolated();
    registry.set_approver(TokenApprover::new(&folder));
    let question = "Pay to {component}?";
    let asks = asking(&registry, question);
    let by = |principal: &str, shop: &str, cents: u64| {
        let scope = scope_of(&registry, principal);
        let _entered = scope.enter();
        pay(shop, cents)
    };
    let allowed = token(&reason(by("ann", "corner", 1)));
    ApprovalFolder::open(&folder)
        .unwrap()
        .allow(&allowed)
        .unwrap();
    let mut others = vec![
        token(&reason(by("ann", "corner", 2))),
        token(&reason(by("ann", "back", 1))),
        token(&reason(by("bob", "corner", 1))),
    ];
    let answer = |text: &'static str| {
        let answer = (text.to_owned(), json!(null), None::<String>);
        let plan =
            move |_: &mut hooks_runtime::HookContext<'_>| HookResult::replace(answer.clone());
        registry.intercept("plan", "shop.write", plan).unwrap()
    };
    for text in ["this", "that"] {
        let _answers = answer(text);
        others.push(token(&reason(by("ann", "corner", 1))));
    }
    drop(asks);
    let other = asking(&registry, "Really pay to {component}?");
    others.push(token(&reason(by("ann", "corner", 1))));
    drop(other);
    others.push(allowed);
    let many = others.len();
    others.sort();
    others.dedup();
    assert_eq!(others.len(), many, "{others:?}");
    // None of them has used it up.
    let _asks = asking(&registry, question);
    by("ann", "corner", 1).unwrap();
}

#[test]
fn requests_expire_and_a_denial_stands_until_then() {
    let (_keep, folder) = folder();
    let (registry, scope) = isolated();
    let _entered = scope.enter();
    let _asks = asking(&registry, "?");
    let clock = Clock::fake();
    let approver = TokenApprover::new(&folder)
        .expires_s(60)
        .clock(clock.clone());
    registry.set_approver(approver);
    let decisions = ApprovalFolder::open(&folder);
    assert!(
        matches!(decisions, Err(ApprovalError::Folder { .. })),
        "nothing was asked"
    );
    let first = token(&reason(pay("corner", 1)));
    let decisions = ApprovalFolder::open_with_clock(&folder, clock.clone()).unwrap();
    decisions.deny(&first).unwrap();
    let why = decisions.allow(&first).unwrap_err().to_string();
    assert!(why.contains("which stands until it expires"), "{why}");
    clock.advance(Duration::from_secs(59));
    let why = reason(pay("corner", 1));
    assert!(why.contains("denied") && token(&why) == first, "{why}");
    clock.advance(Duration::from_secs(2));
    assert_eq!(
        decisions.show(&first).unwrap().state,
        ApprovalState::Expired
    );
    let why = decisions.allow(&first).unwrap_err().to_string();
    assert!(why.contains("has expired"), "{why}");

    let second = token(&reason(pay("corner", 1)));
    assert_ne!(second, first);
    decisions.allow(&second).unwrap();
    clock.advance(Duration::from_secs(61));
    let third = token(&reason(pay("corner", 1)));
    assert_ne!(third, second, "it was allowed, and has expired");
    // Allowed, and then not.
    decisions.allow(&third).unwrap();
    decisions.deny(&third).unwrap();
    assert!(reason(pay("corner", 1)).contains("denied"));
    // What has expired is removed when something new is asked.
    clock.advance(Duration::from_secs(61));
    let fourth = token(&reason(pay("corner", 2)));
    let left: Vec<_> = decisions.list().unwrap().0;
    assert_eq!(left.len(), 1);
    assert_eq!(left[0].token, fourth);
}

#[test]
fn so_many_requests_wait_at_most() {
    let (_keep, folder) = folder();
    let (registry, scope) = isolated();
    let _entered = scope.enter();
    let _asks = asking(&registry, "?");
    registry.set_approver(TokenApprover::new(&folder).max_pending(2));
    let tokens = [1, 2].map(|cents| token(&reason(pay("corner", cents))));
    let why = reason(pay("corner", 3));
    assert!(why.contains("2 requests wait"), "{why}");
    assert_eq!(
        token(&reason(pay("corner", 2))),
        tokens[1],
        "it waits already"
    );
    ApprovalFolder::open(&folder)
        .unwrap()
        .deny(&tokens[0])
        .unwrap();
    token(&reason(pay("corner", 3)));
}

#[test]
fn what_has_no_json_form_cannot_be_approved_by_token() {
    let (_keep, folder) = folder();
    let (registry, scope) = isolated();
    let _entered = scope.enter();
    let _asks = asking(&registry, "?");
    registry.set_approver(TokenApprover::new(&folder).open().unwrap());
    let runs = Runs::default();
    let why = reason(buy("corner", order("tea", 1), &runs));
    assert!(why.contains("no JSON form"), "{why}");
    assert!(kept(&folder).is_empty() && runs.count() == 0);
}

#[test]
fn what_is_nested_deep_or_long_is_kept_short_and_still_counts() {
    let (_keep, folder) = folder();
    let (registry, scope) = isolated();
    let _entered = scope.enter();
    let _asks = asking(&registry, "?");
    registry.set_approver(TokenApprover::new(&folder));
    let nested = |last: u64| (0..120).fold(json!(last), |inner, _| json!([inner]));
    let call = |last: u64| write("corner", "x".repeat(1 << 20), nested(last), None);
    let first = token(&reason(call(1)));
    assert_ne!(token(&reason(call(2))), first);
    let request = ApprovalFolder::open(&folder)
        .unwrap()
        .allow(&first)
        .unwrap();
    assert!(request.args["data"]["left_out"].is_string(), "{request:?}");
    assert_eq!(request.args["text"], json!({ "bytes": (1 << 20) + 2 }));
    call(2).unwrap_err();
    call(1).unwrap();
}

#[test]
fn what_is_kept_is_redacted_and_for_its_owner_only() {
    let (_keep, folder) = folder();
    let (registry, scope) = isolated();
    let scope = scope.principal(AWS);
    let _entered = scope.enter();
    let _asks = ApprovalHook::new("Write {args.text}, {args.data.badge}?")
        .patterns(["aws_key"])
        .register(&registry, Placement::new("ask").point("shop.write"))
        .unwrap();
    let approver: TokenApprover = serde_json::from_value(json!({
        "folder": folder,
        "expires_s": 60,
        "max_pending": 3,
        "max_value_bytes": 100,
        "patterns": ["secrets"],
        "regexes": { "badge": "B-[0-9]{4}" },
        "keys": ["pin", "password"],
    }))
    .unwrap();
    registry.set_approver(approver.open().unwrap());
    let data = json!({ "pin": "4711", "badge": "B-1234", "key": AWS });
    let long = || "x".repeat(200);
    let call = |pin: &str| {
        let mut data = data.clone();
        data["pin"] = json!(pin);
        write("corner", long(), data, Some("hunter".into()))
    };
    let asked = token(&reason(call("4711")));
    // The values count as they are, not as they are shown.
    assert_ne!(token(&reason(call("4712"))), asked);
    let request = kept(&folder)
        .into_iter()
        .find(|r| r.token == asked)
        .unwrap();
    assert_eq!(request.principal.as_deref(), Some("[redacted:aws_key]"));
    assert_eq!(request.args["text"], json!({ "bytes": 202 }));
    let shown = json!({ "pin": "[redacted:key]", "badge": "[redacted:badge]", "key": "[redacted:aws_key]" });
    assert_eq!(
        (&request.args["data"], &request.args["password"]),
        (&shown, &json!("[redacted:key]"))
    );
    let mode =
        |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&folder), 0o700);
    let mut files = 0;
    for entry in std::fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        assert_eq!(mode(&path), 0o600, "{path:?}");
        let text = String::from_utf8_lossy(&std::fs::read(&path).unwrap()).into_owned();
        for secret in [AWS, "4711", "B-1234", "hunter"] {
            assert!(!text.contains(secret), "{path:?}: {text}");
        }
        files += 1;
    }
    assert_eq!(files, 4, "two requests, the key, and the lock");
}

#[test]
fn bad_options_refuse_early_or_with_the_first_call() {
    let (keep, folder) = folder();
    for (approver, wanted) in [
        (TokenApprover::new(""), "`folder` is missing"),
        (
            TokenApprover::new(&folder).expires_s(0),
            "`expires_s` must be 1",
        ),
        (
            TokenApprover::new(&folder).expires_s(2_592_001),
            "`expires_s` must be 1",
        ),
        (
            TokenApprover::new(&folder).max_pending(0),
            "`max_pending` must be 1",
        ),
        (
            TokenApprover::new(&folder).max_pending(10_001),
            "`max_pending` must be 1",
        ),
        (
            TokenApprover::new(&folder).patterns(["none"]),
            "`patterns` has no pattern",
        ),
        (
            TokenApprover::new(&folder).regexes([("a", "(")]),
            "`regexes` `a`",
        ),
        (
            TokenApprover::new(&folder)
                .keys(["a"])
                .max_value_bytes(0)
                .max_pending(0),
            "`max_pending`",
        ),
    ] {
        let why = approver.open().unwrap_err().to_string();
        assert!(why.contains(wanted), "{why}");
    }
    assert!(serde_json::from_value::<TokenApprover>(json!({ "foldr": "x" })).is_err());
    let file = keep.path().join("file");
    std::fs::write(&file, "").unwrap();
    let registry = HookRegistry::new();
    let scope = hooks_runtime::HookScope::isolated(&registry);
    let _entered = scope.enter();
    let _asks = asking(&registry, "?");
    registry.set_approver(TokenApprover::new(&file));
    let refusal = refused(pay("corner", 1));
    assert_eq!(refusal.hook(), "hookpoint.approver");
    assert!(
        refusal.reason().contains("the folder of approvals"),
        "{refusal}"
    );
}
