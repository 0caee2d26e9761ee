//! What the crates log, on standard error: for commands whose standard output is a protocol.

use std::fmt::{self, Write as _};
use std::io::Write as _;

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

/// Prints events up to a level, one a line.
struct Stderr {
    level: Level,
}

/// Prints what is logged up to that level from here on.
pub(crate) fn to_stderr(level: Level) -> Result<(), tracing::subscriber::SetGlobalDefaultError> {
    tracing::subscriber::set_global_default(Stderr { level })
}

impl Subscriber for Stderr {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() <= self.level
    }
    fn max_level_hint(&self) -> Option<tracing::level_filters::LevelFilter> {
        Some(self.level.into())
    }
    fn event(&self, event: &Event<'_>) {
        let mut line = Line::default();
        event.record(&mut line);
        let level = match *event.metadata().level() {
            Level::ERROR => "error",
            Level::WARN => "warning",
            Level::INFO => "info",
            Level::DEBUG => "debug",
            _ => "trace",
        };
        let text = format!("{level}: {}{}\n", line.message, line.fields);
        // Where standard error is closed there is nobody to tell.
        drop(std::io::stderr().lock().write_all(text.as_bytes()));
    }
    // There are no spans: lines stand by themselves.
    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }
    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

#[derive(Default)]
struct Line {
    message: String,
    fields: String,
}

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        // What others wrote must not draw on the terminal.
        let shown = hookpoint::approve::shown(&format!("{value:?}"), 2000);
        if field.name() == "message" {
            self.message = shown;
        } else {
            let written = write!(self.fields, " {}={shown}", field.name());
            debug_assert!(written.is_ok(), "a string takes what is written to it");
        }
    }
}
