//! Isolated registries, layers, runs.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use hookpoint::test::registry;
use hookpoint::{HookRefusal, HookRegistry, HookResult, HookScope, Phase, Reach, Vote, hooked};

#[hooked(point = "scopes.site")]
fn site(n: u32) -> Result<u32, HookRefusal> {
    Ok(n)
}

#[hooked(point = "scopes.idle")]
fn idle_site() -> Result<(), HookRefusal> {
    Ok(())
}

#[hooked(point = "scopes.closed", closed)]
fn closed() -> Result<(), HookRefusal> {
    Ok(())
}

#[hooked(point = "scopes.later")]
async fn later(n: u32) -> Result<u32, HookRefusal> {
    tokio::task::yield_now().await;
    Ok(n)
}

#[test]
fn isolated_registries_do_not_see_each_other_on_parallel_threads() {
    let calls = 2_000;
    let barrier = Arc::new(std::sync::Barrier::new(4));
    let threads: Vec<_> = (0..4_u32)
        .map(|i| {
            let barrier = barrier.clone();
            std::thread::spawn(move || {
                let kit = registry();
                let _entered = kit.enter();
                let id = format!("only-{i}");
                let _g = kit.guard(id.as_str(), "scopes.site", move |cx| {
                    Ok(Vote::cancel_if(cx.arg::<u32>("n")? % 4 == i, "mine"))
                });
                barrier.wait();
                for n in 0..calls {
                    match site(n) {
                        Err(refusal) => assert!(
                            n % 4 == i && refusal.hook() == id,
                            "{refusal} for {n} on {i}"
                        ),
                        Ok(_) => assert_ne!(n % 4, i),
                    }
                }
                kit.records().len()
            })
        })
        .collect();
    for thread in threads {
        assert_eq!(thread.join().unwrap(), calls as usize);
    }
    assert!(site(0).is_ok(), "outside of all of them nobody listens");
}

#[test]
fn a_site_says_in_which_phases_hooks_of_this_scope_would_be_asked() {
    let kit = registry();
    let _entered = kit.enter();
    let mine = |site: &&&hookpoint::HookSite| site.info().point == "scopes.site";
    let site = hookpoint::sites().iter().copied().find(|site| mine(&site));
    let site = site.expect("it is in the catalogue");
    assert!(!site.asks(Phase::Pre) && !site.asks(Phase::Post));
    let layer = HookScope::layer();
    let post = layer.registry().on("post").point("scopes.site").post();
    let _g = post.guard(|_| Ok(Vote::Pass)).unwrap();
    assert!(
        !site.asks(Phase::Post),
        "the layer's hooks are not asked here"
    );
    let _inside = layer.enter();
    assert!(site.asks(Phase::Post) && !site.asks(Phase::Pre));
}

#[test]
fn a_layer_adds_hooks_for_its_calls_and_its_allow_does_not_count() {
    let kit = registry();
    let _entered = kit.enter();
    let layer = HookScope::layer();
    let _g = layer
        .registry()
        .guard("narrow", "scopes.site", |_| Ok(Vote::cancel("not here")))
        .unwrap();
    let _a = layer
        .registry()
        .guard("grants", "scopes.closed", |_| Ok(Vote::Allow))
        .unwrap();
    assert!(site(1).is_ok());
    {
        let _inside = layer.enter();
        assert_eq!(site(1).unwrap_err().hook(), "narrow");
        assert_eq!(closed().unwrap_err().hook(), "hookpoint.closed");
    }
    assert!(site(1).is_ok());
    let _base = kit
        .guard("really-grants", "scopes.closed", |_| Ok(Vote::Allow))
        .unwrap();
    let _inside = layer.enter();
    assert!(
        closed().is_ok(),
        "the registry's own grant counts inside too"
    );
}

#[test]
fn a_layer_over_the_global_registry_wakes_the_sites_that_it_matches() {
    let layer = HookScope::layer();
    let g = layer
        .registry()
        .guard("narrow-global", "scopes.idle", |_| Ok(Vote::cancel("no")))
        .unwrap();
    assert!(idle_site().is_ok(), "outside of the scope");
    {
        let _inside = layer.enter();
        assert_eq!(idle_site().unwrap_err().hook(), "narrow-global");
        drop(g);
        assert!(idle_site().is_ok(), "the hook is gone");
    }
}

#[tokio::test]
async fn halt_ends_the_run_with_idle_sites_and_spawned_work() {
    let kit = registry();
    let test = async {
        let _g = kit.guard("stop", "scopes.site", |cx| {
            Ok(if *cx.arg::<u32>("n")? == 13 {
                Vote::halt("unlucky")
            } else {
                Vote::Pass
            })
        });
        let run = HookScope::run("agent run");
        let work = run.wrap(async {
            assert!(site(1).is_ok() && idle_site().is_ok());
            assert!(site(13).unwrap_err().halted());
            for refusal in [site(1).unwrap_err(), idle_site().unwrap_err()] {
                assert_eq!(refusal.hook(), "hookpoint.halted");
                assert!(
                    refusal.reason().contains("agent run") && refusal.reason().contains("unlucky"),
                    "{refusal}"
                );
            }
            let spawned = hookpoint::spawn(async { later(1).await });
            assert_eq!(
                spawned.await.unwrap().unwrap_err().hook(),
                "hookpoint.halted"
            );
        });
        work.await;
        assert_eq!(run.halted().unwrap().hook.as_ref(), "stop");
        assert!(site(1).is_ok(), "outside of the run");
    };
    kit.wrap(test).await;
}

#[test]
fn reach_root_ends_the_enclosing_runs_too() {
    let kit = registry();
    let _entered = kit.enter();
    let _g = kit
        .intercept("stop-all", "scopes.site", |_| HookResult::Halt {
            reason: "all".into(),
            reach: Reach::Root,
        })
        .unwrap();
    let outer = HookScope::run("outer");
    let _outer = outer.enter();
    {
        let inner = HookScope::run("inner");
        let _inner = inner.enter();
        assert!(site(1).is_err());
    }
    assert_eq!(idle_site().unwrap_err().hook(), "hookpoint.halted");
}

#[test]
fn cached_answers_are_not_shared_between_principals_and_grow_old() {
    let kit = registry();
    let _entered = kit.enter();
    let runs = Arc::new(AtomicUsize::new(0));
    let count = runs.clone();
    let _cache = kit
        .intercept("cache", "scopes.site", |_| {
            HookResult::cache("answer", Duration::from_secs(10))
        })
        .unwrap();
    let _count = kit
        .observe("count", "scopes.site", move |r| {
            count.fetch_add(usize::from(!r.cache_hit()), Ordering::SeqCst);
        })
        .unwrap();
    assert_eq!(site(1).unwrap(), 1);
    assert_eq!(site(2).unwrap(), 1, "the kept answer");
    let somebody = HookScope::run("r").principal("somebody");
    {
        let _inside = somebody.enter();
        assert_eq!(site(3).unwrap(), 3, "somebody else's answer is not theirs");
    }
    kit.clock().advance(Duration::from_secs(10));
    assert_eq!(site(4).unwrap(), 4, "too old");
    assert_eq!(runs.load(Ordering::SeqCst), 3);
}

#[test]
fn an_unregistered_hook_is_dropped_at_once_also_where_it_was_cached() {
    let registry = HookRegistry::new();
    registry.allow_unmatched();
    let scope = HookScope::isolated(&registry);
    let alive = Arc::new(());
    let held = alive.clone();
    let g = registry.guard("holds", "scopes.site", move |_| {
        let _held = &held;
        Ok(Vote::Pass)
    });
    std::thread::scope(|threads| {
        for _ in 0..3 {
            threads.spawn(|| {
                let _inside = scope.enter();
                assert!(site(1).is_ok());
            });
        }
    });
    assert_eq!(Arc::strong_count(&alive), 2);
    drop(g);
    assert_eq!(
        Arc::strong_count(&alive),
        1,
        "no thread and no scope holds the old set"
    );
}

#[tokio::test]
async fn close_waits_for_the_calls_under_way() {
    let kit = registry();
    let alive = Arc::new(());
    let held = alive.clone();
    let g = kit.guard("holds", "scopes.later", move |_| {
        let _held = &held;
        Ok(Vote::Pass)
    });
    let mut call = Box::pin(kit.wrap(later(1)));
    let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
    assert!(call.as_mut().poll(&mut cx).is_pending());
    let mut closing = Box::pin(g.unwrap().close());
    assert!(
        closing.as_mut().poll(&mut cx).is_pending(),
        "a call still uses it"
    );
    assert_eq!(call.await.unwrap(), 1);
    closing.await.unwrap();
    assert_eq!(Arc::strong_count(&alive), 1);
}
