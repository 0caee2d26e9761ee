//! The limits that one tool call runs under.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// How long a call may run and wait, and how much it may return.
///
/// In JSON durations are whole milliseconds: `{"run_ms": 30000, "wait_ms": 5000, "max_output_bytes": 1048576}`.
/// A hook at `tool.acquire` may change them for the call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Millis", into = "Millis")]
pub struct ToolLimits {
    /// Longest run of `tool.execute`, the time of its hooks included. Default 30 s.
    pub run: Duration,
    /// Longest wait for a free slot. Default 5 s.
    pub wait: Duration,
    /// Largest output, in bytes of compact JSON. Default 1 MiB.
    pub max_output_bytes: u64,
}

impl Default for ToolLimits {
    fn default() -> Self {
        ToolLimits {
            run: Duration::from_secs(30),
            wait: Duration::from_secs(5),
            max_output_bytes: 1 << 20,
        }
    }
}

impl ToolLimits {
    /// The same limits with another longest run.
    #[must_use]
    pub fn run(mut self, limit: Duration) -> Self {
        self.run = limit;
        self
    }
    /// The same limits with another longest wait for a slot.
    #[must_use]
    pub fn wait(mut self, limit: Duration) -> Self {
        self.wait = limit;
        self
    }
    /// The same limits with another largest output.
    #[must_use]
    pub fn max_output_bytes(mut self, bytes: u64) -> Self {
        self.max_output_bytes = bytes;
        self
    }
}

/// The JSON form.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Millis {
    run_ms: u64,
    wait_ms: u64,
    max_output_bytes: u64,
}

impl From<Millis> for ToolLimits {
    fn from(m: Millis) -> Self {
        ToolLimits {
            run: Duration::from_millis(m.run_ms),
            wait: Duration::from_millis(m.wait_ms),
            max_output_bytes: m.max_output_bytes,
        }
    }
}

impl From<ToolLimits> for Millis {
    fn from(l: ToolLimits) -> Self {
        let millis = |d: Duration| u64::try_from(d.as_millis()).unwrap_or(u64::MAX);
        Millis {
            run_ms: millis(l.run),
            wait_ms: millis(l.wait),
            max_output_bytes: l.max_output_bytes,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_in_milliseconds_and_reads_back() {
        let limits = ToolLimits::default().run(Duration::from_millis(1500));
        let json = serde_json::to_value(limits).unwrap();
        assert_eq!(
            json,
            serde_json::json!({"run_ms": 1500, "wait_ms": 5000, "max_output_bytes": 1048576})
        );
        assert_eq!(serde_json::from_value::<ToolLimits>(json).unwrap(), limits);
    }
}
