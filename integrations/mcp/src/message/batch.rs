//! What one frame of a transport holds.

use serde_json::value::RawValue;

use super::parse::parse_one;
use super::{INVALID_REQUEST, Id, Message, PARSE_ERROR, Rejected};
use crate::json::{JsonError, Skim};
use crate::limits::Limits;

/// The messages of a frame: one, or those of a batch, each by itself. A message that cannot be passed on is
/// [`Rejected`], with the id of whoever waits for it where that can be told.
///
/// ```
/// use hooks_mcp::{Limits, Message, parse_all};
///
/// let line = br#"[{"jsonrpc":"2.0","id":1,"method":"ping"}, {"jsonrpc":"2.0","id":2,"id":3,"method":"ping"}]"#;
/// let messages = parse_all(line, &Limits::default());
/// assert!(matches!(messages[0], Ok(Message::Request { .. })));
/// assert!(messages[1].as_ref().unwrap_err().reason.contains("a key stands twice"));
/// ```
pub fn parse_all(frame: &[u8], limits: &Limits) -> Vec<Result<Message, Rejected>> {
    let skimmed = || {
        let mut skim = Skim::default();
        skim.feed(frame);
        skim
    };
    if frame.len() > limits.max_message_bytes {
        return vec![Err(too_long(&skimmed(), frame.len(), limits))];
    }
    let text = match std::str::from_utf8(frame) {
        Ok(text) => text,
        Err(error) => {
            let at = error.valid_up_to();
            let reason = JsonError::Utf8 { at }.to_string();
            return vec![Err(unreadable(&skimmed(), PARSE_ERROR, reason))];
        }
    };
    if !text.trim_ascii_start().starts_with('[') {
        return vec![parse_one(text, limits)];
    }
    let whole = |code, reason: String| vec![Err(unreadable(&Skim::default(), code, reason))];
    match serde_json::from_str::<Vec<&RawValue>>(text) {
        Err(error) => whole(PARSE_ERROR, JsonError::from(error).to_string()),
        Ok(batch) if batch.is_empty() => whole(INVALID_REQUEST, "the batch is empty".into()),
        Ok(batch) if batch.len() > limits.max_batch => {
            let (length, limit) = (batch.len(), limits.max_batch);
            let reason = format!("the batch has {length} messages; {limit} is the most");
            whole(INVALID_REQUEST, reason)
        }
        Ok(batch) => {
            let read = |one: &&RawValue| parse_one(one.get(), limits);
            batch.iter().map(read).collect()
        }
    }
}

/// A message that was not kept.
pub(crate) fn too_long(skim: &Skim, bytes: usize, limits: &Limits) -> Rejected {
    let limit = limits.max_message_bytes;
    let reason = format!("the message has {bytes} bytes; {limit} is the most");
    unreadable(skim, INVALID_REQUEST, reason)
}

fn unreadable(skim: &Skim, code: i64, reason: String) -> Rejected {
    Rejected {
        code,
        reason,
        id: skim.id().as_ref().and_then(Id::read),
        is_response: !skim.has_method(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::JsonText;
    use crate::message::Answer;

    fn one(frame: &str) -> Result<Message, Rejected> {
        let mut all = parse_all(frame.as_bytes(), &Limits::default());
        assert_eq!(all.len(), 1);
        all.remove(0)
    }

    #[test]
    fn messages_go_on_as_they_came() {
        for line in [
            r#"{"jsonrpc":"2.0","id":1,"method":"a/b","params":{"z":1,"a":123456789012345678901234,"u":"\u00e9"}}"#,
            r#"{"jsonrpc":"2.0","id":"1","method":"ping"}"#,
            r#"{"jsonrpc":"2.0","method":"notifications/x","params":[1.50],"trace":{"x":1}}"#,
            r#"{"jsonrpc":"2.0","id":-5,"result":{"content":[]},"new":"1"}"#,
            r#"{"jsonrpc":"2.0","id":18446744073709551615,"error":{"code":-1,"message":"m"}}"#,
            r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"m"}}"#,
        ] {
            assert_eq!(one(line).unwrap().to_line(), line);
        }
        let spaced = " {\n\"method\" : \"ping\",\t\"id\": 1 , \"jsonrpc\":\"2.0\"}\r";
        let line = one(spaced).unwrap().to_line();
        assert_eq!(line, r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#);
    }

    #[test]
    fn what_is_no_message_says_whom_it_would_have_answered() {
        let (parse, invalid) = (PARSE_ERROR, INVALID_REQUEST);
        for (frame, code, id, is_response, reason) in [
            (
                r#""id":1,"method":"m","params":{"a":1,"a":2}"#,
                parse,
                Some(1),
                false,
                "in `params`: a key stands twice",
            ),
            (
                r#""id":1,"method":"m","method":"n""#,
                parse,
                Some(1),
                false,
                "a key stands twice",
            ),
            (
                r#""id":1,"id":2,"method":"m""#,
                parse,
                None,
                false,
                "a key stands twice",
            ),
            (
                r#""id":1,"jsonrpc":"1.0","method":"m""#,
                parse,
                Some(1),
                false,
                "a key stands twice",
            ),
            (r#""id":1.5,"method":"m""#, invalid, None, false, "`id`"),
            (r#""id":null,"method":"m""#, invalid, None, false, "`id`"),
            (r#""id":1,"method":7"#, invalid, Some(1), false, "`method`"),
            (
                r#""id":1,"method":"m","params":"p""#,
                invalid,
                Some(1),
                false,
                "`params`",
            ),
            (
                r#""id":1,"method":"m","result":1"#,
                invalid,
                Some(1),
                false,
                "neither",
            ),
            (
                r#""id":1,"result":1,"error":{}"#,
                invalid,
                Some(1),
                true,
                "one of",
            ),
            (r#""id":1"#, invalid, Some(1), true, "one of"),
        ] {
            let rejected = one(&format!("{{\"jsonrpc\":\"2.0\",{frame}}}")).unwrap_err();
            assert_eq!(rejected.code, code, "{frame}: {rejected:?}");
            assert_eq!(rejected.id, id.map(Id::from), "{frame}: {rejected:?}");
            assert_eq!(rejected.is_response, is_response, "{frame}: {rejected:?}");
            assert!(rejected.reason.contains(reason), "{frame}: {rejected:?}");
        }
        for (frame, code, id, reason) in [
            (
                r#"{"jsonrpc":"1.0","id":1,"method":"m"}"#,
                invalid,
                Some(1),
                "`jsonrpc`",
            ),
            (
                r#"{"jsonrpc":"2.0","id":1,"result":{"half"#,
                parse,
                Some(1),
                "EOF",
            ),
            ("Server running on stdio", parse, None, "object"),
            ("7", invalid, None, "object"),
            ("[]", invalid, None, "empty"),
            ("[1", parse, None, "EOF"),
        ] {
            let rejected = one(frame).unwrap_err();
            assert_eq!(
                (rejected.code, &rejected.id),
                (code, &id.map(Id::from)),
                "{frame}"
            );
            assert!(rejected.reason.contains(reason), "{frame}: {rejected:?}");
        }
        let bad = b"{\"jsonrpc\":\"2.0\",\"id\":4,\"method\":\"m\",\"params\":{\"a\":\"\xff\"}}";
        let rejected = parse_all(bad, &Limits::default()).remove(0).unwrap_err();
        assert_eq!((rejected.id, rejected.code), (Some(4.into()), parse));
        assert!(rejected.reason.contains("byte 52"), "{}", rejected.reason);
    }

    #[test]
    fn limits_hold() {
        let limits = Limits {
            max_message_bytes: 1024,
            max_depth: 4,
            max_batch: 2,
            ..Limits::default()
        };
        let parse = |frame: &str| parse_all(frame.as_bytes(), &limits);
        let with =
            |inner: &str| format!(r#"{{"jsonrpc":"2.0","id":1,"method":"m","params":{inner}}}"#);
        assert!(parse(&with("[[[]]]"))[0].is_ok());
        let rejected = parse(&with("[[[[]]]]")).remove(0).unwrap_err();
        assert!(rejected.reason.contains("nested too deep"), "{rejected:?}");
        let rejected = parse(&with(&format!("[\"{}\"]", "x".repeat(2000))));
        let rejected = rejected[0].as_ref().unwrap_err();
        assert!(rejected.reason.contains("1024 is the most"), "{rejected:?}");
        assert_eq!(rejected.id, Some(1.into()));
        assert_eq!(parse("[1,2]").len(), 2);
        let rejected = parse("[1,2,3]").remove(0).unwrap_err();
        assert!(rejected.reason.contains("2 is the most"), "{rejected:?}");
    }

    #[test]
    fn a_batch_is_its_messages() {
        let frame = br#"[{"jsonrpc":"2.0","id":1,"result":{}},7,{"jsonrpc":"2.0","method":"n"}]"#;
        let all = parse_all(frame, &Limits::default());
        let answer = Answer::Result(JsonText::of(&serde_json::json!({})));
        assert_eq!(all[0], Ok(Message::response(Id::from(1), answer)));
        assert!(all[1].is_err());
        assert!(matches!(&all[2], Ok(Message::Notification(call)) if call.method == "n"));
    }
}
