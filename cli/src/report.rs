//! `hookpoint report`

use hookpoint::monitor::PerformanceSnapshot;
use serde_json::json;

use crate::control::{Reported, Request};
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
    let Some(answer) = lines.next::<Reported>().await? else {
        return Err("the script ended before it answered".into());
    };
    if args.json {
        return output::json(
            &json!({ "report": answer.report, "performance": answer.performance }),
        );
    }
    output::text(&answer.text)
}

/// What hooks cost, by point and by hook, as tables.
pub(crate) fn text(measured: &PerformanceSnapshot) -> String {
    let time = |ns: u64| format!("{:.1?}", std::time::Duration::from_nanos(ns));
    let mut lines = vec![format!(
        "{:<28}{:>8}{:>12}{:>12}{:>10}",
        "measured calls", "calls", "p50", "p99", "in hooks"
    )];
    lines.extend(measured.points.iter().map(|point| {
        let (name, calls) = (&point.point, &point.calls);
        let (p50, p99) = (time(calls.p50_ns), time(calls.p99_ns));
        let share = format!("{:.1} %", 100.0 * point.overhead);
        format!("{name:<28}{:>8}{p50:>12}{p99:>12}{share:>10}", calls.count)
    }));
    lines.push(String::new());
    lines.push(format!(
        "{:<28}{:>8}{:>12}{:>12}",
        "measured hooks", "asked", "p50", "p99"
    ));
    lines.extend(measured.hooks.iter().map(|hook| {
        let (p50, p99) = (time(hook.time.p50_ns), time(hook.time.p99_ns));
        let (name, asked) = (&hook.hook, hook.time.count);
        format!("{name:<28}{asked:>8}{p50:>12}{p99:>12}")
    }));
    lines.join("\n")
}
