//! `hookpoint events`

use std::path::PathBuf;
use std::process::ExitCode;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;

use crate::control::{self, Request, Subscribed};
use crate::output::{self, Done};

#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand)]
enum Command {
    /// Print the events of a running script as they are published.
    Tail(Tail),
    /// Print the figures of a running script's event bus.
    Stats(Stats),
}

#[derive(clap::Args)]
struct Tail {
    /// Topics: `*` stands for one token, `>` for all that follow.
    #[arg(default_value = ">")]
    pattern: String,
    /// Begin with the last events that were published, at most so many.
    #[arg(long, value_name = "N", default_value_t = 0)]
    historic: usize,
    /// End after so many events.
    #[arg(long, value_name = "N")]
    count: Option<u64>,
    #[command(flatten)]
    which: Which,
    /// Print each event as one line of JSON, in the form of CloudEvents.
    #[arg(long)]
    json: bool,
}

#[derive(clap::Args)]
struct Stats {
    #[command(flatten)]
    which: Which,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Which running script is meant.
#[derive(clap::Args)]
pub(crate) struct Which {
    /// The process that runs it; needed only if there are several.
    #[arg(long)]
    pid: Option<u32>,
}

pub(crate) async fn run(args: Args) -> Done {
    match args.command {
        Command::Tail(args) => tail(args).await,
        Command::Stats(args) => stats(args).await,
    }
}

async fn tail(args: Tail) -> Done {
    let request = Request::Tail {
        pattern: args.pattern,
        historic: args.historic,
    };
    let mut lines = ask(&args.which, &request).await?;
    let mut left = args.count.unwrap_or(u64::MAX);
    while left > 0 {
        let Some(line) = lines.next::<Value>().await? else {
            return Ok(ExitCode::SUCCESS);
        };
        left -= u64::from(line.get("gap").is_none());
        let shown = if args.json {
            line.to_string()
        } else {
            event_text(line)?
        };
        output::text(&shown)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// What is shown of an event.
#[derive(Deserialize)]
struct Shown {
    time: String,
    #[serde(rename = "type")]
    topic: String,
    #[serde(default)]
    data: Value,
}

/// `time topic data`, on one line.
fn event_text(line: Value) -> serde_json::Result<String> {
    if let Some(gap) = line.get("gap") {
        return Ok(format!("… {} events are missing", gap["count"]));
    }
    if let Some(note) = line.get("note") {
        return Ok(note.to_string());
    }
    let Shown { time, topic, data } = serde_json::from_value(line)?;
    Ok(format!("{time} {topic} {data}"))
}

async fn stats(args: Stats) -> Done {
    let mut lines = ask(&args.which, &Request::Stats).await?;
    let Some(stats) = lines.next::<Value>().await? else {
        return Err("the script ended before it answered".into());
    };
    if args.json {
        return output::json(&stats);
    }
    let subscribed: Vec<Subscribed> = serde_json::from_value(stats["subscriptions"].clone())?;
    output::text(&stats_text(&stats["bus"], &subscribed))
}

/// One figure of the bus on a line, and the subscriptions as a table.
fn stats_text(bus: &Value, subscriptions: &[Subscribed]) -> String {
    let mut lines = Vec::new();
    figures("", bus, &mut lines);
    lines.push(String::new());
    lines.push(format!(
        "{:<40}{:<24}{:>10}{:>10}{:>10}",
        "subscription", "pattern", "delivered", "lost", "waiting"
    ));
    lines.extend(subscriptions.iter().map(|one| {
        format!(
            "{:<40}{:<24}{:>10}{:>10}{:>10}",
            one.name, one.pattern, one.delivered, one.dropped, one.lag
        )
    }));
    lines.join("\n")
}

fn figures(within: &str, value: &Value, lines: &mut Vec<String>) {
    for (name, value) in value.as_object().into_iter().flatten() {
        let name = match within {
            "" => name.clone(),
            within => format!("{within}.{name}"),
        };
        match value {
            Value::Object(_) => figures(&name, value, lines),
            figure => lines.push(format!("{name:<32}{figure:>12}")),
        }
    }
}

/// The lines of an answer.
pub(crate) struct Lines(BufReader<UnixStream>);

impl Lines {
    /// The next one; nothing at the end. What the other side could not do is an error.
    pub(crate) async fn next<T: DeserializeOwned>(
        &mut self,
    ) -> Result<Option<T>, Box<dyn std::error::Error + Send + Sync>> {
        let mut line = String::new();
        if self.0.read_line(&mut line).await? == 0 {
            return Ok(None);
        }
        let line: Value = serde_json::from_str(&line)?;
        match line.get("error").and_then(Value::as_str) {
            Some(error) => Err(error.to_owned().into()),
            None => Ok(Some(serde_json::from_value(line)?)),
        }
    }
}

pub(crate) async fn ask(
    which: &Which,
    request: &Request,
) -> Result<Lines, Box<dyn std::error::Error + Send + Sync>> {
    let mut stream = connect(which.pid).await?;
    stream
        .write_all(format!("{}\n", json!(request)).as_bytes())
        .await?;
    Ok(Lines(BufReader::new(stream)))
}

/// The script's process, if it is the only one or was named.
async fn connect(pid: Option<u32>) -> Result<UnixStream, Box<dyn std::error::Error + Send + Sync>> {
    let folder = control::folder();
    let found = match pid {
        Some(pid) => vec![(pid, folder.join(format!("{pid}.sock")))],
        None => running(&folder)?,
    };
    let mut alive = Vec::new();
    for (pid, path) in found {
        // A socket that nobody answers at was left by a process that was killed.
        if let Ok(stream) = UnixStream::connect(&path).await {
            alive.push((pid, stream));
        }
    }
    match (alive.len(), pid) {
        (1, _) => Ok(alive.remove(0).1),
        (0, Some(pid)) => Err(format!("process {pid} runs no script: no socket of it in {}", folder.display()).into()),
        (0, None) => Err(format!(
            "no script is running: start one with `hookpoint run`, or set HOOKPOINT_RUN_DIR to the folder of its socket (looked in {})",
            folder.display()
        )
        .into()),
        _ => {
            let pids: Vec<_> = alive.iter().map(|(pid, _)| pid.to_string()).collect();
            Err(format!("several scripts are running: choose one with --pid ({})", pids.join(", ")).into())
        }
    }
}

fn running(folder: &PathBuf) -> std::io::Result<Vec<(u32, PathBuf)>> {
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut found = Vec::new();
    for entry in entries {
        let path = entry?.path();
        let pid = path
            .file_stem()
            .and_then(|name| name.to_str()?.parse().ok());
        if let (Some(pid), Some("sock")) = (pid, path.extension().and_then(|e| e.to_str())) {
            found.push((pid, path));
        }
    }
    found.sort();
    Ok(found)
}
