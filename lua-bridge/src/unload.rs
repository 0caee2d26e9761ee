//! `Script.on_unload`: what a script does last.

use std::sync::{Mutex, PoisonError};

use mlua::{Lua, Table, Value};

use crate::bind::{ApiResult, Binder};
use crate::error::LuaError;
use crate::vm::{Slot, Vm};

const WHAT: &str = "Script.on_unload";
/// How many functions one script may give.
const MOST: usize = 100;

/// The functions of one state. They run once.
#[derive(Default)]
pub(crate) struct Unload(Mutex<State>);

#[derive(Default)]
struct State {
    functions: Vec<Slot>,
    is_over: bool,
}

impl Unload {
    fn add(&self, function: Slot) -> ApiResult<()> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if state.is_over {
            return Err(format!("{WHAT}: the script is being unloaded").into());
        }
        if state.functions.len() == MOST {
            return Err(
                format!("{WHAT}: {MOST} functions are the most; call several in one").into(),
            );
        }
        state.functions.push(function);
        Ok(())
    }

    /// What is to run, the last first; nothing the second time.
    pub(crate) fn take(&self) -> Vec<Slot> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.is_over = true;
        let mut functions = std::mem::take(&mut state.functions);
        drop(state);
        functions.reverse();
        functions
    }
}

/// Runs functions; an error of one does not keep the next from running.
pub(crate) fn run(script: &str, functions: &[Slot]) -> mlua::Result<Vec<LuaError>> {
    let mut errors = Vec::new();
    for function in functions {
        if let Err(error) = function.function()?.call::<()>(()) {
            errors.push(LuaError::of(script, &error));
        }
    }
    Ok(errors)
}

/// Adds it to the global `Script`.
pub(crate) fn install(lua: &Lua, bind: &Binder) -> mlua::Result<()> {
    let script: Table = lua.globals().raw_get("Script")?;
    script.raw_set(
        "on_unload",
        bind.function(WHAT, |lua, function: Value| {
            if !function.is_function() {
                let kind = function.type_name();
                return Err(format!("{WHAT}: it takes a function, not a {kind}").into());
            }
            let vm = Vm::of(lua)?;
            vm.unload.add(vm.keep(function))
        })?,
    )
}
