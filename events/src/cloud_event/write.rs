//! From an event to JSON.

use serde_json::{Map, Value};

use super::Binary;
use super::attribute::{
    check_data, check_media_type, check_text, check_uri, check_uri_reference, to_base64, write_time,
};
use crate::error::EventError;
use crate::event::{Event, Extension};

pub(super) fn write(event: &Event) -> Result<Value, EventError> {
    let mut json = Map::new();
    required(event, &mut json)?;
    optional(event, &mut json)?;
    extensions(event, &mut json)?;
    data(event, &mut json)?;
    Ok(json.into())
}

fn required(event: &Event, json: &mut Map<String, Value>) -> Result<(), EventError> {
    let id = event.id();
    check_text("id", &id)?;
    check_uri_reference("source", event.source())?;
    json.insert("specversion".into(), "1.0".into());
    json.insert("id".into(), id.into_owned().into());
    json.insert("source".into(), event.source().into());
    json.insert("type".into(), event.topic().as_str().into());
    Ok(())
}

type Check = fn(&str, &str) -> Result<(), EventError>;

fn optional(event: &Event, json: &mut Map<String, Value>) -> Result<(), EventError> {
    let texts: [(&str, Option<&str>, Check); 9] = [
        ("subject", event.subject(), check_text),
        (
            "datacontenttype",
            event.data_content_type(),
            check_media_type,
        ),
        ("dataschema", event.data_schema(), check_uri),
        ("correlationid", event.correlation_id(), check_text),
        ("causationid", event.causation_id(), check_text),
        ("traceparent", event.traceparent(), check_text),
        ("partitionkey", event.partition_key(), check_text),
        ("language", event.language(), check_text),
        ("schemaversion", event.schema_version(), check_text),
    ];
    json.insert("time".into(), write_time("time", event.time())?.into());
    for (name, text, check) in texts {
        if let Some(text) = text {
            check(name, text)?;
            json.insert(name.into(), text.into());
        }
    }
    if let Some(end) = event.expires_at() {
        json.insert("expirytime".into(), write_time("expirytime", end)?.into());
    }
    if let Some(sequence) = event.sequence() {
        // Text has the order of the numbers only if it has as many digits.
        json.insert("sequence".into(), format!("{sequence:020}").into());
    }
    Ok(())
}

fn extensions(event: &Event, json: &mut Map<String, Value>) -> Result<(), EventError> {
    for (name, value) in event.extensions() {
        let value = match value {
            Extension::Text(text) => {
                if !text.is_empty() {
                    check_text(name, text)?;
                }
                Value::from(&**text)
            }
            Extension::Integer(number) => Value::from(*number),
            Extension::Boolean(value) => Value::from(*value),
        };
        // The event's own sequence goes before one that came with it.
        json.entry(name).or_insert(value);
    }
    Ok(())
}

fn data(event: &Event, json: &mut Map<String, Value>) -> Result<(), EventError> {
    if let Some(Binary(bytes)) = event.data() {
        json.insert("data_base64".into(), to_base64(bytes).into());
        return Ok(());
    }
    if event.data::<()>().is_some() {
        return Ok(());
    }
    let data = event.json()?;
    check_data("data", event.data_content_type(), data)?;
    json.insert("data".into(), data.clone());
    Ok(())
}
