//! What became of a published event.

use std::num::NonZeroU64;

/// Where a published event went. What readers and handlers make of it later is not known yet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Published {
    /// Inline handlers that were called and did not fail.
    pub handled: u32,
    /// Queues that have it.
    pub queued: u32,
    /// Events that queues lost for it: this one, or older ones that made room.
    pub lost: u32,
    /// Its place among all events of the bus, if the bus keeps events.
    pub sequence: Option<NonZeroU64>,
}

impl Published {
    /// Whether anybody has it, or had it.
    pub fn is_taken(&self) -> bool {
        self.handled + self.queued > 0
    }
}
