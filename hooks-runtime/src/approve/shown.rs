//! Text for the eyes of a person who decides.

use std::fmt::Write as _;

/// The text with everything escaped that could move the cursor, turn the reading direction or not be seen, as
/// `\u{…}`; cut after `max_chars` characters, with how many were left out.
///
/// Whoever chooses an argument must not be able to draw a different question with it. The characters that turn the
/// reading direction are those of Unicode Standard Annex 9, section 2.
///
/// ```
/// use hooks_runtime::approve::shown;
///
/// assert_eq!(shown("grün", 80), "grün");
/// assert_eq!(shown("a\u{1b}[2J", 80), "a\\u{1b}[2J");
/// assert_eq!(shown("abcdef", 4), "abcd… (2 more)");
/// ```
pub fn shown(text: &str, max_chars: usize) -> String {
    let mut out = String::with_capacity(text.len().min(max_chars));
    let mut chars = text.chars();
    for c in chars.by_ref().take(max_chars) {
        if deceives(c) {
            out.extend(c.escape_unicode());
        } else {
            out.push(c);
        }
    }
    let more = chars.count();
    if more > 0 {
        write!(out, "… ({more} more)").expect("a text takes everything");
    }
    out
}

fn deceives(c: char) -> bool {
    let turns = matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let breaks = matches!(c, '\u{2028}' | '\u{2029}');
    let unseen = matches!(
        c,
        '\u{ad}' | '\u{115f}' | '\u{1160}' | '\u{180e}' | '\u{200b}'..='\u{200d}' | '\u{2060}'..='\u{2064}'
            | '\u{206a}'..='\u{206f}' | '\u{3164}' | '\u{feff}' | '\u{ffa0}' | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e007f}'
    );
    c.is_control() || turns || breaks || unseen
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_deceive_is_escaped() {
        assert_eq!(shown("a\u{1b}[2Jb", 80), "a\\u{1b}[2Jb");
        assert_eq!(shown("x\u{202e}y\n", 80), "x\\u{202e}y\\u{a}");
        assert_eq!(
            shown("a\u{200b}b\u{2028}\u{e0041}\u{61c}", 80),
            "a\\u{200b}b\\u{2028}\\u{e0041}\\u{61c}"
        );
        assert_eq!(shown("grün 日本 🦀", 80), "grün 日本 🦀");
    }

    #[test]
    fn a_long_text_is_cut_and_says_so() {
        assert_eq!(shown("grün", 4), "grün");
        assert_eq!(shown("grüner", 4), "grün… (2 more)");
        assert_eq!(shown("\u{202e}\u{202e}", 1), "\\u{202e}… (1 more)");
        assert_eq!(shown("", 0), "");
    }
}
