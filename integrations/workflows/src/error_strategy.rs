//! What to do when a step fails.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// What follows the failure of a step. A step that hooks refused is never tried again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum ErrorStrategy {
    /// The workflow fails with it.
    #[default]
    Fail,
    /// The failure is recorded, and the next step gets the input that this one had. Where a hook halted the
    /// workflow's run, it ends; where it halted the run of an agent or workflow that is the step, only that one.
    Continue,
    /// The step is tried again, and the workflow fails with the last failure.
    Retry {
        /// How many times it is tried in all; 0 counts as 1.
        max_attempts: u32,
        /// How long to wait before each further attempt.
        delay: Duration,
    },
}

impl ErrorStrategy {
    /// Try up to `max_attempts` times in all, without waiting in between.
    pub fn retry(max_attempts: u32) -> Self {
        ErrorStrategy::Retry {
            max_attempts,
            delay: Duration::ZERO,
        }
    }

    /// How many attempts a step has, and the wait between them.
    pub(crate) fn attempts(self) -> (u32, Duration) {
        match self {
            ErrorStrategy::Retry {
                max_attempts,
                delay,
            } => (max_attempts.max(1), delay),
            ErrorStrategy::Fail | ErrorStrategy::Continue => (1, Duration::ZERO),
        }
    }
}
