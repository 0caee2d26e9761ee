//! Whether a registry's policy is in force yet, and still.

/// The life of a registry. Outside of [`Life::Serving`] calls pass only with a grant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
#[repr(u8)]
pub enum Life {
    /// The policy is being loaded.
    Starting = 0,
    /// The policy is in force.
    Serving = 1,
    /// The program is going down.
    Draining = 2,
}

impl Life {
    #[inline]
    pub(crate) fn from_u8(value: u8) -> Life {
        match value {
            0 => Life::Starting,
            1 => Life::Serving,
            _ => Life::Draining,
        }
    }

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Life::Starting => "starting: its policy is not loaded yet",
            Life::Serving => "serving",
            Life::Draining => "draining: the program is going down",
        }
    }
}
