//! Events as [CloudEvents 1.0] in structured JSON, for whatever is outside of the process.
//!
//! [`Event`] also implements serde's traits in this form.
//!
//! [CloudEvents 1.0]: https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/formats/json-format.md

mod attribute;
mod read;
mod write;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

use crate::error::EventError;
use crate::event::Event;

/// The media type of an event in this form.
pub const MEDIA_TYPE: &str = "application/cloudevents+json";

/// Bytes as a payload: `data_base64` in CloudEvents, and text in Base64 as JSON.
///
/// ```
/// use hooks_events::Event;
/// use hooks_events::cloud_event::Binary;
///
/// let image = Event::try_new("image.taken", Binary(vec![0xff, 0xd8]))?.with_data_content_type("image/jpeg");
/// assert_eq!(image.to_cloud_event()?["data_base64"], "/9g=");
/// # Ok::<(), hooks_events::EventError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Binary(pub Vec<u8>);

impl Serialize for Binary {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&attribute::to_base64(&self.0))
    }
}

impl Event {
    /// The event as CloudEvents JSON, with an id and a time. The topic is the `type`; the sequence has so many
    /// digits that its text has the order of the numbers.
    ///
    /// ```
    /// use hooks_events::Event;
    ///
    /// let event = Event::try_new("order.created", 17)?.with_subject("order/17").with_sequence(3);
    /// let json = event.to_cloud_event()?;
    /// assert_eq!((json["type"].as_str(), json["data"].as_u64()), (Some("order.created"), Some(17)));
    /// assert_eq!(json["sequence"], "00000000000000000003");
    /// # Ok::<(), hooks_events::EventError>(())
    /// ```
    ///
    /// # Errors
    /// [`EventError::NotJson`]: the payload has no JSON form. [`EventError::NotCloudEvent`]: an attribute has a value
    /// that CloudEvents forbids.
    pub fn to_cloud_event(&self) -> Result<Value, EventError> {
        write::write(self)
    }

    /// An event from CloudEvents JSON. Its payload is a [`Value`], or [`Binary`] if it came as `data_base64`.
    ///
    /// ```
    /// use hooks_events::Event;
    /// use serde_json::json;
    ///
    /// let event = Event::from_cloud_event(json!({
    ///     "specversion": "1.0", "id": "a-1", "source": "/shop", "type": "order.created", "data": { "total": 3 }
    /// }))?;
    /// assert_eq!((event.source(), event.json()?["total"].as_u64()), ("/shop", Some(3)));
    /// # Ok::<(), hooks_events::EventError>(())
    /// ```
    ///
    /// # Errors
    /// [`EventError::NotCloudEvent`] says which attribute is missing or wrong, and what the specification demands.
    /// [`EventError::BadTopic`]: the `type` is no [`Topic`](crate::Topic).
    pub fn from_cloud_event(json: Value) -> Result<Event, EventError> {
        read::read(json)
    }
}

impl Serialize for Event {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let json = self.to_cloud_event().map_err(serde::ser::Error::custom)?;
        json.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Event {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Event, D::Error> {
        let json = Value::deserialize(deserializer)?;
        Event::from_cloud_event(json).map_err(serde::de::Error::custom)
    }
}

fn fault(at: &str, why: impl Into<Box<str>>) -> EventError {
    EventError::NotCloudEvent {
        at: crate::topic::name::excerpt(at),
        why: why.into(),
    }
}
