//! Calls that wait for somebody: what is asked, and who answers.

mod channel;
mod durable;
mod hostile;
#[cfg(unix)]
mod terminal;
mod together;
#[cfg(feature = "webhook")]
mod webhook;

use std::path::Path;

use hooks_builtin::{
    ApprovalFolder, ApprovalHook, BuiltinHook as _, KeptRequest, Placement, Registered, kind,
};
use hooks_runtime::{ApprovalRequest, HookRegistry, HookResult, HookScope, Vote};
use serde_json::{Value, json};

use crate::kit::{ShopError, isolated, refused_options, write};

const AWS: &str = "AKIAABCDEFGHIJKLMNOP";

fn at() -> Placement {
    Placement::new("ask").point("shop.*")
}

fn asking(registry: &HookRegistry, question: &str) -> Registered {
    ApprovalHook::new(question)
        .register(registry, at())
        .unwrap()
}

/// A call all of whose arguments have a JSON form.
fn pay(shop: &str, cents: u64) -> Result<Value, ShopError> {
    let data = json!({ "cents": cents, "by": ["card", "cash"] });
    write(shop, "tea".into(), data, None).map(|(_, data, _)| data)
}

fn refused<T: std::fmt::Debug>(result: Result<T, ShopError>) -> hooks_runtime::HookRefusal {
    match result {
        Err(ShopError::Refused(refusal)) => refusal,
        other => panic!("it was not refused: {other:?}"),
    }
}

fn reason<T: std::fmt::Debug>(result: Result<T, ShopError>) -> String {
    refused(result).reason().to_owned()
}

/// The token that a reason names.
fn token(reason: &str) -> String {
    let is_token = |word: &&str| word.len() == 32 && word.bytes().all(|b| b.is_ascii_hexdigit());
    let found = reason.split([' ', ',']).find(is_token);
    found
        .unwrap_or_else(|| panic!("no token: {reason}"))
        .to_owned()
}

fn kept(folder: &Path) -> Vec<KeptRequest> {
    let (kept, wrong) = ApprovalFolder::open(folder).unwrap().list().unwrap();
    assert!(wrong.is_empty(), "{wrong:?}");
    kept
}

#[test]
fn the_question_is_made_from_the_call() {
    let (registry, scope) = isolated();
    let scope = scope.principal("ann");
    let _entered = scope.enter();
    let options = json!({
        "question": "{{{point}}} {plan}: {args.data.cents} by {args.data.by.1} to {component} for {principal}? {args.text} {args.password} {args.data.badge} {args.data.key}",
        "max_value_chars": 24,
        "patterns": ["secrets"],
        "regexes": { "badge": "B-[0-9]{4}" },
        "keys": ["password"],
    });
    let hooks = kind("approval").unwrap().prepare(options, &at()).unwrap();
    let _asks = registry.replace(&[], hooks).unwrap();
    let data = json!({ "cents": 250, "by": ["card", "cash"], "badge": "B-1234", "key": AWS });
    let call = || {
        write(
            "corner\u{202e} \"shop\"",
            "a long text that says\nnothing".into(),
            data.clone(),
            Some("hunter".into()),
        )
    };
    let asked = "{shop.write} run: 250 by \"cash\" to \"corner\\u{202e} \\\"shop\\\"\" for \"ann\"? \
                 \"a long text that says\\n… (8 more) \"[redacted:key]\" \"[redacted:badge]\" \"[redacted:aws_key]\"";
    let refusal = refused(call());
    assert_eq!((refusal.hook(), refusal.reason()), ("ask", asked));
    // And the approver gets the same question.
    registry.set_approver(move |request: &ApprovalRequest| {
        assert_eq!(request.questions, [("ask".into(), asked.into())]);
        request.allow()
    });
    call().unwrap();
}

#[test]
fn what_the_question_needs_and_the_call_has_not_refuses_it() {
    let (registry, scope) = isolated();
    let _entered = scope.enter();
    registry.set_approver(|request: &ApprovalRequest| request.allow());
    {
        let _asks = asking(&registry, "Pay {args.data.cents.0}?");
        let why = reason(pay("corner", 1));
        assert!(why.contains("no part `cents.0`"), "{why}");
    }
    {
        let _asks = asking(&registry, "{component}, {principal}: {args.password}?");
        pay("corner", 1).unwrap();
    }
    let at = Placement::new("ask").point("shop.write");
    let asks = ApprovalHook::new("{args.sum}").register(&registry, at);
    let why = asks.unwrap_err().to_string();
    assert!(why.contains("sum"), "{why}");
}

#[test]
fn what_stands_under_a_secret_name_is_not_asked_about_whatever_it_is() {
    let (registry, scope) = isolated();
    let _entered = scope.enter();
    let _asks = asking(
        &registry,
        "{args.data.password} {args.data.secret.0} {args.data.api_key}",
    );
    let data = json!({ "password": 4711, "secret": [4712], "api_key": null });
    let asked = reason(write("corner", "x".into(), data, None));
    assert_eq!(asked, "\"[redacted:key]\" \"[redacted:key]\" null");
}

#[test]
fn bad_options_are_named() {
    for (options, wanted) in [
        (json!({ "question": " " }), "`question` is empty"),
        (
            json!({ "question": "x".repeat(4097) }),
            "`question` must have",
        ),
        (json!({ "question": "{order}" }), "`question` has `{order}`"),
        (json!({ "question": "{" }), "single `{`"),
        (
            json!({ "max_value_chars": 0 }),
            "`max_value_chars` must be 1",
        ),
        (
            json!({ "max_value_chars": 1001 }),
            "`max_value_chars` must be 1",
        ),
        (
            json!({ "patterns": ["nothing"] }),
            "`patterns` has no pattern",
        ),
        (json!({ "regexes": { "x": "(" } }), "`regexes` `x`"),
        (json!({ "qestion": "?" }), "qestion"),
    ] {
        let why = refused_options("approval", options.clone());
        assert!(why.contains(wanted), "{options}: {why}");
    }
}

#[test]
fn a_request_says_where_for_whom_and_what_would_happen() {
    let (registry, scope) = isolated();
    let scope = scope.principal("ann");
    let _entered = scope.enter();
    let _asks = asking(&registry, "Allow {point}?");
    let _answers = registry.intercept("answers", "shop.echo", |_| {
        HookResult::replace("no".to_owned())
    });
    let (tell, told) = std::sync::mpsc::channel();
    registry.set_approver(move |request: &ApprovalRequest| {
        tell.send(request.clone()).unwrap();
        request.allow()
    });
    pay("corner", 1).unwrap();
    let asked = told.recv().unwrap();
    assert_eq!(asked.site, "effects::kit::write");
    assert_eq!(asked.principal.as_deref(), Some("ann"));
    assert_eq!((asked.plan.as_str(), &asked.planned), ("run", &None));
    assert!(!asked.in_process_only);
    let echoed = futures_util::FutureExt::now_or_never(crate::kit::echo("x".into()));
    assert_eq!(echoed.unwrap().unwrap(), "no");
    let asked = told.recv().unwrap();
    assert_eq!(
        (asked.plan.as_str(), &asked.planned),
        ("replace", &Some(json!("no")))
    );
    assert!(!asked.in_process_only);
}

#[test]
fn in_the_shadow_nothing_is_asked() {
    let (registry, scope) = isolated();
    let _entered = scope.enter();
    let _asks = ApprovalHook::new("?")
        .register(&registry, at().shadow())
        .unwrap();
    registry
        .set_approver(|_: &ApprovalRequest| -> hooks_runtime::Approval { panic!("it was asked") });
    pay("corner", 1).unwrap();
}

/// Lets the calls of a scope be asked about by `hook` too, which refuses what costs more.
fn limit(registry: &HookRegistry, cents: u64) -> hooks_runtime::HookGuard {
    let limit = registry.guard("limit", "shop.write", move |cx| {
        let data = cx.arg_json("data")?;
        Ok(Vote::cancel_if(
            data["cents"].as_u64() > Some(cents),
            "too dear",
        ))
    });
    limit.unwrap()
}

fn scope_of(registry: &HookRegistry, principal: &str) -> HookScope {
    HookScope::isolated(registry).principal(principal)
}
