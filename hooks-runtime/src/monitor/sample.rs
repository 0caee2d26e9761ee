//! One call that is measured.

use std::time::{Duration, Instant};

use crate::registry::HookSet;

/// When what happened in a call that is measured. In a box, because few calls have one.
pub(crate) struct Sample {
    started: Instant,
    /// Each hook is timed by itself. That costs a look at the clock for each, so such a call says nothing about
    /// the hooks as a whole.
    pub(crate) each: bool,
    working_since: Option<Instant>,
    work: Duration,
}

impl Sample {
    pub(super) fn begin(now: Instant, random: u32) -> Box<Sample> {
        Box::new(Sample {
            started: now,
            // One in four: hooks are many, and each such call tells about all of them.
            each: random & 3 == 0,
            working_since: None,
            work: Duration::ZERO,
        })
    }

    /// The body begins, or goes on.
    #[inline]
    pub(crate) fn work_begins(sample: &mut Option<Box<Sample>>, set: &HookSet) {
        if let Some(sample) = sample {
            sample.working_since = Some(set.registry.clock.now());
        }
    }

    /// The body has ended.
    #[inline]
    pub(crate) fn work_ends(sample: &mut Option<Box<Sample>>, set: &HookSet) {
        if let Some(sample) = sample
            && let Some(since) = sample.working_since.take()
        {
            sample.work += set.registry.clock.now().saturating_duration_since(since);
        }
    }

    /// The call has ended after its body ran; waiting is nobody's time.
    #[inline]
    pub(crate) fn end(sample: Option<Box<Sample>>, set: &HookSet, waited: Duration) {
        if let Some(sample) = sample {
            sample.count(set, waited);
        }
    }

    fn count(&self, set: &HookSet, waited: Duration) {
        let Some(meter) = &set.meter else { return };
        if self.each {
            return;
        }
        let now = set.registry.clock.now();
        let call = now
            .saturating_duration_since(self.started)
            .saturating_sub(waited);
        meter.record(&set.registry, call, call.saturating_sub(self.work));
    }
}
