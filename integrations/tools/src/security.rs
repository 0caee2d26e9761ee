//! How much harm a tool could do.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The reach of a tool, from least to most; a registry calls tools up to its configured maximum.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize,
)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum SecurityLevel {
    /// Computes; touches nothing outside its parameters.
    Safe,
    /// Reads or writes within a configured border: a root directory, a list of hosts.
    #[default]
    Restricted,
    /// Reaches the machine or the network without such a border.
    Privileged,
}

impl SecurityLevel {
    /// The lower-case word for this level.
    pub fn as_str(self) -> &'static str {
        match self {
            SecurityLevel::Safe => "safe",
            SecurityLevel::Restricted => "restricted",
            SecurityLevel::Privileged => "privileged",
        }
    }
}

impl fmt::Display for SecurityLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
