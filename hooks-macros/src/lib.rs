//! Attribute macros of Hookpoint.
//!
//! Table of contents: [`parse`] reads what is written, [`analyze`] says what it means, [`validate`] refuses
//! what cannot be, [`capture`] chooses how hooks see a value, [`expand`] writes the code, with [`active`] and
//! [`views`] for the arm that hooks run in; [`on_impl`] hands the attribute down to methods. [`hook`] and
//! [`typed_point`] are the other two macros. [`errors`] and [`fallback`] see to it that the user's item
//! survives every mistake.

use proc_macro::TokenStream;

mod active;
mod analyze;
mod capture;
mod crate_path;
mod errors;
mod expand;
mod fallback;
mod hook;
mod hooked;
mod hygiene;
mod on_impl;
mod parse;
mod points;
#[cfg(test)]
mod tests;
mod text;
mod typed_point;
mod validate;
mod views;

use crate_path::Facade;

/// Turns a function into a hook site.
///
/// ```ignore
/// #[hooked(point = "tool.execute", component = self.name())]
/// async fn execute(&self, input: ToolInput) -> Result<ToolOutput, ToolError> { … }
/// ```
/// Keys: `point` (the only required one), `component`, `args`, `skip`, `fields`, `observe`, `closed`, `retry`,
/// `redirect`, `on_refused`, `future`, `blocking`, `crate`. On an `impl` block, `point = "billing.*"` makes every
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
/// ```ignore
/// #[hook(point = "tool.*", role = guard, priority = HIGH)]
/// fn business_hours(cx: &GuardContext<'_>) -> Result<Vote, HookError> { … }
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
/// ```ignore
/// point!(pub BILLING_CHARGE = "billing.charge" { account: AccountId, cents: u64 } -> Result<Receipt, BillingError>);
///
/// #[hooked(point = BILLING_CHARGE)]
/// fn charge(account: &AccountId, cents: u64) -> Result<Receipt, BillingError> { … }
///
/// hooks().guard("limit", BILLING_CHARGE, |call| Ok(Vote::cancel_if(*call.cents > 10_000, "over the limit")))?;
/// ```
/// A function hooked with it must show arguments of these names. The return type, if it is there, gives the
/// view its `result()`.
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
