//! The interrupt of a state, which is there only while somebody wants the state interrupted.
//!
//! Luau asks at every loop, call and step of a pattern match whether an interrupt is set. An interrupt that is
//! always set is called each time, which makes a hot loop twenty times slower; none costs nothing. So mlua installs
//! its own once, this file takes the pointer to it out of the state again, and [`Switch::arm`] puts it back, from
//! any thread and while the state runs.
//!
//! Why it is sound:
//!
//! - **The field may be written from any thread.** Luau documents it (`lua.h`, `lua_Callbacks`: "interrupt is safe
//!   to set from an arbitrary thread"), its interpreter reads the field once into a local before testing and calling
//!   it, and its native code tests again before it calls ("it may be nullptr in case the update raced with the
//!   check"). All writes here are atomic stores of a whole pointer.
//! - **The state is alive when it is written.** [`Interrupt`] owns a strong `Lua`, so the state can't be closed before
//!   [`Interrupt`] is dropped; that first takes the field's address out of the [`Switch`], under the lock that
//!   arming and disarming hold while they write. Afterwards nobody has the address.
//! - **What is written is callable.** It is null or the pointer that mlua itself wrote, a function that lives as long
//!   as the program; the closure that it calls is kept by the state, and nothing in this crate takes it out.

#![allow(unsafe_code)]

use std::ffi::{c_int, c_void};
use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicPtr, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use mlua::{Lua, VmState, ffi};

/// Turns the interrupt of one state on and off; of no state before [`Interrupt::install`] and after its end.
#[derive(Default)]
pub(crate) struct Switch(Mutex<Option<Wire>>);

/// Where the interrupt of a state is set, and what is set there.
struct Wire {
    field: NonNull<AtomicPtr<c_void>>,
    armed: *mut c_void,
}

// SAFETY: `field` is written atomically, from whatever thread, and only while the state lives (see the top);
// `armed` is the address of a function.
unsafe impl Send for Wire {}

/// A state can be interrupted through its [`Switch`] until this is dropped.
pub(crate) struct Interrupt {
    switch: Arc<Switch>,
    /// Keeps the state from being closed while the switch has the address of its field.
    _state: Lua,
}

type Callback = unsafe extern "C-unwind" fn(*mut ffi::lua_State, c_int);

impl Interrupt {
    /// `ask` runs in the state at each step while the switch is armed; an error from it ends what runs.
    pub(crate) fn install(
        lua: &Lua,
        switch: &Arc<Switch>,
        ask: impl Fn() -> Result<(), mlua::Error> + Send + 'static,
    ) -> mlua::Result<Self> {
        lua.set_interrupt(move |_| ask().map(|()| VmState::Continue));
        let mut wire = None;
        // SAFETY: the closure leaves the stack as it is and raises nothing. `lua_callbacks` gives the address of a
        // part of the state's global structure, which stays where it is until the state is closed. An
        // `Option<fn>` is null or a pointer, so its place can be used as that of an atomic pointer, which has the
        // same size and alignment.
        unsafe {
            lua.exec_raw::<()>((), |state| {
                let field: *mut Option<Callback> = &raw mut (*ffi::lua_callbacks(state)).interrupt;
                let armed = (*field).map_or(ptr::null_mut(), |set| set as *mut c_void);
                wire = NonNull::new(field.cast()).map(|field| Wire { field, armed });
            })?;
        }
        if let Some(wire) = &wire {
            wire.set(false);
        }
        *switch.lock() = wire;
        Ok(Interrupt {
            switch: Arc::clone(switch),
            _state: lua.clone(),
        })
    }
}

impl Drop for Interrupt {
    fn drop(&mut self) {
        // The state may outlive this, and would then be without limits if it was armed: it stays as it is.
        *self.switch.lock() = None;
    }
}

impl Switch {
    /// From now on the state asks at each step.
    pub(crate) fn arm(&self) {
        if let Some(wire) = &*self.lock() {
            wire.set(true);
        }
    }

    /// The state runs freely again.
    pub(crate) fn disarm(&self) {
        if let Some(wire) = &*self.lock() {
            wire.set(false);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Option<Wire>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Wire {
    fn set(&self, armed: bool) {
        let value = if armed { self.armed } else { ptr::null_mut() };
        // SAFETY: a wire that can be reached belongs to a living state (see the top); the field is written by
        // nobody else but mlua's close of the state, which comes after.
        unsafe { self.field.as_ref() }.store(value, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicU32;

    fn counted() -> (Lua, Arc<Switch>, Arc<AtomicU32>, Interrupt) {
        let lua = Lua::new();
        lua.enable_jit(true);
        let (switch, asked) = (Arc::new(Switch::default()), Arc::new(AtomicU32::new(0)));
        let counter = asked.clone();
        let interrupt = Interrupt::install(&lua, &switch, move || {
            counter.fetch_add(1, Ordering::Relaxed);
            Err(mlua::Error::runtime("interrupted"))
        });
        (lua, switch, asked, interrupt.unwrap())
    }

    #[test]
    fn a_state_asks_only_while_it_is_armed() {
        let (lua, switch, asked, _interrupt) = counted();
        let add = lua.load("local n = 0 for i = 1, 1000 do n += i end return n");
        let add = add.into_function().unwrap();
        assert_eq!(add.call::<u32>(()).unwrap(), 500_500);
        assert_eq!(asked.load(Ordering::Relaxed), 0);
        switch.arm();
        let error = add.call::<u32>(()).unwrap_err().to_string();
        assert!(error.contains("interrupted"), "{error}");
        assert!(asked.load(Ordering::Relaxed) > 0);
        switch.disarm();
        assert_eq!(add.call::<u32>(()).unwrap(), 500_500);
    }

    #[test]
    fn running_code_is_reached_from_another_thread() {
        let (lua, switch, _, _interrupt) = counted();
        let spin = lua.load("while true do end").into_function().unwrap();
        std::thread::scope(|scope| {
            scope.spawn(|| switch.arm());
            assert!(spin.call::<()>(()).is_err());
        });
    }

    #[test]
    fn a_switch_that_outlives_its_state_touches_nothing() {
        for _ in 0..100 {
            let (lua, switch, _, interrupt) = counted();
            std::thread::scope(|scope| {
                scope.spawn(|| (0..200).for_each(|_| switch.arm()));
                scope.spawn(|| (0..200).for_each(|_| switch.disarm()));
                drop(lua);
                drop(interrupt);
            });
            assert!(switch.lock().is_none());
            switch.arm();
        }
    }
}
