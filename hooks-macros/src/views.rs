//! The closure that makes the views of one call's arguments.

use proc_macro2::{Ident, TokenStream};
use quote::{ToTokens, quote_spanned};
use syn::Expr;

use crate::analyze::{Param, Source, mentions};
use crate::capture::{self, Peel, peel};
use crate::expand::{Expansion, nested};
use crate::hygiene::{here, local};
use crate::parse::Choice;

impl Expansion<'_> {
    /// `(places for the values of expressions, the closure that makes the views)`.
    pub(crate) fn views(&self, p: &TokenStream) -> (TokenStream, TokenStream) {
        let all = local("__args");
        if self.model.class.consumes_arguments() || self.model.shown.is_empty() {
            return (TokenStream::new(), quote_spanned!(here()=> |_| []));
        }
        let fixed = capture::static_parameters(&self.function.sig.generics);
        let slot = |index: usize| local(&format!("__v{index}"));
        let mut index = 0;
        let pattern = nested(&self.model.params, |_| {
            let slot = slot(index);
            index += 1;
            slot.into_token_stream()
        });
        let sealed: Vec<bool> = self
            .model
            .params
            .iter()
            .map(|param| self.is_sealed(param))
            .collect();
        let mut stores = TokenStream::new();
        let views: Vec<TokenStream> = self
            .model
            .shown
            .iter()
            .enumerate()
            .map(|(number, shown)| match &shown.source {
                Source::Param(index) => {
                    let param = &self.model.params[*index];
                    self.view(
                        p,
                        param,
                        &slot(*index),
                        shown.choice,
                        sealed[*index],
                        &fixed,
                    )
                }
                Source::Expr(expr) => {
                    let store = local(&format!("__store{number}"));
                    let (view, owned) = self.derived(p, expr, shown.choice, &store, &slot);
                    if owned {
                        stores.extend(
                            quote_spanned!(here()=> let mut #store = ::core::option::Option::None;),
                        );
                    }
                    view
                }
            })
            .collect();
        (
            stores,
            quote_spanned!(here()=> |#all| {
                let #pattern = #all;
                [#(#views),*]
            }),
        )
    }

    /// Whether an expression of `args(…)` looks into the parameter: then nobody may write to it, because
    /// what the expression found may lie inside.
    fn is_sealed(&self, param: &Param) -> bool {
        let Some(ident) = &param.ident else {
            return false;
        };
        self.model.shown.iter().any(|shown| match &shown.source {
            Source::Expr(expr) => mentions(expr.to_token_stream(), ident),
            Source::Param(_) => false,
        })
    }

    fn view(
        &self,
        p: &TokenStream,
        param: &Param,
        slot: &Ident,
        choice: Choice,
        sealed: bool,
        fixed: &[String],
    ) -> TokenStream {
        let (how, ty) = peel(&param.ty);
        let place = match how {
            Peel::Value => quote_spanned!(here()=> &*#slot),
            Peel::Shared | Peel::Exclusive => quote_spanned!(here()=> &**#slot),
            Peel::Optional => quote_spanned!(here()=> #slot.as_deref()),
        };
        let (caps, sync) = capture::capabilities(ty, how, choice, &place, fixed, p);
        match how {
            Peel::Value if !sealed => {
                quote_spanned!(here()=> { let c = #caps; #p::view_mut(&mut *#slot, c) })
            }
            Peel::Exclusive if !sealed => {
                quote_spanned!(here()=> { let c = #caps; #p::view_mut(&mut **#slot, c) })
            }
            // It goes into the body with the arguments, whoever looks into it.
            Peel::Value | Peel::Exclusive => {
                quote_spanned!(here()=> #p::view_within(#place, #caps, #sync))
            }
            Peel::Shared => quote_spanned!(here()=> #p::view_ref(#place, #caps, #sync)),
            Peel::Optional => quote_spanned!(here()=> #p::view_opt(*#slot, #caps, #sync)),
        }
    }

    /// The view of an expression over the parameters, which are references in it; whether it needs a place.
    fn derived(
        &self,
        p: &TokenStream,
        expr: &Expr,
        choice: Choice,
        store: &Ident,
        slot: &impl Fn(usize) -> Ident,
    ) -> (TokenStream, bool) {
        let mut within = false;
        let mut names = Vec::new();
        let mut sources = Vec::new();
        for (index, param) in self.model.params.iter().enumerate() {
            let Some(ident) = &param.ident else { continue };
            if !mentions(expr.to_token_stream(), ident) {
                continue;
            }
            let slot = slot(index);
            names.push(ident);
            let how = peel(&param.ty).0;
            // Also a value that is computed may borrow from what goes into the body.
            within |= matches!(how, Peel::Value | Peel::Exclusive);
            sources.push(match how {
                Peel::Value => quote_spanned!(here()=> &*#slot),
                Peel::Shared | Peel::Exclusive => quote_spanned!(here()=> &**#slot),
                Peel::Optional => quote_spanned!(here()=> *#slot),
            });
        }
        let found = local("__found");
        let owned = !matches!(expr, Expr::Reference(reference) if reference.mutability.is_none());
        let evaluate = quote_spanned!(here()=> (#(#sources,)*), |(#(#names,)*)| #expr);
        let value = if owned {
            quote_spanned!(here()=> &*#store.insert(#p::computed(#evaluate)))
        } else {
            quote_spanned!(here()=> #p::borrowed(#evaluate))
        };
        let view = local(if within { "view_within" } else { "view_ref" });
        let typed = local(match choice {
            Choice::Typed => "Yes",
            Choice::Auto | Choice::Opaque => "No",
        });
        let (caps, sync) = match choice {
            Choice::Opaque => (
                quote_spanned!(here()=> #p::OPAQUE),
                quote_spanned!(here()=> #p::No),
            ),
            _ => capture::of_value(
                &found.to_token_stream(),
                &quote_spanned!(here()=> #p::#typed),
                p,
            ),
        };
        (
            quote_spanned!(here()=> { let #found = #value; #p::#view(#found, #caps, #sync) }),
            owned,
        )
    }
}
