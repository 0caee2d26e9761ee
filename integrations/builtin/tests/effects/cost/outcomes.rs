//! What calls cost that did not end well, or did not run.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use futures_util::StreamExt as _;
use hooks_builtin::{
    Backoff, Budget, BuiltinHook as _, CachingHook, CostHook, Exceeded, Jitter, Ledger, Money, Per,
    Placement, Price, RetryHook, StreamUsage, Units,
};
use hooks_runtime::{HookResult, Vote};

use super::{TURN, booked, hook, metered, money, place, refusal, turn, using};
use crate::kit::{Till, isolated, order_near, pay, price, quote, tokens};

const NOTHING: (Money, Money) = (Money::ZERO, Money::ZERO);

fn keeping(limit: u32) -> CostHook {
    hook(metered(), limit).keep_failed(true)
}

/// Books what was and what was not kept of attempts that ran and came to nothing.
fn lost(keep: bool, times: u32) -> (Money, Money) {
    (Money::units(if keep { times } else { 0 }), Money::ZERO)
}

#[test]
fn what_fails_or_panics_gives_back_unless_it_is_to_keep_the_price_of_a_call() {
    let _turn = turn();
    for keep in [false, true] {
        let (registry, scope) = isolated();
        let _entered = scope.enter();
        let _cost = place(&registry, hook(metered(), 100).keep_failed(keep));
        price("corner", "tea".into(), 1, &|| Err("no".to_owned())).unwrap_err();
        assert_eq!(booked(), lost(keep, 1));
        let panics = || price("corner", "tea".into(), 1, &|| panic!("in the body"));
        catch_unwind(AssertUnwindSafe(panics)).unwrap_err();
        assert_eq!(booked(), lost(keep, 2));
        let mut future = Box::pin(quote("corner", "tea".into(), std::future::pending()));
        let mut cx = Context::from_waker(Waker::noop());
        assert!(matches!(future.as_mut().poll(&mut cx), Poll::Pending));
        assert_eq!(booked().1, Money::units(2));
        drop(future);
        assert_eq!(booked(), lost(keep, 3), "dropped");
    }
}

#[test]
fn what_does_not_run_costs_nothing() {
    let _turn = turn();
    let (registry, scope) = isolated();
    let _entered = scope.enter();
    let _cost = place(&registry, keeping(100));
    {
        // By their ids one before and one after it.
        let _a = registry.guard("a", "shop.price", |cx| {
            Ok(Vote::cancel_if(*cx.arg::<u32>("page")? == 1, "no"))
        });
        let _z = registry.guard("z", "shop.price", |cx| {
            Ok(Vote::cancel_if(*cx.arg::<u32>("page")? == 2, "no"))
        });
        for page in [1, 2] {
            refusal(price("corner", "tea".into(), page, &|| Ok(1)));
            assert_eq!(booked(), NOTHING);
        }
    }
    {
        let _instead = registry.intercept("instead", "shop.price", |_| HookResult::replace(7_u64));
        assert_eq!(using("corner", 1).unwrap(), 7);
        assert_eq!(booked(), NOTHING);
    }
    let at = Placement::new("kept").point("shop.price");
    let _kept = CachingHook::new().register(&registry, at).unwrap();
    for _ in 0..3 {
        using("corner", 5).unwrap();
        assert_eq!(booked(), (money("1.5"), Money::ZERO), "once");
    }
}

#[test]
fn where_another_component_answers_it_is_the_one_that_costs() {
    let _turn = turn();
    let (registry, scope) = isolated();
    let _entered = scope.enter();
    let far = metered().component("far");
    let near = Price::new().component("near").call(Money::units(9));
    let budget = Budget::new(Money::units(100)).by(Per::Component);
    let _cost = place(
        &registry,
        CostHook::new()
            .prices([far, near])
            .budgets([budget])
            .keep_failed(true),
    );
    let _elsewhere = registry
        .on("elsewhere")
        .point("shop.order")
        .for_component("near");
    let _elsewhere = _elsewhere.intercept(|_| HookResult::redirect("far"));
    assert_eq!(order_near(3).unwrap(), 6);
    let entries = Ledger::of("cost").unwrap().entries();
    assert_eq!(entries.len(), 1);
    assert_eq!(
        (entries[0].by[0].1.as_str(), entries[0].spent),
        ("far", money("1.6"))
    );
}

#[test]
fn a_result_that_is_withheld_costs_what_it_cost() {
    let _turn = turn();
    let (registry, scope) = isolated();
    let _entered = scope.enter();
    let _cost = place(&registry, hook(metered(), 100));
    let _withhold = registry.on("withhold").point("shop.price").post();
    let _withhold = _withhold.guard(|_| Ok(Vote::cancel("no")));
    let _more = registry
        .on("more")
        .point("shop.price")
        .post()
        .intercept(|cx| {
            *cx.result_mut::<u64>()? = 10;
            Ok(())
        });
    let (_, executed) = refusal(using("corner", 3));
    assert!(executed);
    assert_eq!(
        booked(),
        (money("1.3"), Money::ZERO),
        "what the body gave counts"
    );
}

#[test]
fn each_attempt_costs_and_there_is_none_without_room() {
    let _turn = turn();
    let again = RetryHook::new()
        .first_delay_ms(0)
        .backoff(Backoff::Fixed)
        .jitter(Jitter::None);
    for (keep, limit, on_exceed, attempts, spent) in [
        (false, 1, Exceeded::Refuse, 3, 1),
        (true, 3, Exceeded::Refuse, 3, 3),
        (true, 2, Exceeded::Refuse, 2, 2),
        (true, 2, Exceeded::Warn, 3, 3),
    ] {
        let (registry, scope) = isolated();
        let _entered = scope.enter();
        let each = Price::new().call(Money::units(1));
        let _cost = place(
            &registry,
            hook(each, limit).keep_failed(keep).on_exceed(on_exceed),
        );
        let at = Placement::new("again").point("shop.*");
        let _again = again.clone().register(&registry, at).unwrap();
        let till = Till::failing(&["busy", "busy"]);
        let paid = pay("o-1", None, &till);
        assert_eq!(till.attempts(), attempts, "{keep} {limit}");
        assert_eq!(
            booked(),
            (Money::units(spent), Money::ZERO),
            "{keep} {limit}"
        );
        if attempts == 2 {
            assert!(refusal(paid).0.contains("no room for another one"));
        } else {
            paid.unwrap();
        }
    }
}

#[tokio::test]
async fn streams_cost_what_their_items_say_at_their_end() {
    let _turn = TURN.lock().await;
    let items = |counts: &[Option<u64>]| counts.iter().copied().map(Ok).collect::<Vec<_>>();
    let some = items(&[Some(1), None, Some(4), None]);
    for (usage, counts, keep, spent) in [
        (StreamUsage::Last, some.clone(), false, "1.4"),
        (StreamUsage::Sum, some.clone(), false, "1.5"),
        (StreamUsage::Last, items(&[None, None]), false, "2"),
        (StreamUsage::Last, vec![], false, "2"),
        (StreamUsage::Last, vec![Ok(None), Err("broken")], false, "0"),
        (StreamUsage::Last, vec![Ok(None), Err("broken")], true, "1"),
        (
            StreamUsage::Last,
            vec![Ok(Some(3)), Err("broken")],
            false,
            "1.3",
        ),
    ] {
        let (registry, scope) = isolated();
        let hook = hook(metered(), 100).stream_usage(usage).keep_failed(keep);
        let _cost = place(&registry, hook);
        let said = format!("{usage:?} {counts:?} {keep}");
        scope
            .wrap(async {
                let mut stream = pin!(tokens(counts));
                while stream.next().await.is_some() {
                    assert_eq!(
                        booked(),
                        (Money::ZERO, Money::units(2)),
                        "{said}: under way"
                    );
                }
            })
            .await;
        assert_eq!(booked(), (money(spent), Money::ZERO), "{said}");
    }
    for (first, keep, spent) in [
        (None, false, "0"),
        (None, true, "1"),
        (Some(3), false, "1.3"),
    ] {
        let (registry, scope) = isolated();
        let _cost = place(&registry, hook(metered(), 100).keep_failed(keep));
        scope
            .wrap(async {
                let mut stream = Box::pin(tokens(items(&[first, None])));
                stream.next().await;
                drop(stream);
            })
            .await;
        assert_eq!(
            booked(),
            (money(spent), Money::ZERO),
            "dropped after its first item"
        );
    }
}

#[test]
fn a_fixed_reserve_is_what_is_reserved() {
    let _turn = turn();
    let (registry, scope) = isolated();
    let _entered = scope.enter();
    let units = Units::result("", money("0.1"));
    let price_of = Price::new().units(units).reserve(Money::units(3));
    let _cost = place(&registry, hook(price_of, 5));
    price("corner", "tea".into(), 1, &|| {
        assert_eq!(booked().1, Money::units(3));
        Ok(12)
    })
    .unwrap();
    assert_eq!(booked(), (money("1.2"), Money::ZERO));
}
