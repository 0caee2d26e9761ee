//! The claims, and what measures them.

mod active;
mod batch;
mod bus;
mod classic;
mod event;
mod idle;
mod lua;
mod mcp;
mod observed;
mod route;
mod scale;
mod telemetry;
mod tool_call;
mod work;

use std::path::PathBuf;

use hookpoint::HookError;

pub use mcp::part;

use crate::report::{Claim, Row};

/// What measures a group needs.
pub struct Plan {
    /// How many rounds; groups with small differences take a multiple of it.
    pub rounds: usize,
    /// The program that measures: groups that measure processes start it as their parts ([`part`]).
    pub program: PathBuf,
}

/// Claims that are measured together, in the same rounds.
pub struct Group {
    /// What it claims.
    pub claims: &'static [Claim],
    measure: fn(&Plan) -> Result<Vec<Measured>, HookError>,
}

/// A figure for the claim of that name.
pub(crate) struct Measured {
    name: &'static str,
    value: f64,
    allocations: Option<f64>,
    note: String,
}

impl Measured {
    pub(crate) fn new(name: &'static str, value: f64) -> Self {
        Measured {
            name,
            value,
            allocations: None,
            note: String::new(),
        }
    }

    pub(crate) fn allocations(mut self, count: f64) -> Self {
        self.allocations = Some(count);
        self
    }

    pub(crate) fn note(mut self, note: impl Into<String>) -> Self {
        self.note = note.into();
        self
    }
}

impl Group {
    /// Measures all of its claims.
    ///
    /// # Errors
    /// A hook was not registered.
    ///
    /// # Panics
    /// It measured something else than it claims: a slip in the program.
    pub fn rows(&self, plan: &Plan) -> Result<Vec<Row>, HookError> {
        let mut measured = (self.measure)(plan)?;
        let mut rows = Vec::new();
        for claim in self.claims {
            let at = measured.iter().position(|m| m.name == claim.name);
            let at = at.unwrap_or_else(|| panic!("nothing was measured for `{}`", claim.name));
            let Measured {
                value,
                allocations,
                note,
                ..
            } = measured.swap_remove(at);
            rows.push(Row {
                claim: *claim,
                value,
                allocations,
                note,
            });
        }
        assert!(
            measured.is_empty(),
            "measured and not claimed: {}",
            measured[0].name
        );
        Ok(rows)
    }
}

/// All groups, in the order of the table.
pub const GROUPS: &[Group] = &[
    idle::SYNC,
    idle::ASYNC,
    active::SYNC,
    active::SYNC_FULL,
    active::ASYNC,
    active::ASYNC_FULL,
    classic::GROUP,
    telemetry::GROUP,
    work::BASE64,
    work::SHA256,
    work::JSON,
    work::SPAWN,
    tool_call::GROUP,
    observed::GROUP,
    scale::GROUP,
    batch::GROUP,
    bus::INLINE,
    bus::QUEUED,
    route::GROUP,
    event::GROUP,
    lua::GROUP,
    mcp::GROUP,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_groups_are_prefixes() {
        let claims: Vec<&Claim> = GROUPS.iter().flat_map(|g| g.claims).collect();
        let mut names: Vec<&str> = claims.iter().map(|c| c.name).collect();
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count);
        for claim in claims {
            assert!(
                claim.name.contains('.') && !claim.what.is_empty(),
                "{claim:?}"
            );
        }
    }
}
