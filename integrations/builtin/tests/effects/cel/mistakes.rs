//! What cannot be read, and what fails.

use hooks_builtin::{
    BuiltinError, BuiltinHook as _, CelHook, CelLimits, CelRule, CelThen, Placement,
};
use serde_json::json;

use super::{one, place, refusal};
use crate::kit::{isolated, refused_options, write};

fn error(hook: CelHook) -> BuiltinError {
    let at = Placement::new("policy").point("shop.write");
    match hook.prepare(&at) {
        Ok(_) => panic!("it was taken"),
        Err(error) => error,
    }
}

#[test]
fn bad_expressions_are_named_with_their_place() {
    for (when, wanted) in [
        ("args.text ==", (1, 13, "")),
        ("args.text == 'a", (1, 14, "")),
        (
            "point == 'a' &&\n  pint == 'b'",
            (2, 3, "did you mean `point`?"),
        ),
        (
            "args.text.startWith('a')",
            (1, 20, "did you mean `startsWith`?"),
        ),
        ("len(args.text) > 1", (1, 4, "no function `len`")),
        ("args.text.size(1) == 1", (1, 15, "takes 0 here, not 1")),
        ("size(args) > 1", (1, 6, "`args` stands alone")),
        ("args[point] == 1", (1, 5, "name the argument")),
        (
            "fields.exists(f, f == 'a')",
            (1, 1, "`fields` stands alone"),
        ),
        (
            "args.text.matches(point)",
            (1, 18, "wants a regex that stands there"),
        ),
        ("args.text.matches('(')", (1, 18, "unclosed group")),
        ("args.text.matches('(?=a)')", (1, 18, "look-around")),
        ("Shop{name: 'a'} == null", (1, 5, "no type `Shop`")),
        ("_keep_(args.text)", (1, 7, "no function `_keep_`")),
        (
            "optional.of(1).hasValue()",
            (1, 1, "no variable `optional`"),
        ),
        ("[1].all(x, x > 0) && x", (1, 22, "no variable `x`")),
    ] {
        let BuiltinError::Expression {
            place,
            expression,
            line,
            column,
            why,
        } = error(one(when, CelThen::Cancel))
        else {
            panic!("{when}");
        };
        assert_eq!((&*place, &*expression), ("rule 1", when));
        assert_eq!((line, column), (wanted.0, wanted.1), "{when}: {why}");
        assert!(why.contains(wanted.2), "{when}: {why}");
    }
}

#[test]
fn bad_options_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let files = std::cell::Cell::new(0);
    let file = |text: &str| {
        files.set(files.get() + 1);
        let path = folder.path().join(format!("{}-rules.toml", files.get()));
        std::fs::write(&path, text).unwrap();
        CelHook::new().rules_file(path)
    };
    let rule = |when: &str, then| CelHook::new().rules([CelRule::new(when, then)]);
    let many = (0..1001).map(|_| CelRule::new("true", CelThen::Pass));
    for (hook, wanted) in [
        (CelHook::new(), "`rules` has 0 rules"),
        (CelHook::new().rules(many), "1001 rules"),
        (
            file("[[rule]]\nwhen = \"true\"\nthen = \"refuse\"\n"),
            "rules.toml:3:8",
        ),
        (file("[[rule]]\nwhen = 'x'\nthn = 'pass'\n"), "thn"),
        (
            file("\n[[rule]]\nwhen = 'nothing'\nthen = 'pass'\n"),
            "rules.toml:2:1: the expression `nothing`",
        ),
        (file(""), "`rules_file` has 0 rules"),
        (
            CelHook::new().rules_file(folder.path().join("none")),
            "No such file",
        ),
        (
            rule("result == 1", CelThen::Ask),
            "nothing can be allowed or asked",
        ),
        (
            rule("true", CelThen::Pass).limits(CelLimits::new().max_cost(0)),
            "`max_cost` = 0",
        ),
        (
            rule("true", CelThen::Pass).limits(CelLimits::new().max_depth(25)),
            "`max_depth` = 25",
        ),
        (
            rule("true", CelThen::Pass).limits(CelLimits::new().max_bytes(5000)),
            "`max_bytes`",
        ),
        (
            rule("true", CelThen::Pass).limits(CelLimits::new().max_nesting(5)),
            "`max_nesting`",
        ),
        (
            rule("true", CelThen::Pass).limits(CelLimits::new().max_value_bytes(0)),
            "`max_value_bytes`",
        ),
    ] {
        let error = error(hook).to_string();
        assert!(error.contains(wanted), "{wanted}: {error}");
    }
    let big = file(&"# long\n".repeat(160_000));
    assert!(error(big).to_string().contains("1 MiB"));
    let pre = json!({ "rules": [{ "when": "result == 1", "then": "pass", "phase": "pre" }] });
    assert!(refused_options("cel", pre).contains("no `result` in the phase `pre`"));
    let typo = json!({ "rules": [{ "wehn": "true", "then": "pass" }] });
    assert!(refused_options("cel", typo).contains("wehn"));
}

#[test]
fn an_argument_that_no_site_has_is_an_error_at_registration() {
    let (registry, _scope) = isolated();
    let at = Placement::new("policy").point("shop.write");
    let hook = one("args.txet == 'a'", CelThen::Cancel);
    let error = hook.register(&registry, at).unwrap_err().to_string();
    assert!(error.contains("txet"), "{error}");
}

#[test]
fn what_fails_when_it_is_asked_is_never_no_match() {
    let (registry, scope) = isolated();
    let _entered = scope.enter();
    for (when, wanted) in [
        ("args.data.missing == 1", "a key is not there"),
        ("args.data.MARKER > 'a' || false", "no matching overload"),
        ("args.data.list[7] == 1", "beyond the end"),
        ("1 / args.data.zero == 1", "divided by zero"),
        ("args.data.big + 9223372036854775807 > 1", "too large"),
        ("int(args.text) == 1", "`int` cannot take"),
        ("args.data.zero", "is of type `int`, not `bool`"),
        ("args.text ? true : false", "not `bool`"),
        ("args.data.list.exists(x, x)", ""),
        ("args.data.zero.startsWith('a')", "startsWith"),
        ("args.data.zero.matches('a')", "matches"),
        ("fields.letters == 1", "this call has no `fields.letters`"),
        // Even where the answer would not depend on it.
        (
            "false && fields.letters == 1",
            "this call has no `fields.letters`",
        ),
        ("args.data[args.text + 'x'] == 1", "a key is not there"),
    ] {
        let _policy = place(&registry, "shop.write", one(when, CelThen::Cancel));
        let data = json!({ "MARKER": 5, "list": [1], "zero": 0, "big": 1 });
        let answer = write("corner", "MARKER".into(), data, None);
        assert!(answer.is_err(), "{when} did not fail");
        let (why, executed) = refusal(answer);
        assert!(why.contains(wanted) && why != "so it is", "{when}: {why}");
        assert!(
            !executed && !why.replace(when, "").contains("MARKER"),
            "{when}: {why}"
        );
    }
}

#[test]
fn an_argument_that_only_some_sites_have_is_a_failure_at_the_others() {
    let (registry, scope) = isolated();
    let _entered = scope.enter();
    {
        let _policy = place(
            &registry,
            "shop.*",
            one("args.order.cents > 5", CelThen::Cancel),
        );
        let (why, _) = refusal(write("corner", "a".into(), json!(1), None));
        assert!(why.contains("no argument `order`"), "{why}");
    }
    let when = "has(args.order) && args.order.cents > 5";
    let _policy = place(&registry, "shop.*", one(when, CelThen::Cancel));
    write("corner", "a".into(), json!(1), None).unwrap();
}
