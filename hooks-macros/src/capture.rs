//! Which view an argument or a result gets, as far as tokens can say.
//!
//! The compiler makes the choices (see the runtime's `private/probe.rs`); this file only decides what it may
//! be asked. The one question that could break a user's build is "is it `'static`?", so it is asked only
//! about types whose tokens rule out what selection cannot see: lifetimes and the parameters of an
//! enclosing `impl`.

use proc_macro2::{Ident, TokenStream};
use quote::{quote, quote_spanned};
use syn::{
    GenericArgument, GenericParam, Generics, PathArguments, ReturnType, Type, TypeParamBound,
    WherePredicate,
};

use crate::hygiene::here;
use crate::parse::Choice;

/// How a parameter holds the value that hooks see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Peel {
    /// The parameter is the value.
    Value,
    /// `&T`
    Shared,
    /// `&mut T`
    Exclusive,
    /// `Option<&T>`
    Optional,
}

/// The type without one outer reference.
pub(crate) fn peel(ty: &Type) -> (Peel, &Type) {
    match ty {
        Type::Group(group) => peel(&group.elem),
        Type::Paren(paren) => peel(&paren.elem),
        Type::Reference(reference) if reference.mutability.is_some() => {
            (Peel::Exclusive, &reference.elem)
        }
        Type::Reference(reference) => (Peel::Shared, &reference.elem),
        Type::Path(path) if path.qself.is_none() => {
            let last = path.path.segments.last();
            if let Some(segment) = last.filter(|segment| segment.ident == "Option")
                && let PathArguments::AngleBracketed(arguments) = &segment.arguments
                && let [GenericArgument::Type(inner)] =
                    &arguments.args.iter().collect::<Vec<_>>()[..]
                && let Type::Reference(reference) = inner
                && reference.mutability.is_none()
            {
                (Peel::Optional, &reference.elem)
            } else {
                (Peel::Value, ty)
            }
        }
        _ => (Peel::Value, ty),
    }
}

/// The leaves of a type: its paths without generic arguments. `None`: nothing may be asked.
struct Walk<'a> {
    /// Type parameters of the function that are declared `'static`: nothing to prove about them.
    fixed: &'a [String],
    /// JSON is read into types with lifetimes too.
    lifetimes: bool,
    leaves: Vec<TokenStream>,
}

impl Walk<'_> {
    fn ty(&mut self, ty: &Type, elided: bool) -> Option<()> {
        match ty {
            Type::Group(inner) => self.ty(&inner.elem, elided),
            Type::Paren(inner) => self.ty(&inner.elem, elided),
            Type::Array(array) => self.ty(&array.elem, elided),
            Type::Slice(slice) => self.ty(&slice.elem, elided),
            Type::Ptr(pointer) => self.ty(&pointer.elem, elided),
            Type::Tuple(tuple) => tuple
                .elems
                .iter()
                .try_for_each(|elem| self.ty(elem, elided)),
            // What is read from an owned JSON value cannot refer to anything.
            Type::Reference(_) if self.lifetimes => None,
            Type::Reference(reference) => {
                match &reference.lifetime {
                    Some(lifetime) => self.lifetime(lifetime)?,
                    None if elided => {}
                    None => return None,
                }
                self.ty(&reference.elem, elided)
            }
            Type::FnPtr(pointer) => {
                if pointer.lifetimes.is_some() {
                    return None;
                }
                pointer
                    .inputs
                    .iter()
                    .try_for_each(|input| self.ty(&input.ty, true))?;
                self.output(&pointer.output)
            }
            Type::TraitObject(object) => object.bounds.iter().try_for_each(|bound| match bound {
                TypeParamBound::Lifetime(lifetime) => self.lifetime(lifetime),
                TypeParamBound::Trait(bound) if bound.lifetimes.is_none() => {
                    self.path(&bound.path, false)
                }
                _ => None,
            }),
            Type::Path(path) if path.qself.is_none() => self.path(&path.path, true),
            _ => None,
        }
    }

    fn output(&mut self, output: &ReturnType) -> Option<()> {
        match output {
            ReturnType::Default => Some(()),
            ReturnType::Type(_, ty) => self.ty(ty, true),
        }
    }

    fn lifetime(&self, lifetime: &syn::Lifetime) -> Option<()> {
        (self.lifetimes || lifetime.ident == "static").then_some(())
    }

    fn path(&mut self, path: &syn::Path, is_type: bool) -> Option<()> {
        let first = path.segments.first()?.ident.to_string();
        let upper = first.starts_with(char::is_uppercase);
        // `Self::X` and `T::X` are projections; what they are is invisible to an attribute on a method.
        if first == "Self" || (upper && path.segments.len() > 1 && path.leading_colon.is_none()) {
            return None;
        }
        if is_type && path.segments.len() == 1 && self.fixed.contains(&first) {
            return Some(());
        }
        let (last, front) = path
            .segments
            .iter()
            .collect::<Vec<_>>()
            .split_last()
            .map(|(l, f)| (*l, f.to_vec()))?;
        if front.iter().any(|segment| !segment.arguments.is_none()) {
            return None;
        }
        match &last.arguments {
            PathArguments::None => {
                if is_type {
                    self.leaves.push(quote!(#path));
                }
                Some(())
            }
            PathArguments::AngleBracketed(arguments) => {
                arguments
                    .args
                    .iter()
                    .try_for_each(|argument| match argument {
                        GenericArgument::Lifetime(lifetime) => self.lifetime(lifetime),
                        GenericArgument::Type(ty) if may_be_const(ty, self.fixed) => None,
                        GenericArgument::Type(ty) => self.ty(ty, false),
                        GenericArgument::Const(syn::Expr::Lit(_)) => Some(()),
                        GenericArgument::AssocType(assoc) => self.ty(&assoc.ty, false),
                        _ => None,
                    })
            }
            PathArguments::Parenthesized(arguments) => {
                arguments
                    .inputs
                    .iter()
                    .try_for_each(|input| self.ty(&input.ty, true))?;
                self.output(&arguments.output)
            }
        }
    }
}

/// A bare argument like `N` or `n` may be a const parameter of the enclosing `impl`; as a [`Walk`] leaf it
/// would be an error.
fn may_be_const(ty: &Type, fixed: &[String]) -> bool {
    const PRIMITIVES: &[&str] = &[
        "bool", "char", "str", "u8", "u16", "u32", "u64", "u128", "usize", "i8", "i16", "i32",
        "i64", "i128", "isize", "f32", "f64",
    ];
    let Type::Path(path) = ty else { return false };
    let Some(ident) = path.path.get_ident() else {
        return false;
    };
    let name = ident.to_string();
    let all_upper = name
        .chars()
        .all(|c| c.is_uppercase() || c.is_ascii_digit() || c == '_');
    let lower = name.starts_with(char::is_lowercase);
    (all_upper || lower) && !PRIMITIVES.contains(&name.as_str()) && !fixed.contains(&name)
}

fn leaves(ty: &Type, fixed: &[String], lifetimes: bool, p: &TokenStream) -> Option<TokenStream> {
    let mut walk = Walk {
        fixed,
        lifetimes,
        leaves: Vec::new(),
    };
    walk.ty(ty, false)?;
    let nested = walk.leaves.iter().rev().fold(
        quote!(()),
        |rest, leaf| quote_spanned!(here()=> (#p::Leaf<#leaf>, #rest)),
    );
    Some(nested)
}

/// The type parameters that the function itself bounds by `'static`.
pub(crate) fn static_parameters(generics: &Generics) -> Vec<String> {
    let is_static = |bound: &TypeParamBound| matches!(bound, TypeParamBound::Lifetime(l) if l.ident == "static");
    let mut names: Vec<String> = generics
        .params
        .iter()
        .filter_map(|param| match param {
            GenericParam::Type(param) if param.bounds.iter().any(is_static) => {
                Some(param.ident.to_string())
            }
            _ => None,
        })
        .collect();
    for predicate in generics
        .where_clause
        .iter()
        .flat_map(|clause| &clause.predicates)
    {
        if let WherePredicate::Type(predicate) = predicate
            && let Type::Path(path) = &predicate.bounded_ty
            && let Some(ident) = path.path.get_ident()
            && predicate.bounds.iter().any(is_static)
        {
            names.push(ident.to_string());
        }
    }
    names
}

/// Whether the type can be written down again inside the function.
fn nameable(ty: &Type, peeled: bool) -> bool {
    match ty {
        Type::Group(inner) => nameable(&inner.elem, peeled),
        Type::Paren(inner) => nameable(&inner.elem, peeled),
        // Under a reference the lifetime of the object is the reference's; written elsewhere it is another.
        Type::TraitObject(_) => !peeled,
        _ => !has_impl(&quote!(#ty)),
    }
}

fn is_object(ty: &Type) -> bool {
    match ty {
        Type::Group(inner) => is_object(&inner.elem),
        Type::Paren(inner) => is_object(&inner.elem),
        _ => matches!(ty, Type::TraitObject(_)),
    }
}

/// Whether the tokens contain `impl`, or a macro that may expand to it.
fn has_impl(tokens: &TokenStream) -> bool {
    tokens.clone().into_iter().any(|token| match token {
        proc_macro2::TokenTree::Ident(ident) => ident == "impl",
        proc_macro2::TokenTree::Punct(punct) => punct.as_char() == '!',
        proc_macro2::TokenTree::Group(group) => has_impl(&group.stream()),
        proc_macro2::TokenTree::Literal(_) => false,
    })
}

/// The typed choice for the type as written: `Gd::<…>::TY` or a constant.
fn typed(
    ty: &Type,
    peeled: bool,
    choice: Choice,
    fixed: &[String],
    p: &TokenStream,
) -> TokenStream {
    let object_under_reference = peeled && is_object(ty);
    match choice {
        Choice::Typed => quote_spanned!(here()=> #p::Yes),
        Choice::Opaque => quote_spanned!(here()=> #p::No),
        Choice::Auto if object_under_reference => quote_spanned!(here()=> #p::No),
        Choice::Auto => match leaves(ty, fixed, false, p) {
            Some(leaves) => quote_spanned!(here()=> #p::Gd::<fn(*const #ty), #leaves>::TY),
            None => quote_spanned!(here()=> #p::No),
        },
    }
}

/// The choices for a parameter: `(capabilities, sync)`, two expressions. `place` borrows the value.
pub(crate) fn capabilities(
    ty: &Type,
    peel: Peel,
    choice: Choice,
    place: &TokenStream,
    fixed: &[String],
    p: &TokenStream,
) -> (TokenStream, TokenStream) {
    let peeled = peel != Peel::Value;
    if choice == Choice::Opaque {
        return (
            quote_spanned!(here()=> #p::OPAQUE),
            quote_spanned!(here()=> #p::No),
        );
    }
    let typed = typed(ty, peeled, choice, fixed, p);
    if !nameable(ty, peeled) {
        return of_value(place, &typed, p);
    }
    let de = match leaves(ty, fixed, true, p) {
        Some(leaves) if peel != Peel::Shared && peel != Peel::Optional => {
            quote_spanned!(here()=> #p::Dd::<#ty, #leaves>::DE)
        }
        _ => quote_spanned!(here()=> #p::No),
    };
    let probe = quote_spanned!(here()=> #p::Pr::<#ty>);
    (
        quote_spanned!(here()=> (#typed, #probe::SER, #de, #probe::DBG, #probe::CLN, #probe::SND)),
        quote_spanned!(here()=> #probe::SYN),
    )
}

/// The same for a value whose type cannot be written down.
pub(crate) fn of_value(
    place: &TokenStream,
    typed: &TokenStream,
    p: &TokenStream,
) -> (TokenStream, TokenStream) {
    let probe = quote_spanned!(here()=> #p::probe(#place));
    (
        quote_spanned!(here()=> (#typed, #probe.ser(), #p::No, #probe.dbg(), #probe.cln(), #probe.snd())),
        quote_spanned!(here()=> #probe.syn()),
    )
}

/// `Clone` for another attempt, of the parameter itself (which may be a reference).
pub(crate) fn clone_choice(ty: &Type, slot: &Ident, p: &TokenStream) -> TokenStream {
    if nameable(ty, false) {
        quote_spanned!(here()=> #p::Pr::<#ty>::CLN)
    } else {
        quote_spanned!(here()=> #p::probe(#slot).cln())
    }
}

/// How the result's type is reached.
pub(crate) enum Reach<'a> {
    /// It is known to be a `Result` and can be written down: the cheap way.
    Written(&'a Type),
    /// Through locals that hold the probes of its two parts.
    Values(&'a Ident, &'a Ident),
}

/// The choices for the result: `(ok, err)`.
///
/// The first argument of something called `Result` is taken for the type of `Ok`; under any other name, the
/// guard looks at the whole type, which covers what an alias hides.
pub(crate) fn of_return(
    ty: Option<&Type>,
    reach: &Reach<'_>,
    fixed: &[String],
    p: &TokenStream,
) -> (TokenStream, TokenStream) {
    let unit: Type = syn::parse_quote!(());
    let whole = ty.unwrap_or(&unit);
    let (ok_ty, err_ty) = match result_arguments(whole) {
        Some((ok, err)) => (ok, err.unwrap_or(whole)),
        None => (whole, whole),
    };
    // What hides behind `impl` is known inside the function, but not always yet: whether an `async` block is
    // `Clone` or `Send` is decided after the choices are made.
    let hidden = |ty: &Type| has_impl(&quote!(#ty));
    let guard = |ty: &Type| match ty {
        Type::Never(_) => quote_spanned!(here()=> #p::No),
        _ => typed(ty, false, Choice::Auto, fixed, p),
    };
    let ok_choice = if hidden(ok_ty) {
        quote_spanned!(here()=> #p::OPAQUE)
    } else {
        let typed = guard(ok_ty);
        match (reach, leaves(ok_ty, fixed, true, p)) {
            (Reach::Written(ty), leaves) => {
                let de = match leaves {
                    Some(leaves) => quote_spanned!(here()=> #p::DdOk::<#ty, #leaves>::DE),
                    None => quote_spanned!(here()=> #p::No),
                };
                let ok = quote_spanned!(here()=> #p::PrOk::<#ty>);
                quote_spanned!(here()=> (#typed, #ok::SER, #de, #ok::DBG, #ok::CLN, #ok::SND))
            }
            (Reach::Values(ok, _), leaves) => {
                let de = match leaves {
                    Some(leaves) => quote_spanned!(here()=> #ok.heads::<#leaves>().de()),
                    None => quote_spanned!(here()=> #p::No),
                };
                quote_spanned!(here()=> (#typed, #ok.ser(), #de, #ok.dbg(), #ok.cln(), #ok.snd()))
            }
        }
    };
    let err_choice = if hidden(err_ty) {
        quote_spanned!(here()=> #p::OPAQUE)
    } else {
        let typed = guard(err_ty);
        match reach {
            Reach::Written(ty) => {
                let err = quote_spanned!(here()=> #p::PrErr::<#ty>);
                quote_spanned!(here()=> (#typed, #err::SER, #p::No, #err::DBG, #err::CLN, #err::SND))
            }
            Reach::Values(_, err) => quote_spanned!(here()=>
                (#typed, #err.ser(), #p::No, #err.dbg(), #err.cln(), #err.snd())
            ),
        }
    };
    (ok_choice, err_choice)
}

/// Whether the type is called `Result` and can be written down again: then, at a site that must be able to
/// carry a refusal, it is one, whatever the name stands for, or the function does not compile anyway.
pub(crate) fn is_written_result(ty: &Type) -> bool {
    result_arguments(ty).is_some() && nameable(ty, false)
}

/// `T` and, if it is there, `E` of something whose last segment is `Result<…>`.
fn result_arguments(ty: &Type) -> Option<(&Type, Option<&Type>)> {
    match ty {
        Type::Group(group) => result_arguments(&group.elem),
        Type::Paren(paren) => result_arguments(&paren.elem),
        Type::Path(path) if path.qself.is_none() => {
            let last = path
                .path
                .segments
                .last()
                .filter(|segment| segment.ident == "Result")?;
            let PathArguments::AngleBracketed(arguments) = &last.arguments else {
                return None;
            };
            let mut types = arguments.args.iter().filter_map(|argument| match argument {
                GenericArgument::Type(ty) => Some(ty),
                _ => None,
            });
            Some((types.next()?, types.next()))
        }
        _ => None,
    }
}
