//! A Lua function as a hook of the runtime.

use std::sync::Arc;
use std::time::Duration;

use hooks_runtime::{
    DecisionRecord, GuardContext, HookContext, HookError, HookResult, Phase, Role, Vote,
};
use mlua::{Lua, MultiValue, Value};

use crate::answer::{self, Answer};
use crate::bind::{ApiError, ApiResult};
use crate::context::{Changes, Seen};
use crate::convert::restore;
use crate::error::LuaError;
use crate::record;
use crate::rights::{self, Capability};
use crate::vm::{Slot, Vm};

/// The function with its state and its limit.
pub(crate) struct LuaHook {
    pub(crate) vm: Arc<Vm>,
    pub(crate) function: Slot,
    /// The arguments that it is called with; `None`: with its context.
    pub(crate) args: Option<Box<[String]>>,
    /// How long one call may take.
    pub(crate) limit: Duration,
    /// Where it was registered: the place of failures that have none of their own.
    pub(crate) place: String,
}

impl LuaHook {
    /// Asks it; what it changed is still to be written back.
    fn ask(&self, call: &GuardContext<'_>, role: Role) -> Result<(Answer, Changes), HookError> {
        let seen = Seen::new(&self.vm, call, role);
        let asked = self.vm.call(self.limit, |lua| {
            let read = || -> ApiResult<_> {
                let value = self.run(lua, &seen)?;
                let answer = answer::read(&value, role, call.phase())?;
                if let Answer::Result(HookResult::Allow) = answer {
                    let wanted = Capability::grant(call.point_name());
                    rights::check(lua, "the hook answered Allow", &wanted)?;
                }
                Ok((answer, seen.changes()?))
            };
            match read() {
                Ok(read) => Ok(Ok(read)),
                Err(ApiError::Said(said)) => Ok(Err(format!("{}: {said}", self.place))),
                Err(ApiError::Lua(error)) => Err(error),
            }
        });
        match asked {
            Ok(Ok(read)) => Ok(read),
            Ok(Err(said)) => Err(HookError::other(LuaError::new(said))),
            Err(error) => Err(HookError::other(error)),
        }
    }

    /// Calls the function with its context, or with the arguments that it named.
    fn run(&self, lua: &Lua, seen: &Seen<'_, '_>) -> ApiResult<Value> {
        let function = self.function.function()?;
        let Some(names) = &self.args else {
            return raised(self.vm.proxy.about(seen, |ctx| function.call(ctx)));
        };
        let arg = |name: &String| seen.named(lua, name);
        // As tuples they go to the stack one by one, without a list.
        raised(match &**names {
            [] => function.call(()),
            [one] => function.call(arg(one)?),
            [one, two] => function.call((arg(one)?, arg(two)?)),
            [one, two, three] => function.call((arg(one)?, arg(two)?, arg(three)?)),
            many => {
                let values = many.iter().map(arg).collect::<ApiResult<Vec<_>>>()?;
                function.call(MultiValue::from_iter(values))
            }
        })
    }

    pub(crate) fn intercept(&self, cx: &mut HookContext<'_>) -> Result<HookResult, HookError> {
        let (answer, mut changes) = self.ask(cx, Role::Intercept)?;
        let result = match answer {
            Answer::Result(result) => result,
            Answer::Modified(data) => {
                self.modified(cx.phase(), data, &mut changes)?;
                HookResult::Continue
            }
        };
        for (name, value) in changes.args {
            // What can't be read is set as it is; an unknown name fails where it is set.
            let value = match cx.arg_json(&name) {
                Ok(original) => restore(&original, value),
                Err(_) => value,
            };
            cx.set_arg_json(&name, value).map_err(|e| self.at(&e))?;
        }
        if let Some(value) = changes.result {
            let value = match cx.result_json() {
                Ok(original) => restore(&original, value),
                Err(_) => value,
            };
            cx.set_result_json(value).map_err(|e| self.at(&e))?;
        }
        Ok(result)
    }

    /// The predecessor's way to say what changed.
    fn modified(
        &self,
        phase: Phase,
        data: serde_json::Value,
        changes: &mut Changes,
    ) -> Result<(), HookError> {
        match (phase, data) {
            (Phase::Pre, serde_json::Value::Object(args)) => {
                changes.args.extend(args.into_iter().map(|(name, value)| (name.into(), value)));
                Ok(())
            }
            (Phase::Pre, _) => Err(self.at(
                &"`data` of a modified call is a table of arguments by name, for example {type = \"modified\", data = {params = {…}}}",
            )),
            (_, result) => {
                changes.result = Some(result);
                Ok(())
            }
        }
    }

    pub(crate) fn guard(&self, cx: &GuardContext<'_>) -> Result<Vote, HookError> {
        match self.ask(cx, Role::Guard)?.0 {
            Answer::Result(result) => {
                answer::vote(result, cx.phase()).map_err(|error| match error {
                    ApiError::Said(said) => self.at(&said),
                    ApiError::Lua(error) => HookError::other(LuaError::of(&self.vm.name, &error)),
                })
            }
            Answer::Modified(_) => Err(self.at(&"a guard can't change anything")),
        }
    }

    /// Tells an observer. The runtime hears of an observer's failure by its panic and reports it; unwinding
    /// without the panic hook keeps the report in one place.
    pub(crate) fn observe(&self, record: &DecisionRecord) {
        let told = self.vm.call(self.limit, |lua| {
            let ctx = record::table(lua, record, self.vm.bind.plain())?;
            self.function.function()?.call::<()>(ctx)
        });
        if let Err(error) = told {
            std::panic::resume_unwind(Box::new(error.to_string()));
        }
    }

    fn at(&self, error: &dyn std::fmt::Display) -> HookError {
        HookError::other(LuaError::new(format!("{}: {error}", self.place)))
    }
}

/// What the function raised is passed on as it is.
fn raised(result: mlua::Result<Value>) -> ApiResult<Value> {
    result.map_err(ApiError::Lua)
}
