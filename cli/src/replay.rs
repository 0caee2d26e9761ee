//! `hookpoint replay`

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use hookpoint::lua::{Rights, Script};
use hookpoint::system::Config;
use hookpoint::{Change, HookRegistry, RecordedCall};
use serde::Serialize;
use serde_json::Value;

use crate::output::{self, Done};

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// How long a line may be, in bytes.
const MAX_LINE: u64 = 64 << 20;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Files of records, as the built-in hook `records` writes them.
    #[arg(required = true, value_name = "RECORDS")]
    records: Vec<PathBuf>,
    /// The hooks that decide: a configuration (`.toml`) or a script (`.lua`); may be repeated.
    #[arg(long = "with", required = true, value_name = "FILE")]
    with: Vec<PathBuf>,
    /// Show at most so many calls one by one; all are counted.
    #[arg(long, value_name = "N", default_value_t = 100)]
    max_shown: usize,
    /// Fail if anything would change or cannot be decided.
    #[arg(long)]
    check: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// What came of all calls.
#[derive(Default, Serialize)]
struct Summary {
    calls: u64,
    same: u64,
    changed: u64,
    undecidable: u64,
    /// Records that the files say are missing.
    lost: u64,
    /// Changes by who would refuse, or would not any more.
    by_hook: BTreeMap<String, Counts>,
    /// Calls that a hook could not be run on, by hook and reason.
    open: BTreeMap<String, u64>,
    shown: Vec<Shown>,
}

#[derive(Default, Serialize)]
struct Counts {
    refused: u64,
    passes: u64,
}

/// One call that would come out another way.
#[derive(Serialize)]
struct Shown {
    /// `file:line`.
    at: String,
    call_id: u64,
    point: String,
    component: Option<String>,
    #[serde(flatten)]
    change: Change,
}

pub(crate) async fn run(args: Args) -> Done {
    let registry = HookRegistry::global();
    // Nothing decides but what was given: not what is linked in.
    for hook in registry.list() {
        registry.unregister(&hook.id)?;
    }
    // Records may come from another program, with points of its own.
    registry.allow_unmatched();
    let _hooks = load(&registry, &args.with).await?;
    let mut summary = Summary::default();
    for path in &args.records {
        replay_file(&registry, path, args.max_shown, &mut summary)
            .map_err(|error| format!("{}: {error}", path.display()))?;
    }
    if args.json {
        output::json(&summary)?;
    } else {
        output::text(&summary.text())?;
    }
    let is_open = summary.changed + summary.undecidable > 0;
    Ok(if args.check && is_open {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}

/// What keeps the hooks registered.
struct Hooks {
    _builtin: Vec<hookpoint::builtin::Registered>,
    _scripts: Vec<Script>,
}

async fn load(registry: &HookRegistry, with: &[PathBuf]) -> Result<Hooks, Failure> {
    let (mut builtin, mut paths) = (Vec::new(), Vec::new());
    for path in with {
        match path.extension().and_then(|extension| extension.to_str()) {
            Some("toml") => {
                let config = Config::read(path)?;
                builtin.extend(config.register_for_replay(registry)?);
                paths.extend(
                    config
                        .scripts
                        .into_iter()
                        .map(|script| PathBuf::from(script.path)),
                );
            }
            Some("lua" | "luau") => paths.push(path.clone()),
            _ => {
                let path = path.display();
                return Err(format!(
                    "--with {path}: hooks come from a configuration (`.toml`) or a script (`.lua`)"
                )
                .into());
            }
        }
    }
    // An Allow of a recorded call lets nothing happen.
    let engine = hookpoint::script::engine(".")?.grant(Rights::everything());
    let engine = engine.output(io::sink()).build();
    let mut scripts = Vec::new();
    for path in paths {
        let script = engine.load(&path)?;
        script.execute().await?;
        scripts.push(script);
    }
    Ok(Hooks {
        _builtin: builtin,
        _scripts: scripts,
    })
}

fn replay_file(
    registry: &HookRegistry,
    path: &Path,
    max_shown: usize,
    summary: &mut Summary,
) -> Result<(), Failure> {
    let mut lines = BufReader::new(File::open(path)?);
    let mut text = Vec::new();
    for number in 1_u64.. {
        text.clear();
        let length = (&mut lines).take(MAX_LINE).read_until(b'\n', &mut text)?;
        if length == 0 {
            break;
        }
        if text.last() != Some(&b'\n') {
            return Err(format!("line {number} has no end: is it still being written?").into());
        }
        let wrong = |error| format!("line {number} is no record: {error}");
        let line: Value = serde_json::from_slice(&text).map_err(wrong)?;
        if let Some(lost) = line["lost"].as_u64() {
            summary.lost += lost;
            continue;
        }
        let call: RecordedCall = serde_json::from_value(line).map_err(wrong)?;
        let change = registry.replay(&call)?.change;
        let at = format!("{}:{number}", path.display());
        summary.add(at, call, change, max_shown);
    }
    Ok(())
}

impl Summary {
    fn add(&mut self, at: String, call: RecordedCall, change: Change, max_shown: usize) {
        self.calls += 1;
        let counts = |summary: &mut Summary, hook: &str, refused, passes| {
            let counts = summary.by_hook.entry(hook.to_owned()).or_default();
            counts.refused += refused;
            counts.passes += passes;
        };
        match &change {
            Change::None => {
                self.same += 1;
                return;
            }
            Change::Undecidable { hooks } => {
                self.undecidable += 1;
                for (hook, why) in hooks {
                    *self.open.entry(format!("{hook}: {why}")).or_default() += 1;
                }
                return;
            }
            Change::Refused { by, .. } => counts(self, by, 1, 0),
            Change::Passes { was_by, .. } => counts(self, was_by, 0, 1),
            Change::RefusedBy { was_by, by, .. } => {
                counts(self, was_by, 0, 1);
                counts(self, by, 1, 0);
            }
            _ => {}
        }
        self.changed += 1;
        if self.shown.len() < max_shown {
            self.shown.push(Shown {
                at,
                call_id: call.call_id,
                point: call.point,
                component: call.component,
                change,
            });
        }
    }

    fn text(&self) -> String {
        let mut lines: Vec<String> = self.shown.iter().map(Shown::text).collect();
        let hidden = self.changed - self.shown.len() as u64;
        if hidden > 0 {
            lines.push(format!("… and {hidden} more (--max-shown)"));
        }
        if !self.by_hook.is_empty() {
            lines.push(format!(
                "\n{:<40}{:>16}{:>22}",
                "hook", "refuses", "refuses no more"
            ));
        }
        lines.extend(self.by_hook.iter().map(|(hook, counts)| {
            format!("{hook:<40}{:>16}{:>22}", counts.refused, counts.passes)
        }));
        if !self.open.is_empty() {
            lines.push("\nundecidable".to_owned());
        }
        lines.extend(
            self.open
                .iter()
                .map(|(why, calls)| format!("  {why} ({calls} calls)")),
        );
        if self.lost > 0 {
            lines.push(format!("\n{} records are missing in the files", self.lost));
        }
        lines.push(format!(
            "\n{} calls: {} the same, {} another way, {} undecidable",
            self.calls, self.same, self.changed, self.undecidable
        ));
        lines.join("\n").trim_start().to_owned()
    }
}

impl Shown {
    fn text(&self) -> String {
        let change = match &self.change {
            Change::Refused { by, reason } => format!("passed; {by} would refuse it: {reason}"),
            Change::Passes { was_by, reason } => {
                format!("was refused by {was_by} ({reason}); would pass")
            }
            Change::RefusedBy { was_by, by, reason } => {
                format!("was refused by {was_by}; {by} would refuse it: {reason}")
            }
            Change::Plan { was, plan } => format!("plan was {was}; would be {plan}"),
            other => format!("{other:?}"),
        };
        let component = self.component.as_deref();
        let component = component.map(|name| format!(" {name}")).unwrap_or_default();
        format!("{}: {}{component}: {change}", self.at, self.point)
    }
}
