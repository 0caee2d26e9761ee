//! `ctx.state`: a table that one hook has for the time of one call.

use std::sync::Arc;

use hooks_runtime::GuardContext;
use mlua::{Lua, Value};

use crate::bind::ApiResult;
use crate::vm::{Slot, Vm};

/// The table. The call keeps it for the hook, and drops it when it is done or dropped itself; then it is handed back to
/// the state, whose memory it takes.
#[derive(Clone)]
struct CallState(Arc<Slot>);

/// The table of the hook that is asked in this call, made when it is read for the first time.
pub(crate) fn of(lua: &Lua, call: &GuardContext<'_>) -> ApiResult<Value> {
    if let Some(CallState(table)) = call.kept() {
        return Ok(table.get().clone());
    }
    let table = Value::Table(lua.create_table()?);
    call.keep(CallState(Arc::new(Vm::of(lua)?.keep(table.clone()))));
    Ok(table)
}
