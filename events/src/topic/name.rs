//! The text of a topic or a pattern, with its hash, and the rules for both.

use std::sync::Arc;

use super::{MAX_TOPIC_BYTES, MAX_TOPIC_TOKENS, hash};

/// Checked text with its hash.
#[derive(Clone)]
pub(crate) struct Name {
    text: Text,
    hash: u64,
}

#[derive(Clone)]
enum Text {
    /// A clone touches no counter, so threads that clone it do not wait for each other.
    Static(&'static str),
    Shared(Arc<str>),
}

impl Name {
    /// Of text that was checked.
    pub(crate) fn new(text: &str) -> Name {
        Name::of(Text::Shared(text.into()))
    }

    /// Of text that was checked.
    pub(crate) fn from_static(text: &'static str) -> Name {
        Name::of(Text::Static(text))
    }

    fn of(text: Text) -> Name {
        // Zero marks places without a name.
        let hash = hash::of(text.as_str().as_bytes()).max(1);
        Name { text, hash }
    }

    #[inline]
    pub(crate) fn as_str(&self) -> &str {
        self.text.as_str()
    }

    /// Never zero.
    #[inline]
    pub(crate) fn hash_value(&self) -> u64 {
        self.hash
    }
}

impl Text {
    #[inline]
    fn as_str(&self) -> &str {
        match self {
            Text::Static(text) => text,
            Text::Shared(text) => text,
        }
    }
}

impl PartialEq for Name {
    #[inline]
    fn eq(&self, other: &Name) -> bool {
        let (text, other_text) = (self.as_str(), other.as_str());
        self.hash == other.hash && (std::ptr::eq(text, other_text) || text == other_text)
    }
}

/// Whether `*` and `>` may stand for tokens.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Wildcards {
    Allowed,
    Refused,
}

/// Where text breaks a rule, and what to write instead.
pub(crate) struct Fault {
    pub(crate) at_bytes: usize,
    pub(crate) why: &'static str,
}

/// What [`check`] found.
pub(crate) struct Checked {
    pub(crate) has_wildcards: bool,
}

/// Checks text against the rules of topics and patterns.
pub(crate) fn check(text: &str, wildcards: Wildcards) -> Result<Checked, Fault> {
    let fault = |at_bytes, why| Err(Fault { at_bytes, why });
    if text.is_empty() {
        return fault(
            0,
            "is empty; write tokens with dots between them, such as `order.created`",
        );
    }
    if text.len() > MAX_TOPIC_BYTES {
        return fault(
            MAX_TOPIC_BYTES,
            "is longer than 512 bytes; put what varies into the subject or the data of the event",
        );
    }
    let mut has_wildcards = false;
    let mut start = 0;
    for (nth, token) in text.split('.').enumerate() {
        if nth == MAX_TOPIC_TOKENS {
            return fault(
                start,
                "has more than 32 tokens; put what varies into the subject or the data of the event",
            );
        }
        if token.is_empty() {
            return fault(
                start,
                "has an empty token; write one dot between two tokens",
            );
        }
        let is_wildcard = matches!(token, "*" | ">") && wildcards == Wildcards::Allowed;
        if is_wildcard {
            has_wildcards = true;
            if token == ">" && start + 1 != text.len() {
                return fault(
                    start,
                    "has `>` before its end; `>` is all tokens that follow, `*` is one token",
                );
            }
        } else if let Some((at, why)) = bad_character(token, wildcards) {
            return fault(start + at, why);
        }
        start += token.len() + 1;
    }
    Ok(Checked { has_wildcards })
}

/// The first character that no token may contain.
fn bad_character(token: &str, wildcards: Wildcards) -> Option<(usize, &'static str)> {
    let is_plain = |b: u8| b.is_ascii_graphic() && b != b'*' && b != b'>';
    if token.bytes().all(is_plain) {
        return None;
    }
    token.char_indices().find_map(|(at, c)| {
        let why = match c {
            '*' | '>' if wildcards == Wildcards::Refused => {
                "has a wildcard; an event has one topic, and only those who subscribe use patterns"
            }
            '*' | '>' => {
                "has a wildcard inside of a token; a wildcard is a whole token: write `order.*` for one token, \
                 `order.>` for one or more"
            }
            c if c.is_whitespace() => "has white space; write `-` or `_` instead",
            c if c.is_control() => "has a control character; write letters, digits, `-` and `_`",
            _ => return None,
        };
        Some((at, why))
    })
}

/// The text for a message: not more of it than helps.
pub(crate) fn excerpt(text: &str) -> Box<str> {
    const SHOWN_BYTES: usize = 64;
    if text.len() <= SHOWN_BYTES {
        return text.escape_debug().to_string().into();
    }
    let shown = &text[..text.floor_char_boundary(SHOWN_BYTES)];
    format!("{}…", shown.escape_debug()).into()
}
