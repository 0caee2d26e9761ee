//! Which view a value gets: one independent choice per capability, made by the compiler where the hooked
//! function is written.
//!
//! The trick is that an inherent associated constant beats a trait's: `Pr::<T>::SER` is [`Yes`] where
//! `T: Serialize` is known (where-clauses count) and [`No`] everywhere else, and asking never fails to
//! compile. The only choice that could break a build is the typed one, because it needs `T: 'static` and
//! selection does not look at lifetimes; [`Gd`] decides whether we dare to ask. Soundness never rests on
//! that guard: `Yes: Typed<T>` holds for `T: 'static` only, which the borrow checker verifies.
//!
//! Names are short because every hooked function spells them out once per argument.

use std::any::{Any, TypeId};
use std::ffi::{CStr, OsStr};
use std::fmt;
use std::marker::PhantomData;
use std::mem::Discriminant;
use std::panic::UnwindSafe;
use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::view::{Access, RawPtr, RawView, SetJson, ViewTable};

/// The type has the capability.
#[derive(Clone, Copy)]
pub struct Yes;
/// The type does not have it, or nobody may ask.
#[derive(Clone, Copy)]
pub struct No;

/// Probes `T` for what needs no lifetime.
pub struct Pr<T: ?Sized>(PhantomData<fn() -> *const T>);

/// A probe for a type that cannot be written down (`impl Trait`, the type of an expression).
pub fn probe<T: ?Sized>(_: &T) -> Pr<T> {
    Pr(PhantomData)
}

impl<T: ?Sized> Pr<T> {
    pub(super) const NEW: Self = Pr(PhantomData);

    /// Adds the heads of the type as written, which decide whether JSON may be read into it.
    pub fn heads<L>(&self) -> Dd<T, L> {
        Dd(PhantomData)
    }
}

macro_rules! capabilities {
    ($($bound:path, $constant:ident, $method:ident $(, $unsized:ident)?;)*) => {
        $(impl<T: $bound $(+ ?$unsized)?> Pr<T> {
            pub const $constant: Yes = Yes;
            pub fn $method(&self) -> Yes {
                Yes
            }
        })*
        /// The answers where the bound is not known to hold, for types.
        pub trait Fb {
            $(const $constant: No = No;)*
        }
        impl<T: ?Sized> Fb for Pr<T> {}
        /// The answers where the bound is not known to hold, for values.
        pub trait FbValue {
            $(fn $method(&self) -> No {
                No
            })*
        }
        impl<T: ?Sized> FbValue for Pr<T> {}
    };
}
capabilities! {
    Serialize, SER, ser, Sized;
    fmt::Debug, DBG, dbg, Sized;
    Clone, CLN, cln;
    Send, SND, snd, Sized;
    Sync, SYN, syn, Sized;
}

/// One path without generic arguments in the tokens of a type.
pub struct Leaf<T: ?Sized>(PhantomData<fn() -> *const T>);

/// Leaves that are neither type parameters nor projections that this place cannot resolve.
pub trait Known {}
impl Known for () {}
impl<A: Known, B: Known> Known for (A, B) {}
// The discriminant type of a type parameter is an unresolved projection, of which nothing but its item
// bounds is known, and `UnwindSafe` is not one of them. A test pins that this stays so.
impl<T> Known for Leaf<T> where Discriminant<T>: UnwindSafe {}
impl Known for Leaf<str> {}
impl Known for Leaf<Path> {}
impl Known for Leaf<OsStr> {}
impl Known for Leaf<CStr> {}

/// `fn(*const Ty)` where `Ty` has no elided lifetime, written or hidden: with one, the function pointer is
/// higher-ranked and this does not apply.
pub trait Plain {}
impl<T: ?Sized> Plain for fn(*const T) {}

/// Whether we dare to ask for `'static`: `P` is `fn(*const Ty)`, `L` the leaves of `Ty`.
pub struct Gd<P, L>(PhantomData<fn() -> (P, L)>);
impl<P: Plain, L: Known> Gd<P, L> {
    pub const TY: Yes = Yes;
}
/// The answer of [`Gd`] where we don't.
pub trait FbTyped {
    const TY: No = No;
}
impl<P, L> FbTyped for Gd<P, L> {}

/// Whether JSON can be read into `T` without borrowing from it. `Deserialize<'static>` and not
/// `DeserializeOwned`: the latter is a hard error, not a "no", on types that borrow.
pub struct Dd<T: ?Sized, L>(PhantomData<fn() -> (*const T, L)>);
impl<T: Deserialize<'static>, L: Known> Dd<T, L> {
    pub const DE: Yes = Yes;
    pub fn de(&self) -> Yes {
        Yes
    }
}
/// The answer of [`Dd`] where it cannot, for types.
pub trait FbDe {
    const DE: No = No;
}
impl<T: ?Sized, L> FbDe for Dd<T, L> {}
/// The answer of [`Dd`] where it cannot, for values.
pub trait FbDeValue {
    fn de(&self) -> No {
        No
    }
}
impl<T: ?Sized, L> FbDeValue for Dd<T, L> {}

/// A choice as a boolean.
pub trait Flag {
    const ON: bool;
}
impl Flag for Yes {
    const ON: bool = true;
}
impl Flag for No {
    const ON: bool = false;
}

/// Typed access.
pub trait Typed<T: ?Sized>: Flag {
    const TYPE_ID: Option<fn() -> TypeId>;
    /// The value out of its box, if it is a `T`.
    fn take(value: Box<dyn Any + Send>) -> Option<T>
    where
        T: Sized;
}
impl<T: ?Sized + 'static> Typed<T> for Yes {
    const TYPE_ID: Option<fn() -> TypeId> = Some(TypeId::of::<T>);
    fn take(value: Box<dyn Any + Send>) -> Option<T>
    where
        T: Sized,
    {
        value.downcast::<T>().ok().map(|value| *value)
    }
}
impl<T: ?Sized> Typed<T> for No {
    const TYPE_ID: Option<fn() -> TypeId> = None;
    fn take(_: Box<dyn Any + Send>) -> Option<T>
    where
        T: Sized,
    {
        None
    }
}

/// As JSON.
pub trait Ser<T: ?Sized> {
    const TO_JSON: Option<unsafe fn(RawPtr) -> Result<Value, serde_json::Error>>;
}
impl<T: ?Sized + Serialize> Ser<T> for Yes {
    const TO_JSON: Option<unsafe fn(RawPtr) -> Result<Value, serde_json::Error>> =
        Some(|pointer| {
            // SAFETY: the table is used with pointers to valid values of `T` only (`RawView::new`).
            serde_json::to_value(unsafe { &*pointer.get::<T>() })
        });
}
impl<T: ?Sized> Ser<T> for No {
    const TO_JSON: Option<unsafe fn(RawPtr) -> Result<Value, serde_json::Error>> = None;
}

/// From JSON.
pub trait De<T: ?Sized>: Flag {
    const SET_JSON: Option<SetJson>;
    /// A value of the type; `None` if the type cannot be read.
    fn read(value: Value) -> Option<Result<T, serde_json::Error>>
    where
        T: Sized;
}
impl<T: Deserialize<'static>> De<T> for Yes {
    const SET_JSON: Option<SetJson> = Some(|pointer, value| {
        let new = T::deserialize(value)?;
        // SAFETY: as for `TO_JSON`, and nobody else uses the value meanwhile (`RawView::new`).
        unsafe { *pointer.get::<T>() = new };
        Ok(())
    });
    fn read(value: Value) -> Option<Result<T, serde_json::Error>> {
        Some(T::deserialize(value))
    }
}
impl<T: ?Sized> De<T> for No {
    const SET_JSON: Option<SetJson> = None;
    fn read(_: Value) -> Option<Result<T, serde_json::Error>>
    where
        T: Sized,
    {
        None
    }
}

/// Through `Debug`.
pub trait Dbg<T: ?Sized> {
    const DEBUG: Option<unsafe fn(RawPtr, &mut fmt::Formatter<'_>) -> fmt::Result>;
}
impl<T: ?Sized + fmt::Debug> Dbg<T> for Yes {
    const DEBUG: Option<unsafe fn(RawPtr, &mut fmt::Formatter<'_>) -> fmt::Result> =
        Some(|pointer, f| {
            // SAFETY: as for `TO_JSON`.
            unsafe { &*pointer.get::<T>() }.fmt(f)
        });
}
impl<T: ?Sized> Dbg<T> for No {
    const DEBUG: Option<unsafe fn(RawPtr, &mut fmt::Formatter<'_>) -> fmt::Result> = None;
}

/// A copy of the value beside it.
pub trait Dup<T> {
    fn dup(value: &T) -> Option<T>;
}
impl<T: Clone> Dup<T> for Yes {
    fn dup(value: &T) -> Option<T> {
        Some(value.clone())
    }
}
impl<T> Dup<T> for No {
    fn dup(_: &T) -> Option<T> {
        None
    }
}

/// A clone that outlives the call: for (typed, clone, send).
pub trait Keep<T: ?Sized> {
    const CLONE: Option<unsafe fn(RawPtr) -> Box<dyn Any + Send>>;
}
impl<T: Clone + Send + 'static> Keep<T> for (Yes, Yes, Yes) {
    const CLONE: Option<unsafe fn(RawPtr) -> Box<dyn Any + Send>> = Some(|pointer| {
        // SAFETY: as for `TO_JSON`.
        Box::new(unsafe { &*pointer.get::<T>() }.clone())
    });
}
impl<T: ?Sized> Keep<T> for (Yes, Yes, No) {
    const CLONE: Option<unsafe fn(RawPtr) -> Box<dyn Any + Send>> = None;
}
impl<T: ?Sized, S> Keep<T> for (Yes, No, S) {
    const CLONE: Option<unsafe fn(RawPtr) -> Box<dyn Any + Send>> = None;
}
impl<T: ?Sized, C, S> Keep<T> for (No, C, S) {
    const CLONE: Option<unsafe fn(RawPtr) -> Box<dyn Any + Send>> = None;
}

/// All choices for one type: (typed, to JSON, from JSON, debug, clone, send).
pub trait Caps<T: ?Sized> {
    const TABLE: &'static ViewTable;
    /// Whether the value may be used exclusively on any thread.
    const SEND: bool;
    type Typed: Typed<T>;
    type De: De<T>;
}
impl<T: ?Sized, Y, S, D, B, C, N> Caps<T> for (Y, S, D, B, C, N)
where
    Y: Typed<T>,
    S: Ser<T>,
    D: De<T>,
    B: Dbg<T>,
    N: Flag,
    (Y, C, N): Keep<T>,
{
    const TABLE: &'static ViewTable = &ViewTable {
        type_name: std::any::type_name::<T>,
        type_id: Y::TYPE_ID,
        to_json: S::TO_JSON,
        set_json: D::SET_JSON,
        debug: B::DEBUG,
        clone: <(Y, C, N) as Keep<T>>::CLONE,
    };
    const SEND: bool = N::ON;
    type Typed = Y;
    type De = D;
}

/// What a value shows that hooks may know by name only.
pub type Opaque = (No, No, No, No, No, No);
/// The choices for [`Opaque`].
pub const OPAQUE: Opaque = (No, No, No, No, No, No);

// The functions below are safe to call only as the expansion calls them: on the arguments of a call that
// stay where they are, used by nobody else, for as long as the runner uses the views. They are not marked
// `unsafe` so that expanded code compiles under `#![forbid(unsafe_code)]`; the module is hidden, and its
// contract is with the macro alone.

/// A view that may change the value.
pub fn view_mut<T: ?Sized, C: Caps<T>>(value: &mut T, _: C) -> RawView {
    // SAFETY: the table is `T`'s; the runner owns the arguments and uses them through their views only
    // until it moves them into the body (see above); `any_thread` says that `T: Send` was found.
    unsafe { RawView::new(RawPtr::new(value), C::TABLE, Access::Write, C::SEND) }
}

/// A view that may only look; `S` says whether `T: Sync` was found.
pub fn view_ref<T: ?Sized, C: Caps<T>, S: Flag>(value: &T, capabilities: C, sync: S) -> RawView {
    // SAFETY: the expansion calls this for what a `&T` parameter points to, and for values in the site's own
    // frame: both stay until the call is done.
    unsafe { view_within(value, capabilities, sync).outliving_body() }
}

/// A view to look at a value that goes into the body with the arguments.
pub fn view_within<T: ?Sized, C: Caps<T>, S: Flag>(value: &T, _: C, _: S) -> RawView {
    let pointer = std::ptr::from_ref(value).cast_mut();
    // SAFETY: as in `view_mut`, and the pointer is never written through: access is `Read`.
    unsafe { RawView::new(RawPtr::new(pointer), C::TABLE, Access::Read, S::ON) }
}

/// A view of what an `Option<&T>` refers to; the type is known also when it is `None`.
pub fn view_opt<T: ?Sized, C: Caps<T>, S: Flag>(
    value: Option<&T>,
    capabilities: C,
    sync: S,
) -> RawView {
    match value {
        Some(value) => view_ref(value, capabilities, sync),
        // SAFETY: an absent view never uses its pointer.
        None => unsafe {
            let nothing = RawPtr::new(std::ptr::null_mut::<()>());
            RawView::new(nothing, C::TABLE, Access::Absent, true).outliving_body()
        },
    }
}
