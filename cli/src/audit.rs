//! `hookpoint audit`

use std::path::PathBuf;
use std::process::ExitCode;

use hookpoint::builtin::verify;
use serde_json::json;

use crate::output::{self, Done};

#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand)]
enum Command {
    /// Check that every line of an audit trail is as it was written, and follows the one before it.
    Verify(Verify),
}

#[derive(clap::Args)]
struct Verify {
    /// The trail.
    #[arg(value_name = "FILE")]
    path: PathBuf,
    /// The hash of the last line, as it was noted elsewhere: that no line was cut off, and no other trail put in
    /// the place of this one.
    #[arg(long, value_name = "HASH")]
    head: Option<String>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: Args) -> Done {
    let Command::Verify(args) = args.command;
    let found = verify(&args.path)?;
    let path = args.path.display();
    if let Some(head) = &args.head
        && *head != found.head
    {
        return Err(format!(
            "{path}: the last line has the hash {}, not {head}: lines were cut off or added, or it is another trail",
            found.head
        )
        .into());
    }
    if args.json {
        output::json(
            &json!({ "lines": found.lines, "head": found.head, "torn_bytes": found.torn_bytes }),
        )?;
    } else {
        output::text(&format!(
            "{path}: {} lines, the last one {}",
            found.lines, found.head
        ))?;
        if found.torn_bytes > 0 {
            output::text(&format!(
                "{} bytes at the end are no whole line: the program was stopped while it wrote",
                found.torn_bytes
            ))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}
