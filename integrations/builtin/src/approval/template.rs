//! Questions made from what a call is about.

use hooks_runtime::approve::shown;
use hooks_runtime::{ArgError, GuardContext, HookError, Plan};
use serde_json::Value;

use crate::redaction::{self, Rules};

/// The longest template, in bytes.
const MAX_TEMPLATE: usize = 4096;
/// A value with more text than that is not looked at, in bytes.
const MAX_VALUE: usize = 1 << 20;

/// A template whose places were found.
pub(super) struct Template {
    pieces: Vec<Piece>,
    rules: Rules,
    max_chars: usize,
}

#[derive(Debug, PartialEq)]
enum Piece {
    Text(String),
    Point,
    Component,
    Principal,
    Plan,
    Argument { name: String, path: Vec<String> },
}

impl Template {
    /// `Err`: what is wrong, and what to write instead.
    pub(super) fn parse(text: &str, rules: Rules, max_chars: usize) -> Result<Template, String> {
        if text.trim().is_empty() {
            return Err("is empty: write what is to be decided".to_owned());
        }
        if text.len() > MAX_TEMPLATE {
            return Err(format!("must have at most {MAX_TEMPLATE} bytes"));
        }
        Ok(Template {
            pieces: pieces(text)?,
            rules,
            max_chars,
        })
    }

    /// The arguments that it names.
    pub(super) fn arguments(&self) -> impl Iterator<Item = &str> {
        self.pieces.iter().filter_map(|piece| match piece {
            Piece::Argument { name, .. } => Some(name.as_str()),
            _ => None,
        })
    }

    /// The question about a call.
    pub(super) fn fill(&self, cx: &GuardContext<'_>) -> Result<String, HookError> {
        let mut question = String::new();
        for piece in &self.pieces {
            match piece {
                Piece::Text(text) => question.push_str(text),
                Piece::Point => question.push_str(cx.point_name()),
                Piece::Component => question += &self.named(cx.component(), "no component"),
                Piece::Principal => question += &self.named(cx.principal(), "nobody"),
                Piece::Plan => match cx.plan() {
                    Plan::Redirect { to } => {
                        question += "redirect to ";
                        question += &self.named(Some(to), "nobody");
                    }
                    plan => question.push_str(plan.word()),
                },
                Piece::Argument { name, path } => question += &self.argument(cx, name, path)?,
            }
        }
        Ok(question)
    }

    fn named(&self, name: Option<&str>, none: &str) -> String {
        match name {
            Some(name) => {
                let redacted = self.rules.redact(name);
                self.shown(&Value::from(redacted.as_deref().unwrap_or(name)))
            }
            None => none.to_owned(),
        }
    }

    fn argument(
        &self,
        cx: &GuardContext<'_>,
        name: &str,
        path: &[String],
    ) -> Result<String, HookError> {
        // What the type says about a value that it cannot show may quote the value.
        let json = cx.arg_json(name).map_err(|error| match error {
            ArgError::Json { name, .. } => HookError::from(format!("{name} has no JSON form")),
            other => other.into(),
        })?;
        let place = path.iter().try_fold(&json, |value, key| match value {
            Value::Array(items) => items.get(key.parse::<usize>().ok()?),
            value => value.get(key),
        });
        let place =
            place.ok_or_else(|| format!("the argument {name} has no part `{}`", path.join(".")))?;
        let is_secret = |key: &str| self.rules.is_secret_key(key);
        if (is_secret(name) || path.iter().any(|key| is_secret(key))) && !place.is_null() {
            return Ok(self.shown(&self.rules.key_text().into()));
        }
        let mut value = place.clone();
        redaction::redact(&self.rules, &mut value, MAX_VALUE)
            .map_err(|why| format!("the argument {name} {why}"))?;
        Ok(self.shown(&value))
    }

    /// In JSON texts have quotes: where they end cannot be feigned.
    fn shown(&self, value: &Value) -> String {
        shown(&value.to_string(), self.max_chars)
    }
}

fn pieces(text: &str) -> Result<Vec<Piece>, String> {
    let (mut pieces, mut plain, mut rest) = (Vec::new(), String::new(), text);
    while let Some(at) = rest.find(['{', '}']) {
        plain.push_str(&rest[..at]);
        let (brace, after) = rest[at..].split_at(1);
        if let Some(after) = after.strip_prefix(brace) {
            plain.push_str(brace);
            rest = after;
            continue;
        }
        let end = (brace == "{").then(|| after.find('}')).flatten();
        let end = end.ok_or_else(|| {
            format!("has a single `{brace}`: write `{brace}{brace}` for a brace, or `{{point}}`")
        })?;
        if !plain.is_empty() {
            pieces.push(Piece::Text(std::mem::take(&mut plain)));
        }
        pieces.push(piece(&after[..end])?);
        rest = &after[end + 1..];
    }
    plain.push_str(rest);
    if !plain.is_empty() {
        pieces.push(Piece::Text(plain));
    }
    Ok(pieces)
}

fn piece(name: &str) -> Result<Piece, String> {
    let unknown = || {
        format!(
            "has `{{{name}}}`; there are {{point}}, {{component}}, {{principal}}, {{plan}}, {{args.NAME}} and \
             {{args.NAME.KEY}}"
        )
    };
    match name {
        "point" => Ok(Piece::Point),
        "component" => Ok(Piece::Component),
        "principal" => Ok(Piece::Principal),
        "plan" => Ok(Piece::Plan),
        _ => {
            let path = name.strip_prefix("args.").ok_or_else(unknown)?;
            let mut path = path.split('.').map(str::to_owned);
            let name = path.next().filter(|name| !name.is_empty());
            let (name, path) = (name.ok_or_else(unknown)?, path.collect::<Vec<_>>());
            if path.iter().any(String::is_empty) {
                return Err(unknown());
            }
            Ok(Piece::Argument { name, path })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_found_and_mistakes_named() {
        let found = pieces("{{Pay}} {args.order.cents} to {component}?").unwrap();
        let argument = Piece::Argument {
            name: "order".to_owned(),
            path: vec!["cents".to_owned()],
        };
        let text = |text: &str| Piece::Text(text.to_owned());
        let wanted = [
            text("{Pay} "),
            argument,
            text(" to "),
            Piece::Component,
            text("?"),
        ];
        assert_eq!(found, wanted);
        for (template, part) in [
            ("{", "single `{`"),
            ("a } b", "single `}`"),
            ("{order}", "`{order}`; there are {point}"),
            ("{args.}", "{args.NAME}"),
            ("{args.a..b}", "{args.NAME}"),
            ("{}", "{args.NAME}"),
        ] {
            let why = pieces(template).unwrap_err();
            assert!(why.contains(part), "{template}: {why}");
        }
    }
}
