//! What is returned when the attribute cannot do its work: the user's item as it was, and every error.

use proc_macro2::{TokenStream, TokenTree};

use crate::errors::Errors;

/// The item untouched, with the errors after it.
///
/// The item is kept so that one mistake in an attribute doesn't produce a hundred "cannot find function"
/// elsewhere, and so that editors go on completing inside it.
pub(crate) fn keep(item: TokenStream, errors: Errors) -> TokenStream {
    let mut tokens = item;
    tokens.extend(errors.into_tokens());
    tokens
}

/// The keyword that says what kind of item this is.
pub(crate) fn keyword(item: &TokenStream) -> Option<proc_macro2::Ident> {
    const KINDS: &[&str] = &[
        "fn",
        "impl",
        "trait",
        "struct",
        "enum",
        "union",
        "mod",
        "static",
        "type",
        "use",
        "let",
        "extern",
        "macro_rules",
        "gen",
    ];
    let mut previous_was_const = None;
    for token in item.clone() {
        match token {
            TokenTree::Ident(ident) => {
                let name = ident.to_string();
                if name == "const" {
                    previous_was_const = Some(ident);
                } else if KINDS.contains(&name.as_str()) {
                    // `extern "C" fn`, `gen fn`: the function decides.
                    if (name == "extern" || name == "gen") && has_fn(item) {
                        continue;
                    }
                    return Some(ident);
                } else if previous_was_const.is_some()
                    && !matches!(name.as_str(), "unsafe" | "async" | "fn")
                {
                    return previous_was_const;
                }
            }
            TokenTree::Group(_) | TokenTree::Punct(_) | TokenTree::Literal(_) => {}
        }
    }
    None
}

/// The `gen` of a `gen fn`, which only nightly can compile and syn cannot read.
pub(crate) fn generator(item: &TokenStream) -> Option<proc_macro2::Ident> {
    let mut generator = None;
    for token in item.clone() {
        match token {
            TokenTree::Ident(ident) if ident == "gen" => generator = Some(ident),
            TokenTree::Ident(ident) if ident == "fn" => return generator,
            TokenTree::Ident(ident)
                if matches!(ident.to_string().as_str(), "async" | "unsafe" | "extern") => {}
            TokenTree::Literal(_) => {}
            _ => generator = None,
        }
    }
    None
}

fn has_fn(item: &TokenStream) -> bool {
    item.clone()
        .into_iter()
        .any(|token| matches!(token, TokenTree::Ident(ident) if ident == "fn"))
}
