//! Names that cannot collide with the user's.

use proc_macro2::{Ident, Span};

/// Where our tokens live: locals are invisible to the user's code and the other way round, and lints take
/// them for an external macro's, so none fires in the user's crate because of us.
pub(crate) fn here() -> Span {
    Span::mixed_site()
}

/// A local of ours.
pub(crate) fn local(name: &str) -> Ident {
    Ident::new(name, here())
}

/// The user's place, our resolution: an error there points at the user's tokens.
pub(crate) fn located(span: Span) -> Span {
    here().located_at(span)
}

/// An identifier as hooks and records spell it: `r#type` is `type`.
pub(crate) fn plain(ident: &Ident) -> String {
    let name = ident.to_string();
    name.strip_prefix("r#").map(str::to_owned).unwrap_or(name)
}

/// The line of a token, from 1.
///
/// Not `line!()`: inside the expansion of an attribute that is the attribute's line.
pub(crate) fn line(span: Span) -> u32 {
    let line = if proc_macro::is_available() {
        span.unwrap().line()
    } else {
        1
    };
    u32::try_from(line).unwrap_or(u32::MAX)
}
