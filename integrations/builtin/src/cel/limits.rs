//! How much an expression may be, and may take.

use serde::Deserialize;

use crate::error::BuiltinError;

/// What bounds expressions: each of them when it is read, and each time that it is looked at.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CelLimits {
    pub(super) max_bytes: usize,
    pub(super) max_depth: usize,
    pub(super) max_nesting: usize,
    pub(super) max_value_bytes: u64,
    pub(super) max_cost: u64,
}

impl Default for CelLimits {
    fn default() -> Self {
        CelLimits {
            max_bytes: 2048,
            max_depth: 16,
            max_nesting: 2,
            max_value_bytes: 256 << 10,
            max_cost: 1_000_000,
        }
    }
}

impl CelLimits {
    /// The defaults.
    pub fn new() -> Self {
        CelLimits::default()
    }
    /// How long an expression may be, in bytes, 1 to 4,096. Default: 2,048.
    pub fn max_bytes(mut self, bytes: usize) -> Self {
        self.max_bytes = bytes;
        self
    }
    /// How deep operators, calls, lists and macros may stand in each other, 1 to 24; each is a call in the
    /// interpreter, on the stack of the hooked call. Default: 16.
    pub fn max_depth(mut self, levels: usize) -> Self {
        self.max_depth = levels;
        self
    }
    /// How deep macros that loop (`all`, `exists`, `exists_one`, `map`, `filter`) may stand in each other, 0 to 4.
    /// Default: 2.
    pub fn max_nesting(mut self, macros: usize) -> Self {
        self.max_nesting = macros;
        self
    }
    /// How long the values that an expression names may be together, in bytes of their texts and keys and one for
    /// each value, 1 to 16 MiB. A call with more is a failure. Default: 256 KiB.
    pub fn max_value_bytes(mut self, bytes: u64) -> Self {
        self.max_value_bytes = bytes;
        self
    }
    /// What one evaluation may cost, 1 to 1,000,000,000: each time that it reads a value, the length of its texts
    /// and keys in bytes and one for each value in it; and one for each turn of a macro. More is a failure.
    /// Default: 1,000,000.
    pub fn max_cost(mut self, cost: u64) -> Self {
        self.max_cost = cost;
        self
    }

    pub(super) fn check(&self) -> Result<(), BuiltinError> {
        for (name, value, least, most) in [
            ("max_bytes", self.max_bytes as u64, 1, 4096),
            ("max_depth", self.max_depth as u64, 1, 24),
            ("max_nesting", self.max_nesting as u64, 0, 4),
            ("max_value_bytes", self.max_value_bytes, 1, 16 << 20),
            ("max_cost", self.max_cost, 1, 1_000_000_000),
        ] {
            if !(least..=most).contains(&value) {
                return Err(super::bad(
                    "limits",
                    format!("has `{name}` = {value}: write {least} to {most}"),
                ));
            }
        }
        Ok(())
    }
}
