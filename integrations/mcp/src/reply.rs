//! The result of a request, as hooks see it.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

use crate::json::JsonText;

/// The result of a request: one JSON value, as hooks see and change it, and the text that it came as, from which
/// everything that they did not change goes on. In JSON it is the value itself.
#[derive(Clone, Debug)]
pub struct Reply {
    /// The result.
    pub value: Value,
    text: Option<JsonText>,
}

impl Reply {
    /// Whether it is what the other side answered, and not what a hook put in its place.
    pub(crate) fn has_come(&self) -> bool {
        self.text.is_some()
    }

    /// What goes on. `came` is the text of the answer, if one came: a hook that has put another value in the place
    /// of this one has changed no more than what differs.
    pub(crate) fn into_text(self, came: Option<JsonText>) -> JsonText {
        match self.text.or(came) {
            Some(text) => text.changed_to(&self.value),
            None => JsonText::of(&self.value),
        }
    }
}

impl From<JsonText> for Reply {
    fn from(text: JsonText) -> Self {
        Reply {
            value: text.value(),
            text: Some(text),
        }
    }
}

impl From<Value> for Reply {
    fn from(value: Value) -> Self {
        Reply { value, text: None }
    }
}

impl Serialize for Reply {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        self.value.serialize(to)
    }
}

impl<'de> Deserialize<'de> for Reply {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Value::deserialize(from).map(Reply::from)
    }
}
