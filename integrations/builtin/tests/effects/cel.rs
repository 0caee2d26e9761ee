//! Rules in CEL, asked about real calls.

mod condition;
mod limits;
mod mistakes;

use futures_util::StreamExt as _;
use hooks_builtin::{
    BuiltinHook as _, CelHook, CelMode, CelPhase, CelRule, CelThen, Placement, Registered, kind,
};
use hooks_runtime::{HookRegistry, HookScope, OnFailure};
use serde_json::{Value, json};

use crate::kit::{Runs, ShopError, buy, chat, echo, isolated, order, price, write};

fn place(registry: &HookRegistry, point: &str, hook: CelHook) -> Registered {
    hook.register(registry, Placement::new("policy").point(point))
        .unwrap()
}

fn one(when: &str, then: CelThen) -> CelHook {
    CelHook::new().rules([CelRule::new(when, then).reason("so it is")])
}

/// The reason, and whether the body ran.
fn refusal<T: std::fmt::Debug>(result: Result<T, ShopError>) -> (String, bool) {
    let Err(ShopError::Refused(refusal)) = result else {
        panic!("not refused: {result:?}");
    };
    (refusal.reason().to_owned(), refusal.executed())
}

/// Whether the rule refuses a call with that text and data; a failure is a panic.
fn holds(when: &str, text: &str, data: Value) -> bool {
    let (registry, scope) = isolated();
    let _entered = scope.enter();
    let _policy = place(&registry, "shop.write", one(when, CelThen::Cancel));
    match write("corner", text.to_owned(), data, None) {
        Ok(_) => false,
        Err(ShopError::Refused(refusal)) => {
            assert_eq!(refusal.reason(), "so it is", "{when}");
            true
        }
        Err(other) => panic!("{when}: {other}"),
    }
}

#[test]
fn every_function_and_variable_means_what_it_says() {
    let data =
        json!({ "cents": 250, "tags": ["a", "b"], "big": u64::MAX, "rate": 0.5, "none": null });
    for (when, wanted) in [
        ("args.text.startsWith('/etc')", true),
        ("args.text.endsWith('passwd')", true),
        ("args.text.contains('usr')", false),
        ("args['text'].matches('^/(etc|usr)/[a-z]+$')", true),
        ("matches(args.text, 'shadow')", false),
        ("size(args.text) == 11 && args.text.size() == 11", true),
        (
            "args.data.cents + 1 > 250 && args.data.cents * 2 == 500",
            true,
        ),
        ("args.data.big > 1u && args.data.rate < 1.0", true),
        ("args.data['tags'][1] == 'b' && 'a' in args.data.tags", true),
        ("args.data.tags.exists(tag, tag == 'c')", false),
        ("args.data.tags.all(tag, size(tag) == 1)", true),
        ("args.data.tags.exists_one(tag, tag == 'a')", true),
        ("args.data.tags.map(tag, tag + 'x') == ['ax', 'bx']", true),
        ("args.data.tags.filter(tag, tag > 'a') == ['b']", true),
        (
            "args.data.tags.map(tag, tag > 'a', tag + '!')[0] == 'b!'",
            true,
        ),
        ("{'a': 1, 'b': 2}[args.data.tags[0]] == 1", true),
        ("has(args.data.cents) && !has(args.data.euros)", true),
        ("has(args.text) && !has(args.path)", true),
        ("args.data.none == null && args.password == null", true),
        (
            "type(args.data.cents) == int && string(args.data.cents) == '250'",
            true,
        ),
        (
            "int('7') % 2 == 1 && uint(7) == 7u && double('0.5') == args.data.rate",
            true,
        ),
        (
            "bool('true') && bytes('a') == b'a' && dyn(args.text) != 1",
            true,
        ),
        (
            "component == 'corner' && point == 'shop.write' && phase == 'pre'",
            true,
        ),
        ("principal == null ? -1 < 0 : false", true),
    ] {
        assert_eq!(holds(when, "/etc/passwd", data.clone()), wanted, "{when}");
    }
}

#[test]
fn each_answer_has_its_effect() {
    let (registry, scope) = isolated();
    let _entered = scope.enter();
    let runs = Runs::default();
    let call = || buy("corner", order("tea", 1), &runs);
    for then in [CelThen::Pass, CelThen::Allow] {
        let _policy = place(&registry, "shop.buy", one("true", then));
        call().unwrap();
    }
    {
        let _policy = place(
            &registry,
            "shop.buy",
            one("args.order.cents > 0", CelThen::Cancel),
        );
        assert_eq!(refusal(call()), ("so it is".to_owned(), false));
    }
    {
        let _policy = place(&registry, "shop.buy", one("true", CelThen::Ask));
        assert_eq!(
            refusal(call()),
            ("so it is".to_owned(), false),
            "nobody was there to allow it"
        );
    }
    assert_eq!(runs.count(), 2);
    let run = HookScope::run("shopping");
    let _run = run.enter();
    {
        let _policy = place(&registry, "shop.buy", one("true", CelThen::Halt));
        refusal(call());
    }
    let (why, _) = refusal(call());
    assert!(why.contains("so it is"), "the run has ended: {why}");
}

#[test]
fn the_first_rule_that_holds_decides_unless_all_do() {
    let rules = || {
        [
            CelRule::new("args.order.item == 'tea'", CelThen::Pass),
            CelRule::new("args.order.cents > 100", CelThen::Ask).reason("dear?"),
            CelRule::new("args.order.cents > 100", CelThen::Cancel).reason("dear"),
            CelRule::new("args.order.cents > 200", CelThen::Cancel),
            // Not looked at if one before it holds.
            CelRule::new("args.order.item[0] == 'x'", CelThen::Halt),
        ]
    };
    let runs = Runs::default();
    let (registry, scope) = isolated();
    let _entered = scope.enter();
    {
        let _policy = place(&registry, "shop.buy", CelHook::new().rules(rules()));
        buy("corner", order("tea", 300), &runs).unwrap();
        assert!(
            refusal(buy("corner", order("jam", 300), &runs))
                .0
                .contains("dear?")
        );
    }
    let [a, b, c, d, _] = rules();
    let all = CelHook::new().rules([a, b, c, d]).mode(CelMode::All);
    let _policy = place(&registry, "shop.buy", all);
    let (why, _) = refusal(buy("corner", order("tea", 300), &runs));
    assert_eq!(why, "dear; the rule `args.order.cents > 200` holds");
    buy("corner", order("tea", 100), &runs).unwrap();
}

#[test]
fn a_grant_at_a_closed_point_is_one_and_outranks_no_refusal() {
    let (registry, scope) = isolated();
    let _entered = scope.enter();
    registry.close_point("shop.buy").unwrap();
    let runs = Runs::default();
    let rules = [
        CelRule::new("component == 'corner'", CelThen::Allow),
        CelRule::new("args.order.cents > 100", CelThen::Cancel).reason("dear"),
    ];
    let _policy = place(
        &registry,
        "shop.buy",
        CelHook::new().rules(rules).mode(CelMode::All),
    );
    buy("corner", order("tea", 1), &runs).unwrap();
    refusal(buy("market", order("tea", 1), &runs));
    assert_eq!(refusal(buy("corner", order("tea", 101), &runs)).0, "dear");
}

#[tokio::test]
async fn results_and_items_are_withheld() {
    let (registry, scope) = isolated();
    let rules = [
        CelRule::new("args.text == 'before'", CelThen::Cancel),
        CelRule::new(
            "result.contains('MARKER') && phase == 'post'",
            CelThen::Cancel,
        )
        .reason("no"),
        CelRule::new("args.text == 'after'", CelThen::Cancel).phase(CelPhase::Post),
    ];
    let _policy = place(&registry, "shop.echo", CelHook::new().rules(rules));
    let items = one("size(result) > 3", CelThen::Cancel);
    let at = Placement::new("items").point("shop.chat");
    let _items = items.register(&registry, at).unwrap();
    scope
        .wrap(async {
            assert_eq!(echo("abc".into()).await.unwrap(), "abc");
            assert!(!refusal(echo("before".into()).await).1);
            assert_eq!(
                refusal(echo("a MARKER".into()).await),
                ("no".to_owned(), true)
            );
            assert!(refusal(echo("after".into()).await).1);
            let pieces = ["abc", "abcd", "a"].map(str::to_owned).to_vec();
            let mut items: Vec<_> = chat(pieces).collect().await;
            assert_eq!((items.len(), items[0].as_deref().ok()), (2, Some("abc")));
            refusal(items.remove(1));
        })
        .await;
}

#[test]
fn what_others_make_of_an_argument_is_what_is_seen() {
    let (registry, scope) = isolated();
    let _entered = scope.enter();
    let _policy = place(
        &registry,
        "shop.buy",
        one("args.order.cents > 100", CelThen::Cancel),
    );
    let _rebate = registry.intercept("rebate", "shop.buy", |cx| {
        cx.arg_mut::<crate::kit::Order>("order")?.cents /= 2;
        Ok(())
    });
    let runs = Runs::default();
    buy("corner", order("tea", 200), &runs).unwrap();
    refusal(buy("corner", order("tea", 202), &runs));
}

#[test]
fn a_rehearsal_asks_the_rules() {
    let (registry, _scope) = isolated();
    let _policy = place(
        &registry,
        "shop.buy",
        one("args.order.cents > 100", CelThen::Cancel),
    );
    for (cents, restricts) in [(1, false), (101, true)] {
        let args = json!({ "shop": "corner", "order": order("tea", cents), "runs": null });
        let explained = registry.explain("shop.buy", Some(&args)).unwrap();
        let text = format!("{explained:?}");
        assert_eq!(text.contains("so it is"), restricts, "{text}");
        assert!(text.contains("undecidable: 0"), "{text}");
    }
}

#[test]
fn the_configuration_has_every_option() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("rules.toml");
    let text = "[[rule]]\nwhen = \"fields.letters > 5\"\nthen = \"cancel\"\nreason = \"long\"\n\n[[rule]]\nwhen = \"result > 10\"\nthen = \"halt\"\nphase = \"post\"\n";
    std::fs::write(&file, text).unwrap();
    let options = json!({
        "rules": [{ "when": "args.page > 3u", "then": "cancel", "reason": "far", "phase": "pre" }],
        "rules_file": file,
        "mode": "all",
        "limits": {
            "max_bytes": 100, "max_depth": 5, "max_nesting": 1, "max_value_bytes": 1000, "max_cost": 1000,
        },
    });
    let (registry, scope) = isolated();
    let _entered = scope.enter();
    let at = Placement::new("policy").point("shop.price");
    let hooks = kind("cel").unwrap().prepare(options, &at).unwrap();
    let _policy = registry.replace(&[], hooks).unwrap();
    let call = |item: &str, page, cents| price("corner", item.into(), page, &|| Ok(cents));
    call("tea", 3, 10).unwrap();
    assert_eq!(refusal(call("coffee", 4, 10)).0, "far; long");
    assert!(refusal(call("tea", 3, 11)).1);
}

#[test]
fn eight_threads_ask_the_same_rules() {
    let (registry, scope) = isolated();
    let when = "args.order.item.matches('^t') && [1, 2].exists(n, args.order.cents > 50 * n)";
    let _policy = place(&registry, "shop.buy", one(when, CelThen::Cancel));
    let runs = Runs::default();
    std::thread::scope(|threads| {
        for _ in 0..8 {
            threads.spawn(|| {
                let _entered = scope.enter();
                for cents in 1..=100 {
                    let passes = buy("corner", order("tea", cents), &runs).is_ok();
                    assert_eq!(passes, cents <= 50);
                }
            });
        }
    });
    assert_eq!(runs.count(), 400);
}

#[test]
fn failures_are_refusals_unless_the_hook_is_open() {
    let (registry, scope) = isolated();
    let _entered = scope.enter();
    let runs = Runs::default();
    let hook = one("args.order.item > 3", CelThen::Cancel);
    {
        let _policy = place(&registry, "shop.buy", hook.clone());
        let (why, executed) = refusal(buy("corner", order("MARKER", 1), &runs));
        assert!(
            why.contains("args.order.item > 3") && !why.contains("MARKER"),
            "{why}"
        );
        assert!(!executed);
    }
    let at = Placement::new("policy").point("shop.buy");
    let _policy = hook
        .register(&registry, at.on_failure(OnFailure::Open))
        .unwrap();
    buy("corner", order("MARKER", 1), &runs).unwrap();
}
