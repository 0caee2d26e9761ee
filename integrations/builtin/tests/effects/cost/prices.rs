//! What a call costs.

use hooks_builtin::{
    Budget, BuiltinHook as _, CostHook, Exceeded, Ledger, Money, Per, Placement, Price, Units,
    UnknownPrice, kind,
};
use serde_json::json;

use super::{booked, hook, metered, money, place, refusal, turn, using};
use crate::kit::{Runs, buy, isolated, order, price, refused_options, with_fake_clock, write};

#[test]
fn calls_and_units_are_booked_exactly() {
    let _turn = turn();
    let (registry, scope) = isolated();
    let _entered = scope.enter();
    let _cost = place(&registry, hook(metered(), 100));
    using("corner", 3).unwrap();
    assert_eq!(booked(), (money("1.3"), Money::ZERO));
    for _ in 0..10 {
        using("corner", 7).unwrap();
    }
    assert_eq!(booked().0, money("18.3"), "a float would have drifted");
    let snapshot = Ledger::of("cost").unwrap().snapshot();
    let entry = json!({ "budget": 0, "by": [], "spent": "18.3", "reserved": "0", "limit": "100" });
    assert_eq!(snapshot, json!({ "currency": "", "entries": [entry] }));
}

#[test]
fn units_are_read_where_pointers_say_and_round_up() {
    let _turn = turn();
    let (registry, scope) = isolated();
    let _entered = scope.enter();
    let price = Price::new()
        .units(Units::argument("/data/prompt_tokens", money("0.15")).per(1_000_000))
        .units(
            Units::result("/1/usage/output_tokens", money("0.6"))
                .per(1_000_000)
                .max_argument("/data/max_tokens"),
        )
        .units(
            Units::result("/1/usage/steps", Money::nanos(1))
                .per(3)
                .max(9),
        );
    let _cost = place(&registry, hook(price, 1));
    let data = json!({ "prompt_tokens": 1000, "max_tokens": 500, "usage": { "output_tokens": 200, "steps": 1 } });
    write("corner", "a".into(), data, None).unwrap();
    // 1000 * 0.15 / 1e6 + 200 * 0.6 / 1e6, and a third of a billionth.
    assert_eq!(booked().0, money("0.000270001"));
    for (data, wanted) in [
        (
            json!({ "max_tokens": 5 }),
            "`/data/prompt_tokens` is not there",
        ),
        (
            json!({ "prompt_tokens": -1, "max_tokens": 5 }),
            "no whole number",
        ),
        (
            json!({ "prompt_tokens": "MARKER", "max_tokens": 5 }),
            "no whole number",
        ),
        (
            json!({ "prompt_tokens": 1 }),
            "how many units there can be is not said",
        ),
        (
            json!({ "prompt_tokens": u64::MAX, "max_tokens": u64::MAX }),
            "has no room",
        ),
    ] {
        let (why, executed) = refusal(write("corner", "a".into(), data, None));
        assert!(
            why.contains(wanted) && !why.contains("MARKER") && !executed,
            "{why}"
        );
    }
    assert_eq!(booked().0, money("0.000270001"));
}

#[test]
fn an_argument_that_only_some_sites_have_bounds_only_those() {
    let _turn = turn();
    let (registry, scope) = isolated();
    let _entered = scope.enter();
    let of = |units: Units| hook(Price::new().units(units.max_argument("/page")), 10);
    let unit = Units::result("", Money::units(1));
    let runs = Runs::default();
    {
        let _cost = place(&registry, of(unit.clone().max(7)));
        let _look = registry.guard("look", "shop.*", |cx| {
            let wanted = if cx.point_name() == "shop.buy" { 7 } else { 2 };
            assert_eq!(booked().1, Money::units(wanted));
            Ok(hooks_runtime::Vote::cancel("seen"))
        });
        assert_eq!(refusal(buy("corner", order("tea", 1), &runs)).0, "seen");
        assert_eq!(
            refusal(price("corner", "tea".into(), 2, &|| Ok(0))).0,
            "seen"
        );
    }
    let _cost = place(&registry, of(unit));
    let (why, _) = refusal(buy("corner", order("tea", 1), &runs));
    assert!(why.contains("there is no `max`"), "{why}");
}

#[test]
fn what_a_result_does_not_say_costs_what_was_reserved() {
    let _turn = turn();
    let (registry, scope) = isolated();
    let _entered = scope.enter();
    let units = Units::result("/1/usage", Money::units(1)).max(4);
    let _cost = place(&registry, hook(Price::new().units(units), 20));
    write("corner", "a".into(), json!({ "usage": 1 }), None).unwrap();
    write("corner", "a".into(), json!({ "usage": "three" }), None).unwrap();
    assert_eq!(booked().0, Money::units(5));
    // The truth is booked, also if it is more than was reserved.
    write("corner", "a".into(), json!({ "usage": 100 }), None).unwrap();
    assert_eq!(booked().0, Money::units(105));
    refusal(write("corner", "a".into(), json!({ "usage": 0 }), None));
}

#[test]
fn the_first_price_that_fits_counts_and_others_are_unknown() {
    let _turn = turn();
    let (registry, scope) = isolated();
    let _entered = scope.enter();
    let runs = Runs::default();
    let prices = || {
        [
            Price::new().component("corner").call(Money::units(1)),
            Price::new().component("cor*er").call(Money::units(2)),
            Price::new().component("*shop*").call(Money::units(3)),
            Price::new().point("shop.buy").call(Money::units(4)),
        ]
    };
    let of = || {
        CostHook::new()
            .prices(prices())
            .budgets([Budget::counted()])
    };
    {
        let _cost = place(&registry, of());
        for (shop, sum) in [("corner", 1), ("coroner", 3), ("my shop 2", 6)] {
            using(shop, 0).unwrap();
            assert_eq!(booked().0, Money::units(sum), "{shop}");
        }
        buy("market", order("tea", 1), &runs).unwrap();
        assert_eq!(booked().0, Money::units(10));
        let (why, executed) = refusal(using("market", 0));
        assert_eq!(
            (why.as_str(), executed),
            ("no price is known for `market` at shop.price", false)
        );
    }
    for unknown in [UnknownPrice::Free, UnknownPrice::Warn] {
        let _cost = place(&registry, of().unknown(unknown));
        using("market", 0).unwrap();
        assert_eq!(booked().0, Money::ZERO);
    }
}

#[test]
fn the_configuration_has_every_option() {
    let _turn = turn();
    let (registry, scope, _clock) = with_fake_clock();
    let _entered = scope.enter();
    let options = json!({
        "prices": [{
            "point": "shop.price",
            "component": "cor*",
            "call": "0.5",
            "units": [
                { "argument": "/page", "price": 1, "per": 2 },
                { "result": "", "price": "0.001", "per": 1000, "max": 1000, "max_argument": "/page" },
            ],
        }, { "point": "shop.buy", "call": "1", "reserve": "7" }],
        "budgets": [
            { "limit": "4", "per_ms": 1000, "by": ["component", { "argument": "page" }], "alerts": [50, 100] },
            { "by": ["point"] },
        ],
        "currency": "EUR",
        "unknown": "free",
        "on_exceed": "refuse",
        "keep_failed": true,
        "stream_usage": "sum",
        "max_keys": 100,
    });
    let at = Placement::new("cost").point("shop.*");
    let hooks = kind("cost").unwrap().prepare(options, &at).unwrap();
    let _cost = registry.replace(&[], hooks).unwrap();
    price("corner", "tea".into(), 2, &|| Ok(1000)).unwrap();
    // 0.5 + 2 / 2 + 0.001
    assert_eq!(booked().0, money("1.501"));
    price("corner", "tea".into(), 2, &|| Err("MARKER".to_owned())).unwrap_err();
    assert_eq!(booked().0, money("2.001"), "the price of a failed call");
    let (why, _) = refusal(price("corner", "tea".into(), 7, &|| Ok(0)));
    let says = "the budget of 4 EUR in 1000 ms has no room for 4.000007: 0 is spent, 0 is reserved";
    assert_eq!(why, says);
    let ledger = Ledger::of("cost").unwrap();
    assert_eq!(ledger.currency(), "EUR");
    let by: Vec<_> = ledger.entries().into_iter().map(|entry| entry.by).collect();
    assert_eq!(by.len(), 3);
    assert_eq!(by[0][0], ("component".to_owned(), "corner".to_owned()));
    assert_eq!(
        (by[0][1].0.as_str(), by[0][1].1.len()),
        ("argument page", 16)
    );
    assert_eq!(by[2], [("point".to_owned(), "shop.price".to_owned())]);
    let runs = Runs::default();
    assert!(
        buy("corner", order("tea", 1), &runs).is_err(),
        "a site without the argument"
    );
}

#[test]
fn bad_options_are_named() {
    let price = || Price::new().call(Money::units(1));
    let with = |units: Units| hook(price().units(units), 1);
    let budget = |budget: Budget| CostHook::new().prices([price()]).budgets([budget]);
    let of = |limit| Budget::new(Money::units(limit));
    let unit = Money::units(1);
    for (hook, wanted) in [
        (CostHook::new(), "`prices` is 0"),
        (CostHook::new().prices([price()]), "`budgets` is 0"),
        (budget(of(1)).max_keys(0), "`max_keys` is 0"),
        (budget(of(1)).currency("x".repeat(17)), "`currency`"),
        (budget(of(0)), "`limit` 0"),
        (budget(of(1).per_ms(0)), "`per_ms`"),
        (budget(of(1).alerts([50, 50])), "`alerts`"),
        (budget(of(1).alerts([0])), "`alerts`"),
        (
            budget(Budget::counted().alerts([50])),
            "`alerts`, which are parts",
        ),
        (with(Units::result("/a", unit)), "no bound for `/a`"),
        (with(Units::result("a", unit).max(1)), "no JSON pointer"),
        (with(Units::result("/a", unit).max(1).per(0)), "`per` = 0"),
        (with(Units::argument("", unit)), "name of an argument"),
        (with(Units::argument("page", unit)), "name of an argument"),
        (with(Units::argument("/page", unit).max(1)), "leave it out"),
        (
            hook(price().point("BeforeToolExecution"), 1),
            "names a phase",
        ),
        (hook(price().point("a..b"), 1), "`prices`"),
    ] {
        let at = Placement::new("it").point("shop.*");
        let Err(error) = hook.prepare(&at) else {
            panic!("{wanted} was taken");
        };
        assert!(error.to_string().contains(wanted), "{wanted}: {error}");
    }
    let float = json!({ "prices": [{ "call": 0.5 }], "budgets": [{}] });
    assert!(refused_options("cost", float).contains("write \"0.5\""));
    let both = json!({ "prices": [{ "units": [{ "price": 1 }] }], "budgets": [{}] });
    assert!(refused_options("cost", both).contains("exactly one of"));
    let (registry, _scope) = isolated();
    for hook in [
        with(Units::argument("/pgae", unit)),
        with(Units::result("", unit).max(1).max_argument("/pgae")),
        budget(of(1).by(Per::Argument("pgae".into()))),
    ] {
        let at = Placement::new("it").point("shop.price");
        let error = hook
            .on_exceed(Exceeded::Ask)
            .register(&registry, at)
            .unwrap_err();
        assert!(error.to_string().contains("pgae"), "{error}");
    }
}
