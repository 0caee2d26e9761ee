//! `hookpoint points`

use std::fmt::Write as _;

use hookpoint::pattern::Pattern;
use hookpoint::point::{ALIASES, BUILTIN};
use hookpoint::{HookPoint, SiteInfo, sites};
use serde::Serialize;

use crate::output::{self, Done};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Only points that match, for example `tool.*`.
    pattern: Option<String>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Point {
    name: String,
    builtin: bool,
    /// Whether a linked function fires it.
    fired: bool,
    aliases: Vec<&'static str>,
    sites: Vec<Site>,
}

#[derive(Serialize)]
struct Site {
    path: &'static str,
    file: &'static str,
    line: u32,
    package: &'static str,
    args: Vec<String>,
    returns: &'static str,
    is_async: bool,
    is_stream: bool,
    observe: bool,
    closed: bool,
    repeatable: bool,
    redirect: bool,
}

pub(crate) fn run(args: Args) -> Done {
    let mut points = list();
    if let Some(pattern) = &args.pattern {
        let (pattern, _) = Pattern::parse(pattern)?;
        points.retain(|p| pattern.matches(&p.name));
    }
    if args.json {
        output::json(&points)
    } else {
        output::text(shown(&points)?.trim_end())
    }
}

fn list() -> Vec<Point> {
    let sites = sites();
    let mut names: Vec<String> = BUILTIN.iter().map(|p| p.name().to_owned()).collect();
    for site in &sites {
        if !names.iter().any(|n| n == site.info().point) {
            names.push(site.info().point.to_owned());
        }
    }
    let point = |name: String| {
        let here: Vec<Site> = sites
            .iter()
            .map(|s| s.info())
            .filter(|s| s.point == name)
            .map(site)
            .collect();
        let aliases = ALIASES
            .iter()
            .filter(|(_, p, _)| p.name() == name)
            .map(|(alias, _, _)| *alias);
        Point {
            builtin: HookPoint::parse(&name).is_builtin(),
            fired: !here.is_empty(),
            aliases: aliases.collect(),
            sites: here,
            name,
        }
    };
    names.into_iter().map(point).collect()
}

fn site(info: &SiteInfo) -> Site {
    Site {
        path: info.path,
        file: info.file,
        line: info.line,
        package: info.package,
        args: info
            .args
            .iter()
            .map(|a| format!("{}: {}", a.name, a.ty))
            .collect(),
        returns: info.returns,
        is_async: info.flags.is_async,
        is_stream: info.flags.is_stream,
        observe: info.flags.observe,
        closed: info.flags.closed,
        repeatable: info.flags.repeatable,
        redirect: info.flags.redirect,
    }
}

fn shown(points: &[Point]) -> Result<String, std::fmt::Error> {
    let mut text = String::new();
    for point in points {
        if !point.fired {
            writeln!(text, "{:<24} not fired by this program", point.name)?;
            continue;
        }
        writeln!(text, "{}", point.name)?;
        for site in &point.sites {
            writeln!(
                text,
                "  {}:{}  {}({})",
                site.file,
                site.line,
                site.path,
                site.args.join(", ")
            )?;
        }
    }
    let fired = points.iter().filter(|p| p.fired).count();
    let sites: usize = points.iter().map(|p| p.sites.len()).sum();
    writeln!(
        text,
        "\n{} points, {fired} of them fired at {sites} sites",
        points.len()
    )?;
    Ok(text)
}
