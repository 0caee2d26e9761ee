//! Patterns over topics: what a subscriber asks for.

use std::fmt;
use std::str::FromStr;

use crate::error::EventError;
use crate::topic::name::{self, Name};
use crate::topic::{MAX_TOPIC_BYTES, MAX_TOPIC_TOKENS, Topic};

/// A pattern over topics, with the meaning of NATS: the token `*` is any one token, and `>` at the end is any
/// one or more.
///
/// A wildcard is a whole token. Patterns have the limits of topics.
///
/// ```
/// use hooks_events::TopicPattern;
///
/// let created = TopicPattern::new("order.*.created")?;
/// assert!(created.matches("order.eu.created") && !created.matches("order.created"));
/// let orders = TopicPattern::new("order.>")?;
/// assert!(orders.matches("order.eu.created") && !orders.matches("order"));
/// # Ok::<(), hooks_events::EventError>(())
/// ```
#[derive(Clone, PartialEq)]
pub struct TopicPattern {
    name: Name,
    is_literal: bool,
}

impl TopicPattern {
    /// Reads a pattern.
    ///
    /// # Errors
    /// [`EventError::BadPattern`] says where it breaks which rule, and what to write instead.
    pub fn new(text: &str) -> Result<TopicPattern, EventError> {
        let checked = name::check(text, name::Wildcards::Allowed).map_err(|fault| {
            EventError::BadPattern {
                text: name::excerpt(text),
                at_bytes: fault.at_bytes,
                why: fault.why.into(),
            }
        })?;
        Ok(TopicPattern {
            name: Name::new(text),
            is_literal: !checked.has_wildcards,
        })
    }

    /// Whether it covers that topic. For one pattern; [`Router`](crate::route::Router) finds all of many.
    pub fn matches(&self, topic: &str) -> bool {
        let mut tokens = topic.split('.');
        for wanted in self.as_str().split('.') {
            match (wanted, tokens.next()) {
                (">", Some(_)) => return true,
                ("*", Some(_)) => {}
                (wanted, Some(token)) if wanted == token => {}
                _ => return false,
            }
        }
        tokens.next().is_none()
    }

    /// Whether it has no wildcard, so that it covers one topic.
    pub fn is_literal(&self) -> bool {
        self.is_literal
    }

    /// The one topic that it covers, if it has no wildcard.
    pub fn as_topic(&self) -> Option<Topic> {
        self.is_literal
            .then(|| Topic::of_literal(self.name.clone()))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        self.name.as_str()
    }
}

impl Eq for TopicPattern {}

impl std::hash::Hash for TopicPattern {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        state.write_u64(self.name.hash_value());
    }
}

impl fmt::Display for TopicPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Debug for TopicPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl FromStr for TopicPattern {
    type Err = EventError;

    fn from_str(text: &str) -> Result<TopicPattern, EventError> {
        TopicPattern::new(text)
    }
}

impl TryFrom<&str> for TopicPattern {
    type Error = EventError;

    fn try_from(text: &str) -> Result<TopicPattern, EventError> {
        TopicPattern::new(text)
    }
}

impl From<&TopicPattern> for TopicPattern {
    fn from(pattern: &TopicPattern) -> TopicPattern {
        pattern.clone()
    }
}

impl From<Topic> for TopicPattern {
    fn from(topic: Topic) -> TopicPattern {
        TopicPattern {
            name: topic.into_name(),
            is_literal: true,
        }
    }
}

impl serde::Serialize for TopicPattern {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> serde::Deserialize<'de> for TopicPattern {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<TopicPattern, D::Error> {
        let text = <std::borrow::Cow<'_, str>>::deserialize(deserializer)?;
        TopicPattern::new(&text).map_err(serde::de::Error::custom)
    }
}

// The messages of `name::check` say these numbers.
const _: () = assert!(MAX_TOPIC_BYTES == 512 && MAX_TOPIC_TOKENS == 32);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wildcards_mean_what_they_mean_in_nats() {
        for (pattern, yes, no) in [
            (">", &["a", "a.b", "a.b.c"][..], &[][..]),
            ("*", &["a"], &["a.b"]),
            ("a", &["a"], &["b", "a.a", "A"]),
            ("a.*", &["a.b"], &["a", "a.b.c", "b.a"]),
            ("a.>", &["a.b", "a.b.c"], &["a", "b.a"]),
            ("*.b", &["a.b"], &["b", "a.c", "a.b.b"]),
            ("*.*.>", &["a.b.c", "a.b.c.d"], &["a.b"]),
            ("a.*.c", &["a.b.c"], &["a.b.d", "a.c", "a.b.b.c"]),
        ] {
            let parsed = TopicPattern::new(pattern).unwrap();
            for topic in yes {
                assert!(parsed.matches(topic), "{pattern} {topic}");
            }
            for topic in no {
                assert!(!parsed.matches(topic), "{pattern} {topic}");
            }
        }
    }

    #[test]
    fn a_pattern_without_wildcards_is_a_topic() {
        let literal = TopicPattern::new("a.b").unwrap();
        let topic = Topic::new("a.b").unwrap();
        assert_eq!(literal.as_topic().as_ref(), Some(&topic));
        assert_eq!(TopicPattern::from(topic), literal);
        assert!(TopicPattern::new("a.*").unwrap().as_topic().is_none());
    }

    #[test]
    fn what_is_no_pattern_is_refused_with_the_place_and_the_remedy() {
        for (text, at, why) in [
            ("", 0, "is empty"),
            ("a..b", 2, "empty token"),
            ("a.>.b", 2, "before its end"),
            (">.>", 0, "before its end"),
            ("a.b*", 3, "whole token"),
            ("a.>b", 2, "whole token"),
            ("**", 0, "whole token"),
            ("a. .b", 2, "white space"),
        ] {
            let Err(EventError::BadPattern {
                at_bytes, why: got, ..
            }) = TopicPattern::new(text)
            else {
                panic!("{text} is a pattern");
            };
            assert!(
                at_bytes == at && got.contains(why),
                "{text}: {at_bytes} {got}"
            );
        }
    }
}
