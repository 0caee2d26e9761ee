//! One message from its text.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, Visitor};
use serde_json::Value;
use serde_json::value::RawValue;

use super::{Answer, Call, Extra, INVALID_REQUEST, Id, Message, PARSE_ERROR, Rejected};
use crate::json::{JsonError, JsonText, Skim, like};
use crate::limits::Limits;

/// What JSON-RPC has in messages.
const MEMBERS: [&str; 6] = ["jsonrpc", "id", "method", "params", "result", "error"];
/// The longest id and the longest method, in bytes of JSON.
const MAX_NAME: usize = 1024;
/// The most members of a message.
const MAX_MEMBERS: usize = 64;

/// The members of an object, as they are written; no key stands twice.
struct Members<'t>(Vec<(String, &'t RawValue)>);

impl<'de: 't, 't> Deserialize<'de> for Members<'t> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Object;
        impl<'de> Visitor<'de> for Object {
            type Value = Members<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members: Vec<(String, &RawValue)> = Vec::new();
                while let Some((key, value)) = map.next_entry::<String, &RawValue>()? {
                    if members.len() == MAX_MEMBERS {
                        return Err(A::Error::custom("it has more members than a message has"));
                    }
                    if members.iter().any(|(known, _)| *known == key) {
                        return Err(A::Error::custom("a key stands twice in one object"));
                    }
                    members.push((key, value));
                }
                Ok(Members(members))
            }
        }
        from.deserialize_map(Object)
    }
}

/// Reads one message that is an object.
pub(super) fn parse_one(text: &str, limits: &Limits) -> Result<Message, Rejected> {
    let rejected = |code, reason: String| {
        let mut skim = Skim::default();
        skim.feed(text.as_bytes());
        Rejected {
            code,
            reason,
            id: skim.id().as_ref().and_then(Id::read),
            is_response: !skim.has_method(),
        }
    };
    if !text.trim_ascii_start().starts_with('{') {
        // What is no JSON at all is told from JSON that is no message.
        let code = match serde_json::from_str::<serde::de::IgnoredAny>(text) {
            Ok(_) => INVALID_REQUEST,
            Err(_) => PARSE_ERROR,
        };
        return Err(rejected(code, "a message is a JSON object".to_owned()));
    }
    let Members(members) = serde_json::from_str(text)
        .map_err(|error| rejected(PARSE_ERROR, JsonError::from(error).to_string()))?;
    let mut parts = Parts::default();
    for (key, raw) in members {
        let depth = limits.max_depth.saturating_sub(1);
        let value = JsonText::parse_within(raw.get(), depth, limits.max_parts)
            .map_err(|error| rejected(PARSE_ERROR, format!("in `{}`: {error}", shown(&key))))?;
        // Where letters are not told apart, the last one counts, and hooks have seen the first.
        if let Some(name) = like(&key, &MEMBERS) {
            let reason = format!(
                "a member is `{name}` in other letters: two readers could understand it differently"
            );
            return Err(rejected(INVALID_REQUEST, reason));
        }
        if matches!(key.as_str(), "id" | "method") && raw.get().len() > MAX_NAME {
            let reason = format!("`{key}` is longer than {MAX_NAME} bytes");
            return Err(rejected(INVALID_REQUEST, reason));
        }
        parts.take(key, value);
    }
    let message = parts.message();
    message.map_err(|reason| rejected(INVALID_REQUEST, reason.to_owned()))
}

/// A key that may be shown.
fn shown(key: &str) -> &str {
    match key {
        "jsonrpc" | "id" | "method" | "params" | "result" | "error" => key,
        _ => "another member",
    }
}

#[derive(Default)]
struct Parts {
    jsonrpc: Option<JsonText>,
    id: Option<JsonText>,
    method: Option<JsonText>,
    params: Option<JsonText>,
    result: Option<JsonText>,
    error: Option<JsonText>,
    extra: Extra,
}

impl Parts {
    fn take(&mut self, key: String, value: JsonText) {
        let place = match key.as_str() {
            "jsonrpc" => &mut self.jsonrpc,
            "id" => &mut self.id,
            "method" => &mut self.method,
            "params" => &mut self.params,
            "result" => &mut self.result,
            "error" => &mut self.error,
            _ => return self.extra.push((key, value)),
        };
        *place = Some(value);
    }

    fn message(self) -> Result<Message, &'static str> {
        if self.jsonrpc.as_ref().map(JsonText::as_str) != Some(r#""2.0""#) {
            return Err("`jsonrpc` must be \"2.0\"");
        }
        let id = match &self.id {
            None => None,
            // Whoever could not read a request has no id for the error.
            Some(id) if id.as_str() == "null" && self.error.is_some() => None,
            Some(id) => match Id::read(&id.value()) {
                None => return Err("`id` must be a string or a whole number of 64 bits"),
                id => id,
            },
        };
        let extra = self.extra;
        let Some(method) = self.method else {
            let answer = match (self.result, self.error, self.params) {
                (Some(result), None, None) => Answer::Result(result),
                (None, Some(error), None) => Answer::Error(error),
                _ => return Err("a message has a `method`, or one of `result` and `error`"),
            };
            if id.is_none() && !matches!(answer, Answer::Error(_)) {
                return Err("an answer has an `id`");
            }
            return Ok(Message::Response { id, answer, extra });
        };
        if self.result.is_some() || self.error.is_some() {
            return Err("a message with a `method` has neither `result` nor `error`");
        }
        let Value::String(method) = method.value() else {
            return Err("`method` must be a string");
        };
        let params = self.params;
        if params
            .as_ref()
            .is_some_and(|p| !p.as_str().starts_with(['{', '[']))
        {
            return Err("`params` must be an object or a list");
        }
        let call = Call {
            method,
            params,
            extra,
        };
        Ok(match id {
            Some(id) => Message::Request { id, call },
            None => Message::Notification(call),
        })
    }
}
