//! The time that requests expire by.

use std::time::{Instant, SystemTime};

use hooks_runtime::Clock;
use jiff::Timestamp;

use super::error::ApprovalError;

/// The time of the wall; moved by hand if there is a clock.
#[derive(Clone, Debug, Default)]
pub(super) struct Time(Option<(Clock, Instant, SystemTime)>);

impl Time {
    pub(super) fn of(clock: Clock) -> Time {
        let now = clock.now();
        Time(Some((clock, now, SystemTime::now())))
    }

    pub(super) fn now(&self) -> Result<Timestamp, ApprovalError> {
        let now = match &self.0 {
            None => SystemTime::now(),
            Some((clock, since, then)) => *then + clock.now().saturating_duration_since(*since),
        };
        Timestamp::try_from(now).map_err(|error| ApprovalError::Folder {
            path: "".into(),
            why: format!("the time of the machine is wrong: {error}").into(),
        })
    }
}
