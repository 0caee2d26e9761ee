//! What most events do not have: the attributes of CloudEvents beside id, time, type and data.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use super::Event;
use crate::error::EventError;

/// The source of events that were given none. CloudEvents demands one.
pub const DEFAULT_SOURCE: &str = "hookpoint";

/// The names that CloudEvents or this crate gives a meaning; no extension may have one.
pub(crate) const RESERVED: [&str; 18] = [
    "id",
    "source",
    "specversion",
    "type",
    "subject",
    "time",
    "datacontenttype",
    "dataschema",
    "data",
    "data_base64",
    "sequence",
    "correlationid",
    "causationid",
    "traceparent",
    "partitionkey",
    "expirytime",
    "language",
    "schemaversion",
];

/// All in one box, so that an event without them is small.
#[derive(Clone, Default)]
pub(crate) struct Attributes {
    pub(crate) id: Option<Box<str>>,
    pub(crate) time: Option<SystemTime>,
    pub(crate) source: Option<Box<str>>,
    pub(crate) subject: Option<Box<str>>,
    pub(crate) data_content_type: Option<Box<str>>,
    pub(crate) data_schema: Option<Box<str>>,
    pub(crate) correlation_id: Option<Box<str>>,
    pub(crate) causation_id: Option<Box<str>>,
    pub(crate) traceparent: Option<Box<str>>,
    pub(crate) partition_key: Option<Box<str>>,
    pub(crate) language: Option<Box<str>>,
    pub(crate) schema_version: Option<Box<str>>,
    pub(crate) expires_at: Option<SystemTime>,
    pub(crate) extensions: BTreeMap<Box<str>, Extension>,
}

/// The value of an extension attribute. CloudEvents has more types, whose form in JSON is text.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Extension {
    /// Text; also bytes, URIs and times in their text form.
    Text(Box<str>),
    /// A whole number of 32 bits, as CloudEvents limits them.
    Integer(i32),
    /// True or false.
    Boolean(bool),
}

impl From<&str> for Extension {
    fn from(text: &str) -> Extension {
        Extension::Text(text.into())
    }
}

impl From<i32> for Extension {
    fn from(number: i32) -> Extension {
        Extension::Integer(number)
    }
}

impl From<bool> for Extension {
    fn from(value: bool) -> Extension {
        Extension::Boolean(value)
    }
}

macro_rules! text_attributes {
    ($($(#[$doc:meta])* $field:ident, $with:ident;)*) => {$(
        $(#[$doc])*
        pub fn $field(&self) -> Option<&str> {
            self.attributes.as_deref()?.$field.as_deref()
        }

        #[doc = concat!("With that [`", stringify!($field), "`](Event::", stringify!($field), "); empty text is none.")]
        #[must_use]
        pub fn $with(mut self, text: impl AsRef<str>) -> Event {
            let text = text.as_ref();
            self.attributes_mut().$field = (!text.is_empty()).then(|| text.into());
            self
        }
    )*};
}

impl Event {
    text_attributes! {
        /// What the event is about within its source, such as `order/17`.
        subject, with_subject;
        /// The media type of the data; none is `application/json`.
        data_content_type, with_data_content_type;
        /// Where the schema of the data is: a URI.
        data_schema, with_data_schema;
        /// What all events and calls of one piece of work have in common.
        correlation_id, with_correlation_id;
        /// The id of the event that caused this one.
        causation_id, with_causation_id;
        /// The span in which it was published, as in [W3C Trace Context](https://www.w3.org/TR/trace-context/).
        traceparent, with_traceparent;
        /// Events with the same key stay in order where those of others are handled at the same time.
        partition_key, with_partition_key;
        /// The language of the program that published it: `rust`, `lua`.
        language, with_language;
        /// The version of the form of the data.
        schema_version, with_schema_version;
    }

    /// Where it comes from, a URI reference; [`DEFAULT_SOURCE`] if none was given.
    pub fn source(&self) -> &str {
        let given = self.attributes.as_deref().and_then(|a| a.source.as_deref());
        given.unwrap_or(DEFAULT_SOURCE)
    }

    /// With that source; empty text is none.
    #[must_use]
    pub fn with_source(mut self, text: impl AsRef<str>) -> Event {
        let text = text.as_ref();
        self.attributes_mut().source = (!text.is_empty()).then(|| text.into());
        self
    }

    /// With that id; empty text is none, so that one is made.
    #[must_use]
    pub fn with_id(mut self, id: impl AsRef<str>) -> Event {
        let id = id.as_ref();
        self.attributes_mut().id = (!id.is_empty()).then(|| id.into());
        self
    }

    /// With the time at which it happened.
    #[must_use]
    pub fn with_time(mut self, time: SystemTime) -> Event {
        self.attributes_mut().time = Some(time);
        self
    }

    /// From when on it is of no use to anybody; `None`: for ever.
    pub fn expires_at(&self) -> Option<SystemTime> {
        self.attributes.as_deref()?.expires_at
    }

    /// With an end of its use.
    #[must_use]
    pub fn with_expires_at(mut self, time: SystemTime) -> Event {
        self.attributes_mut().expires_at = Some(time);
        self
    }

    /// With an end of its use, from now on. A time beyond what the clock can say is none.
    #[must_use]
    pub fn with_ttl(mut self, ttl: Duration) -> Event {
        self.attributes_mut().expires_at = SystemTime::now().checked_add(ttl);
        self
    }

    /// Whether its use has ended at that time.
    pub fn is_expired_at(&self, now: SystemTime) -> bool {
        self.expires_at().is_some_and(|end| end <= now)
    }

    /// As an effect of another event: with that one's id as the cause, and in the same piece of work, which is
    /// named after it if it has no name yet.
    #[must_use]
    pub fn caused_by(mut self, cause: &Event) -> Event {
        let id = cause.id();
        let work = cause.correlation_id().unwrap_or(&id);
        let attributes = self.attributes_mut();
        attributes.correlation_id = Some(work.into());
        attributes.causation_id = Some(id.as_ref().into());
        self
    }

    /// The extension attribute of that name.
    pub fn extension(&self, name: &str) -> Option<&Extension> {
        self.attributes.as_deref()?.extensions.get(name)
    }

    /// All extension attributes, by name.
    pub fn extensions(&self) -> impl Iterator<Item = (&str, &Extension)> {
        let extensions = self.attributes.as_deref().map(|a| &a.extensions);
        extensions
            .into_iter()
            .flatten()
            .map(|(name, value)| (&**name, value))
    }

    /// With an extension attribute.
    ///
    /// # Errors
    /// [`EventError::BadExtension`]: the name is not made of lower-case letters and digits, as CloudEvents
    /// demands, or has a meaning of its own.
    pub fn with_extension(
        mut self,
        name: &str,
        value: impl Into<Extension>,
    ) -> Result<Event, EventError> {
        check_extension(name)?;
        self.insert_extension(name, value.into());
        Ok(self)
    }

    /// Of a name that was checked.
    pub(crate) fn insert_extension(&mut self, name: &str, value: Extension) {
        self.attributes_mut().extensions.insert(name.into(), value);
    }

    fn attributes_mut(&mut self) -> &mut Attributes {
        self.attributes.get_or_insert_default()
    }
}

pub(crate) fn check_extension(name: &str) -> Result<(), EventError> {
    let bad = |why: &str| {
        Err(EventError::BadExtension {
            name: crate::topic::name::excerpt(name),
            why: why.into(),
        })
    };
    if name.is_empty()
        || !name
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
    {
        return bad("is not made of lower-case letters and digits; write for example `tenantid`");
    }
    if RESERVED.contains(&name) {
        return bad("has a meaning of its own; set it with its own method");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::topic::Topic;

    fn event() -> Event {
        Event::without_data(Topic::new("a.b").unwrap())
    }

    #[test]
    fn attributes_are_there_when_they_are_given() {
        let plain = event();
        assert!(plain.attributes.is_none());
        assert_eq!((plain.source(), plain.subject()), (DEFAULT_SOURCE, None));
        let full = plain
            .clone()
            .with_source("/shop")
            .with_subject("order/1")
            .with_partition_key("17");
        assert_eq!(
            (full.source(), full.subject(), full.partition_key()),
            ("/shop", Some("order/1"), Some("17"))
        );
        assert_eq!(full.with_subject("").subject(), None);
        assert_eq!(plain.subject(), None);
    }

    #[test]
    fn effects_name_their_cause_and_share_its_work() {
        let first = event();
        let second = event().caused_by(&first);
        let third = event().caused_by(&second);
        assert_eq!(second.causation_id(), Some(&*first.id()));
        assert_eq!(third.causation_id(), Some(&*second.id()));
        assert_eq!(third.correlation_id(), Some(&*first.id()));
    }

    #[test]
    fn an_event_is_expired_from_its_end_on() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(100);
        let event = event().with_expires_at(now);
        assert!(event.is_expired_at(now) && !event.is_expired_at(now - Duration::from_nanos(1)));
        assert!(
            !event
                .clone()
                .with_ttl(Duration::from_secs(60))
                .is_expired_at(now)
        );
        assert_eq!(event.with_ttl(Duration::MAX).expires_at(), None);
    }

    #[test]
    fn extensions_have_names_that_cloud_events_allow() {
        let event = event()
            .with_extension("tenant2", "acme")
            .unwrap()
            .with_extension("hops", 3)
            .unwrap();
        assert_eq!(
            event.extension("tenant2"),
            Some(&Extension::Text("acme".into()))
        );
        assert_eq!(
            event.extensions().map(|(name, _)| name).collect::<Vec<_>>(),
            ["hops", "tenant2"]
        );
        for name in [
            "",
            "Tenant",
            "tenant_id",
            "tenant-id",
            "ä",
            "id",
            "data",
            "sequence",
        ] {
            let error = event.clone().with_extension(name, true).unwrap_err();
            assert!(matches!(error, EventError::BadExtension { .. }), "{name}");
        }
    }
}
