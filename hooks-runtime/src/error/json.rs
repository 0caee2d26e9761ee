//! What serde says about JSON that does not fit, without the value: it may be a secret, and the message goes into
//! refusals, records and logs.

/// The cause in serde's words where they tell of types and names that the program has written; no value, and nothing
/// that a type's own code says.
pub(crate) fn cause(error: &serde_json::Error) -> Box<str> {
    let text = error.to_string();
    if !error.is_data() {
        // Where the text is no JSON, by line and column.
        return text.into();
    }
    let cause = match text.split_once([':', ' ', '`']).map(|(first, _)| first) {
        Some("invalid") => unexpected(&text),
        Some("missing") => Some(text.as_str().into()),
        Some("unknown") => unknown(&text),
        _ => None,
    };
    let own = || "it does not fit (what the type itself says is left out: it may quote the value)";
    cause.unwrap_or_else(|| own().into())
}

/// `invalid type: string "…", expected u64`, `invalid length 3, expected …`.
fn unexpected(text: &str) -> Option<Box<str>> {
    let (what, rest) = match text.split_once(": ") {
        Some(("invalid type", rest)) => ("invalid type", rest),
        Some(("invalid value", rest)) => ("invalid value", rest),
        _ => return text.starts_with("invalid length ").then(|| text.into()),
    };
    // What was expected is the program's; what comes before may hold anything.
    let (found, expected) = rest.rsplit_once(", expected ")?;
    let kind = found.split([' ', '`', '"', '(']).next().unwrap_or_default();
    let kinds = [
        "boolean",
        "integer",
        "floating",
        "character",
        "string",
        "byte",
        "unit",
        "null",
        "Option",
        "newtype",
        "sequence",
        "map",
        "enum",
        "tuple",
        "struct",
    ];
    let kind = kinds.contains(&kind).then_some(kind)?;
    let kind = if kind == "floating" {
        "floating point"
    } else {
        kind
    };
    Some(format!("{what}: {kind}, expected {expected}").into())
}

/// ``unknown field `x`, expected one of …``: the name came with the value.
fn unknown(text: &str) -> Option<Box<str>> {
    let what = ["unknown field", "unknown variant"];
    let what = what.into_iter().find(|what| text.starts_with(what))?;
    let none = format!("{what}, there are none");
    match text.rsplit_once(", expected ") {
        Some((_, expected)) => Some(format!("{what}, expected {expected}").into()),
        None => text.ends_with(", there are no fields").then(|| none.into()),
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;
    use serde_json::{Value, json};

    use super::cause;

    const SECRET: &str = "hunter2, expected u8";

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields, rename_all = "lowercase")]
    #[allow(dead_code)]
    struct Login {
        user: String,
        pin: u16,
        #[serde(default)]
        kind: Option<Kind>,
        #[serde(default, deserialize_with = "own")]
        own: u8,
    }

    #[derive(Debug, Deserialize)]
    #[serde(rename_all = "lowercase")]
    enum Kind {
        Admin,
    }

    fn own<'de, D: serde::Deserializer<'de>>(from: D) -> Result<u8, D::Error> {
        let value = Value::deserialize(from)?;
        Err(serde::de::Error::custom(format!("cannot read {value}")))
    }

    #[test]
    fn what_is_wrong_is_said_without_the_value() {
        for (value, wanted) in [
            (
                json!({ "user": "a", "pin": SECRET }),
                "invalid type: string, expected u16",
            ),
            (
                json!({ "user": "a", "pin": 70000 }),
                "invalid value: integer, expected u16",
            ),
            (
                json!({ "user": "a", "pin": 1.5 }),
                "invalid type: floating point, expected u16",
            ),
            (
                json!({ "user": [SECRET], "pin": 1 }),
                "invalid type: sequence, expected a string",
            ),
            (json!({ "user": "a" }), "missing field `pin`"),
            (
                json!({ "user": "a", "pin": 1, SECRET: 1 }),
                "unknown field, expected one of `user`, ",
            ),
            (
                json!({ "user": "a", "pin": 1, "kind": SECRET }),
                "unknown variant, expected `admin`",
            ),
            (
                json!({ "user": "a", "pin": 1, "own": SECRET }),
                "it does not fit (what the type itself",
            ),
            (json!(SECRET), "invalid type: string, expected struct Login"),
        ] {
            let error = serde_json::from_value::<Login>(value).unwrap_err();
            let cause = cause(&error);
            assert!(cause.starts_with(wanted), "{error}: {cause}");
            assert!(!cause.contains("hunter2"), "{cause}");
        }
    }
}
