//! `hookpoint lua repl`

use std::io::{self, BufRead, IsTerminal, Read, Write};
use std::process::ExitCode;
use std::time::Duration;

use hookpoint::HookRegistry;
use hookpoint::events::EventBus;
use hookpoint::lua::{Script, ScriptError};
use tokio::task::block_in_place;

use crate::output::Done;

#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    allowed: crate::run::Allowed,
}

const NAME: &str = "repl";
/// How long one input may be, in bytes.
const LONGEST: usize = 1 << 20;

pub(crate) async fn run(args: Args) -> Done {
    crate::run::own_hooks(&HookRegistry::global())?;
    let engine = hookpoint::script::engine(".")?.events(EventBus::new());
    // The names of the session would be gone.
    let engine = engine
        .rebuild(0, Duration::ZERO, Duration::ZERO)
        .grant(args.allowed.rights()?);
    let script = engine.build().load_source(NAME, "")?;
    script.evaluate(NAME, include_str!("repl.lua")).await?;
    let is_terminal = io::stdin().is_terminal();
    let mut input = String::new();
    loop {
        if is_terminal {
            prompt(input.is_empty())?;
        }
        if block_in_place(|| read_line(&mut input))? == 0 {
            break;
        }
        if let Outcome::Done = evaluate(&script, &input, false).await {
            input.clear();
        }
    }
    if !input.trim().is_empty() {
        evaluate(&script, &input, true).await;
    }
    Ok(ExitCode::SUCCESS)
}

enum Outcome {
    Done,
    /// The input is only the beginning of something.
    More,
}

/// Runs an input, as an expression if it is one. Errors are shown, and end nothing.
async fn evaluate(script: &Script, input: &str, is_last: bool) -> Outcome {
    if input.trim().is_empty() {
        return Outcome::Done;
    }
    let expression = script.evaluate(NAME, &format!("__show({input})")).await;
    let result = match expression {
        Err(ScriptError::Syntax(_)) => script.evaluate(NAME, input).await,
        result => result,
    };
    let Err(error) = result else {
        return Outcome::Done;
    };
    if let ScriptError::Syntax(wrong) = &error {
        let returned = script.evaluate(NAME, &format!("return {input}")).await;
        let ends = |text: &str| text.contains("<eof>");
        let open = matches!(&returned, Err(ScriptError::Syntax(wrong)) if ends(wrong.message()));
        if !is_last && (ends(wrong.message()) || open) {
            return Outcome::More;
        }
    }
    crate::run::complain(&error);
    Outcome::Done
}

/// Handlers go on meanwhile, on other threads.
fn read_line(input: &mut String) -> io::Result<usize> {
    let longest = (LONGEST - input.len()) as u64;
    let read = io::stdin().lock().take(longest).read_line(input)?;
    if input.len() == LONGEST {
        let why = format!("an input is longer than {LONGEST} bytes");
        return Err(io::Error::new(io::ErrorKind::InvalidData, why));
    }
    Ok(read)
}

fn prompt(is_new: bool) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(if is_new { b"> " } else { b">> " })?;
    out.flush()
}
