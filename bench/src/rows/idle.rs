//! Nobody listens.

use std::hint::black_box;

use hookpoint::prelude::*;

use super::{Group, Measured};
use crate::harness::{Variant, measure};
use crate::report::{Claim, Unit};
use crate::same_body;
use crate::sites::{Answer, async_calls, sync_calls};

/// Three copies of each, which stand at other addresses: see [`measure`].
macro_rules! copies {
    ($($name:ident)*) => { $(mod $name {
        use super::*;
        same_body! {
            pub(super) fn bare;
            pub(super) fn bare_again;
            #[hooked(point = "bench.idle")] pub(super) fn hooked;
            #[tracing::instrument(skip_all)] pub(super) fn traced;
            #[fastrace::trace] pub(super) fn fastraced;
            pub(super) async fn bare_async;
            pub(super) async fn bare_async_again;
            #[hooked(point = "bench.idle_async")] pub(super) async fn hooked_async;
            #[tracing::instrument(skip_all)] pub(super) async fn traced_async;
        }

        pub(super) fn sync() -> Vec<Variant<'static>> {
            vec![
                Variant::new("bare", sync_calls(bare)),
                Variant::new("bare again", sync_calls(bare_again)),
                Variant::new("hooked", sync_calls(hooked)),
                Variant::new("tracing", sync_calls(traced)),
                Variant::new("fastrace", sync_calls(fastraced)),
            ]
        }

        pub(super) fn asynchronous() -> Vec<Variant<'static>> {
            vec![
                Variant::new("bare", async_calls(bare_async)),
                Variant::new("bare again", async_calls(bare_async_again)),
                Variant::new("hooked", async_calls(hooked_async)),
                Variant::new("tracing", async_calls(traced_async)),
            ]
        }
    })* };
}

copies! { first second third }

/// A synchronous function.
pub(super) const SYNC: Group = Group {
    claims: &[
        Claim::shown(
            "idle.sync.control",
            Unit::Ratio,
            "the bare function over itself: the noise of the rows below",
        ),
        Claim::at_most(
            "idle.sync.vs_bare",
            1.1,
            Unit::Ratio,
            "an idle function over the bare one",
        ),
        Claim::at_most(
            "idle.sync.added_ns",
            0.5,
            Unit::Ns,
            "what an idle attribute adds",
        ),
        Claim::at_most(
            "idle.sync.vs_tracing",
            0.65,
            Unit::Ratio,
            "an idle function over one under `tracing::instrument` without a subscriber",
        ),
        Claim::shown(
            "idle.sync.added_vs_tracing",
            Unit::Ratio,
            "what an idle attribute adds, over what `tracing::instrument` adds",
        ),
        Claim::shown(
            "idle.sync.vs_fastrace",
            Unit::Ratio,
            "an idle function over one under `fastrace::trace` without a parent",
        ),
        Claim::at_most(
            "idle.sync.allocs",
            0.0,
            Unit::Count,
            "allocations of an idle call",
        ),
    ],
    measure: |plan| {
        let copies = [first::sync(), second::sync(), third::sync()];
        let samples = measure(plan.rounds * 3, copies.into_iter().flatten().collect());
        let allocations = samples.allocations("hooked");
        let absolute = format!(
            "{:.2} ns over {:.2} ns",
            samples.ns("hooked"),
            samples.ns("bare")
        );
        let tracing = format!("tracing {:.2} ns", samples.ns("tracing"));
        let fastrace = format!("fastrace {:.2} ns", samples.ns("fastrace"));
        Ok(vec![
            Measured::new("idle.sync.control", samples.ratio("bare again", "bare")),
            Measured::new("idle.sync.vs_bare", samples.ratio("hooked", "bare"))
                .allocations(allocations)
                .note(absolute),
            Measured::new("idle.sync.added_ns", samples.added_ns("hooked", "bare")),
            Measured::new("idle.sync.vs_tracing", samples.ratio("hooked", "tracing")).note(tracing),
            Measured::new(
                "idle.sync.added_vs_tracing",
                samples.added_ratio(("hooked", "bare"), ("tracing", "bare")),
            ),
            Measured::new("idle.sync.vs_fastrace", samples.ratio("hooked", "fastrace"))
                .note(fastrace),
            Measured::new("idle.sync.allocs", allocations),
        ])
    },
};

/// An asynchronous one, awaited where it is called.
pub(super) const ASYNC: Group = Group {
    claims: &[
        Claim::shown(
            "idle.async.control",
            Unit::Ns,
            "the bare async function less itself: the noise of the rows below",
        ),
        Claim::at_most(
            "idle.async.added_vs_tracing",
            0.4,
            Unit::Ratio,
            "what an idle attribute adds to an async function, over what `tracing::instrument` adds",
        ),
        Claim::shown(
            "idle.async.added_ns",
            Unit::Ns,
            "what an idle attribute adds to an async function",
        ),
        Claim::at_most(
            "idle.async.future_extra_bytes",
            88.0,
            Unit::Bytes,
            "what the attribute adds to a future of 40 bytes",
        ),
        Claim::at_most(
            "idle.async.allocs",
            0.0,
            Unit::Count,
            "allocations of an idle async call",
        ),
    ],
    measure: |plan| {
        let copies = [
            first::asynchronous(),
            second::asynchronous(),
            third::asynchronous(),
        ];
        let samples = measure(plan.rounds * 3, copies.into_iter().flatten().collect());
        let allocations = samples.allocations("hooked");
        let added = samples.added_ratio(("hooked", "bare"), ("tracing", "bare"));
        let tracing = format!("tracing adds {:.2} ns", samples.added_ns("tracing", "bare"));
        let (bare, hooked) = future_bytes();
        Ok(vec![
            Measured::new("idle.async.control", samples.added_ns("bare again", "bare")),
            Measured::new("idle.async.added_vs_tracing", added)
                .allocations(allocations)
                .note(tracing),
            Measured::new("idle.async.added_ns", samples.added_ns("hooked", "bare")),
            Measured::new("idle.async.future_extra_bytes", (hooked - bare) as f64)
                .note(format!("{hooked} over {bare}")),
            Measured::new("idle.async.allocs", allocations),
        ])
    },
};

async fn bare_40(a: u64, b: u64) -> Answer {
    std::future::ready(()).await;
    Ok(black_box(a ^ b))
}

#[hooked(point = "bench.idle_40")]
async fn hooked_40(a: u64, b: u64) -> Answer {
    std::future::ready(()).await;
    Ok(black_box(a ^ b))
}

fn future_bytes() -> (usize, usize) {
    (size_of_val(&bare_40(1, 2)), size_of_val(&hooked_40(1, 2)))
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_bare_future_has_40_bytes() {
        assert_eq!(super::future_bytes().0, 40);
    }
}
