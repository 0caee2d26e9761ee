//! The global `Time`.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use hooks_runtime::Clock;
use mlua::{Lua, Value};
use tokio::runtime::Handle;

use crate::bind::{ApiResult, Binder};

/// The longest `Time.sleep`, in milliseconds: a day.
const MAX_SLEEP_MS: f64 = 86_400_000.0;

/// Makes the global.
pub(crate) fn install(lua: &Lua, bind: &Binder) -> mlua::Result<()> {
    let time = lua.create_table()?;
    time.raw_set("now", bind.function("Time.now", |_, ()| now_ms())?)?;
    time.raw_set(
        "iso",
        bind.function("Time.iso", |_, ms: Option<f64>| match ms {
            Some(ms) => iso(ms),
            None => iso(now_ms()?),
        })?,
    )?;
    time.raw_set(
        "sleep",
        bind.waiting("Time.sleep", |_, ms: f64| {
            if !(0.0..=MAX_SLEEP_MS).contains(&ms) {
                return Err(
                    format!("Time.sleep: milliseconds from 0 to {MAX_SLEEP_MS}, not {ms}").into(),
                );
            }
            let time = Duration::from_secs_f64(ms / 1000.0);
            Ok(Box::pin(async move {
                // Hooks are asked under any executor, or none.
                match Handle::try_current() {
                    Ok(_) => tokio::time::sleep(time).await,
                    Err(_) => Clock::system().sleep(time).await,
                }
                Ok(Box::new(|_: &Lua| Ok(Value::Nil)) as crate::run::Reply)
            }))
        })?,
    )?;
    lua.globals().raw_set("Time", time)
}

/// Whole milliseconds since 1970.
fn now_ms() -> ApiResult<f64> {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    let since = since.map_err(|_| "Time: the clock of the system is before 1970")?;
    Ok((since.as_secs_f64() * 1000.0).floor())
}

fn iso(ms: f64) -> ApiResult<String> {
    let whole = ms.round();
    // What is no number, or beyond what an integer holds, becomes one that is out of range.
    let stamp = jiff::Timestamp::from_millisecond(whole as i64);
    match stamp {
        Ok(stamp) if whole.is_finite() => Ok(format!("{stamp:.3}")),
        _ => Err(format!("Time.iso: {ms} is no time in milliseconds since 1970").into()),
    }
}
