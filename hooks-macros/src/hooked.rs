//! `#[hooked]` from end to end.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote_spanned};
use syn::spanned::Spanned;

use crate::analyze::{self, Class, Model};
use crate::crate_path::Facade;
use crate::errors::Errors;
use crate::expand::{self, Expansion};
use crate::hygiene::here;
use crate::parse::{Function, HookedArgs};
use crate::{boxed, fallback, hand_on, on_impl, validate};

/// The expansion; on any mistake the user's item as it was, and all errors.
pub(crate) fn hooked(args: TokenStream, item: TokenStream, facade: Facade) -> TokenStream {
    let mut errors = Errors::default();
    let given = args.clone();
    let mut args = HookedArgs::parse(args, &mut errors);
    match fallback::keyword(&item) {
        Some(keyword) if keyword == "fn" => {}
        Some(keyword) if keyword == "impl" => {
            let item = on_impl::hand_down(&given, &args, item, facade, &mut errors);
            return fallback::keep(item, errors);
        }
        other => {
            validate::item(other.as_ref(), &mut errors);
            return fallback::keep(item, errors);
        }
    }
    if let Some(qualifier) = fallback::qualifier(&item) {
        validate::qualifier(&qualifier, &mut errors);
        return fallback::keep(item, errors);
    }
    let Some(function) = errors.take(syn::parse2::<Function>(item.clone())) else {
        return fallback::keep(item, errors);
    };
    if !cfg!(feature = "enabled") {
        args.absent = hand_on::conditional_parameters(&function);
    } else if errors.is_empty() {
        let krate = args.krate.clone().unwrap_or_else(|| facade.path());
        let hooked = quote_spanned!(here()=> #krate::hooked);
        if let Some(handed_on) = hand_on::hand_on(&given, &function, &hooked) {
            return handed_on;
        }
    }
    match one_function(function, &args, facade, &mut errors) {
        Some(expanded) if errors.is_empty() && cfg!(feature = "enabled") => expanded,
        _ => fallback::keep(item, errors),
    }
}

fn one_function(
    mut function: Function,
    args: &HookedArgs,
    facade: Facade,
    errors: &mut Errors,
) -> Option<TokenStream> {
    validate::function(&function, args, errors);
    validate::arguments(args, errors);
    function.body.as_ref()?;
    let value_span = match &function.sig.output {
        syn::ReturnType::Default => function.sig.ident.span(),
        syn::ReturnType::Type(_, ty) => ty.span(),
    };
    let (class, value) = analyze::class(&function, args);
    let params = analyze::params(&mut function, args);
    validate::model(&function, args, class, &params, errors);
    let shown = if class.consumes_arguments() {
        Vec::new()
    } else {
        analyze::shown(args, &params)
    };
    // With the block of an `#[async_trait]` method in hand, the method is an asynchronous function in a box.
    let boxed = match class {
        Class::AsyncTrait => function.body.as_ref().and_then(boxed::block),
        _ => None,
    };
    let (class, written) = match boxed {
        Some(_) => (Class::Async, value.as_ref().map(analyze::erase_impl)),
        None => (class, expand::written(&function)),
    };
    let model = Model {
        repeatable: analyze::repeatable(&function, args, class, &params),
        class,
        boxed,
        shown,
        value,
        value_span,
        written,
        params,
    };
    let krate = args
        .krate
        .clone()
        .unwrap_or_else(|| facade.path())
        .into_token_stream();
    let private = quote_spanned!(here()=> #krate::__private);
    Some(
        Expansion {
            function: &function,
            args,
            model: &model,
            private,
        }
        .item(),
    )
}
