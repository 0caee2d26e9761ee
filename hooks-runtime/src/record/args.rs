//! The arguments in a record: at which level, and what is kept of them until it is told.

use serde::Serialize;
use serde_json::Value;

use crate::digest::Digest;
use crate::panic::caught;
use crate::site::ArgInfo;
use crate::view::RawView;

/// How much of the arguments a record holds. Each taker of records gets its own level, whatever others want.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, serde::Deserialize,
)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum ArgLevel {
    /// Names and types.
    #[default]
    Names,
    /// Also a keyed digest of each value: equal values of one process have equal digests.
    Digest,
    /// Also the values, as JSON, as the registry's [`Redactor`] leaves them.
    Redacted,
    /// Also the values as they are, as JSON.
    Full,
}

/// One argument in a record.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct ArgRecord {
    /// The name that hooks use.
    pub name: &'static str,
    /// Its type as written.
    #[serde(rename = "type")]
    pub ty: &'static str,
    /// Keyed digest of its JSON; `None` below [`ArgLevel::Digest`] and for types without JSON.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// The value; `None` below [`ArgLevel::Redacted`] and for types without JSON.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<Value>,
}

/// Takes out what must not be written: of the values in records at [`ArgLevel::Redacted`], and of what hooks say.
///
/// It is called on the caller's thread. If it panics, nothing is left of what it was given.
pub trait Redactor: Send + Sync {
    /// Changes the value of the argument of that name.
    fn redact(&self, name: &str, value: &mut Value);

    /// Changes the reason of a refusal, or what a hook failed with: hooks may quote what they saw, and these texts go
    /// to the caller, into records, events and logs. Default: they stay as they are.
    fn redact_text(&self, text: &mut String) {
        let _ = text;
    }
}

/// What is used if a registry was given no [`Redactor`]: only the shape is left. Texts, numbers and booleans become
/// the name of their kind; keys of objects stay.
#[derive(Clone, Copy, Debug, Default)]
pub struct ShapeOnly;

impl Redactor for ShapeOnly {
    fn redact(&self, _name: &str, value: &mut Value) {
        keep_shape(value);
    }
}

fn keep_shape(value: &mut Value) {
    match value {
        Value::Null => {}
        Value::Bool(_) => *value = "<boolean>".into(),
        Value::Number(_) => *value = "<number>".into(),
        Value::String(_) => *value = "<text>".into(),
        Value::Array(items) => items.iter_mut().for_each(keep_shape),
        Value::Object(fields) => fields.values_mut().for_each(keep_shape),
    }
}

/// Which levels the takers of a site's records want.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Levels {
    digest: bool,
    redacted: bool,
    full: bool,
}

impl Levels {
    pub(crate) fn of(wanted: impl Iterator<Item = ArgLevel>) -> Self {
        wanted.fold(Levels::default(), |levels, level| Levels {
            digest: levels.digest || level >= ArgLevel::Digest,
            redacted: levels.redacted || level == ArgLevel::Redacted,
            full: levels.full || level == ArgLevel::Full,
        })
    }

    /// Whether more than names and types is wanted.
    pub(crate) fn want_values(self) -> bool {
        self.digest
    }
}

/// An argument as it was sealed, with what the takers of this record want of it.
#[derive(Clone, Default)]
pub(crate) struct SealedArg {
    digest: Option<String>,
    redacted: Option<Value>,
    full: Option<Value>,
}

impl SealedArg {
    pub(crate) fn new(
        name: &str,
        view: &RawView,
        levels: Levels,
        digest: &dyn Digest,
        redactor: &dyn Redactor,
    ) -> Self {
        let Ok(json) = view.to_json() else {
            return SealedArg::default();
        };
        let redacted = levels.redacted.then(|| {
            let mut value = json.clone();
            match caught(|| redactor.redact(name, &mut value)) {
                Ok(()) => Some(value),
                Err(_may_quote_the_value) => {
                    tracing::error!(name, "a redactor panicked: the record has no value");
                    None
                }
            }
        });
        SealedArg {
            digest: Some(digest.digest(json.to_string().as_bytes())),
            redacted: redacted.flatten(),
            full: levels.full.then_some(json),
        }
    }

    /// What a taker at that level gets.
    pub(super) fn at(&self, level: ArgLevel, info: &ArgInfo) -> ArgRecord {
        let value = match level {
            ArgLevel::Names | ArgLevel::Digest => &None,
            ArgLevel::Redacted => &self.redacted,
            ArgLevel::Full => &self.full,
        };
        ArgRecord {
            digest: (level >= ArgLevel::Digest)
                .then(|| self.digest.clone())
                .flatten(),
            value: value.clone(),
            ..ArgRecord::named(info)
        }
    }
}

impl ArgRecord {
    /// Name and type.
    pub(super) fn named(info: &ArgInfo) -> Self {
        ArgRecord {
            name: info.name,
            ty: info.ty,
            digest: None,
            value: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn without_a_redactor_only_the_shape_is_left() {
        let mut value =
            json!({ "card": "4111", "sums": [1, true, null], "who": { "name": "Ada" } });
        ShapeOnly.redact("order", &mut value);
        let shape = json!({
            "card": "<text>", "sums": ["<number>", "<boolean>", null], "who": { "name": "<text>" },
        });
        assert_eq!(value, shape);
    }
}
