//! An observer that appends a line to a file: in each call, or in batches.

use std::fs::File;
use std::io::Write as _;
use std::sync::Mutex;

use hookpoint::batch::{BatchedHookExecutor, WhenFull};
use hookpoint::prelude::*;

use super::{Group, Measured, Plan};
use crate::harness::{Variant, measure};
use crate::report::{Claim, Unit};
use crate::same_body;
use crate::sites::sync_calls;

same_body! {
    #[hooked(point = "bench.direct")] fn direct;
    #[hooked(point = "bench.batched")] fn batched;
}

/// The CPU time of the thread that calls; what the other thread takes for it is shown beside it.
pub(super) const GROUP: Group = Group {
    claims: &[Claim::at_least(
        "batch.vs_direct",
        3.0,
        Unit::Ratio,
        "a call whose observer appends a line to a file, over one whose observer takes batches, on the caller's thread",
    )],
    measure: rows,
};

fn rows(plan: &Plan) -> Result<Vec<Measured>, HookError> {
    let lost = |error: std::io::Error| HookError::from(error.to_string());
    let file = || tempfile::tempfile().map(Mutex::new).map_err(lost);
    let (one, many) = (file()?, file()?);
    let _direct = hooks().observe("bench.direct", "bench.direct", move |record| {
        append(&one, &line(record.call_id(), record.outcome()));
    })?;
    let settings = BatchedHookExecutor::builder()
        .when_full(WhenFull::Wait)
        .threads(1);
    let batches = settings.start(
        |record| (record.call_id(), record.outcome()),
        move |_, calls| {
            let lines: String = calls
                .into_iter()
                .map(|(id, outcome)| line(id, outcome))
                .collect();
            append(&many, &lines);
        },
    );
    let batches = batches.map_err(lost)?;
    let observer = hooks().observe("bench.batched", "bench.batched", batches.observer())?;
    let samples = measure(
        plan.rounds,
        vec![
            Variant::new("direct", sync_calls(direct)),
            Variant::new("batched", sync_calls(batched)),
        ],
    );
    drop(observer);
    let metrics = batches.close();
    let note = format!(
        "{:.0} ns over {:.0} ns a call; {:.0} records a batch, which take the other thread {:.0} ns each",
        samples.ns("direct"),
        samples.ns("batched"),
        metrics.mean_size(),
        metrics.handling.p50_ns as f64 / metrics.mean_size().max(1.0),
    );
    Ok(vec![
        Measured::new("batch.vs_direct", samples.ratio("direct", "batched"))
            .allocations(samples.allocations("batched"))
            .note(note),
    ])
}

fn line(call: u64, outcome: Outcome) -> String {
    format!("{{\"call\":{call},\"outcome\":\"{}\"}}\n", outcome.as_str())
}

/// A line that cannot be written would make a benchmark of nothing.
fn append(file: &Mutex<File>, lines: &str) {
    let mut file = file
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    file.write_all(lines.as_bytes())
        .expect("the folder for temporary files has room");
}
