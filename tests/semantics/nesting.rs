//! Scopes and runs within each other, made and entered in any order.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use hookpoint::test::registry;
use hookpoint::*;

#[hooked(point = "nesting.site")]
fn site(n: u32) -> Result<u32, HookRefusal> {
    Ok(n)
}
#[hooked(point = "nesting.other")]
fn other() -> Result<u32, HookRefusal> {
    Ok(1)
}
#[hooked(point = "nesting.later")]
async fn later(n: u32) -> Result<u32, HookRefusal> {
    tokio::task::yield_now().await;
    Ok(n)
}
#[hooked(point = "nesting.spawns")]
async fn spawns() -> Result<u32, HookRefusal> {
    hookpoint::spawn(later(1)).await.unwrap()
}
#[hooked(point = "nesting.flaky")]
fn flaky(n: &AtomicUsize) -> Result<String, HookRefusal> {
    Ok(format!("secret {}", n.fetch_add(1, Ordering::SeqCst)))
}
#[hooked(point = "nesting.grouped")]
async fn grouped(n: u32) -> Result<u32, HookRefusal> {
    let (a, b) = tokio::join!(later(n), later(n));
    a?;
    b
}
#[hooked(point = "nesting.aba")]
fn aba() -> Result<(), HookRefusal> {
    Ok(())
}

#[test]
fn a_hook_for_one_call_of_a_layer_leaves_the_base_alone() {
    let kit = registry();
    let _e = kit.enter();
    let _g = kit
        .guard("policy", "nesting.site", |_| Ok(Vote::cancel("no")))
        .unwrap();
    assert!(site(1).is_err());
    let layer = HookScope::layer();
    layer
        .registry()
        .on("policy")
        .point("nesting.*")
        .once()
        .intercept(|_| ())
        .unwrap()
        .forget();
    {
        let _in = layer.enter();
        let _ = site(1);
    }
    assert!(site(1).is_err(), "the guard of the base registry is gone");
}

#[test]
fn a_hook_for_one_call_leaves_its_successor_alone() {
    let kit = registry();
    let _e = kit.enter();
    let r: HookRegistry = (*kit).clone();
    kit.on("x")
        .point("nesting.site")
        .once()
        .intercept(move |_| {
            let new = PreparedHook::guard(HookMetadata::new("x").point("nesting.site"), |_| {
                Ok(Vote::cancel("new"))
            });
            r.replace(&["x"], vec![new])
                .unwrap()
                .into_iter()
                .for_each(HookGuard::forget);
        })
        .unwrap()
        .forget();
    let _ = site(1);
    assert!(
        site(1).is_err(),
        "the successor was removed with the spent hook"
    );
}

#[test]
fn entering_a_layer_under_another_one_keeps_both() {
    let kit = registry();
    let _e = kit.enter();
    let session = HookScope::layer();
    for i in 0..200 {
        {
            let between = HookScope::layer();
            let _b = between.enter();
        }
        let outer = HookScope::layer();
        let _g = outer
            .registry()
            .guard("outer", "nesting.site", move |_| {
                Ok(Vote::cancel(format!("{i}")))
            })
            .unwrap();
        let _o = outer.enter();
        let _s = session.enter();
        match site(1) {
            Err(r) => assert_eq!(r.reason(), i.to_string()),
            Ok(_) => panic!("round {i}: the outer layer's guard is bypassed"),
        }
    }
}

#[test]
fn a_layer_is_not_mistaken_for_another_one_under_which_it_was_entered() {
    let kit = registry();
    let _e = kit.enter();
    let session = HookScope::layer();
    let a = HookScope::layer();
    let b = HookScope::layer();
    let c = HookScope::layer();
    let _g = b
        .registry()
        .guard("b", "nesting.site", |_| Ok(Vote::cancel("no")))
        .unwrap();
    {
        let _a = a.enter();
        let _s = session.enter();
    }
    drop(a);
    {
        let _c = c.enter();
    }
    let _b = b.enter();
    assert!(site(1).is_err());
    let _s = session.enter();
    assert!(
        site(1).is_err(),
        "entering `session` inside `b` took b's guard away"
    );
}

#[test]
fn a_layer_is_not_mistaken_for_another_one_in_the_global_registry() {
    let session = HookScope::layer();
    let _s = session
        .registry()
        .guard("s", "nesting.aba", |_| Ok(Vote::Pass))
        .unwrap();
    let l2 = HookScope::layer();
    let _g = l2
        .registry()
        .guard("agent-policy", "nesting.aba", |_| Ok(Vote::cancel("no")))
        .unwrap();
    let other = HookScope::run("other");
    {
        let run = HookScope::run("first");
        let _r = run.enter();
        let _s = session.enter();
        aba().unwrap();
    }
    {
        let _o = other.enter();
    } // any new scope: the list of scopes forgets the first run's
    let _l = l2.enter();
    assert!(aba().is_err(), "l2's guard");
    let _s = session.enter();
    assert!(
        aba().is_err(),
        "entering the session's layer took the guard of the agent's layer away"
    );
}

#[tokio::test]
async fn a_future_in_two_scopes_is_in_both() {
    let kit = registry();
    let outer = HookScope::layer();
    let _g = outer
        .registry()
        .guard("outer", "nesting.later", |_| Ok(Vote::cancel("no")))
        .unwrap();
    let inner = HookScope::layer();
    let r = outer.wrap(inner.wrap(later(1))).await;
    assert!(r.is_err(), "outer layer's guard bypassed");
    drop(kit);
}

#[tokio::test]
async fn a_future_in_a_layer_in_a_halted_run_is_refused() {
    let kit = registry();
    let _g = kit
        .guard("stop", "nesting.site", |_| Ok(Vote::halt("stop")))
        .unwrap();
    let out = kit
        .wrap(async {
            let run = HookScope::run("r");
            let layer = HookScope::layer();
            run.wrap(async {
                let _ = site(1);
            })
            .await;
            assert!(run.halted().is_some());
            run.wrap(layer.wrap(later(1))).await
        })
        .await;
    assert!(out.is_err(), "a call in a halted run passed");
}

#[test]
fn a_run_made_outside_of_a_halted_one_is_halted_inside() {
    let kit = registry();
    let _e = kit.enter();
    let _g = kit
        .guard("stop", "nesting.site", |_| Ok(Vote::halt("stop")))
        .unwrap();
    let step = HookScope::run("step");
    let agent = HookScope::run("agent");
    let _a = agent.enter();
    let _ = site(1);
    assert!(other().is_err());
    let _s = step.enter();
    assert!(
        other().is_err(),
        "a run entered inside a halted run escapes it"
    );
}

#[test]
fn the_calls_of_a_run_share_a_correlation_id() {
    let kit = registry();
    let _e = kit.enter();
    let run = HookScope::run("r");
    let _r = run.enter();
    let _ = site(1);
    let a = kit.last("nesting.site").correlation_id().clone();
    let _ = site(1);
    assert_eq!(a, *kit.last("nesting.site").correlation_id());
}

#[tokio::test]
async fn a_hook_is_skipped_only_while_it_runs() {
    let kit = registry();
    let n = Arc::new(AtomicUsize::new(0));
    let c = n.clone();
    let _g = kit
        .intercept("redacts", "nesting.*", move |_| {
            c.fetch_add(1, Ordering::SeqCst);
            if c.load(Ordering::SeqCst) == 1 {
                drop(hookpoint::spawn(async {
                    tokio::task::yield_now().await;
                    let _ = other();
                }));
            }
        })
        .unwrap();
    kit.wrap(async {
        let _ = site(1);
    })
    .await;
    for _ in 0..5 {
        tokio::task::yield_now().await;
    }
    assert_eq!(kit.records().len(), 2);
    assert_eq!(
        n.load(Ordering::SeqCst),
        2,
        "a task spawned by a hook escapes that hook for ever"
    );
}

#[test]
fn scopes_can_be_left_in_any_order() {
    let kit = registry();
    let a = kit.enter();
    let run = HookScope::run("r");
    let b = run.enter();
    drop(a);
    drop(b);
    assert!(
        hooks().list().is_empty() && !format!("{:?}", hooks()).contains("Isolated"),
        "{:?}",
        hooks()
    );
}

#[tokio::test]
async fn a_refusal_in_spawned_work_is_an_inner_refusal() {
    let kit = registry();
    let _g = kit
        .guard("refuse", "nesting.later", |_| Ok(Vote::cancel("no")))
        .unwrap();
    let _r = kit
        .on("recover")
        .point("nesting.spawns")
        .error()
        .intercept(|_| HookResult::replace(7_u32))
        .unwrap();
    assert!(
        kit.wrap(spawns()).await.is_err(),
        "a refusal was replaced by a hook that did not declare recover_refusals"
    );
}

#[tokio::test]
async fn a_refusal_among_joined_futures_is_an_inner_refusal() {
    let kit = registry();
    let _g = kit
        .guard("refuse", "nesting.later", |_| Ok(Vote::cancel("no")))
        .unwrap();
    let _r = kit
        .on("recover")
        .point("nesting.grouped")
        .error()
        .intercept(|_| HookResult::replace(7_u32))
        .unwrap();
    assert!(kit.wrap(grouped(1)).await.is_err());
}

#[test]
fn layers_do_not_share_cached_answers() {
    let kit = registry();
    let _e = kit.enter();
    let n = AtomicUsize::new(0);
    let make = || {
        let l = HookScope::layer();
        l.registry()
            .intercept("cache", "nesting.flaky", |_| {
                HookResult::cache("k", Duration::from_secs(9))
            })
            .unwrap()
            .forget();
        l
    };
    let (a, b) = (make(), make());
    let x = {
        let _i = a.enter();
        flaky(&n).unwrap()
    };
    let y = {
        let _i = b.enter();
        flaky(&n).unwrap()
    };
    assert_ne!(x, y, "session b got the answer of session a");
}
