//! One JSON value as text.

use std::fmt;
use std::sync::Arc;

use serde_json::Value;

use super::check::{Checked, JsonError, check};
use super::merge;

/// How much one value or key takes as a [`Value`], in bytes: its own size, its share of a list or map, and the
/// allocation of a short string.
const PART: usize = 128;

/// A JSON value as it was written, without the white space between its parts: well-formed, no key twice in one
/// object, not deeper than allowed. Cheap to clone.
#[derive(Clone)]
pub struct JsonText {
    text: Arc<str>,
    /// How many values and keys it had when it was read; 0 if it was made here.
    parts: usize,
    /// Reading it as a [`Value`] and writing that gives the same text, but for how strings are escaped.
    exact: bool,
}

impl JsonText {
    /// Checks a text.
    ///
    /// # Errors
    /// [`JsonError`], with the place.
    pub fn parse(text: &str, max_depth: usize) -> Result<Self, JsonError> {
        Self::parse_within(text, max_depth, usize::MAX)
    }

    /// Checks a text that may have so many values and keys.
    pub(crate) fn parse_within(
        text: &str,
        max_depth: usize,
        max_parts: usize,
    ) -> Result<Self, JsonError> {
        let Checked { exact, parts } = check(text, max_depth, max_parts)?;
        Ok(JsonText {
            text: compact(text).into(),
            parts,
            exact,
        })
    }

    /// About how many bytes it takes with what it means.
    pub(crate) fn weight(&self) -> usize {
        self.text
            .len()
            .saturating_add(self.parts.saturating_mul(PART))
    }

    /// The text of a value.
    pub fn of(value: &Value) -> Self {
        JsonText {
            text: value.to_string().into(),
            parts: 0,
            exact: true,
        }
    }

    /// The text of a value that was made from this one. Whatever was not changed stays as it was written, numbers
    /// that a [`Value`] cannot hold among it.
    pub fn changed_to(&self, value: &Value) -> Self {
        if self.exact {
            return JsonText::of(value);
        }
        let mut text = String::with_capacity(self.text.len());
        merge::write(&mut text, value, Some(&self.text));
        JsonText {
            text: text.into(),
            parts: 0,
            exact: false,
        }
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// What it means. Numbers that are neither whole numbers of 64 bits nor doubles become the nearest double.
    pub fn value(&self) -> Value {
        match serde_json::from_str(&self.text) {
            Ok(value) => value,
            Err(error) => unreachable!("it was checked: {error}"),
        }
    }
}

impl PartialEq for JsonText {
    fn eq(&self, other: &Self) -> bool {
        (&self.text, self.exact) == (&other.text, other.exact)
    }
}

impl Eq for JsonText {}

impl fmt::Debug for JsonText {
    /// The text itself: whoever looks for secrets in what fails must find them.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Without white space outside of strings; the text is JSON.
fn compact(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let (mut in_string, mut escaped, mut from) = (false, false, 0);
    for (at, byte) in text.bytes().enumerate() {
        if in_string {
            match byte {
                _ if escaped => escaped = false,
                b'\\' => escaped = true,
                b'"' => in_string = false,
                _ => {}
            }
        } else if byte == b'"' {
            in_string = true;
        } else if matches!(byte, b' ' | b'\t' | b'\r' | b'\n') {
            out.push_str(&text[from..at]);
            from = at + 1;
        }
    }
    out.push_str(&text[from..]);
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            // Those that are read back as they were written.
            any::<i32>().prop_map(|eighths| Value::from(f64::from(eighths) / 8.0)),
            any::<String>().prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 32, 6, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
                prop::collection::btree_map(any::<String>(), inner, 0..6)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn white_space_goes_and_nothing_else(value in json()) {
            let pretty = serde_json::to_string_pretty(&value).unwrap();
            let text = JsonText::parse(&pretty, 100).unwrap();
            prop_assert_eq!(text.as_str(), value.to_string());
            prop_assert_eq!(text.value(), value);
        }

        #[test]
        fn changes_are_what_was_changed(original in json(), new in json()) {
            let text = JsonText::parse(&original.to_string(), 100).unwrap();
            prop_assert_eq!(text.changed_to(&new).value(), new);
            prop_assert_eq!(text.changed_to(&original), text);
        }
    }
}
