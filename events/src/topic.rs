//! Topics: what an event is about, in dotted tokens.

pub(crate) mod hash;
pub(crate) mod name;

use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;

use crate::error::EventError;
use name::Name;

/// How long a topic or a pattern may be, in bytes.
pub const MAX_TOPIC_BYTES: usize = 512;

/// How many tokens a topic or a pattern may have.
pub const MAX_TOPIC_TOKENS: usize = 32;

/// The topic of an event: tokens with dots between them, such as `order.created`.
///
/// The rules are those of NATS subjects: no token is empty, and none contains white space. Beyond them, tokens
/// contain no control characters and neither `*` nor `>`, which NATS accepts inside of a token, where they mean
/// nothing. There are at most [`MAX_TOPIC_TOKENS`] tokens and [`MAX_TOPIC_BYTES`] bytes. Upper and lower case
/// differ.
///
/// A clone shares the text. Routing is quickest for a topic that is made once and cloned, because it carries
/// its hash.
///
/// ```
/// use hooks_events::Topic;
///
/// let topic = Topic::new("order.created")?;
/// assert_eq!(topic.tokens().collect::<Vec<_>>(), ["order", "created"]);
/// let error = Topic::new("order..created").unwrap_err();
/// assert_eq!(
///     error.to_string(),
///     "the topic `order..created` has an empty token; write one dot between two tokens (at byte 6)"
/// );
/// # Ok::<(), hooks_events::EventError>(())
/// ```
#[derive(Clone)]
pub struct Topic(Name);

impl Topic {
    /// Reads a topic.
    ///
    /// # Errors
    /// [`EventError::BadTopic`] says where it breaks which rule, and what to write instead.
    pub fn new(text: &str) -> Result<Topic, EventError> {
        check(text)?;
        Ok(Topic(Name::new(text)))
    }

    /// Reads a topic that is known when the program is built. Its clones share no counter, so that threads which
    /// make events of the same topic do not slow each other.
    ///
    /// # Errors
    /// As [`Topic::new`].
    pub fn from_static(text: &'static str) -> Result<Topic, EventError> {
        check(text)?;
        Ok(Topic(Name::from_static(text)))
    }

    /// A topic that is known to be one, because it is the text of a pattern without wildcards.
    pub(crate) fn of_literal(name: Name) -> Topic {
        Topic(name)
    }

    pub(crate) fn into_name(self) -> Name {
        self.0
    }

    /// The text.
    #[inline]
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// The tokens between the dots; at least one.
    pub fn tokens(&self) -> impl Iterator<Item = &str> {
        self.as_str().split('.')
    }

    /// The hash of the text, seeded for this process.
    #[inline]
    pub(crate) fn hash_value(&self) -> u64 {
        self.0.hash_value()
    }
}

fn check(text: &str) -> Result<(), EventError> {
    match name::check(text, name::Wildcards::Refused) {
        Ok(_) => Ok(()),
        Err(fault) => Err(EventError::BadTopic {
            text: name::excerpt(text),
            at_bytes: fault.at_bytes,
            why: fault.why.into(),
        }),
    }
}

impl PartialEq for Topic {
    #[inline]
    fn eq(&self, other: &Topic) -> bool {
        self.0 == other.0
    }
}

impl Eq for Topic {}

impl PartialEq<str> for Topic {
    fn eq(&self, other: &str) -> bool {
        self.as_str() == other
    }
}

impl PartialEq<&str> for Topic {
    fn eq(&self, other: &&str) -> bool {
        self.as_str() == *other
    }
}

impl PartialOrd for Topic {
    fn partial_cmp(&self, other: &Topic) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Topic {
    fn cmp(&self, other: &Topic) -> std::cmp::Ordering {
        self.as_str().cmp(other.as_str())
    }
}

impl Hash for Topic {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.hash_value());
    }
}

impl fmt::Display for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Debug for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl AsRef<str> for Topic {
    fn as_ref(&self) -> &str {
        self.as_str()
    }
}

impl FromStr for Topic {
    type Err = EventError;

    fn from_str(text: &str) -> Result<Topic, EventError> {
        Topic::new(text)
    }
}

impl TryFrom<&str> for Topic {
    type Error = EventError;

    fn try_from(text: &str) -> Result<Topic, EventError> {
        Topic::new(text)
    }
}

impl TryFrom<String> for Topic {
    type Error = EventError;

    fn try_from(text: String) -> Result<Topic, EventError> {
        Topic::new(&text)
    }
}

impl From<&Topic> for Topic {
    fn from(topic: &Topic) -> Topic {
        topic.clone()
    }
}

impl serde::Serialize for Topic {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> serde::Deserialize<'de> for Topic {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Topic, D::Error> {
        let text = <std::borrow::Cow<'_, str>>::deserialize(deserializer)?;
        Topic::new(&text).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nats_accepts_is_a_topic() {
        for text in ["a", "a.b.c", "Order.Created", "ünï.cødé", "a-b_c.$d/e", "0"] {
            assert_eq!(Topic::new(text).unwrap(), text);
        }
        let longest = "x".repeat(MAX_TOPIC_BYTES);
        let deepest = ["t"; MAX_TOPIC_TOKENS].join(".");
        assert!(Topic::new(&longest).is_ok() && Topic::new(&deepest).is_ok());
    }

    #[test]
    fn what_is_no_topic_is_refused_with_the_place_and_the_remedy() {
        let long = "x".repeat(MAX_TOPIC_BYTES + 1);
        let deep = ["t"; MAX_TOPIC_TOKENS + 1].join(".");
        for (text, at, why) in [
            ("", 0, "is empty"),
            (".a", 0, "empty token"),
            ("a.", 2, "empty token"),
            ("a..b", 2, "empty token"),
            ("a b", 1, "white space"),
            ("a.\u{a0}", 2, "white space"),
            ("a\u{7}b", 1, "control character"),
            ("a.*", 2, "subscribe"),
            ("a.>", 2, "subscribe"),
            ("a.b*", 3, "subscribe"),
            (&long, MAX_TOPIC_BYTES, "longer than 512 bytes"),
            (&deep, 64, "more than 32 tokens"),
        ] {
            let Err(EventError::BadTopic {
                at_bytes, why: got, ..
            }) = Topic::new(text)
            else {
                panic!("{text} is a topic");
            };
            assert!(
                at_bytes == at && got.contains(why),
                "{text}: {at_bytes} {got}"
            );
        }
        let message = Topic::new(&long).unwrap_err().to_string();
        assert!(message.len() < 200, "{message}");
    }

    #[test]
    fn equal_topics_have_equal_hashes() {
        let (a, b) = (Topic::new("a.b").unwrap(), Topic::new("a.b").unwrap());
        assert!(a == b && a.hash_value() == b.hash_value() && a.clone() == b);
        assert!(a != Topic::new("a.c").unwrap() && a == Topic::from_static("a.b").unwrap());
        assert!(Topic::from_static("a.*").is_err());
    }

    #[test]
    fn serde_checks_the_rules() {
        let topic: Topic = serde_json::from_str("\"a.b\"").unwrap();
        assert_eq!(serde_json::to_string(&topic).unwrap(), "\"a.b\"");
        let error = serde_json::from_str::<Topic>("\"a..b\"").unwrap_err();
        assert!(error.to_string().contains("empty token"));
    }
}
