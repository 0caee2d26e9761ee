//! The active arm: everything that the runner is given, beside the arguments and the body.

use proc_macro2::{Ident, TokenStream};
use quote::{ToTokens, quote_spanned};

use crate::analyze::{Class, Source};
use crate::capture::{self, Reach};
use crate::expand::{Expansion, nested};
use crate::hygiene::{here, local, located};
use crate::parse::Choice;

/// Short name of the runtime's private module in the active arm, which holds no code of the user's.
pub(crate) const SHORT: &str = "__hookpoint";

impl Expansion<'_> {
    /// The active arm: a block whose value is the return value, or its future.
    pub(crate) fn active(&self, facts: &TokenStream, body: &Ident) -> TokenStream {
        let private = &self.private;
        let p = local(SHORT).to_token_stream();
        let class = self.model.class;
        let (redirect_before, redirect) = self.redirect(&p);
        let of = local(if class == Class::Sync {
            "ret_of"
        } else {
            "ret_of_async"
        });
        let ret = self.return_ops(&p, &quote_spanned!(here()=> #p::#of(&#body)));
        let args = if class.consumes_arguments() {
            quote_spanned!(here()=> ())
        } else {
            self.tuple(|param| param.slot.to_token_stream())
        };
        let (stores, views) = self.views(&p);
        let dup = self.model.repeatable.then(|| {
            let dup = self.dup(&p);
            quote_spanned!(here()=> #dup,)
        });
        // In a place of its own, the runner's future has a type that is cheap to check. A boxed future is
        // returned as it is, and what the views look at must live as long as the future.
        let place = stores.is_empty() && matches!(class, Class::Async | Class::Future);
        let runner = local(match (class, self.model.repeatable) {
            (Class::Sync, false) => "run_sync",
            (Class::Sync, true) => "run_sync_repeat",
            (_, false) if place => "running",
            (_, true) if place => "running_repeat",
            (_, false) => "run_async",
            (_, true) => "run_async_repeat",
        });
        let (ret_name, facts_name) = (local("__ret"), local("__facts"));
        let run = quote_spanned!(here()=>
            #p::#runner(&__SITE, #facts_name, #args, #body, #views, #dup #ret_name, #redirect)
        );
        let run = match class {
            Class::Sync => quote_spanned!(here()=> #stores #run),
            _ if place => run,
            _ if stores.is_empty() => quote_spanned!(here()=> #p::boxed(#run)),
            _ => quote_spanned!(here()=> #p::boxed(async move { #stores #run.await })),
        };
        // An asynchronous run is awaited outside this block: its locals would be kept in the user's future.
        quote_spanned!(here()=> {
            #[allow(unused_imports)]
            use #private::{self as #p, Fb as _, FbDe as _, FbDeValue as _, FbTyped as _, FbValue as _, RetFallback as _};
            let #facts_name = #facts;
            let #ret_name = #ret;
            #redirect_before
            #run
        })
    }

    /// What the runner must know of the return value, or of the items of a stream, of which `of` is the probe.
    pub(crate) fn return_ops(&self, p: &TokenStream, of: &TokenStream) -> TokenStream {
        let (ok, err) = (local("__ok"), local("__err"));
        // The user's span, hygiene included: only so does the compiler underline the return type, and not
        // the whole attribute, when it has no place for a refusal. There is no code of the user's here.
        let there = self.model.value_span;
        let probe = Ident::new("__hookpoint_probe", there);
        let refuse = match (&self.args.observe, &self.args.on_refused) {
            (Some(_), _) => quote_spanned!(here()=> #p::only_watch(&#probe)),
            (None, Some((_, convert))) => {
                // `const`: what captures is refused where it captures.
                quote_spanned!(here()=> #p::refuse_with(&#probe, #probe.kind(), const { #convert }))
            }
            // The user's span: the error says that the return type has no place for a refusal.
            (None, None) => {
                let p = Ident::new(SHORT, there);
                let must_refuse = if self.model.class.is_stream() {
                    "must_refuse_item"
                } else {
                    "must_refuse"
                };
                let must_refuse = Ident::new(must_refuse, there);
                quote_spanned!(there=> #p::#must_refuse(&#probe))
            }
        };
        let fixed = capture::static_parameters(&self.function.sig.generics);
        let value = self.model.value.as_ref();
        let refusable = self.args.observe.is_none() && self.args.on_refused.is_none();
        // Constants of a written type are found much faster than methods of a value.
        if let Some(ty) = value.filter(|ty| refusable && capture::is_written_result(ty)) {
            let reach = Reach::Written(ty);
            let (ok_choice, err_choice) = capture::of_return(value, &reach, &fixed, p);
            return quote_spanned!(here()=> {
                let #probe = #of;
                #p::returns(&#probe, #p::IsResult, #refuse, #ok_choice, #err_choice)
            });
        }
        let reach = Reach::Values(&ok, &err);
        let (ok_choice, err_choice) = capture::of_return(value, &reach, &fixed, p);
        quote_spanned!(here()=> {
            let #probe = #of;
            let (#ok, #err) = (#probe.ok(), #probe.err());
            #p::returns(&#probe, #probe.kind(), #refuse, #ok_choice, #err_choice)
        })
    }

    fn dup(&self, p: &TokenStream) -> TokenStream {
        let all = local("__args");
        let slot = |index: usize| local(&format!("__v{index}"));
        let mut index = 0;
        let pattern = nested(&self.model.params, |_| {
            index += 1;
            slot(index - 1).into_token_stream()
        });
        let mut index = 0;
        let copies = nested(&self.model.params, |param| {
            let slot = slot(index);
            let choice = match self.is_opaque(index) {
                true => quote_spanned!(here()=> #p::No),
                false => capture::clone_choice(&param.ty, &slot, p),
            };
            index += 1;
            quote_spanned!(here()=> #p::dup(#slot, #choice)?)
        });
        quote_spanned!(here()=> |#all| {
            let #pattern = #all;
            ::core::option::Option::Some(#copies)
        })
    }

    /// Whether the attribute says that nothing is to be asked of the parameter's type.
    fn is_opaque(&self, index: usize) -> bool {
        self.model.shown.iter().any(|shown| {
            shown.choice == Choice::Opaque
                && matches!(shown.source, Source::Param(source) if source == index)
        })
    }

    /// `(statements, the runner's argument)`.
    fn redirect(&self, p: &TokenStream) -> (TokenStream, TokenStream) {
        let Some((_, expr)) = &self.args.redirect else {
            let kind = local(if self.model.class == Class::Sync {
                "sync"
            } else {
                "future"
            });
            return (
                TokenStream::new(),
                quote_spanned!(here()=> #p::NoRedirect::#kind()),
            );
        };
        let (resolve, to, target) = (local("__resolve"), local("__to"), local("__target"));
        let mut index = 0;
        let slot = |index: usize| local(&format!("__v{index}"));
        let pattern = nested(&self.model.params, |_| {
            index += 1;
            slot(index - 1).into_token_stream()
        });
        let arguments = (0..self.model.params.len()).map(slot);
        // What doesn't fit is the user's expression, so errors point there.
        let there = located(syn::spanned::Spanned::span(expr));
        (
            quote_spanned!(there=> let mut #resolve = #p::resolver(#expr);),
            quote_spanned!(there=> #p::RedirectWith(move |#to: &str| {
                #resolve(#to).map(|#target| move |#pattern| #target(#(#arguments),*))
            })),
        )
    }
}
