//! Secrets that come in pieces: the text of a stream, seen through a window.

use super::rules::Rules;

/// What is known of the text of one stream.
pub(super) struct Window {
    /// The end of the text so far.
    text: String,
    /// So much at the beginning of `text` is there for word boundaries only.
    from: usize,
    /// So much at the beginning of `text` was given to the caller.
    given: usize,
    /// Where in `text` that was given something begins that was replaced and may go on.
    replaced_from: Option<usize>,
    holds: bool,
}

/// Why a piece of text cannot be given.
#[derive(Debug, thiserror::Error)]
pub(super) enum WindowError {
    #[error(
        "the stream gave the beginning of something to redact before the rest of it came; name its last item with `stream_end`, so that text can be held back"
    )]
    Split,
    #[error("something to redact is longer than `max_held_bytes`")]
    Full,
}

/// How much is kept, in bytes.
#[derive(Clone, Copy)]
pub(super) struct Limits {
    pub(super) window: usize,
    pub(super) held: usize,
}

impl Window {
    /// `holds`: text is held back until it is known what it is; else it is given at once.
    pub(super) fn new(holds: bool) -> Self {
        Window {
            text: String::new(),
            from: 0,
            given: 0,
            replaced_from: None,
            holds,
        }
    }

    /// What may be given now that this text has come.
    pub(super) fn push(
        &mut self,
        rules: &Rules,
        piece: &str,
        last: bool,
        limits: Limits,
    ) -> Result<String, WindowError> {
        self.text.push_str(piece);
        let end = self.text.len();
        let found = rules.find_from(&self.text, self.from);
        let mut until = end;
        if self.holds && !last {
            let window = self
                .text
                .floor_char_boundary(end.saturating_sub(limits.window));
            until = window.max(self.given);
            if let Some(on_it) = found.iter().find(|f| f.start < until && f.end > until) {
                until = on_it.start;
            }
        }
        let (mut out, mut at) = (String::new(), self.given);
        for place in found
            .iter()
            .filter(|f| f.end > self.given && f.end <= until)
        {
            if place.start >= self.given {
                out.push_str(&self.text[at..place.start]);
                out.push_str(rules.text_for(place));
            } else if self.replaced_from.is_none_or(|from| place.start < from) {
                return Err(WindowError::Split);
            }
            at = place.end;
        }
        out.push_str(&self.text[at..until]);
        self.given = until;
        let open = found.iter().find(|f| f.end == end && f.end <= until);
        self.replaced_from = open.map(|f| f.start);
        self.forget(limits)?;
        Ok(out)
    }

    /// Keeps what the next piece may belong to, and one character before it.
    fn forget(&mut self, limits: Limits) -> Result<(), WindowError> {
        let mut keep = self.given;
        if !self.holds {
            keep = self.text.len().saturating_sub(limits.window);
            keep = keep.min(self.replaced_from.unwrap_or(keep)).max(self.from);
        }
        keep = self.text.floor_char_boundary(keep);
        if self.text.len() - keep > limits.held {
            return Err(WindowError::Full);
        }
        let before = self.text[..keep].chars().next_back();
        let context = before.map_or(0, char::len_utf8);
        let cut = keep - context;
        self.text.drain(..cut);
        self.from = context;
        self.given -= cut;
        self.replaced_from = self.replaced_from.map(|at| at - cut);
        Ok(())
    }

    /// How many bytes the caller did not get yet.
    pub(super) fn held(&self) -> usize {
        self.text.len() - self.given
    }
}

impl Drop for Window {
    fn drop(&mut self) {
        if self.held() > 0 {
            let bytes = self.held();
            tracing::warn!(target: "hookpoint", bytes, "a stream ended without the item that `stream_end` names: text that was held back is lost");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::redaction::RedactionHook;

    const TEXT: &str = "héllo AKIAABCDEFGHIJKLMNOP and bob@example.com, ghp_0123456789012345678901234567890123456789 end";

    fn rules() -> Rules {
        RedactionHook::new().rules().unwrap()
    }

    #[test]
    fn wherever_a_text_is_cut_what_is_given_is_the_whole_text_redacted() {
        let rules = rules();
        let whole = rules.redact(TEXT).unwrap();
        let limits = Limits {
            window: 48,
            held: 1000,
        };
        for size in 1..TEXT.len() {
            let mut window = Window::new(true);
            let mut out = String::new();
            let chars: Vec<char> = TEXT.chars().collect();
            for piece in chars.chunks(size) {
                let piece: String = piece.iter().collect();
                out += &window.push(&rules, &piece, false, limits).unwrap();
            }
            out += &window.push(&rules, "", true, limits).unwrap();
            assert_eq!(out, whole, "in pieces of {size}");
            assert_eq!(window.held(), 0);
        }
    }

    #[test]
    fn text_that_is_given_at_once_never_completes_a_secret() {
        let rules = rules();
        let limits = Limits {
            window: 48,
            held: 1000,
        };
        let mut window = Window::new(false);
        let first = window
            .push(&rules, "key AKIAABCDEF", false, limits)
            .unwrap();
        assert_eq!(first, "key AKIAABCDEF");
        let second = window.push(&rules, "GHIJKLMNOP", false, limits);
        assert!(matches!(second, Err(WindowError::Split)));
        // The rest of what was replaced is left out.
        let mut window = Window::new(false);
        let token = "glpat-abcdefghijklmnopqrstuvwxyz";
        let first = window.push(&rules, token, false, limits).unwrap();
        assert_eq!(first, "[redacted:gitlab_token]");
        assert_eq!(window.push(&rules, "01234 x", false, limits).unwrap(), " x");
        assert_eq!(window.push(&rules, "y", false, limits).unwrap(), "y");
    }

    #[test]
    fn what_is_held_is_bounded() {
        let limits = Limits {
            window: 48,
            held: 200,
        };
        let mut window = Window::new(true);
        let rules = rules();
        let begin = "-----BEGIN PRIVATE KEY-----";
        assert_eq!(window.push(&rules, begin, false, limits).unwrap(), "");
        let body = "A".repeat(300);
        let full = window.push(&rules, &body, false, limits);
        assert!(matches!(full, Err(WindowError::Full)));
    }
}
