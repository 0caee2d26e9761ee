//! The call that the functions of a state speak of, lent to them for the time of the call.
//!
//! `ctx` is one object for each state, made once, so its functions can't hold a reference to the call; they find it
//! here. Why it is sound:
//!
//! - **What is found is alive.** [`Stage::lend`] puts a pointer to a reference on its own stack here, and takes it out
//!   before it returns or unwinds; so while the pointer is here, the reference is valid. [`Stage::with`] gives it to a
//!   function that can't keep it (any lifetime must do), and which ends before `lend` does, as the next point says.
//!   [`Stage::aside`] takes the pointer out and puts it back; it ends before the `lend` that it runs in.
//! - **It is used by its own thread only.** `lend` takes the stage for its thread or panics, and `with` finds nothing
//!   on any other thread: what is lent need not be `Sync`, and no other thread can write the pointer.
//! - **It is only shared.** `with` gives `&`, also when calls are nested.

#![allow(unsafe_code)]

use std::ptr;
use std::sync::atomic::{AtomicPtr, AtomicUsize, Ordering};

use crate::context::Call;

/// Where a state finds the call under way.
#[derive(Default)]
pub(crate) struct Stage {
    /// The thread that lends; 0: none.
    owner: AtomicUsize,
    /// A `*const &dyn Call`; written by the owner only.
    call: AtomicPtr<()>,
}

/// Puts back what was lent before.
struct Restore<'s> {
    stage: &'s Stage,
    owner: usize,
    call: *mut (),
}

impl Drop for Restore<'_> {
    fn drop(&mut self) {
        self.stage.call.store(self.call, Ordering::Relaxed);
        self.stage.owner.store(self.owner, Ordering::Release);
    }
}

impl Stage {
    /// Lends `call` for the time of `f`.
    ///
    /// # Panics
    /// Another thread is lending: the state's gate was not entered.
    pub(crate) fn lend<R>(&self, call: &dyn Call, f: impl FnOnce() -> R) -> R {
        let me = crate::gate::thread_mark();
        let owner = self.owner.load(Ordering::Relaxed);
        let taken = owner == me
            || self
                .owner
                .compare_exchange(0, me, Ordering::Acquire, Ordering::Relaxed)
                .is_ok();
        assert!(taken, "a call was lent without its state's gate");
        let restore = Restore {
            stage: self,
            owner: if owner == me { me } else { 0 },
            call: self.call.load(Ordering::Relaxed),
        };
        let lent: *const &dyn Call = &raw const call;
        self.call.store(lent.cast_mut().cast(), Ordering::Relaxed);
        let result = f();
        drop(restore);
        result
    }

    /// Nothing is lent for the time of `f`. To be called in the state's gate.
    #[inline]
    pub(crate) fn aside<R>(&self, f: impl FnOnce() -> R) -> R {
        let restore = self.take();
        let result = f();
        drop(restore);
        result
    }

    /// Takes what this thread has lent out.
    #[inline]
    fn take(&self) -> Option<Restore<'_>> {
        let call = self.call.load(Ordering::Relaxed);
        if call.is_null() {
            return None;
        }
        let owner = self.owner.load(Ordering::Relaxed);
        if owner != crate::gate::thread_mark() {
            return None;
        }
        self.call.store(ptr::null_mut(), Ordering::Relaxed);
        Some(Restore {
            stage: self,
            owner,
            call,
        })
    }

    /// Looks at the call under way; `None`: there is none.
    pub(crate) fn with<R>(&self, f: impl for<'c> FnOnce(&'c (dyn Call + 'c)) -> R) -> Option<R> {
        if self.owner.load(Ordering::Relaxed) != crate::gate::thread_mark() {
            return None;
        }
        let call: *const &dyn Call = self.call.load(Ordering::Relaxed).cast_const().cast();
        if ptr::eq(call, ptr::null()) {
            return None;
        }
        // SAFETY: this thread is inside of the `lend` that put it here (see the top), and the type is the one that
        // `lend` wrote but for the lifetime, which `f` can't name.
        Some(f(unsafe { *call }))
    }
}
