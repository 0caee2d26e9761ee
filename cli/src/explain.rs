//! `hookpoint explain`

use std::fmt::Write as _;
use std::path::PathBuf;

use hookpoint::Explanation;
use serde_json::Value;

use crate::output::{self, Done};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// The point, for example `tool.execute`; names of llmspell's hooks work too.
    point: String,
    /// Arguments as a JSON object; the pure hooks among those asked are then run on them.
    #[arg(long, value_name = "JSON")]
    args: Option<String>,
    /// Run this script first, so that its hooks are there; may be repeated.
    #[arg(long = "script", value_name = "FILE")]
    scripts: Vec<PathBuf>,
    #[command(flatten)]
    allowed: crate::run::Allowed,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

pub(crate) async fn run(args: Args) -> Done {
    let given: Option<Value> = match &args.args {
        None => None,
        Some(text) => {
            Some(serde_json::from_str(text).map_err(|e| format!("--args is not JSON: {e}"))?)
        }
    };
    let loaded = crate::run::load(&args.scripts, &args.allowed).await?;
    let explanation = loaded.registry().explain(&args.point, given.as_ref())?;
    if args.json {
        output::json(&explanation)
    } else {
        output::text(shown(&explanation)?.trim_end())
    }
}

fn shown(e: &Explanation) -> Result<String, std::fmt::Error> {
    let mut text = String::new();
    writeln!(
        text,
        "{}{}",
        e.point,
        if e.closed {
            " (closed: calls need a grant)"
        } else {
            ""
        }
    )?;
    for site in &e.sites {
        writeln!(text, "  at {site}")?;
    }
    if e.sites.is_empty() {
        writeln!(text, "  not fired by this program")?;
    }
    writeln!(text, "\nasked, in this order:")?;
    for (i, hook) in e.hooks.iter().enumerate() {
        let pure = if hook.pure { ", pure" } else { "" };
        let (phase, role) = (hook.phase.as_str(), hook.role.as_str());
        writeln!(
            text,
            "{:>3}. {:<6}{:<32}{role}, priority {}{pure}",
            i + 1,
            phase,
            hook.hook,
            hook.priority.0
        )?;
        writeln!(text, "           {}", hook.source)?;
    }
    if e.hooks.is_empty() {
        writeln!(text, "  nobody")?;
    }
    let Some(rehearsal) = &e.rehearsal else {
        return Ok(text);
    };
    writeln!(
        text,
        "\nwith these arguments: {} (plan: {})",
        rehearsal.verdict, rehearsal.plan
    )?;
    for said in &rehearsal.said {
        let reason = said.reason.as_deref().unwrap_or_default();
        writeln!(text, "  {:<32}{:<14}{reason}", said.hook, said.answer)?;
    }
    if rehearsal.undecidable > 0 {
        writeln!(
            text,
            "{} hooks are not declared pure and did not run",
            rehearsal.undecidable
        )?;
    }
    Ok(text)
}
