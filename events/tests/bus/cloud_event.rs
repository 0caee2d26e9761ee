//! CloudEvents 1.0.2 in structured JSON: the examples of the specification, what it forbids, and that nothing is
//! lost on the way there and back.

use std::time::{Duration, SystemTime};

use hooks_events::cloud_event::Binary;
use hooks_events::event::Extension;
use hooks_events::{Event, EventError, Topic};
use proptest::prelude::*;
use serde_json::{Value, json};

/// The attributes of the examples in section 3.2 of the JSON format.
fn example(id: &str) -> Value {
    json!({
        "specversion": "1.0",
        "type": "com.example.someevent",
        "source": "/mycontext",
        "id": id,
        "time": "2018-04-05T17:31:00Z",
        "comexampleextension1": "value",
        "comexampleothervalue": 5,
    })
}

fn with(mut json: Value, members: Value) -> Value {
    let members = members.as_object().expect("an object").clone();
    json.as_object_mut().expect("an object").extend(members);
    json
}

fn read(json: Value) -> Event {
    Event::from_cloud_event(json.clone()).unwrap_or_else(|error| panic!("{json}: {error}"))
}

#[test]
fn the_examples_of_the_specification_are_read_and_written_back() {
    let binary = with(
        example("A234-1234-1234"),
        json!({ "datacontenttype": "application/vnd.apache.thrift.binary", "data_base64": "AAEC/w==" }),
    );
    let xml = with(
        example("B234-1234-1234"),
        json!({ "datacontenttype": "application/xml", "data": "<much wow=\"xml\"/>" }),
    );
    let object = with(
        example("C234-1234-1234"),
        json!({
            "datacontenttype": "application/json",
            "data": { "appinfoA": "abc", "appinfoB": 123, "appinfoC": true },
        }),
    );
    let text = with(
        example("D234-1234-1234"),
        json!({ "data": "I'm just a string" }),
    );
    for given in [&binary, &xml, &object, &text, &example("without data")] {
        // Members that are null are not set.
        let nulls = with(
            given.clone(),
            json!({ "subject": null, "unsetextension": null, "data_base64": given["data_base64"] }),
        );
        assert_eq!(read(nulls).to_cloud_event().unwrap(), *given);
    }
    let event = read(binary);
    assert_eq!(event.data(), Some(&Binary(vec![0, 1, 2, 255])));
    assert_eq!(event.json().unwrap(), "AAEC/w==");
    let event = read(object);
    assert_eq!(
        (event.topic().as_str(), event.source()),
        ("com.example.someevent", "/mycontext")
    );
    assert_eq!((&*event.id(), event.subject()), ("C234-1234-1234", None));
    assert_eq!(
        event.time(),
        SystemTime::UNIX_EPOCH + Duration::from_secs(1_522_949_460)
    );
    assert_eq!(
        event.extension("comexampleextension1"),
        Some(&Extension::Text("value".into()))
    );
    assert_eq!(
        event.extension("comexampleothervalue"),
        Some(&Extension::Integer(5))
    );
    assert_eq!(event.data::<Value>().unwrap()["appinfoB"], 123);
}

#[test]
fn null_as_data_is_not_the_absence_of_data() {
    let null = with(example("1"), json!({ "data": null }));
    assert_eq!(read(null.clone()).data(), Some(&Value::Null));
    assert_eq!(read(null.clone()).to_cloud_event().unwrap(), null);
    assert_eq!(read(example("1")).data(), Some(&()));
    let written = Event::try_new("a.b", Value::Null)
        .unwrap()
        .to_cloud_event()
        .unwrap();
    assert_eq!(written.get("data"), Some(&Value::Null));
}

#[test]
fn extensions_with_a_meaning_are_attributes_of_the_event() {
    let given = with(
        example("1"),
        json!({
            "correlationid": "work-1", "causationid": "cause-1", "partitionkey": "17", "language": "lua",
            "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "schemaversion": "2",
            "expirytime": "2018-04-06T00:00:00.25Z", "sequence": "00000000000000000042",
        }),
    );
    let event = read(given.clone());
    assert_eq!(
        (event.correlation_id(), event.causation_id()),
        (Some("work-1"), Some("cause-1"))
    );
    assert_eq!(
        (event.partition_key(), event.language()),
        (Some("17"), Some("lua"))
    );
    assert_eq!(
        (event.sequence(), event.schema_version()),
        (Some(42), Some("2"))
    );
    assert!(
        event
            .traceparent()
            .is_some_and(|span| span.starts_with("00-0af7"))
    );
    let end = SystemTime::UNIX_EPOCH + Duration::from_millis(1_522_972_800_250);
    assert_eq!(event.expires_at(), Some(end));
    assert_eq!(event.to_cloud_event().unwrap(), given);
}

#[test]
fn a_sequence_that_counts_otherwise_is_kept_until_a_store_gives_its_own() {
    for foreign in ["v1.7", "+5", "0", "99999999999999999999999"] {
        let given = with(example("1"), json!({ "sequence": foreign }));
        let event = read(given.clone());
        assert_eq!(event.sequence(), None, "{foreign}");
        assert_eq!(event.to_cloud_event().unwrap(), given);
        let numbered = event.with_sequence(3).to_cloud_event().unwrap();
        assert_eq!(numbered["sequence"], "00000000000000000003");
    }
}

#[test]
fn what_the_specification_forbids_is_refused_with_the_place_and_the_rule() {
    let without = |name: &str| {
        let mut json = example("1");
        json.as_object_mut().unwrap().remove(name);
        json
    };
    let and = |members: Value| with(example("1"), members);
    for (json, at, why) in [
        (without("id"), "id", "is missing"),
        (without("source"), "source", "is missing"),
        (without("type"), "type", "is missing"),
        (without("specversion"), "specversion", "is missing"),
        (and(json!({ "id": null })), "id", "is missing"),
        (
            and(json!({ "specversion": null })),
            "specversion",
            "not \"1.0\"",
        ),
        (
            and(json!({ "specversion": "0.3" })),
            "specversion",
            "not \"1.0\"",
        ),
        (
            and(json!({ "specversion": 1.0 })),
            "specversion",
            "not \"1.0\"",
        ),
        (and(json!({ "id": "" })), "id", "is empty"),
        (and(json!({ "id": 7 })), "id", "is a number, not text"),
        (and(json!({ "source": "" })), "source", "is empty"),
        (
            and(json!({ "source": "my context" })),
            "source",
            "percent-encoded",
        ),
        (and(json!({ "subject": "" })), "subject", "is empty"),
        (and(json!({ "subject": "a\u{1}" })), "subject", "U+0001"),
        (and(json!({ "subject": ["a"] })), "subject", "is a list"),
        (and(json!({ "time": "yesterday" })), "time", "RFC 3339"),
        (and(json!({ "time": 1_522_949_460 })), "time", "is a number"),
        (
            and(json!({ "expirytime": "2018-04-05" })),
            "expirytime",
            "RFC 3339",
        ),
        (
            and(json!({ "dataschema": "not/absolute" })),
            "dataschema",
            "absolute URI",
        ),
        (
            and(json!({ "datacontenttype": "json" })),
            "datacontenttype",
            "media type",
        ),
        (
            and(json!({ "datacontenttype": "text/xml", "data": { "a": 1 } })),
            "data",
            "not JSON",
        ),
        (
            and(json!({ "data": 1, "data_base64": "AA==" })),
            "data_base64",
            "beside `data`",
        ),
        (and(json!({ "data_base64": "A" })), "data_base64", "Base64"),
        (
            and(json!({ "data_base64": 5 })),
            "data_base64",
            "is a number",
        ),
        (and(json!({ "tenantId": "a" })), "tenantId", "lower-case"),
        (and(json!({ "tenant_id": "a" })), "tenant_id", "lower-case"),
        (and(json!({ "tenant-id": "a" })), "tenant-id", "lower-case"),
        (and(json!({ "": "a" })), "", "lower-case"),
        (and(json!({ "tenant": {} })), "tenant", "is an object"),
        (and(json!({ "tenant": [] })), "tenant", "is a list"),
        (and(json!({ "hops": 1.5 })), "hops", "32 bits"),
        (and(json!({ "hops": 2_147_483_648_u64 })), "hops", "32 bits"),
        (and(json!({ "tenant": "a\nb" })), "tenant", "U+000A"),
        (json!([example("1")]), "the event", "not a JSON object"),
    ] {
        match Event::from_cloud_event(json.clone()) {
            Err(EventError::NotCloudEvent {
                at: place,
                why: said,
            }) => {
                assert!(
                    *place == *at && said.contains(why),
                    "{json}: `{place}` {said}"
                );
            }
            other => panic!("{json}: {other:?}"),
        }
    }
    let error = Event::from_cloud_event(and(json!({ "type": "not a topic" }))).unwrap_err();
    assert!(matches!(error, EventError::BadTopic { .. }), "{error}");
}

#[test]
fn an_event_that_breaks_the_rules_is_not_written() {
    let event = || Event::try_new("a.b", json!({ "a": 1 })).unwrap();
    let late = SystemTime::UNIX_EPOCH + Duration::from_secs(1 << 40);
    for (event, at) in [
        (event().with_id("a\u{7f}"), "id"),
        (event().with_source("my context"), "source"),
        (event().with_subject("a\u{0}"), "subject"),
        (event().with_data_content_type("text/plain"), "data"),
        (event().with_data_content_type("plain"), "datacontenttype"),
        (event().with_time(late), "time"),
        (event().with_expires_at(late), "expirytime"),
        (
            event().with_extension("tenant", "\u{fffe}").unwrap(),
            "tenant",
        ),
    ] {
        let error = event.to_cloud_event().unwrap_err();
        assert!(error.to_string().contains(&format!("`{at}`")), "{error}");
    }
    struct Opaque;
    let opaque = Event::opaque(Topic::new("a.b").unwrap(), Opaque).to_cloud_event();
    assert!(matches!(opaque, Err(EventError::NotJson { .. })));
}

#[test]
fn serde_reads_and_writes_the_same_form() {
    let text = example("1").to_string();
    let event: Event = serde_json::from_str(&text).unwrap();
    assert_eq!(serde_json::to_value(&event).unwrap(), example("1"));
    let error = serde_json::from_str::<Event>("{}").unwrap_err().to_string();
    assert!(error.contains("specversion"), "{error}");
}

fn text() -> impl Strategy<Value = String> {
    "[a-zA-Z0-9 äß€/:._-]{1,12}"
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((any::<String>(), inner), 0..4)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

fn any_time() -> impl Strategy<Value = SystemTime> {
    // The years 1 to 9999.
    (-62_000_000_000_i64..253_000_000_000, 0_u32..1_000_000_000).prop_map(|(seconds, nanos)| {
        let whole = Duration::from_secs(seconds.unsigned_abs());
        let begin = if seconds < 0 {
            SystemTime::UNIX_EPOCH - whole
        } else {
            SystemTime::UNIX_EPOCH + whole
        };
        begin + Duration::from_nanos(u64::from(nanos))
    })
}

fn any_extension() -> impl Strategy<Value = Extension> {
    prop_oneof![
        text().prop_map(|text| Extension::Text(text.into())),
        any::<i32>().prop_map(Extension::from),
        any::<bool>().prop_map(Extension::from),
    ]
}

prop_compose! {
    fn any_event()(
        topic in "[a-zA-Z0-9_-]{1,5}(\\.[a-zA-Z0-9_-]{1,5}){0,4}",
        data in any_json(),
        texts in prop::collection::vec(prop::option::of(text()), 8),
        times in (prop::option::of(any_time()), prop::option::of(any_time())),
        source in prop::option::of("[a-z/:]{1,10}"),
        sequence in prop::option::of(1_u64..),
        extensions in prop::collection::btree_map("x[a-z0-9]{0,8}", any_extension(), 0..3),
    ) -> Event {
        let mut event = Event::try_new(&topic, data).expect("a topic");
        type With = fn(Event, String) -> Event;
        let with: [With; 8] = [
            Event::with_id, Event::with_subject, Event::with_correlation_id, Event::with_causation_id,
            Event::with_traceparent, Event::with_partition_key, Event::with_language, Event::with_schema_version,
        ];
        for (text, with) in texts.into_iter().zip(with) {
            event = text.into_iter().fold(event, with);
        }
        event = times.0.into_iter().fold(event, Event::with_time);
        event = times.1.into_iter().fold(event, Event::with_expires_at);
        event = source.iter().fold(event, Event::with_source);
        event = sequence.into_iter().fold(event, Event::with_sequence);
        for (name, value) in extensions {
            event = event.with_extension(&name, value).expect("a name");
        }
        event
    }
}

proptest! {
    #[test]
    fn nothing_is_lost_there_and_back(event in any_event()) {
        let json = event.to_cloud_event().unwrap();
        let text = json.to_string();
        let back = Event::from_cloud_event(serde_json::from_str(&text).unwrap()).unwrap();
        prop_assert_eq!(back.topic(), event.topic());
        prop_assert_eq!(back.json().unwrap(), event.json().unwrap());
        prop_assert_eq!((back.id(), back.time(), back.source()), (event.id(), event.time(), event.source()));
        prop_assert_eq!((back.subject(), back.sequence()), (event.subject(), event.sequence()));
        prop_assert_eq!((back.correlation_id(), back.causation_id()), (event.correlation_id(), event.causation_id()));
        prop_assert_eq!((back.traceparent(), back.partition_key()), (event.traceparent(), event.partition_key()));
        prop_assert_eq!((back.language(), back.schema_version()), (event.language(), event.schema_version()));
        prop_assert_eq!(back.expires_at(), event.expires_at());
        prop_assert!(back.extensions().eq(event.extensions()));
        prop_assert_eq!(back.to_cloud_event().unwrap(), json);
    }

    /// Whatever comes from outside is an event or an error, and what was read can be written.
    #[test]
    fn no_json_makes_the_reader_panic(members in prop::collection::vec((
        prop_oneof![
            prop::sample::select(vec!["id", "source", "type", "specversion", "time", "data", "data_base64", "subject",
                "datacontenttype", "dataschema", "expirytime", "sequence", "language", "partitionkey"]).prop_map(str::to_owned),
            "[a-zA-Z_]{0,6}",
        ],
        prop_oneof![any_json(), text().prop_map(Value::from), Just(json!("1.0")), Just(json!("a.b"))],
    ), 0..12)) {
        let members = [("specversion".to_owned(), json!("1.0")), ("id".to_owned(), json!("1")),
            ("source".to_owned(), json!("/s")), ("type".to_owned(), json!("a.b"))].into_iter().chain(members);
        let json = Value::Object(members.collect());
        if let Ok(event) = Event::from_cloud_event(json) {
            let written = event.to_cloud_event().unwrap();
            let again = Event::from_cloud_event(written.clone()).unwrap();
            prop_assert_eq!(again.to_cloud_event().unwrap(), written);
        }
    }
}
