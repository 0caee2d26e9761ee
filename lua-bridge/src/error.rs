//! What goes wrong in a script, and where.

use std::fmt;
use std::path::PathBuf;

use hooks_runtime::HookRefusal;

/// An error in Lua code: the message begins with `script:line`, and there is a traceback.
#[derive(Clone)]
pub struct LuaError {
    message: String,
    traceback: String,
}

/// How Luau says that a table can't be changed.
const READ_ONLY: &str = "attempt to modify a readonly table";
const WRITABLE: &str = "libraries and `ctx` are; a hook assigns `ctx.args.<name>` in phase pre and `ctx.result` in phase post";

impl LuaError {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        LuaError {
            message: message.into(),
            traceback: String::new(),
        }
    }

    /// What mlua reports, with the place in `script` in front if the message has none.
    pub(crate) fn of(script: &str, error: &mlua::Error) -> Self {
        let (message, traceback) = split(error);
        let message = message.strip_prefix("runtime error: ").unwrap_or(&message);
        let message = without_our_place(message);
        let place = format!("{script}:");
        let message = match first_place(&traceback, &place) {
            _ if message.starts_with(&place) => message.to_owned(),
            Some(line) => format!("{line}: {message}"),
            None => format!("{place} {message}"),
        };
        let message = match message.ends_with(READ_ONLY) {
            true => format!("{message}: {WRITABLE}"),
            false => message,
        };
        LuaError { message, traceback }
    }

    /// The same place, where the state was stopped for good.
    pub(crate) fn stopped(self, script: &str, why: &str) -> Self {
        let place = first_place(&self.message, &format!("{script}:"));
        let place = place.as_deref().unwrap_or(script);
        LuaError {
            message: format!("{place}: the script was stopped: {why}"),
            traceback: self.traceback,
        }
    }

    /// `script:line: what went wrong`.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The calls that led there, innermost first; empty if the code did not run.
    pub fn traceback(&self) -> &str {
        &self.traceback
    }
}

/// Message and traceback of an error, however deep mlua wrapped it.
fn split(error: &mlua::Error) -> (String, String) {
    match error {
        mlua::Error::CallbackError { traceback, cause } => {
            let (message, inner) = split(cause);
            let traceback = if inner.is_empty() { traceback } else { &inner };
            (message, tidy(traceback))
        }
        mlua::Error::RuntimeError(text) => match text.split_once("\nstack traceback:") {
            Some((message, traceback)) => (message.to_owned(), tidy(traceback)),
            None => (text.clone(), String::new()),
        },
        mlua::Error::SyntaxError { message, .. } => (message.clone(), String::new()),
        other => (other.to_string(), String::new()),
    }
}

/// Without the place in front if it is one of the bridge itself.
fn without_our_place(message: &str) -> &str {
    let rest = message
        .strip_prefix(crate::bind::CHUNK)
        .and_then(|rest| rest.strip_prefix(':'));
    let said = rest.and_then(|rest| rest.split_once(": "));
    match said {
        Some((line, said)) if line.bytes().all(|byte| byte.is_ascii_digit()) => said,
        _ => message,
    }
}

/// One call a line, without the frames of the bridge itself.
fn tidy(traceback: &str) -> String {
    let lines = traceback.lines().map(str::trim);
    let lines = lines.filter(|line| {
        !line.is_empty() && *line != "stack traceback:" && !line.starts_with(crate::bind::CHUNK)
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// `script:line` of the innermost call in the script.
fn first_place(traceback: &str, place: &str) -> Option<String> {
    let line = traceback.lines().find(|line| line.starts_with(place))?;
    let number: String = line[place.len()..]
        .chars()
        .take_while(char::is_ascii_digit)
        .collect();
    (!number.is_empty()).then(|| format!("{place}{number}"))
}

impl fmt::Display for LuaError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl fmt::Debug for LuaError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        if self.traceback.is_empty() {
            return Ok(());
        }
        write!(f, "\nstack traceback:\n{}", self.traceback)
    }
}

impl std::error::Error for LuaError {}

/// Why a script was not loaded, or did not run to its end.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ScriptError {
    /// The file can't be read.
    #[error("script `{}` can't be read: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// It is not Luau.
    #[error("syntax error at {0}")]
    Syntax(LuaError),
    /// A line `-- @capability …` at its top is wrong.
    #[error("in the manifest: {0}")]
    Manifest(LuaError),
    /// It failed while it ran.
    #[error(transparent)]
    Lua(LuaError),
    /// Its state can't be used any more: it hit a limit, or the host stopped it.
    #[error("script `{script}` was stopped: {why}")]
    Stopped {
        /// The script.
        script: String,
        /// Which limit, and what to do.
        why: String,
    },
    /// No Lua state could be made for it.
    #[error("script `{script}`: no Lua state could be made: {cause}")]
    Setup {
        /// The script.
        script: String,
        /// What Lua says.
        cause: String,
    },
    /// It is longer than sources may be.
    #[error("script `{}` is longer than {limit} bytes: split it, or raise the limit of sources", path.display())]
    TooLong {
        /// The file.
        path: PathBuf,
        /// The limit, in bytes.
        limit: u64,
    },
    /// The new version of it can't take the place of the one that runs.
    #[error("script `{script}` was not reloaded, and goes on as it is: {why}")]
    NotReloaded {
        /// The script.
        script: String,
        /// What is in the way.
        why: String,
    },
    /// Changes of its files can't be noticed.
    #[error("the folder `{}` can't be watched: {cause}", path.display())]
    Watch {
        /// The folder.
        path: PathBuf,
        /// What the system says.
        cause: String,
    },
    /// A hook at `script.load`, `script.execute` or `script.reload` refused.
    #[error(transparent)]
    Refused(#[from] HookRefusal),
}

impl ScriptError {
    /// The calls that led to the error, if Lua code was running.
    pub fn traceback(&self) -> Option<&str> {
        match self {
            ScriptError::Lua(error) => Some(error.traceback()),
            _ => None,
        }
    }
}
