//! What happened: calls, hooks that ran, refusals, time in hooks against time in work.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hooks_runtime::{
    ArgLevel, DecisionRecord, HookRecord, Mode, Outcome, Phase, Restriction, Signal, Sink, Wants,
};
use serde::Serialize;

/// Collects what [`Report::text`] and [`Report::snapshot`] show. Add it to a registry as a sink.
///
/// It keeps sums, and the refusals one by one up to a limit.
pub struct Report {
    state: Mutex<Snapshot>,
    max_refusals: usize,
    #[cfg(feature = "events")]
    max_topics: usize,
}

/// What was collected, by point and by hook.
#[derive(Clone, Debug, Default, Serialize)]
#[non_exhaustive]
pub struct Snapshot {
    /// By point name.
    pub points: BTreeMap<String, PointSum>,
    /// By hook id.
    pub hooks: BTreeMap<String, HookSum>,
    /// The refusals, oldest first.
    pub refusals: Vec<RefusalLine>,
    /// Refusals beyond the limit, counted only.
    pub more_refusals: u64,
    /// What hooks in Shadow mode would have refused, oldest first.
    pub would_refuse: Vec<RefusalLine>,
    /// Those beyond the limit, counted only.
    pub more_would_refuse: u64,
    /// Observers that were not told because the hooks of a point were over their budget.
    pub shed: u64,
    /// Events by topic, see [`Report::watch`].
    #[cfg(feature = "events")]
    pub events: BTreeMap<String, u64>,
    /// Events of topics beyond the limit, counted only.
    #[cfg(feature = "events")]
    pub more_events: u64,
    /// Rules that could not be kept, as sentences.
    pub violations: Vec<String>,
    /// Those beyond the limit of refusals, counted only.
    pub more_violations: u64,
    /// Time in calls that were made outside of other hooked calls, hooks included.
    pub total_ns: u64,
    /// The part of it that hooks took.
    pub hook_ns: u64,
}

/// The calls of one point.
#[derive(Clone, Debug, Default, Serialize)]
#[non_exhaustive]
pub struct PointSum {
    /// All calls.
    pub calls: u64,
    /// Those that returned.
    pub returned: u64,
    /// Those whose body failed.
    pub failed: u64,
    /// Those that hooks refused.
    pub refused: u64,
    /// Those that panicked or were cancelled.
    pub ended: u64,
    /// Time in the bodies, nested calls included.
    pub work_ns: u64,
    /// Time in hooks.
    pub hook_ns: u64,
}

/// The answers of one hook.
#[derive(Clone, Debug, Default, Serialize)]
#[non_exhaustive]
pub struct HookSum {
    /// How often it was asked.
    pub asked: u64,
    /// What it said, by word.
    pub said: BTreeMap<&'static str, u64>,
    /// Time in it.
    pub ns: u64,
    /// Where it was registered.
    pub source: Box<str>,
}

/// One refusal.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct RefusalLine {
    /// The point.
    pub point: &'static str,
    /// The component.
    pub component: Option<Box<str>>,
    /// The hook.
    pub hook: String,
    /// Its reason.
    pub reason: String,
    /// Where the hook was registered.
    pub source: String,
    /// The function that was refused, as `file:line`.
    pub site: String,
}

impl Default for Report {
    fn default() -> Self {
        Report {
            state: Mutex::default(),
            max_refusals: 1000,
            #[cfg(feature = "events")]
            max_topics: 1000,
        }
    }
}

impl Report {
    /// An empty report that keeps at most `max_refusals` refusals one by one.
    pub fn with_max_refusals(max_refusals: usize) -> Self {
        Report {
            max_refusals,
            ..Report::default()
        }
    }

    fn state(&self) -> MutexGuard<'_, Snapshot> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts the events of a bus too, by topic, until what this gives is dropped. At most 1,000 topics are told
    /// apart.
    ///
    /// # Errors
    /// The bus takes no more subscriptions.
    #[cfg(feature = "events")]
    pub fn watch(
        self: &std::sync::Arc<Self>,
        bus: &hooks_events::EventBus,
    ) -> Result<hooks_events::HandlerGuard, hooks_events::EventError> {
        let report = std::sync::Arc::clone(self);
        let events = bus.subscribe(">").name("report");
        events.inline(move |event: &hooks_events::Event| report.count(event.topic().as_str()))
    }

    #[cfg(feature = "events")]
    fn count(&self, topic: &str) {
        let mut state = self.state();
        let known = state.events.len();
        match state.events.get_mut(topic) {
            Some(count) => *count += 1,
            None if known < self.max_topics => {
                state.events.insert(topic.to_owned(), 1);
            }
            None => state.more_events += 1,
        }
    }

    /// What was collected so far.
    pub fn snapshot(&self) -> Snapshot {
        self.state().clone()
    }

    /// The report as text of at most 100 columns.
    pub fn text(&self) -> String {
        self.snapshot().to_string()
    }
}

impl Sink for Report {
    fn wants(&self) -> Wants {
        // It shows no arguments: nobody has to make their digests for it.
        Wants::always().args(ArgLevel::Names)
    }

    fn record(&self, record: &DecisionRecord) {
        let mut state = self.state();
        let ns = |d: Duration| u64::try_from(d.as_nanos()).unwrap_or(u64::MAX);
        let point = state.points.entry(record.point().to_owned()).or_default();
        point.calls += 1;
        match record.outcome() {
            Outcome::Returned => point.returned += 1,
            Outcome::Failed => point.failed += 1,
            Outcome::Refused => point.refused += 1,
            _ => point.ended += 1,
        }
        point.work_ns += record.work().map_or(0, ns);
        let in_hooks = record.hook_time().map_or(0, ns);
        point.hook_ns += in_hooks;
        state.hook_ns += in_hooks;
        if record.parent_id().is_none() {
            state.total_ns += ns(record.elapsed());
        }
        for said in record.hooks().iter().filter(|h| h.phase != Phase::Done) {
            let hook = state.hooks.entry(said.hook.to_string()).or_default();
            hook.asked += 1;
            *hook.said.entry(said.answer).or_default() += 1;
            hook.ns += said.elapsed.map_or(0, ns);
            hook.source = (*said.source).into();
        }
        state.shed += u64::from(record.shed());
        let line = |hook: &str, reason: &str, source: &str| RefusalLine {
            point: record.point(),
            component: record.component().map(Into::into),
            hook: hook.to_owned(),
            reason: reason.to_owned(),
            source: source.to_owned(),
            site: format!("{}:{}", record.site().file, record.site().line),
        };
        let would =
            |said: &&HookRecord| said.mode == Mode::Shadow && said.restriction > Restriction::None;
        for said in record.hooks().iter().filter(would) {
            if state.would_refuse.len() >= self.max_refusals {
                state.more_would_refuse += 1;
                continue;
            }
            let reason = said.reason.as_deref().unwrap_or("no reason given");
            let line = line(&said.hook, reason, &said.source);
            state.would_refuse.push(line);
        }
        if let Some(refusal) = record.refusal() {
            if state.refusals.len() >= self.max_refusals {
                state.more_refusals += 1;
                return;
            }
            let line = line(refusal.hook(), refusal.reason(), refusal.source_location());
            state.refusals.push(line);
        }
    }

    fn signal(&self, signal: &Signal<'_>) {
        if let Signal::Violation {
            kind,
            point,
            hook,
            detail,
        } = signal
        {
            self.state().violate(
                format!("{kind} at {point} by {hook}: {detail}"),
                self.max_refusals,
            );
        }
    }
}

impl std::fmt::Display for Snapshot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let calls: u64 = self.points.values().map(|p| p.calls).sum();
        let refused: u64 = self.points.values().map(|p| p.refused).sum();
        writeln!(
            f,
            "{calls} hooked calls at {} points, {refused} refused",
            self.points.len()
        )?;
        writeln!(f)?;
        writeln!(
            f,
            "{:<22}{:>7}{:>9}{:>8}{:>9}{:>12}{:>12}",
            "point", "calls", "returned", "failed", "refused", "work", "hooks"
        )?;
        for (name, p) in &self.points {
            let (work, hooks) = (time(p.work_ns), time(p.hook_ns));
            writeln!(
                f,
                "{name:<22}{:>7}{:>9}{:>8}{:>9}{work:>12}{hooks:>12}",
                p.calls, p.returned, p.failed, p.refused
            )?;
        }
        writeln!(f, "\n{:<28}{:>6}{:>12}  said", "hook", "asked", "time")?;
        for (id, hook) in &self.hooks {
            let mut said = String::new();
            for (word, n) in &hook.said {
                let comma = if said.is_empty() { "" } else { ", " };
                write!(said, "{comma}{word} {n}")?;
            }
            writeln!(f, "{id:<28}{:>6}{:>12}  {said}", hook.asked, time(hook.ns))?;
            writeln!(f, "  {}", hook.source)?;
        }
        list(f, "refusals", &self.refusals, self.more_refusals)?;
        let would = "what hooks in Shadow mode would have refused";
        list(f, would, &self.would_refuse, self.more_would_refuse)?;
        if self.shed > 0 {
            writeln!(f, "\nlossy observers that were not told: {}", self.shed)?;
        }
        #[cfg(feature = "events")]
        self.write_events(f)?;
        for violation in &self.violations {
            writeln!(f, "\nviolation: {violation}")?;
        }
        let share = if self.total_ns == 0 {
            0.0
        } else {
            100.0 * self.hook_ns as f64 / self.total_ns as f64
        };
        let work = self.total_ns.saturating_sub(self.hook_ns);
        write!(
            f,
            "\ntime in hooks {} against {} in work: {share:.1} %",
            time(self.hook_ns),
            time(work)
        )
    }
}

/// Refusals with a title, if there are any.
fn list(
    f: &mut std::fmt::Formatter<'_>,
    title: &str,
    refusals: &[RefusalLine],
    more: u64,
) -> std::fmt::Result {
    if refusals.is_empty() {
        return Ok(());
    }
    writeln!(f, "\n{title}")?;
    for r in refusals {
        let component = r.component.as_deref();
        let component = component.map(|c| format!(" {c}")).unwrap_or_default();
        writeln!(f, "  {}{component}: {}", r.point, r.reason)?;
        writeln!(f, "    by {} ({}), at {}", r.hook, r.source, r.site)?;
    }
    if more > 0 {
        writeln!(f, "  … and {more} more")?;
    }
    Ok(())
}

#[cfg(feature = "events")]
impl Snapshot {
    fn write_events(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.events.is_empty() {
            return Ok(());
        }
        writeln!(f, "\n{:<60}{:>7}", "event", "times")?;
        for (topic, count) in &self.events {
            writeln!(f, "{topic:<60}{count:>7}")?;
        }
        if self.more_events > 0 {
            writeln!(f, "{:<60}{:>7}", "… of other topics", self.more_events)?;
        }
        Ok(())
    }
}

impl Snapshot {
    fn violate(&mut self, violation: String, max: usize) {
        if self.violations.len() < max {
            self.violations.push(violation);
        } else {
            self.more_violations += 1;
        }
    }
}

fn time(ns: u64) -> String {
    format!("{:.1?}", Duration::from_nanos(ns))
}
