//! Views: type-erased access to the arguments and the result of one call, on the stack, without a bound
//! on the hooked function.
//!
//! A [`RawView`] is a pointer, a table of what the value's type can do, and the thread it is bound to if
//! the type cannot be shared. The macro builds views where the function is written, so every capability is
//! chosen by the compiler; this module only uses what the table offers.

use std::any::{Any, TypeId};
use std::cell::Cell;
use std::fmt;
use std::mem;

use serde_json::Value;

/// The two words of a pointer to any type, thin or wide.
#[derive(Clone, Copy)]
pub struct RawPtr([*mut (); 2]);

impl RawPtr {
    /// Erases a pointer.
    #[inline]
    pub fn new<T: ?Sized>(pointer: *mut T) -> Self {
        const { assert!(mem::size_of::<*mut T>() <= mem::size_of::<RawPtr>()) };
        let mut words: [*mut (); 2] = [std::ptr::null_mut(); 2];
        // SAFETY: `*mut T` is one or two words (checked above), both arrays are valid for that many bytes,
        // and a pointer may be copied bytewise.
        unsafe {
            std::ptr::copy_nonoverlapping(
                (&raw const pointer).cast::<u8>(),
                words.as_mut_ptr().cast::<u8>(),
                mem::size_of::<*mut T>(),
            );
        }
        RawPtr(words)
    }

    /// The pointer again.
    ///
    /// # Safety
    /// `T` is the type that [`RawPtr::new`] was called with.
    pub unsafe fn get<T: ?Sized>(self) -> *mut T {
        // SAFETY: the caller names the type that was erased, so the first bytes are such a pointer.
        unsafe { mem::transmute_copy(&self.0) }
    }
}

/// Reads a value of the type from JSON and puts it in the place of the old one.
pub type SetJson = unsafe fn(RawPtr, Value) -> Result<(), serde_json::Error>;

/// What can be done with values of one type; a missing function is a capability the type does not have.
///
/// Every function takes a [`RawPtr`] made from a valid pointer to a value of that type.
#[allow(missing_docs)]
pub struct ViewTable {
    pub type_name: fn() -> &'static str,
    pub type_id: Option<fn() -> TypeId>,
    pub to_json: Option<unsafe fn(RawPtr) -> Result<Value, serde_json::Error>>,
    pub set_json: Option<SetJson>,
    pub debug: Option<unsafe fn(RawPtr, &mut fmt::Formatter<'_>) -> fmt::Result>,
    /// A clone on the heap; only for `T: Clone + Send + 'static`.
    pub clone: Option<unsafe fn(RawPtr) -> Box<dyn Any + Send>>,
}

/// Access to one value of the call that is under way.
pub struct RawView {
    pointer: RawPtr,
    table: &'static ViewTable,
    /// Zero: any thread may look; else the mark of the only thread that may.
    thread: usize,
    access: Access,
    /// Whether the pointee stays when the arguments have been moved into the body: the caller lent it.
    outlives_body: bool,
}

/// How a view may be used at this moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Read and write.
    Write,
    /// Read only: a shared reference, or sealed.
    Read,
    /// An `Option<&T>` that is `None`.
    Absent,
    /// Moved into the body.
    Moved,
    /// The call is replayed from a record that does not hold the value.
    Unrecorded,
}

/// Why a view does not give what was asked for.
#[derive(Debug)]
#[allow(missing_docs)]
pub enum ViewError {
    WrongType,
    /// No such capability; the text says what the type would need.
    Opaque(&'static str),
    ReadOnly,
    Absent,
    Moved,
    Unrecorded,
    WrongThread,
    Json(serde_json::Error),
}

// SAFETY: a view whose `thread` is zero points to a value that the macro found to be `Send` (for exclusive
// access) or `Sync` (for shared); any other view checks the thread before each access.
unsafe impl Send for RawView {}

impl RawView {
    /// A view of the value behind `pointer`.
    ///
    /// # Safety
    /// `table` describes the pointee's type; the pointee is valid, and nobody else uses it, for as long as
    /// the view is used (shared use is fine with [`Access::Read`]); `any_thread` only if the type is `Send`
    /// (`Access::Write`) or `Sync` (`Access::Read`).
    #[inline]
    pub unsafe fn new(
        pointer: RawPtr,
        table: &'static ViewTable,
        access: Access,
        any_thread: bool,
    ) -> Self {
        RawView {
            pointer,
            table,
            thread: if any_thread { 0 } else { thread_mark() },
            access,
            outlives_body: false,
        }
    }

    /// A view of nothing: not made yet, or of a value that cannot be copied.
    #[inline]
    pub const fn nothing() -> Self {
        static NOTHING: ViewTable = ViewTable {
            type_name: || "a value that cannot be shown",
            type_id: None,
            to_json: None,
            set_json: None,
            debug: None,
            clone: None,
        };
        RawView {
            pointer: RawPtr([std::ptr::null_mut(); 2]),
            table: &NOTHING,
            thread: 0,
            access: Access::Moved,
            outlives_body: false,
        }
    }

    /// A view of a value that a record does not hold.
    pub(crate) const fn unrecorded() -> Self {
        let mut view = RawView::nothing();
        view.access = Access::Unrecorded;
        view
    }

    /// The view of what the caller lent: it stays when the arguments have been moved into the body.
    ///
    /// # Safety
    /// The pointee is valid until the call is done, whatever the body does with the arguments.
    #[inline]
    pub unsafe fn outliving_body(mut self) -> Self {
        self.outlives_body = true;
        self
    }

    /// Whether hooks may still look when the body has the arguments.
    #[inline]
    pub fn outlives_body(&self) -> bool {
        self.outlives_body
    }

    /// The type as the compiler names it.
    pub fn type_name(&self) -> &'static str {
        (self.table.type_name)()
    }

    /// How the view may be used now.
    pub fn access(&self) -> Access {
        self.access
    }

    /// Restricts the view from here on.
    #[inline]
    pub fn restrict(&mut self, access: Access) {
        let known = self.access != Access::Unrecorded;
        if self.access == Access::Write || (known && access == Access::Moved) {
            self.access = access;
        }
    }

    /// Whether the type can be read as JSON.
    pub fn has_json(&self) -> bool {
        self.table.to_json.is_some()
    }

    /// The value, if it is a `T`.
    pub fn get<T: ?Sized + 'static>(&self) -> Result<&T, ViewError> {
        self.check_typed::<T>()?;
        // SAFETY: the type ids are equal, so the erased pointer is a `*mut T`; validity is the promise of `new`.
        Ok(unsafe { &*self.pointer.get::<T>() })
    }

    /// The value, to change it, if it is a `T`.
    pub fn get_mut<T: ?Sized + 'static>(&mut self) -> Result<&mut T, ViewError> {
        self.check_typed::<T>()?;
        self.check_write()?;
        // SAFETY: as in `get`; exclusive because the view is borrowed exclusively and `new` promised no other user.
        Ok(unsafe { &mut *self.pointer.get::<T>() })
    }

    /// The value as JSON, made now.
    pub fn to_json(&self) -> Result<Value, ViewError> {
        self.check_read()?;
        let to_json = self.table.to_json.ok_or(ViewError::Opaque(
            "its type does not implement `serde::Serialize`",
        ))?;
        // SAFETY: the table belongs to the pointee's type (`new`).
        unsafe { to_json(self.pointer) }.map_err(ViewError::Json)
    }

    /// Replaces the value by one read from JSON; on an error the old value stays.
    pub fn set_json(&mut self, value: Value) -> Result<(), ViewError> {
        self.check_write()?;
        let set = self.table.set_json.ok_or(ViewError::Opaque(
            "its type does not implement `serde::Deserialize`",
        ))?;
        // SAFETY: as in `to_json`; exclusive as in `get_mut`.
        unsafe { set(self.pointer, value) }.map_err(ViewError::Json)
    }

    /// The value through its `Debug`.
    pub fn debug(&self) -> Result<String, ViewError> {
        self.check_read()?;
        let debug = self
            .table
            .debug
            .ok_or(ViewError::Opaque("its type does not implement `Debug`"))?;
        struct Shown(
            RawPtr,
            unsafe fn(RawPtr, &mut fmt::Formatter<'_>) -> fmt::Result,
        );
        impl fmt::Display for Shown {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                // SAFETY: pointer and function come from one view.
                unsafe { (self.1)(self.0, f) }
            }
        }
        Ok(Shown(self.pointer, debug).to_string())
    }

    /// A clone on the heap, for what must outlive the body.
    pub fn clone_value(&self) -> Result<Kept, ViewError> {
        self.check_read()?;
        let clone = self.table.clone.ok_or(ViewError::Opaque(
            "its type is not `Clone + Send + 'static`",
        ))?;
        // SAFETY: as in `to_json`.
        Ok(Kept {
            value: unsafe { clone(self.pointer) },
            table: self.table,
        })
    }

    fn check_typed<T: ?Sized + 'static>(&self) -> Result<(), ViewError> {
        self.check_read()?;
        match self.table.type_id {
            None => Err(ViewError::Opaque(
                "its type borrows or is generic; use its JSON form, or `args(x: typed)`",
            )),
            Some(id) if id() == TypeId::of::<T>() => Ok(()),
            Some(_) => Err(ViewError::WrongType),
        }
    }

    #[inline]
    fn check_read(&self) -> Result<(), ViewError> {
        match self.access {
            Access::Absent => Err(ViewError::Absent),
            Access::Moved => Err(ViewError::Moved),
            Access::Unrecorded => {
                UNRECORDED.set(true);
                Err(ViewError::Unrecorded)
            }
            _ if self.thread != 0 && self.thread != thread_mark() => Err(ViewError::WrongThread),
            _ => Ok(()),
        }
    }

    #[inline]
    fn check_write(&self) -> Result<(), ViewError> {
        self.check_read()?;
        if self.access == Access::Write {
            Ok(())
        } else {
            Err(ViewError::ReadOnly)
        }
    }
}

/// A value that the runtime keeps for a view: a clone of an argument, a cached result.
pub struct Kept {
    value: Box<dyn Any + Send>,
    table: &'static ViewTable,
}

impl Kept {
    /// A read-only view of the kept value.
    ///
    /// # Safety
    /// The view is not used after `self` is dropped or mutated.
    pub unsafe fn view(&self) -> RawView {
        let pointer = (&raw const *self.value).cast::<()>().cast_mut();
        // SAFETY: `value` was made by the table's `clone`, so it is of the table's type, which is sized and
        // `Send`. Only the call that keeps it looks at it, through a context that is not `Sync`: one thread at
        // a time, whichever it is.
        unsafe { RawView::new(RawPtr::new(pointer), self.table, Access::Read, true) }
    }

    /// A view to read and change the kept value.
    ///
    /// # Safety
    /// The view is not used after `self` is dropped, and nobody else uses the value meanwhile.
    pub unsafe fn view_mut(&mut self) -> RawView {
        let pointer = (&raw mut *self.value).cast::<()>();
        // SAFETY: as in `view`; the value is `Send`, so the only user may be on any thread.
        unsafe { RawView::new(RawPtr::new(pointer), self.table, Access::Write, true) }
    }

    /// The value itself.
    pub fn into_inner(self) -> Box<dyn Any + Send> {
        self.value
    }
}

thread_local!(static UNRECORDED: Cell<bool> = const { Cell::new(false) });

/// Whether somebody looked at a value that a replayed call does not have, on this thread since this was asked last.
pub(crate) fn take_unrecorded() -> bool {
    UNRECORDED.take()
}

/// A number that differs between live threads.
fn thread_mark() -> usize {
    thread_local!(static MARK: u8 = const { 0 });
    MARK.with(|mark| std::ptr::from_ref(mark).addr())
}

/// The table of JSON values, for calls whose arguments came as JSON.
pub static JSON_TABLE: ViewTable = ViewTable {
    type_name: std::any::type_name::<Value>,
    type_id: Some(TypeId::of::<Value>),
    // SAFETY (each): the table is only used with pointers to a `Value`, by the contract of `RawView::new`.
    to_json: Some(|pointer| Ok(unsafe { &*pointer.get::<Value>() }.clone())),
    set_json: Some(|pointer, value| {
        unsafe { *pointer.get::<Value>() = value };
        Ok(())
    }),
    debug: Some(|pointer, f| fmt::Debug::fmt(unsafe { &*pointer.get::<Value>() }, f)),
    clone: Some(|pointer| Box::new(unsafe { &*pointer.get::<Value>() }.clone())),
};
