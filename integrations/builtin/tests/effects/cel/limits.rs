//! What an expression may be, and what looking at it may take.

use hooks_builtin::{BuiltinHook as _, CelHook, CelLimits, CelThen, Placement};
use serde_json::{Value, json};

use super::{one, place, refusal};
use crate::kit::{isolated, write};

fn limited(when: &str, limits: CelLimits) -> CelHook {
    one(when, CelThen::Cancel).limits(limits)
}

fn refused(when: &str, limits: CelLimits) -> String {
    let at = Placement::new("policy").point("shop.write");
    match limited(when, limits).prepare(&at) {
        Ok(_) => panic!("{when} was taken"),
        Err(error) => error.to_string(),
    }
}

#[test]
fn what_an_expression_may_be_is_bounded() {
    let new = CelLimits::new;
    for (when, limits, wanted) in [
        (
            "true || true".to_owned(),
            new().max_bytes(11),
            "`max_bytes`, which is 11",
        ),
        (
            "1 + 1 + 1 == 3".to_owned(),
            new().max_depth(3),
            "`max_depth`, which is 3",
        ),
        (
            "[[[1]]] == []".to_owned(),
            new().max_depth(4),
            "`max_depth`, which is 4",
        ),
        (
            "[1].all(x, [1].all(y, x == y))".to_owned(),
            new().max_nesting(1),
            "`max_nesting`, which is 1",
        ),
        (
            "[1].all(x, true)".to_owned(),
            new().max_nesting(0),
            "`max_nesting`, which is 0",
        ),
        (vec!["1"; 1000].join("+") + " == 1", new(), "`max_depth`"),
        ("a".to_owned() + &"[0]".repeat(600), new(), "`max_depth`"),
        ("a".to_owned() + &".f()".repeat(400), new(), "`max_depth`"),
        (
            "(".repeat(900) + "true" + &")".repeat(900),
            new(),
            "nested deeper",
        ),
        ("[".repeat(900) + &"]".repeat(900), new(), "nested deeper"),
        (
            "[1].all(x, ".repeat(60) + "true" + &")".repeat(60),
            new(),
            "`max_nesting`",
        ),
        (
            "args.text.matches('(a{1000}){1000}')".to_owned(),
            new(),
            "size limit",
        ),
    ] {
        let error = refused(&when, limits);
        assert!(error.contains(wanted), "{when}: {error}");
        assert!(error.len() < 700, "{error}");
    }
}

#[test]
fn an_expression_as_deep_as_may_be_is_asked_on_a_small_stack() {
    let nested = |open: &str, inner: &str, close: &str, times: usize| {
        open.repeat(times) + inner + &close.repeat(times)
    };
    for when in [
        vec!["1"; 22].join(" + ") + " == 22",
        nested("string(", "args.text", ")", 21) + " == 'a'",
        nested("[", "args.text", "]", 21) + " != []",
        nested("{'a': ", "args.text", "}", 21) + " != {}",
        nested("(true ? ", "true", " : false)", 22),
        nested("[", "args.text", "][0]", 10) + " == 'a'",
        nested("[1].all(x, ", "string(args.text) == 'a'", ")", 4),
    ] {
        let (registry, scope) = isolated();
        let limits = CelLimits::new().max_depth(24).max_nesting(4);
        let _policy = place(&registry, "shop.write", limited(&when, limits));
        // What threads have if nobody says otherwise.
        let thread = std::thread::Builder::new().stack_size(2 << 20);
        let thread = thread.spawn(move || {
            let _entered = scope.enter();
            refusal(write("corner", "a".into(), json!(1), None)).0
        });
        assert_eq!(thread.unwrap().join().unwrap(), "so it is", "{when}");
    }
}

/// The reason of the failure, or nothing if the expression was false.
fn asked(when: &str, data: &Value, limits: CelLimits) -> Option<String> {
    let (registry, scope) = isolated();
    let _entered = scope.enter();
    let _policy = place(&registry, "shop.write", limited(when, limits));
    let answer = write("corner", "a".into(), data.clone(), None);
    answer.is_err().then(|| refusal(answer).0)
}

#[test]
fn values_that_are_too_long_or_too_deep_are_failures() {
    let limits = || CelLimits::new().max_value_bytes(100);
    let when = "args.data == 1";
    // One for the value.
    assert_eq!(asked(when, &json!("x".repeat(99)), limits()), None);
    for data in [
        json!("x".repeat(100)),
        json!(vec![1; 100]),
        json!({ "k".repeat(99): 1 }),
    ] {
        let why = asked(when, &data, limits()).expect("it is too long");
        assert!(why.contains("longer than 100 bytes"), "{why}");
    }
    let mut deep = json!(1);
    for _ in 0..70 {
        deep = json!([deep]);
    }
    let why = asked(when, &deep, CelLimits::new()).expect("it is too deep");
    assert!(why.contains("deeper than 64 levels"), "{why}");
}

#[test]
fn what_an_evaluation_costs_is_bounded_whatever_it_does() {
    let data = json!({ "list": vec!["word"; 2000], "text": "x".repeat(50_000) });
    let of = |cost| CelLimits::new().max_cost(cost).max_nesting(4);
    for when in [
        // So many turns, also of constants.
        "args.data.list.all(a, args.data.list.all(b, true))",
        "[1,2,3,4,5,6,7,8,9,0].all(a, [1,2,3,4,5,6,7,8,9,0].all(b, [1,2,3,4,5,6,7,8,9,0].all(c, [1,2,3,4,5,6,7,8,9,0].all(d, true))))",
        // The same long text again and again.
        "args.data.list.exists(a, args.data.text.contains(a))",
        "args.data.list.exists(a, args.data.text.matches('y$'))",
        "args.data.list.exists(a, args.data.text == a)",
        // Values that grow.
        "[args.data.text].map(a, [a, a, a, a]).map(a, [a, a, a, a]).map(a, [a, a, a, a]) == []",
        "[args.data.text].map(a, a + a + a + a).map(a, a + a + a + a).map(a, a + a + a + a) == []",
        "args.data.list.map(a, args.data.list) == []",
        "args.data.list.map(a, 1).map(a, 1).map(a, 1).map(a, 1).map(a, 1).map(a, 1) == []",
        // Failures are swallowed by `||`, but not this one.
        "args.data.list.all(a, args.data.list.all(b, true)) || true",
        "false && args.data.list.all(a, args.data.list.all(b, true)) || args.data.list.all(a, args.data.list.all(b, true)) || true",
    ] {
        let why = asked(when, &data, of(8000)).unwrap_or_else(|| panic!("{when} was free"));
        assert!(
            why.contains("more than `max_cost`, which is 8000"),
            "{when}: {why}"
        );
    }
    // Where nothing is left, what is left of the loops is not gone through: these would take 400⁴ turns.
    let list = format!("[{}1]", "1,".repeat(399));
    let deep = format!("{list}.all(a, {list}.all(b, {list}.all(c, {list}.all(d, true))))");
    let why = asked(&deep, &data, of(8000).max_bytes(4096)).expect("it is not free");
    assert!(why.contains("more than `max_cost`"), "{why}");
    // Exactly: one for the value, one for each character.
    let when = "args.data == 'yy'";
    assert_eq!(asked(when, &json!("xxx"), of(4)), None);
    assert!(asked(when, &json!("xxx"), of(3)).is_some());
}
