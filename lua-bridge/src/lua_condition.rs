//! `when` of a hook: whether it takes part in a call.

use std::sync::Arc;
use std::time::Duration;

use hooks_runtime::{Condition, GuardContext, HookError, Role};
use mlua::{Lua, Table, Value};

use crate::bind::{ApiError, ApiResult};
use crate::context::{Changes, Seen};
use crate::control::Runs;
use crate::error::LuaError;
use crate::host::ConditionHost;
use crate::vm::{Slot, Vm};

/// What makes conditions of text, kept in each state.
#[derive(Clone)]
pub(crate) struct Language(pub(crate) Option<Arc<dyn ConditionHost>>);

/// A Lua function that says whether a hook takes part. It sees a call as a guard does.
struct LuaCondition {
    vm: Arc<Vm>,
    function: Slot,
    limit: Duration,
    /// Where the hook was registered.
    place: String,
}

/// The condition that a script wrote: nothing, a function, or text for the host.
pub(crate) fn read(
    lua: &Lua,
    when: Value,
    limit: Duration,
    place: &str,
) -> ApiResult<Option<Box<dyn Condition>>> {
    let function = match when {
        Value::Nil => return Ok(None),
        Value::String(text) => return compile(lua, &text.to_str()?).map(Some),
        function => function,
    };
    let vm = Vm::of(lua)?;
    Ok(Some(Box::new(LuaCondition {
        function: vm.keep(function),
        vm,
        limit,
        place: place.to_owned(),
    })))
}

fn compile(lua: &Lua, text: &str) -> ApiResult<Box<dyn Condition>> {
    let language = lua.app_data_ref::<Language>();
    let host = language.and_then(|language| language.0.clone());
    let host = host.ok_or("Hook.register: this program has no language for `when` as text: write when = function(ctx) … end")?;
    host.compile(text)
        .map_err(|error| ApiError::Said(format!("Hook.register: `when = \"{text}\"`: {error}")))
}

impl Condition for LuaCondition {
    fn holds(&self, cx: &GuardContext<'_>) -> Result<bool, HookError> {
        let values = Changes::default();
        let seen = Seen::new(&self.vm, cx, Role::Guard, None, &values);
        let asked = self.vm.call(self.limit, Runs::Condition, |_| {
            let function = self.function.function()?;
            let about = |ctx: &Table| function.call::<Value>(ctx);
            let returned = self.vm.proxy.about(&seen, about);
            // All that is of the state goes in its gate.
            seen.forget();
            Ok(match returned? {
                Value::Boolean(holds) => Ok(holds),
                other => Err(other.type_name()),
            })
        });
        match asked {
            Ok(Ok(holds)) => Ok(holds),
            Ok(Err(kind)) => Err(HookError::other(LuaError::new(format!(
                "{}: `when` has to return true or false, and gave a {kind}",
                self.place,
            )))),
            Err(error) => Err(HookError::other(error)),
        }
    }

    fn describe(&self) -> String {
        format!("a function at {}", self.place)
    }
}
