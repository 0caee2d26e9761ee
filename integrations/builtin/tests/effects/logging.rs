//! Lines of the log.

use std::sync::{Arc, Mutex};

use hooks_builtin::{BuiltinHook as _, Level, LoggingHook, Placement};
use hooks_runtime::{Outcome, Vote};
use tracing::field::{Field, Visit};

use crate::kit::{Runs, buy, isolated, order};

/// A subscriber of one thread that writes what it gets as text.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<String>>>);

struct Text(String);

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        self.0.push_str(&format!(" {}={value:?}", field.name()));
    }
}

impl tracing::Subscriber for Lines {
    fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
        metadata.target() == "hookpoint"
    }
    fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::Id {
        tracing::Id::from_u64(1)
    }
    fn record(&self, _: &tracing::Id, _: &tracing::span::Record<'_>) {}
    fn record_follows_from(&self, _: &tracing::Id, _: &tracing::Id) {}
    fn event(&self, event: &tracing::Event<'_>) {
        let mut text = Text(event.metadata().level().to_string());
        event.record(&mut text);
        self.0.lock().unwrap().push(text.0);
    }
    fn enter(&self, _: &tracing::Id) {}
    fn exit(&self, _: &tracing::Id) {}
}

fn logged(hook: LoggingHook) -> Vec<String> {
    let (registry, scope) = isolated();
    let _entered = scope.enter();
    let _log = hook
        .register(&registry, Placement::new("log").point("shop.*"))
        .unwrap();
    let limit = registry.guard("limit", "shop.buy", |cx| {
        Ok(Vote::cancel_if(
            cx.arg::<crate::kit::Order>("order")?.cents > 100,
            "too dear",
        ))
    });
    let _limit = limit.unwrap();
    let (lines, runs) = (Lines::default(), Runs::default());
    tracing::subscriber::with_default(lines.clone(), || {
        buy("corner", order("tea", 1), &runs).unwrap();
        buy("corner", order("secret-item", 200), &runs).unwrap_err();
        buy("corner", order("", 1), &runs).unwrap_err();
    });
    assert_eq!(runs.count(), 2, "the refused body did not run");
    let lines = lines.0.lock().unwrap().clone();
    assert!(
        lines.iter().all(|line| !line.contains("secret-item")),
        "{lines:?}"
    );
    lines
}

#[test]
fn each_call_is_a_line_with_its_outcome() {
    let lines = logged(LoggingHook::new());
    let [returned, refused, failed] = &lines[..] else {
        panic!("{lines:?}");
    };
    assert!(
        returned.starts_with("INFO") && returned.contains("outcome=\"returned\""),
        "{returned}"
    );
    assert!(
        returned.contains("point=\"shop.buy\" component=\"corner\""),
        "{returned}"
    );
    assert!(
        refused.starts_with("WARN") && refused.contains("refused_by=\"limit\" reason=\"too dear\""),
        "{refused}"
    );
    assert!(
        failed.starts_with("WARN") && failed.contains("outcome=\"failed\""),
        "{failed}"
    );
}

#[test]
fn level_and_outcomes_are_chosen() {
    let lines = logged(
        LoggingHook::new()
            .level(Level::Debug)
            .only(Outcome::Returned),
    );
    assert_eq!(lines.len(), 1);
    assert!(lines[0].starts_with("DEBUG"), "{lines:?}");
    let lines = logged(LoggingHook::new().level(Level::Error).only(Outcome::Failed));
    assert!(lines[0].starts_with("ERROR"), "{lines:?}");
}
