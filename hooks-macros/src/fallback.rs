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

/// A word in front of `fn` that syn cannot read: `gen`, which only nightly can compile, and `safe`, which
/// stands in `extern` blocks.
pub(crate) fn qualifier(item: &TokenStream) -> Option<proc_macro2::Ident> {
    let mut found = None;
    for token in item.clone() {
        match token {
            TokenTree::Ident(ident) => match ident.to_string().as_str() {
                "gen" | "safe" => found = Some(ident),
                "fn" => return found,
                "async" | "unsafe" | "extern" => {}
                _ => found = None,
            },
            TokenTree::Literal(_) => {}
            _ => found = None,
        }
    }
    None
}

fn has_fn(item: &TokenStream) -> bool {
    item.clone()
        .into_iter()
        .any(|token| matches!(token, TokenTree::Ident(ident) if ident == "fn"))
}
