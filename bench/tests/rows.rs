//! The rows of the table.

use hookpoint_bench::rows::{GROUPS, Plan};

/// Every group runs, with as little as it can: what is measured is what is claimed, and is a number.
#[test]
fn every_claim_is_measured() {
    let plan = Plan {
        rounds: 1,
        program: env!("CARGO_BIN_EXE_hookpoint-bench").into(),
    };
    for group in GROUPS {
        let rows = group.rows(&plan).unwrap();
        assert_eq!(rows.len(), group.claims.len());
        for row in rows {
            assert!(row.value.is_finite(), "{row:?}");
        }
    }
}
