//! Running a coroutine of a script to its end.
//!
//! A function that waits gives its future out of the coroutine, and the future is polled here, outside of the
//! state: while a tool works, hooks of the same script can be asked from any thread. (mlua's own asynchronous
//! functions are polled inside the state, under its lock.)

use std::sync::{Arc, Mutex, PoisonError};

use mlua::thread::ThreadStatus;
use mlua::{AnyUserData, Lua, MultiValue, Thread, Value};
use serde_json::Value as Json;

use crate::allowance::Allowance;
use crate::convert;
use crate::error::LuaError;
use crate::host::BoxFuture;
use crate::memory;
use crate::vm::{Slot, Vm};

/// What a function of the API waits for: the value for the script, made in the state once it is known.
pub(crate) type HostFuture = BoxFuture<'static, Result<Reply, String>>;

/// Makes the Lua value of an answer.
pub(crate) type Reply = Box<dyn FnOnce(&Lua) -> mlua::Result<Value> + Send>;

/// The reply that is a JSON value.
pub(crate) fn json(value: Json) -> Reply {
    Box::new(move |lua| convert::to_lua(lua, &value))
}

/// What a coroutine yields when it waits.
pub(crate) struct Waiting {
    place: String,
    future: Mutex<Option<HostFuture>>,
}

impl Waiting {
    pub(crate) fn new(place: String, future: HostFuture) -> Self {
        Waiting {
            place,
            future: Mutex::new(Some(future)),
        }
    }
}

/// Where a coroutine is after a step.
pub(crate) enum Step<T> {
    Done(T),
    Wait(String, HostFuture),
}

/// What runs as a coroutine.
pub(crate) trait Work: Send {
    /// What comes of it.
    type Out: Send;

    /// What it may take.
    fn allowance(&self) -> &Allowance;

    /// Whether it waits for the state by blocking its thread, as a hook does that has to answer at once.
    fn blocks(&self) -> bool {
        false
    }

    /// Goes on, in the state, up to the next wait. `answer`: what it waited for; nothing: it begins.
    ///
    /// # Errors
    /// What its code raised.
    fn go_on(
        &mut self,
        lua: &Lua,
        driven: &Driven,
        answer: Option<MultiValue>,
    ) -> mlua::Result<Step<Self::Out>>;
}

/// Calls a function as a coroutine, waits where it waits, and gives its first result.
///
/// Dropping the future drops what the coroutine waits for, and the coroutine is never resumed.
pub(crate) async fn drive(
    vm: &Arc<Vm>,
    function: &Slot,
    args: Vec<Json>,
    allowance: Allowance,
) -> Result<Json, LuaError> {
    drive_work(vm, function, &mut Called { args, allowance }).await
}

/// A function that is called with JSON and gives JSON.
struct Called {
    args: Vec<Json>,
    allowance: Allowance,
}

impl Work for Called {
    type Out = Json;

    fn allowance(&self) -> &Allowance {
        &self.allowance
    }

    fn go_on(
        &mut self,
        lua: &Lua,
        driven: &Driven,
        answer: Option<MultiValue>,
    ) -> mlua::Result<Step<Json>> {
        let values = match answer {
            Some(answer) => answer,
            None => {
                let args = self.args.iter().map(|arg| convert::to_lua(lua, arg));
                args.collect::<mlua::Result<_>>()?
            }
        };
        Ok(match driven.resume(values)? {
            Step::Wait(place, future) => Step::Wait(place, future),
            Step::Done(value) => {
                Step::Done(convert::to_json(lua, &value).map_err(
                    |error| match memory::is_spent(&error) {
                        true => error,
                        false => {
                            mlua::Error::runtime(format!("the value that it returned: {error}"))
                        }
                    },
                )?)
            }
        })
    }
}

/// Runs work as a coroutine of that function, as [`drive`] does.
pub(crate) async fn drive_work<W: Work>(
    vm: &Arc<Vm>,
    function: &Slot,
    work: &mut W,
) -> Result<W::Out, LuaError> {
    let (driven, mut step) = in_state(vm, work, |lua, work| {
        let driven = Driven::new(vm, lua.create_thread(function.function()?.clone())?);
        let step = work.go_on(lua, &driven, None)?;
        Ok((driven, step))
    })
    .await?;
    loop {
        let (place, future) = match step {
            Step::Done(result) => return Ok(result),
            Step::Wait(place, future) => (place, future),
        };
        let waited = work.allowance().during(vm.control.unless_ended(future));
        let Some(answer) = waited.await else {
            let why = vm.control.ended().unwrap_or_default();
            return Err(LuaError::new("").stopped(&vm.name, why));
        };
        let driven = &driven;
        step = in_state(vm, work, |lua, work| {
            let answer = match answer {
                Ok(reply) => (true, reply(lua)?),
                Err(said) => (
                    false,
                    Value::String(lua.create_string(format!("{place}: {said}"))?),
                ),
            };
            work.go_on(lua, driven, Some(lua.pack_multi(answer)?))
        })
        .await?;
    }
}

/// One step of the work, in the state and under its limit.
async fn in_state<W: Work, R>(
    vm: &Vm,
    work: &mut W,
    step: impl FnOnce(&Lua, &mut W) -> mlua::Result<R>,
) -> Result<R, LuaError> {
    let limit = work.allowance().next_step()?;
    match limit {
        Some(limit) if work.blocks() => vm.step_now(limit, |lua| step(lua, work)),
        limit => vm.step(limit, |lua| step(lua, work)).await,
    }
}

/// A coroutine that is being driven; known to its state for that time.
pub(crate) struct Driven {
    vm: Arc<Vm>,
    thread: Slot,
    pointer: usize,
}

impl Driven {
    fn new(vm: &Arc<Vm>, thread: Thread) -> Self {
        let pointer = thread.to_pointer() as usize;
        vm.add_driven(pointer);
        Driven {
            vm: Arc::clone(vm),
            thread: vm.keep(Value::Thread(thread)),
            pointer,
        }
    }

    /// Goes on up to the next wait, or to the end with the first value that it returns.
    pub(crate) fn resume(&self, args: MultiValue) -> mlua::Result<Step<Value>> {
        let Value::Thread(thread) = self.thread.get() else {
            return Err(mlua::Error::runtime("the coroutine is gone"));
        };
        let mut values: MultiValue = thread.resume(args)?;
        let first = values.pop_front().unwrap_or(Value::Nil);
        if thread.status() != ThreadStatus::Resumable {
            return Ok(Step::Done(first));
        }
        let waiting = match &first {
            Value::UserData(data) => take(data)?,
            _ => None,
        };
        waiting.map(|(place, future)| Step::Wait(place, future)).ok_or_else(|| {
            mlua::Error::runtime(
                "`coroutine.yield` outside of a coroutine of the script's own: wrap the code in `coroutine.create`",
            )
        })
    }
}

fn take(data: &AnyUserData) -> mlua::Result<Option<(String, HostFuture)>> {
    if !data.is::<Waiting>() {
        return Ok(None);
    }
    let waiting = data.borrow::<Waiting>()?;
    let future = waiting
        .future
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .take();
    Ok(future.map(|future| (waiting.place.clone(), future)))
}

impl Drop for Driven {
    fn drop(&mut self) {
        self.vm.remove_driven(self.pointer);
    }
}
