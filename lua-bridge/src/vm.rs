//! One script's Lua state, and the only two ways into it.

use std::future::poll_fn;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Poll, ready};
use std::time::{Duration, Instant};

use mlua::{Function, Lua, LuaString, Value};

use crate::bind::Binder;
use crate::control::{Control, Runs};
use crate::convert::JsonLimits;
use crate::error::{LuaError, ScriptError};
use crate::gate::{Gate, Held};
use crate::memory;
use crate::proxy::Proxy;
use crate::raw::Interrupt;
use crate::scalar::Interned;
use crate::unload::Unload;
use crate::watchdog;

/// A Lua state with its gate and its limits.
pub(crate) struct Vm {
    pub(crate) lua: Lua,
    pub(crate) control: Arc<Control>,
    /// The name in messages and places: the chunk's name.
    pub(crate) name: Arc<str>,
    /// Makes its functions.
    pub(crate) bind: Binder,
    pub(crate) proxy: Proxy,
    /// The longest string that goes from calls to the state or back, in bytes.
    pub(crate) string_bytes: usize,
    interned: Mutex<Interned>,
    gate: Gate,
    /// How many coroutines of hooks there are, and may be.
    asked: AtomicUsize,
    asked_limit: usize,
    slots: Mutex<Slots>,
    pub(crate) unload: Unload,
    /// Whether there is something in `freed`; one that comes a moment later waits for the next use.
    has_freed: AtomicBool,
    _interrupt: Interrupt,
}

#[derive(Default)]
struct Slots {
    /// Values of slots that are gone. They are dropped by whoever is in the gate next.
    freed: Vec<Value>,
    /// The coroutines that are driven from outside, by address: only they can wait.
    driven: Vec<usize>,
}

/// Keeps a Lua value for Rust code outside of the gate.
///
/// Dropping an mlua value takes mlua's lock, and a hook is dropped wherever the registry drops it, under the
/// registry's own lock: so the value is only handed back there.
pub(crate) struct Slot {
    vm: Weak<Vm>,
    /// `Nil` once it is handed back.
    value: Value,
}

/// A call that a hook may wait in.
pub(crate) struct Asking<'v>(&'v AtomicUsize);

impl Drop for Asking<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Vm {
    /// # Errors
    /// The state has no memory left, or the system has no thread for the watchdog.
    pub(crate) fn new(
        lua: Lua,
        bind: Binder,
        name: Arc<str>,
        asked_limit: usize,
    ) -> mlua::Result<Arc<Self>> {
        let control = Arc::new(Control::new());
        let asked = Arc::clone(&control);
        let interrupt = Interrupt::install(&lua, &control.switch, move || {
            let may_go_on = asked.check();
            may_go_on.map_err(|why| mlua::Error::RuntimeError(why.to_owned()))
        })?;
        watchdog::watch(&control).map_err(mlua::Error::external)?;
        let vm = Arc::new(Vm {
            proxy: Proxy::new(&lua, &bind)?,
            string_bytes: JsonLimits::of(&lua).string_bytes,
            interned: Mutex::default(),
            _interrupt: interrupt,
            lua,
            control,
            name,
            bind,
            gate: Gate::default(),
            asked: AtomicUsize::new(0),
            asked_limit,
            slots: Mutex::default(),
            unload: Unload::default(),
            has_freed: AtomicBool::new(false),
        });
        vm.lua.set_app_data(Arc::downgrade(&vm));
        Ok(vm)
    }

    /// The state that a callback runs in.
    pub(crate) fn of(lua: &Lua) -> mlua::Result<Arc<Vm>> {
        let vm = lua.app_data_ref::<Weak<Vm>>().and_then(|vm| vm.upgrade());
        vm.ok_or_else(|| mlua::Error::runtime("the script is being unloaded"))
    }

    /// Runs Lua code that has to answer at once: at most until the limit, waiting for the state included.
    pub(crate) fn call<R>(
        &self,
        limit: Duration,
        runs: Runs,
        f: impl FnOnce(&Lua) -> mlua::Result<R>,
    ) -> Result<R, LuaError> {
        let (_held, limit) = self.enter(limit)?;
        self.sweep();
        self.usable()?;
        let limited = self.control.limit(limit, runs);
        let result = self.run(f);
        drop(limited);
        self.settle(result)
    }

    /// Runs Lua code of a coroutine up to its next wait, as [`Vm::step`] does, and blocks the thread for the state.
    pub(crate) fn step_now<R>(
        &self,
        limit: Duration,
        f: impl FnOnce(&Lua) -> mlua::Result<R>,
    ) -> Result<R, LuaError> {
        self.call(limit, Runs::Coroutine, f)
    }

    /// Waits for the state; gives what is left of the limit.
    fn enter(&self, limit: Duration) -> Result<(Held<'_>, Duration), LuaError> {
        if let Some(held) = self.gate.try_enter() {
            return Ok((held, limit));
        }
        let deadline = Instant::now() + limit;
        let held = self.gate.enter_until(deadline).ok_or_else(|| {
            LuaError::new(format!(
                "{}: its state was in use by another call for {limit:?}",
                self.name
            ))
        })?;
        Ok((held, deadline.saturating_duration_since(Instant::now())))
    }

    /// Runs Lua code of a coroutine up to its next wait, at most for `limit`. Never blocks the thread for the
    /// state.
    pub(crate) async fn step<R>(
        &self,
        limit: Option<Duration>,
        f: impl FnOnce(&Lua) -> mlua::Result<R>,
    ) -> Result<R, LuaError> {
        let mut f = Some(f);
        poll_fn(move |cx| {
            let _held = ready!(self.gate.poll_enter(cx));
            self.sweep();
            // `None` only if somebody polls on after the end.
            let Some(f) = f.take() else {
                return Poll::Pending;
            };
            Poll::Ready(self.usable().and_then(|()| {
                let limited = limit.map(|limit| self.control.limit(limit, Runs::Coroutine));
                let result = self.run(f);
                drop(limited);
                self.settle(result)
            }))
        })
        .await
    }

    /// Runs Lua code, in the gate. If code of this state made a call that led here, `ctx` is not about what it was about
    /// there.
    #[inline]
    fn run<R>(&self, f: impl FnOnce(&Lua) -> mlua::Result<R>) -> mlua::Result<R> {
        self.proxy.stage.aside(|| f(&self.lua))
    }

    fn usable(&self) -> Result<(), LuaError> {
        match self.control.ended() {
            None => Ok(()),
            Some(why) => Err(LuaError::new("").stopped(&self.name, why)),
        }
    }

    fn settle<R>(&self, result: mlua::Result<R>) -> Result<R, LuaError> {
        let error = match result {
            Ok(value) if self.control.ended().is_none() => return Ok(value),
            // The script caught the error of the limit, or ended just behind it.
            Ok(_) => LuaError::new(""),
            Err(error) => {
                if memory::is_spent(&error) {
                    self.control.end(memory::SPENT);
                }
                LuaError::of(&self.name, &error)
            }
        };
        Err(match self.control.ended() {
            None => error,
            Some(why) => error.stopped(&self.name, why),
        })
    }

    /// The error for the owner of the script: stopped, or failed.
    pub(crate) fn script_error(&self, error: LuaError) -> ScriptError {
        match self.control.ended() {
            Some(why) => ScriptError::Stopped {
                script: self.name.to_string(),
                why: why.to_owned(),
            },
            None => ScriptError::Lua(error),
        }
    }

    /// Hands the Lua string of a text over, one that is kept if it was asked for lately.
    pub(crate) fn with_string<R>(
        &self,
        text: &str,
        f: impl FnOnce(&LuaString) -> mlua::Result<R>,
    ) -> mlua::Result<R> {
        lock(&self.interned).with(&self.lua, text, f)
    }

    /// Keeps a value until the slot is dropped.
    pub(crate) fn keep(self: &Arc<Self>, value: Value) -> Slot {
        Slot {
            vm: Arc::downgrade(self),
            value,
        }
    }

    /// A call begins that a hook may wait in, until what this gives is dropped.
    ///
    /// # Errors
    /// There are as many as there may be: the limit.
    pub(crate) fn begin_asking(&self) -> Result<Asking<'_>, usize> {
        let asking = Asking(&self.asked);
        if self.asked.fetch_add(1, Ordering::Relaxed) < self.asked_limit {
            Ok(asking)
        } else {
            Err(self.asked_limit)
        }
    }

    pub(crate) fn add_driven(&self, thread: usize) {
        lock(&self.slots).driven.push(thread);
    }

    pub(crate) fn remove_driven(&self, thread: usize) {
        lock(&self.slots).driven.retain(|driven| *driven != thread);
    }

    pub(crate) fn is_driven(&self, thread: usize) -> bool {
        lock(&self.slots).driven.contains(&thread)
    }

    fn sweep(&self) {
        if self.has_freed.load(Ordering::Relaxed) {
            self.has_freed.store(false, Ordering::Relaxed);
            let freed = std::mem::take(&mut lock(&self.slots).freed);
            drop(freed);
        }
    }
}

impl Slot {
    /// The value; to be used in the gate only.
    pub(crate) fn get(&self) -> &Value {
        &self.value
    }

    /// The value, in the gate, which is then no longer kept.
    pub(crate) fn into_value(mut self) -> Value {
        std::mem::replace(&mut self.value, Value::Nil)
    }

    /// The function that it is.
    pub(crate) fn function(&self) -> mlua::Result<&Function> {
        match &self.value {
            Value::Function(function) => Ok(function),
            other => Err(mlua::Error::runtime(format!("not a function: {other:?}"))),
        }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        if self.value.is_nil() {
            return;
        }
        if let Some(vm) = self.vm.upgrade() {
            let value = std::mem::replace(&mut self.value, Value::Nil);
            lock(&vm.slots).freed.push(value);
            vm.has_freed.store(true, Ordering::Relaxed);
        }
    }
}
