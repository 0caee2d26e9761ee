//! `hookpoint approvals`

use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use hookpoint::approve::shown;
use hookpoint::builtin::{ApprovalFolder, KeptRequest};
use serde_json::json;

use crate::output::{self, Done};

/// How much of a name, a value or a question is shown, in characters.
const MAX_CHARS: usize = 2000;

#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand)]
enum Command {
    /// List the requests that a folder keeps.
    List(Folder),
    /// Show one request: who asks what, and the arguments, redacted.
    Show(One),
    /// Let the call of a request go on, once, when it is made again.
    Allow(One),
    /// Refuse the call of a request until the request expires.
    Deny(One),
}

#[derive(clap::Args)]
struct Folder {
    /// The folder of the approver.
    #[arg(long = "folder", value_name = "DIR")]
    path: PathBuf,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

#[derive(clap::Args)]
struct One {
    /// The token that the refusal names.
    #[arg(value_name = "TOKEN")]
    token: String,
    #[command(flatten)]
    folder: Folder,
}

pub(crate) fn run(args: Args) -> Done {
    match args.command {
        Command::List(folder) => list(&folder),
        Command::Show(one) => tell(
            &one,
            ApprovalFolder::open(&one.folder.path)?.show(&one.token)?,
        ),
        Command::Allow(one) => tell(
            &one,
            ApprovalFolder::open(&one.folder.path)?.allow(&one.token)?,
        ),
        Command::Deny(one) => tell(
            &one,
            ApprovalFolder::open(&one.folder.path)?.deny(&one.token)?,
        ),
    }
}

/// Files that are no requests make it fail, because somebody should look at them.
fn list(args: &Folder) -> Done {
    let (requests, wrong) = ApprovalFolder::open(&args.path)?.list()?;
    if args.json {
        let wrong: Vec<_> = wrong.iter().map(ToString::to_string).collect();
        output::json(&json!({ "requests": requests, "wrong": wrong }))?;
    } else {
        for request in &requests {
            output::text(&line(request))?;
        }
        for error in &wrong {
            eprintln!("error: {error}");
        }
    }
    Ok(if wrong.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn tell(args: &One, request: KeptRequest) -> Done {
    if args.folder.json {
        output::json(&request)
    } else {
        output::text(&text(&request))
    }
}

fn line(request: &KeptRequest) -> String {
    let asked = request.questions.iter().map(|(_, question)| safe(question));
    format!(
        "{}  {:<8} until {}  {}  {}",
        request.token,
        request.state.as_str(),
        request.expires_at,
        safe(&request.point),
        asked.collect::<Vec<_>>().join("; ")
    )
}

fn text(request: &KeptRequest) -> String {
    let mut text = format!("{} {}", request.token, request.state.as_str());
    let mut add = |name: &str, value: &str| {
        write!(text, "\n  {name}: {}", safe(value)).expect("a text takes everything");
    };
    add("asked", &request.asked_at.to_string());
    add("expires", &request.expires_at.to_string());
    if let Some(decided) = &request.decided_at {
        add("decided", &decided.to_string());
    }
    add("point", &request.point);
    add("function", &request.site);
    for (name, value) in [
        ("component", &request.component),
        ("principal", &request.principal),
    ] {
        if let Some(value) = value {
            add(name, value);
        }
    }
    add("plan", &request.plan);
    if let Some(value) = &request.planned {
        add("instead of it", &value.to_string());
    }
    for (name, value) in request.args.as_object().into_iter().flatten() {
        add(&format!("argument {}", safe(name)), &value.to_string());
    }
    for (hook, question) in &request.questions {
        add(&format!("{} asks", safe(hook)), question);
    }
    text
}

fn safe(text: &str) -> String {
    shown(text, MAX_CHARS)
}
