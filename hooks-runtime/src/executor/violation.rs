//! A rule that could not be kept is never silent: a signal, and the point `system.violation`.

use std::sync::Arc;

use crate::hooked;
use crate::panic::caught;
use crate::registry::HookSet;
use crate::sink::{Signal, Sink};
use crate::site::SiteInfo;

pub(super) const POINT: &str = "system.violation";

/// Tells the sinks, and the hooks of `system.violation`.
#[cold]
pub(crate) fn violation(set: &HookSet, site: &SiteInfo, kind: &str, hook: &str, detail: &str) {
    tracing::warn!(
        kind,
        point = site.point,
        hook,
        detail,
        "a rule could not be kept"
    );
    let signal = Signal::Violation {
        kind,
        point: site.point,
        hook,
        detail,
    };
    tell_sinks(&set.all_sinks(), &signal);
    // A violation at its own point is told to the sinks only, or it would tell itself for ever.
    if site.point != POINT {
        report(kind, site.point, hook, detail);
    }
}

/// Gives a signal; a sink that panics takes nothing from the call.
pub(crate) fn tell_sinks(sinks: &[Arc<dyn Sink>], signal: &Signal<'_>) {
    for sink in sinks {
        if caught(|| sink.signal(signal)).is_err() {
            tracing::error!("a sink panicked on a signal");
        }
    }
}

/// A rule that could not be kept: `kind` in one word, the point and hook that it is about, and a sentence.
#[hooked(point = "system.violation", observe)]
fn report(kind: &str, point: &str, hook: &str, detail: &str) {
    let _for_hooks_only = (kind, point, hook, detail);
}
