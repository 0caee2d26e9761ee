//! Running a coroutine of a script to its end.
//!
//! A function that waits gives its future out of the coroutine, and the future is polled here, outside of the
//! state: while a tool works, hooks of the same script can be asked from any thread. (mlua's own asynchronous
//! functions are polled inside the state, under its lock.)

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use mlua::thread::ThreadStatus;
use mlua::{AnyUserData, Lua, MultiValue, Thread, Value};
use serde_json::Value as Json;

use crate::convert;
use crate::error::LuaError;
use crate::host::BoxFuture;
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

enum Step {
    Done(Json),
    Wait(String, HostFuture),
}

/// Calls a function as a coroutine, waits where it waits, and gives its first result.
///
/// Between two waits it may run for `limit`. Dropping the future drops what the coroutine waits for, and the coroutine is never resumed.
pub(crate) async fn drive(
    vm: &Arc<Vm>,
    function: &Slot,
    args: Vec<Json>,
    limit: Option<Duration>,
) -> Result<Json, LuaError> {
    let driven = vm
        .step(limit, |lua| {
            let thread = lua.create_thread(function.function()?.clone())?;
            Ok(Driven::new(vm, thread))
        })
        .await?;
    let mut step = vm
        .step(limit, |lua| {
            let args = args.iter().map(|arg| convert::to_lua(lua, arg));
            let args: MultiValue = args
                .collect::<mlua::Result<Vec<_>>>()?
                .into_iter()
                .collect();
            driven.resume(args)
        })
        .await?;
    loop {
        let (place, future) = match step {
            Step::Done(result) => return Ok(result),
            Step::Wait(place, future) => (place, future),
        };
        let Some(answer) = vm.control.unless_ended(future).await else {
            let why = vm.control.ended().unwrap_or_default();
            return Err(LuaError::new("").stopped(&vm.name, why));
        };
        step = vm
            .step(limit, |lua| {
                let answer = match answer {
                    Ok(reply) => (true, reply(lua)?),
                    Err(said) => (
                        false,
                        Value::String(lua.create_string(format!("{place}: {said}"))?),
                    ),
                };
                driven.resume(lua.pack_multi(answer)?)
            })
            .await?;
    }
}

/// A coroutine that is being driven; known to its state for that time.
struct Driven {
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

    fn resume(&self, args: MultiValue) -> mlua::Result<Step> {
        let Value::Thread(thread) = self.thread.get() else {
            return Err(mlua::Error::runtime("the coroutine is gone"));
        };
        let mut values: MultiValue = thread.resume(args)?;
        let first = values.pop_front().unwrap_or(Value::Nil);
        if thread.status() != ThreadStatus::Resumable {
            let result = convert::to_json(&first);
            return result.map(Step::Done).map_err(|error| {
                mlua::Error::RuntimeError(format!("the value that it returned: {error}"))
            });
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
