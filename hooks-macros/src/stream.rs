//! The key `stream`: the call lasts until the stream that the function returns ends.

use proc_macro2::{Ident, TokenStream};
use quote::{ToTokens, quote_spanned};
use syn::{GenericArgument, PathArguments, ReturnType, Type};

use crate::active::SHORT;
use crate::analyze::{Class, bound_type, erase_impl, only_argument};
use crate::errors::Errors;
use crate::expand::Expansion;
use crate::hygiene::{here, local, located};
use crate::parse::{Function, HookedArgs};
use crate::text;

/// `(boxed, Item)` of `impl Stream<Item = …>`, `Pin<Box<dyn Stream<Item = …>>>` and the names that
/// `futures` has for the latter.
pub(crate) fn item(ty: &Type) -> Option<(bool, Type)> {
    match ty {
        Type::Group(group) => item(&group.elem),
        Type::Paren(paren) => item(&paren.elem),
        Type::ImplTrait(stream) => Some((false, bound_type(&stream.bounds, "Stream", "Item")?)),
        Type::Path(_) => match only_argument(ty, "Pin") {
            Some(pointer) => match only_argument(pointer, "Box")? {
                Type::TraitObject(object) => {
                    Some((true, bound_type(&object.bounds, "Stream", "Item")?))
                }
                _ => None,
            },
            None => Some((true, alias(ty)?)),
        },
        _ => None,
    }
}

/// `T` of `BoxStream<'_, T>` and `LocalBoxStream<'_, T>`.
fn alias(ty: &Type) -> Option<Type> {
    let Type::Path(path) = ty else { return None };
    let last = path.path.segments.last()?;
    if last.ident != "BoxStream" && last.ident != "LocalBoxStream" {
        return None;
    }
    let PathArguments::AngleBracketed(arguments) = &last.arguments else {
        return None;
    };
    match arguments.args.last()? {
        GenericArgument::Type(item) => Some(item.clone()),
        _ => None,
    }
}

/// Keys that cannot stand beside `stream`.
pub(crate) fn arguments(args: &HookedArgs, errors: &mut Errors) {
    if args.stream.is_none() {
        return;
    }
    if let Some(span) = args.future {
        errors.at(
            span,
            "`future` hooks an await, `stream` hooks every item: keep the one that fits what the function returns",
        );
    }
    if let Some((span, _)) = &args.redirect {
        errors.at(
            *span,
            "`redirect` needs the arguments, which the call that makes the stream has consumed when it is polled: leave `redirect` out, or hook the function that chooses the component",
        );
    }
    if let Some(span) = args.retry {
        errors.at(
            span,
            "a stream runs once: items that were given cannot be taken back; leave `retry` out",
        );
    }
    if let Some(span) = args.blocking {
        errors.at(
            span,
            "`blocking` parks the caller of a synchronous function; a stream waits for its hooks when it is polled: leave `blocking` out",
        );
    }
    if let Some((span, specs)) = &args.args
        && !specs.is_empty()
    {
        errors.at(
            *span,
            "the call that makes a stream has consumed its arguments when hooks are asked: show facts with `fields(…)`",
        );
    }
}

/// The function must return a stream that we can put our own in the place of.
pub(crate) fn model(function: &Function, args: &HookedArgs, class: Class, errors: &mut Errors) {
    let Some(span) = args.stream else { return };
    if class.is_stream() {
        return;
    }
    let found = match &function.sig.output {
        _ if matches!(class, Class::Async | Class::AsyncTrait) => "this function is asynchronous: write a `fn` that returns the stream, or leave `stream` out to hook the call that makes it".to_owned(),
        ReturnType::Default => "this function returns nothing".to_owned(),
        ReturnType::Type(_, ty) => format!("this function returns `{}`", text::of(ty)),
    };
    errors.at(
        span,
        format!("`stream` is for functions that return `impl Stream<Item = …>`, `Pin<Box<dyn Stream<Item = …>>>` or `BoxStream<'_, …>`: {found}"),
    );
}

impl Expansion<'_> {
    /// What stands before the stream runs at the call, as in the plain function; hooks come with the first poll,
    /// and so does the question whether somebody listens.
    pub(crate) fn streamed(
        &self,
        facts: &TokenStream,
        body: &Ident,
        call: &TokenStream,
    ) -> TokenStream {
        let private = &self.private;
        let p = local(SHORT).to_token_stream();
        let (stream, place) = (local("__stream"), local("__place"));
        // What is no stream of these items is the user's mistake, in what the return type says.
        let returned = Ident::new("__stream", located(self.model.value_span));
        // Said, because what hooks can do with an item is decided before the compiler looks at the return type.
        let item = match &self.model.value {
            Some(ty) => erase_impl(ty).into_token_stream(),
            None => quote_spanned!(here()=> ()),
        };
        let probe = quote_spanned!(here()=> #p::ret_of_items::<#item>());
        let ret = self.return_ops(&p, &probe);
        let (ret_name, facts_name) = (local("__ret"), local("__facts"));
        let streamed = quote_spanned!(here()=>
            #private::streamed::<_, #item, _>(&__SITE, #returned, move |#stream, #place| {
                #[allow(unused_imports)]
                use #private::{self as #p, Fb as _, FbDe as _, FbDeValue as _, FbTyped as _, FbValue as _, RetFallback as _};
                let #facts_name = #facts;
                let #ret_name = #ret;
                #p::run_stream::<_, #item>(&__SITE, #facts_name, #stream, #ret_name, #place)
            })
        );
        let streamed = match self.model.class {
            Class::BoxedStream => quote_spanned!(here()=> #private::pinned(#streamed)),
            _ => streamed,
        };
        quote_spanned!(here()=>
            let #stream = #body(#call);
            return #streamed
        )
    }
}
