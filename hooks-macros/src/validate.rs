//! Every refusal of the attribute: what is wrong, where, and what to write instead.

use proc_macro2::{Ident, Span, TokenTree};
use quote::ToTokens;
use syn::Type;

use crate::analyze::{Class, Param, Receiver, receiver};
use crate::capture::{Peel, peel};
use crate::errors::Errors;
use crate::hygiene::plain;
use crate::parse::{Choice, Function, HookedArgs, Point};
use crate::{points, stream};

/// What can be said of the arguments alone.
pub(crate) fn arguments(args: &HookedArgs, errors: &mut Errors) {
    match &args.point {
        None if args.point_given || args.opt_out.is_some() => {}
        None => errors.at(
            Span::call_site(),
            "which hook point is this? write `#[hooked(point = \"tool.execute\")]`",
        ),
        Some(Point::Literal(name)) => {
            if let Some(why) = points::reject(&name.value()) {
                errors.on(name, why);
            }
        }
        Some(Point::Constant(_)) => {}
    }
    if let (Some(_), Some((span, _))) = (args.observe, &args.on_refused) {
        errors.at(
            *span,
            "`on_refused` says what a refused call gives, but at an `observe` site hooks cannot refuse: keep one of the two",
        );
    }
    if let (Some(observe), Some(_)) = (args.observe, args.closed) {
        errors.at(
            observe,
            "a `closed` site refuses calls without a grant, an `observe` site cannot refuse: keep one of the two",
        );
    }
    if let (Some(_), Some((span, _))) = (args.future, &args.redirect) {
        errors.at(
            *span,
            "`redirect` needs the arguments, which a `future` site has consumed when its future is polled: hook the call instead (without `future`), or write an `async fn`",
        );
    }
    if let (Some(_), Some(span)) = (args.future, args.retry) {
        errors.at(
            span,
            "a `future` site has one future, which runs once: write an `async fn` to make it repeatable",
        );
    }
    if let (Some(_), Some((span, specs))) = (args.future, &args.args)
        && !specs.is_empty()
    {
        errors.at(
            *span,
            "a `future` site has consumed its arguments when its future is polled: show facts with `fields(…)`, or write an `async fn`",
        );
    }
    stream::arguments(args, errors);
    for spec in args.args.iter().flat_map(|(_, specs)| specs) {
        let twice = args
            .args
            .iter()
            .flat_map(|(_, specs)| specs)
            .filter(|other| other.name == spec.name)
            .count();
        if twice > 1 && !std::ptr::eq(spec, first(args, &plain(&spec.name)).unwrap_or(spec)) {
            errors.on(
                &spec.name,
                format!(
                    "hooks already see an argument `{}`: choose another name",
                    spec.name
                ),
            );
        }
    }
    for (index, field) in args.fields.iter().enumerate() {
        if args.fields[..index]
            .iter()
            .any(|other| other.name == field.name)
        {
            errors.on(
                &field.name,
                format!(
                    "there already is a field `{}`: choose another name",
                    field.name
                ),
            );
        }
    }
}

fn first<'a>(args: &'a HookedArgs, name: &str) -> Option<&'a crate::parse::ArgSpec> {
    args.args
        .iter()
        .flat_map(|(_, specs)| specs)
        .find(|spec| plain(&spec.name) == name)
}

/// The attribute stands on something that is neither a function nor an `impl` block.
pub(crate) fn item(keyword: Option<&Ident>, errors: &mut Errors) {
    let message = match keyword.map(Ident::to_string).as_deref() {
        Some("trait") => {
            "expected a function with a body, or an `impl` block: put `#[hooked]` on the methods of the trait that have a body, or on an `impl` of it"
        }
        Some("mod") => {
            "expected a function with a body, or an `impl` block: put `#[hooked]` on the functions of the module"
        }
        Some("extern") => {
            "expected a function with a body, or an `impl` block: foreign functions are hooked by hooking the function that calls them"
        }
        Some("let") => {
            "expected a function with a body, or an `impl` block: what a statement or a closure does is hooked as a function of its own"
        }
        _ => "expected a function with a body, or an `impl` block",
    };
    errors.at(keyword.map_or_else(Span::call_site, Ident::span), message);
}

/// A `gen fn` or a `safe fn`.
pub(crate) fn qualifier(keyword: &Ident, errors: &mut Errors) {
    errors.on(
        keyword,
        match keyword == "gen" {
            true => {
                "`#[hooked]` cannot be used on a `gen fn`: a call of it gives many values, and hooks see one; hook the function that makes one of them"
            }
            false => {
                "a foreign function has no body to hook: hook the function that calls it"
            }
        },
    );
}

/// What depends on the function.
pub(crate) fn function(function: &Function, args: &HookedArgs, errors: &mut Errors) {
    let sig = &function.sig;
    if let Some(constness) = &sig.constness {
        errors.on(
            constness,
            format!(
                "`#[hooked]` cannot be used on a `const fn`: asking hooks is not possible while the program is compiled; {}",
                match args.owner {
                    None => "hook the function that calls it",
                    Some(_) => "leave it out with `#[hooked(skip)]`",
                }
            ),
        );
    }
    if function.body.is_none() {
        errors.at(
            sig.ident.span(),
            format!(
                "`{}` has no body to hook: {}",
                sig.ident,
                // In an `extern` block there is no `self`, and in a trait there mostly is.
                match sig.receiver() {
                    Some(_) => "put `#[hooked]` on the method in each `impl` of the trait, or give it a default body here",
                    None => "in a trait, put `#[hooked]` on the function in each `impl`, or give it a default body here; a foreign function is hooked by hooking the function that calls it",
                }
            ),
        );
    }
    let naked = |attr: &&syn::Attribute| {
        let mut tokens = attr.meta.to_token_stream().into_iter();
        tokens.any(|token| match token {
            TokenTree::Ident(ident) => ident == "naked",
            TokenTree::Group(group) => group.stream().to_string() == "naked",
            TokenTree::Punct(_) | TokenTree::Literal(_) => false,
        })
    };
    if let Some(attr) = function.attrs.iter().find(naked) {
        errors.on(
            attr,
            "`#[hooked]` cannot be used on a naked function: it has no body in which hooks could be asked; hook the function that calls it",
        );
    }
    if args.opt_out.is_some() && args.point.is_none() {
        errors.at(
            args.opt_out.unwrap_or_else(Span::call_site),
            "`#[hooked(skip)]` leaves a method out of a hooked `impl` block; this function is in none",
        );
    }
}

/// What depends on the class of the function and its parameters.
pub(crate) fn model(
    function: &Function,
    args: &HookedArgs,
    class: Class,
    params: &[Param],
    errors: &mut Errors,
) {
    if let Some(span) = args.future
        && args.stream.is_none()
        && !matches!(class, Class::Future | Class::BoxedFuture)
    {
        let found = match &function.sig.output {
            _ if function.sig.asyncness.is_some() => "this is an `async fn`, whose await is hooked anyway: leave `future` out".to_owned(),
            _ if class == Class::AsyncTrait => "`#[async_trait]` methods are recognised, and their await is hooked anyway: leave `future` out".to_owned(),
            syn::ReturnType::Default => "this function returns nothing".to_owned(),
            syn::ReturnType::Type(_, ty) => format!("this function returns `{}`", crate::text::of(ty)),
        };
        errors.at(
            span,
            format!("`future` is for functions that return `impl Future<Output = …>` or `Pin<Box<dyn Future<Output = …>>>`: {found}"),
        );
    }
    stream::model(function, args, class, errors);
    if let Some(span) = args.blocking
        && class != Class::Sync
        && args.stream.is_none()
    {
        errors.at(
            span,
            "`blocking` lets asynchronous hooks park the caller of a synchronous function; this one is asynchronous and needs nothing: leave it out",
        );
    }
    retry(function, args, class, params, errors);
    names(args, params, errors);
}

fn retry(
    function: &Function,
    args: &HookedArgs,
    class: Class,
    params: &[Param],
    errors: &mut Errors,
) {
    let Some(span) = args.retry else { return };
    let is_async = class != Class::Sync;
    match receiver(function) {
        Receiver::Owned => errors.at(
            span,
            "`retry` runs the body again, but the first attempt consumes `self`: take `&self`, or leave `retry` out",
        ),
        Receiver::Exclusive if is_async => errors.at(
            span,
            "`retry` on an asynchronous method needs `&self`: each attempt is a future of its own, and `&mut self` can be lent to one only",
        ),
        _ => {}
    }
    for param in params
        .iter()
        .filter(|param| peel(&param.ty).0 == Peel::Exclusive)
    {
        errors.at(
            param.span,
            format!(
                "`retry` runs the body again, and `{}` can be lent to one attempt only: pass it by value or by `&`, or leave `retry` out",
                param.name.as_deref().unwrap_or("_")
            ),
        );
    }
    if matches!(&function.sig.output, syn::ReturnType::Type(_, ty) if matches!(**ty, Type::Never(_)))
    {
        errors.at(
            span,
            "a function that never returns is never run again: leave `retry` out",
        );
    }
}

/// The names in `args(…)` and `skip(…)` are parameters.
fn names(args: &HookedArgs, params: &[Param], errors: &mut Errors) {
    let known: Vec<&str> = params
        .iter()
        .filter_map(|param| param.name.as_deref())
        .collect();
    let mut check = |ident: &syn::Ident| {
        let name = plain(ident);
        if known.contains(&name.as_str()) || args.absent.contains(&name) {
            return;
        }
        let near = points::nearest(&name, known.iter().copied());
        let hint = match known.is_empty() {
            true => "the function has none".to_owned(),
            false if points::distance(&name, near) <= 2 => format!("did you mean `{near}`?"),
            false => format!("the parameters are {}", known.join(", ")),
        };
        errors.at(
            ident.span(),
            format!("there is no parameter `{name}`; {hint}"),
        );
    };
    for ident in &args.skip {
        check(ident);
    }
    let mut shown: Vec<String> = Vec::new();
    for spec in args.args.iter().flat_map(|(_, specs)| specs) {
        if spec.value.is_none() {
            check(&spec.name);
        }
    }
    // Two views of one parameter could both write to it.
    for spec in args.args.iter().flat_map(|(_, specs)| specs) {
        let target = match &spec.value {
            None => plain(&spec.name),
            Some(syn::Expr::Path(path)) => match path.path.get_ident() {
                Some(ident) => plain(ident),
                None => continue,
            },
            Some(_) => continue,
        };
        if known.contains(&target.as_str()) {
            if shown.contains(&target) {
                errors.at(
                    spec.name.span(),
                    format!("hooks already see the parameter `{target}` under another name: show it once"),
                );
            }
            shown.push(target);
        }
    }
    for ident in &args.skip {
        if let Some(spec) = first(args, &plain(ident))
            .filter(|spec| spec.value.is_none() && spec.choice != Choice::Opaque)
        {
            errors.at(
                spec.name.span().join(ident.span()).unwrap_or(ident.span()),
                format!("`{ident}` is in `args` and in `skip`: `args` lists all that hooks see, so leave `skip` out"),
            );
        }
    }
}
