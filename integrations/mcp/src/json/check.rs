//! What JSON must not be, because two readers could understand it differently.

use std::borrow::Cow;
use std::cell::Cell;
use std::collections::HashSet;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};

/// Objects with more keys than this look for doubles in a set.
const FEW_KEYS: usize = 16;

/// Why a text is not taken as JSON. It shows the place, and nothing of what stands there.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JsonError {
    /// The bytes are not UTF-8.
    #[error("it is not UTF-8: the first wrong byte is byte {at}")]
    Utf8 {
        /// Where, counted from 0.
        at: usize,
    },
    /// It is no JSON, nested too deep, has a key twice, or a number beyond the range of a double.
    #[error("{reason}, at column {column}")]
    Malformed {
        /// What is wrong.
        reason: String,
        /// Where, counted from 1; 0 if it is not known.
        column: usize,
    },
}

impl From<serde_json::Error> for JsonError {
    fn from(error: serde_json::Error) -> Self {
        // What serde says of data shows the data; only our own words and those about syntax do not.
        let text = error.to_string();
        let reason = match text.rsplit_once(" at line ") {
            Some((reason, _)) => reason.to_owned(),
            None => text,
        };
        JsonError::Malformed {
            reason,
            column: error.column(),
        }
    }
}

/// What a text is, besides well-formed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Checked {
    /// Every number is the same when it was read as a [`serde_json::Value`] and written again.
    pub(crate) exact: bool,
    /// How many values and keys it has.
    pub(crate) parts: usize,
}

/// Looks whether a text may be taken.
///
/// # Errors
/// [`JsonError`] for what the module's first line says.
pub(crate) fn check(text: &str, max_depth: usize, max_parts: usize) -> Result<Checked, JsonError> {
    let (exact, parts) = (Cell::new(true), Cell::new(0));
    let mut read = serde_json::Deserializer::from_str(text);
    let whole = Check {
        left: max_depth,
        max_parts,
        exact: &exact,
        parts: &parts,
    };
    whole.deserialize(&mut read)?;
    read.end()?;
    Ok(Checked {
        exact: exact.get(),
        parts: parts.get(),
    })
}

#[derive(Clone, Copy)]
struct Check<'c> {
    /// How much deeper it may get.
    left: usize,
    max_parts: usize,
    exact: &'c Cell<bool>,
    parts: &'c Cell<usize>,
}

impl Check<'_> {
    fn deeper<E: serde::de::Error>(self) -> Result<Self, E> {
        match self.left.checked_sub(1) {
            Some(left) => Ok(Check { left, ..self }),
            None => Err(E::custom("it is nested too deep")),
        }
    }

    /// One more value or key.
    fn count<E: serde::de::Error>(self) -> Result<(), E> {
        self.parts.set(self.parts.get() + 1);
        match self.parts.get() <= self.max_parts {
            true => Ok(()),
            false => {
                let most = self.max_parts;
                let why = format!("it has more values and keys than {most}, which is the most");
                Err(E::custom(why))
            }
        }
    }
}

impl<'de> DeserializeSeed<'de> for Check<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<(), D::Error> {
        self.count()?;
        from.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Check<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }
    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }
    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }
    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }
    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        // It may have been written in another way, or with more digits than a double holds.
        self.exact.set(false);
        Ok(())
    }
    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }
    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let item = self.deeper()?;
        while items.next_element_seed(item)?.is_some() {}
        Ok(())
    }
    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        let member = self.deeper()?;
        let mut keys = Keys::Few(Vec::new());
        while let Some(Key(key)) = members.next_key_seed(KeySeed)? {
            self.count()?;
            if !keys.insert(key) {
                return Err(A::Error::custom("a key stands twice in one object"));
            }
            members.next_value_seed(member)?;
        }
        Ok(())
    }
}

enum Keys<'de> {
    Few(Vec<Cow<'de, str>>),
    Many(HashSet<Cow<'de, str>>),
}

impl<'de> Keys<'de> {
    /// Whether it was not there yet.
    fn insert(&mut self, key: Cow<'de, str>) -> bool {
        match self {
            Keys::Many(keys) => keys.insert(key),
            Keys::Few(keys) if keys.contains(&key) => false,
            Keys::Few(keys) if keys.len() < FEW_KEYS => {
                keys.push(key);
                true
            }
            Keys::Few(keys) => {
                let mut many: HashSet<_> = keys.drain(..).collect();
                let new = many.insert(key);
                *self = Keys::Many(many);
                new
            }
        }
    }
}

struct Key<'de>(Cow<'de, str>);

struct KeySeed;

impl<'de> DeserializeSeed<'de> for KeySeed {
    type Value = Key<'de>;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Key<'de>, D::Error> {
        from.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for KeySeed {
    type Value = Key<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }
    fn visit_borrowed_str<E>(self, key: &'de str) -> Result<Key<'de>, E> {
        Ok(Key(Cow::Borrowed(key)))
    }
    fn visit_str<E>(self, key: &str) -> Result<Key<'de>, E> {
        Ok(Key(Cow::Owned(key.to_owned())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_two_readers_could_understand_differently_is_refused() {
        for (text, reason) in [
            (r#"{"a":1,"a":2}"#, "a key stands twice"),
            (r#"{"a":1,"\u0061":2}"#, "a key stands twice"),
            (r#"[{"b":{"c":0,"d":0,"c":0}}]"#, "a key stands twice"),
            (r#"["\ud800"]"#, "hex escape"),
            ("[1e999]", "out of range"),
            ("[[[[1]]]]", "nested too deep"),
            ("[1] 2", "trailing"),
            ("[1", "EOF"),
            ("[01]", "invalid number"),
            ("[\"\t\"]", "control character"),
        ] {
            let error = check(text, 3, 99).unwrap_err().to_string();
            assert!(error.contains(reason), "{text}: {error}");
        }
        let many: Vec<String> = (0..40).map(|n| format!("\"k{n}\":0")).collect();
        let many = many.join(",");
        assert!(check(&format!("{{{many}}}"), 3, 99).is_ok());
        assert!(check(&format!("{{{many},\"k3\":1}}"), 3, 99).is_err());
    }

    #[test]
    fn values_and_keys_are_counted() {
        let text = r#"{"a":[1,2],"b":{}}"#;
        assert_eq!(check(text, 9, 7).unwrap().parts, 7);
        let error = check(text, 9, 6).unwrap_err().to_string();
        assert!(error.contains("than 6, which is the most"), "{error}");
    }

    #[test]
    fn numbers_that_a_value_holds_are_told_from_others() {
        for exact in ["[1,-2,18446744073709551615]", "{\"a\":[true,null,\"x\"]}"] {
            assert!(check(exact, 9, 99).unwrap().exact, "{exact}");
        }
        for inexact in ["[1.0]", "[1e5]", "[123456789012345678901]", "[-0]"] {
            assert!(!check(inexact, 9, 99).unwrap().exact, "{inexact}");
        }
    }
}
