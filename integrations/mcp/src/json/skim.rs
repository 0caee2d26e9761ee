//! Whom a message that cannot be read would have been answered to.

use serde_json::Value;

/// The longest key or id that is looked at, in bytes.
const MAX_TOKEN: usize = 1024;

/// Finds `id` and `method` of a message that is too long, or no proper JSON, without keeping it: bytes are fed as
/// they come, and only keys and plain values of the outermost object are remembered.
#[derive(Debug, Default)]
pub(crate) struct Skim {
    depth: usize,
    in_string: bool,
    escaped: bool,
    /// The string or plain value that is being read in the outermost object.
    token: Vec<u8>,
    too_long: bool,
    key: Option<Vec<u8>>,
    id: Option<Vec<u8>>,
    twice: bool,
    has_method: bool,
}

impl Skim {
    pub(crate) fn feed(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.step(*byte));
    }

    /// The id, if there is exactly one and it is a string or a number; the raw value.
    pub(crate) fn id(&self) -> Option<Value> {
        let id = self.id.as_deref().filter(|_| !self.twice)?;
        serde_json::from_slice(id).ok()
    }

    /// Whether it is a request or a notification.
    pub(crate) fn has_method(&self) -> bool {
        self.has_method
    }

    fn step(&mut self, byte: u8) {
        if self.in_string {
            self.keep(byte);
            match byte {
                _ if self.escaped => self.escaped = false,
                b'\\' => self.escaped = true,
                b'"' => self.in_string = false,
                _ => {}
            }
            return;
        }
        match byte {
            b'"' => {
                self.in_string = true;
                self.keep(byte);
            }
            b'{' | b'[' => self.depth += 1,
            b'}' | b']' => {
                if self.depth == 1 {
                    self.end_member();
                }
                self.depth = self.depth.saturating_sub(1);
            }
            b':' if self.depth == 1 => {
                self.key = Some(std::mem::take(&mut self.token)).filter(|_| !self.too_long);
                self.too_long = false;
            }
            b',' if self.depth == 1 => self.end_member(),
            b' ' | b'\t' | b'\r' | b'\n' => {}
            _ => self.keep(byte),
        }
    }

    fn keep(&mut self, byte: u8) {
        if self.depth != 1 {
            return;
        }
        if self.token.len() < MAX_TOKEN {
            self.token.push(byte);
        } else {
            self.too_long = true;
        }
    }

    fn end_member(&mut self) {
        let value = std::mem::take(&mut self.token);
        let key = self.key.take();
        match key.as_deref() {
            Some(b"\"id\"") => {
                self.twice |= self.id.is_some() || self.too_long;
                self.id = Some(value);
            }
            Some(b"\"method\"") => self.has_method = true,
            _ => {}
        }
        self.too_long = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn skimmed(text: &str) -> (Option<Value>, bool) {
        let mut skim = Skim::default();
        // In pieces, as it comes from a pipe.
        text.as_bytes().chunks(3).for_each(|piece| skim.feed(piece));
        (skim.id(), skim.has_method())
    }

    #[test]
    fn the_outermost_id_is_found_wherever_it_stands() {
        for (text, id, method) in [
            (r#"{"id":7,"method":"a","params":{"id":8}}"#, json!(7), true),
            (
                r#"{"params":{"id":8,"x":["}",{}]},"method":"id","id" : "a\"b" }"#,
                json!("a\"b"),
                true,
            ),
            (
                r#"{"id":-1,"result":{"method":1},"result":2}"#,
                json!(-1),
                false,
            ),
            (r#"{"id":5,"result":{"text":"half"#, json!(5), false),
        ] {
            assert_eq!(skimmed(text), (Some(id), method), "{text}");
        }
        for none in [
            r#"{"id":1,"id":2}"#,
            r#"[{"id":1}]"#,
            "Server running",
            "",
            "}}}}",
        ] {
            assert_eq!(skimmed(none).0, None, "{none}");
        }
    }
}
