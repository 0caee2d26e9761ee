//! The right to run, for one call.

use std::time::{Duration, Instant};

use hooks_runtime::hooked;
use tokio::sync::OwnedSemaphorePermit;

use crate::ToolLimits;

/// A slot of the registry, held while a tool runs, with the limits that apply to the run.
///
/// Dropping it is `tool.release`, on every way out: returned, failed, refused, panicked, cancelled.
#[derive(Debug)]
pub struct Permit {
    tool: String,
    limits: ToolLimits,
    since: Instant,
    slot: Option<OwnedSemaphorePermit>,
}

impl Permit {
    pub(crate) fn new(tool: &str, limits: ToolLimits, slot: OwnedSemaphorePermit) -> Self {
        Permit {
            tool: tool.to_owned(),
            limits,
            since: Instant::now(),
            slot: Some(slot),
        }
    }

    /// The tool that it was given for.
    pub fn tool(&self) -> &str {
        &self.tool
    }

    /// The limits of this call.
    pub fn limits(&self) -> &ToolLimits {
        &self.limits
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if let Some(slot) = self.slot.take() {
            release(&self.tool, self.since.elapsed(), slot);
        }
    }
}

/// Gives the slot back. Hooks may only watch: a slot can't be kept by refusing its return.
#[hooked(point = "tool.release", component = tool, observe, skip(slot))]
#[allow(unused_variables, reason = "hooks read them")]
fn release(tool: &str, held: Duration, slot: OwnedSemaphorePermit) {
    drop(slot);
}
