//! Types and expressions as people write them, for the catalogue and for messages.

use proc_macro2::{Delimiter, Spacing, TokenStream, TokenTree};
use quote::ToTokens;

/// The tokens with spaces only where a person would put them.
pub(crate) fn of(tokens: impl ToTokens) -> String {
    let mut text = String::new();
    write(tokens.to_token_stream(), &mut text);
    text
}

fn write(tokens: TokenStream, text: &mut String) {
    let mut joint = false;
    for token in tokens {
        match token {
            TokenTree::Group(group) => {
                let (open, close) = match group.delimiter() {
                    Delimiter::Parenthesis => ("(", ")"),
                    Delimiter::Bracket => ("[", "]"),
                    Delimiter::Brace => ("{ ", " }"),
                    Delimiter::None => ("", ""),
                };
                if open.starts_with('{') || stands_apart(text) {
                    space(text);
                }
                text.push_str(open);
                write(group.stream(), text);
                text.push_str(close);
                joint = false;
            }
            TokenTree::Punct(punct) => {
                let c = punct.as_char();
                let arrow = c == '>' && joint && text.ends_with(['-', '=']);
                let operator = matches!(c, '+' | '=' | '-');
                if !joint && (operator || (matches!(c, '&' | '*') && stands_apart(text))) {
                    space(text);
                }
                text.push(c);
                joint = punct.spacing() == Spacing::Joint;
                if arrow || c == ',' || c == ';' || (!joint && matches!(c, '+' | '=')) {
                    text.push(' ');
                }
            }
            TokenTree::Ident(ident) => {
                word(&ident.to_string(), text);
                joint = false;
            }
            TokenTree::Literal(literal) => {
                word(&literal.to_string(), text);
                joint = false;
            }
        }
    }
    if text.ends_with(", ") {
        text.truncate(text.len() - 1);
    }
}

fn word(word: &str, text: &mut String) {
    // After a name, a lifetime or a bracket, but not after the quote that starts a lifetime.
    if text.ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == ']' || c == ')') {
        space(text);
    }
    text.push_str(word);
}

/// Whether the text ends in a lifetime or in a word that is no name: `&'a`, `*const`, `dyn`.
fn stands_apart(text: &str) -> bool {
    let front = text.trim_end_matches(|c: char| c.is_alphanumeric() || c == '_');
    let last = &text[front.len()..];
    let keyword = matches!(
        last,
        "const" | "mut" | "dyn" | "impl" | "as" | "ref" | "move"
    );
    keyword || (!last.is_empty() && front.ends_with('\''))
}

fn space(text: &mut String) {
    if !text.is_empty() && !text.ends_with([' ', '(', '[', '<']) {
        text.push(' ');
    }
}

#[cfg(test)]
mod tests {
    use super::of;

    #[test]
    fn types_read_as_written() {
        for ty in [
            "Result<Vec<u8>, io::Error>",
            "&'a mut HashMap<&'static str, [u8; 4]>",
            "Pin<Box<dyn Future<Output = ()> + Send + 'a>>",
            "impl Fn(&str, u8) -> usize",
            "(u8, &dyn Tool)",
            "!",
            "<A as B>::X",
            "*const [T]",
            "&'a [u8]",
            "&'a mut [u8]",
            "*mut &T",
            "&'a dyn Tool",
            "&'static str",
            "&req.path",
        ] {
            let tokens: proc_macro2::TokenStream = ty.parse().unwrap();
            assert_eq!(of(tokens), ty);
        }
    }
}
