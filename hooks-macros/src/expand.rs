//! The expansion: one static, one closure around the body, two calls of it.
//!
//! ```text
//! static __SITE: HookSite = …;  // and what enters it into the link-time catalogue
//! let __body = bind(types of the arguments, |(a, (b, ()))| -> R { the user's body });
//! if __SITE.is_idle() { __body((a, (b, ()))) } else { run_sync(&__SITE, …, __body, …) }
//! ```
//! The idle path is one relaxed load and a predictable branch; everything else stands in the other arm, out
//! of line. Our tokens have a span of their own, so that no lint of the user's crate fires on them.

use proc_macro2::{Ident, TokenStream};
use quote::{ToTokens, quote, quote_spanned};
use syn::{ReturnType, Type};

use crate::analyze::{Class, Model, Param, Source};
use crate::capture::{Peel, peel};
use crate::hygiene::{here, line, local, located, plain};
use crate::parse::{Function, HookedArgs, Point, Sigil, split_inner_attributes};
use crate::text;

/// Up to this number of arguments there is one function that binds them all; each call that the compiler
/// checks is time of the user's.
const DIRECT: usize = 6;

/// Everything that the pieces share.
pub(crate) struct Expansion<'a> {
    pub(crate) function: &'a Function,
    pub(crate) args: &'a HookedArgs,
    pub(crate) model: &'a Model<'a>,
    /// `::hookpoint::__private`
    pub(crate) private: TokenStream,
}

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
        let content = match &self.model.boxed {
            None => self.content(&rest),
            Some(boxed) => {
                let content = self.content(&boxed.block.to_token_stream());
                let (pin, keywords) = (&boxed.pin, &boxed.keywords);
                let block = braced_as(&boxed.block, content);
                let argument = braced_as(&boxed.parenthesis, quote!(#keywords #block));
                // No `return` in front: other attributes know this form, too.
                quote!(#pin #argument)
            }
        };
        // The user's braces: without their span the function is taken for generated code, and lints such as
        // `dead_code` are silently lost.
        let block = braced_as(body, quote!(#inner #content));
        quote!(#(#attrs)* #vis #default #sig #block)
    }

    fn content(&self, body: &TokenStream) -> TokenStream {
        let site = self.site();
        let bound = self.body(body);
        let (facts_before, idle, facts) = self.facts();
        let call = self.tuple(|param| param.slot.to_token_stream());
        let name = local("__body");
        // `return`, written: there is a lint that asks for it, and the tail of the function is ours. What never
        // returns has nothing to give.
        let give = (!self.model.never()).then(|| quote_spanned!(here()=> return));
        match self.model.class {
            Class::Stream | Class::BoxedStream => {
                let streamed = self.streamed(&facts, &name, &call);
                quote_spanned!(here()=>
                    #site
                    #facts_before
                    #bound
                    #streamed
                )
            }
            Class::Sync | Class::AsyncTrait => {
                let active = self.active(&facts, &name);
                let forget = self.forget_facts();
                quote_spanned!(here()=>
                    #site
                    #facts_before
                    #bound
                    if #idle { #forget #give #name(#call) } else { #give #active }
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
                    if #idle { #forget #give #name(#call).await } else { let #run = #active; #give #run.await }
                )
            }
            Class::Future => {
                let (future, run) = (local("__future"), local("__run"));
                let active = self.active(&facts, &name);
                let p = &self.private;
                let forget = self.forget_facts();
                let output = self.output();
                // What stands before the future runs at the call, as in the plain function; hooks come with
                // the first poll, and so does the question whether somebody listens.
                quote_spanned!(here()=>
                    #site
                    #facts_before
                    #bound
                    let #future = #p::output::<#output, _>(#name(#call));
                    #give async move {
                        if __SITE.is_idle() {
                            #forget
                            #give #future.await
                        } else {
                            let #name = #p::bind(#p::NIL, move |()| #future);
                            let #run = #active;
                            #give #run.await
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
                        #give #future
                    } else {
                        let #name = #p::bind(#p::NIL, move |()| #future);
                        #give #active
                    }
                )
            }
        }
    }

    /// What the signature says that the returned future gives; `_` for what cannot be written here.
    fn output(&self) -> Type {
        match &self.model.value {
            None => syn::parse_quote!(()),
            // Naming the type is unstable.
            Some(Type::Never(_)) => syn::parse_quote!(_),
            Some(ty) => crate::analyze::erase_impl(ty),
        }
    }

    /// The static and what enters it into the link-time catalogue, inside the function: so it works in `impl`
    /// blocks, in generic functions and in functions that are never called.
    ///
    /// Few and simple items, because each one is evaluated and checked with every build of the user's crate.
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
        let (before, middle, after) = self.description();
        let flags = self.flags();
        let (constructor, entry) = (local("__enter"), local("__ENTRY"));
        quote_spanned!(here()=>
            static __SITE: #p::HookSite = #p::HookSite::new(
                #point,
                ::core::concat!(
                    ::core::module_path!(), #before, ::core::file!(), #middle,
                    ::core::env!("CARGO_PKG_NAME"), "\0", ::core::env!("CARGO_PKG_VERSION"), #after
                ),
                #flags,
            );
            // What the loader calls before `main`.
            extern "C" fn #constructor() { __SITE.link() }
            #[used]
            #[cfg_attr(windows, unsafe(link_section = ".CRT$XCU"))]
            #[cfg_attr(
                target_vendor = "apple",
                unsafe(link_section = "__DATA,__mod_init_func,mod_init_funcs")
            )]
            #[cfg_attr(
                not(any(windows, target_vendor = "apple")),
                unsafe(link_section = ".init_array")
            )]
            static #entry: extern "C" fn() = #constructor;
        )
    }

    /// The site's description, which the runtime's `site/text.rs` takes apart: what comes after the module's
    /// path, after the file and after the package's version.
    fn description(&self) -> (String, String, String) {
        let args = self.args;
        let ident = &self.function.sig.ident;
        let name = match &args.owner {
            Some(owner) => format!("{}::{}", owner.value(), plain(ident)),
            None => plain(ident),
        };
        let returns = match &self.model.value {
            Some(ty) => text::of(ty),
            None => "()".to_owned(),
        };
        let mut after = format!("\0{returns}");
        for shown in &self.model.shown {
            let (ty, by) = match &shown.source {
                Source::Param(index) => {
                    let ty = &self.model.params[*index].ty;
                    let by = match peel(ty).0 {
                        Peel::Value => 'v',
                        Peel::Shared | Peel::Optional => 's',
                        Peel::Exclusive => 'x',
                    };
                    (text::of(ty), by)
                }
                Source::Expr(expr) => (text::of(expr), 's'),
            };
            after.push_str(&format!("\0{by}{}:{ty}", shown.name));
        }
        for field in &args.fields {
            after.push_str(&format!("\0f{}", plain(&field.name)));
        }
        (
            format!("::{name}\0"),
            format!("\0{}\0", line(ident.span())),
            after,
        )
    }

    fn flags(&self) -> proc_macro2::Literal {
        let args = self.args;
        let flags = [
            self.model.class != Class::Sync,
            args.observe.is_some(),
            args.closed.is_some(),
            self.model.repeatable,
            args.redirect.is_some(),
            args.blocking.is_some(),
            self.model.class.is_stream(),
        ];
        let bits = flags
            .iter()
            .rev()
            .fold(0_u8, |bits, flag| (bits << 1) | u8::from(*flag));
        proc_macro2::Literal::u8_unsuffixed(bits)
    }

    /// `let __body = bind(…, |…| …)`.
    fn body(&self, body: &TokenStream) -> TokenStream {
        let p = &self.private;
        let model = self.model;
        let name = local("__body");
        let mutable = model.repeatable.then(|| quote_spanned!(here()=> mut));
        let closure = match model.class {
            Class::Async => self.async_closure(body),
            _ => {
                // Lint attributes cannot stand inside a pattern: such a parameter gets a statement, and with
                // it all of them, so that they drop in their order.
                let rebound = model.params.iter().any(|param| !param.lints.is_empty());
                let pattern = self.tuple(|param| match rebound {
                    false => param.pattern.clone(),
                    true => param.inner.to_token_stream(),
                });
                let body = match rebound {
                    false => body.clone(),
                    true => {
                        let rebind = model.params.iter().map(|param| &param.rebind);
                        let rebind: TokenStream = rebind.cloned().collect();
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
        if self.carried() {
            let types = local("__types");
            let slots = self.tuple(|param| param.slot.to_token_stream());
            return quote_spanned!(here()=>
                #[allow(unknown_lints, clippy::used_underscore_binding)]
                let (#slots, #types) = #p::carry(#slots);
                let #name = #p::bind(#types, #closure);
            );
        }
        let base = if model.repeatable { "bind_mut" } else { "bind" };
        let count = model.params.len();
        let (bind, types) = if (1..=DIRECT).contains(&count) {
            let slots = model.params.iter().map(|param| &param.slot);
            (
                local(&format!("{base}_{count}")),
                quote_spanned!(here()=> #(&#slots),*),
            )
        } else {
            let nest = |rest, param: &Param| {
                let slot = &param.slot;
                quote_spanned!(here()=> #p::nest(&#slot, #rest))
            };
            let nil = quote_spanned!(here()=> #p::NIL);
            (local(base), model.params.iter().rev().fold(nil, nest))
        };
        quote_spanned!(here()=> let #mutable #name = #p::#bind(#types, #closure);)
    }

    /// Whether the arguments are moved, and not borrowed, for their types. What an `async fn` has once borrowed,
    /// even for a moment, has a place in its future for ever.
    fn carried(&self) -> bool {
        self.model.class == Class::Async && !self.model.repeatable
    }

    fn async_closure(&self, body: &TokenStream) -> TokenStream {
        let model = self.model;
        let pattern = self.tuple(|param| param.inner.to_token_stream());
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
            #[allow(unknown_lints, clippy::diverging_sub_expression)]
            let #value: #written = #block;
            // The body may never get here.
            #[allow(unknown_lints, unreachable_code, clippy::all)]
            return #value;
        })
    }

    /// `(a, (b, ()))`.
    pub(crate) fn tuple(&self, each: impl Fn(&Param) -> TokenStream) -> TokenStream {
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
        if self.model.class.at_first_poll() {
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
}

/// `(a, (b, ()))` of the parameters.
pub(crate) fn nested(params: &[Param], mut each: impl FnMut(&Param) -> TokenStream) -> TokenStream {
    let parts: Vec<TokenStream> = params.iter().map(&mut each).collect();
    parts.into_iter().rev().fold(
        quote_spanned!(here()=> ()),
        |rest, part| quote_spanned!(here()=> (#part, #rest)),
    )
}

/// Other tokens in the same delimiters.
fn braced_as(like: &proc_macro2::Group, content: TokenStream) -> proc_macro2::Group {
    let mut group = proc_macro2::Group::new(like.delimiter(), content);
    group.set_span(like.span());
    group
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
