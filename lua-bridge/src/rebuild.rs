//! Building a script anew that was stopped at a limit.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use serde_json::json;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

use crate::control::Control;
use crate::script::{Loaded, reload};

/// How often, and when.
#[derive(Clone, Copy)]
pub(crate) struct Rebuilds {
    /// The most in a row.
    pub(crate) times: u32,
    /// The wait before the second; before each further one it doubles.
    pub(crate) backoff: Duration,
    /// How long a script must go on for a row to end.
    pub(crate) calm: Duration,
}

impl Default for Rebuilds {
    fn default() -> Self {
        Rebuilds {
            times: 5,
            backoff: Duration::from_secs(1),
            calm: Duration::from_secs(60),
        }
    }
}

/// The rebuilds of one script.
#[derive(Default)]
struct Row {
    made: u32,
    last: Option<Instant>,
}

impl Row {
    /// How long to wait before the next one; nothing: there were enough.
    fn next(&mut self, rebuilds: Rebuilds) -> Option<Duration> {
        if self
            .last
            .is_some_and(|last| last.elapsed() >= rebuilds.calm)
        {
            self.made = 0;
        }
        if self.made >= rebuilds.times {
            return None;
        }
        let wait = match self.made {
            0 => Duration::ZERO,
            made => rebuilds.backoff.saturating_mul(1 << (made - 1).min(30)),
        };
        self.made += 1;
        Some(wait)
    }
}

/// The task that looks after a script, from when it was executed in a tokio runtime until it is dropped.
#[derive(Default)]
pub(crate) struct Keeper(Mutex<Option<JoinHandle<()>>>);

impl Keeper {
    /// Begins to look after it, if nobody does.
    pub(crate) fn start(&self, script: &Arc<Loaded>) {
        if script.engine.rebuilds().times == 0 {
            return;
        }
        let Ok(runtime) = tokio::runtime::Handle::try_current() else {
            return;
        };
        let mut task = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // That of a runtime that is gone is finished.
        if task.as_ref().is_none_or(JoinHandle::is_finished) {
            // In the scope of the execution: there its hooks are.
            let kept = hooks_runtime::inherit(keep(Arc::downgrade(script)));
            *task = Some(runtime.spawn(kept));
        }
    }
}

impl Keeper {
    /// Nobody looks after it any more.
    pub(crate) fn end(&self) {
        let task = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(task) = task {
            task.abort();
        }
    }
}

async fn keep(script: Weak<Loaded>) {
    let mut row = Row::default();
    while let Some((version, exchanged)) = script
        .upgrade()
        .map(|script| (script.version(), Arc::clone(&script.exchanged)))
    {
        let control = Arc::clone(&version.vm.control);
        // The script alone keeps its state.
        drop(version);
        let goes_on = control.unless_ended(exchanged.notified()).await;
        if goes_on.is_some() {
            continue;
        }
        match control.hit_limit() {
            Some(limit) => rebuild(&script, &mut row, &control, limit).await,
            // The host stopped it, and may reload it.
            None => replaced(&script, &control).await,
        }
    }
}

/// Waits until another version than the one that has ended is in force: that one was exchanged may have been told of
/// the one before it.
async fn replaced(script: &Weak<Loaded>, ended: &Arc<Control>) {
    while let Some(script) = script.upgrade() {
        if !Arc::ptr_eq(&script.version().vm.control, ended) {
            return;
        }
        let exchanged = Arc::clone(&script.exchanged);
        // Its owner alone keeps it.
        drop(script);
        exchanged.notified().await;
    }
}

/// Tries until another version is in force, or there were enough tries.
async fn rebuild(script: &Weak<Loaded>, row: &mut Row, ended: &Arc<Control>, limit: &str) {
    loop {
        let Some(rebuilds) = script.upgrade().map(|script| script.engine.rebuilds()) else {
            return;
        };
        let wait = row.next(rebuilds);
        if let Some(wait) = wait {
            sleep(wait).await;
        }
        let Some(kept) = script.upgrade() else {
            return;
        };
        if kept.is_stopped.load(Ordering::Acquire) {
            drop(kept);
            return replaced(script, ended).await;
        }
        if wait.is_none() {
            let times = rebuilds.times;
            kept.engine.tell(
                "script.reload",
                json!({"script": kept.name, "ok": false, "reason": limit, "error": format!("it was built anew {times} times in a row: it stays stopped until it is reloaded")}),
            );
            drop(kept);
            replaced(script, ended).await;
            *row = Row::default();
            return;
        }
        let tried = again(&kept, limit).await;
        row.last = Some(Instant::now());
        if tried {
            return;
        }
    }
}

/// Builds it anew of the same source; `false`: it failed, and the old one stays.
async fn again(script: &Arc<Loaded>, limit: &str) -> bool {
    let _one_at_a_time = script.reloading.lock().await;
    if script.wanted().is_err() {
        // What looks after it sees why.
        return true;
    }
    if script.version().vm.control.ended().is_none() {
        // Somebody reloaded it meanwhile.
        return true;
    }
    let source = script.source().to_string();
    let rebuilt = reload(&script.name, script, Some(source)).await;
    script.tell(&rebuilt, Some(limit));
    rebuilt.is_ok()
}
