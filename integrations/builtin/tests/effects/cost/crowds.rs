//! Many calls at the same time, and not a unit too much.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use hooks_builtin::{Budget, CostHook, Ledger, Money, Per};
use tokio::sync::Barrier;

use super::{TURN, booked, hook, metered, money, place, turn, using};
use crate::kit::{ShopError, isolated, price, quote};

#[test]
fn eight_threads_never_pass_the_limit() {
    let _turn = turn();
    let (registry, scope) = isolated();
    let budgets = [
        Budget::new(Money::units(100)),
        Budget::new(Money::units(60)).by(Per::Component),
    ];
    let _cost = place(
        &registry,
        CostHook::new().prices([metered()]).budgets(budgets),
    );
    let ledger = Ledger::of("cost").unwrap();
    let (done, used) = (AtomicBool::new(false), AtomicU64::new(0));
    std::thread::scope(|threads| {
        let workers: Vec<_> = (0..8)
            .map(|worker| {
                let (scope, used) = (&scope, &used);
                threads.spawn(move || {
                    let _entered = scope.enter();
                    let shop = if worker % 2 == 0 { "corner" } else { "market" };
                    for turn in 0..200_u64 {
                        let units = (turn * 7 + worker) % 11;
                        let work = || match turn % 5 {
                            0 => Err("no".to_owned()),
                            _ => Ok(units),
                        };
                        if price(shop, "tea".into(), 1, &work).is_ok() {
                            used.fetch_add(10 + units, Ordering::SeqCst);
                        }
                    }
                })
            })
            .collect();
        let watch = threads.spawn(|| {
            let mut looks = 0;
            while !done.load(Ordering::SeqCst) || looks == 0 {
                for entry in ledger.entries() {
                    let sum = entry.spent.as_nanos() + entry.reserved.as_nanos();
                    assert!(sum <= entry.limit.unwrap().as_nanos(), "{entry:?}");
                }
                looks += 1;
            }
        });
        workers
            .into_iter()
            .for_each(|worker| worker.join().unwrap());
        done.store(true, Ordering::SeqCst);
        watch.join().unwrap();
    });
    let tenths = used.load(Ordering::SeqCst);
    let (spent, reserved) = booked();
    assert_eq!(
        (spent, reserved),
        (Money::nanos(tenths * 100_000_000), Money::ZERO)
    );
    assert!(
        spent > Money::units(98) && spent <= Money::units(100),
        "{spent}"
    );
    let by_shop = ledger.entries();
    assert!(
        by_shop
            .iter()
            .all(|entry| entry.spent <= entry.limit.unwrap())
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_thousand_tasks_never_pass_the_limit() {
    let _turn = TURN.lock().await;
    let (registry, scope) = isolated();
    // Room for 100 of the 1,000 that are under way at the same time.
    let _cost = place(&registry, hook(metered(), 200));
    let barrier = Arc::new(Barrier::new(101));
    let tasks: Vec<_> = (0..1000)
        .map(|_| {
            let barrier = barrier.clone();
            let call = quote("corner", "tea".into(), async move {
                barrier.wait().await;
                Ok(10)
            });
            tokio::spawn(scope.wrap(call))
        })
        .collect();
    barrier.wait().await;
    let mut passed = 0;
    for task in tasks {
        match task.await.unwrap() {
            Ok(_) => passed += 1,
            Err(ShopError::Refused(_)) => {}
            Err(other) => panic!("{other}"),
        }
    }
    assert_eq!(passed, 100);
    assert_eq!(booked(), (money("200"), Money::ZERO));
    let _entered = scope.enter();
    assert!(using("corner", 0).is_err(), "nothing is left");
}
