//! The global `Agent`, and the methods of agents.

use std::sync::Arc;

use mlua::{Function, Lua, Table, Value};
use serde_json::Value as Json;

use crate::bind::{ApiError, ApiResult, Binder};
use crate::convert;
use crate::host::{AgentHost, AgentSpec, BoxFuture, HostError, ModelSpec, ModelTurn, ScriptAgent};
use crate::options::Options;
use crate::rights::{Capability, ScriptRights};
use crate::run::json;
use crate::tool_api::parameters;

const WHAT: &str = "Agent.create";

/// The userdata behind an agent.
pub(crate) struct AgentHandle(pub(crate) Arc<dyn ScriptAgent>);

/// Makes the global.
pub(crate) fn install(lua: &Lua, bind: &Binder, host: &Arc<dyn AgentHost>) -> mlua::Result<()> {
    install_methods(lua, bind)?;
    let agent = lua.create_table()?;
    let agents = Arc::clone(host);
    agent.raw_set(
        "create",
        bind.function(WHAT, move |lua, config: Table| {
            let spec = spec(lua, &config)?;
            check_rights(lua, &spec)?;
            let agent = agents.create(spec)?;
            Ok(lua.create_any_userdata(AgentHandle(agent))?)
        })?,
    )?;
    lua.globals().raw_set("Agent", agent)
}

/// An agent may call no tool that its script may not call.
fn check_rights(lua: &Lua, spec: &AgentSpec) -> ApiResult<()> {
    let rights = ScriptRights::of(lua)?;
    rights.check(WHAT, &Capability::AGENT)?;
    let Some(tools) = &spec.tools else {
        let every = Capability::tool("*");
        return rights.check(
            "Agent.create without `tools`, which gives the agent every tool",
            &every,
        );
    };
    let mut tools = tools.iter();
    tools.try_for_each(|tool| rights.check(WHAT, &Capability::tool(tool)))
}

fn spec(lua: &Lua, config: &Table) -> ApiResult<AgentSpec> {
    let options = Options::new(WHAT, config, &["name", "model", "tools", "instructions"])?;
    let model = options.table("model", "a table {script = {…}}")?;
    let model = model
        .ok_or("Agent.create: it needs a model, for example model = {script = {\"the answer\"}}")?;
    Ok(AgentSpec {
        name: options.name("name")?,
        model: model_spec(lua, &model)?,
        tools: options.strings("tools")?,
        instructions: options.string("instructions")?,
    })
}

fn model_spec(lua: &Lua, model: &Table) -> ApiResult<ModelSpec> {
    let options = Options::new("Agent.create: model", model, &["script"])?;
    let script = options.table("script", "a list of turns")?;
    let script = script.ok_or("Agent.create: the model needs `script`, a list of turns")?;
    let mut turns = Vec::new();
    for turn in script.sequence_values::<Value>() {
        turns.push(match turn? {
            Value::String(text) => ModelTurn::Text(text.to_str()?.to_owned()),
            Value::Table(turn) => turn_spec(lua, &turn)?,
            other => {
                return Err(format!(
                    "Agent.create: a turn is a text or a table, not a {}",
                    other.type_name()
                )
                .into());
            }
        });
    }
    Ok(ModelSpec::Script(turns))
}

/// `{text = …}`, `{tool = …, params = {…}}` or `{calls = {{tool = …, params = {…}}, …}}`.
fn turn_spec(lua: &Lua, turn: &Table) -> ApiResult<ModelTurn> {
    let options = Options::new(
        "Agent.create: a turn",
        turn,
        &["text", "tool", "params", "calls"],
    )?;
    let given = [
        options.raw("text")?,
        options.raw("tool")?,
        options.raw("calls")?,
    ];
    if given.iter().filter(|value| !value.is_nil()).count() != 1 {
        return Err(
            "Agent.create: a turn has exactly one of text = …, tool = … and calls = {…}".into(),
        );
    }
    if let Some(text) = options.string("text")? {
        return Ok(ModelTurn::Text(text));
    }
    let Some(calls) = options.table("calls", "a list of {tool = …, params = {…}}")? else {
        return Ok(ModelTurn::Calls(vec![call(lua, &options)?]));
    };
    let mut spec = Vec::new();
    for each in calls.sequence_values::<Table>() {
        let each = each?;
        spec.push(call(
            lua,
            &Options::new("Agent.create: a call", &each, &["tool", "params"])?,
        )?);
    }
    Ok(ModelTurn::Calls(spec))
}

fn call(lua: &Lua, options: &Options<'_>) -> ApiResult<(String, Json)> {
    let tool = options.name("tool")?;
    let params = parameters(
        lua,
        "Agent.create: params of",
        &tool,
        &options.raw("params")?,
        &Value::Nil,
    )?;
    Ok((tool, params))
}

type Started<'a, T> = BoxFuture<'a, Result<T, HostError>>;

fn install_methods(lua: &Lua, bind: &Binder) -> mlua::Result<()> {
    let name = bind.function("agent:name", |_, this: Value| {
        Ok(of(&this, "name")?.name().to_owned())
    })?;
    let state = bind.function("agent:state", |_, this: Value| {
        Ok(of(&this, "state")?.state())
    })?;
    let change = |what: &'static str,
                  method: &'static str,
                  f: for<'a> fn(&'a dyn ScriptAgent) -> Started<'a, ()>| {
        bind.waiting(what, move |_, this: Value| {
            let agent = of(&this, method)?;
            Ok(Box::pin(async move {
                let changed = f(&*agent).await;
                changed
                    .map(|()| json(Json::Null))
                    .map_err(|error| error.to_string())
            }))
        })
    };
    let execute = bind.waiting("agent:execute", |lua, (this, input): (Value, Value)| {
        let agent = of(&this, "execute")?;
        let input = match convert::to_json(lua, &input)? {
            Json::String(text) => text,
            Json::Null => {
                return Err(
                    "agent:execute: it needs a task, for example agent:execute(\"…\")".into(),
                );
            }
            other => other.to_string(),
        };
        Ok(Box::pin(async move {
            agent
                .execute(input)
                .await
                .map(json)
                .map_err(|error| error.to_string())
        }))
    })?;
    let invoke = bind.waiting(
        "agent:invokeTool",
        |lua, (this, tool, params, more): (Value, String, Value, Value)| {
            let agent = of(&this, "invokeTool")?;
            let params = parameters(lua, "agent:invokeTool", &tool, &params, &more)?;
            Ok(Box::pin(async move {
                let called = agent.invoke_tool(&tool, params).await;
                called.map(json).map_err(|error| error.to_string())
            }))
        },
    )?;
    let methods: Vec<(&str, Function)> = vec![
        ("name", name),
        ("state", state),
        (
            "initialize",
            change("agent:initialize", "initialize", |agent| agent.initialize())?,
        ),
        ("execute", execute),
        ("invokeTool", invoke),
        (
            "pause",
            change("agent:pause", "pause", |agent| agent.pause())?,
        ),
        (
            "resume",
            change("agent:resume", "resume", |agent| agent.resume())?,
        ),
        ("stop", change("agent:stop", "stop", |agent| agent.stop())?),
    ];
    crate::bind::methods::<AgentHandle>(lua, "agent", methods)
}

fn of(this: &Value, method: &str) -> ApiResult<Arc<dyn ScriptAgent>> {
    match this {
        Value::UserData(data) if data.is::<AgentHandle>() => {
            Ok(Arc::clone(&data.borrow::<AgentHandle>()?.0))
        }
        _ => Err(ApiError::Said(format!(
            "call it on an agent that Agent.create returned, with a colon: agent:{method}(…)"
        ))),
    }
}
