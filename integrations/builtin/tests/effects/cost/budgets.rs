//! How much may be spent.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use hooks_builtin::{
    Budget, BuiltinHook as _, CelCondition, CostHook, Exceeded, Ledger, Money, Per, Placement,
    Price, Units,
};
use hooks_runtime::{Approval, ApprovalRequest, HookScope};

use super::{booked, hook, metered, place, refusal, turn, using};
use crate::kit::{isolated, price, with_fake_clock};

const MS: fn(u64) -> Duration = Duration::from_millis;

fn each() -> Price {
    Price::new().call(Money::units(1))
}

fn budgeted(budgets: impl IntoIterator<Item = Budget>) -> CostHook {
    CostHook::new().prices([each()]).budgets(budgets)
}

fn of(limit: u32) -> Budget {
    Budget::new(Money::units(limit))
}

#[test]
fn what_is_reserved_is_nobody_elses() {
    let _turn = turn();
    let (registry, scope) = isolated();
    let _entered = scope.enter();
    // Each call may cost 2, and costs 1.
    let _cost = place(&registry, hook(metered(), 4));
    let inner = price("corner", "tea".into(), 1, &|| {
        assert_eq!(booked(), (Money::ZERO, Money::units(2)));
        price("corner", "tea".into(), 2, &|| {
            assert_eq!(booked(), (Money::ZERO, Money::units(4)));
            let (why, executed) = refusal(using("corner", 0));
            let says = "the budget of 4 has no room for 2: 0 is spent, 4 is reserved";
            assert_eq!((why.as_str(), executed), (says, false));
            Ok(0)
        })
        .map_err(|error| error.to_string())?;
        assert_eq!(booked(), (Money::units(1), Money::units(2)));
        Ok(0)
    });
    inner.unwrap();
    assert_eq!(booked(), (Money::units(2), Money::ZERO));
    using("corner", 10).unwrap();
    assert_eq!(booked(), (Money::units(4), Money::ZERO), "to the last unit");
    refusal(using("corner", 0));
}

#[test]
fn a_window_begins_with_a_call_and_the_next_after_its_end() {
    let _turn = turn();
    let (registry, scope, clock) = with_fake_clock();
    let _entered = scope.enter();
    let _cost = place(&registry, budgeted([of(2).per_ms(1000)]));
    clock.advance(MS(5000));
    for _ in 0..3 {
        using("corner", 0).unwrap();
        clock.advance(MS(999));
        using("corner", 0).unwrap();
        let (why, _) = refusal(using("corner", 0));
        assert!(why.contains("2 in 1000 ms"), "{why}");
        clock.advance(MS(1));
    }
    // What a call under way has reserved goes on into the next window.
    price("corner", "tea".into(), 1, &|| {
        clock.advance(MS(1000));
        using("corner", 0).map_err(|error| error.to_string())?;
        assert_eq!(booked(), (Money::units(1), Money::units(1)));
        assert!(using("corner", 0).is_err());
        Ok(0)
    })
    .unwrap();
    assert_eq!(booked(), (Money::units(2), Money::ZERO));
}

#[test]
fn budgets_are_counted_by_what_was_said_and_a_call_needs_all() {
    let _turn = turn();
    let (registry, _scope) = isolated();
    let budgets = [
        of(5),
        of(2).by(Per::Component),
        of(3).by(Per::Principal).by(Per::Correlation),
    ];
    let _cost = place(&registry, budgeted(budgets));
    let call = |who: &str, session: &str, shop: &str| {
        let scope = HookScope::isolated(&registry)
            .principal(who)
            .correlation(session);
        let _entered = scope.enter();
        using(shop, 0).is_ok()
    };
    assert!(
        call("ann", "1", "a") && call("ann", "1", "a") && !call("ann", "1", "a"),
        "component"
    );
    assert!(
        call("ann", "1", "b") && !call("ann", "1", "c"),
        "principal and session"
    );
    assert!(call("ann", "2", "c") && call("bob", "1", "d"));
    assert!(!call("eve", "3", "e"), "all together");
    let ledger = Ledger::of("cost").unwrap();
    for budget in 0..3 {
        assert_eq!(ledger.spent(budget), Money::units(5), "{budget}");
    }
    let entries = ledger.entries();
    let of_ann = entries
        .iter()
        .find(|e| e.by.iter().any(|(_, name)| name == "ann"))
        .unwrap();
    assert_eq!((of_ann.budget, of_ann.spent), (2, Money::units(3)));
    assert_eq!(of_ann.by[1], ("correlation".to_owned(), "1".to_owned()));
}

#[test]
fn fields_and_arguments_count_and_are_not_shown() {
    let _turn = turn();
    let (registry, scope) = isolated();
    let _entered = scope.enter();
    let by = [
        of(1).by(Per::Field("letters".into())),
        of(1).by(Per::Argument("item".into())),
    ];
    let _cost = place(&registry, budgeted(by));
    let call = |item: &str| price("corner", item.into(), 1, &|| Ok(0)).is_ok();
    assert!(call("MARKER") && !call("MARKER") && !call("marker") && call("MARKERS"));
    let snapshot = Ledger::of("cost").unwrap().snapshot().to_string();
    assert!(
        !snapshot.contains("MARKER") && snapshot.contains("argument item"),
        "{snapshot}"
    );
}

#[test]
fn alerts_come_once_in_each_window() {
    let _turn = turn();
    let (registry, scope, clock) = with_fake_clock();
    let _entered = scope.enter();
    type Told = (u32, Money, Option<String>);
    let told: Arc<Mutex<Vec<Told>>> = Arc::default();
    let list = told.clone();
    let budget = of(10).per_ms(1000).by(Per::Component).alerts([25, 50, 100]);
    let hook = budgeted([budget]).on_alert(move |alert| {
        assert_eq!((alert.hook.as_str(), alert.budget), ("cost", 0));
        assert_eq!(alert.limit, Money::units(10));
        let name = alert.by.first().map(|(_, name)| name.clone());
        list.lock()
            .unwrap()
            .push((alert.percent, alert.spent, name));
    });
    let _cost = place(&registry, hook);
    let percents = || {
        let told = std::mem::take(&mut *told.lock().unwrap());
        told.iter()
            .map(|(percent, ..)| *percent)
            .collect::<Vec<_>>()
    };
    using("corner", 0).unwrap();
    using("corner", 0).unwrap();
    assert!(percents().is_empty());
    using("corner", 0).unwrap();
    let corner = Some("corner".to_owned());
    assert_eq!(*told.lock().unwrap(), [(25, Money::units(3), corner)]);
    for _ in 0..7 {
        using("corner", 0).unwrap();
    }
    assert_eq!(percents(), [25, 50, 100]);
    refusal(using("corner", 0));
    for _ in 0..3 {
        using("market", 0).unwrap();
    }
    assert_eq!(percents(), [25], "another account");
    clock.advance(MS(1000));
    for _ in 0..3 {
        using("corner", 0).unwrap();
    }
    assert_eq!(percents(), [25], "another window");
}

#[test]
fn who_exceeds_may_be_asked_about_or_warned() {
    let _turn = turn();
    let (registry, scope) = isolated();
    let _entered = scope.enter();
    {
        let _cost = place(&registry, budgeted([of(1)]).on_exceed(Exceeded::Warn));
        using("corner", 0).unwrap();
        using("corner", 0).unwrap();
        assert_eq!(booked(), (Money::units(2), Money::ZERO));
    }
    let _cost = place(&registry, budgeted([of(1)]).on_exceed(Exceeded::Ask));
    using("corner", 0).unwrap();
    refusal(using("corner", 0));
    assert_eq!(
        booked(),
        (Money::units(1), Money::ZERO),
        "nobody allowed it"
    );
    registry.set_approver(|request: &ApprovalRequest| {
        assert!(request.questions[0].1.contains("has no room for 1"));
        request.allow()
    });
    using("corner", 0).unwrap();
    assert_eq!(booked(), (Money::units(2), Money::ZERO));
}

#[test]
fn a_call_that_is_edited_reserves_what_it_may_cost_now() {
    let _turn = turn();
    let (registry, scope) = isolated();
    let _entered = scope.enter();
    let pages = Price::new().units(Units::argument("/page", Money::units(1)));
    let _cost = place(&registry, hook(pages, 5).on_exceed(Exceeded::Ask));
    registry.set_approver(|request: &ApprovalRequest| {
        assert!(request.questions[0].1.contains("has no room for 9"));
        Approval::Edit {
            args: vec![("page".to_owned(), 2.into())],
        }
    });
    let work = || {
        assert_eq!(booked(), (Money::ZERO, Money::units(2)));
        Ok(0)
    };
    price("corner", "tea".into(), 9, &work).unwrap();
    assert_eq!(booked(), (Money::units(2), Money::ZERO));
}

#[test]
fn accounts_are_bounded() {
    let _turn = turn();
    let (registry, scope, clock) = with_fake_clock();
    let _entered = scope.enter();
    let budget = of(10).per_ms(1000).by(Per::Component);
    let _cost = place(&registry, budgeted([budget]).max_keys(2));
    using("a", 0).unwrap();
    using("b", 0).unwrap();
    let (why, _) = refusal(using("c", 0));
    assert_eq!(why, "there are 2 accounts already, as many as may be");
    using("a", 0).unwrap();
    clock.advance(MS(1000));
    using("c", 0).unwrap();
    assert_eq!(Ledger::of("cost").unwrap().entries().len(), 1);
}

#[test]
fn only_calls_for_which_a_condition_holds_cost() {
    let _turn = turn();
    let (registry, scope) = isolated();
    let _entered = scope.enter();
    let at = Placement::new("cost").point("shop.price");
    let at = at.when(CelCondition::new("args.page > 1").unwrap());
    let _cost = hook(metered(), 100).register(&registry, at).unwrap();
    for page in 0..4 {
        price("corner", "tea".into(), page, &|| Ok(5)).unwrap();
    }
    assert_eq!(booked(), (Money::units(3), Money::ZERO));
}

#[test]
fn in_the_shadow_nothing_is_booked() {
    let _turn = turn();
    let (registry, scope) = isolated();
    let _entered = scope.enter();
    let at = Placement::new("cost").point("shop.*").shadow();
    let _cost = hook(each(), 1).register(&registry, at).unwrap();
    for _ in 0..3 {
        using("corner", 0).unwrap();
    }
    assert_eq!(booked(), (Money::ZERO, Money::ZERO));
}
