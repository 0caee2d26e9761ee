//! Attribute macros of Hookpoint.
//!
//! Table of contents: `parse` reads what is written, `analyze` says what it means, `validate` refuses
//! what cannot be, `capture` chooses how hooks see a value, `expand` writes the code, with `active` and
//! `views` for the arm that hooks run in, `boxed` for the box of `#[async_trait]` and `stream` for streams;
//! `on_impl` hands the attribute down to methods, `hand_on` to a better place. `hook` and `typed_point` are
//! the other two macros. `errors` and `fallback` see to it that the user's item survives every mistake.

use proc_macro::TokenStream;

mod active;
mod analyze;
mod boxed;
mod capture;
mod crate_path;
mod errors;
mod expand;
mod fallback;
mod hand_on;
mod hook;
mod hooked;
mod hygiene;
mod on_impl;
mod parse;
mod points;
mod stream;
#[cfg(test)]
mod tests;
mod text;
mod typed_point;
mod validate;
mod views;

use crate_path::Facade;

/// Turns a function into a hook site.
///
/// ```
/// use hookpoint::prelude::*;
///
/// struct Shop { name: String }
///
/// impl Shop {
///     #[hooked(point = "shop.sell", component = &self.name)]
///     async fn sell(&self, article: String) -> Result<u64, HookRefusal> {
///         Ok(article.len() as u64)
///     }
/// }
/// ```
/// A refused call returns an error: the error type is made from a `HookRefusal`, or `on_refused` says what is
/// returned, or with `observe` hooks may only watch.
///
/// Keys: `point` (the only required one), `component`, `args`, `skip`, `fields`, `observe`, `closed`, `retry`,
/// `redirect`, `on_refused`, `future`, `stream`, `blocking`, `crate`. On an `impl` block, `point = "billing.*"` makes every
/// method with a body a site of `billing.<method>`; `#[hooked(skip)]` leaves one out.
#[proc_macro_attribute]
pub fn hooked(args: TokenStream, item: TokenStream) -> TokenStream {
    hooked::hooked(args.into(), item.into(), Facade::Hookpoint).into()
}

/// The same for crates that depend on the runtime and not on the facade.
#[doc(hidden)]
#[proc_macro_attribute]
pub fn runtime_hooked(args: TokenStream, item: TokenStream) -> TokenStream {
    hooked::hooked(args.into(), item.into(), Facade::Runtime).into()
}

/// Registers a function as a hook, at link time.
///
/// ```
/// use hookpoint::prelude::*;
///
/// #[hook(point = "tool.*", role = guard, priority = HIGH)]
/// fn business_hours(cx: &GuardContext<'_>) -> Result<Vote, HookError> {
///     Ok(Vote::cancel_if(cx.component() == Some("payroll"), "not at this hour"))
/// }
/// ```
#[proc_macro_attribute]
pub fn hook(args: TokenStream, item: TokenStream) -> TokenStream {
    hook::hook(args.into(), item.into(), Facade::Hookpoint).into()
}

/// The same for crates that depend on the runtime and not on the facade.
#[doc(hidden)]
#[proc_macro_attribute]
pub fn runtime_hook(args: TokenStream, item: TokenStream) -> TokenStream {
    hook::hook(args.into(), item.into(), Facade::Runtime).into()
}

/// Declares a hook point whose arguments are an API.
///
/// ```
/// use hookpoint::prelude::*;
/// use hookpoint::point;
///
/// point!(pub SHOP_REFUND = "shop.refund" { account: u32, cents: u64 } -> Result<u64, String>);
///
/// #[hooked(point = SHOP_REFUND)]
/// fn refund(account: u32, cents: u64) -> Result<u64, String> {
///     Ok(u64::from(account) + cents)
/// }
///
/// # fn main() -> Result<(), HookError> {
/// let _guard = hooks().guard("limit", SHOP_REFUND, |call| Ok(Vote::cancel_if(*call.cents > 100, "over the limit")))?;
/// assert!(refund(1, 101).is_err());
/// # Ok(())
/// # }
/// ```
/// A function hooked with it must show arguments of these names. The return type, if it is there, gives the
/// view its `result()`. Where the facade has another name or is re-exported, `, crate = ::path` at the end says
/// where it is.
#[proc_macro]
pub fn point(input: TokenStream) -> TokenStream {
    typed_point::point(input.into(), Facade::Hookpoint).into()
}

/// The same for crates that depend on the runtime and not on the facade.
#[doc(hidden)]
#[proc_macro]
pub fn runtime_point(input: TokenStream) -> TokenStream {
    typed_point::point(input.into(), Facade::Runtime).into()
}

/// Generates the body of `hooks_runtime::point`: the enum of the built-in points and its tables.
#[doc(hidden)]
#[proc_macro]
pub fn builtin_points(_input: TokenStream) -> TokenStream {
    use quote::{format_ident, quote};
    let variants: Vec<_> = points::POINTS
        .iter()
        .map(|(_, v)| format_ident!("{v}"))
        .collect();
    let names: Vec<_> = points::POINTS.iter().map(|(n, _)| *n).collect();
    let docs: Vec<_> = names.iter().map(|n| format!("`{n}`")).collect();
    let alias: Vec<_> = points::ALIASES.iter().map(|(a, _, _)| *a).collect();
    let alias_point: Vec<_> = points::ALIASES
        .iter()
        .map(|(_, v, _)| format_ident!("{v}"))
        .collect();
    let alias_phase: Vec<_> = points::ALIASES
        .iter()
        .map(|(_, _, p)| format_ident!("{p}"))
        .collect();
    let groups = points::GROUPS;
    quote! {
        /// A named place where hooks may run: one of the built-in points, or a point of somebody else's.
        #[derive(Clone, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum HookPoint {
            #(#[doc = #docs] #variants,)*
            /// A point outside the built-in list, by its name.
            Custom(std::borrow::Cow<'static, str>),
        }
        /// Every built-in point, in the order of the reference.
        pub const BUILTIN: &[HookPoint] = &[#(HookPoint::#variants),*];
        /// First name segments that only built-in points may use.
        pub const RESERVED_GROUPS: &[&str] = &[#(#groups),*];
        const NAMES: &[&str] = &[#(#names),*];
        /// Names of the predecessor's hook points: `(alias, point, phase)`.
        pub const ALIASES: &[(&str, HookPoint, Phase)] = &[#((#alias, HookPoint::#alias_point, Phase::#alias_phase)),*];
        impl HookPoint {
            /// The dotted name, for example `tool.execute`.
            pub fn name(&self) -> &str {
                match self {
                    #(HookPoint::#variants => #names,)*
                    HookPoint::Custom(name) => name,
                }
            }
        }
    }
    .into()
}
