//! `hookpoint mcp`

mod asked;
mod files;
mod policy;
mod sides;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use hookpoint::mcp::side::http::HttpListener;
use hookpoint::mcp::{Ended, Gateway, GatewayOptions, Pins, Side, serve::ToolServer};
use hookpoint::script::Tools;
use hookpoint::{HookError, hooks};
use tracing::Level;

use crate::output::Done;
use policy::Policy;
use sides::{Server, Sides};

/// Exit status: the server could not be started.
const NOT_STARTED: u8 = 3;
/// Exit status: the server ended before the client left.
const SERVER_GONE: u8 = 4;

const EXAMPLES: &str = "\
Put the command between an MCP client and the server that it starts: where the client's configuration says
  \"command\": \"npx\", \"args\": [\"-y\", \"@modelcontextprotocol/server-filesystem\", \"/srv\"]
write
  \"command\": \"hookpoint\", \"args\": [\"mcp\", \"--policy\", \"/etc/hookpoint/policy.lua\",
      \"--\", \"npx\", \"-y\", \"@modelcontextprotocol/server-filesystem\", \"/srv\"]

A policy is a script or a configuration. In front of this one, tools only read:
  Hook.register(\"tool.discover\", function(ctx)
    local hints = ctx.args.definition and ctx.args.definition.annotations
    if not (hints and hints.readOnlyHint) then return Result.cancel(\"only tools that read\") end
  end)

The policy is loaded once, before the server is started. Files that the server could write
are refused, since it would decide about itself: let them belong to another user, or write
--allow-writable-policy.

Over HTTP: --listen 127.0.0.1:8080 accepts clients, --http https://host/mcp is the server.

Standard output is the protocol's; everything else is on standard error.
Exit codes: 0 the client left or the command was told to end, 1 the policy is not in force,
2 wrong usage, 3 the server was not started, 4 the server ended before the client left.";

#[derive(clap::Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    policy: Policy,
    /// Refuse methods that are none of the protocol. Closed points in a configuration have the same effect.
    #[arg(long)]
    strict: bool,
    /// What hooks see as the server's name; without it the command's.
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Remember how tools are defined in this file, and ask when one has changed. Without it definitions are
    /// remembered as long as the command runs.
    #[arg(long, value_name = "FILE")]
    pins: Option<PathBuf>,
    /// Do not ask when the definition of a tool changes.
    #[arg(long, conflicts_with = "pins")]
    no_pins: bool,
    /// How long a request may be under way with the server or the client, in seconds; without it as long as it takes.
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=86_400))]
    timeout: Option<u64>,
    /// The longest message, in MiB.
    #[arg(long, value_name = "MIB", default_value_t = 64, value_parser = clap::value_parser!(u64).range(1..=1024))]
    max_message: u64,
    /// How many values and keys a message has at most: what hooks look at takes about 128 bytes for each.
    #[arg(long, value_name = "COUNT", default_value_t = 2_000_000, value_parser = clap::value_parser!(u32).range(100..))]
    max_parts: u32,
    #[command(flatten)]
    sides: Sides,
}

#[derive(clap::Subcommand)]
enum Command {
    /// Serve the tools of this command as an MCP server, on standard input and output.
    Serve(Serve),
}

#[derive(clap::Args)]
struct Serve {
    #[command(flatten)]
    policy: Policy,
    /// The folder that tools may read.
    #[arg(long, value_name = "DIR", default_value = ".")]
    root: PathBuf,
}

pub(crate) async fn run(args: Args) -> Done {
    match args.command {
        Some(Command::Serve(serve)) => run_server(serve).await,
        None => run_gateway(args).await,
    }
}

async fn run_server(args: Serve) -> Done {
    args.policy.log()?;
    let in_force = args.policy.enforce(false, true).await?;
    let tools = Tools::confined_to(&args.root)?;
    let done = tokio::select! {
        done = ToolServer::new(tools.0).serve_stdio() => done,
        () = in_force.watch() => unreachable!("it watches as long as the command runs"),
    };
    in_force.end().await;
    done?;
    Ok(ExitCode::SUCCESS)
}

/// The hooks that are linked into the command are for its own tools. What a server does is decided by the policy that
/// was asked for, which may enable them.
fn disable_linked_hooks() -> Result<(), HookError> {
    let registry = hooks();
    let optional = registry.list().into_iter().filter(|hook| !hook.required);
    for hook in optional {
        registry.set_enabled(&hook.id, false)?;
    }
    Ok(())
}

async fn run_gateway(args: Args) -> Done {
    args.policy.log()?;
    disable_linked_hooks()?;
    let on_stdio = args.sides.listen.is_none();
    let in_force = args.policy.enforce(true, on_stdio).await?;
    let mut options = GatewayOptions::default();
    options.server = args.name.clone().unwrap_or_else(|| args.sides.name());
    options.strict = args.strict || in_force.has_closed_points();
    options.limits.max_message_bytes = usize::try_from(args.max_message << 20)?;
    options.limits.max_parts = usize::try_from(args.max_parts)?;
    options.limits.timeout = args.timeout.map(Duration::from_secs);
    if !args.no_pins {
        let pins = match &args.pins {
            Some(file) => Pins::in_file(file)?,
            None => Pins::in_memory(),
        };
        let pins = Arc::new(pins);
        pins.register(&hooks())?.forget();
        options.pins = Some(pins);
    }
    let gateway = Gateway::new(options);
    let limits = &gateway.options().limits;
    let server = args.sides.server(limits, in_force.secrets().to_vec())?;
    if let Some(address) = args.sides.listen {
        let listener = HttpListener::bind(address, args.sides.listener());
        let listener = listener
            .await
            .map_err(|error| format!("--listen {address}: {error}"))?;
        return listen(listener, gateway, server, in_force).await;
    }
    let server = match server.side() {
        Ok(server) => server,
        Err(error) => {
            let program = args.sides.shown();
            eprintln!("error: the server `{program}` cannot be started: {error}");
            in_force.end().await;
            return Ok(ExitCode::from(NOT_STARTED));
        }
    };
    let client = Side::stdio(limits);
    let stop = crate::watch::stop()?;
    let ended = tokio::select! {
        ended = gateway.run_until(client, server, stop) => ended,
        () = in_force.watch() => unreachable!("it watches as long as the command runs"),
    };
    in_force.end().await;
    let code = match ended {
        Ended::ServerGone => {
            eprintln!("error: the server ended before the client left");
            SERVER_GONE
        }
        _ => 0,
    };
    // Standard input is read on a thread of its own, which would be waited for.
    std::process::exit(code.into())
}

/// Serves clients until the command is told to end.
async fn listen(
    listener: HttpListener,
    gateway: Gateway,
    server: Server,
    in_force: policy::InForce,
) -> Done {
    eprintln!("listening on {}", listener.url()?);
    let stop = crate::watch::stop()?;
    tokio::select! {
        () = listener.serve(gateway, move || server.side(), stop) => {}
        () = in_force.watch() => unreachable!("it watches as long as the command runs"),
    }
    in_force.end().await;
    Ok(ExitCode::SUCCESS)
}

/// The level that a word means.
fn level(word: &str) -> Result<Level, String> {
    let known = "write error, warn, info or debug";
    match word {
        "error" | "warn" | "info" | "debug" => word.parse().map_err(|_| known.to_owned()),
        _ => Err(known.to_owned()),
    }
}
