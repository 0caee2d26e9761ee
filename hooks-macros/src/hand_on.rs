//! Functions that are not expanded yet: the attribute hands itself on, to a better place or to variants of
//! the function.
//!
//! Attribute macros expand from the top down, and each wraps what the ones above it have made, so of two the
//! lower one ends up outside. For attributes of our own that is turned round: the upper one puts itself below
//! the others, expands last, and is outside. And a parameter under `#[cfg]` reaches an attribute whether or
//! not it will be there, so the function is given back once per possibility, for the compiler to choose.

use proc_macro2::{TokenStream, TokenTree};
use quote::{ToTokens, quote, quote_spanned};
use syn::punctuated::Punctuated;
use syn::{Attribute, FnArg, Meta, Pat, Token};

use crate::hygiene::{here, plain};
use crate::parse::Function;

/// Conditions on parameters that are told apart; every further one doubles the tokens.
const MOST_CONDITIONS: usize = 4;

/// The function with the attribute in another place, or `None` if it is to be expanded here.
pub(crate) fn hand_on(
    given: &TokenStream,
    function: &Function,
    hooked: &TokenStream,
) -> Option<TokenStream> {
    variants(given, function, hooked).or_else(|| below_the_others(given, function, hooked))
}

/// The attribute below the last other one that has not yet moved.
fn below_the_others(
    given: &TokenStream,
    function: &Function,
    hooked: &TokenStream,
) -> Option<TokenStream> {
    let last = function.attrs.iter().rposition(has_not_moved)?;
    let mut function = function.clone();
    let moved = quote_spanned!(here()=> #[#hooked(__moved, #given)]);
    let below = function.attrs.split_off(last + 1);
    let (above, rest) = (std::mem::take(&mut function.attrs), function);
    Some(quote!(#(#above)* #moved #(#below)* #rest))
}

/// Whether the attribute is a `#[hooked]`.
pub(crate) fn is_hooked(attr: &Attribute) -> bool {
    names_hooked(attr.path())
}

fn names_hooked(path: &syn::Path) -> bool {
    path.segments
        .last()
        .is_some_and(|segment| segment.ident == "hooked")
}

fn has_not_moved(attr: &Attribute) -> bool {
    let Meta::List(list) = &attr.meta else {
        return is_hooked(attr);
    };
    if list.path.is_ident("cfg_attr") {
        return conditional(attr)
            .is_some_and(|(_, attrs)| attrs.iter().any(|meta| names_hooked(meta.path())));
    }
    let marked = matches!(list.tokens.clone().into_iter().next(), Some(TokenTree::Ident(first)) if first == "__moved");
    is_hooked(attr) && !marked
}

/// `(predicate, attributes)` of a `#[cfg_attr(…)]`.
fn conditional(attr: &Attribute) -> Option<(Meta, Vec<Meta>)> {
    let all = attr
        .parse_args_with(Punctuated::<Meta, Token![,]>::parse_terminated)
        .ok()?;
    let mut all = all.into_iter();
    Some((all.next()?, all.collect()))
}

/// Whether the attribute says something about lints, and nothing else.
pub(crate) fn is_lint(attr: &Attribute) -> bool {
    let names_lint = |path: &syn::Path| {
        ["allow", "expect", "warn", "deny", "forbid"]
            .iter()
            .any(|level| path.is_ident(level))
    };
    names_lint(attr.path())
        || (attr.path().is_ident("cfg_attr")
            && conditional(attr).is_some_and(|(_, attrs)| {
                !attrs.is_empty() && attrs.iter().all(|meta| names_lint(meta.path()))
            }))
}

/// The names of the parameters that stand under a `#[cfg]`.
pub(crate) fn conditional_parameters(function: &Function) -> Vec<String> {
    let conditional = function
        .sig
        .inputs
        .iter()
        .filter(|input| condition(input).is_some());
    conditional.filter_map(name).collect()
}

fn name(input: &FnArg) -> Option<String> {
    match input {
        FnArg::Typed(input) => match &*input.pat {
            Pat::Ident(named) => Some(plain(&named.ident)),
            _ => None,
        },
        FnArg::Receiver(_) => None,
    }
}

/// The predicate under which a parameter is there; `None`: always, or it is not for us to say.
fn condition(input: &FnArg) -> Option<TokenStream> {
    let FnArg::Typed(input) = input else {
        return None;
    };
    let predicates: Vec<_> = input
        .attrs
        .iter()
        .filter(|attr| attr.path().is_ident("cfg"))
        .filter_map(|attr| match &attr.meta {
            Meta::List(list) => Some(list.tokens.clone()),
            _ => None,
        })
        .collect();
    match &predicates[..] {
        [] => None,
        [one] => Some(one.clone()),
        several => Some(quote!(all(#(#several),*))),
    }
}

/// One function per combination of the conditions on parameters, each under its own `#[cfg]`.
fn variants(given: &TokenStream, function: &Function, hooked: &TokenStream) -> Option<TokenStream> {
    let mut conditions: Vec<TokenStream> = Vec::new();
    for condition in function.sig.inputs.iter().filter_map(condition) {
        if !conditions
            .iter()
            .any(|known| known.to_string() == condition.to_string())
        {
            conditions.push(condition);
        }
    }
    if conditions.is_empty() || conditions.len() > MOST_CONDITIONS {
        return None;
    }
    let holds = |combination: usize, wanted: &TokenStream| {
        conditions
            .iter()
            .position(|known| known.to_string() == wanted.to_string())
            .is_some_and(|index| combination >> index & 1 == 1)
    };
    let variant = |combination: usize| {
        let mut variant = function.clone();
        let mut absent = Vec::new();
        variant.sig.inputs = std::mem::take(&mut variant.sig.inputs)
            .into_pairs()
            .filter_map(|mut pair| {
                let Some(wanted) = condition(pair.value()) else {
                    return Some(pair);
                };
                if !holds(combination, &wanted) {
                    absent.extend(name(pair.value()));
                    return None;
                }
                if let FnArg::Typed(input) = pair.value_mut() {
                    input.attrs.retain(|attr| !attr.path().is_ident("cfg"));
                }
                Some(pair)
            })
            .collect();
        let predicates = conditions
            .iter()
            .map(|condition| match holds(combination, condition) {
                true => quote!(#condition),
                false => quote!(not(#condition)),
            });
        quote_spanned!(here()=>
            #[cfg(all(#(#predicates),*))]
            #[#hooked(__absent(#(#absent),*), #given)]
            #variant
        )
    };
    Some((0..1 << conditions.len()).map(variant).collect())
}

impl ToTokens for Function {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        let Function {
            attrs,
            vis,
            default,
            sig,
            body,
        } = self;
        let body = match body {
            Some(body) => body.to_token_stream(),
            None => quote!(;),
        };
        tokens.extend(quote!(#(#attrs)* #vis #default #sig #body));
    }
}
