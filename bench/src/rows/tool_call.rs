//! What hooks add to a call of a tool.

use std::hint::black_box;

use hookpoint::prelude::*;
use hookpoint::tools::ToolRegistry;
use hookpoint::tools::util::HashCalculator;
use serde_json::json;

use super::{Group, Measured};
use crate::harness::{Variant, measure};
use crate::report::{Claim, Unit};

/// `ToolRegistry::call` of `hash_calculator` on 64 KiB: JSON in and out, six hooked functions on the way.
pub(super) const GROUP: Group = Group {
    claims: &[
        Claim::shown(
            "work.tool_call.control",
            Unit::Percent,
            "a tool call over itself: the noise of the rows below",
        ),
        Claim::at_most(
            "work.tool_call.1",
            2.0,
            Unit::Percent,
            "a tool call (SHA-256 of 64 KiB), 1 hook at `tool.execute`, over idle",
        ),
        Claim::at_most("work.tool_call.5", 2.0, Unit::Percent, "5 hooks"),
    ],
    measure: |plan| {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .map_err(HookError::other)?;
        let tools = ToolRegistry::new();
        tools
            .register(HashCalculator::new())
            .map_err(HookError::other)?;
        let params = json!({"operation": "hash", "input": "a".repeat(64 << 10)});
        // The sites are the tools' own, so the hooks come and go, not the functions.
        let ids: Vec<String> = (0..5).map(|n| format!("bench.tool-{n}")).collect();
        let hook = |id: &String| {
            hooks()
                .on(id.as_str())
                .point("tool.execute")
                .pre()
                .post()
                .intercept(|cx| {
                    black_box(cx);
                })
        };
        let _hooks = ids.iter().map(hook).collect::<Result<Vec<_>, _>>()?;
        let calls = || {
            |n: u64| {
                runtime.block_on(async {
                    for _ in 0..n {
                        let output = tools
                            .call("hash_calculator", black_box(params.clone()))
                            .await;
                        black_box(
                            output.expect("the tool takes its parameters and no hook refuses"),
                        );
                    }
                });
            }
        };
        // One call afterwards: it makes the set of hooks that the measured ones find.
        let enable = |count: usize| {
            let (ids, call) = (&ids, calls());
            move || {
                for (n, id) in ids.iter().enumerate() {
                    let set = hooks().set_enabled(id, n < count);
                    set.expect("the hooks are registered as long as they are measured");
                }
                call(1);
            }
        };
        let samples = measure(
            plan.rounds * 5,
            vec![
                Variant::new("idle", calls()).before(enable(0)),
                Variant::new("idle again", calls()).before(enable(0)),
                Variant::new("1", calls()).before(enable(1)),
                Variant::new("5", calls()).before(enable(5)),
            ],
        );
        let row = |name, variant: &str| {
            let more = samples.allocations(variant) - samples.allocations("idle");
            let note = format!("of {:.1} µs", samples.ns("idle") / 1e3);
            Measured::new(name, samples.percent_added(variant, "idle"))
                .allocations(more)
                .note(note)
        };
        Ok(vec![
            row("work.tool_call.control", "idle again"),
            row("work.tool_call.1", "1"),
            row("work.tool_call.5", "5"),
        ])
    },
};
