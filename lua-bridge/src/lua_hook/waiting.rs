//! A hook that may wait: its function runs as a coroutine, and others use the state while it waits.

use std::ops::Deref;
use std::sync::Arc;

use hooks_runtime::{GuardContext, HookContext, HookError, HookResult, Role, Vote};
use mlua::{IntoLuaMulti, Lua, MultiValue, Value};

use super::{Asked, LuaHook, said};
use crate::allowance::{Allowance, Deadline};
use crate::bind::{ApiError, ApiResult};
use crate::context::{Changes, Kept, Seen};
use crate::host::BoxFuture;
use crate::run::{Driven, Step, Work, drive_work};

/// One call that the hook is asked about; `C` is its context, which is only looked at.
struct Question<'q, C> {
    hook: &'q LuaHook,
    call: &'q mut C,
    role: Role,
    deadline: Deadline,
    allowance: Allowance,
    /// What the script has seen and set so far.
    kept: Kept,
}

impl<'g, C: Deref<Target = GuardContext<'g>> + Send> Question<'_, C> {
    fn step(
        &self,
        lua: &Lua,
        driven: &Driven,
        answer: Option<MultiValue>,
        seen: &Seen<'_, 'g>,
    ) -> ApiResult<Step<Asked>> {
        let hook = self.hook;
        let step = match (&hook.args, answer) {
            (None, answer) => hook.vm.proxy.about(seen, |ctx| {
                let values = match answer {
                    Some(answer) => answer,
                    None => ctx.into_lua_multi(lua)?,
                };
                driven.resume(values)
            }),
            (Some(_), Some(answer)) => driven.resume(answer),
            (Some(names), None) => {
                let values = names.iter().map(|name| seen.named(lua, name));
                driven.resume(values.collect::<ApiResult<_>>()?)
            }
        };
        Ok(match step.map_err(ApiError::Lua)? {
            Step::Wait(place, future) => Step::Wait(place, future),
            Step::Done(Value::Nil) => Step::Done(hook.read(lua, None, seen)?),
            Step::Done(value) => Step::Done(hook.read(lua, Some(value), seen)?),
        })
    }
}

impl<'g, C: Deref<Target = GuardContext<'g>> + Send> Work for Question<'_, C> {
    type Out = Result<Asked, String>;

    fn allowance(&self) -> &Allowance {
        &self.allowance
    }

    /// At a synchronous site it is polled once: a state that is in use just then is no reason to fail.
    fn blocks(&self) -> bool {
        !self.call.site().flags.is_async
    }

    fn go_on(
        &mut self,
        lua: &Lua,
        driven: &Driven,
        answer: Option<MultiValue>,
    ) -> mlua::Result<Step<Result<Asked, String>>> {
        let (hook, values) = (self.hook, std::mem::take(&mut self.kept).held());
        let deadline = Some(&self.deadline);
        let seen = Seen::new(&hook.vm, self.call, self.role, deadline, &values);
        let step = self.step(lua, driven, answer, &seen);
        self.kept = values.keep(&hook.vm);
        Ok(match said(step)? {
            Ok(Step::Wait(place, future)) => Step::Wait(place, future),
            Ok(Step::Done(asked)) => Step::Done(Ok(asked)),
            Err(said) => Step::Done(Err(said)),
        })
    }
}

impl LuaHook {
    async fn ask_waiting<'g, C>(
        &self,
        call: &mut C,
        role: Role,
    ) -> Result<(Asked, Changes), HookError>
    where
        C: Deref<Target = GuardContext<'g>> + Send,
    {
        let _asking = self.vm.begin_asking().map_err(|limit| {
            self.at(&format!("{limit} calls are waiting in hooks of this script already; answer faster, or raise the limit of hooks at once"))
        })?;
        let deadline = Deadline::after(self.limit, call.clock());
        let mut question = Question {
            hook: self,
            call,
            role,
            allowance: Allowance::Until(deadline.clone()),
            deadline,
            kept: Kept::default(),
        };
        let asked = self.told(drive_work(&self.vm, &self.function, &mut question).await)?;
        Ok((asked, question.kept.held()))
    }

    pub(crate) fn intercept_waiting<'a>(
        self: Arc<Self>,
        cx: &'a mut HookContext<'a>,
    ) -> BoxFuture<'a, Result<HookResult, HookError>> {
        Box::pin(async move {
            let (asked, mut changes) = self.ask_waiting(cx, Role::Intercept).await?;
            self.write_back(cx, asked, &mut changes)
        })
    }

    pub(crate) fn guard_waiting<'a>(
        self: Arc<Self>,
        mut cx: &'a mut GuardContext<'a>,
    ) -> BoxFuture<'a, Result<Vote, HookError>> {
        Box::pin(async move {
            let (asked, _) = self.ask_waiting(&mut cx, Role::Guard).await?;
            self.vote(cx.phase(), asked)
        })
    }
}
