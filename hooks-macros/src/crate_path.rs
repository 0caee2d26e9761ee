//! Through which crate the expansion reaches the runtime.

use syn::ext::IdentExt;
use syn::parse::ParseStream;
use syn::punctuated::Punctuated;
use syn::{Ident, Path, PathSegment, Token};

use crate::hygiene::{here, local};

/// The path in front of `__private` when the attribute has no `crate` key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Facade {
    /// `::hookpoint`, for applications and libraries.
    Hookpoint,
    /// `::hooks_runtime`, for crates that don't depend on the facade.
    Runtime,
}

impl Facade {
    /// The path, absolute, so that nothing in the user's scope can shadow it.
    pub(crate) fn path(self) -> Path {
        let name = local(match self {
            Facade::Hookpoint => "hookpoint",
            Facade::Runtime => "hooks_runtime",
        });
        let mut segments = Punctuated::new();
        segments.push_value(PathSegment::from(name));
        Path {
            leading_colon: Some(Token![::](here())),
            segments,
        }
    }
}

/// The value of `crate = …`.
///
/// Relative paths are refused: what they mean depends on the module that the attribute stands in, and on
/// what somebody adds to that module later.
pub(crate) fn parse(input: ParseStream) -> syn::Result<Path> {
    let path = Path {
        leading_colon: input.parse()?,
        segments: {
            let mut segments = Punctuated::new();
            loop {
                segments.push_value(PathSegment::from(input.call(Ident::parse_any)?));
                if !input.peek(Token![::]) {
                    break segments;
                }
                segments.push_punct(input.parse()?);
            }
        },
    };
    let first = path.segments[0].ident.to_string();
    if path.leading_colon.is_some() || first == "crate" || first == "$crate" {
        return Ok(path);
    }
    Err(syn::Error::new_spanned(
        &path,
        "`crate` needs a path that means the same everywhere: `::name`, `crate::path`, or `$crate` in a macro",
    ))
}
