//! `hookpoint hooks`

use std::fmt::Write as _;

use hookpoint::HookInfo;

use crate::Scripts;
use crate::output::{self, Done};

pub(crate) async fn run(args: Scripts) -> Done {
    let loaded = crate::run::load(&args.scripts, &args.allowed).await?;
    let hooks = loaded.registry().list();
    if args.json {
        return output::json(&hooks);
    }
    if hooks.is_empty() {
        return output::text(
            "no hooks are registered; see `hookpoint doctor`, or add --script FILE",
        );
    }
    output::text(shown(&hooks)?.trim_end())
}

fn shown(hooks: &[HookInfo]) -> Result<String, std::fmt::Error> {
    let mut text = String::new();
    writeln!(
        text,
        "{:<32}{:<11}{:<16}{:>9}  points",
        "hook", "role", "phases", "priority"
    )?;
    for hook in hooks {
        let phases: Vec<_> = hook.phases.iter().map(|p| p.as_str()).collect();
        let state = if hook.enabled { "" } else { " (disabled)" };
        let (role, phases, priority) = (hook.role.as_str(), phases.join(","), hook.priority.0);
        writeln!(
            text,
            "{:<32}{role:<11}{phases:<16}{priority:>9}  {}{state}",
            hook.id,
            hook.points.join(", ")
        )?;
        if !hook.description.is_empty() {
            writeln!(text, "  {}", hook.description)?;
        }
        writeln!(text, "  {}", hook.source)?;
    }
    Ok(text)
}
