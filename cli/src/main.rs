//! The `hookpoint` command.

mod approvals;
mod audit;
#[cfg(unix)]
mod control;
mod doctor;
#[cfg(unix)]
mod events;
mod explain;
mod hooks;
#[cfg(unix)]
mod log;
mod lua;
#[cfg(unix)]
mod mcp;
mod output;
mod points;
mod replay;
#[cfg(unix)]
mod report;
mod run;
mod watch;

// Linked, and so found: the plugin that comes with the command.
use hookpoint_example_plugin as _;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};

/// Runs scripts under hooks, and shows what is hooked and by whom.
#[derive(Parser)]
#[command(name = "hookpoint", version, propagate_version = true)]
#[command(
    after_help = "Exit codes: 0 done, 1 a script or check failed, 2 wrong usage; 3 and 4: see `hookpoint mcp --help`.\n\
    Start with: hookpoint run examples/lua/quickstart.lua"
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run a Lua script with tools, agents and workflows, and report what its calls met.
    Run(run::Args),
    /// List hook points and the functions that fire them.
    Points(points::Args),
    /// List the hooks that are registered.
    Hooks(Scripts),
    /// List, allow and deny calls that wait for approval.
    Approvals(approvals::Args),
    /// Check audit trails.
    Audit(audit::Args),
    /// Check the hooks against the linked sites and say what is not covered.
    Doctor(Scripts),
    /// Follow the events of a running script, or show the figures of its event bus.
    #[cfg(unix)]
    Events(events::Args),
    /// What the calls of a running script met so far, and what its hooks cost.
    #[cfg(unix)]
    Report(report::Args),
    /// Put a policy in front of an MCP server, or serve the tools of this command as one.
    #[cfg(unix)]
    Mcp(Box<mcp::Args>),
    /// Test scripts, try Lua out, and write types for editors.
    #[command(subcommand)]
    Lua(lua::Command),
    /// Decide about recorded calls once more, with other hooks, and say what would change and because of whom.
    Replay(replay::Args),
    /// Print completions for a shell: `source <(hookpoint completions bash)`.
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
    /// Say who is asked at a point, in which order, and what pure hooks would answer.
    Explain(explain::Args),
}

/// Which hooks a listing looks at.
#[derive(clap::Args)]
struct Scripts {
    /// Run this script first, so that its hooks are there; may be repeated.
    #[arg(long = "script", value_name = "FILE")]
    scripts: Vec<PathBuf>,
    #[command(flatten)]
    allowed: run::Allowed,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

fn completions(shell: clap_complete::Shell) -> output::Done {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "hookpoint", &mut script);
    output::text(&String::from_utf8(script)?)
}

#[tokio::main]
async fn main() -> ExitCode {
    let cli = Cli::parse();
    let done = match cli.command {
        Command::Run(args) => run::run(args).await,
        Command::Points(args) => points::run(args),
        Command::Hooks(args) => hooks::run(args).await,
        Command::Approvals(args) => approvals::run(args),
        Command::Audit(args) => audit::run(args),
        Command::Doctor(args) => doctor::run(args).await,
        #[cfg(unix)]
        Command::Events(args) => events::run(args).await,
        #[cfg(unix)]
        Command::Report(args) => report::run(args).await,
        #[cfg(unix)]
        Command::Mcp(args) => mcp::run(*args).await,
        Command::Lua(command) => lua::run(command).await,
        Command::Replay(args) => replay::run(args).await,
        Command::Completions { shell } => completions(shell),
        Command::Explain(args) => explain::run(args).await,
    };
    match done {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
