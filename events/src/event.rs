//! An event: something that happened, with its topic and a payload.

mod attributes;
mod content;

use std::any::Any;
use std::borrow::Cow;
use std::fmt;
use std::num::NonZeroU64;
use std::sync::Arc;
use std::time::SystemTime;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::error::EventError;
use crate::topic::Topic;
use attributes::Attributes;
pub(crate) use attributes::check_extension as check_extension_name;
pub use attributes::{DEFAULT_SOURCE, Extension};
use content::{Content, Payload};

/// The predecessor's name of [`Event`].
pub type UniversalEvent = Event;

/// Who made an event.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Origin {
    /// The program or a script published it.
    #[default]
    Program,
    /// It tells what hooks did. Such events are not shown to the hooks of publishing, which would cause more.
    Hooks,
}

/// Something that happened: a topic, a payload, and what [CloudEvents 1.0] says of an event.
///
/// The payload is any value, shared by the clones of the event; it is given out by its type
/// ([`data`](Event::data)), or as JSON, which is made from it when that is first asked for. So are the id and the
/// time: an event that nobody asks costs one allocation, for its payload.
///
/// Methods that begin with `with_` change an event that is being made, or one on its way; clones that were made
/// before keep what they had.
///
/// ```
/// use hooks_events::{Event, Topic};
///
/// #[derive(serde::Serialize)]
/// struct Order { total_cents: u64 }
///
/// let created = Topic::new("order.created")?;
/// let event = Event::new(&created, Order { total_cents: 4200 }).with_subject("order/17");
/// assert_eq!(event.data::<Order>().unwrap().total_cents, 4200);
/// assert_eq!(event.json()?["total_cents"], 4200);
/// assert_eq!(event.clone().id(), event.id());
/// # Ok::<(), hooks_events::EventError>(())
/// ```
///
/// [CloudEvents 1.0]: https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/spec.md
#[derive(Clone)]
pub struct Event {
    topic: Topic,
    payload: Arc<dyn Payload>,
    sequence: Option<NonZeroU64>,
    origin: Origin,
    /// The payload's size is not that of its type, or that is large: whoever has a limit has to ask.
    may_be_large: bool,
    attributes: Option<Box<Attributes>>,
}

/// The largest type, in bytes, whose size nobody asks for.
const SMALL_BYTES: usize = 4096;

impl Event {
    /// An event with a payload that has a JSON form.
    pub fn new<T>(topic: impl Into<Topic>, data: T) -> Event
    where
        T: Serialize + Send + Sync + 'static,
    {
        Event::of::<T>(topic.into(), Arc::new(Content::new(data)))
    }

    /// As [`Event::new`], with a topic that is still to be checked.
    ///
    /// # Errors
    /// [`EventError::BadTopic`].
    pub fn try_new<T>(topic: &str, data: T) -> Result<Event, EventError>
    where
        T: Serialize + Send + Sync + 'static,
    {
        Ok(Event::new(Topic::new(topic)?, data))
    }

    /// An event whose payload stays in this process, because it has no JSON form: [`json`](Event::json) is an
    /// error, and what keeps or sends events outside of the process refuses it.
    pub fn opaque<T>(topic: impl Into<Topic>, data: T) -> Event
    where
        T: Send + Sync + 'static,
    {
        Event::of::<T>(topic.into(), Arc::new(Content::opaque(data)))
    }

    /// An event without a payload: its JSON is `null`, its data `()`.
    pub fn without_data(topic: impl Into<Topic>) -> Event {
        Event::new(topic, ())
    }

    fn of<T: 'static>(topic: Topic, payload: Arc<dyn Payload>) -> Event {
        Event {
            topic,
            payload,
            sequence: None,
            origin: Origin::Program,
            may_be_large: may_be_large::<T>(),
            attributes: None,
        }
    }

    /// What it is about; the `type` of CloudEvents.
    #[inline]
    pub fn topic(&self) -> &Topic {
        &self.topic
    }

    /// The same event under another topic.
    #[must_use]
    pub fn with_topic(mut self, topic: impl Into<Topic>) -> Event {
        self.topic = topic.into();
        self
    }

    /// The payload, if it is of that type.
    #[inline]
    pub fn data<T: 'static>(&self) -> Option<&T> {
        let payload: &dyn Any = &*self.payload;
        payload.downcast_ref::<Content<T>>().map(Content::data)
    }

    /// The payload, which is expected to be of that type.
    ///
    /// # Errors
    /// [`EventError::WrongType`] says what it is.
    pub fn try_data<T: 'static>(&self) -> Result<&T, EventError> {
        self.data().ok_or_else(|| EventError::WrongType {
            topic: self.topic.as_str().into(),
            expected: std::any::type_name::<T>(),
            found: self.payload.type_name(),
        })
    }

    /// Takes the payload out, if it is of that type and no clone of the event shares it.
    ///
    /// # Errors
    /// The event as it was.
    pub fn into_data<T: Send + Sync + 'static>(self) -> Result<T, Event> {
        if self.data::<T>().is_none() || Arc::strong_count(&self.payload) > 1 {
            return Err(self);
        }
        let Event {
            topic,
            payload,
            sequence,
            origin,
            may_be_large,
            attributes,
        } = self;
        let any: Arc<dyn Any + Send + Sync> = payload;
        let of = |payload: Arc<dyn Payload>| Event {
            topic,
            payload,
            sequence,
            origin,
            may_be_large,
            attributes,
        };
        match any.downcast::<Content<T>>() {
            Ok(content) => Arc::try_unwrap(content)
                .map(Content::into_data)
                .map_err(|shared| of(shared)),
            Err(_) => unreachable!("the type was looked at above"),
        }
    }

    /// The payload as JSON, made once and shared by clones.
    ///
    /// # Errors
    /// [`EventError::NotJson`]: it was given without `Serialize`, or serde refused, as it does for maps whose keys
    /// are no text.
    pub fn json(&self) -> Result<&Value, EventError> {
        self.payload.json().map_err(|why| EventError::NotJson {
            topic: self.topic.as_str().into(),
            type_name: self.payload.type_name(),
            why: why.into(),
        })
    }

    /// The payload read from its JSON form, for events that came from outside or from a script.
    ///
    /// # Errors
    /// [`EventError::NotJson`] as for [`json`](Event::json), [`EventError::Unreadable`] if the JSON does not fit
    /// the type.
    pub fn decode<T: DeserializeOwned>(&self) -> Result<T, EventError> {
        T::deserialize(self.json()?).map_err(|error| EventError::Unreadable {
            topic: self.topic.as_str().into(),
            expected: std::any::type_name::<T>(),
            why: error.to_string().into(),
        })
    }

    /// The same event, id and time included, with another payload.
    #[must_use]
    pub fn with_data<T>(mut self, data: T) -> Event
    where
        T: Serialize + Send + Sync + 'static,
    {
        let stamp = *self.payload.stamp();
        self.payload = Arc::new(Content::new(data).stamped(stamp));
        self.may_be_large = may_be_large::<T>();
        self
    }

    /// About how large the payload is, in bytes: the length of JSON text for a [`Value`], counted once; the
    /// size in memory for other types, without what they point to, except for text and bytes.
    pub fn size_hint_bytes(&self) -> usize {
        self.payload.size_hint_bytes()
    }

    /// Whether the payload has at most that many bytes, by [`size_hint_bytes`](Event::size_hint_bytes).
    #[inline]
    pub(crate) fn is_within_bytes(&self, limit_bytes: usize) -> bool {
        (!self.may_be_large && limit_bytes >= SMALL_BYTES) || self.size_hint_bytes() <= limit_bytes
    }

    /// The name of the payload's type, for messages.
    pub fn data_type_name(&self) -> &'static str {
        self.payload.type_name()
    }

    /// What tells it from all other events of its [source](Event::source).
    ///
    /// If none was given, it is made when it is first asked for: 64 random bits of this process in hexadecimal
    /// digits, a dash, and a running number. Clones have the same one.
    pub fn id(&self) -> Cow<'_, str> {
        match self.attributes.as_deref().and_then(|a| a.id.as_deref()) {
            Some(id) => Cow::Borrowed(id),
            None => Cow::Owned(self.payload.stamp().id()),
        }
    }

    /// When it happened: the time that was given, or else that at which its id or its time was first asked for.
    pub fn time(&self) -> SystemTime {
        match self.attributes.as_deref().and_then(|a| a.time) {
            Some(time) => time,
            None => self.payload.stamp().time(),
        }
    }

    /// Its place among all events of a store, from 1; `None` if none has taken it.
    #[inline]
    pub fn sequence(&self) -> Option<u64> {
        self.sequence.map(NonZeroU64::get)
    }

    /// With its place among all events; stores give it. Zero is none.
    #[must_use]
    pub fn with_sequence(mut self, sequence: u64) -> Event {
        self.sequence = NonZeroU64::new(sequence);
        self
    }

    /// Who made it.
    #[inline]
    pub fn origin(&self) -> Origin {
        self.origin
    }

    /// Marks it as one that tells what hooks did.
    #[must_use]
    pub(crate) fn made_by_hooks(mut self) -> Event {
        self.origin = Origin::Hooks;
        self
    }
}

#[inline]
fn may_be_large<T: 'static>() -> bool {
    size_of::<T>() > SMALL_BYTES || content::has_size_of_its_own::<T>()
}

/// Without the payload, which may be a secret.
impl fmt::Debug for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Event")
            .field("topic", &self.topic)
            .field("sequence", &self.sequence)
            .field("data", &format_args!("<{}>", self.payload.type_name()))
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::time::Duration;

    use serde_json::json;

    use super::*;

    fn topic() -> Topic {
        Topic::new("order.created").unwrap()
    }

    #[derive(Serialize, serde::Deserialize, Clone, Debug, PartialEq)]
    struct Order {
        total: u32,
    }

    #[test]
    fn a_payload_has_its_type_and_a_json_form() {
        let event = Event::new(topic(), Order { total: 3 });
        assert_eq!(event.data(), Some(&Order { total: 3 }));
        assert_eq!(event.data::<u32>(), None);
        assert_eq!(event.json().unwrap(), &json!({"total": 3}));
        assert_eq!(event.decode::<Order>().unwrap(), Order { total: 3 });
        let same = event.clone();
        assert!(std::ptr::eq(event.json().unwrap(), same.json().unwrap()));
        let json = Event::new(topic(), json!({"total": 4}));
        assert!(std::ptr::eq(
            json.json().unwrap(),
            json.data::<Value>().unwrap()
        ));
    }

    #[test]
    fn what_has_no_json_form_says_so() {
        struct Handle;
        let opaque = Event::opaque(topic(), Handle);
        assert!(opaque.data::<Handle>().is_some());
        let error = opaque.json().unwrap_err().to_string();
        assert!(
            error.contains("Handle") && error.contains("Serialize"),
            "{error}"
        );
        let keys = Event::new(topic(), BTreeMap::from([(vec![1_u8], 2)]));
        assert!(matches!(keys.json(), Err(EventError::NotJson { .. })));
        let error = keys.try_data::<String>().unwrap_err().to_string();
        assert!(
            error.contains("BTreeMap") && error.contains("String"),
            "{error}"
        );
        let error = Event::new(topic(), 1)
            .decode::<Order>()
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("Order") && error.contains("integer"),
            "{error}"
        );
    }

    #[test]
    fn id_and_time_are_made_once_whoever_asks_first() {
        let event = Event::new(topic(), 1);
        let (early, other) = (event.clone(), Event::new(topic(), 1));
        let late = event.clone();
        assert_eq!(early.id(), event.id());
        assert_eq!(late.time(), event.time());
        assert_ne!(other.id(), event.id());
        let changed = event.clone().with_data("text").with_topic(topic());
        assert_eq!((changed.id(), changed.time()), (event.id(), event.time()));
        assert_eq!(changed.json().unwrap(), "text");
        assert_eq!(event.json().unwrap(), &json!(1));
        let mut parts = event.id().into_owned();
        let number = parts.split_off(16);
        assert!(u64::from_str_radix(&parts, 16).is_ok() && number.starts_with('-'));
    }

    #[test]
    fn given_ids_and_times_are_kept() {
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(7);
        let event = Event::new(topic(), 1).with_id("a-1").with_time(time);
        assert_eq!((&*event.id(), event.time()), ("a-1", time));
    }

    #[test]
    fn a_payload_is_taken_out_by_its_only_owner() {
        let event = Event::new(topic(), String::from("x"));
        let same = event.clone();
        let event = event.into_data::<String>().unwrap_err();
        drop(same);
        let event = event.into_data::<u8>().unwrap_err();
        assert_eq!(event.into_data::<String>().unwrap(), "x");
    }

    #[test]
    fn sizes_are_those_of_the_text_where_there_is_text() {
        let size = |event: Event| event.size_hint_bytes();
        assert_eq!(size(Event::new(topic(), json!({"a": [1, "é"]}))), 14);
        assert!(size(Event::new(topic(), "x".repeat(1000))) >= 1000);
        assert_eq!(size(Event::new(topic(), [0_u8; 20])), 20);
    }

    #[test]
    fn debug_output_has_no_payload() {
        let event = Event::new(topic(), "secret").with_subject("also secret");
        let text = format!("{event:?}");
        assert!(
            !text.contains("secret") && text.contains("order.created") && text.contains("&str"),
            "{text}"
        );
    }
}
