//! How the expansion ties arguments and body together, and the facts it collects.
//!
//! Arguments travel as nested pairs, `(a, (b, ()))`: one shape for every number of them. The body becomes a
//! closure over such a tuple, called from two places (idle and active), whose parameter types the compiler
//! infers from the arguments themselves: writing them down is impossible for `impl Trait` and changes the
//! meaning of elided lifetimes.

use std::marker::PhantomData;
use std::pin::Pin;

use serde_json::Value;

use super::probe::Dup;
use super::run::Facts;

/// The type of an argument tuple, without a value of it.
pub struct Types<A>(PhantomData<fn() -> A>);

/// No arguments.
pub const NIL: Types<()> = Types(PhantomData);

/// An argument tuple and its type, without borrowing it.
#[inline(always)]
pub fn carry<A>(args: A) -> (A, Types<A>) {
    (args, Types(PhantomData))
}

/// One more argument in front.
#[inline(always)]
pub fn nest<A, B>(_: &A, _: Types<B>) -> Types<(A, B)> {
    Types(PhantomData)
}

/// The body of a site that runs at most once: forces `FnOnce`, so that it may give away what it captured.
#[inline(always)]
pub fn bind<A, R, F: FnOnce(A) -> R>(_: Types<A>, body: F) -> F {
    body
}

/// The body of a repeatable site.
#[inline(always)]
pub fn bind_mut<A, R, F: FnMut(A) -> R>(_: Types<A>, body: F) -> F {
    body
}

macro_rules! bind {
    ($($bind:ident $bind_mut:ident $($arg:ident)*;)*) => {
        $(
            /// [`fn@bind`] for this number of arguments: one call to check instead of one for each.
            #[inline(always)]
            pub fn $bind<$($arg,)* R, F: FnOnce(bind!(@ $($arg)*)) -> R>($(_: &$arg,)* body: F) -> F {
                body
            }
            /// [`bind_mut`] for this number of arguments.
            #[inline(always)]
            pub fn $bind_mut<$($arg,)* R, F: FnMut(bind!(@ $($arg)*)) -> R>($(_: &$arg,)* body: F) -> F {
                body
            }
        )*
    };
    (@) => { () };
    (@ $first:ident $($rest:ident)*) => { ($first, bind!(@ $($rest)*)) };
}
bind! {
    bind_1 bind_mut_1 A;
    bind_2 bind_mut_2 A B;
    bind_3 bind_mut_3 A B C;
    bind_4 bind_mut_4 A B C D;
    bind_5 bind_mut_5 A B C D E;
    bind_6 bind_mut_6 A B C D E G;
}

/// A copy of one argument for another attempt, if its type is `Clone`.
pub fn dup<T, C: Dup<T>>(value: &T, _: C) -> Option<T> {
    C::dup(value)
}

/// The heap place of an active asynchronous call: the idle path must not pay for its size.
pub fn boxed<F: Future>(future: F) -> Pin<Box<F>> {
    Box::pin(future)
}

/// Evaluates what `component` and `fields` say, out of the line of the idle path.
#[cold]
#[inline(never)]
pub fn facts(collect: impl FnOnce() -> Facts) -> Facts {
    collect()
}

/// Gives a closure written in `redirect = …` its signature, so that `to` is known to be any `&str`.
pub fn resolver<G, F: FnMut(&str) -> Option<G>>(resolve: F) -> F {
    resolve
}

/// `args(name = &place)`: what the expression borrows lies in the arguments, not in a temporary.
pub fn borrowed<'a, S: 'a, T: ?Sized>(source: S, find: impl FnOnce(S) -> &'a T) -> &'a T {
    find(source)
}

/// `args(name = value)`: the value is kept in a place of the caller's.
pub fn computed<S, T>(source: S, compute: impl FnOnce(S) -> T) -> T {
    compute(source)
}

/// `fields(name = value)`.
pub fn fact<T: serde::Serialize + ?Sized>(value: &T) -> Value {
    serde_json::to_value(value)
        .unwrap_or_else(|error| Value::String(format!("<cannot be shown: {error}>")))
}

/// `fields(name = %value)`.
pub fn fact_display<T: std::fmt::Display + ?Sized>(value: &T) -> Value {
    Value::String(value.to_string())
}

/// `fields(name = ?value)`.
pub fn fact_debug<T: std::fmt::Debug + ?Sized>(value: &T) -> Value {
    Value::String(format!("{value:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fact_that_cannot_be_serialised_says_so() {
        let map = std::collections::HashMap::from([((1, 2), 3)]);
        let Value::String(text) = fact(&map) else {
            panic!("a text")
        };
        assert!(text.contains("key must be a string"), "{text}");
        assert_eq!(fact(&[1, 2]), serde_json::json!([1, 2]));
    }
}
