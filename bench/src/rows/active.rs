//! Hooks that do nothing, against loops that call as many functions that do nothing.

use std::sync::Arc;

use hookpoint::prelude::*;

use super::{Group, Measured, Plan};
use crate::harness::{Samples, Variant, measure};
use crate::peers::{async_trait_loop, dyn_loop, layers};
use crate::registered::{all_roles, no_ops};
use crate::report::{Claim, Unit};
use crate::same_body;
use crate::sites::{async_calls, ready, sync_calls};

same_body! {
    fn bare;
    #[hooked(point = "bench.active_1")] fn active_1;
    #[hooked(point = "bench.active_5")] fn active_5;
    #[hooked(point = "bench.active_10")] fn active_10;
    #[hooked(point = "bench.full_1")] fn full_1;
    #[hooked(point = "bench.full_10")] fn full_10;
    async fn bare_async;
    #[hooked(point = "bench.active_async_1")] async fn active_async_1;
    #[hooked(point = "bench.active_async_10")] async fn active_async_10;
    #[hooked(point = "bench.full_async_1")] async fn full_async_1;
}

/// Ours and the peer's time, and ours over the peer's.
fn compared(name: &'static str, samples: &Samples, ours: &str, peer: &str) -> Measured {
    let note = format!("{:.1} ns over {:.1} ns", samples.ns(ours), samples.ns(peer));
    Measured::new(name, samples.ratio(ours, peer))
        .allocations(samples.allocations(ours))
        .note(note)
}

fn dyn_calls(count: usize) -> impl Fn(u64) {
    let hooks = dyn_loop::no_ops(count);
    sync_calls(move |a, b, label| dyn_loop::around(&hooks, bare, (a, b, label)))
}

fn dyn_all_roles(count: usize) -> impl Fn(u64) {
    let hooks = dyn_loop::no_ops(count);
    sync_calls(move |a, b, label| dyn_loop::all_roles_around(&hooks, bare, (a, b, label)))
}

type AsyncHooks = [Arc<dyn async_trait_loop::Hook>];

fn async_trait_calls(hooks: &AsyncHooks, all_roles: bool) -> impl Fn(u64) {
    async_calls(move |a, b, label| {
        async_trait_loop::around(hooks, all_roles, bare_async, (a, b, label))
    })
}

/// Hooks before and after a synchronous body.
pub(super) const SYNC: Group = Group {
    claims: &[
        Claim::shown(
            "active.sync.control",
            Unit::Ratio,
            "the loop over one trait object over itself: the noise of the rows below",
        ),
        Claim::at_most(
            "active.sync.1.vs_dyn",
            1.0,
            Unit::Ratio,
            "1 hook, before and after, over a loop over trait objects",
        ),
        Claim::shown("active.sync.5.vs_dyn", Unit::Ratio, "5 hooks"),
        Claim::at_most("active.sync.10.vs_dyn", 1.15, Unit::Ratio, "10 hooks"),
        Claim::at_most(
            "active.sync.allocs",
            0.0,
            Unit::Count,
            "allocations of a call with 10 hooks",
        ),
    ],
    measure: sync,
};

fn sync(plan: &Plan) -> Result<Vec<Measured>, HookError> {
    let _one = no_ops("bench.active_1", 1)?;
    let _five = no_ops("bench.active_5", 5)?;
    let _ten = no_ops("bench.active_10", 10)?;
    let samples = measure(
        plan.rounds,
        vec![
            Variant::new("1", sync_calls(active_1)),
            Variant::new("5", sync_calls(active_5)),
            Variant::new("10", sync_calls(active_10)),
            Variant::new("dyn 1", dyn_calls(1)),
            Variant::new("dyn 1 again", dyn_calls(1)),
            Variant::new("dyn 5", dyn_calls(5)),
            Variant::new("dyn 10", dyn_calls(10)),
        ],
    );
    Ok(vec![
        Measured::new("active.sync.control", samples.ratio("dyn 1 again", "dyn 1")),
        compared("active.sync.1.vs_dyn", &samples, "1", "dyn 1"),
        compared("active.sync.5.vs_dyn", &samples, "5", "dyn 5"),
        compared("active.sync.10.vs_dyn", &samples, "10", "dyn 10"),
        Measured::new("active.sync.allocs", samples.allocations("10")),
    ])
}

/// Hooks of all roles around a synchronous body, in a run.
pub(super) const SYNC_FULL: Group = Group {
    claims: &[
        Claim::at_most(
            "active.sync.1.full.vs_dyn",
            3.0,
            Unit::Ratio,
            "an intercept, a guard and an observer in a run, over a loop that calls as many functions",
        ),
        Claim::at_most("active.sync.10.full.vs_dyn", 3.0, Unit::Ratio, "10 of each"),
    ],
    measure: |plan| {
        let _one = all_roles("bench.full_1", 1)?;
        let _ten = all_roles("bench.full_10", 10)?;
        let run = HookScope::run("bench");
        let _in_run = run.enter();
        let samples = measure(
            plan.rounds,
            vec![
                Variant::new("1", sync_calls(full_1)),
                Variant::new("10", sync_calls(full_10)),
                Variant::new("dyn 1", dyn_all_roles(1)),
                Variant::new("dyn 10", dyn_all_roles(10)),
            ],
        );
        Ok(vec![
            compared("active.sync.1.full.vs_dyn", &samples, "1", "dyn 1"),
            compared("active.sync.10.full.vs_dyn", &samples, "10", "dyn 10"),
        ])
    },
};

/// Synchronous hooks before and after an asynchronous body.
pub(super) const ASYNC: Group = Group {
    claims: &[
        Claim::shown(
            "active.async.control",
            Unit::Ratio,
            "the loop over one `async_trait` object over itself: the noise of the rows below",
        ),
        Claim::at_most(
            "active.async.1.vs_async_trait",
            0.4,
            Unit::Ratio,
            "an async function with 1 hook, over a loop over `async_trait` objects",
        ),
        Claim::at_most(
            "active.async.10.vs_async_trait",
            0.15,
            Unit::Ratio,
            "10 hooks",
        ),
        Claim::shown(
            "active.async.1.vs_tower",
            Unit::Ratio,
            "an async function with 1 hook, over a boxed tower service with 1 layer",
        ),
        Claim::shown(
            "active.async.10.vs_tower",
            Unit::Ratio,
            "10 hooks, 10 layers",
        ),
        Claim::at_most(
            "active.async.allocs",
            1.0,
            Unit::Count,
            "allocations of an async call with 10 hooks",
        ),
    ],
    measure: asynchronous,
};

fn tower_calls(count: usize) -> impl FnMut(u64) {
    let mut service = layers::around(count, bare_async);
    move |n| {
        ready(async {
            for i in 0..n {
                let request = std::hint::black_box((i, 3, "label"));
                let _answer = std::hint::black_box(layers::call(&mut service, request).await);
            }
        });
    }
}

fn asynchronous(plan: &Plan) -> Result<Vec<Measured>, HookError> {
    let _one = no_ops("bench.active_async_1", 1)?;
    let _ten = no_ops("bench.active_async_10", 10)?;
    let (one, ten) = (async_trait_loop::no_ops(1), async_trait_loop::no_ops(10));
    let samples = measure(
        plan.rounds,
        vec![
            Variant::new("1", async_calls(active_async_1)),
            Variant::new("10", async_calls(active_async_10)),
            Variant::new("async_trait 1", async_trait_calls(&one, false)),
            Variant::new("async_trait 1 again", async_trait_calls(&one, false)),
            Variant::new("async_trait 10", async_trait_calls(&ten, false)),
            Variant::new("tower 1", tower_calls(1)),
            Variant::new("tower 10", tower_calls(10)),
        ],
    );
    Ok(vec![
        Measured::new(
            "active.async.control",
            samples.ratio("async_trait 1 again", "async_trait 1"),
        ),
        compared(
            "active.async.1.vs_async_trait",
            &samples,
            "1",
            "async_trait 1",
        ),
        compared(
            "active.async.10.vs_async_trait",
            &samples,
            "10",
            "async_trait 10",
        ),
        compared("active.async.1.vs_tower", &samples, "1", "tower 1"),
        compared("active.async.10.vs_tower", &samples, "10", "tower 10"),
        Measured::new("active.async.allocs", samples.allocations("10")),
    ])
}

/// Hooks of all roles around an asynchronous body, in a run.
pub(super) const ASYNC_FULL: Group = Group {
    claims: &[Claim::at_most(
        "active.async.1.full.vs_async_trait",
        1.0,
        Unit::Ratio,
        "an intercept, a guard and an observer in a run around an async function, over an `async_trait` loop that awaits as many functions",
    )],
    measure: |plan| {
        let _one = all_roles("bench.full_async_1", 1)?;
        let hooks = async_trait_loop::no_ops(1);
        let run = HookScope::run("bench");
        let _in_run = run.enter();
        let samples = measure(
            plan.rounds,
            vec![
                Variant::new("1", async_calls(full_async_1)),
                Variant::new("async_trait 1", async_trait_calls(&hooks, true)),
            ],
        );
        Ok(vec![compared(
            "active.async.1.full.vs_async_trait",
            &samples,
            "1",
            "async_trait 1",
        )])
    },
};
