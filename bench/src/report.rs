//! Rows as a table for people, as Markdown for the book, and as JSON for programs.

use std::fmt::Write;

use serde::Serialize;

/// Which way is better.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Better {
    /// The target is the most that it may be.
    Lower,
    /// The target is the least that it may be.
    Higher,
}

/// In what a row is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Unit {
    /// One time over another.
    #[serde(rename = "ratio")]
    Ratio,
    /// Nanoseconds.
    #[serde(rename = "ns")]
    Ns,
    /// Microseconds.
    #[serde(rename = "us")]
    Micros,
    /// Percent more than without.
    #[serde(rename = "%")]
    Percent,
    /// Times per second.
    #[serde(rename = "per_s")]
    PerSecond,
    /// Bytes.
    #[serde(rename = "bytes")]
    Bytes,
    /// A number of things.
    #[serde(rename = "count")]
    Count,
}

impl Unit {
    fn suffix(self) -> &'static str {
        match self {
            Unit::Ratio => "×",
            Unit::Ns => " ns",
            Unit::Micros => " µs",
            Unit::Percent => " %",
            Unit::PerSecond => "/s",
            Unit::Bytes => " B",
            Unit::Count => "",
        }
    }
}

/// What a row measures, and what it should be. The name is stable: others compare by it.
#[derive(Clone, Copy, Debug)]
pub struct Claim {
    /// Words separated by dots, the group first.
    pub name: &'static str,
    /// In words.
    pub what: &'static str,
    /// Of value and target.
    pub unit: Unit,
    /// `None`: shown only.
    pub target: Option<f64>,
    /// Which side of the target is good.
    pub better: Better,
}

impl Claim {
    /// Shown, without a target; less is better.
    pub const fn shown(name: &'static str, unit: Unit, what: &'static str) -> Self {
        Claim {
            name,
            what,
            unit,
            target: None,
            better: Better::Lower,
        }
    }

    /// At most `target`.
    pub const fn at_most(name: &'static str, target: f64, unit: Unit, what: &'static str) -> Self {
        Claim {
            name,
            what,
            unit,
            target: Some(target),
            better: Better::Lower,
        }
    }

    /// At least `target`.
    pub const fn at_least(name: &'static str, target: f64, unit: Unit, what: &'static str) -> Self {
        Claim {
            name,
            what,
            unit,
            target: Some(target),
            better: Better::Higher,
        }
    }

    fn target_text(&self) -> String {
        match self.target {
            None => "shown".to_owned(),
            Some(target) => {
                let sign = if self.better == Better::Lower {
                    "≤"
                } else {
                    "≥"
                };
                format!("{sign} {target}{}", self.unit.suffix())
            }
        }
    }
}

/// What was measured for a claim.
#[derive(Debug)]
pub struct Row {
    /// The claim.
    pub claim: Claim,
    /// In its unit.
    pub value: f64,
    /// Allocations per call of what the claim is about.
    pub allocations: Option<f64>,
    /// What one must know to read it.
    pub note: String,
}

/// A row as programs get it.
#[derive(Serialize)]
struct JsonRow<'a> {
    name: &'a str,
    value: f64,
    unit: Unit,
    target: Option<f64>,
    better: Better,
    allocs: Option<f64>,
    note: &'a str,
}

impl Row {
    /// Whether the target is met; `None`: there is none.
    pub fn is_met(&self) -> Option<bool> {
        self.claim.target.map(|target| match self.claim.better {
            Better::Lower => self.value <= target,
            Better::Higher => self.value >= target,
        })
    }

    fn met_text(&self) -> &'static str {
        match self.is_met() {
            Some(true) => "met",
            Some(false) => "not met",
            None => "",
        }
    }

    fn value_text(&self) -> String {
        let digits = match self.claim.unit {
            Unit::Bytes | Unit::Count | Unit::PerSecond => 0,
            _ if self.value.abs() >= 100.0 => 0,
            _ => 2,
        };
        let text = format!("{:.digits$}", self.value);
        // What rounds to zero has no sign.
        let is_zero = text.bytes().all(|b| b"-0.".contains(&b));
        let text = if is_zero {
            text.trim_start_matches('-')
        } else {
            &text
        };
        format!("{text}{}", self.claim.unit.suffix())
    }

    fn allocations_text(&self) -> String {
        self.allocations.map_or_else(String::new, |count| {
            let text = format!("{count:.2}");
            text.trim_end_matches('0').trim_end_matches('.').to_owned()
        })
    }
}

/// The rows as a JSON array.
///
/// # Errors
/// A value is not a number.
pub fn json(rows: &[Row]) -> Result<String, serde_json::Error> {
    let row = |row: &'_ Row| -> serde_json::Result<serde_json::Value> {
        serde_json::to_value(JsonRow {
            name: row.claim.name,
            value: row.value,
            unit: row.claim.unit,
            target: row.claim.target,
            better: row.claim.better,
            allocs: row.allocations,
            note: &row.note,
        })
    };
    serde_json::to_string_pretty(&rows.iter().map(row).collect::<Result<Vec<_>, _>>()?)
}

const HEAD: [&str; 7] = ["name", "value", "target", "", "better", "allocs", "note"];

/// The rows for a terminal.
pub fn table(rows: &[Row]) -> String {
    let mut lines = vec![HEAD.map(str::to_owned)];
    lines.extend(rows.iter().map(|row| {
        let better = if row.claim.better == Better::Lower {
            "lower"
        } else {
            "higher"
        };
        [
            row.claim.name.to_owned(),
            row.value_text(),
            row.claim.target_text(),
            row.met_text().to_owned(),
            better.to_owned(),
            row.allocations_text(),
            row.note.clone(),
        ]
    }));
    let width = |at: usize| {
        lines
            .iter()
            .map(|l| l[at].chars().count())
            .max()
            .unwrap_or(0)
    };
    let widths: [usize; 7] = std::array::from_fn(width);
    let mut text = String::new();
    for line in &lines {
        let mut out = String::new();
        for (at, cell) in line.iter().enumerate() {
            let width = widths[at];
            // Numbers to the right, words to the left; writing to a string does not fail.
            let _ = match at {
                1 | 2 | 5 => write!(out, "{cell:>width$}  "),
                _ => write!(out, "{cell:<width$}  "),
            };
        }
        text.push_str(out.trim_end());
        text.push('\n');
    }
    text
}

/// The rows as the table of `docs/performance.md`.
pub fn markdown(rows: &[Row]) -> String {
    let mut text =
        String::from("| claim | row | target | measured | allocations |\n|---|---|---|---|---|\n");
    for row in rows {
        let met = if row.is_met() == Some(false) {
            " (not met)"
        } else {
            ""
        };
        let (what, name, target) = (row.claim.what, row.claim.name, row.claim.target_text());
        let (value, allocations) = (row.value_text(), row.allocations_text());
        text += &format!("| {what} | `{name}` | {target} | {value}{met} | {allocations} |\n");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(claim: Claim, value: f64) -> Row {
        Row {
            claim,
            value,
            allocations: Some(1.5),
            note: "a note".into(),
        }
    }

    #[test]
    fn a_target_is_met_from_its_side() {
        let lower = Claim::at_most("a.b", 1.1, Unit::Ratio, "");
        assert_eq!(row(lower, 1.1).is_met(), Some(true));
        assert_eq!(row(lower, 1.11).is_met(), Some(false));
        let higher = Claim::at_least("a.b", 40.0, Unit::Ratio, "");
        assert_eq!(row(higher, 41.0).is_met(), Some(true));
        assert_eq!(row(higher, 39.0).is_met(), Some(false));
        assert_eq!(row(Claim::shown("a.b", Unit::Ns, ""), 39.0).is_met(), None);
    }

    #[test]
    fn programs_get_the_fields_they_know() {
        let rows = [
            row(Claim::at_most("a.b", 2.5, Unit::Percent, "what"), 0.5),
            row(Claim::shown("a.c", Unit::Bytes, "what"), 40.0),
        ];
        let json: serde_json::Value = serde_json::from_str(&json(&rows).unwrap()).unwrap();
        let expected = serde_json::json!([
            {"name": "a.b", "value": 0.5, "unit": "%", "target": 2.5, "better": "lower", "allocs": 1.5, "note": "a note"},
            {"name": "a.c", "value": 40.0, "unit": "bytes", "target": null, "better": "lower", "allocs": 1.5, "note": "a note"},
        ]);
        assert_eq!(json, expected);
    }

    #[test]
    fn people_get_columns() {
        let rows = [row(Claim::at_most("a.b", 1.1, Unit::Ratio, "idle"), 1.256)];
        let table = table(&rows);
        let lines: Vec<Vec<&str>> = table
            .lines()
            .map(|l| l.split_whitespace().collect())
            .collect();
        assert_eq!(
            lines[1],
            [
                "a.b", "1.26×", "≤", "1.1×", "not", "met", "lower", "1.5", "a", "note"
            ]
        );
        assert_eq!(
            row(Claim::shown("a.b", Unit::Percent, ""), -0.001).value_text(),
            "0.00 %"
        );
        assert_eq!(
            row(Claim::shown("a.b", Unit::Percent, ""), -0.01).value_text(),
            "-0.01 %"
        );
        assert_eq!(
            row(Claim::shown("a.b", Unit::Percent, ""), 117.4).value_text(),
            "117 %"
        );
        assert!(markdown(&rows).ends_with("| idle | `a.b` | ≤ 1.1× | 1.26× (not met) | 1.5 |\n"));
    }
}
