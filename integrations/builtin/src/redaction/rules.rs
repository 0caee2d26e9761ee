//! Finding and replacing.

use std::collections::BTreeMap;

use regex::{Regex, RegexBuilder, RegexSet, RegexSetBuilder};

use super::known::KNOWN;
use crate::error::BuiltinError;

/// How large a compiled regex may be, in bytes.
const REGEX_BYTES: usize = 1 << 20;
/// How many own regexes there may be.
const MAX_REGEXES: usize = 256;

/// What is looked for, and what takes its place.
pub(crate) struct Rules {
    any: RegexSet,
    rules: Vec<Rule>,
    keys: Vec<String>,
    key_text: String,
}

struct Rule {
    regex: Regex,
    check: Option<fn(&str) -> bool>,
    text: String,
}

/// A place in a text that is to be replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) start: usize,
    pub(crate) end: usize,
    rule: usize,
}

/// The words of the configuration that say what is looked for.
pub(crate) struct Wanted<'a> {
    pub(crate) kind: &'static str,
    pub(crate) patterns: &'a [String],
    pub(crate) regexes: &'a BTreeMap<String, String>,
    pub(crate) keys: &'a [String],
    pub(crate) replacement: &'a str,
}

impl Rules {
    pub(crate) fn new(wanted: &Wanted<'_>) -> Result<Rules, BuiltinError> {
        let bad = |option, why: String| BuiltinError::BadOption {
            kind: wanted.kind,
            option,
            why: why.into(),
        };
        let text = |name: &str| wanted.replacement.replace("{name}", name);
        let (mut rules, mut sources) = (Vec::new(), Vec::new());
        for name in wanted.patterns {
            let known = || KNOWN.iter().filter(|k| k.name == name || k.group == name);
            if known().next().is_none() {
                let names: Vec<_> = KNOWN.iter().map(|k| k.name).collect();
                let why = format!(
                    "has no pattern `{name}` (there are the groups secrets and pii, and: {})",
                    names.join(", ")
                );
                return Err(bad("patterns", why));
            }
            for known in known() {
                if sources.contains(&known.regex) {
                    continue;
                }
                sources.push(known.regex);
                let regex = Regex::new(known.regex).map_err(|e| bad("patterns", e.to_string()))?;
                rules.push(Rule {
                    regex,
                    check: known.check,
                    text: text(known.name),
                });
            }
        }
        if wanted.regexes.len() > MAX_REGEXES {
            return Err(bad("regexes", format!("may have {MAX_REGEXES} at most")));
        }
        for (name, source) in wanted.regexes {
            let regex = RegexBuilder::new(source)
                .size_limit(REGEX_BYTES)
                .build()
                .map_err(|error| bad("regexes", format!("`{name}`: {error}")))?;
            if regex.is_match("") {
                let why = format!("`{name}` matches the empty text; write what it must contain");
                return Err(bad("regexes", why));
            }
            sources.push(source);
            rules.push(Rule {
                regex,
                check: None,
                text: text(name),
            });
        }
        let any = RegexSetBuilder::new(&sources)
            .size_limit(REGEX_BYTES * (1 + sources.len()))
            .build()
            .map_err(|error| bad("regexes", error.to_string()))?;
        let rules = Rules {
            any,
            rules,
            keys: wanted.keys.iter().map(|key| key.to_lowercase()).collect(),
            key_text: text("key"),
        };
        let texts = rules.rules.iter().map(|rule| &rule.text);
        if let Some(text) = texts.chain([&rules.key_text]).find(|t| rules.finds(t)) {
            let why = format!("gives `{text}`, which is itself something to redact");
            return Err(bad("replacement", why));
        }
        Ok(rules)
    }

    /// Whether there is anything to replace.
    pub(crate) fn finds(&self, text: &str) -> bool {
        !self.find_from(text, 0).is_empty()
    }

    /// Whether values under that key are replaced whatever they are.
    pub(crate) fn is_secret_key(&self, key: &str) -> bool {
        self.keys.iter().any(|secret| *secret == key.to_lowercase())
    }

    /// What takes the place of such a value.
    pub(crate) fn key_text(&self) -> &str {
        &self.key_text
    }

    /// What takes the place of what was found.
    pub(crate) fn text_for(&self, found: &Found) -> &str {
        &self.rules[found.rule].text
    }

    /// What is to be replaced at and after `from`, in order, without overlaps. What stands before `from` is only
    /// looked at for word boundaries.
    pub(crate) fn find_from(&self, text: &str, from: usize) -> Vec<Found> {
        let hits = self.any.matches_at(text, from);
        let mut found = Vec::new();
        for rule in hits.into_iter() {
            let Rule { regex, check, .. } = &self.rules[rule];
            let mut at = from;
            while let Some(hit) = regex.find_at(text, at) {
                if check.is_none_or(|check| check(hit.as_str())) {
                    let (start, end) = (hit.start(), hit.end());
                    found.push(Found { start, end, rule });
                    at = hit.end();
                } else {
                    // A part of what failed the check may pass it.
                    let first = hit.as_str().chars().next().map_or(1, char::len_utf8);
                    at = hit.start() + first;
                }
            }
        }
        found.sort_by_key(|f| (f.start, std::cmp::Reverse(f.end)));
        let mut merged: Vec<Found> = Vec::with_capacity(found.len());
        for next in found {
            match merged.last_mut() {
                Some(last) if next.start < last.end => last.end = last.end.max(next.end),
                _ => merged.push(next),
            }
        }
        merged
    }

    /// The text with everything replaced; `None`: nothing was to be.
    pub(crate) fn redact(&self, text: &str) -> Option<String> {
        let found = self.find_from(text, 0);
        if found.is_empty() {
            return None;
        }
        let (mut out, mut at) = (String::with_capacity(text.len()), 0);
        for place in &found {
            out.push_str(&text[at..place.start]);
            out.push_str(self.text_for(place));
            at = place.end;
        }
        out.push_str(&text[at..]);
        Some(out)
    }
}
