//! Printing: JSON for machines, text for people.

use std::error::Error;
use std::io::{ErrorKind, Write};
use std::process::ExitCode;

/// What a command gives back.
pub(crate) type Done = Result<ExitCode, Box<dyn Error + Send + Sync>>;

/// Prints a value as indented JSON.
pub(crate) fn json(value: &impl serde::Serialize) -> Done {
    text(&serde_json::to_string_pretty(value)?)
}

/// Prints text and a line end. A reader that has seen enough (`hookpoint points | head`) is no error.
pub(crate) fn text(text: &str) -> Done {
    let mut out = std::io::stdout().lock();
    match writeln!(out, "{text}").and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(ExitCode::SUCCESS),
    }
}
