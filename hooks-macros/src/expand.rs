//! The expansion: one static, one closure around the body, two calls of it.
//!
//! ```text
//! static __SITE: HookSite = …;  inventory::submit! { … }
//! let __body = bind(types of the arguments, |(a, (b, ()))| -> R { the user's body });
//! if __SITE.is_idle() { __body((a, (b, ()))) } else { run_sync(&__SITE, …, __body, …) }
//! ```
//! The idle path is one relaxed load and a predictable branch; everything else stands in the other arm, out
//! of line. Our tokens have a span of their own, so that no lint of the user's crate fires on them.

use proc_macro2::{Ident, TokenStream};
use quote::{ToTokens, quote, quote_spanned};
use syn::{Expr, ReturnType, Type};

use crate::analyze::{Class, Model, Param, Shown, Source, mentions};
use crate::capture::{self, Peel, peel};
use crate::hygiene::{here, line, local, located, plain};
use crate::parse::{Choice, Function, HookedArgs, Point, Sigil, split_inner_attributes};
use crate::text;

/// Everything that the pieces share.
pub(crate) struct Expansion<'a> {
    pub(crate) function: &'a Function,
    pub(crate) args: &'a HookedArgs,
    pub(crate) model: &'a Model<'a>,
    /// `::hookpoint::__private`
    pub(crate) private: TokenStream,
}

/// Short name of the runtime's private module in the active arm, which holds no code of the user's.
const SHORT: &str = "__hookpoint";

impl Expansion<'_> {
    /// The whole item.
    pub(crate) fn item(&self) -> TokenStream {
        let Function {
            attrs,
            vis,
            default,
            sig,
            body,
        } = self.function;
        let Some(body) = body else {
            return TokenStream::new();
        };
        let (inner, rest) = split_inner_attributes(body);
        let content = self.content(&rest);
        let mut block =
            proc_macro2::Group::new(proc_macro2::Delimiter::Brace, quote!(#inner #content));
        // The user's braces: without their span the function is taken for generated code, and lints such as
        // `dead_code` are silently lost.
        block.set_span(body.span());
        quote!(#(#attrs)* #vis #default #sig #block)
    }

    fn content(&self, body: &TokenStream) -> TokenStream {
        let site = self.site();
        let bound = self.body(body);
        let (facts_before, idle, facts) = self.facts();
        let call = self.tuple(|param| param.slot.to_token_stream());
        let name = local("__body");
        match self.model.class {
            Class::Sync | Class::AsyncTrait => {
                let active = self.active(&facts, &name);
                let forget = self.forget_facts();
                quote_spanned!(here()=>
                    #site
                    #facts_before
                    #bound
                    if #idle { #forget #name(#call) } else { #active }
                )
            }
            Class::Async => {
                let run = local("__run");
                let active = self.active(&facts, &name);
                let forget = self.forget_facts();
                quote_spanned!(here()=>
                    #site
                    #facts_before
                    #bound
                    if #idle { #forget #name(#call).await } else { let #run = #active; #run.await }
                )
            }
            Class::Future => {
                let (future, run) = (local("__future"), local("__run"));
                let active = self.active(&facts, &name);
                let p = &self.private;
                let forget = self.forget_facts();
                // What stands before the future runs at the call, as in the plain function; hooks come with
                // the first poll, and so does the question whether somebody listens.
                quote_spanned!(here()=>
                    #site
                    #facts_before
                    #bound
                    let #future = #name(#call);
                    async move {
                        if __SITE.is_idle() {
                            #forget
                            #future.await
                        } else {
                            let #name = #p::bind(#p::NIL, move |()| #future);
                            let #run = #active;
                            #run.await
                        }
                    }
                )
            }
            Class::BoxedFuture => {
                let future = local("__future");
                let active = self.active(&facts, &name);
                let p = &self.private;
                let forget = self.forget_facts();
                quote_spanned!(here()=>
                    #site
                    #facts_before
                    #bound
                    let #future = #name(#call);
                    if #idle {
                        #forget
                        #future
                    } else {
                        let #name = #p::bind(#p::NIL, move |()| #future);
                        #active
                    }
                )
            }
        }
    }

    /// The static and its entry in the link-time catalogue, inside the function: so it works in `impl`
    /// blocks, in generic functions and in functions that are never called.
    fn site(&self) -> TokenStream {
        let p = &self.private;
        let args = self.args;
        let point = match &args.point {
            Some(Point::Literal(name)) => name.to_token_stream(),
            Some(Point::Constant(expr)) => {
                let names = self.model.shown.iter().map(|shown| &shown.name);
                let there = located(syn::spanned::Spanned::span(expr));
                quote_spanned!(there=> #p::PointName(#expr).of(&[#(#names),*]))
            }
            None => quote!(""),
        };
        let ident = &self.function.sig.ident;
        let name = match &args.owner {
            Some(owner) => format!("{}::{}", owner.value(), plain(ident)),
            None => plain(ident),
        };
        let line = line(ident.span());
        let shown = self.model.shown.iter().map(|shown| self.arg_info(shown));
        let fields = args.fields.iter().map(|field| plain(&field.name));
        let returns = match &self.model.value {
            Some(ty) => text::of(ty),
            None => "()".to_owned(),
        };
        let is_async = self.model.class != Class::Sync;
        let repeatable = self.model.repeatable;
        let [observe, closed, redirect, blocking] = [
            args.observe.is_some(),
            args.closed.is_some(),
            args.redirect.is_some(),
            args.blocking.is_some(),
        ];
        quote_spanned!(here()=>
            static __SITE: #p::HookSite = #p::HookSite::new(#p::SiteInfo::new(
                #point,
                ::core::concat!(::core::module_path!(), "::", #name),
                ::core::file!(),
                #line,
                ::core::env!("CARGO_PKG_NAME"),
                ::core::env!("CARGO_PKG_VERSION"),
                &[#(#shown),*],
                &[#(#fields),*],
                #returns,
                #p::SiteFlags {
                    is_async: #is_async,
                    observe: #observe,
                    closed: #closed,
                    repeatable: #repeatable,
                    redirect: #redirect,
                    blocking: #blocking,
                },
            ));
            #p::inventory::submit! { #p::SiteEntry(&__SITE) }
        )
    }

    fn arg_info(&self, shown: &Shown) -> TokenStream {
        let p = &self.private;
        let name = &shown.name;
        let (ty, by) = match &shown.source {
            Source::Param(index) => {
                let ty = &self.model.params[*index].ty;
                let by = match peel(ty).0 {
                    Peel::Value => "Value",
                    Peel::Shared | Peel::Optional => "Shared",
                    Peel::Exclusive => "Exclusive",
                };
                (text::of(ty), by)
            }
            Source::Expr(expr) => (text::of(expr), "Shared"),
        };
        let by = local(by);
        quote_spanned!(here()=> #p::ArgInfo { name: #name, ty: #ty, by: #p::ArgMode::#by })
    }

    /// `let __body = bind(…, |…| …)`.
    fn body(&self, body: &TokenStream) -> TokenStream {
        let p = &self.private;
        let model = self.model;
        let name = local("__body");
        let types =
            model
                .params
                .iter()
                .rev()
                .fold(quote_spanned!(here()=> #p::NIL), |rest, param| {
                    let slot = &param.slot;
                    quote_spanned!(here()=> #p::nest(&#slot, #rest))
                });
        let (bind, mutable) = if model.repeatable {
            (local("bind_mut"), Some(quote_spanned!(here()=> mut)))
        } else {
            (local("bind"), None)
        };
        let closure = match model.class {
            Class::Async => self.async_closure(body),
            Class::Sync | Class::AsyncTrait | Class::Future | Class::BoxedFuture => {
                // Lint attributes cannot stand inside a pattern: such a parameter gets a statement.
                let pattern = self.tuple(|param| match param.lints[..] {
                    [] => param.pattern.clone(),
                    _ => param.slot.to_token_stream(),
                });
                let rebind = model.params.iter().filter(|param| !param.lints.is_empty());
                let rebind: TokenStream = rebind.map(|param| param.rebind.clone()).collect();
                let body = match rebind.is_empty() {
                    true => body.clone(),
                    false => {
                        let block = reparent(body);
                        quote_spanned!(here()=> { #rebind #block })
                    }
                };
                let arrow = match &model.written {
                    Some(ty) => quote_spanned!(here()=> -> #ty),
                    None => quote_spanned!(here()=> -> ()),
                };
                // A future outlives this frame, so it takes what it captures with it.
                let capture = (model.class != Class::Sync).then(|| quote_spanned!(here()=> move));
                quote_spanned!(here()=> #capture |#pattern| #arrow #body)
            }
        };
        quote_spanned!(here()=> let #mutable #name = #p::#bind(#types, #closure);)
    }

    fn async_closure(&self, body: &TokenStream) -> TokenStream {
        let model = self.model;
        let pattern = self.tuple(|param| param.slot.to_token_stream());
        let rebind = model.params.iter().map(|param| &param.rebind);
        let value = local("__value");
        // Compilers say "return type inferred to be … here": here is the return type.
        let unreachable = Ident::new("__never", located(model.value_span));
        let unit: Type = syn::parse_quote!(());
        let written = model.written.as_ref().unwrap_or(&unit);
        if model.never() {
            return quote_spanned!(here()=> move |#pattern| async move { #(#rebind)* #body });
        }
        // The user's body in a block whose braces are ours: `unused_braces` looks at their span.
        let block = reparent(body);
        // An early `return` needs to know its type before the first one is seen.
        let hint = (!matches!(written, Type::Infer(_))).then(|| {
            quote_spanned!(located(model.value_span)=>
                #[allow(unknown_lints, unreachable_code, clippy::all)]
                if false {
                    let #unreachable: #written = loop {};
                    return #unreachable;
                }
            )
        });
        quote_spanned!(here()=> move |#pattern| async move {
            #hint
            #(#rebind)*
            let #value: #written = #block;
            // The body may never get here.
            #[allow(unknown_lints, unreachable_code, clippy::all)]
            return #value;
        })
    }

    /// `(a, (b, ()))`.
    fn tuple(&self, each: impl Fn(&Param) -> TokenStream) -> TokenStream {
        nested(&self.model.params, each)
    }

    /// What `component` and `fields` need: (statements before the body, the question whether we are idle,
    /// the value for the runner). Evaluated only when somebody listens, and before the body captures `self`.
    fn facts(&self) -> (TokenStream, TokenStream, TokenStream) {
        let p = &self.private;
        if !self.has_facts() {
            return (
                TokenStream::new(),
                quote_spanned!(here()=> __SITE.is_idle()),
                quote_spanned!(here()=> #p::Facts::new()),
            );
        }
        let (idle, facts) = (local("__idle"), local("__facts"));
        let component = self
            .args
            .component
            .as_ref()
            .map(|expr| quote_spanned!(here()=> .component(#expr)));
        let fields = self.args.fields.iter().map(|field| {
            let name = plain(&field.name);
            let value = &field.value;
            let function = local(match field.sigil {
                Sigil::Json => "fact",
                Sigil::Display => "fact_display",
                Sigil::Debug => "fact_debug",
            });
            quote_spanned!(here()=> .field(#name, #p::#function(&(#value))))
        });
        if self.model.class == Class::Future {
            // Whether somebody listens is asked at the first poll, when `self` may be gone.
            return (
                quote_spanned!(here()=>
                    let #facts = #p::facts(|| #p::Facts::new() #component #(#fields)*);
                ),
                TokenStream::new(),
                quote_spanned!(here()=> #facts),
            );
        }
        (
            quote_spanned!(here()=>
                let #idle = __SITE.is_idle();
                let #facts = if #idle {
                    #p::Facts::new()
                } else {
                    #p::facts(|| #p::Facts::new() #component #(#fields)*)
                };
            ),
            quote_spanned!(here()=> #idle),
            quote_spanned!(here()=> #facts),
        )
    }

    fn has_facts(&self) -> bool {
        self.args.component.is_some() || !self.args.fields.is_empty()
    }

    /// Idle: the empty facts are gone before the body runs, so that they don't live in the user's future.
    fn forget_facts(&self) -> TokenStream {
        let facts = local("__facts");
        if self.has_facts() && self.model.class == Class::Future {
            quote_spanned!(here()=> ::core::mem::drop(#facts);)
        } else if self.has_facts() {
            quote_spanned!(here()=> ::core::mem::forget(#facts);)
        } else {
            TokenStream::new()
        }
    }

    /// The active arm: a block whose value is the return value, or its future.
    fn active(&self, facts: &TokenStream, body: &Ident) -> TokenStream {
        let private = &self.private;
        let p = local(SHORT).to_token_stream();
        let class = self.model.class;
        let (redirect_before, redirect) = self.redirect(&p);
        let ret = self.return_ops(&p, body);
        let hooks_future = matches!(class, Class::Future | Class::BoxedFuture);
        let args = if hooks_future {
            quote_spanned!(here()=> ())
        } else {
            self.tuple(|param| param.slot.to_token_stream())
        };
        let (stores, views) = self.views(&p);
        let dup = self.model.repeatable.then(|| {
            let dup = self.dup(&p);
            quote_spanned!(here()=> #dup,)
        });
        let runner = local(match (class == Class::Sync, self.model.repeatable) {
            (true, false) => "run_sync",
            (true, true) => "run_sync_repeat",
            (false, false) => "run_async",
            (false, true) => "run_async_repeat",
        });
        let (ret_name, facts_name) = (local("__ret"), local("__facts"));
        let run = quote_spanned!(here()=>
            #p::#runner(&__SITE, #facts_name, #args, #body, #views, #dup #ret_name, #redirect)
        );
        let run = match class {
            Class::Sync => quote_spanned!(here()=> #stores #run),
            _ if stores.is_empty() => quote_spanned!(here()=> #p::boxed(#run)),
            // What the views look at must live as long as the future.
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

    fn return_ops(&self, p: &TokenStream, body: &Ident) -> TokenStream {
        let (ok, err) = (local("__ok"), local("__err"));
        // The user's span, hygiene included: only so does the compiler underline the return type, and not
        // the whole attribute, when it has no place for a refusal. There is no code of the user's here.
        let there = self.model.value_span;
        let probe = Ident::new("__hookpoint_probe", there);
        let of = local(if self.model.class == Class::Sync {
            "ret_of"
        } else {
            "ret_of_async"
        });
        let refuse = match (&self.args.observe, &self.args.on_refused) {
            (Some(_), _) => quote_spanned!(here()=> #p::only_watch(&#probe)),
            (None, Some((_, convert))) => {
                // `const`: what captures is refused where it captures.
                quote_spanned!(here()=> #p::refuse_with(&#probe, #probe.kind(), const { #convert }))
            }
            // The user's span: the error says that the return type has no place for a refusal.
            (None, None) => {
                let p = Ident::new(SHORT, there);
                quote_spanned!(there=> #p::must_refuse(&#probe))
            }
        };
        let fixed = capture::static_parameters(&self.function.sig.generics);
        let (ok_choice, err_choice) =
            capture::of_return(self.model.value.as_ref(), (&ok, &err), &fixed, p);
        quote_spanned!(here()=> {
            let #probe = #p::#of(&#body);
            let (#ok, #err) = (#probe.ok(), #probe.err());
            #p::returns(&#probe, #probe.kind(), #refuse, #ok_choice, #err_choice)
        })
    }

    /// `(places for the values of expressions, the closure that makes the views)`.
    fn views(&self, p: &TokenStream) -> (TokenStream, TokenStream) {
        let all = local("__args");
        if matches!(self.model.class, Class::Future | Class::BoxedFuture)
            || self.model.shown.is_empty()
        {
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
            index += 1;
            let choice = capture::clone_choice(&param.ty, &slot, p);
            quote_spanned!(here()=> #p::dup(#slot, #choice)?)
        });
        quote_spanned!(here()=> |#all| {
            let #pattern = #all;
            ::core::option::Option::Some(#copies)
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

fn nested(params: &[Param], mut each: impl FnMut(&Param) -> TokenStream) -> TokenStream {
    let parts: Vec<TokenStream> = params.iter().map(&mut each).collect();
    parts.into_iter().rev().fold(
        quote_spanned!(here()=> ()),
        |rest, part| quote_spanned!(here()=> (#part, #rest)),
    )
}

/// The same tokens in braces of ours.
fn reparent(body: &TokenStream) -> TokenStream {
    body.clone()
        .into_iter()
        .map(|token| match token {
            proc_macro2::TokenTree::Group(group) => {
                let mut ours = proc_macro2::Group::new(group.delimiter(), group.stream());
                ours.set_span(located(group.span()));
                proc_macro2::TokenTree::Group(ours)
            }
            other => other,
        })
        .collect()
}

/// The closure's return type as tokens can say it.
pub(crate) fn written(function: &Function) -> Option<Type> {
    match &function.sig.output {
        ReturnType::Default => None,
        ReturnType::Type(_, ty) => Some(crate::analyze::erase_impl(ty)),
    }
}
