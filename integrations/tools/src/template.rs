//! Parameter objects that refer to earlier results.
//!
//! In every string of a JSON value `{{path}}` stands for a value of the *scope*, a JSON object: `{{input}}`,
//! `{{steps.sum.result}}`, `{{1.matches.0.path}}` (array elements by number, from 0). A string that is one
//! reference and nothing else becomes the value itself, with its type; within other text strings stand as they
//! are, everything else as compact JSON. `\{{` stands for two braces.
//!
//! ```
//! use hooks_tools::template::fill;
//! use serde_json::json;
//! let scope = json!({"1": {"result": 42.0}});
//! let filled = fill(&json!({"variables": {"x": "{{1.result}}"}, "note": "x is {{1.result}}"}), &scope).unwrap();
//! assert_eq!(filled, json!({"variables": {"x": 42.0}, "note": "x is 42.0"}));
//! ```

use serde_json::{Map, Value};

/// Why a template could not be filled.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TemplateError {
    /// The scope has no such value.
    #[error("`{{{{{reference}}}}}` refers to nothing: `{known}` has {available}")]
    Missing {
        /// The reference as written.
        reference: String,
        /// The longest part of it that exists, `scope` if none.
        known: String,
        /// What there is.
        available: String,
    },
    /// An opening `{{` without its `}}`.
    #[error("`{{{{` without `}}}}` in `{text}`; write `\\{{{{` for two braces")]
    Unclosed {
        /// The string.
        text: String,
    },
}

/// `template` with every reference replaced from `scope`. Keys of objects are left as they are.
///
/// # Errors
/// [`TemplateError`] for the first reference that can't be resolved.
pub fn fill(template: &Value, scope: &Value) -> Result<Value, TemplateError> {
    match template {
        Value::String(text) => fill_text(text, scope),
        Value::Array(items) => items
            .iter()
            .map(|item| fill(item, scope))
            .collect::<Result<_, _>>()
            .map(Value::Array),
        Value::Object(fields) => {
            let filled: Result<Map<_, _>, _> = fields
                .iter()
                .map(|(key, value)| Ok((key.clone(), fill(value, scope)?)))
                .collect();
            filled.map(Value::Object)
        }
        other => Ok(other.clone()),
    }
}

fn fill_text(text: &str, scope: &Value) -> Result<Value, TemplateError> {
    let unclosed = || TemplateError::Unclosed {
        text: text.to_owned(),
    };
    let mut out = String::new();
    let mut rest = text;
    while let Some(open) = rest.find("{{") {
        if rest[..open].ends_with('\\') {
            out.push_str(&rest[..open - 1]);
            out.push_str("{{");
            rest = &rest[open + 2..];
            continue;
        }
        let inner = &rest[open + 2..];
        let close = inner.find("}}").ok_or_else(unclosed)?;
        let value = resolve(inner[..close].trim(), scope)?;
        let after = &inner[close + 2..];
        if out.is_empty() && open == 0 && after.is_empty() {
            return Ok(value.clone());
        }
        out.push_str(&rest[..open]);
        match value {
            Value::String(s) => out.push_str(s),
            other => out.push_str(&other.to_string()),
        }
        rest = after;
    }
    out.push_str(rest);
    Ok(Value::String(out))
}

fn resolve<'a>(reference: &str, scope: &'a Value) -> Result<&'a Value, TemplateError> {
    let mut value = scope;
    let mut known = String::new();
    for part in reference.split('.').map(str::trim) {
        let next = match value {
            Value::Object(fields) => fields.get(part),
            Value::Array(items) => part
                .parse::<usize>()
                .ok()
                .and_then(|index| items.get(index)),
            _ => None,
        };
        value = next.ok_or_else(|| TemplateError::Missing {
            reference: reference.to_owned(),
            known: if known.is_empty() {
                "scope".to_owned()
            } else {
                known.clone()
            },
            available: describe(value),
        })?;
        if !known.is_empty() {
            known.push('.');
        }
        known.push_str(part);
    }
    Ok(value)
}

fn describe(value: &Value) -> String {
    match value {
        Value::Object(fields) if fields.is_empty() => "no fields".to_owned(),
        Value::Object(fields) => format!(
            "the fields {}",
            fields.keys().cloned().collect::<Vec<_>>().join(", ")
        ),
        Value::Array(items) => format!("{} elements, counted from 0", items.len()),
        other => format!("no parts, it is {other}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn filled(text: &str) -> Result<Value, TemplateError> {
        fill(
            &json!(text),
            &json!({"a": {"b": [10, "x", {"c": null}]}, "s": "{{a}}"}),
        )
    }

    #[test]
    fn a_lone_reference_keeps_its_type_and_text_is_joined() {
        assert_eq!(filled("{{a.b.0}}").unwrap(), json!(10));
        assert_eq!(filled("{{ a.b }}").unwrap(), json!([10, "x", {"c": null}]));
        assert_eq!(
            filled("<{{a.b.1}}|{{a.b.2}}>").unwrap(),
            json!("<x|{\"c\":null}>")
        );
        assert_eq!(filled("plain } text {").unwrap(), json!("plain } text {"));
    }

    #[test]
    fn what_is_put_in_is_not_a_template_and_braces_can_be_written() {
        assert_eq!(filled("<{{s}}>").unwrap(), json!("<{{a}}>"));
        assert_eq!(filled(r"\{{a}}").unwrap(), json!("{{a}}"));
    }

    #[test]
    fn errors_say_what_there_is() {
        let message = filled("{{a.x}}").unwrap_err().to_string();
        assert_eq!(message, "`{{a.x}}` refers to nothing: `a` has the fields b");
        assert!(
            filled("{{a.b.7}}")
                .unwrap_err()
                .to_string()
                .contains("`a.b` has 3 elements")
        );
        assert!(
            filled("{{nope}}")
                .unwrap_err()
                .to_string()
                .contains("`scope` has the fields a, s")
        );
        assert!(
            filled("{{a.b.0.z}}")
                .unwrap_err()
                .to_string()
                .contains("no parts, it is 10")
        );
        assert_eq!(
            filled("{{a").unwrap_err().to_string(),
            r"`{{` without `}}` in `{{a`; write `\{{` for two braces"
        );
    }
}
