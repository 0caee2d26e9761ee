//! `hookpoint run`

use std::collections::BTreeSet;
use std::io;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use hookpoint::builtin::TerminalApprover;
use hookpoint::events::store::Retention;
use hookpoint::events::{Event, EventBus, HookEventSystem};
use hookpoint::lua::{CapabilityError, LuaEngine, Rights, Script, ScriptError};
use hookpoint::monitor::Thresholds;
use hookpoint::report::Report;
use hookpoint::{GuardContext, HookError, HookRegistry, HookScope, Vote};
use serde_json::{Value, json};

use crate::output::{self, Done};

/// How long handlers may take after the last script.
const DRAIN: Duration = Duration::from_secs(10);

#[derive(clap::Args)]
pub(crate) struct Args {
    /// The scripts, run one after another; hooks of one are there for the next.
    #[arg(required = true, value_name = "SCRIPT")]
    scripts: Vec<PathBuf>,
    #[command(flatten)]
    allowed: Allowed,
    /// Print what the scripts return and the report as JSON; what they print goes to standard error.
    #[arg(long)]
    json: bool,
    /// Open no socket at which `hookpoint events` can ask about this run.
    #[arg(long)]
    no_socket: bool,
    /// Print no report.
    #[arg(long, conflicts_with = "json")]
    no_report: bool,
    /// Who is asked by hooks that ask: a person at the terminal, if there is one, or nobody.
    #[arg(long, value_enum, value_name = "WHO", default_value_t = Who::Terminal)]
    approve: Who,
    /// Go on after the last script, and reload scripts when one of their files changes, until Ctrl-C or SIGTERM.
    #[arg(long)]
    watch: bool,
    /// One value of the table `Env` of the scripts; may be repeated.
    #[arg(long, value_name = "KEY=VALUE", value_parser = key_value)]
    env: Vec<(String, String)>,
}

/// Who may be asked.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Who {
    /// Whoever sits at the terminal.
    Terminal,
    /// Nobody: what would be asked is refused.
    None,
}

/// What scripts may do.
#[derive(clap::Args)]
pub(crate) struct Allowed {
    /// What the scripts may do, for example `hook:tool.*:guard` or `event:publish:app.>`; may be repeated. Without it,
    /// or with `standard`: hooks, events, calls of their own, tools, agents and workflows, but no Allow
    /// (`grant:<point>`) and no files (`fs:<access>:<path>`).
    #[arg(long, value_name = "CAPABILITY")]
    allow: Vec<String>,
}

impl Allowed {
    /// # Errors
    /// A text is no capability.
    pub(crate) fn rights(&self) -> Result<Rights, CapabilityError> {
        match self.allow.as_slice() {
            [] => Ok(Rights::standard()),
            allowed => Rights::parse(allowed),
        }
    }
}

/// `KEY=VALUE`; the value may be empty and may hold further `=`.
fn key_value(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err("write KEY=VALUE, for example --env STAGE=test".to_owned()),
    }
}

/// A registry with the command's own hooks and those of scripts.
pub(crate) struct Loaded {
    registry: HookRegistry,
    /// What they registered lives as long as they do.
    _scripts: Vec<Script>,
}

impl Loaded {
    pub(crate) fn registry(&self) -> &HookRegistry {
        &self.registry
    }
}

/// Registers the command's own hooks and runs scripts silently, for commands that list what is there.
pub(crate) async fn load(
    paths: &[PathBuf],
    allowed: &Allowed,
) -> Result<Loaded, Box<dyn std::error::Error + Send + Sync>> {
    let registry = HookRegistry::global();
    own_hooks(&registry)?;
    let engine = hookpoint::script::engine(".")?.output(io::sink());
    let engine = engine.grant(allowed.rights()?).build();
    let mut scripts = Vec::new();
    for path in paths {
        let script = engine.load(path)?;
        script.execute().await?;
        scripts.push(script);
    }
    Ok(Loaded {
        registry,
        _scripts: scripts,
    })
}

pub(crate) async fn run(args: Args) -> Done {
    let rights = args.allowed.rights()?;
    let registry = HookRegistry::global();
    own_hooks(&registry)?;
    let terminal = TerminalApprover::new();
    // Without one the question itself is why a call is refused.
    if matches!(args.approve, Who::Terminal) && terminal.available().is_ok() {
        registry.set_approver(terminal);
    }
    let report = Arc::new(Report::default());
    registry.add_sink(report.clone());
    let bus = EventBus::builder().keep(Retention::default()).build();
    let watching = report.watch(&bus)?;
    let monitor = registry.monitor();
    // Every call: each is recorded for the report anyway.
    monitor.start(Thresholds::default().sample_every(1));
    let system = HookEventSystem::builder().registry(registry).bus(bus);
    let system = system.build()?;
    let bus = system.bus();
    #[cfg(unix)]
    let control = open_control(args.no_socket, || crate::control::Answers {
        bus: bus.clone(),
        report: report.clone(),
        monitor: monitor.clone(),
    });
    let engine = hookpoint::script::engine(".")?.grant(rights);
    let engine = engine.events(bus.clone());
    let mut engine = if args.json {
        engine.output(io::stderr())
    } else {
        engine
    };
    for (key, value) in args.env {
        engine = engine.env(key, value);
    }
    let engine = engine.build();

    let mut kept = Vec::new();
    let mut results = Vec::new();
    let mut failed = BTreeSet::new();
    for path in &args.scripts {
        let shown = path.display().to_string();
        tell(bus, "script.started", json!({ "script": shown }));
        let (script, result) = run_one(&engine, path).await;
        tell(
            bus,
            "script.finished",
            json!({ "script": shown, "ok": result.is_ok() }),
        );
        if let Err(error) = &result {
            failed.insert(shown.clone());
            complain(error);
        }
        results.push(match result {
            Ok(value) => json!({ "script": shown, "result": value }),
            Err(error) => json!({ "script": shown, "error": error.to_string() }),
        });
        let script = match script {
            // There is nothing of it yet; when its file is mended, it starts.
            None if args.watch => Some(engine.load_later(path)?),
            script => script,
        };
        kept.extend(script.map(Arc::new));
    }
    // Handlers of the scripts get what was published before anything is summed up.
    kept.iter().for_each(|script| script.end_receiving());
    if args.watch && !kept.is_empty() {
        failed = crate::watch::until_stopped(kept.clone(), failed).await?;
    }
    #[cfg(unix)]
    control.iter().for_each(crate::control::Control::end);
    let drained = tokio::select! {
        drained = system.shutdown(DRAIN) => drained,
        _ = tokio::signal::ctrl_c() => {
            eprintln!("warning: interrupted before every event was handled");
            return Ok(ExitCode::from(130));
        }
    };
    for left in &drained.undelivered {
        eprintln!(
            "warning: the handler of {} was not done after {DRAIN:?}: {} events were left",
            left.subscription, left.events
        );
    }
    drop(watching);
    #[cfg(unix)]
    drop(control);
    if args.json {
        let performance = monitor.snapshot();
        output::json(
            &json!({ "scripts": results, "report": report.snapshot(), "performance": performance }),
        )?;
    } else if !args.no_report {
        output::text(&format!("\n── report ──\n{}", report.text()))?;
    }
    Ok(if failed.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Publishes what the command itself has to say; nobody has to listen.
fn tell(bus: &EventBus, topic: &str, data: Value) {
    let told = Event::try_new(topic, data).and_then(|event| bus.try_publish(event));
    if let Err(error) = told {
        eprintln!("warning: {error}");
    }
}

/// Lets `hookpoint events` ask about this run. A run without it is as good, so that is no error.
#[cfg(unix)]
fn open_control(
    no_socket: bool,
    answers: impl FnOnce() -> crate::control::Answers,
) -> Option<crate::control::Control> {
    if no_socket {
        return None;
    }
    let opened = crate::control::Control::open(answers());
    let warn = |error| eprintln!("warning: `hookpoint events` cannot ask about this run: {error}");
    opened.map_err(warn).ok()
}

/// One script is one run: a hook that halts it ends its further calls, and those of no other script.
async fn run_one(
    engine: &LuaEngine,
    path: &PathBuf,
) -> (Option<Script>, Result<Value, ScriptError>) {
    let script = match engine.load(path) {
        Ok(script) => script,
        Err(error) => return (None, Err(error)),
    };
    let scope = HookScope::run(format!("script {}", path.display()));
    let stopper = script.stopper();
    let interrupted = async {
        if tokio::signal::ctrl_c().await.is_ok() {
            stopper.stop();
        }
        // From here on the script ends by itself, with the error that says so.
        std::future::pending::<()>().await
    };
    let result = tokio::select! {
        result = scope.wrap(script.execute()) => result,
        () = interrupted => unreachable!("it never ends"),
    };
    (Some(script), result)
}

pub(crate) fn complain(error: &ScriptError) {
    eprintln!("error: {error}");
    if let Some(traceback) = error.traceback() {
        eprintln!("{traceback}");
    }
}

/// The command's own policy: what its tools are given must stay beneath the folder that it was started in.
/// The tools are confined as well; this refuses before they look.
pub(crate) fn own_hooks(registry: &HookRegistry) -> Result<(), HookError> {
    let workspace = registry
        .on("cli.workspace")
        .point("tool.execute")
        .describe("tools get no paths outside of the folder that the command was started in")
        .pure();
    workspace.guard(stays_in_workspace)?.forget();
    Ok(())
}

fn stays_in_workspace(cx: &GuardContext<'_>) -> Result<Vote, HookError> {
    let params: &Value = cx.arg("params")?;
    let path = ["path", "file", "root"]
        .iter()
        .find_map(|key| params.get(key)?.as_str());
    Ok(match path {
        Some(path) if path.starts_with('/') || path.split('/').any(|part| part == "..") => {
            Vote::cancel(format!(
                "`{path}` leads out of the folder that the command was started in"
            ))
        }
        _ => Vote::Pass,
    })
}
