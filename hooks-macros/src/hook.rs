//! `#[hook]`: the function as it is, and the `inventory::submit!` that a plugin author could write by hand.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, quote, quote_spanned};
use syn::ext::IdentExt;
use syn::parse::{ParseStream, Parser};
use syn::{Expr, FnArg, LitInt, LitStr, Path, ReturnType, Token, Type, bracketed};

use crate::crate_path::{self, Facade};
use crate::errors::Errors;
use crate::hygiene::{here, local, located, plain};
use crate::parse::{Function, equals, flag, skip_to_comma};
use crate::{fallback, points};

/// The legal keys, in the order of the reference.
const KEYS: &[&str] = &[
    "point",
    "role",
    "phase",
    "priority",
    "when",
    "id",
    "describe",
    "before",
    "after",
    "tags",
    "on_failure",
    "timeout_ms",
    "args_after",
    "may_retry",
    "pure",
    "lossy",
    "record_args",
    "crate",
];

/// An example of a condition, for messages.
const WHEN: &str = "|cx| Ok(cx.component() == Some(\"shell\"))";

/// What a hook may do; the word is the name of the registration's method.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Role {
    #[default]
    Intercept,
    Guard,
    Observe,
}

impl Role {
    fn parse(word: &Ident) -> Option<Role> {
        match word.to_string().as_str() {
            "intercept" => Some(Role::Intercept),
            "guard" => Some(Role::Guard),
            "observe" => Some(Role::Observe),
            _ => None,
        }
    }

    /// The type behind the reference, and whether the reference is exclusive.
    fn context(self, is_async: bool) -> (&'static str, bool) {
        match self {
            Role::Intercept => ("HookContext", true),
            Role::Guard => ("GuardContext", is_async),
            Role::Observe => ("DecisionRecord", false),
        }
    }

    /// The right signature, for messages.
    fn signature(self, name: &Ident, is_async: bool) -> String {
        match (self, is_async) {
            (Role::Intercept, false) => {
                format!("fn {name}(cx: &mut HookContext<'_>) -> Result<HookResult, HookError>")
            }
            (Role::Intercept, true) => {
                format!(
                    "async fn {name}(cx: &mut HookContext<'_>) -> Result<HookResult, HookError>"
                )
            }
            (Role::Guard, false) => {
                format!("fn {name}(cx: &GuardContext<'_>) -> Result<Vote, HookError>")
            }
            (Role::Guard, true) => {
                format!("async fn {name}(cx: &mut GuardContext<'_>) -> Result<Vote, HookError>")
            }
            (Role::Observe, _) => format!("fn {name}(record: &DecisionRecord)"),
        }
    }

    fn word(self) -> &'static str {
        match self {
            Role::Intercept => "intercept",
            Role::Guard => "guard",
            Role::Observe => "observe",
        }
    }
}

/// `#[hook(…)]` as written.
#[derive(Default)]
struct HookArgs {
    point: Option<LitStr>,
    point_given: bool,
    role: Role,
    id: Option<LitStr>,
    krate: Option<Path>,
    when: Option<Expr>,
    /// Calls on the registration: `.priority(…)`.
    calls: Vec<TokenStream>,
    seen: Vec<String>,
}

/// The function, and its registration.
pub(crate) fn hook(args: TokenStream, item: TokenStream, facade: Facade) -> TokenStream {
    let mut errors = Errors::default();
    let args = HookArgs::parse(args, &mut errors);
    if !args.point_given {
        errors.at(
            Span::call_site(),
            "which hook points is this for? write `#[hook(point = \"tool.*\")]`",
        );
    }
    match fallback::keyword(&item) {
        Some(keyword) if keyword == "fn" => {}
        other => {
            errors.at(
                other.map_or_else(Span::call_site, |keyword| keyword.span()),
                "expected a function: `#[hook]` registers a function; hooks with state are types, see the trait `Hook`",
            );
            return fallback::keep(item, errors);
        }
    }
    let Some(function) = errors.take(syn::parse2::<Function>(item.clone())) else {
        return fallback::keep(item, errors);
    };
    check(&function, args.role, &mut errors);
    if let (Role::Observe, Some(when)) = (args.role, &args.when) {
        errors.on(
            when,
            "an observer has no conditions: it is told of calls that are done; let it look at the record instead",
        );
    }
    if !errors.is_empty() {
        return fallback::keep(item, errors);
    }
    if !cfg!(feature = "enabled") {
        return quote_spanned!(here()=> #[allow(dead_code)] #item);
    }
    let registration = args.registration(&function, facade);
    quote!(#item #registration)
}

impl HookArgs {
    fn parse(tokens: TokenStream, errors: &mut Errors) -> Self {
        let mut args = HookArgs::default();
        let parser = |input: ParseStream| {
            while !input.is_empty() {
                if let Err(error) = args.parse_key(input, errors) {
                    errors.push(error);
                }
                skip_to_comma(input)?;
                if !input.is_empty() {
                    input.parse::<Token![,]>()?;
                }
            }
            Ok(())
        };
        if let Err(error) = parser.parse2(tokens) {
            errors.push(error);
        }
        args
    }

    fn parse_key(&mut self, input: ParseStream, errors: &mut Errors) -> syn::Result<()> {
        let key = input.call(Ident::parse_any)?;
        let name = key.to_string();
        if self.seen.contains(&name) {
            errors.at(key.span(), format!("`{name}` is given twice: keep one"));
        }
        self.seen.push(name.clone());
        let span = key.span();
        let mut call = |method: &str, value: TokenStream| {
            let method = Ident::new(method, located(span));
            self.calls
                .push(quote_spanned!(located(span)=> .#method(#value)));
        };
        match name.as_str() {
            "point" => {
                self.point_given = true;
                equals(input, &key, "\"tool.*\"")?;
                let pattern: LitStr = input.parse()?;
                if let Some(why) = points::reject_pattern(&pattern.value()) {
                    errors.on(&pattern, why);
                }
                self.point = Some(pattern);
            }
            "id" => {
                equals(input, &key, "\"acme.business-hours\"")?;
                self.id = Some(input.parse()?);
            }
            "crate" => {
                equals(input, &key, "::my_facade::hooks")?;
                self.krate = Some(crate_path::parse(input)?);
            }
            "role" => {
                let word = word(input, &key, &["intercept", "guard", "observe"])?;
                self.role = Role::parse(&word).unwrap_or_default();
            }
            "phase" => {
                equals(input, &key, "pre")?;
                let words = if input.peek(syn::token::Bracket) {
                    let content;
                    bracketed!(content in input);
                    let words = content.parse_terminated(Ident::parse_any, Token![,])?;
                    words.into_iter().collect()
                } else {
                    vec![input.call(Ident::parse_any)?]
                };
                for word in words {
                    let phase = match word.to_string().as_str() {
                        "pre" => "Pre",
                        "post" => "Post",
                        "error" => "Error",
                        other => {
                            return Err(syn::Error::new(
                                word.span(),
                                format!(
                                    "`{other}` is no phase that hooks are asked in: write `pre`, `post`, `error` or a list of them, `[pre, post]`; observers are told when the call is done"
                                ),
                            ));
                        }
                    };
                    let phase = local(phase);
                    call("phase", quote_spanned!(here()=> __hookpoint::Phase::#phase));
                }
            }
            "priority" => {
                equals(input, &key, "HIGH")?;
                call("priority", priority(input.parse()?)?);
            }
            "when" => {
                equals(input, &key, WHEN)?;
                let expr: Expr = input.parse()?;
                if let Expr::Lit(literal) = &expr {
                    return Err(syn::Error::new_spanned(
                        literal,
                        format!(
                            "a condition is a closure or the path of a function or constant, not a literal: `when = {WHEN}`"
                        ),
                    ));
                }
                self.when = Some(expr);
            }
            "on_failure" => {
                let word = word(input, &key, &["open", "closed"])?;
                let variant = local(if word == "open" { "Open" } else { "Closed" });
                call(
                    "on_failure",
                    quote_spanned!(here()=> __hookpoint::OnFailure::#variant),
                );
            }
            "timeout_ms" => {
                equals(input, &key, "250")?;
                let millis: LitInt = input.parse()?;
                millis.base10_parse::<u64>()?;
                call(
                    "timeout",
                    quote_spanned!(here()=> ::core::time::Duration::from_millis(#millis)),
                );
            }
            "before" | "after" | "tags" => {
                equals(input, &key, "[\"acme.other\"]")?;
                let content;
                bracketed!(content in input);
                let items =
                    content.parse_terminated(<LitStr as syn::parse::Parse>::parse, Token![,])?;
                call(&name, quote_spanned!(here()=> &[#items]));
            }
            "describe" => {
                equals(input, &key, "\"what it is for\"")?;
                let text: LitStr = input.parse()?;
                call("describe", text.into_token_stream());
            }
            "record_args" => {
                let word = word(input, &key, &["names", "digest", "redacted", "full"])?;
                let variant = local(match word.to_string().as_str() {
                    "names" => "Names",
                    "digest" => "Digest",
                    "redacted" => "Redacted",
                    _ => "Full",
                });
                call(
                    "record_args",
                    quote_spanned!(here()=> __hookpoint::ArgLevel::#variant),
                );
            }
            "args_after" | "may_retry" | "pure" | "lossy" => {
                flag(input, &key, &mut None, &mut |_| {})?;
                call(&name, TokenStream::new());
            }
            _ => {
                let near = points::nearest(&name, KEYS.iter().copied());
                let hint = if points::distance(&name, near) <= 2 {
                    format!("; did you mean `{near}`?")
                } else {
                    String::new()
                };
                errors.at(
                    span,
                    format!(
                        "unknown key `{name}`{hint}\nthe keys are: {}",
                        KEYS.join(", ")
                    ),
                );
            }
        }
        Ok(())
    }

    fn registration(&self, function: &Function, facade: Facade) -> TokenStream {
        let krate = self.krate.clone().unwrap_or_else(|| facade.path());
        let name = &function.sig.ident;
        let pattern = &self.point;
        let id = match &self.id {
            Some(id) => id.to_token_stream(),
            None => {
                let name = plain(name);
                quote_spanned!(here()=> ::core::concat!(::core::env!("CARGO_PKG_NAME"), ".", #name))
            }
        };
        let is_async = function.sig.asyncness.is_some();
        let (call, code) = self.code(function, is_async);
        let role = local(&match is_async {
            true => format!("{}_async", self.role.word()),
            false => self.role.word().to_owned(),
        });
        let calls = &self.calls;
        let (condition, when) = self.condition();
        let new = Ident::new("new", located(name.span()));
        quote_spanned!(here()=>
            const _: () = {
                use #krate::__private as __hookpoint;
                #call
                #condition
                __hookpoint::inventory::submit! {
                    __hookpoint::HookRegistration::#new(#id, #pattern)
                        .#role(#code)
                        .package(::core::env!("CARGO_PKG_NAME"), ::core::env!("CARGO_PKG_VERSION"))
                        #(#calls)*
                        #when
                }
            };
        )
    }

    /// `(the static that holds the condition, its mention)`.
    fn condition(&self) -> (Option<TokenStream>, Option<TokenStream>) {
        let Some(expr) = &self.when else {
            return (None, None);
        };
        let there = located(syn::spanned::Spanned::span(expr));
        let written = crate::text::of(expr);
        // A closure learns its signature from the function that it is handed to; everything else may be any
        // kind of condition.
        let value = match expr {
            Expr::Closure(_) => quote_spanned!(there=> __hookpoint::condition(#expr)),
            _ => quote_spanned!(there=> #expr),
        };
        (
            Some(quote_spanned!(there=>
                static __WHEN: &dyn __hookpoint::Condition = &#value;
            )),
            Some(quote_spanned!(here()=> .when(__WHEN, #written))),
        )
    }

    /// `(a function in between, what is registered)`.
    fn code(&self, function: &Function, is_async: bool) -> (TokenStream, TokenStream) {
        let name = &function.sig.ident;
        let there = match &function.sig.output {
            ReturnType::Default => name.span(),
            ReturnType::Type(_, ty) => syn::spanned::Spanned::span(&**ty),
        };
        let cx = Ident::new("cx", located(there));
        match (self.role, is_async) {
            (Role::Intercept, false) => (
                quote_spanned!(there=>
                    fn __call(cx: &mut __hookpoint::HookContext<'_>) -> ::core::result::Result<__hookpoint::HookResult, __hookpoint::HookError> {
                        __hookpoint::IntoAnswer::into_answer(#name(cx))
                    }
                ),
                quote_spanned!(here()=> __call),
            ),
            (Role::Intercept, true) => (
                boxed(
                    "HookContext",
                    "HookResult",
                    &cx,
                    &quote_spanned!(there=> __hookpoint::IntoAnswer::into_answer(#name(#cx).await)),
                ),
                quote_spanned!(here()=> __call),
            ),
            (Role::Guard, true) => (
                boxed(
                    "GuardContext",
                    "Vote",
                    &cx,
                    &quote_spanned!(there=> #name(#cx).await),
                ),
                quote_spanned!(here()=> __call),
            ),
            // The compiler's own message shows the type that is expected.
            (Role::Guard | Role::Observe, _) => (TokenStream::new(), name.to_token_stream()),
        }
    }
}

/// An asynchronous function as the function pointer that is registered.
fn boxed(context: &str, answer: &str, cx: &Ident, body: &TokenStream) -> TokenStream {
    let (context, answer) = (local(context), local(answer));
    quote_spanned!(here()=>
        fn __call<'a>(
            #cx: &'a mut __hookpoint::#context<'a>,
        ) -> ::core::pin::Pin<::std::boxed::Box<
            dyn ::core::future::Future<Output = ::core::result::Result<__hookpoint::#answer, __hookpoint::HookError>>
                + ::core::marker::Send
                + 'a,
        >> {
            ::std::boxed::Box::pin(async move { #body })
        }
    )
}

/// `HIGH`, a number, or anything that is a `Priority`.
fn priority(expr: Expr) -> syn::Result<TokenStream> {
    const NAMES: &[&str] = &["HIGHEST", "HIGH", "NORMAL", "LOW", "LOWEST"];
    match &expr {
        Expr::Path(path) => match path.path.get_ident() {
            Some(word) if NAMES.contains(&word.to_string().as_str()) => {
                Ok(quote_spanned!(here()=> __hookpoint::Priority::#word))
            }
            Some(word) if NAMES.contains(&word.to_string().to_uppercase().as_str()) => {
                Err(syn::Error::new(
                    word.span(),
                    format!("write `{}`", word.to_string().to_uppercase()),
                ))
            }
            _ => Ok(quote!(#expr)),
        },
        Expr::Lit(_) | Expr::Unary(_) => Ok(quote_spanned!(here()=> __hookpoint::Priority(#expr))),
        _ => Ok(quote!(#expr)),
    }
}

fn word(input: ParseStream, key: &Ident, words: &[&str]) -> syn::Result<Ident> {
    equals(input, key, words[0])?;
    let word = input.call(Ident::parse_any)?;
    if words.contains(&word.to_string().as_str()) {
        return Ok(word);
    }
    Err(syn::Error::new(
        word.span(),
        format!("`{key}` is one of {}, not `{word}`", words.join(", ")),
    ))
}

/// What tokens say about the signature; the rest is the compiler's.
fn check(function: &Function, role: Role, errors: &mut Errors) {
    let sig = &function.sig;
    let is_async = sig.asyncness.is_some();
    let wrong = |what: &str| {
        format!(
            "{what}; a hook with `role = {}` is written\n{}",
            role.word(),
            role.signature(&sig.ident, is_async && role != Role::Observe)
        )
    };
    if let (Some(asyncness), Role::Observe) = (&sig.asyncness, role) {
        errors.on(asyncness, wrong("observers are told when the call is over, and nobody waits for them: they are not `async`"));
    }
    if function.body.is_none() {
        errors.on(&sig.ident, wrong("this function has no body"));
    }
    if sig.generics.type_params().next().is_some() || sig.generics.const_params().next().is_some() {
        errors.on(
            &sig.generics,
            wrong("a registered function cannot be generic"),
        );
    }
    let parameter = match sig.inputs.iter().collect::<Vec<_>>()[..] {
        [FnArg::Typed(parameter)] => &*parameter.ty,
        [FnArg::Receiver(receiver)] => {
            errors.on(receiver, wrong("a registered function has no `self`"));
            return;
        }
        [] => {
            errors.on(&sig.ident, wrong("this function takes nothing"));
            return;
        }
        [_, second, ..] => {
            errors.on(second, wrong("this function takes more than one argument"));
            return;
        }
    };
    let (context, exclusive) = role.context(is_async);
    let matches = match parameter {
        Type::Reference(reference) => {
            reference.mutability.is_some() == exclusive
                && names(&reference.elem).is_none_or(|name| name == context)
        }
        Type::Group(_) | Type::Macro(_) => true,
        _ => false,
    };
    if !matches {
        errors.on(parameter, wrong("this is not what such a hook is given"));
    }
    match (&sig.output, role) {
        (ReturnType::Default, Role::Guard) => {
            errors.on(
                &sig.ident,
                wrong("a guard votes, and this function returns nothing"),
            );
        }
        (ReturnType::Type(_, ty), Role::Observe) if !matches!(&**ty, Type::Tuple(tuple) if tuple.elems.is_empty()) =>
        {
            errors.on(ty, wrong("nobody asks an observer: it returns nothing"));
        }
        _ => {}
    }
}

/// Which of the three kinds of context the type is called, if any.
fn names(ty: &Type) -> Option<String> {
    let Type::Path(path) = ty else { return None };
    let name = path.path.segments.last()?.ident.to_string();
    ["HookContext", "GuardContext", "DecisionRecord"]
        .contains(&name.as_str())
        .then_some(name)
}
