//! From JSON to an event.

use serde_json::{Map, Value};

use super::attribute::{
    check_data, check_media_type, check_text, check_uri, check_uri_reference, from_base64,
    read_time,
};
use super::{Binary, fault};
use crate::error::EventError;
use crate::event::{Event, Extension, check_extension_name};
use crate::topic::Topic;

pub(super) fn read(json: Value) -> Result<Event, EventError> {
    let Value::Object(mut json) = json else {
        return Err(fault(
            "the event",
            "is not a JSON object; several events are sent one by one",
        ));
    };
    // Attributes that are null are not set. Data may be null.
    json.retain(|name, value| !value.is_null() || name == "specversion" || name == "data");
    match json.remove("specversion") {
        Some(Value::String(version)) if version == "1.0" => {}
        None => {
            return Err(fault(
                "specversion",
                "is missing; CloudEvents 1.0 demands `\"specversion\": \"1.0\"`",
            ));
        }
        Some(_) => {
            return Err(fault(
                "specversion",
                "is not \"1.0\", which is all that is understood here",
            ));
        }
    }
    let id = required(&mut json, "id")?;
    check_text("id", &id)?;
    let source = required(&mut json, "source")?;
    check_uri_reference("source", &source)?;
    let topic = Topic::new(&required(&mut json, "type")?)?;
    let event = data(topic, &mut json)?.with_id(id).with_source(source);
    let event = optional(event, &mut json)?;
    json.into_iter()
        .try_fold(event, |event, (name, value)| extension(event, &name, value))
}

fn required(json: &mut Map<String, Value>, name: &str) -> Result<String, EventError> {
    text(json, name)?.ok_or_else(|| {
        fault(
            name,
            "is missing; CloudEvents demands `id`, `source`, `specversion` and `type`",
        )
    })
}

/// The text attribute of that name, which is not empty.
fn text(json: &mut Map<String, Value>, name: &str) -> Result<Option<String>, EventError> {
    match json.remove(name) {
        None => Ok(None),
        Some(Value::String(text)) if text.is_empty() => {
            Err(fault(name, "is empty; leave it out instead"))
        }
        Some(Value::String(text)) => Ok(Some(text)),
        Some(other) => Err(fault(name, format!("is {}, not text", kind(&other)))),
    }
}

fn data(topic: Topic, json: &mut Map<String, Value>) -> Result<Event, EventError> {
    match (json.remove("data"), text_or_empty(json, "data_base64")?) {
        (Some(_), Some(_)) => Err(fault(
            "data_base64",
            "is there beside `data`; an event has one of them",
        )),
        (Some(data), None) => {
            let media_type = json.get("datacontenttype").and_then(Value::as_str);
            check_data("data", media_type, &data)?;
            Ok(Event::new(topic, data))
        }
        (None, Some(base64)) => Ok(Event::new(
            topic,
            Binary(from_base64("data_base64", &base64)?),
        )),
        (None, None) => Ok(Event::without_data(topic)),
    }
}

fn text_or_empty(json: &mut Map<String, Value>, name: &str) -> Result<Option<String>, EventError> {
    match json.get(name) {
        Some(Value::String(text)) if text.is_empty() => {
            Ok(json.remove(name).map(|_| String::new()))
        }
        _ => text(json, name),
    }
}

type Check = fn(&str, &str) -> Result<(), EventError>;
type With = fn(Event, String) -> Event;

fn optional(mut event: Event, json: &mut Map<String, Value>) -> Result<Event, EventError> {
    let texts: [(&str, Check, With); 9] = [
        ("subject", check_text, Event::with_subject),
        (
            "datacontenttype",
            check_media_type,
            Event::with_data_content_type,
        ),
        ("dataschema", check_uri, Event::with_data_schema),
        ("correlationid", check_text, Event::with_correlation_id),
        ("causationid", check_text, Event::with_causation_id),
        ("traceparent", check_text, Event::with_traceparent),
        ("partitionkey", check_text, Event::with_partition_key),
        ("language", check_text, Event::with_language),
        ("schemaversion", check_text, Event::with_schema_version),
    ];
    for (name, check, with) in texts {
        if let Some(text) = text(json, name)? {
            check(name, &text)?;
            event = with(event, text);
        }
    }
    if let Some(time) = text(json, "time")? {
        event = event.with_time(read_time("time", &time)?);
    }
    if let Some(end) = text(json, "expirytime")? {
        event = event.with_expires_at(read_time("expirytime", &end)?);
    }
    // Others count otherwise: what is no number stays an extension.
    let number = json
        .get("sequence")
        .and_then(Value::as_str)
        .filter(|text| text.bytes().all(|b| b.is_ascii_digit()))
        .and_then(|text| text.parse().ok())
        .filter(|sequence| *sequence != 0);
    if let Some(sequence) = number {
        json.remove("sequence");
        event = event.with_sequence(sequence);
    }
    Ok(event)
}

fn extension(mut event: Event, name: &str, value: Value) -> Result<Event, EventError> {
    if name != "sequence" && check_extension_name(name).is_err() {
        return Err(fault(
            name,
            "is no name of an attribute; they are made of lower-case letters and digits",
        ));
    }
    let value = match value {
        Value::String(text) => {
            if !text.is_empty() {
                check_text(name, &text)?;
            }
            Extension::Text(text.into())
        }
        Value::Bool(value) => Extension::Boolean(value),
        Value::Number(number) => match number.as_i64().and_then(|n| i32::try_from(n).ok()) {
            Some(number) => Extension::Integer(number),
            None => {
                return Err(fault(
                    name,
                    "is a number that is not a whole one of 32 bits; send it as text or as data",
                ));
            }
        },
        other => {
            return Err(fault(
                name,
                format!(
                    "is {}; attributes are text, whole numbers or booleans, the rest is data",
                    kind(&other)
                ),
            ));
        }
    };
    event.insert_extension(name, value);
    Ok(event)
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}
