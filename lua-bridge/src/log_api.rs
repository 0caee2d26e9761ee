//! The global `Log`, and `print`.

use std::io::Write;
use std::sync::{Arc, Mutex, PoisonError};

use mlua::{Function, Lua, LuaString, Value, Variadic};
use serde_json::Value as Json;

use crate::bind::{ApiError, Binder, line};
use crate::convert;

/// How much a line of the log matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LogLevel {
    /// What helps to find mistakes.
    Debug,
    /// What happened.
    Info,
    /// What somebody should look at.
    Warn,
    /// What failed.
    Error,
}

impl LogLevel {
    /// The lower-case word.
    pub fn as_str(self) -> &'static str {
        match self {
            LogLevel::Debug => "debug",
            LogLevel::Info => "info",
            LogLevel::Warn => "warn",
            LogLevel::Error => "error",
        }
    }
}

/// One line that a script logged.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct LogLine {
    /// How much it matters.
    pub level: LogLevel,
    /// The script.
    pub script: String,
    /// The line of the script that logged it.
    pub line: u32,
    /// What it says.
    pub message: String,
    /// More about it, if the script gave a second argument.
    pub fields: Option<Json>,
}

/// Where lines of the log go.
pub(crate) type LogSink = Arc<dyn Fn(&LogLine) + Send + Sync>;
/// Where `print` goes.
pub(crate) type Output = Arc<Mutex<dyn Write + Send>>;

/// The log of a host that gives none: standard error.
pub(crate) fn to_stderr(line: &LogLine) {
    let (level, script, at) = (line.level.as_str(), &line.script, line.line);
    let fields = line
        .fields
        .as_ref()
        .map_or(String::new(), |fields| format!(" {fields}"));
    eprintln!("{level} {script}:{at}: {}{fields}", line.message);
}

/// Makes the globals.
pub(crate) fn install(
    lua: &Lua,
    bind: &Binder,
    sink: &LogSink,
    output: &Output,
) -> mlua::Result<()> {
    let log = lua.create_table()?;
    for (name, what, level) in [
        ("debug", "Log.debug", LogLevel::Debug),
        ("info", "Log.info", LogLevel::Info),
        ("warn", "Log.warn", LogLevel::Warn),
        ("error", "Log.error", LogLevel::Error),
    ] {
        let (sink, tostring) = (Arc::clone(sink), bind.tostring().clone());
        log.raw_set(
            name,
            bind.function(what, move |lua, (message, fields): (Value, Value)| {
                let (script, line) = line(lua).unwrap_or_default();
                let fields = match fields {
                    Value::Nil => None,
                    fields => Some(convert::to_json(lua, &fields)?),
                };
                sink(&LogLine {
                    level,
                    script,
                    line,
                    message: shown(&tostring, message)?,
                    fields,
                });
                Ok(())
            })?,
        )?;
    }
    lua.globals().raw_set("Log", log)?;
    let (output, tostring) = (Arc::clone(output), bind.tostring().clone());
    let print = bind.function("print", move |_, values: Variadic<Value>| {
        let mut text = String::new();
        for (at, value) in values.into_iter().enumerate() {
            if at > 0 {
                text.push('\t');
            }
            text.push_str(&shown(&tostring, value)?);
        }
        text.push('\n');
        let mut output = output.lock().unwrap_or_else(PoisonError::into_inner);
        output
            .write_all(text.as_bytes())
            .map_err(|error| ApiError::Said(format!("print: {error}")))
    })?;
    lua.globals().raw_set("print", print)
}

/// What `tostring` says.
fn shown(tostring: &Function, value: Value) -> mlua::Result<String> {
    Ok(tostring.call::<LuaString>(value)?.to_string_lossy())
}
