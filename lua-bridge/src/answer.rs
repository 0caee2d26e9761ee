//! What a hook returned, as an answer.

use std::time::Duration;

use hooks_runtime::{HookResult, Phase, Role, Vote};
use mlua::{FromLua, Lua, Table, Value};
use serde_json::Value as Json;

use crate::bind::{ApiError, ApiResult, Binder};
use crate::convert;
use crate::options::Options;

const FORMS: &str = "return nil, \"continue\", Result.cancel(reason), .ask(question), .halt(reason), .allow(), .replace(value), .cache{key=, ttl_ms=}, .redirect(to), .retry{delay_ms=, max_attempts=} or {type=\"modified\", data=…}";

/// An answer, or new values in the predecessor's form.
pub(crate) enum Answer {
    Result(HookResult),
    /// In `pre` an object of arguments by name; else the result.
    Modified(Json),
}

/// Reads what a hook of that role returned.
pub(crate) fn read(lua: &Lua, value: &Value, role: Role, phase: Phase) -> ApiResult<Answer> {
    let answer = match value {
        Value::Nil => Answer::Result(HookResult::Continue),
        Value::String(word) if matches!(&*word.as_bytes(), b"continue" | b"skipped") => {
            Answer::Result(HookResult::Continue)
        }
        Value::String(word) => {
            return Err(format!(
                "the hook returned the string \"{}\", which is no answer: {FORMS}",
                word.to_string_lossy()
            )
            .into());
        }
        Value::Table(table) => from_table(lua, table)?,
        other => {
            return Err(format!(
                "the hook returned a {}, which is no answer: {FORMS}",
                other.type_name()
            )
            .into());
        }
    };
    match (role, answer) {
        (Role::Guard, Answer::Modified(_)) => Err(plan("modified", phase)),
        (Role::Guard, Answer::Result(result)) => {
            vote(result, phase).map(|vote| Answer::Result(vote.into()))
        }
        (_, answer) => Ok(answer),
    }
}

/// The answer as the vote of a guard.
pub(crate) fn vote(result: HookResult, phase: Phase) -> ApiResult<Vote> {
    Ok(match result {
        HookResult::Continue => Vote::Pass,
        HookResult::Allow => Vote::Allow,
        HookResult::Ask(request) => Vote::Ask(request),
        HookResult::Cancel(reason) => Vote::Cancel(reason),
        HookResult::Halt { reason, reach } => Vote::Halt { reason, reach },
        other => return Err(plan(other.word(), phase)),
    })
}

fn plan(word: &str, phase: Phase) -> ApiError {
    format!("a guard votes (continue, allow, ask, cancel, halt); this one returned `{word}` in phase {phase}: register it with role = \"intercept\"").into()
}

fn from_table(lua: &Lua, table: &Table) -> ApiResult<Answer> {
    let Value::String(kind) = table.raw_get::<Value>("type")? else {
        return Err(format!(
            "the hook returned a table without `type`, which is no answer: {FORMS}"
        )
        .into());
    };
    let kind = kind.to_string_lossy();
    let read = |known: &[&str]| Options::new("the hook's answer", table, known).map(|_| ());
    let options = Options::new("the hook's answer", table, EVERY)?;
    let result = match kind.as_str() {
        "continue" | "skipped" => {
            read(&["type", "reason"])?;
            HookResult::Continue
        }
        "allow" => {
            read(&["type"])?;
            HookResult::Allow
        }
        "cancel" => {
            read(&["type", "reason"])?;
            HookResult::cancel(options.name("reason")?)
        }
        "halt" => {
            read(&["type", "reason"])?;
            HookResult::halt(options.name("reason")?)
        }
        "ask" => {
            read(&["type", "question"])?;
            HookResult::ask(options.name("question")?)
        }
        "replace" => {
            read(&["type", "data"])?;
            HookResult::replace_json(options.json(lua, "data")?.unwrap_or_default())
        }
        "modified" => {
            read(&["type", "data"])?;
            return Ok(Answer::Modified(
                options.json(lua, "data")?.unwrap_or_default(),
            ));
        }
        "cache" => {
            read(&["type", "key", "ttl_ms"])?;
            let ttl = options.count("ttl_ms")?.ok_or("the hook's answer: a cached answer needs `ttl_ms`, how long it is kept, in milliseconds")?;
            HookResult::cache(options.name("key")?, Duration::from_millis(ttl.into()))
        }
        "redirect" => {
            read(&["type", "to", "target"])?;
            let to = options.string("to")?;
            HookResult::redirect(match to {
                Some(to) => to,
                None => options.name("target")?,
            })
        }
        "retry" => {
            read(&["type", "delay_ms", "max_attempts"])?;
            let delay = options.count("delay_ms")?.unwrap_or(0);
            let attempts = options.count("max_attempts")?.ok_or("the hook's answer: a retry needs `max_attempts`, how many attempts the call has in all")?;
            HookResult::retry(Duration::from_millis(delay.into()), attempts)
        }
        other => {
            return Err(format!(
                "the hook returned a table of type \"{other}\", which is no answer: {FORMS}"
            )
            .into());
        }
    };
    Ok(Answer::Result(result))
}

const EVERY: &[&str] = &[
    "type",
    "reason",
    "question",
    "data",
    "key",
    "ttl_ms",
    "to",
    "target",
    "delay_ms",
    "max_attempts",
];

/// `Result.ask("…")` or `Result.ask{question = "…"}`.
fn ask(lua: &Lua, given: Value) -> ApiResult<Table> {
    const WHAT: &str = "Result.ask";
    let question = match given {
        Value::Table(table) => Options::new(WHAT, &table, &["question"])?.name("question")?,
        given => String::from_lua(given, lua).map_err(|error| ApiError::of(WHAT, error))?,
    };
    if question.trim().is_empty() {
        return Err(format!("{WHAT}: the question is empty; somebody reads it").into());
    }
    let answer = lua.create_table()?;
    answer.raw_set("type", "ask")?;
    answer.raw_set("question", question)?;
    Ok(answer)
}

/// The global `Result`: each function makes the table that says the answer.
pub(crate) fn install(lua: &Lua, bind: &Binder) -> mlua::Result<()> {
    let result = lua.create_table()?;
    let with_text = |kind: &'static str, field: &'static str, what: &'static str| {
        bind.function(what, move |lua, text: String| {
            if text.trim().is_empty() {
                return Err(format!("{what}: the {field} is empty; the caller reads it").into());
            }
            let answer = lua.create_table()?;
            answer.raw_set("type", kind)?;
            answer.raw_set(field, text)?;
            Ok(answer)
        })
    };
    result.raw_set("cancel", with_text("cancel", "reason", "Result.cancel")?)?;
    result.raw_set("halt", with_text("halt", "reason", "Result.halt")?)?;
    result.raw_set("ask", bind.function("Result.ask", ask)?)?;
    result.raw_set("redirect", with_text("redirect", "to", "Result.redirect")?)?;
    result.raw_set(
        "allow",
        bind.function("Result.allow", |lua, ()| {
            let answer = lua.create_table()?;
            answer.raw_set("type", "allow")?;
            Ok(answer)
        })?,
    )?;
    result.raw_set(
        "replace",
        bind.function("Result.replace", |lua, value: Value| {
            let answer = lua.create_table()?;
            answer.raw_set("type", "replace")?;
            // Read now: what has no JSON form is told where it was written.
            convert::to_json(lua, &value)?;
            answer.raw_set("data", value)?;
            Ok(answer)
        })?,
    )?;
    let with_table = |kind: &'static str, what: &'static str, known: &'static [&'static str]| {
        bind.function(what, move |lua, given: Table| {
            Options::new(what, &given, known)?;
            let answer = lua.create_table()?;
            answer.raw_set("type", kind)?;
            for key in known {
                answer.raw_set(*key, given.raw_get::<Value>(*key)?)?;
            }
            Ok(answer)
        })
    };
    let cache = with_table("cache", "Result.cache", &["key", "ttl_ms"])?;
    result.raw_set("cache", cache)?;
    let retry = with_table("retry", "Result.retry", &["delay_ms", "max_attempts"])?;
    result.raw_set("retry", retry)?;
    lua.globals().raw_set("Result", result)
}
