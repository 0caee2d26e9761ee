//! Server-sent events, as <https://html.spec.whatwg.org/multipage/server-sent-events.html> has them.

use std::time::Duration;

use super::gather::Gather;

/// The longest name of a field, id or type of an event that is kept, in bytes.
const MAX_FIELD: usize = 1024;

/// Reads events out of pieces of a stream. The data of an event is in the [`Gather`], and is taken from there
/// before the next piece.
#[derive(Debug, Default)]
pub(super) struct Parser {
    /// The name of the field, until its colon.
    field: Vec<u8>,
    value: Vec<u8>,
    in_value: bool,
    /// A space right after the colon is not of the value.
    value_begun: bool,
    after_cr: bool,
    /// How many bytes of the mark at the very beginning were seen; then it is over.
    mark: Mark,
    has_data: bool,
    kind: Vec<u8>,
    id: Option<String>,
    retry: Option<Duration>,
}

#[derive(Debug, Default)]
enum Mark {
    #[default]
    Begin,
    Seen(usize),
    Over,
}

/// What an event says besides its data.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Event {
    /// It has data, and is a message.
    pub(super) is_message: bool,
    /// Its id.
    pub(super) id: Option<String>,
    /// How long to wait before the stream is opened again.
    pub(super) retry: Option<Duration>,
}

impl Parser {
    /// Reads up to the end of the next event; how many bytes that were, and the event if it is whole.
    pub(super) fn read(&mut self, piece: &[u8], data: &mut Gather) -> (usize, Option<Event>) {
        let mut at = 0;
        while at < piece.len() {
            if self.in_value && self.value_begun && self.field == b"data" {
                // The usual case, many bytes at once.
                let rest = &piece[at..];
                let end = rest.iter().position(|byte| matches!(byte, b'\r' | b'\n'));
                let plain = &rest[..end.unwrap_or(rest.len())];
                data.push(plain);
                at += plain.len();
                if end.is_none() {
                    break;
                }
            }
            let event = self.step(piece[at], data);
            at += 1;
            if event.is_some() {
                return (at, event);
            }
        }
        (at, None)
    }

    fn step(&mut self, byte: u8, data: &mut Gather) -> Option<Event> {
        if self.is_mark(byte) {
            return None;
        }
        let after_cr = std::mem::take(&mut self.after_cr);
        match byte {
            b'\n' if after_cr => None,
            b'\r' | b'\n' => {
                self.after_cr = byte == b'\r';
                self.end_line(data)
            }
            b':' if !self.in_value => {
                self.in_value = true;
                if self.field == b"data" {
                    self.begin_data(data);
                }
                None
            }
            b' ' if self.in_value && !self.value_begun => {
                self.value_begun = true;
                None
            }
            _ => {
                self.keep(byte, data);
                None
            }
        }
    }

    /// The mark of UTF-8 at the very beginning is no part of the stream.
    fn is_mark(&mut self, byte: u8) -> bool {
        const MARK: [u8; 3] = [0xef, 0xbb, 0xbf];
        let seen = match self.mark {
            Mark::Over => return false,
            Mark::Begin => 0,
            Mark::Seen(seen) => seen,
        };
        let is_mark = byte == MARK[seen];
        self.mark = match seen {
            0 | 1 if is_mark => Mark::Seen(seen + 1),
            _ => Mark::Over,
        };
        is_mark
    }

    fn keep(&mut self, byte: u8, data: &mut Gather) {
        if !self.in_value {
            if self.field.len() < MAX_FIELD {
                self.field.push(byte);
            }
            return;
        }
        self.value_begun = true;
        if self.field == b"data" {
            data.push(&[byte]);
        } else if self.value.len() <= MAX_FIELD {
            self.value.push(byte);
        }
    }

    /// Lines of data are one text.
    fn begin_data(&mut self, data: &mut Gather) {
        if std::mem::replace(&mut self.has_data, true) {
            data.push(b"\n");
        }
    }

    fn end_line(&mut self, data: &mut Gather) -> Option<Event> {
        let field = std::mem::take(&mut self.field);
        let value = std::mem::take(&mut self.value);
        let had_value = std::mem::take(&mut self.in_value);
        self.value_begun = false;
        let fits = value.len() <= MAX_FIELD;
        match field.as_slice() {
            b"" if !had_value => return self.end_event(data),
            b"data" if !had_value => self.begin_data(data),
            b"event" => self.kind = value,
            b"id" if fits && !value.contains(&0) => self.id = String::from_utf8(value).ok(),
            b"retry" if fits => {
                let text = String::from_utf8(value).unwrap_or_default();
                if text.bytes().all(|byte| byte.is_ascii_digit()) {
                    self.retry = text.parse().ok().map(Duration::from_millis);
                }
            }
            _ => {}
        }
        None
    }

    fn end_event(&mut self, data: &mut Gather) -> Option<Event> {
        let kind = std::mem::take(&mut self.kind);
        let known = matches!(kind.as_slice(), b"" | b"message");
        let has_data = std::mem::take(&mut self.has_data) && !data.is_empty();
        if has_data && !known {
            tracing::debug!("an event that is no message was left out");
            data.clear();
        }
        let event = Event {
            is_message: has_data && known,
            id: self.id.take(),
            retry: self.retry.take(),
        };
        (event != Event::default()).then_some(event)
    }
}

/// A message as an event; `id` as well, where the stream can be resumed.
pub(super) fn write(id: &str, line: &str) -> String {
    debug_assert!(!line.contains(['\r', '\n']), "a message is one line");
    format!("id: {id}\ndata: {line}\n\n")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::limits::Limits;
    use crate::side::http::gather::Turns;

    /// The events of a stream that comes in pieces, and the number of messages in each.
    fn events(pieces: &[&[u8]], limits: &Limits) -> Vec<(Event, Vec<String>)> {
        let mut parser = Parser::default();
        let mut data = Gather::new(limits, &Turns::new(1));
        let mut all = Vec::new();
        for piece in pieces {
            let mut rest = *piece;
            while !rest.is_empty() {
                let (used, event) = parser.read(rest, &mut data);
                rest = &rest[used..];
                if let Some(event) = event {
                    let text = |message: Result<crate::Message, crate::Rejected>| match message {
                        Ok(message) => message.to_line(),
                        Err(rejected) => rejected.reason,
                    };
                    let messages = match event.is_message {
                        true => data.messages().into_iter().map(text).collect(),
                        false => Vec::new(),
                    };
                    data.clear();
                    all.push((event, messages));
                }
            }
        }
        all
    }

    const PING: &str = r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;

    #[test]
    fn events_are_what_the_standard_says() {
        let stream = format!(
            "\u{feff}: hello\n\nid: a\ndata:\n\nretry: 250\nid:b\r\nevent: message\r\ndata: {PING}\r\n\r\ndata: {{\"jsonrpc\":\"2.0\",\r\
             data:\"id\":1,\"method\":\"ping\"}}\r\revent: endpoint\ndata: /old\n\nretry: soon\nid: x\0y\nunknown: 1\ndata: half"
        );
        let seen = events(&[stream.as_bytes()], &Limits::default());
        let event = |is_message, id: Option<&str>, retry| Event {
            is_message,
            id: id.map(str::to_owned),
            retry,
        };
        let ping = vec![PING.to_owned()];
        assert_eq!(
            seen,
            [
                (event(false, Some("a"), None), vec![]),
                (
                    event(true, Some("b"), Some(Duration::from_millis(250))),
                    ping.clone()
                ),
                (event(true, None, None), ping),
            ]
        );
    }

    #[test]
    fn an_event_that_is_too_long_is_not_kept_and_named() {
        let limits = Limits {
            max_message_bytes: 1024,
            ..Limits::default()
        };
        let long = "x".repeat(5000);
        let stream = format!(
            "data: {{\"id\":4,\"result\":\"{long}\"}}\n\ndata: {PING}\n\nid: {long}\ndata: {PING}\n\n"
        );
        let seen = events(&[stream.as_bytes()], &limits);
        assert!(seen[0].1[0].contains("1024 is the most"), "{seen:?}");
        assert_eq!(seen[1].1, [PING]);
        assert_eq!(
            (&seen[2].0.id, &seen[2].1[..]),
            (&None, &[PING.to_owned()][..])
        );
    }

    proptest! {
        #[test]
        fn where_the_pieces_end_does_not_matter(
            lines in proptest::collection::vec(
                prop_oneof![
                    Just("data: {}".to_owned()), Just("data".to_owned()), Just(String::new()), Just(":".to_owned()),
                    Just(format!("data: {PING}")), "(id|retry|event|data)?(: ?)?[a-z0-9]{0,3}", ".{0,5}",
                ], 0..12),
            ends in proptest::collection::vec(prop_oneof![Just("\n"), Just("\r"), Just("\r\n")], 12),
            size in 1usize..9,
        ) {
            let stream: String = lines.iter().zip(&ends).flat_map(|(line, end)| [line.as_str(), end]).collect();
            let limits = Limits { max_message_bytes: 1024, ..Limits::default() };
            let pieces: Vec<&[u8]> = stream.as_bytes().chunks(size).collect();
            prop_assert_eq!(events(&pieces, &limits), events(&[stream.as_bytes()], &limits));
        }

        #[test]
        fn what_is_written_is_read(text in ".{0,40}", size in 1usize..9) {
            let params = serde_json::json!({ "text": text });
            let line = crate::Message::Notification(crate::Call::new("n", &params)).to_line();
            let stream = write("1-2", &line);
            let pieces: Vec<&[u8]> = stream.as_bytes().chunks(size).collect();
            let seen = events(&pieces, &Limits::default());
            prop_assert_eq!(seen.len(), 1);
            prop_assert_eq!(&seen[0].1, &[line]);
            prop_assert_eq!(seen[0].0.id.as_deref(), Some("1-2"));
        }
    }
}
