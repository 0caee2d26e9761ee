//! What a person sees.

use hooks_runtime::approve::shown;
use serde_json::Value;

use super::super::redacted::Redacted;

/// What stands before everything that somebody else has chosen, in each row.
const BAR: &str = "│ ";
/// How wide the column of labels is, in characters.
const LABEL: usize = 10;
/// The narrowest terminal that rows are broken for, in columns.
const NARROWEST: usize = 40;

/// How a terminal looks.
#[derive(Clone, Copy, Debug)]
pub(super) struct Look {
    /// In columns.
    pub(super) width: usize,
    pub(super) colours: bool,
}

/// A question, with everything escaped that could draw a different one.
#[derive(Debug)]
pub(super) struct Question {
    /// Labels, and what they are about.
    facts: Vec<(String, String)>,
}

impl Question {
    pub(super) fn new(point: &str, redacted: &Redacted, max_chars: usize) -> Self {
        let shown = |text: &str| shown(text, max_chars);
        let mut facts = Vec::new();
        let mut say = |label: &str, text: &str| facts.push((label.to_owned(), shown(text)));
        say("point", point);
        if let Some(component) = &redacted.component {
            say("component", component);
        }
        if let Some(principal) = &redacted.principal {
            say("for", principal);
        }
        for (hook, question) in &redacted.questions {
            say("hook", hook);
            say("asks", question);
        }
        for (name, value) in redacted.args.as_object().into_iter().flatten() {
            say("argument", &format!("{name} = {value}"));
        }
        if redacted.plan != "run" {
            say("would", &redacted.plan);
        }
        if let Some(value) = &redacted.planned {
            say("instead", &Value::to_string(value));
        }
        Question { facts }
    }

    /// The question for a terminal, up to where the answer is typed.
    pub(super) fn text(&self, look: Look) -> String {
        let (bold, plain) = if look.colours {
            ("\u{1b}[1m", "\u{1b}[0m")
        } else {
            ("", "")
        };
        let mut text = format!("\n{bold}hookpoint: a call waits for your answer{plain}\n");
        let room = look.width.max(NARROWEST) - BAR.chars().count() - LABEL - 2;
        for (label, fact) in &self.facts {
            let mut label = label.as_str();
            for row in rows(fact, room) {
                text += &format!("{BAR}{label:LABEL$} {row}\n");
                label = "";
            }
        }
        text + &format!("{bold}allow this call? [y/N]{plain} ")
    }
}

/// The text in pieces that each fit into so many columns: where the terminal broke a row by itself, the rest of it
/// would stand where the program's own words do.
fn rows(text: &str, columns: usize) -> Vec<String> {
    let mut rows = vec![String::new()];
    let mut used = 0;
    for c in text.chars() {
        // No character is wider than two columns.
        let width = if c.is_ascii() { 1 } else { 2 };
        if used + width > columns {
            rows.push(String::new());
            used = 0;
        }
        used += width;
        rows.last_mut().expect("there is one").push(c);
    }
    rows
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn question(question: &str, args: Value) -> Question {
        let redacted = Redacted {
            component: Some("write".to_owned()),
            principal: None,
            plan: "run".to_owned(),
            planned: None,
            args,
            questions: vec![("ask".to_owned(), question.to_owned())],
        };
        Question::new("tool.execute", &redacted, 60)
    }

    #[test]
    fn nothing_stands_at_the_left_edge_that_the_program_did_not_write() {
        let look = Look {
            width: 50,
            colours: false,
        };
        let fake = format!(
            "harmless{}allow this call? [y/N] \n\u{1b}[2J\u{202e}",
            " ".repeat(20)
        );
        let text = question(&fake, json!({ "path": "日本".repeat(40) })).text(look);
        assert_eq!(
            text.matches("\nallow this call? [y/N] ").count(),
            1,
            "{text}"
        );
        for line in text.lines().filter(|line| !line.is_empty()) {
            let ours = line.starts_with("hookpoint:") || line.starts_with("allow this call?");
            assert!(line.starts_with(BAR) || ours, "{line}");
            let columns = |c: char| if c.is_ascii() || c == '│' { 1 } else { 2 };
            assert!(line.chars().map(columns).sum::<usize>() < 50, "{line}");
        }
        assert!(
            !text.contains('\u{1b}') && !text.contains('\u{202e}'),
            "{text}"
        );
        assert!(text.contains("more)"), "{text}");
    }

    #[test]
    fn only_the_programs_own_words_have_colours() {
        let look = Look {
            width: 80,
            colours: true,
        };
        let text = question("Write?", json!({ "path": "a" })).text(look);
        assert_eq!(text.matches('\u{1b}').count(), 4, "{text:?}");
        assert!(
            text.contains("│ asks       Write?\n│ argument   path = \"a\"\n"),
            "{text}"
        );
    }
}
