//! What watching costs: metrics of every call and sampled timing, over the same work with nobody at its points.

use std::hint::black_box;
use std::sync::Arc;

use hookpoint::agents::{Agent, ScriptedModel};
use hookpoint::builtin::{BuiltinHook as _, MetricsHook, Placement, Registered};
use hookpoint::monitor::Thresholds;
use hookpoint::prelude::*;
use hookpoint::tools::ToolRegistry;
use hookpoint::tools::util::HashCalculator;
use hookpoint::workflows::{Sequential, Step};
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use super::{Group, Measured};
use crate::harness::{Samples, Variant, measure};
use crate::report::{Claim, Unit};

/// Steps of a workflow: each a request of a scripted model, with the tool call that it asks for.
const STEPS: usize = 3;

/// Where a program counts what its tools, agents and workflows do.
const WORK: &[&str] = &[
    "tool.execute",
    "model.request",
    "agent.execute",
    "workflow.execute",
];
/// Everywhere: a tool call has seven hooked calls, a step of an agent twice as many.
const ALL: &[&str] = &["tool.*", "model.*", "agent.*", "workflow.*"];

/// SHA-256 of 64 KiB as a tool; one step of an agent that has it called; a workflow of three such steps.
pub(super) const GROUP: Group = Group {
    claims: &[
        Claim::shown(
            "tool.hash_64k.observed.control",
            Unit::Percent,
            "the tool call below over itself: the noise of the rows below",
        ),
        Claim::at_most(
            "tool.hash_64k.observed",
            2.0,
            Unit::Percent,
            "a tool call (SHA-256 of 64 KiB) with metrics of the work and sampled timing, over idle",
        ),
        Claim::shown(
            "tool.hash_64k.observed.all",
            Unit::Percent,
            "metrics at every point on the way",
        ),
        Claim::at_most(
            "agent.transition.observed",
            1.0,
            Unit::Percent,
            "one step of an agent, scripted model and one such tool call",
        ),
        Claim::shown(
            "agent.transition.observed.all",
            Unit::Percent,
            "metrics at every point on the way",
        ),
        Claim::at_most(
            "workflow.sequential.observed",
            3.0,
            Unit::Percent,
            "three such steps in a sequence",
        ),
        Claim::shown(
            "workflow.sequential.observed.all",
            Unit::Percent,
            "metrics at every point on the way",
        ),
    ],
    measure: |plan| {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .map_err(HookError::other)?;
        let _work = metrics("work", WORK)?;
        let _all = metrics("all", ALL)?;
        let tools = Arc::new(ToolRegistry::new());
        let hash = tools.register(HashCalculator::new());
        hash.map_err(HookError::other)?;
        let params = json!({"operation": "hash", "input": "a".repeat(64 << 10)});
        let agent = agent(&runtime, &tools, &params)?;
        let workflow = workflow(&agent)?;

        let rounds = plan.rounds * 5;
        let tool = watched(rounds, &runtime, async || {
            let output = tools.call("hash_calculator", black_box(params.clone()));
            black_box(output.await.expect("no hook refuses"));
        });
        let step = watched(rounds, &runtime, async || {
            black_box(agent.execute("hash it").await.expect("no hook refuses"));
        });
        let sequence = watched(rounds, &runtime, async || {
            black_box(workflow.run(Value::Null).await.expect("no hook refuses"));
        });
        Ok(vec![
            row("tool.hash_64k.observed.control", &tool, "idle again"),
            row("tool.hash_64k.observed", &tool, "work"),
            row("tool.hash_64k.observed.all", &tool, "all"),
            row("agent.transition.observed", &step, "work"),
            row("agent.transition.observed.all", &step, "all"),
            row("workflow.sequential.observed", &sequence, "work"),
            row("workflow.sequential.observed.all", &sequence, "all"),
        ])
    },
};

fn metrics(id: &str, points: &[&str]) -> Result<Registered, HookError> {
    let at = points
        .iter()
        .fold(Placement::new(id), |at, point| at.point(*point));
    let registered = MetricsHook::new().register(&hooks(), at);
    registered.map_err(HookError::other)
}

/// An agent whose model asks for one call of the tool and then has its answer.
fn agent(
    runtime: &Runtime,
    tools: &Arc<ToolRegistry>,
    params: &Value,
) -> Result<Arc<Agent>, HookError> {
    let model = ScriptedModel::new("script")
        .calls([("hash_calculator", params.clone())])
        .text("done");
    let agent = Agent::builder("bench").model(model).tools(tools.clone());
    let agent = agent.build().map_err(HookError::other)?;
    let ready = runtime.block_on(agent.initialize());
    ready.map_err(HookError::other)?;
    Ok(Arc::new(agent))
}

fn workflow(agent: &Arc<Agent>) -> Result<Sequential, HookError> {
    let step = |number| Step::agent(format!("step-{number}"), agent).input(json!("hash it"));
    let steps = (1..=STEPS).map(step);
    let builder = steps.fold(Sequential::builder("bench"), |builder, step| {
        builder.step(step)
    });
    builder.build().map_err(HookError::other)
}

/// The same call with nobody at its points, and with metrics and the monitor.
fn watched(rounds: usize, runtime: &Runtime, call: impl AsyncFn()) -> Samples {
    let calls = || {
        |n: u64| {
            runtime.block_on(async {
                for _ in 0..n {
                    call().await;
                }
            });
        }
    };
    // One call afterwards: it makes the sets of hooks that the measured ones find.
    let watch = |who: &'static str| {
        let once = calls();
        move || {
            for id in ["work", "all"] {
                let set = hooks().set_enabled(id, id == who);
                set.expect("the hooks are registered as long as they are measured");
            }
            let monitor = hooks().monitor();
            match who {
                "nobody" => monitor.stop(),
                _ => monitor.start(Thresholds::default()),
            }
            once(1);
        }
    };
    let variants = vec![
        Variant::new("idle", calls()).before(watch("nobody")),
        Variant::new("idle again", calls()).before(watch("nobody")),
        Variant::new("work", calls()).before(watch("work")),
        Variant::new("all", calls()).before(watch("all")),
    ];
    let samples = measure(rounds, variants);
    hooks().monitor().stop();
    samples
}

fn row(name: &'static str, samples: &Samples, variant: &str) -> Measured {
    let more = samples.allocations(variant) - samples.allocations("idle");
    let note = format!(
        "{:.2} µs more, of {:.1} µs",
        samples.added_ns(variant, "idle") / 1e3,
        samples.ns("idle") / 1e3
    );
    Measured::new(name, samples.percent_added(variant, "idle"))
        .allocations(more)
        .note(note)
}
