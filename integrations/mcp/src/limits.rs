//! How much one session may hold.

use std::time::Duration;

/// Limits of a session; each has a default.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// The longest message, in bytes, from 1 KiB. A longer one is answered with an error. Default: 64 MiB.
    pub max_message_bytes: usize,
    /// How deep objects and lists stand in each other, 1 to 120. Default: 100.
    pub max_depth: usize,
    /// How many values and keys the parameters or the result of a message have, from 100: what hooks look at takes
    /// about 128 bytes for each. Default: 2,000,000.
    pub max_parts: usize,
    /// How many messages a batch has, from 1. Default: 1,000.
    pub max_batch: usize,
    /// How many requests of one side may be under way, from 1; one more is answered with an error. Default: 4,096.
    pub max_in_flight: usize,
    /// How many bytes of messages may wait until a side reads them, at least those of one message; then nothing
    /// more is read from the other side. As many may be held by hooks that decide about requests, as many by those
    /// that decide about answers, and as many by those that decide about notifications. Default: 128 MiB.
    pub max_queued_bytes: usize,
    /// How many messages may wait until a side reads them, from 1. Default: 1,024.
    pub max_queued: usize,
    /// How many tools of a server are remembered. Default: 10,000.
    pub max_tools: usize,
    /// How many bytes of definitions of tools are remembered, as JSON; a tool beyond that is as if it were not
    /// listed. Default: 16 MiB.
    pub max_tool_bytes: usize,
    /// How long a request may be under way with the other side; then it is cancelled there and answered with an
    /// error. Default: none, as without a gateway.
    pub timeout: Option<Duration>,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            max_message_bytes: 64 << 20,
            max_depth: 100,
            max_parts: 2_000_000,
            max_batch: 1_000,
            max_in_flight: 4_096,
            max_queued_bytes: 128 << 20,
            max_queued: 1_024,
            max_tools: 10_000,
            max_tool_bytes: 16 << 20,
            timeout: None,
        }
    }
}

impl Limits {
    /// The same, with every limit within its range.
    #[must_use]
    pub(crate) fn within_ranges(mut self) -> Self {
        self.max_message_bytes = self.max_message_bytes.max(1024);
        self.max_depth = self.max_depth.clamp(1, 120);
        self.max_parts = self.max_parts.max(100);
        self.max_batch = self.max_batch.max(1);
        self.max_in_flight = self.max_in_flight.max(1);
        self.max_queued_bytes = self.max_queued_bytes.max(self.max_message_bytes);
        self.max_queued = self.max_queued.max(1);
        self
    }
}
