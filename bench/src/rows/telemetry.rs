//! What one more hook costs in the executor, with what watches over it, against one more call of a trait object.

use hookpoint::monitor::Thresholds;
use hookpoint::prelude::*;

use super::{Group, Measured};
use crate::harness::{Variant, measure};
use crate::peers::dyn_loop;
use crate::registered::watched;
use crate::report::{Claim, Unit};
use crate::same_body;
use crate::sites::sync_calls;

same_body! {
    fn bare;
    #[hooked(point = "bench.few")] fn few;
    #[hooked(point = "bench.many")] fn many;
}

const FEW: usize = 2;
const MANY: usize = 20;

/// The slopes between few and many hooks, ours over the loop's: what a call costs whatever the number is left out.
pub(super) const GROUP: Group = Group {
    claims: &[Claim::at_most(
        "telemetry.vs_dyn",
        1.4,
        Unit::Ratio,
        "one more watched hook, over one more trait object in a loop",
    )],
    measure: |plan| {
        let monitor = hooks().monitor();
        monitor.start(Thresholds::default());
        let _few = watched("bench.few", FEW)?;
        let _many = watched("bench.many", MANY)?;
        let dyn_calls = |count| {
            let hooks = dyn_loop::no_ops(count);
            sync_calls(move |a, b, label| dyn_loop::around(&hooks, bare, (a, b, label)))
        };
        let samples = measure(
            plan.rounds,
            vec![
                Variant::new("few", sync_calls(few)),
                Variant::new("many", sync_calls(many)),
                Variant::new("dyn few", dyn_calls(FEW)),
                Variant::new("dyn many", dyn_calls(MANY)),
            ],
        );
        let measured = monitor.snapshot();
        monitor.stop();
        let slope = |more, less| samples.added_ns(more, less) / (MANY - FEW) as f64;
        let note = format!(
            "{:.1} ns over {:.1} ns for a hook before and after, with breaker, caught panics and the monitor on, which measured {} calls",
            slope("many", "few"),
            slope("dyn many", "dyn few"),
            measured
                .points
                .iter()
                .map(|point| point.calls.count)
                .sum::<u64>(),
        );
        let value = samples.added_ratio(("many", "few"), ("dyn many", "dyn few"));
        Ok(vec![
            Measured::new("telemetry.vs_dyn", value)
                .allocations(samples.allocations("many"))
                .note(note),
        ])
    },
};
