//! The usual design over ours, with as many hooks.

use hookpoint::prelude::*;

use super::{Group, Measured};
use crate::harness::{Variant, measure};
use crate::peers::classic::Registry;
use crate::registered::no_ops;
use crate::report::{Claim, Unit};
use crate::same_body;
use crate::sites::async_calls;

same_body! {
    async fn bare;
    #[hooked(point = "bench.classic_1")] async fn hooked_1;
    #[hooked(point = "bench.classic_10")] async fn hooked_10;
}

const POINT: &str = "bench.classic";

fn classic_calls(registry: &Registry) -> impl Fn(u64) {
    async_calls(move |a, b, label| registry.around(POINT, bare, (a, b, label)))
}

/// Async functions with 1 and 10 hooks, before and after.
pub(super) const GROUP: Group = Group {
    claims: &[
        Claim::at_least(
            "classic.1.vs_ours",
            40.0,
            Unit::Ratio,
            "the usual design (JSON map, UUID, clock, lock, clone, `async_trait`) with 1 hook, over ours",
        ),
        Claim::at_least("classic.10.vs_ours", 30.0, Unit::Ratio, "10 hooks"),
    ],
    measure: |plan| {
        let _one = no_ops("bench.classic_1", 1)?;
        let _ten = no_ops("bench.classic_10", 10)?;
        let one = Registry::with_no_ops(POINT, 1);
        let ten = Registry::with_no_ops(POINT, 10);
        let samples = measure(
            plan.rounds,
            vec![
                Variant::new("1", async_calls(hooked_1)),
                Variant::new("10", async_calls(hooked_10)),
                Variant::new("classic 1", classic_calls(&one)),
                Variant::new("classic 10", classic_calls(&ten)),
            ],
        );
        let row = |name, classic: &str, ours: &str| {
            let note = format!(
                "{:.0} ns with {} allocations over {:.0} ns",
                samples.ns(classic),
                samples.allocations(classic),
                samples.ns(ours),
            );
            Measured::new(name, samples.ratio(classic, ours))
                .allocations(samples.allocations(ours))
                .note(note)
        };
        Ok(vec![
            row("classic.1.vs_ours", "classic 1", "1"),
            row("classic.10.vs_ours", "classic 10", "10"),
        ])
    },
};
