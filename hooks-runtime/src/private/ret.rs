//! The return value of a site: is it a `Result`, can it carry a refusal, can a hook make one.
//!
//! Decided by value, not by tokens: `io::Result<T>`, `anyhow::Result<T>` and aliases of the user's own are
//! seen through, because the body's closure tells its return type.

use std::marker::PhantomData;

use super::probe::{Caps, Dd, De, Flag, Pr, Typed, view_mut};
use super::run::{Parts, ReturnOps};
use crate::answer::Replacement;
use crate::error::{HookError, json};
use crate::refusal::HookRefusal;

/// The return type of a body.
pub struct RetOf<R>(PhantomData<fn() -> R>);

/// Of a synchronous body.
pub fn ret_of<A, R, F: FnOnce(A) -> R>(_: &F) -> RetOf<R> {
    RetOf(PhantomData)
}

/// Of an asynchronous one; sees through `Pin<Box<dyn Future>>`.
pub fn ret_of_async<A, R, U: Future<Output = R>, F: FnOnce(A) -> U>(_: &F) -> RetOf<R> {
    RetOf(PhantomData)
}

/// Of the items of a stream.
pub fn ret_of_items<R>() -> RetOf<R> {
    RetOf(PhantomData)
}

impl<T, E> RetOf<Result<T, E>> {
    pub fn kind(&self) -> IsResult {
        IsResult
    }
    pub fn ok(&self) -> Pr<T> {
        Pr::NEW
    }
    pub fn err(&self) -> Pr<E> {
        Pr::NEW
    }
}

/// What [`RetOf`] answers when the type is not a `Result`.
pub trait RetFallback {
    type Value;
    fn kind(&self) -> IsPlain {
        IsPlain
    }
    fn ok(&self) -> Pr<Self::Value> {
        Pr::NEW
    }
    fn err(&self) -> Pr<()> {
        Pr::NEW
    }
}
impl<R> RetFallback for RetOf<R> {
    type Value = R;
}

/// The return type is `Result<T, E>`.
#[derive(Clone, Copy)]
pub struct IsResult;
/// It is anything else.
#[derive(Clone, Copy)]
pub struct IsPlain;

/// The parts of a written type that is a `Result`, under whatever name.
pub trait ResultParts {
    type Ok;
    type Err;
}
impl<T, E> ResultParts for Result<T, E> {
    type Ok = T;
    type Err = E;
}
/// Probes what is in `Ok`.
pub type PrOk<R> = Pr<<R as ResultParts>::Ok>;
/// Probes what is in `Err`.
pub type PrErr<R> = Pr<<R as ResultParts>::Err>;
/// Whether JSON can be read into what is in `Ok`.
pub type DdOk<R, L> = Dd<<R as ResultParts>::Ok, L>;

/// How to take a return value apart and make one.
pub trait Kind<R> {
    type Ok;
    type Err;
    fn parts<O: Caps<Self::Ok>, X: Caps<Self::Err>>(value: &mut R) -> Parts;
    fn ok(value: Self::Ok) -> R;
}
impl<T, E> Kind<Result<T, E>> for IsResult {
    type Ok = T;
    type Err = E;
    fn parts<O: Caps<T>, X: Caps<E>>(value: &mut Result<T, E>) -> Parts {
        match value {
            Ok(value) => Parts::Ok(view_mut(value, Choice::<O>::NEW)),
            Err(error) => Parts::Err(view_mut(error, Choice::<X>::NEW)),
        }
    }
    fn ok(value: T) -> Result<T, E> {
        Ok(value)
    }
}
impl<R> Kind<R> for IsPlain {
    type Ok = R;
    type Err = ();
    fn parts<O: Caps<R>, X: Caps<()>>(value: &mut R) -> Parts {
        Parts::Plain(view_mut(value, Choice::<O>::NEW))
    }
    fn ok(value: R) -> R {
        value
    }
}

/// The choices of `C` where there is no value of it.
struct Choice<C>(PhantomData<C>);
impl<C> Choice<C> {
    const NEW: Self = Choice(PhantomData);
}
impl<T: ?Sized, C: Caps<T>> Caps<T> for Choice<C> {
    const TABLE: &'static crate::view::ViewTable = C::TABLE;
    const SEND: bool = C::SEND;
    type Typed = C::Typed;
    type De = C::De;
}

/// Everything the runner needs to know of the return value.
pub fn returns<R, K: Kind<R>, O: Caps<K::Ok>, X: Caps<K::Err>>(
    _: &RetOf<R>,
    _: K,
    refuse: Option<fn(HookRefusal) -> R>,
    _: O,
    _: X,
) -> ReturnOps<R> {
    ReturnOps {
        parts: K::parts::<O, X>,
        refuse,
        replace: replace::<R, K, O>,
        replaceable: O::Typed::ON || O::De::ON,
        cacheable: O::TABLE.clone.is_some() || (O::TABLE.to_json.is_some() && O::De::ON),
    }
}

fn replace<R, K: Kind<R>, O: Caps<K::Ok>>(replacement: Replacement) -> Result<R, HookError> {
    let wanted = std::any::type_name::<K::Ok>();
    match replacement {
        Replacement::Typed { value, type_name } => match O::Typed::take(value) {
            Some(value) => Ok(K::ok(value)),
            None => Err(HookError::Replacement(if O::Typed::ON {
                format!("the function returns `{wanted}`, the hook brought a `{type_name}`").into()
            } else {
                format!(
                    "the function returns `{wanted}`, which borrows or is generic, so a `{type_name}` cannot stand for it{}",
                    if O::De::ON { "; bring it as JSON" } else { "" }
                )
                .into()
            })),
        },
        Replacement::Json(value) => match O::De::read(value) {
            Some(Ok(value)) => Ok(K::ok(value)),
            Some(Err(cause)) => Err(HookError::Replacement(
                format!("the function returns `{wanted}`, and the JSON does not fit: {}", json::cause(&cause)).into(),
            )),
            None => Err(HookError::Replacement(
                format!(
                    "the function returns `{wanted}`, which does not implement `serde::Deserialize`, so JSON cannot stand for it{}",
                    if O::Typed::ON { "; bring a value of that type" } else { "" }
                )
                .into(),
            )),
        },
    }
}

/// Return types that can carry a refusal.
#[diagnostic::on_unimplemented(
    message = "hooks can refuse this function, but its return type `{Self}` has no place for a refusal",
    label = "this is not a `Result`",
    note = "return a `Result<_, E>` where `E: From<HookRefusal>`",
    note = "or say what a refused call gives: `#[hooked(…, on_refused = |refusal| …)]`",
    note = "or write `#[hooked(…, observe)]` if hooks may only watch"
)]
pub trait Refusable {
    fn refused(refusal: HookRefusal) -> Self;
}
impl<T, E: FromRefusal> Refusable for Result<T, E> {
    fn refused(refusal: HookRefusal) -> Self {
        Err(E::from_refusal(refusal))
    }
}

/// Items of a stream that can carry a refusal.
#[diagnostic::on_unimplemented(
    message = "hooks can refuse this stream, but its items (`{Self}`) have no place for a refusal",
    label = "the items are not `Result`s",
    note = "let the items be `Result<_, E>` where `E: From<HookRefusal>`",
    note = "or say which item a refused stream gives: `#[hooked(…, on_refused = |refusal| …)]`",
    note = "or write `#[hooked(…, observe)]` if hooks may only watch"
)]
pub trait RefusableItem {
    fn refused(refusal: HookRefusal) -> Self;
}
impl<T, E: FromRefusal> RefusableItem for Result<T, E> {
    fn refused(refusal: HookRefusal) -> Self {
        Err(E::from_refusal(refusal))
    }
}

/// Errors that can be made from a refusal. A trait of our own, so that the compiler's message is ours.
#[diagnostic::on_unimplemented(
    message = "a hook may refuse this call, but `{Self}` cannot be made from a `HookRefusal`",
    label = "`{Self}` has no conversion from `HookRefusal`",
    note = "add `impl From<HookRefusal> for {Self}` (with thiserror: a variant `#[error(transparent)] Refused(#[from] HookRefusal)`)",
    note = "or say what a refused call gives: `#[hooked(…, on_refused = |refusal| …)]`",
    note = "or write `#[hooked(…, observe)]` if hooks may only watch"
)]
pub trait FromRefusal {
    fn from_refusal(refusal: HookRefusal) -> Self;
}
#[diagnostic::do_not_recommend]
impl<E: From<HookRefusal>> FromRefusal for E {
    fn from_refusal(refusal: HookRefusal) -> Self {
        refusal.into()
    }
}

/// The default: the return type must be able to carry a refusal.
pub fn must_refuse<R: Refusable>(_: &RetOf<R>) -> Option<fn(HookRefusal) -> R> {
    Some(R::refused)
}

/// The same of a stream: its items must be.
pub fn must_refuse_item<R: RefusableItem>(_: &RetOf<R>) -> Option<fn(HookRefusal) -> R> {
    Some(R::refused)
}

/// `observe`: no refusal, and no bound.
pub fn only_watch<R>(_: &RetOf<R>) -> Option<fn(HookRefusal) -> R> {
    None
}

/// `on_refused = …`: what a refused call gives, the error of a `Result` or the value itself.
pub trait RefusedWith<R> {
    type Given;
    fn wrap(given: Self::Given) -> R;
}
impl<T, E> RefusedWith<Result<T, E>> for IsResult {
    type Given = E;
    fn wrap(given: E) -> Result<T, E> {
        Err(given)
    }
}
impl<R> RefusedWith<R> for IsPlain {
    type Given = R;
    fn wrap(given: R) -> R {
        given
    }
}

/// A closure without captures as the function pointer that the runner keeps.
pub fn refuse_with<R, K, F>(_: &RetOf<R>, _: K, convert: F) -> Option<fn(HookRefusal) -> R>
where
    K: RefusedWith<R>,
    F: Fn(HookRefusal) -> K::Given + Copy,
{
    const {
        assert!(
            size_of::<F>() == 0,
            "`on_refused` cannot use the function's arguments or variables: it must work from the refusal alone"
        );
    }
    let _: F = convert;
    fn call<R, K: RefusedWith<R>, F: Fn(HookRefusal) -> K::Given + Copy>(
        refusal: HookRefusal,
    ) -> R {
        // SAFETY: `F` has no size, is `Copy`, and a value of it exists: `refuse_with` was given one. So any
        // pointer is a valid place of it and reading it makes another copy.
        let convert: F = unsafe { std::ptr::NonNull::<F>::dangling().read() };
        K::wrap(convert(refusal))
    }
    Some(call::<R, K, F>)
}

#[cfg(test)]
mod tests {
    use super::super::probe::{No, Yes};
    use super::*;

    type Full = (Yes, Yes, Yes, Yes, Yes, Yes);
    type Nothing = (No, No, No, No, No, No);

    #[test]
    fn a_replacement_is_taken_by_type_or_read_from_json() {
        let make = replace::<Result<u32, String>, IsResult, Full>;
        assert_eq!(make(Replacement::typed(7_u32)).unwrap(), Ok(7));
        assert_eq!(make(Replacement::Json(8.into())).unwrap(), Ok(8));
        let wrong = make(Replacement::typed("x")).unwrap_err().to_string();
        assert!(
            wrong.contains("`u32`") && wrong.contains("`&str`"),
            "{wrong}"
        );
        let wrong = make(Replacement::Json("x".into())).unwrap_err().to_string();
        assert!(wrong.contains("does not fit"), "{wrong}");
    }

    #[test]
    fn what_cannot_be_replaced_says_why() {
        let make = replace::<u32, IsPlain, Nothing>;
        let typed = make(Replacement::typed(7_u32)).unwrap_err().to_string();
        assert!(typed.contains("borrows or is generic"), "{typed}");
        let json = make(Replacement::Json(7.into())).unwrap_err().to_string();
        assert!(json.contains("serde::Deserialize"), "{json}");
    }
}
