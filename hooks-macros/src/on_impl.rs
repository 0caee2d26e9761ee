//! `#[hooked(point = "billing.*")]` on an `impl` block: the attribute is handed down to the methods.
//!
//! Handing down, not expanding: every method then goes through the one path that all functions go through,
//! and after other attributes of the block (`#[async_trait]`) have done their work, in whatever order they
//! were written.

use proc_macro2::{Delimiter, Group, TokenStream, TokenTree};
use quote::{ToTokens, quote, quote_spanned};
use syn::parse::discouraged::Speculative;
use syn::parse::{ParseStream, Parser};
use syn::{Attribute, ItemImpl, LitStr, Meta};

use crate::crate_path::Facade;
use crate::errors::Errors;
use crate::hand_on::is_hooked;
use crate::hygiene::{here, plain};
use crate::parse::{Function, HookedArgs, Point};
use crate::text;

/// The block with an attribute on every method that has a body.
pub(crate) fn hand_down(
    given: &TokenStream,
    args: &HookedArgs,
    item: TokenStream,
    facade: Facade,
    errors: &mut Errors,
) -> TokenStream {
    let mut tokens: Vec<TokenTree> = item.clone().into_iter().collect();
    let Some(TokenTree::Group(block)) = tokens.pop().filter(is_braces) else {
        errors.at(here(), "expected an `impl` block with methods");
        return item;
    };
    let header: TokenStream = tokens.into_iter().collect();
    let owner = match syn::parse2::<ItemImpl>(quote!(#header {})) {
        Ok(header) => text::of(&header.self_ty),
        Err(error) => {
            errors.push(error);
            return item;
        }
    };
    let prefix = prefix(args, errors);
    let krate = args.krate.clone().unwrap_or_else(|| facade.path());
    let hooked = quote_spanned!(here()=> #krate::hooked);
    let shared = without_point(given);
    let content = |input: ParseStream| {
        let mut content = TokenStream::new();
        while !input.is_empty() {
            let fork = input.fork();
            match fork.parse::<Function>() {
                Ok(function) => {
                    input.advance_to(&fork);
                    let method = Method {
                        function,
                        owner: &owner,
                        prefix: prefix.as_deref(),
                        hooked: &hooked,
                        shared: &shared,
                    };
                    content.extend(method.with_attribute(errors));
                }
                Err(_) => raw_item(input, &mut content)?,
            }
        }
        Ok(content)
    };
    let content = match content.parse2(block.stream()) {
        Ok(content) => content,
        Err(error) => {
            errors.push(error);
            return item;
        }
    };
    let mut new = Group::new(Delimiter::Brace, content);
    new.set_span(block.span());
    quote!(#header #new)
}

fn is_braces(token: &TokenTree) -> bool {
    matches!(token, TokenTree::Group(group) if group.delimiter() == Delimiter::Brace)
}

/// `billing.` of `point = "billing.*"`.
fn prefix(args: &HookedArgs, errors: &mut Errors) -> Option<String> {
    const EXAMPLE: &str = "on an `impl` block the point ends in `.*`, which stands for the method's name: `#[hooked(point = \"billing.*\")]`";
    match &args.point {
        Some(Point::Literal(pattern)) => match pattern.value().strip_suffix('*') {
            Some(prefix) if prefix.ends_with('.') && prefix.len() > 1 => Some(prefix.to_owned()),
            _ => {
                errors.on(pattern, EXAMPLE);
                None
            }
        },
        Some(Point::Constant(expr)) => {
            errors.on(expr, EXAMPLE);
            None
        }
        None => {
            errors.at(proc_macro2::Span::call_site(), EXAMPLE);
            None
        }
    }
}

/// The keys of the block but `point`, as written: they hold for every method without an attribute.
fn without_point(given: &TokenStream) -> TokenStream {
    let mut rest = TokenStream::new();
    let mut key = Vec::new();
    // Commas inside `<…>` would split an expression; but then both halves are kept, in order.
    for token in given.clone() {
        let end = matches!(&token, TokenTree::Punct(punct) if punct.as_char() == ',');
        if !end {
            key.push(token);
            continue;
        }
        keep(&mut key, &mut rest);
    }
    keep(&mut key, &mut rest);
    rest
}

fn keep(key: &mut Vec<TokenTree>, rest: &mut TokenStream) {
    let is_point = matches!(key.first(), Some(TokenTree::Ident(ident)) if ident == "point");
    if !is_point && !key.is_empty() {
        rest.extend(quote!(,));
        rest.extend(key.drain(..));
    }
    key.clear();
}

/// One item that is not a method, untouched: up to its `;` or its braces.
fn raw_item(input: ParseStream, content: &mut TokenStream) -> syn::Result<()> {
    while !input.is_empty() {
        let token: TokenTree = input.parse()?;
        let end = is_braces(&token)
            || matches!(&token, TokenTree::Punct(punct) if punct.as_char() == ';');
        content.extend([token]);
        if end {
            break;
        }
    }
    Ok(())
}

struct Method<'a> {
    function: Function,
    owner: &'a str,
    prefix: Option<&'a str>,
    hooked: &'a TokenStream,
    shared: &'a TokenStream,
}

impl Method<'_> {
    fn with_attribute(mut self, errors: &mut Errors) -> TokenStream {
        let owner = self.owner;
        let owner = quote_spanned!(here()=> __owner = #owner);
        let mut own = false;
        // Each in its place: other attributes may stand between them.
        let attrs: Vec<TokenStream> = std::mem::take(&mut self.function.attrs)
            .into_iter()
            .map(|attr| {
                if !is_hooked(&attr) {
                    return attr.into_token_stream();
                }
                own = true;
                self.own(&attr, &owner, errors)
            })
            .collect();
        let shared = match (own, self.prefix) {
            (false, Some(prefix)) if self.function.body.is_some() => {
                let (hooked, shared, point) = (self.hooked, self.shared, self.point(prefix));
                Some(quote!(#[#hooked(point = #point, #owner #shared)]))
            }
            _ => None,
        };
        let function = &self.function;
        quote!(#(#attrs)* #shared #function)
    }

    /// An attribute of the method's own: it says all there is to say, except where it is.
    fn own(&self, attr: &Attribute, owner: &TokenStream, errors: &mut Errors) -> TokenStream {
        match (own_arguments(attr), self.prefix) {
            (Own::Skip, _) => TokenStream::new(),
            (Own::Arguments(arguments, true), _) => {
                let path = attr.path();
                quote!(#[#path(#owner, #arguments)])
            }
            (Own::Arguments(arguments, false), Some(prefix)) => {
                let (hooked, point) = (self.hooked, self.point(prefix));
                quote!(#[#hooked(point = #point, #owner, #arguments)])
            }
            (Own::Arguments(_, false), None) => {
                errors.on(
                    attr,
                    "the block's own point is missing, so this one has nothing to build on",
                );
                TokenStream::new()
            }
        }
    }

    fn point(&self, prefix: &str) -> LitStr {
        let ident = &self.function.sig.ident;
        LitStr::new(&format!("{prefix}{}", plain(ident)), ident.span())
    }
}

enum Own {
    Skip,
    /// The arguments, and whether there is a point among them.
    Arguments(TokenStream, bool),
}

fn own_arguments(attr: &Attribute) -> Own {
    let arguments = match &attr.meta {
        Meta::List(list) => list.tokens.clone(),
        _ => TokenStream::new(),
    };
    let parsed = HookedArgs::parse(arguments.clone(), &mut Errors::default());
    if parsed.opt_out.is_some() && parsed.point.is_none() {
        Own::Skip
    } else {
        let has_point = parsed.point.is_some();
        Own::Arguments(arguments, has_point)
    }
}
