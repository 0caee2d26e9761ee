//! Keys: digests of what calls are about.

use std::hash::{BuildHasher as _, RandomState};

use hooks_runtime::{ArgError, GuardContext, HookError};
use serde_json::Value;

use crate::rate_limit::Per;

/// Makes keys: digests (BLAKE3, keyed with 256 bits that are drawn when the hook is made) of what a call is
/// about. Keys stand in records, so they must not give away an argument, not even one that is easy to guess.
pub(crate) struct Keys([u8; 32]);

impl Keys {
    pub(crate) fn new() -> Self {
        let mut key = [0; 32];
        for part in key.chunks_mut(8) {
            part.copy_from_slice(&RandomState::new().hash_one(0).to_le_bytes());
        }
        Keys(key)
    }

    /// A digest to be made.
    pub(crate) fn begin(&self) -> blake3::Hasher {
        blake3::Hasher::new_keyed(&self.0)
    }

    /// The key of a call for which the arguments that `counts` names are what matters.
    pub(crate) fn of_call(
        &self,
        cx: &GuardContext<'_>,
        counts: impl Fn(&str) -> bool,
    ) -> Result<String, ArgError> {
        let mut hasher = self.begin();
        let site = cx.site();
        text(&mut hasher, site.point);
        text(&mut hasher, site.path);
        for name in [cx.component(), cx.principal()] {
            maybe(&mut hasher, name);
        }
        for name in cx.arg_names().filter(|name| counts(name)) {
            text(&mut hasher, name);
            canonical(&mut hasher, &cx.arg_json(name)?);
        }
        Ok(hasher.finalize().to_hex().to_string())
    }

    /// The key of what calls are counted by, after what the digest has already.
    pub(crate) fn counted(
        mut hasher: blake3::Hasher,
        cx: &GuardContext<'_>,
        by: &[Per],
    ) -> Result<[u8; 32], HookError> {
        for per in by {
            match per {
                Per::Point => text(&mut hasher, cx.point_name()),
                Per::Component => maybe(&mut hasher, cx.component()),
                Per::Principal => maybe(&mut hasher, cx.principal()),
                Per::Correlation => text(&mut hasher, &cx.correlation_id()),
                Per::Field(name) => {
                    let missing = || HookError::other(format!("the site has no field `{name}`"));
                    canonical(&mut hasher, cx.field(name).ok_or_else(missing)?);
                }
                Per::Argument(name) => canonical(&mut hasher, &cx.arg_json(name)?),
            }
        }
        Ok(*hasher.finalize().as_bytes())
    }
}

/// A text that may not be there; an empty one is.
pub(crate) fn maybe(hasher: &mut blake3::Hasher, name: Option<&str>) {
    hasher.update(&[u8::from(name.is_some())]);
    text(hasher, name.unwrap_or_default());
}

/// A text, with its length before it.
pub(crate) fn text(hasher: &mut blake3::Hasher, text: &str) {
    hasher.update(&(text.len() as u64).to_le_bytes());
    hasher.update(text.as_bytes());
}

/// The value without the order of its keys; lengths and a letter for the kind keep values apart.
pub(crate) fn canonical(hasher: &mut blake3::Hasher, value: &Value) {
    match value {
        Value::Array(items) => {
            hasher
                .update(b"a")
                .update(&(items.len() as u64).to_le_bytes());
            items.iter().for_each(|item| canonical(hasher, item));
        }
        Value::Object(fields) => {
            hasher
                .update(b"o")
                .update(&(fields.len() as u64).to_le_bytes());
            let mut fields: Vec<_> = fields.iter().collect();
            fields.sort_unstable_by_key(|(name, _)| *name);
            for (name, value) in fields {
                text(hasher, name);
                canonical(hasher, value);
            }
        }
        Value::String(value) => {
            hasher.update(b"s");
            text(hasher, value);
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {
            hasher.update(b"v");
            text(hasher, &value.to_string());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn digest(keys: &Keys, value: &Value) -> blake3::Hash {
        let mut hasher = keys.begin();
        canonical(&mut hasher, value);
        hasher.finalize()
    }

    #[test]
    fn equal_values_have_equal_digests_and_others_have_not() {
        let keys = Keys::new();
        let a: Value = serde_json::from_str(r#"{"x": 1, "y": {"a": [], "b": null}}"#).unwrap();
        let b: Value = serde_json::from_str(r#"{"y": {"b": null, "a": []}, "x": 1}"#).unwrap();
        assert_eq!(digest(&keys, &a), digest(&keys, &b));
        assert_ne!(digest(&keys, &a), digest(&Keys::new(), &a));
        let different = [
            json!("1"),
            json!(1),
            json!(1.0),
            json!([1]),
            json!([[1]]),
            json!([1, []]),
            json!({"1": 1}),
            json!(null),
            json!("null"),
            json!(["a", "b"]),
            json!(["ab"]),
        ];
        for (i, a) in different.iter().enumerate() {
            for b in &different[i + 1..] {
                assert_ne!(digest(&keys, a), digest(&keys, b), "{a} {b}");
            }
        }
    }
}
