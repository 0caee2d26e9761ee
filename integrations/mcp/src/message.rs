//! Messages of JSON-RPC 2.0, as far as a gateway looks into them.

mod batch;
mod id;
mod parse;

use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::json::JsonText;

pub use batch::parse_all;
pub(crate) use batch::too_long;
pub use id::Id;

/// One message. Whatever the gateway does not understand is kept and goes on.
#[derive(Clone, Debug, PartialEq)]
pub enum Message {
    /// It is to be answered.
    Request {
        /// Under which id.
        id: Id,
        /// What is asked.
        call: Call,
    },
    /// It is not answered.
    Notification(Call),
    /// An answer.
    Response {
        /// To which request; `None` in errors about what was no request that could be told.
        id: Option<Id>,
        /// What the answer is.
        answer: Answer,
        /// Members that JSON-RPC does not know.
        extra: Extra,
    },
}

/// A method and its parameters.
#[derive(Clone, Debug, PartialEq)]
pub struct Call {
    /// The method, such as `tools/call`.
    pub method: String,
    /// Its parameters.
    pub params: Option<JsonText>,
    /// Members that JSON-RPC does not know.
    pub extra: Extra,
}

/// What a request is answered with.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    /// The result.
    Result(JsonText),
    /// The error object.
    Error(JsonText),
}

/// Members of a message that JSON-RPC does not know, in their order.
pub type Extra = Vec<(String, JsonText)>;

impl Call {
    /// A call without anything unknown.
    pub fn new(method: impl Into<String>, params: &Value) -> Self {
        Call {
            method: method.into(),
            params: Some(JsonText::of(params)),
            extra: Vec::new(),
        }
    }
}

/// What the members take that JSON-RPC does not know.
pub(crate) fn extra_bytes(extra: &Extra) -> usize {
    let bytes = |(key, value): &(String, JsonText)| key.len() + value.as_str().len();
    extra.iter().map(bytes).sum()
}

impl Answer {
    /// An error answer.
    pub fn error(code: i64, message: &str, data: Option<Value>) -> Self {
        let mut error = json!({ "code": code, "message": message });
        if let Some(data) = data {
            error["data"] = data;
        }
        Answer::Error(JsonText::of(&error))
    }
}

impl Message {
    /// An answer without anything unknown.
    pub fn response(id: impl Into<Option<Id>>, answer: Answer) -> Self {
        let (id, extra) = (id.into(), Vec::new());
        Message::Response { id, answer, extra }
    }

    /// The message as one line of JSON, without the line's end.
    pub fn to_line(&self) -> String {
        let mut line = String::with_capacity(self.size());
        line.push_str(r#"{"jsonrpc":"2.0""#);
        match self {
            Message::Request { id, .. } => member(&mut line, "id", &id.to_json()),
            Message::Response { id, .. } => {
                let id = id.as_ref().map_or("null".to_owned(), Id::to_json);
                member(&mut line, "id", &id);
            }
            Message::Notification(_) => {}
        }
        match self {
            Message::Request { call, .. } | Message::Notification(call) => {
                let method = Value::from(call.method.as_str());
                member(&mut line, "method", &method.to_string());
                if let Some(params) = &call.params {
                    member(&mut line, "params", params.as_str());
                }
            }
            Message::Response { answer, .. } => {
                let key = match answer {
                    Answer::Result(_) => "result",
                    Answer::Error(_) => "error",
                };
                member(&mut line, key, answer.body().as_str());
            }
        }
        for (key, value) in self.parts().1 {
            member(&mut line, key, value.as_str());
        }
        line.push('}');
        line
    }

    /// About how many bytes it holds.
    pub fn size(&self) -> usize {
        let (body, extra) = self.parts();
        // Ids and methods are short.
        body.map_or(0, |text| text.as_str().len()) + extra_bytes(extra) + 128
    }

    fn parts(&self) -> (Option<&JsonText>, &Extra) {
        match self {
            Message::Request { call, .. } | Message::Notification(call) => {
                (call.params.as_ref(), &call.extra)
            }
            Message::Response { answer, extra, .. } => (Some(answer.body()), extra),
        }
    }
}

impl Answer {
    fn body(&self) -> &JsonText {
        match self {
            Answer::Result(body) | Answer::Error(body) => body,
        }
    }
}

fn member(line: &mut String, key: &str, value: &str) {
    line.push(',');
    // Keys of others may hold anything.
    let written = write!(line, "{}:", Value::from(key));
    debug_assert!(written.is_ok(), "a string takes what is written to it");
    line.push_str(value);
}

/// A message that is not passed on.
#[derive(Clone, Debug, PartialEq)]
pub struct Rejected {
    /// What it is answered with, if it was a request: a code of JSON-RPC.
    pub code: i64,
    /// Why, without anything of what it said.
    pub reason: String,
    /// The request that it was, or answered; `None` if that cannot be told.
    pub id: Option<Id>,
    /// Whether it was an answer.
    pub is_response: bool,
}

/// It is no JSON that everybody understands in the same way.
pub const PARSE_ERROR: i64 = -32700;
/// It is JSON, and no message.
pub const INVALID_REQUEST: i64 = -32600;
/// The method is unknown.
pub const METHOD_NOT_FOUND: i64 = -32601;
/// The parameters are not those of the method.
pub const INVALID_PARAMS: i64 = -32602;
/// The gateway itself failed.
pub const INTERNAL_ERROR: i64 = -32603;
