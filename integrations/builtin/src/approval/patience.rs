//! How long an approver waits.

use std::time::Duration;

use super::redacted::KIND;
use crate::error::BuiltinError;

/// The longest, in seconds: a day.
const MAX_S: u64 = 24 * 60 * 60;
/// If nobody says anything else, in seconds: five minutes, as for every approver.
pub(super) const DEFAULT_S: u64 = 300;

/// # Errors
/// It is not 1 second to a day.
pub(super) fn patience(seconds: u64) -> Result<Duration, BuiltinError> {
    if (1..=MAX_S).contains(&seconds) {
        return Ok(Duration::from_secs(seconds));
    }
    Err(BuiltinError::BadOption {
        kind: KIND,
        option: "patience_s",
        why: format!("must be 1 to {MAX_S}").into(),
    })
}
