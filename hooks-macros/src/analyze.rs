//! From tokens to a model: what kind of function this is, what its parameters are, what hooks will see.

use proc_macro2::{Group, Ident, Span, TokenStream};
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::Attribute;
use syn::{
    FnArg, GenericArgument, GenericParam, Pat, PathArguments, ReceiverKind, ReturnType, Type,
    TypeParamBound,
};

use crate::boxed::BoxedBlock;
use crate::capture::{Peel, peel};
use crate::hand_on::is_lint;
use crate::hygiene::{here, plain};
use crate::parse::{Choice, Function, HookedArgs};
use crate::stream;

/// How the function runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Class {
    /// `fn`
    Sync,
    /// `async fn`
    Async,
    /// What `#[async_trait]` makes of an `async fn`: the block in its box is hooked as that of an `async fn`;
    /// if there is no such block to be seen, the future in the returned box.
    AsyncTrait,
    /// The key `future`, and the function returns `impl Future`.
    Future,
    /// The key `future`, and the function returns `Pin<Box<dyn Future>>`.
    BoxedFuture,
    /// The key `stream`, and the function returns `impl Stream`.
    Stream,
    /// The key `stream`, and the function returns `Pin<Box<dyn Stream>>`.
    BoxedStream,
}

impl Class {
    /// The call that makes the future or stream consumes the arguments before hooks are asked.
    pub(crate) fn consumes_arguments(self) -> bool {
        self.at_first_poll() || self == Class::BoxedFuture
    }
    /// Whether somebody listens is asked at the first poll, when `self` may be gone.
    pub(crate) fn at_first_poll(self) -> bool {
        self == Class::Future || self.is_stream()
    }
    pub(crate) fn is_stream(self) -> bool {
        matches!(self, Class::Stream | Class::BoxedStream)
    }
}

/// One parameter that travels in the tuple.
pub(crate) struct Param {
    /// Its name in the outer signature.
    pub(crate) slot: Ident,
    /// Its name in the pattern of an asynchronous body's closure.
    pub(crate) inner: Ident,
    /// The user's pattern, for the closure of a synchronous body.
    pub(crate) pattern: TokenStream,
    /// The user's lint attributes, which belong to the name that the body uses.
    pub(crate) lints: Vec<Attribute>,
    /// First thing inside an asynchronous body, so that parameters drop in the order of a plain function.
    pub(crate) rebind: TokenStream,
    pub(crate) ty: Type,
    /// What hooks call it by default; `None` for `_`.
    pub(crate) name: Option<String>,
    /// The user's name for it, where there is one.
    pub(crate) ident: Option<Ident>,
    pub(crate) span: Span,
}

/// One thing that hooks see.
pub(crate) struct Shown<'a> {
    pub(crate) name: String,
    pub(crate) choice: Choice,
    pub(crate) source: Source<'a>,
}

/// Where it comes from.
pub(crate) enum Source<'a> {
    /// The parameter of that index.
    Param(usize),
    /// An expression over the parameters; read only.
    Expr(&'a syn::Expr),
}

/// Everything the expansion needs to know of the function.
pub(crate) struct Model<'a> {
    pub(crate) class: Class,
    /// The function is `Box::pin(async move { … })`, and the block is hooked.
    pub(crate) boxed: Option<BoxedBlock>,
    pub(crate) params: Vec<Param>,
    pub(crate) shown: Vec<Shown<'a>>,
    /// The body can run again: a matter of tokens; whether the arguments can be copied is the compiler's.
    pub(crate) repeatable: bool,
    /// The type of the value that hooks see as the result; `None` for `()`.
    pub(crate) value: Option<Type>,
    /// Where to point when it has no place for a refusal.
    pub(crate) value_span: Span,
    /// The return type of the body's closure, `impl Trait` replaced by `_`.
    pub(crate) written: Option<Type>,
}

impl Model<'_> {
    /// Whether the function never returns.
    pub(crate) fn never(&self) -> bool {
        matches!(self.value, Some(Type::Never(_)))
    }
}

/// How the receiver lets the body run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Receiver {
    None,
    Shared,
    Exclusive,
    /// By value or something else that a second attempt could not have again.
    Owned,
}

pub(crate) fn receiver(function: &Function) -> Receiver {
    match function.sig.receiver().map(|receiver| &receiver.kind) {
        None => Receiver::None,
        Some(ReceiverKind::Reference(_, _, None)) => Receiver::Shared,
        Some(ReceiverKind::Reference(_, _, Some(_))) => Receiver::Exclusive,
        Some(ReceiverKind::Typed(_, ty)) => match &**ty {
            Type::Reference(reference) if is_self(&reference.elem) => {
                if reference.mutability.is_some() {
                    Receiver::Exclusive
                } else {
                    Receiver::Shared
                }
            }
            _ => Receiver::Owned,
        },
        Some(_) => Receiver::Owned,
    }
}

fn is_self(ty: &Type) -> bool {
    matches!(ty, Type::Path(path) if path.path.is_ident("Self"))
}

/// Which class, and the type of the value inside the future if there is one.
pub(crate) fn class(function: &Function, args: &HookedArgs) -> (Class, Option<Type>) {
    let returned = match &function.sig.output {
        ReturnType::Default => None,
        ReturnType::Type(_, ty) => Some((**ty).clone()),
    };
    if function.sig.asyncness.is_some() {
        return (Class::Async, returned);
    }
    let async_trait = function.sig.generics.params.iter().any(
        |param| matches!(param, GenericParam::Lifetime(l) if l.lifetime.ident == "async_trait"),
    );
    if args.stream.is_some() && !async_trait {
        return match returned.as_ref().and_then(stream::item) {
            Some((true, item)) => (Class::BoxedStream, unit_is_none(item)),
            Some((false, item)) => (Class::Stream, unit_is_none(item)),
            None => (Class::Sync, returned),
        };
    }
    let inside = returned.as_ref().and_then(future_output);
    match inside {
        Some((true, output)) if async_trait => (Class::AsyncTrait, unit_is_none(output)),
        Some((true, output)) if args.future.is_some() => (Class::BoxedFuture, unit_is_none(output)),
        Some((false, output)) if args.future.is_some() => (Class::Future, unit_is_none(output)),
        _ => (Class::Sync, returned),
    }
}

fn unit_is_none(ty: Type) -> Option<Type> {
    match &ty {
        Type::Tuple(tuple) if tuple.elems.is_empty() => None,
        _ => Some(ty),
    }
}

/// `(boxed, Output)` of `impl Future<Output = …>` and `Pin<Box<dyn Future<Output = …>>>`.
fn future_output(ty: &Type) -> Option<(bool, Type)> {
    match ty {
        Type::Group(group) => future_output(&group.elem),
        Type::Paren(paren) => future_output(&paren.elem),
        Type::ImplTrait(future) => Some((false, bound_type(&future.bounds, "Future", "Output")?)),
        Type::Path(_) => {
            let boxed = only_argument(ty, "Pin")?;
            match only_argument(boxed, "Box")? {
                Type::TraitObject(object) => {
                    Some((true, bound_type(&object.bounds, "Future", "Output")?))
                }
                _ => None,
            }
        }
        _ => None,
    }
}

pub(crate) fn only_argument<'a>(ty: &'a Type, name: &str) -> Option<&'a Type> {
    let Type::Path(path) = ty else { return None };
    let last = path
        .path
        .segments
        .last()
        .filter(|segment| segment.ident == name)?;
    let PathArguments::AngleBracketed(arguments) = &last.arguments else {
        return None;
    };
    match arguments.args.first()? {
        GenericArgument::Type(ty) => Some(ty),
        _ => None,
    }
}

/// `T` of `Future<Output = T>` among the bounds, or of another trait's associated type.
pub(crate) fn bound_type<'a>(
    bounds: impl IntoIterator<Item = &'a TypeParamBound>,
    name: &str,
    associated: &str,
) -> Option<Type> {
    bounds.into_iter().find_map(|bound| {
        let TypeParamBound::Trait(bound) = bound else {
            return None;
        };
        let last = bound
            .path
            .segments
            .last()
            .filter(|segment| segment.ident == name)?;
        let PathArguments::AngleBracketed(arguments) = &last.arguments else {
            return None;
        };
        arguments.args.iter().find_map(|argument| match argument {
            GenericArgument::AssocType(assoc) if assoc.ident == associated => {
                Some(assoc.ty.clone())
            }
            _ => None,
        })
    })
}

/// The parameters, and the outer signature changed to plain names for them.
pub(crate) fn params(function: &mut Function, args: &HookedArgs) -> Vec<Param> {
    let body = function
        .body
        .as_ref()
        .map(Group::stream)
        .unwrap_or_default();
    // What only the attribute looks at is not unused.
    let only_here = |pat: &Pat| match pat {
        Pat::Ident(named) => args.mention(&named.ident) && !mentions(body.clone(), &named.ident),
        _ => false,
    };
    let mut params = Vec::new();
    for (index, input) in function.sig.inputs.iter_mut().enumerate() {
        let FnArg::Typed(input) = input else { continue };
        // A parameter that may be configured away cannot stand in a tuple: the body captures it instead.
        if input.attrs.iter().any(|attr| {
            attr.path().is_ident("cfg") || (attr.path().is_ident("cfg_attr") && !is_lint(attr))
        }) {
            continue;
        }
        let (mut lints, others): (Vec<_>, _) = std::mem::take(&mut input.attrs)
            .into_iter()
            .partition(is_lint);
        input.attrs = others;
        if only_here(&input.pat) {
            lints.push(syn::parse_quote!(#[allow(unused_variables)]));
        }
        let param = param(index, &input.pat, &input.ty, lints);
        let slot = &param.slot;
        let name = slot.to_string();
        if name.starts_with('_') && !name.starts_with("__") {
            // It is the expansion that uses it, not the user.
            input.attrs.push(syn::parse_quote!(
                #[allow(unknown_lints, clippy::used_underscore_binding)]
            ));
        }
        *input.pat = syn::parse_quote!(#slot);
        params.push(param);
    }
    params
}

fn param(index: usize, pat: &Pat, ty: &Type, lints: Vec<Attribute>) -> Param {
    let ty = ty.clone();
    match pat {
        Pat::Ident(named) if named.by_ref.is_none() && named.subpat.is_none() => {
            let ident = named.ident.clone();
            // What has nothing to drop needs no second place, and without it the future is smaller.
            let stays = named.mutability.is_none() && lints.is_empty() && nothing_to_drop(&ty);
            let inner = match stays {
                true => ident.clone(),
                false => format_ident!("__arg{index}", span = here()),
            };
            Param {
                slot: ident.clone(),
                pattern: quote!(#pat),
                rebind: if stays {
                    TokenStream::new()
                } else {
                    quote_spanned!(here()=> #(#lints)* let #pat = #inner;)
                },
                inner,
                lints,
                ty,
                name: Some(plain(&ident)),
                span: ident.span(),
                ident: Some(ident),
            }
        }
        other => {
            let slot = format_ident!("__arg{index}", span = here());
            let (pattern, rebind, name) = match other {
                // Named all the same: a plain function drops an ignored argument with the others.
                _ if is_wild(other) => (
                    quote!(#slot),
                    quote_spanned!(here()=> let #slot = #slot;),
                    None,
                ),
                _ => (
                    quote!(#other),
                    quote_spanned!(here()=> let #slot = #slot; #(#lints)* let #other = #slot;),
                    Some(format!("arg{index}")),
                ),
            };
            Param {
                span: syn::spanned::Spanned::span(other),
                inner: slot.clone(),
                slot,
                pattern,
                lints,
                rebind,
                ty,
                name,
                ident: None,
            }
        }
    }
}

/// Types that, by their tokens, have no destructor.
fn nothing_to_drop(ty: &Type) -> bool {
    const PRIMITIVES: &[&str] = &[
        "bool", "char", "u8", "u16", "u32", "u64", "u128", "usize", "i8", "i16", "i32", "i64",
        "i128", "isize", "f32", "f64",
    ];
    match ty {
        Type::Reference(_) | Type::Ptr(_) | Type::FnPtr(_) => true,
        Type::Group(inner) => nothing_to_drop(&inner.elem),
        Type::Paren(inner) => nothing_to_drop(&inner.elem),
        Type::Array(array) => nothing_to_drop(&array.elem),
        Type::Tuple(tuple) => tuple.elems.iter().all(nothing_to_drop),
        Type::Path(path) => path
            .path
            .get_ident()
            .is_some_and(|ident| PRIMITIVES.contains(&ident.to_string().as_str())),
        _ => false,
    }
}

fn is_wild(pat: &Pat) -> bool {
    quote!(#pat).to_string() == "_"
}

/// What hooks see: what `args(…)` lists, else every named parameter; never what `skip(…)` lists.
pub(crate) fn shown<'a>(args: &'a HookedArgs, params: &[Param]) -> Vec<Shown<'a>> {
    let skipped = |name: &str| args.skip.iter().any(|ident| plain(ident) == name);
    let find = |name: &str| {
        params
            .iter()
            .position(|param| param.name.as_deref() == Some(name))
    };
    match &args.args {
        None => params
            .iter()
            .enumerate()
            .filter_map(|(index, param)| {
                let name = param.name.clone().filter(|name| !skipped(name))?;
                Some(Shown {
                    name,
                    choice: Choice::Auto,
                    source: Source::Param(index),
                })
            })
            .collect(),
        Some((_, specs)) => specs
            .iter()
            .filter_map(|spec| {
                let name = plain(&spec.name);
                let source = match &spec.value {
                    None => Source::Param(find(&name)?),
                    Some(expr) if mentions_any(expr.to_token_stream(), &args.absent) => {
                        return None;
                    }
                    Some(expr) => match only_ident(expr).and_then(|ident| find(&plain(ident))) {
                        Some(index) => Source::Param(index),
                        None => Source::Expr(expr),
                    },
                };
                Some(Shown {
                    name,
                    choice: spec.choice,
                    source,
                })
            })
            .collect(),
    }
}

fn only_ident(expr: &syn::Expr) -> Option<&Ident> {
    match expr {
        syn::Expr::Path(path) if path.qself.is_none() => path.path.get_ident(),
        _ => None,
    }
}

/// Whether tokens mention a name.
pub(crate) fn mentions(tokens: TokenStream, name: &Ident) -> bool {
    tokens.into_iter().any(|token| match token {
        proc_macro2::TokenTree::Ident(ident) => ident == *name,
        proc_macro2::TokenTree::Group(group) => mentions(group.stream(), name),
        _ => false,
    })
}

fn mentions_any(tokens: TokenStream, names: &[String]) -> bool {
    tokens.into_iter().any(|token| match token {
        proc_macro2::TokenTree::Ident(ident) => names.contains(&plain(&ident)),
        proc_macro2::TokenTree::Group(group) => mentions_any(group.stream(), names),
        _ => false,
    })
}

/// Whether the body can run again, by the tokens of the signature.
pub(crate) fn repeatable(
    function: &Function,
    args: &HookedArgs,
    class: Class,
    params: &[Param],
) -> bool {
    let every_parameter = function
        .sig
        .inputs
        .iter()
        .filter(|input| matches!(input, FnArg::Typed(_)))
        .count();
    let copyable = params.len() == every_parameter
        && function.sig.variadic.is_none()
        && params
            .iter()
            .all(|param| peel(&param.ty).0 != Peel::Exclusive);
    let receiver = receiver(function);
    let borrowed = matches!(receiver, Receiver::None | Receiver::Shared);
    match class {
        Class::Sync => {
            copyable && (borrowed || (args.retry.is_some() && receiver == Receiver::Exclusive))
        }
        Class::Async | Class::AsyncTrait => copyable && borrowed && args.retry.is_some(),
        Class::Future | Class::BoxedFuture | Class::Stream | Class::BoxedStream => false,
    }
}

/// The type with every `impl Trait` replaced by `_`, as it can stand on a closure.
pub(crate) fn erase_impl(ty: &Type) -> Type {
    let mut ty = ty.clone();
    erase(&mut ty);
    ty
}

fn erase(ty: &mut Type) {
    match ty {
        Type::ImplTrait(_) => *ty = syn::parse_quote!(_),
        Type::Group(inner) => erase(&mut inner.elem),
        Type::Paren(inner) => erase(&mut inner.elem),
        Type::Array(inner) => erase(&mut inner.elem),
        Type::Slice(inner) => erase(&mut inner.elem),
        Type::Reference(inner) => erase(&mut inner.elem),
        Type::Tuple(tuple) => tuple.elems.iter_mut().for_each(erase),
        Type::Path(path) => {
            for segment in &mut path.path.segments {
                if let PathArguments::AngleBracketed(arguments) = &mut segment.arguments {
                    for argument in &mut arguments.args {
                        if let GenericArgument::Type(ty) = argument {
                            erase(ty);
                        }
                    }
                }
            }
        }
        _ => {}
    }
}
