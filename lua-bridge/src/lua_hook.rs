//! A Lua function as a hook of the runtime.

use std::cell::Cell;
use std::sync::Arc;
use std::time::Duration;

use hooks_runtime::{
    DecisionRecord, GuardContext, HookContext, HookError, HookResult, Phase, Role, Vote,
};
use mlua::{Lua, Table, Value};
use serde_json::Value as Json;

use crate::allowance::Deadline;
use crate::answer::{self, Answer};
use crate::bind::{ApiError, ApiResult};
use crate::context::{Changes, Seen, set_arg, set_result};
use crate::control::Runs;
use crate::error::LuaError;
use crate::raw::{Args, Returned};
use crate::record;
use crate::rights::{self, Capability};
use crate::vm::{Slot, Vm};

mod waiting;

/// The function with its state and its limit.
pub(crate) struct LuaHook {
    pub(crate) vm: Arc<Vm>,
    pub(crate) function: Slot,
    /// The arguments that it is called with; `None`: with its context.
    pub(crate) args: Option<Box<[String]>>,
    /// How long one call may take.
    pub(crate) limit: Duration,
    /// Whether the registry measures that too, because the script said how long.
    pub(crate) is_timed: bool,
    /// Where it was registered: the place of failures that have none of their own.
    pub(crate) place: String,
}

/// What a hook answered; nothing: it lets the call go on.
type Asked = Option<Box<Answer>>;

impl LuaHook {
    /// When the registry takes no answer of the hook any more.
    fn deadline(&self, call: &GuardContext<'_>) -> Option<Deadline> {
        let is_timed = self.is_timed;
        is_timed.then(|| Deadline::after(self.limit, call.clock()))
    }

    /// Asks it; what it changed is still to be written back.
    fn ask(&self, seen: &Seen<'_, '_>) -> Result<Asked, HookError> {
        let asked = self.vm.call(self.limit, Runs::Hook, |lua| {
            let returned = self.run(seen);
            let asked = returned.and_then(|value| self.read(lua, value, seen));
            // What is settled is no value of the state any more.
            if asked.is_err() {
                seen.forget();
            }
            said(asked)
        });
        self.told(asked)
    }

    /// Reads what the function returned, and what it changed.
    fn read(&self, lua: &Lua, returned: Option<Value>, seen: &Seen<'_, '_>) -> ApiResult<Asked> {
        let phase = seen.call().phase();
        let answer = match returned {
            None => None,
            Some(value) => Some(Box::new(answer::read(lua, &value, seen.role(), phase)?)),
        };
        if let Some(Answer::Result(HookResult::Allow)) = answer.as_deref() {
            let wanted = Capability::grant(seen.call().point_name());
            rights::check(lua, "the hook answered Allow", &wanted)?;
        }
        seen.settle()?;
        Ok(answer)
    }

    fn told<T>(&self, asked: Result<Result<T, String>, LuaError>) -> Result<T, HookError> {
        match asked {
            Ok(Ok(read)) => Ok(read),
            Ok(Err(said)) => Err(self.at(&said)),
            Err(error) => Err(HookError::other(error)),
        }
    }

    /// Calls the function with its context, or with the arguments that it named; what it returned.
    fn run(&self, seen: &Seen<'_, '_>) -> ApiResult<Option<Value>> {
        let function = self.function.function()?;
        let Some(names) = &self.args else {
            let about = |ctx: &Table| function.call(ctx);
            let returned: mlua::Result<Returned> = self.vm.proxy.about(seen, about);
            return returned.map(|first| first.0).map_err(ApiError::Lua);
        };
        let said = Cell::new(None);
        let args = Args {
            seen,
            names,
            said: &said,
        };
        let returned = function.call::<Returned>(args);
        // What the function raised is passed on as it is.
        returned
            .map(|first| first.0)
            .map_err(|error| said.take().unwrap_or(ApiError::Lua(error)))
    }

    pub(crate) fn intercept(&self, cx: &mut HookContext<'_>) -> Result<HookResult, HookError> {
        let deadline = self.deadline(cx);
        let mut changes = Changes::default();
        let role = Role::Intercept;
        let asked = self.ask(&Seen::new(&self.vm, cx, role, deadline.as_ref(), &changes))?;
        self.write_back(cx, asked, &mut changes)
    }

    fn write_back(
        &self,
        cx: &mut HookContext<'_>,
        asked: Asked,
        changes: &mut Changes,
    ) -> Result<HookResult, HookError> {
        if !changes.is_empty() {
            changes.write(cx).map_err(|e| self.at(&e))?;
        }
        match asked.map(|answer| *answer) {
            None => Ok(HookResult::Continue),
            Some(Answer::Result(result)) => Ok(result),
            Some(Answer::Modified(data)) => self.modify(cx, data),
        }
    }

    /// The predecessor's way to say what changed; it wins over what was assigned.
    fn modify(&self, cx: &mut HookContext<'_>, data: Json) -> Result<HookResult, HookError> {
        match (cx.phase(), data) {
            (Phase::Pre, Json::Object(args)) => {
                for (name, value) in args {
                    set_arg(cx, &name, value).map_err(|e| self.at(&e))?;
                }
            }
            (Phase::Pre, _) => return Err(self.at(
                &"`data` of a modified call is a table of arguments by name, for example {type = \"modified\", data = {params = {…}}}",
            )),
            (_, result) => set_result(cx, result).map_err(|e| self.at(&e))?,
        }
        Ok(HookResult::Continue)
    }

    pub(crate) fn guard(&self, cx: &GuardContext<'_>) -> Result<Vote, HookError> {
        let deadline = self.deadline(cx);
        let (role, seen) = (Role::Guard, Changes::default());
        let asked = self.ask(&Seen::new(&self.vm, cx, role, deadline.as_ref(), &seen))?;
        self.vote(cx.phase(), asked)
    }

    fn vote(&self, phase: Phase, asked: Asked) -> Result<Vote, HookError> {
        let Some(answer) = asked else {
            return Ok(Vote::Pass);
        };
        match *answer {
            Answer::Result(result) => answer::vote(result, phase).map_err(|error| match error {
                ApiError::Said(said) => self.at(&said),
                ApiError::Lua(error) => HookError::other(LuaError::of(&self.vm.name, &error)),
            }),
            Answer::Modified(_) => Err(self.at(&"a guard can't change anything")),
        }
    }

    /// Tells an observer. The runtime hears of an observer's failure by its panic and reports it; unwinding
    /// without the panic hook keeps the report in one place.
    pub(crate) fn observe(&self, record: &DecisionRecord) {
        let told = self.vm.call(self.limit, Runs::Observer, |lua| {
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

/// What is wrong, in words for the author of the script, apart from what Lua raised.
fn said<T>(asked: ApiResult<T>) -> mlua::Result<Result<T, String>> {
    match asked {
        Ok(asked) => Ok(Ok(asked)),
        Err(ApiError::Said(said)) => Ok(Err(said)),
        Err(ApiError::Lua(error)) => Err(error),
    }
}
