//! `hookpoint doctor`

use std::fmt::Write as _;
use std::process::ExitCode;

use hookpoint::{Origin, Verification, link_time_hooks};

use crate::Scripts;
use crate::output::{self, Done};

pub(crate) async fn run(args: Scripts) -> Done {
    let loaded = crate::run::load(&args.scripts, &args.allowed).await?;
    let found = loaded.registry().verify();
    let plugins = loaded
        .registry()
        .list()
        .into_iter()
        .filter(|h| matches!(h.source.origin, Origin::Plugin { .. }));
    let plugins = plugins.count();
    if args.json {
        output::json(&found)?;
    } else {
        output::text(shown(&found, plugins)?.trim_end())?;
    }
    Ok(if found.is_ok() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn shown(found: &Verification, plugins: usize) -> Result<String, std::fmt::Error> {
    let mut text = String::new();
    for site in &found.sites {
        let closed = if site.closed { ", closed" } else { "" };
        let watch = if site.observe { ", watch only" } else { "" };
        let (point, file, line) = (site.point, site.file, site.line);
        writeln!(text, "{point:<22}{file}:{line}{closed}{watch}")?;
        let asked = [
            ("guards", &site.guards),
            ("intercepts", &site.intercepts),
            ("observers", &site.observers),
        ];
        for (role, ids) in asked.into_iter().filter(|(_, ids)| !ids.is_empty()) {
            writeln!(text, "  {role}: {}", ids.join(", "))?;
        }
    }
    let unguarded = found
        .sites
        .iter()
        .filter(|s| s.guards.is_empty() && !s.observe)
        .count();
    writeln!(
        text,
        "\n{} sites; the registry is {}",
        found.sites.len(),
        life(found)
    )?;
    writeln!(
        text,
        "{unguarded} sites that can refuse have no guard; {} link-time hooks found, {plugins} registered",
        link_time_hooks().len()
    )?;
    writeln!(
        text,
        "  a plugin crate that is missing here was not linked: name it once, `use its_crate as _;`"
    )?;
    if found.gaps.is_empty() {
        writeln!(text, "no gaps")?;
    }
    for gap in &found.gaps {
        let weight = if gap.error { "error" } else { "note" };
        writeln!(text, "{weight}: {} {}", gap.subject, gap.detail)?;
    }
    Ok(text)
}

fn life(found: &Verification) -> String {
    serde_json::to_value(found.life)
        .ok()
        .and_then(|v| v.as_str().map(str::to_owned))
        .unwrap_or_default()
}
