//! `hookpoint report`

use std::fmt::Write as _;

use hookpoint::monitor::PerformanceSnapshot;
use serde_json::json;

use crate::control::Request;
use crate::events::{Which, ask};
use crate::output::{self, Done};

#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    which: Which,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

pub(crate) async fn run(args: Args) -> Done {
    let mut lines = ask(&args.which, &Request::Report).await?;
    let Some(answer) = lines.next().await? else {
        return Err("the script ended before it answered".into());
    };
    if args.json {
        let (report, performance) = (&answer["report"], &answer["performance"]);
        return output::json(&json!({ "report": report, "performance": performance }));
    }
    output::text(answer["text"].as_str().unwrap_or_default())
}

/// What hooks cost, by point and by hook, as tables.
pub(crate) fn text(measured: &PerformanceSnapshot) -> String {
    let mut text = format!(
        "{:<28}{:>8}{:>12}{:>12}{:>10}\n",
        "measured calls", "calls", "p50", "p99", "in hooks"
    );
    let time = |ns: u64| format!("{:.1?}", std::time::Duration::from_nanos(ns));
    for point in &measured.points {
        let (p50, p99) = (time(point.calls.p50_ns), time(point.calls.p99_ns));
        let share = format!("{:.1} %", 100.0 * point.overhead);
        // Writing to text cannot fail.
        let _ = writeln!(
            text,
            "{:<28}{:>8}{p50:>12}{p99:>12}{share:>10}",
            point.point, point.calls.count
        );
    }
    let _ = writeln!(
        text,
        "\n{:<28}{:>8}{:>12}{:>12}",
        "measured hooks", "asked", "p50", "p99"
    );
    for hook in &measured.hooks {
        let (p50, p99) = (time(hook.time.p50_ns), time(hook.time.p99_ns));
        let _ = writeln!(
            text,
            "{:<28}{:>8}{p50:>12}{p99:>12}",
            hook.hook, hook.time.count
        );
    }
    text.truncate(text.trim_end().len());
    text
}
