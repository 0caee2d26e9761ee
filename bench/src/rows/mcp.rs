//! What the gateway adds to a call of a tool: a real client, a real server in a process of its own, and the gateway
//! in another one between them.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Instant;

use hookpoint::HookError;
use hookpoint::mcp::side::{Grace, ServerProcess};
use hookpoint::mcp::{Gateway, GatewayOptions, Side, serve::ToolServer};
use hookpoint::script::Tools;
use hookpoint::system::HookSystem;

use super::{Group, Measured, Plan};
use crate::harness::median;
use crate::report::{Claim, Unit};

/// Calls of one round: enough for a 99th percentile.
const CALLS: usize = 400;
/// Calls that are not measured.
const WARM_UP: usize = 100;

/// The first argument with which the program is the server.
const SERVER: &str = "--be-mcp-server";
/// The first argument with which the program is the gateway; the file of a policy may follow.
const GATEWAY: &str = "--be-mcp-gateway";

/// A guard where tools are called, and one around every request.
const POLICY: &str = r#"
Hook.register("tool.execute", function(ctx)
    if ctx.args.params.path == "/etc/shadow" then return Result.cancel("no") end
end, {role = "guard", name = "no-shadow"})
Hook.register("mcp.request", function(ctx)
    if ctx.args.from == "server" then return Result.cancel("no") end
end, {role = "guard", name = "servers-ask-nothing"})
"#;

pub(super) const GROUP: Group = Group {
    claims: &[
        Claim::shown(
            "mcp.added_p50_us",
            Unit::Micros,
            "what a gateway without hooks, a process between client and server, adds to a tool call over stdio: the median",
        ),
        Claim::shown(
            "mcp.added_p99_us",
            Unit::Micros,
            "the 99th percentile of calls through it less that of calls without it",
        ),
        Claim::shown(
            "mcp.lua.added_p50_us",
            Unit::Micros,
            "with a Lua policy that guards `tool.execute` and `mcp.request`: the median",
        ),
        Claim::shown(
            "mcp.lua.added_p99_us",
            Unit::Micros,
            "the 99th percentile with that policy",
        ),
    ],
    measure: rows,
};

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Whether the program was started as a part of this measurement; then it is that, until its client leaves.
///
/// # Errors
/// It cannot be that part.
pub fn part(arguments: &[String]) -> Option<Result<(), Failure>> {
    let runtime = || {
        tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .worker_threads(2)
            .build()
    };
    match arguments {
        [first] if first == SERVER => Some(
            runtime()
                .map_err(Failure::from)
                .and_then(|r| r.block_on(serve())),
        ),
        [first, policy @ ..] if first == GATEWAY && policy.len() <= 1 => Some(
            runtime()
                .map_err(Failure::from)
                .and_then(|r| r.block_on(stand_between(policy.first()))),
        ),
        _ => None,
    }
}

async fn serve() -> Result<(), Failure> {
    let tools = Tools::confined_to(std::env::temp_dir())?;
    Ok(ToolServer::new(tools.0).serve_stdio().await?)
}

async fn stand_between(policy: Option<&String>) -> Result<(), Failure> {
    let system = match policy {
        Some(file) => Some(HookSystem::builder().script(file)?.build().await?),
        None => None,
    };
    let gateway = Gateway::new(GatewayOptions::default());
    let limits = &gateway.options().limits;
    let command = [std::env::current_exe()?.into(), SERVER.into()];
    let server = ServerProcess::start(&command, limits, Grace::default())?;
    gateway.run(Side::stdio(limits), server).await;
    drop(system);
    // Standard input is read on a thread of its own, which would be waited for.
    std::process::exit(0)
}

/// A client of the official protocol, as lines: it writes a call and waits for its answer.
struct Client {
    process: Child,
    writer: ChildStdin,
    reader: BufReader<ChildStdout>,
    line: String,
    next: u64,
}

impl Client {
    /// Starts the program with those arguments and begins a session with it.
    fn start(program: &Path, arguments: &[&str]) -> Result<Client, Failure> {
        let mut process = Command::new(program)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let (Some(writer), Some(reader)) = (process.stdin.take(), process.stdout.take()) else {
            unreachable!("both were asked for");
        };
        let mut client = Client {
            process,
            writer,
            reader: BufReader::new(reader),
            line: String::new(),
            next: 0,
        };
        let who = r#"{"protocolVersion":"2025-06-18","capabilities":{},"clientInfo":{"name":"bench","version":"1"}}"#;
        client.ask("initialize", who)?;
        client
            .writer
            .write_all(b"{\"jsonrpc\":\"2.0\",\"method\":\"notifications/initialized\"}\n")?;
        for _ in 0..WARM_UP {
            client.call()?;
        }
        Ok(client)
    }

    fn ask(&mut self, method: &str, params: &str) -> Result<(), Failure> {
        self.next += 1;
        let id = self.next;
        let line = format!(
            "{{\"jsonrpc\":\"2.0\",\"id\":{id},\"method\":\"{method}\",\"params\":{params}}}\n"
        );
        self.writer.write_all(line.as_bytes())?;
        self.line.clear();
        self.reader.read_line(&mut self.line)?;
        let answered =
            self.line.contains(&format!("\"id\":{id},")) && self.line.contains("\"result\"");
        let failed = self.line.contains("\"isError\":true");
        (answered && !failed)
            .then_some(())
            .ok_or_else(|| format!("the answer to {method} was: {}", self.line).into())
    }

    fn call(&mut self) -> Result<(), Failure> {
        self.ask(
            "tools/call",
            r#"{"name":"calculator","arguments":{"expression":"6*7"}}"#,
        )
    }

    /// Microseconds of each of so many calls, one after the other.
    fn times(&mut self) -> Result<Vec<f64>, Failure> {
        let mut times = Vec::with_capacity(CALLS);
        for _ in 0..CALLS {
            let start = Instant::now();
            self.call()?;
            times.push(start.elapsed().as_secs_f64() * 1e6);
        }
        times.sort_by(f64::total_cmp);
        Ok(times)
    }

    /// Leaves, and waits until the process has ended.
    fn leave(mut self) -> Result<(), Failure> {
        drop(self.writer);
        let status = self.process.wait()?;
        status
            .success()
            .then_some(())
            .ok_or_else(|| format!("a part of the measurement ended with {status}").into())
    }
}

fn rows(plan: &Plan) -> Result<Vec<Measured>, HookError> {
    measure(plan).map_err(|error| HookError::from(format!("mcp rows: {error}")))
}

fn measure(plan: &Plan) -> Result<Vec<Measured>, Failure> {
    let folder = tempfile::tempdir()?;
    let policy = folder.path().join("policy.lua");
    std::fs::write(&policy, POLICY)?;
    let policy = policy
        .to_str()
        .ok_or("the folder for temporary files has a name that is no text")?;
    let mut clients = [
        Client::start(&plan.program, &[SERVER])?,
        Client::start(&plan.program, &[GATEWAY])?,
        Client::start(&plan.program, &[GATEWAY, policy])?,
    ];
    // For each client the median and the 99th percentile of every round.
    let mut figures = [const { (Vec::new(), Vec::new()) }; 3];
    for round in 0..plan.rounds {
        for at in 0..clients.len() {
            let at = (at + round) % clients.len();
            let times = clients[at].times()?;
            figures[at].0.push(times[CALLS / 2]);
            figures[at].1.push(times[CALLS * 99 / 100]);
        }
    }
    for client in clients {
        client.leave()?;
    }
    // Within a round: a busy neighbour meets both.
    let added = |over: &[f64], base: &[f64]| {
        median(
            over.iter()
                .zip(base)
                .map(|(over, base)| over - base)
                .collect(),
        )
    };
    let [bare, idle, lua] = &figures;
    let (half, slow) = (median(bare.0.clone()), median(bare.1.clone()));
    let direct = |figure: f64| format!("{figure:.0} µs without the gateway");
    Ok(vec![
        Measured::new("mcp.added_p50_us", added(&idle.0, &bare.0)).note(direct(half)),
        Measured::new("mcp.added_p99_us", added(&idle.1, &bare.1)).note(direct(slow)),
        Measured::new("mcp.lua.added_p50_us", added(&lua.0, &bare.0)).note(direct(half)),
        Measured::new("mcp.lua.added_p99_us", added(&lua.1, &bare.1)).note(direct(slow)),
    ])
}
