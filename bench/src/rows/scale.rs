//! Two threads, against one.

use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering};

use hookpoint::prelude::*;

use super::{Group, Measured};
use crate::harness::{cpu_ns, median};
use crate::peers::dyn_loop;
use crate::registered::no_ops;
use crate::report::{Claim, Unit};
use crate::same_body;
use crate::sites::sync_calls;

same_body! {
    fn bare;
    #[hooked(point = "bench.scale_0")] fn first;
    #[hooked(point = "bench.scale_1")] fn second;
}

/// Calls of a batch: some milliseconds, so that both threads run at the same time for most of it.
const BATCH: u64 = 50_000;

/// The throughput of each of two threads, over that of one alone.
pub(super) const GROUP: Group = Group {
    claims: &[
        Claim::at_least(
            "scale.2_threads.same_site",
            0.9,
            Unit::Ratio,
            "throughput of each of 2 threads in one function with a hook, over one thread alone",
        ),
        Claim::at_least(
            "scale.2_threads.other_site",
            0.9,
            Unit::Ratio,
            "each thread in a function of its own",
        ),
        Claim {
            better: crate::report::Better::Higher,
            ..Claim::shown(
                "scale.2_threads.dyn",
                Unit::Ratio,
                "the loop over trait objects: the noise of the rows above",
            )
        },
    ],
    measure: |plan| {
        let _first = no_ops("bench.scale_0", 1)?;
        let _second = no_ops("bench.scale_1", 1)?;
        let hooks = dyn_loop::no_ops(1);
        let dyn_calls = sync_calls(|a, b, label| dyn_loop::around(&hooks, bare, (a, b, label)));
        let (first, second) = (sync_calls(first), sync_calls(second));
        let row = |name, calls: [&(dyn Fn(u64) + Sync); 2]| {
            let Throughput { kept, alone_ns } = throughput(plan.rounds, calls);
            Measured::new(name, kept).note(format!("by CPU time; alone {alone_ns:.1} ns a call"))
        };
        Ok(vec![
            row("scale.2_threads.same_site", [&first, &first]),
            row("scale.2_threads.other_site", [&first, &second]),
            row("scale.2_threads.dyn", [&dyn_calls, &dyn_calls]),
        ])
    },
};

pub(super) struct Throughput {
    /// Of two threads each, over that of one.
    pub(super) kept: f64,
    pub(super) alone_ns: f64,
}

/// CPU time is what a call costs the thread, contention for cache lines included, waiting for a core not: so it
/// says the same on a machine with other work.
pub(super) fn throughput(rounds: usize, [ours, theirs]: [&(dyn Fn(u64) + Sync); 2]) -> Throughput {
    let timed = |calls: &dyn Fn(u64)| {
        let start = cpu_ns();
        calls(BATCH);
        (cpu_ns() - start) / BATCH as f64
    };
    let meet = Barrier::new(2);
    let is_over = AtomicBool::new(false);
    let (mut kept, mut alone) = (Vec::new(), Vec::new());
    std::thread::scope(|scope| {
        scope.spawn(|| {
            loop {
                meet.wait();
                if is_over.load(Ordering::Acquire) {
                    return;
                }
                theirs(BATCH);
                meet.wait();
            }
        });
        timed(&ours);
        for _ in 0..rounds {
            let before = timed(&ours);
            meet.wait();
            let together = timed(&ours);
            meet.wait();
            let after = timed(&ours);
            alone.push((before + after) / 2.0);
            kept.push((before + after) / 2.0 / together);
        }
        is_over.store(true, Ordering::Release);
        meet.wait();
    });
    Throughput {
        kept: median(kept),
        alone_ns: median(alone),
    }
}
