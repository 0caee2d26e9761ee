//! Patterns over point names: `*` is one segment, `>` at the end is one or more.

use crate::error::HookError;
use crate::point::{self, HookPoint, Phase, RESERVED_GROUPS};

/// A point name or a pattern over point names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    text: Box<str>,
    literal: bool,
}

impl Pattern {
    /// Reads a pattern; an alias of the predecessor gives its point and the phase that it implies.
    ///
    /// # Errors
    /// [`HookError::UnknownPoint`] for a reserved name that is none of the built-in points,
    /// [`HookError::BadPattern`] for text that can never match.
    ///
    /// ```
    /// use hooks_runtime::{Phase, pattern::Pattern};
    /// let (tools, phase) = Pattern::parse("tool.*").unwrap();
    /// assert!(tools.matches("tool.execute") && phase.is_none());
    /// let (after, phase) = Pattern::parse("AfterToolExecution").unwrap();
    /// assert!(after.matches("tool.execute") && phase == Some(Phase::Post));
    /// assert!(Pattern::parse("tool.exekute").unwrap_err().to_string().contains("did you mean `tool.execute`"));
    /// ```
    pub fn parse(text: &str) -> Result<(Pattern, Option<Phase>), HookError> {
        if let Some((point, phase)) = point::alias(text) {
            return Ok((
                Pattern {
                    text: point.name().into(),
                    literal: true,
                },
                Some(phase),
            ));
        }
        let bad = |why: &str| {
            Err(HookError::BadPattern {
                pattern: text.into(),
                why: why.into(),
            })
        };
        if text == "*" {
            return bad("has one segment and no point has; write `>` for every point");
        }
        let segments: Vec<&str> = text.split('.').collect();
        for (i, segment) in segments.iter().enumerate() {
            match *segment {
                "" => {
                    return bad(
                        "has an empty segment; write dotted names such as `tool.execute` or `tool.*`",
                    );
                }
                ">" if i + 1 != segments.len() => {
                    return bad("has `>` before its end; `>` stands for all that follows");
                }
                "*" | ">" => {}
                s if s
                    .bytes()
                    .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_') => {}
                _ if segments.len() == 1 => return Err(unknown(text)),
                _ => return bad("has a segment that is neither a lower-case name, `*` nor `>`"),
            }
        }
        let literal = !segments.iter().any(|s| matches!(*s, "*" | ">"));
        if literal && !HookPoint::parse(text).is_builtin() {
            let reserved = RESERVED_GROUPS.contains(&segments[0]) && segments.get(1) != Some(&"x");
            if reserved || segments.len() == 1 {
                return Err(unknown(text));
            }
        }
        Ok((
            Pattern {
                text: text.into(),
                literal,
            },
            None,
        ))
    }

    /// Whether the pattern covers the point of that name.
    pub fn matches(&self, name: &str) -> bool {
        if self.literal {
            return *self.text == *name;
        }
        let mut names = name.split('.');
        for segment in self.text.split('.') {
            match (segment, names.next()) {
                (">", Some(_)) => return true,
                ("*", Some(_)) => {}
                (s, Some(n)) if s == n => {}
                _ => return false,
            }
        }
        names.next().is_none()
    }

    /// Whether it covers every name that the other one covers.
    pub(crate) fn covers(&self, other: &Pattern) -> bool {
        let mut others = other.text.split('.');
        for segment in self.text.split('.') {
            match (segment, others.next()) {
                (">", Some(_)) => return true,
                ("*", Some(other)) if other != ">" => {}
                (s, Some(other)) if s == other => {}
                _ => return false,
            }
        }
        others.next().is_none()
    }

    /// Whether it names exactly one point.
    pub fn is_literal(&self) -> bool {
        self.literal
    }

    /// The text of the pattern.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

/// The error for a name that is no point, with the nearest one that is.
pub(crate) fn unknown(name: &str) -> HookError {
    let names = point::BUILTIN
        .iter()
        .map(HookPoint::name)
        .chain(point::ALIASES.iter().map(|(a, _, _)| *a));
    HookError::UnknownPoint {
        name: name.into(),
        suggestion: point::suggest(name, names).map(Into::into),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wildcards_follow_nats() {
        let p = |s: &str| Pattern::parse(s).unwrap().0;
        assert!(p(">").matches("tool.execute"));
        assert!(p("tool.>").matches("tool.execute") && p("tool.>").matches("tool.x.mine"));
        assert!(!p("tool.*").matches("tool.x.mine") && !p("tool.*").matches("tool"));
        assert!(p("*.execute").matches("agent.execute") && !p("*.execute").matches("agent.start"));
    }

    #[test]
    fn a_pattern_covers_what_matches_no_more_than_it() {
        let covers = |a: &str, b: &str| {
            let parse = |text| Pattern::parse(text).unwrap().0;
            parse(a).covers(&parse(b))
        };
        for (wide, narrow) in [
            (">", "tool.>"),
            ("tool.>", "tool.*"),
            ("tool.*", "tool.execute"),
            ("*.execute", "tool.execute"),
            ("a.*.c", "a.*.c"),
        ] {
            assert!(
                covers(wide, narrow) && covers(wide, wide),
                "{wide} {narrow}"
            );
            assert!(wide == narrow || !covers(narrow, wide), "{narrow} {wide}");
        }
        assert!(!covers("tool.*", "agent.start") && !covers("a.b.>", "a.b"));
    }

    #[test]
    fn what_can_never_match_is_refused_with_the_reason() {
        for (text, why) in [
            ("*", "write `>`"),
            ("tool..x", "empty segment"),
            (">.execute", "before its end"),
            ("tool.Execute", "lower-case"),
            ("tool.nothing", "not a hook point"),
            ("BeforeToolExekution", "did you mean `BeforeToolExecution`"),
            ("", "empty segment"),
        ] {
            let error = Pattern::parse(text).unwrap_err().to_string();
            assert!(error.contains(why), "{text}: {error}");
        }
        assert!(Pattern::parse("tool.x.mine").is_ok() && Pattern::parse("billing.charge").is_ok());
    }
}
